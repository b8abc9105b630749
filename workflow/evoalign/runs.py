"""Runs of Snakemake in a folder: what one that was killed left is put in order by the next.

A run that ends by itself leaves nothing to do. One that is killed leaves
Snakemake's lock on the folder, which would ask the user for ``--unlock``;
outputs that its jobs finished, but of which it could no longer record with
which parameters; and on a cluster jobs that go on.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import re
import shutil
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from snakemake.io import IOFile
from snakemake.persistence.file import FilePersistence

LOCK = Path(".snakemake/evoalign.lock")
# There from when a killed run is found until its cluster jobs are ended: a dry run may come between.
KILLED = Path(".snakemake/evoalign.killed")
# SLURM jobs of Snakemake are named by the run's UUID, perhaps after a prefix.
_JOB_NAME = re.compile(r"(?:[\w-]+_)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
CANCEL_S = 120.0
# The first line of a rule's log, as `evoalign.job` writes it.
_BEGAN = re.compile(r"(.+): process \d+ on .+")

log = logging.getLogger("snakemake")


def enter_folder() -> None:
    """Say that a run is at work in this folder, and put in order what a killed run left.

    Each run shares a lock on the folder, which ends with its process. Who gets
    it alone knows that no other run lives, on whatever node: then locks of
    Snakemake are those of runs that were killed. Their outputs that Snakemake
    has no record of count as incomplete (`rerun-incomplete` of the profiles
    makes them again), and the locks are removed.
    """
    LOCK.parent.mkdir(exist_ok=True)
    descriptor = os.open(LOCK, os.O_RDWR | os.O_CREAT, 0o666)  # open until the process ends
    try:
        with suppress(
            BlockingIOError
        ):  # another run lives: Snakemake's locks say whether ours may run beside it
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _forget_killed()
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    except OSError as error:
        log.warning(f"{LOCK} cannot be locked ({error}): after a killed run, use --unlock")


def _forget_killed() -> None:
    persistence = FilePersistence()
    planned = {key for kind, key in persistence._read_locks() if kind == "output"}
    if not any(persistence._read_locks()):
        return
    KILLED.touch()
    there = sorted(key for key in planned if Path(key).exists())
    times = asyncio.run(_times(there))
    unrecorded = [key for key in there if not _recorded(persistence, key, times[key])]
    for key in unrecorded:
        persistence._mark_incomplete(key, None)
    # Last: should this be interrupted, the next run does it again.
    persistence._delete_locks()
    log.warning(f"The last run here was killed; of its outputs, {len(unrecorded)} are made again.")


async def _times(keys: list[str]) -> dict[str, float]:
    """Return when outputs were made, as Snakemake takes it of files and of folders."""
    return {key: (await IOFile(key).mtime_uncached(skip_storage=True)).local() for key in keys}


def _recorded(persistence: FilePersistence, key: str, made: float) -> bool:
    """Whether Snakemake's record is of the output that is there: it holds the output's time."""
    record = persistence._read_record(key)
    return record is not None and record.endtime == made


def end_slurm_jobs(folder: str | os.PathLike[str]) -> None:
    """Cancel SLURM jobs that a killed run left, and wait until they have ended.

    Parameters
    ----------
    folder : path
        Where the run was started: jobs of other folders are none of ours.
    """
    if not KILLED.exists():
        return
    jobs = _slurm_jobs(folder) if shutil.which("squeue") else []
    if jobs:
        log.warning(f"Cancelling {len(jobs)} SLURM jobs that the killed run left: {' '.join(jobs)}")
        subprocess.run(["scancel", *jobs], check=False)
    until = time.monotonic() + CANCEL_S
    while jobs and _slurm_jobs(folder) and time.monotonic() < until:
        time.sleep(1)
    KILLED.unlink()


def _slurm_jobs(folder: str | os.PathLike[str]) -> list[str]:
    """Jobs of Snakemake's runs in a folder, without the one that this run may itself be."""
    command = ["squeue", "--me", "--noheader", "--format", "%i\t%j\t%Z"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    rows = [line.split("\t") for line in done.stdout.splitlines() if line.count("\t") == 2]
    own = os.environ.get("SLURM_JOB_ID")
    here = Path(folder).resolve()
    return [
        number
        for number, name, place in rows
        if number != own and _JOB_NAME.fullmatch(name.strip()) and Path(place.strip()).resolve() == here
    ]


def failures(logs: str | os.PathLike[str], since: float) -> dict[str, str]:
    """Return the jobs that began and did not end well, and what each said at last.

    Parameters
    ----------
    logs : path
        Folder of the rules' logs, as `evoalign.job` writes them.
    since : float
        Seconds since the epoch: logs of earlier runs do not count.

    Returns
    -------
    dict of str to str
        Rule and session of each -> the message of its InputError; the last line of a
        traceback, and where the whole stands; or that it ended without a word.
    """
    found = {}
    for path in sorted(Path(logs).rglob("*.log")):
        first, *rest = path.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
        began = _BEGAN.fullmatch(first)
        if not began or path.stat().st_mtime < since or rest[-1:] == [f"{began[1]}: done"]:
            continue
        start = next((n for n, line in enumerate(rest) if line.startswith(f"{began[1]}: ")), None)
        if start is not None:
            found[began[1]] = "\n".join(rest[start:]).removeprefix(f"{began[1]}: ")
        elif any(line.startswith("Traceback") for line in rest):
            found[began[1]] = f"{rest[-1]}\n  a defect of ours: please send {path}"
        else:
            found[began[1]] = f"ended without a word: killed, or out of memory?\n  see {path}"
    return found


def tell_failures(logs: str | os.PathLike[str], since: float) -> None:
    """List the jobs that failed at the end of a run: see `failures`."""
    failed = failures(logs, since)
    if not failed:
        return
    lines = [f"Failed jobs: {len(failed)}; what does not depend on them is done:"]
    lines += [f"{name}: {told}" for name, told in failed.items()]
    lines += ["Mend the cause and run again, or take the session's row out: the report is of all rows."]
    log.error("\n".join(lines))
