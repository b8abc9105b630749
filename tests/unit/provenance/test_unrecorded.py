"""Outputs that a killed run could not record, by the records of their jobs."""

import os
import time
from types import SimpleNamespace

from snakemake.persistence.file import FilePersistence

from evoalign.pipeline import runs
from evoalign.pipeline.provenance.records import write_job


def test_outputs_without_a_record_of_a_killed_run_are_made_again(tmp_path, monkeypatch, make_job):
    monkeypatch.chdir(tmp_path)
    for name in ("recorded", "unrecorded", "gone"):
        write_job(make_job("recording", {}, (f"results/{name}",), session=name), "results")
    for name in ("recorded", "unrecorded"):
        (tmp_path / "results" / name).touch()
    times = (tmp_path / "results/recorded").stat().st_mtime
    monkeypatch.setattr(
        FilePersistence,
        "metadata",
        lambda self, file: SimpleNamespace(endtime=times) if file == "results/recorded" else None,
    )
    assert [str(file) for file in runs.unrecorded("results", since=0)] == ["results/unrecorded"]
    assert runs.unrecorded("results", since=time.time()) == []
    guard = tmp_path / "results" / runs.GUARD
    guard.parent.mkdir()
    guard.write_text("process 1 on node3\n")
    os.utime(guard, (0, 0))
    marked = []
    monkeypatch.setattr(FilePersistence, "started", lambda self, job: marked.extend(map(str, job.output)))
    runs.tidy("results")
    assert marked == ["results/unrecorded"]
