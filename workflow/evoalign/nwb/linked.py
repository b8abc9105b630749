"""The raw files that an NWB file names: found again, checked, and opened."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from pathlib import Path

import pandas as pd

from evoalign.errors import InputError
from evoalign.files import sha256
from evoalign.formats.opening import open_recording
from evoalign.nwb.names import METADATA_TABLE
from evoalign.nwb.read import read_nwb
from evoalign.recordings.recording import Recording


def open_linked(path: str | PathLike[str], *, checked: bool = True) -> Recording:
    """Open the raw recording of a session that was packaged with ``nwb.raw: link``.

    Parameters
    ----------
    path : path
        The session's NWB file.
    checked : bool
        Take the checksums of the raw files first: they are read once as a whole.

    Returns
    -------
    Recording
        Its streams are read when asked for.

    Raises
    ------
    InputError
        As for `linked_files`; or the NWB or a raw file cannot be read.
    """
    return open_recording(linked_files(path, checked=checked))


def linked_files(path: str | PathLike[str], *, checked: bool = True) -> tuple[Path, ...]:
    """Find the raw files that a session's NWB file names.

    Each is looked for where the file says: from the present folder, then from
    the NWB file's own and from those above it, so that a study may be moved as
    a whole; and at last by its bare name beside the NWB file.

    Parameters
    ----------
    path : path
        The session's NWB file.
    checked : bool
        Compare the content with the checksums that the NWB file holds.

    Returns
    -------
    tuple of pathlib.Path
        In the order of the NWB file.

    Raises
    ------
    InputError
        The NWB file names no raw files; one is nowhere; or it is not the one
        that the session was packaged from.
    """
    path = Path(path)
    location = f"{path}, /processing/misc/{METADATA_TABLE}"
    raw_files = read_nwb(path).raw_files
    if raw_files.empty:
        raise InputError("the file names no raw files", location, "package the session with nwb.raw: link")
    return tuple(_find(path, name, digest if checked else "", location) for name, digest in _rows(raw_files))


def _rows(raw_files: pd.DataFrame) -> Iterator[tuple[str, str]]:
    return zip(raw_files["file"], raw_files["sha256"], strict=True)


def _find(path: Path, name: str, digest: str, location: str) -> Path:
    candidates = [candidate for candidate in _places(path, name) if candidate.exists()]
    if not candidates:
        raise InputError(
            f"the raw file '{name}' is not there",
            location,
            f"put it beside {path.name}, or back where it was",
        )
    for candidate in candidates:
        if not digest or sha256(candidate) == digest:
            return candidate
    raise InputError(
        f"this is not the file that {path.name} was made from: its SHA-256 is not {digest}",
        candidates[0],
        "put the original file there, or package the session again",
    )


def _places(path: Path, name: str) -> Iterator[Path]:
    yield Path(name)
    for folder in path.absolute().parents:
        yield folder / name
    yield path.parent / Path(name).name
