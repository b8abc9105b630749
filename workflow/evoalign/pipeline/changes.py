"""What was changed without a newer date: content of files, against the records of the jobs.

Snakemake compares dates of files and its own memory of parameters. A file that
is damaged, deleted or replaced by one with an older date, and a lost folder
`.snakemake`, it does not see.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from evoalign.files import atomic_write, fingerprint
from evoalign.pipeline.provenance.records import JOBS, named

# Of each file: size, time of last change in ns, number on its disk, fingerprint of its content.
State = tuple[int, int, int, str]

CHECKED = "provenance/checked.json"
EDITED = ("phy", "analyzer")  # exports that are edited where they lie
SNAKEMAKES_OWN = ".snakemake_timestamp"

log = logging.getLogger("snakemake")


def states(
    paths: Iterable[str | PathLike[str]], checksums: Mapping[str, str] | None = None
) -> dict[str, State]:
    """Return the state of each file, and of each file in each folder, by name from the folder of the run.

    Parameters
    ----------
    paths : iterable of path
    checksums : mapping of str to str, optional
        SHA-256 of files, by such names, that were read as a whole already: they are not read again.
    """
    files = {named(file): file for path in paths for file in _members(Path(path))}
    whole = checksums or {}
    return {name: (*stat_of(file), fingerprint(file, whole.get(name))) for name, file in files.items()}


def _members(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield from (path,) if path.exists() else ()
        return
    for file in sorted(path.rglob("*")):
        if file.is_file() and file.name != SNAKEMAKES_OWN:
            yield file


def stat_of(file: Path) -> tuple[int, int, int]:
    """Return size, time of last change in ns and number on its disk of a file."""
    stat = file.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def stale_outputs(
    results: str | PathLike[str],
    settings: Mapping[str, Any],
    rows: Mapping[str, Mapping[str, Any]],
    remembered: Callable[[str], bool] = lambda _: False,
) -> dict[str, str]:
    """Return outputs that are not what their records say they would be, with the reason.

    Parameters
    ----------
    results : path
        The folder of results; its records tell files, settings and row of each job.
    settings : mapping
        The configuration of today, as JSON.
    rows : mapping of str to mapping
        Today's rows of the sample sheet by session, as JSON.
    remembered : callable, optional
        Tells whether Snakemake knows with which parameters an output was made: of these it
        compares settings and rows itself.

    Returns
    -------
    dict of str to str
        Output, from the folder of the run -> why it is stale. Of an output
        that is gone those that were made from it: of these Snakemake sees no
        reason to make it again.
    """
    records = [record for record in _records(Path(results)) if _of_study(record, rows)]
    makers = {output: record for record in records for output in record["outputs"]}
    made = {file for record in records for file in _own_files(record)}
    checked = _Checked(Path(results))
    stale: dict[str, str] = {}
    for record in records:
        if record["rule"] in EDITED:
            continue
        gone = [name for name in record["inputs"] if name in makers and not Path(name).exists()]
        reason = f"{gone[0]} is gone" if gone else _changed_file(record, made, checked)
        if not reason and not remembered(record["outputs"][0]):
            reason = _changed_parameter(record, settings, rows)
        if reason:
            stale |= {output: reason for output in record["outputs"] if Path(output).exists()}
    checked.write()
    return stale


def _records(results: Path) -> Iterator[dict[str, Any]]:
    """Records as they are: those of an earlier form have no states and are passed over."""
    for file in sorted((results / JOBS).glob("*/*.json")):
        try:
            record = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            continue
        if isinstance(record, dict) and record.get("files"):
            yield record


def _of_study(record: dict[str, Any], rows: Mapping[str, Mapping[str, Any]]) -> bool:
    return record["wildcards"].get("session", next(iter(rows), "")) in rows


def _own_files(record: dict[str, Any]) -> set[str]:
    """Files of a record that the job made: its outputs, and what lies in these."""
    outputs = tuple(f"{output}/" for output in record["outputs"])
    return {file for file in record["files"] if f"{file}/".startswith(outputs)}


def _changed_file(record: dict[str, Any], made: set[str], checked: _Checked) -> str:
    """Say which file differs from the record; '' when none does."""
    own = _own_files(record)
    if own and not any(Path(output).exists() for output in record["outputs"]):
        return ""
    for name, state in record["files"].items():
        # What another job makes is compared with that job's record. Of object storage a file lies here
        # for the time of a job only, and Snakemake misses what a job needs and is gone.
        counts = name in own or (name not in made and Path(name).exists())
        if counts and (change := checked.change(name, state)):
            return f"{name} {change}"
    return ""


def _changed_parameter(
    record: dict[str, Any], settings: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]]
) -> str:
    """Say which setting or cell is another than in the record; '' when none is."""
    differing = sorted(_differing(record["settings"], settings))
    if differing:
        return f"{differing[0]} was another"
    row = rows.get(record["wildcards"].get("session", ""), {})
    cells = [name for name, value in record["row"].items() if name in row and row[name] != value]
    return f"column {cells[0]} of the sample sheet was another" if cells else ""


def _differing(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Names of settings that a job was given and that have another value now."""
    for name, value in before.items():
        if name not in now:
            continue  # of another version, whose `code` is another
        if isinstance(value, dict) and isinstance(now[name], dict) and not prefix:
            yield from _differing(value, now[name], f"{name}.")
        elif value != now[name]:
            yield f"{prefix}{name}"


class _Checked:
    """Compares files with recorded states; remembers those whose content was read and found equal."""

    def __init__(self, results: Path) -> None:
        self._file = results / CHECKED
        self._changed = False
        try:
            self._equal = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self._equal = {}

    def change(self, name: str, state: list[Any]) -> str:
        """Say how a file differs from its state; '' when it does not."""
        try:
            now = stat_of(Path(name))
        except OSError:
            return "is gone"
        digest = state[3]
        if list(now) == state[:3] or self._equal.get(name) == [*now, digest]:
            return ""
        if now[0] != state[0] or fingerprint(name) != digest:
            return "has another content"
        self._equal[name] = [*now, digest]
        self._changed = True
        return ""

    def write(self) -> None:
        """Keep what was found equal for the next run."""
        if self._changed:
            with atomic_write(self._file) as partial:
                partial.write_text(json.dumps(self._equal), encoding="utf-8")
