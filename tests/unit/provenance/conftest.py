import datetime as dt

import pytest

from evoalign.pipeline.provenance.measure import Host, Usage
from evoalign.pipeline.provenance.records import Job

BEGAN = dt.datetime(2026, 1, 2, 9, tzinfo=dt.UTC)


@pytest.fixture
def make_job():
    """A function that makes the record of a job; times are in seconds after `BEGAN`."""

    def make(rule, inputs, outputs, session="", at_s=0.0, wall_s=10.0, cpu_s=8.0, memory_mb=500.0, gpus=()):
        started = BEGAN + dt.timedelta(seconds=at_s)
        return Job(
            rule=rule,
            wildcards={"session": session} if session else {},
            threads=1,
            usage=Usage(
                started=started,
                ended=started + dt.timedelta(seconds=wall_s),
                wall_s=wall_s,
                cpu_s=cpu_s,
                memory_mb=memory_mb,
                gpus=gpus,
                host=Host(name="rig", cpu="CPU of 8 cores", cores=8, memory_gb=32.0, system="Linux"),
                slurm_job="",
            ),
            facts={"version": "1.2", "commit": "00ff", "numpy": "2.0", "config": "cafe"},
            inputs=inputs,
            outputs=outputs,
        )

    return make


@pytest.fixture
def study(tmp_path, monkeypatch, make_job):
    """The folder of a run of one session, with its files; its records as `Job`s, in a list."""
    monkeypatch.chdir(tmp_path)
    jobs = [
        make_job(
            "recording",
            {"raw/a.plx": "", "maps/V1.tsv": "1" * 64},
            ("results/sessions/a/recording/words.parquet", "results/sessions/a/recording/descriptor.json"),
            session="a",
        ),
        make_job(
            "presentations",
            {"raw/a.plx": "", "results/sessions/a/recording/words.parquet": "2" * 64, "raw/images": ""},
            ("results/sessions/a/events",),
            session="a",
            at_s=20,
        ),
        make_job("report", {"results/sessions/a/events": "3" * 64}, ("results/report.html",), at_s=40),
    ]
    for name in ("raw/a.plx", "maps/V1.tsv", "raw/images/1.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    for name in (name for job in jobs for name in job.outputs):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name) if path.suffix else path.mkdir()
    descriptor = tmp_path / "results/sessions/a/recording/descriptor.json"
    descriptor.write_text('{"sha256": {"a.plx": "' + "4" * 64 + '"}}')
    return jobs
