"""Runs of Snakemake: one at a time in a folder of results; the next puts in order what a killed one left.

A run that ends by itself leaves nothing to do. One that is killed leaves
outputs that its jobs finished, but of which it could no longer record with
which parameters; and on a cluster jobs that go on.
"""

from __future__ import annotations

import asyncio
import atexit
import fcntl
import logging
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from snakemake.exceptions import WorkflowError
from snakemake.io import IOFile
from snakemake.persistence.file import FilePersistence
from snakemake.scheduling.job_scheduler import JobScheduler

from evoalign.pipeline.changes import stale_outputs
from evoalign.pipeline.provenance.records import read_jobs

# In the folder of results.
GUARD = "logs/run.lock"
# By so much the clocks of nodes may differ.
SKEW_S = 60.0
# SLURM jobs of Snakemake are named by the run's UUID, perhaps after a prefix.
_JOB_NAME = re.compile(r"(?:[\w-]+_)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
CANCEL_S = 120.0
TOLD = 10  # reasons on the screen
DEFAULT_RATE = (100, 1)  # jobs in so many seconds: Snakemake's own --max-jobs-per-timespan
# Folders of results that this process has taken, and their locked files.
_guards: dict[str, int] = {}

log = logging.getLogger("snakemake")


def begin(results: str | os.PathLike[str]) -> None:
    """Take a folder of results for this process, to its end; end SLURM jobs that a killed run left.

    The guard is a locked file that says who is at work. The lock ends with
    the process, however that ends, and holds between the nodes of a cluster.
    A run that ends by itself empties the file: one that nobody holds and that
    is not empty was left by a run that was killed.

    Raises
    ------
    WorkflowError
        Another run is at work in it.
    """
    file = Path(results) / GUARD
    file.parent.mkdir(parents=True, exist_ok=True)
    held = _lock(file)
    if held is None:
        who = file.read_text(encoding="utf-8").strip()
        raise WorkflowError(f"Another run is at work in '{results}' ({who}): wait for its end, or end it")
    if os.pread(held, 1, 0):
        end_slurm_jobs(Path.cwd())
    os.ftruncate(held, 0)
    os.write(held, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
    _guards[str(results)] = held
    atexit.register(end, results)


def end(results: str | os.PathLike[str]) -> None:
    """Give a folder of results back that `begin` took, for another run to take it."""
    held = _guards.pop(str(results), None)
    if held is not None:
        os.ftruncate(held, 0)
        os.close(held)


def wake_when_jobs_end(scheduler: JobScheduler) -> None:
    """Let Snakemake plan when a job has ended, and not by the clock: before the first job starts.

    So that no more than a hundred jobs start in a second, it wakes a second after each time that it found
    more to do than fits, also where a job's end woke it: after the hundredth job of a run it plans
    a hundred times a second (Snakemake 9.27.1). So many never start: on one machine the cores limit them, on
    a cluster the time that `sbatch` takes. A limit that the user has set (`--max-jobs-per-timespan`) stays.

    Parameters
    ----------
    scheduler : snakemake.scheduling.job_scheduler.JobScheduler
        Of the run.
    """
    limiter = scheduler.job_rate_limiter
    if limiter and (limiter.max_jobs, limiter.timespan) == DEFAULT_RATE:
        scheduler.job_rate_limiter = None


def tidy(results: str | os.PathLike[str]) -> None:
    """Have what a killed run made without a record made again: to be called before Snakemake plans.

    Such outputs count as incomplete from now on, and `rerun-incomplete` of the
    profiles makes them again. Nothing is done while another run lives.
    """
    file = Path(results) / GUARD
    if file.exists() and file.stat().st_size and (held := _lock(file)) is not None:
        again = unrecorded(results, since=file.stat().st_mtime - SKEW_S)
        _mark_incomplete(again)
        log.warning(f"The last run here was killed; of its outputs, {len(again)} are made again.")
        os.close(held)


def renew(
    results: str | os.PathLike[str], settings: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]]
) -> None:
    """Have outputs made again that are not what their records say: to be called before Snakemake plans.

    Parameters
    ----------
    results, settings, rows
        As for `evoalign.pipeline.changes.stale_outputs`.
    """
    persistence = FilePersistence()
    stale = stale_outputs(
        results, settings, rows, lambda output: persistence.metadata(IOFile(output)) is not None
    )
    if not stale:
        return
    _mark_incomplete(sorted(stale))
    reasons = sorted(set(stale.values()))
    told = "\n".join(f"  {reason}" for reason in reasons[:TOLD])
    more = f"\n  and {len(reasons) - TOLD} others" if len(reasons) > TOLD else ""
    log.warning(
        f"{len(stale)} outputs no longer fit what they were made from and are made again:\n{told}{more}"
    )


