"""A report in spite of failed jobs: a run that failed is followed by one of the sessions that did not.

Snakemake makes nothing whose inputs failed, and the report is made from all
sessions. Its handler `onerror` starts Snakemake once more, with the same
arguments and with the failed sessions taken out; the report names these with
what their jobs said. What was finished is not made again, and the run ends
with an error all the same.
"""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping
from os import PathLike
from pathlib import Path

from evoalign.files import atomic_write

# Names, to the run of the others and to its jobs, the file of what failed.
FAILED = "EVOALIGN_FAILED"
FAILED_FILE = "logs/failed.json"  # in the folder of results
# The key of jobs that are of no session, as those that pool.
STUDY = ""
_SESSION = re.compile(r"[(,] ?session=([\w-]+)[,)]")
# What Snakemake writes when a user ends it: then nothing is made any more.
_STOPPED = ("on user request", "Will exit after finishing currently running jobs (scheduler)")

log = logging.getLogger("snakemake")


def left_out() -> dict[str, str]:
    """Return the sessions that failed just before and are not in this run -> what their jobs said."""
    file = os.environ.get(FAILED)
    if not file:
        return {}
    failed: dict[str, str] = json.loads(Path(file).read_text(encoding="utf-8"))
    return failed


def by_session(messages: Mapping[str, str]) -> dict[str, str]:
    """Put what failed jobs said together by session.

    Parameters
    ----------
    messages : mapping of str to str
        Rule and wildcards of a job -> its message: of `evoalign.pipeline.failures.failures`.

    Returns
    -------
    dict of str to str
        Session, or `STUDY` -> ``rule: message`` of each of its jobs, a line each and more.
    """
    of_session: dict[str, list[str]] = {}
    for job, message in messages.items():
        named = _SESSION.search(job)
        of_session.setdefault(named[1] if named else STUDY, []).append(f"{job.split(' (')[0]}: {message}")
    return {session: "\n".join(lines) for session, lines in of_session.items()}


def was_stopped(logs: Iterable[str | PathLike[str]]) -> bool:
    """Whether a user ended the run whose log this is, by Ctrl-C or by a signal."""
    texts = [Path(file).read_text(encoding="utf-8", errors="replace") for file in logs if Path(file).exists()]
    return any(phrase in text for text in texts for phrase in _STOPPED)


def run_the_others(
    results: str | PathLike[str],
    messages: Mapping[str, str],
    targets: Collection[str],
    reports: Collection[str],
    forced: bool = False,
) -> int | None:
    """Run Snakemake again, as it was called, on the sessions that did not fail.

    Parameters
    ----------
    results : path
        The folder of results.
    messages : mapping of str to str
        As for `by_session`: the jobs that failed in this run.
    targets : collection of str
        What the user asked for; none is all.
    reports : collection of str
        Targets whose making is the report's: asked for others, nothing is run.
    forced : bool
        Whether the user had jobs run that need not: they would all run once more.

    Returns
    -------
    int or None
        How that run ended; None where there was none: nothing new failed, or
        nobody asked for the report.
    """
    before = left_out()
    # The report itself would fail again.
    others = {job: message for job, message in messages.items() if job.split(" (")[0] not in reports}
    failed = before | by_session(others)
    if set(failed) <= set(before) or not set(targets) <= set(reports):
        return None
    if forced:
        log.warning("No report was made: run again without forcing jobs, and it is made of the others.")
        return None
    file = Path(results) / FAILED_FILE
    with atomic_write(file) as partial:
        partial.write_text(json.dumps(failed, indent=1), encoding="utf-8")
    log.warning(
        f"The report is made without what failed: {', '.join(name or 'the pooled tables' for name in failed)}"
    )
    command = [sys.executable, "-m", "snakemake", *sys.argv[1:]]
    return subprocess.run(command, env={**os.environ, FAILED: str(file)}, check=False).returncode
