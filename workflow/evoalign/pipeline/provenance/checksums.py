"""SHA-256 of everything that jobs read and wrote, of which as little as possible is read again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from os import PathLike
from pathlib import Path

from evoalign.files import atomic_write, sha256
from evoalign.pipeline.provenance.records import Job

REMEMBERED = "provenance/checksums.json"


def known(jobs: Iterable[Job], results: str | PathLike[str]) -> dict[str, str]:
    """Return the checksums that jobs have taken: of their inputs, and so of what other jobs made.

    Those of raw files stand in the descriptors that the rule `recording` writes.

    Parameters
    ----------
    jobs : iterable of Job
        Of one file, the job that ended last is believed.
    results : path
        Folder of the descriptors.
    """
    sums: dict[str, str] = {}
    for job in sorted(jobs, key=lambda job: job.usage.ended):
        raw = _raw(results, job.wildcards.get("session", ""))
        for file, digest in job.inputs.items():
            if digest or Path(file).name in raw:
                sums[file] = digest or raw[Path(file).name]
    return sums


def _raw(results: str | PathLike[str], session: str) -> Mapping[str, str]:
    descriptor = Path(results) / "sessions" / session / "recording/descriptor.json"
    with suppress(OSError, ValueError):
        return dict(json.loads(descriptor.read_text(encoding="utf-8")).get("sha256", {}))
    return {}


def taken(files: Sequence[str], results: str | PathLike[str]) -> dict[str, str]:
    """Return the checksums of files and folders that no job has taken, as folders of shown images.

    They are remembered beside the records of the jobs: what has the same
    names, sizes and times as at the last run is not read again.

    Parameters
    ----------
    files : sequence of str
        Those that are not there get none.
    results : path
        Folder of the results.
    """
    memory = Path(results) / REMEMBERED
    before: dict[str, dict[str, str]] = {}
    with suppress(OSError, ValueError):
        before = json.loads(memory.read_text(encoding="utf-8"))
    now: dict[str, dict[str, str]] = {}
    for file in files:
        if Path(file).exists():
            stamp = _stamp(Path(file))
            old = before.get(file, {})
            digest = old["sha256"] if old.get("stamp") == stamp else sha256(file)
            now[file] = {"stamp": stamp, "sha256": digest}
            if now[file] != old:
                # After each: a job that runs out of time goes on from there.
                _remember(memory, before | now)
    _remember(memory, now)
    return {file: entry["sha256"] for file, entry in now.items()}


def _remember(memory: Path, entries: Mapping[str, Mapping[str, str]]) -> None:
    with atomic_write(memory) as partial:
        partial.write_text(json.dumps(entries, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _stamp(path: Path) -> str:
    """Names, sizes and times of a file or of a folder's files, as one digest."""
    total = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
        stat = file.stat()
        total.update(f"{file.relative_to(path)}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return total.hexdigest()
