"""Jobs of a run that failed, by the logs of the rules, and what they say of it."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

# The first line of a rule's log, as `evoalign.pipeline.job` writes it.
_BEGAN = re.compile(r"(.+): process \d+ on .+")

log = logging.getLogger("snakemake")


def failures(logs: str | os.PathLike[str], since: float) -> dict[str, str]:
    """Return the jobs that began and did not end well, and what each said at last.

    Parameters
    ----------
    logs : path
        Folder of the rules' logs, as `evoalign.pipeline.job` writes them.
    since : float
        Seconds since the epoch: logs of earlier runs do not count.

    Returns
    -------
    dict of str to str
        Rule and session of each -> the message of its InputError; the last line of a
        traceback, and where the whole stands; or that it ended without a word.
    """
    messages = {}
    for path in sorted(Path(logs).rglob("*.log")):
        first, *later_lines = path.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
        began = _BEGAN.fullmatch(first)
        if not began or path.stat().st_mtime < since or later_lines[-1:] == [f"{began[1]}: done"]:
            continue
        start = next((n for n, line in enumerate(later_lines) if line.startswith(f"{began[1]}: ")), None)
        if start is not None:
            messages[began[1]] = "\n".join(later_lines[start:]).removeprefix(f"{began[1]}: ")
        elif any(line.startswith("Traceback") for line in later_lines):
            messages[began[1]] = f"{later_lines[-1]}\n  a defect of ours: please send {path}"
        else:
            messages[began[1]] = f"ended without a word: killed, or out of memory?\n  see {path}"
    return messages


def tell_failures(logs: str | os.PathLike[str], since: float) -> dict[str, str]:
    """List the jobs that failed at the end of a run, and return them: see `failures`."""
    failed = failures(logs, since)
    if not failed:
        return failed
    lines = [f"Failed jobs: {len(failed)}; what does not depend on them is done:"]
    lines += [f"{name}: {message}" for name, message in failed.items()]
    lines += ["Mend the cause and run again, or take the session's row out: the report names what failed."]
    log.error("\n".join(lines))
    return failed