def _lock(file: Path) -> int | None:
    """Open and lock a file; None while another process holds it."""
    held = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        return None
    except OSError as error:
        log.warning(f"{file} cannot be locked ({error}): see docs/cluster.md")
    return held


def unrecorded(results: str | os.PathLike[str], since: float) -> list[IOFile]:
    """Return the outputs of jobs that have ended, of which Snakemake has not recorded the parameters.

    A job tells in its own record what it has made; Snakemake's record of an
    output holds the output's time.

    Parameters
    ----------
    results : path
        The folder of results.
    since : float
        Seconds since the epoch: jobs that ended before do not count.
    """
    names = {o for job in read_jobs(results) if job.usage.ended.timestamp() > since for o in job.outputs}
    files = [IOFile(name) for name in sorted(names) if Path(name).exists()]
    times = asyncio.run(_times(files))
    persistence = FilePersistence()
    records = [persistence.metadata(file) for file in files]
    return [
        file
        for file, time, record in zip(files, times, records, strict=True)
        if record is None or record.endtime != time
    ]


def existing(results: str | os.PathLike[str], planned: Iterable[str]) -> dict[str, float | None]:
    """Return when those of a run's planned outputs were made that exist before it.

    Parameters
    ----------
    results : path
        The folder of results.
    planned : iterable of str
        Outputs of the jobs that the run is to do.

    Returns
    -------
    dict of str to float
        Output -> seconds since the epoch by the record of the job that made it; None without a record.
    """
    ended = {output: job.usage.ended.timestamp() for job in read_jobs(results) for output in job.outputs}
    return {name: ended.get(name) for name in map(str, planned) if Path(name).exists()}


def plan_again(results: str | os.PathLike[str], before: Mapping[str, float | None]) -> list[str]:
    """Have outputs made again that a run was to make and did not: for the end of one in which jobs failed.

    Of a group of jobs in which one fails Snakemake (9.27.1) records all as done with the parameters of
    today, also those that had not begun, whose outputs are still those of before.

    Parameters
    ----------
    results : path
        The folder of results.
    before : mapping of str to float
        Of `existing`, before the run.

    Returns
    -------
    list of str
        Outputs that now count as incomplete.
    """
    now = existing(results, before)
    again = sorted(name for name, ended in now.items() if ended == before[name])
    _mark_incomplete(again)
    return again


def _mark_incomplete(outputs: Iterable[str]) -> None:
    """Have outputs made again by the next run: the profiles' `rerun-incomplete`."""
    # A method of Snakemake's for a job that begins; of the job it asks for the outputs alone.
    FilePersistence().started(SimpleNamespace(output=[IOFile(name) for name in outputs]))


async def _times(files: list[IOFile]) -> list[float]:
    """Return when outputs were made, as Snakemake takes it of files and of folders."""
    return [(await file.mtime_uncached(skip_storage=True)).local() for file in files]


def end_slurm_jobs(folder: str | os.PathLike[str]) -> None:
    """Cancel SLURM jobs that a killed run left, and wait until they have ended.

    Parameters
    ----------
    folder : path
        Where the run was started: jobs of other folders are none of ours.
    """
    jobs = _slurm_jobs(folder) if shutil.which("squeue") else []
    if jobs:
        log.warning(f"Cancelling {len(jobs)} SLURM jobs that the killed run left: {' '.join(jobs)}")
        subprocess.run(["scancel", *jobs], check=False)
    until = time.monotonic() + CANCEL_S
    while jobs and _slurm_jobs(folder) and time.monotonic() < until:
        time.sleep(1)


def _slurm_jobs(folder: str | os.PathLike[str]) -> list[str]:
    """Jobs of Snakemake's runs in a folder, without the one that this run may itself be."""
    command = ["squeue", "--me", "--noheader", "--format", "%i\t%j\t%Z"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    rows = [line.split("\t") for line in answer.stdout.splitlines() if line.count("\t") == 2]
    own_job = os.environ.get("SLURM_JOB_ID")
    run_folder = Path(folder).resolve()
    return [
        number
        for number, name, place in rows
        if number != own_job
        and _JOB_NAME.fullmatch(name.strip())
        and Path(place.strip()).resolve() == run_folder
    ]
