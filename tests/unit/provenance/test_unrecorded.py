"""Outputs that a killed or a failed run leaves behind its records, by the records of their jobs."""

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


def test_what_a_failed_run_was_to_make_and_did_not_is_made_again(tmp_path, monkeypatch, make_job):
    monkeypatch.chdir(tmp_path)
    for name in ("made", "left", "unknown"):
        (tmp_path / "results" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "results" / name).touch()
    for name in ("made", "left"):
        write_job(make_job("recording", {}, (f"results/{name}",), session=name), "results")
    before = runs.existing("results", [f"results/{name}" for name in ("made", "left", "unknown", "new")])
    assert set(before) == {"results/made", "results/left", "results/unknown"}
    write_job(make_job("recording", {}, ("results/made",), session="made", at_s=1.0), "results")
    (tmp_path / "results/new").touch()
    marked = []
    monkeypatch.setattr(FilePersistence, "started", lambda self, job: marked.extend(map(str, job.output)))
    assert runs.plan_again("results", before) == marked == ["results/left", "results/unknown"]
