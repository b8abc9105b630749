"""Which reader takes which raw files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path

from evoalign.errors import InputError
from evoalign.formats.blackrock.read import open_blackrock
from evoalign.formats.neo_rawio.systems import SYSTEMS, open_system, system_of
from evoalign.formats.pl2.read import open_bundle, open_pl2
from evoalign.formats.plx.read import open_plx
from evoalign.recordings.recording import Recording
from evoalign.recordings.stream import GAP_TOLERANCE_S

BLACKROCK_SUFFIXES = (".nev", ".ns1", ".ns2", ".ns3", ".ns4", ".ns5", ".ns6", ".ccf")
LONGEST_S = 31 * 86_400.0  # of a recording: what lasts longer has a damaged time stamp
MOST_FOLDERS = 6  # deeper than any system's files lie in the folder of their recording
# Formats whose recording is one file or folder: suffix -> reader(path, gap_tolerance_s).
SINGLE_FILE: Mapping[str, Callable[[Path, float], Recording]] = {
    ".plx": open_plx,
    ".pl2": open_pl2,
    ".pl2bundle": open_bundle,
}
# Of these, files without an index: reader(path, gap_tolerance_s, most_bytes) of their beginning.
BEGINNING: Mapping[str, Callable[[Path, float, int], Recording]] = {".plx": open_plx, ".pl2": open_pl2}


def open_recording(
    paths: Sequence[str | PathLike[str]] | str | PathLike[str],
    gap_tolerance_ms: float = 1000 * GAP_TOLERANCE_S,
    most_bytes: int | None = None,
) -> Recording:
    """Open the raw files of one recording; continuous data are read when asked for.

    Parameters
    ----------
    paths : path or sequence of paths
        One ``.plx``, ``.pl2`` or ``.pl2bundle`` folder, or the files of
        one Blackrock recording: ``.nev``, ``.ns1`` to ``.ns6``, ``.ccf``; or a
        file or folder of another system (docs/formats.md lists them).
    gap_tolerance_ms : float
        Deviations of time stamps up to this size are jitter, larger ones gaps.
        Plexon: stamps of blocks. Blackrock: stamps of single samples (PTP); a
        deviation that later stamps do not undo is a gap, however small.
    most_bytes : int, optional
        Of Blackrock's, ``.plx`` and ``.pl2`` files only so many bytes are looked
        at where all would have to be: the time that it takes does not grow
        with the file. The recording then ends early, see
        `Recording.full_duration_s`, and what stands at the end of the files is
        not checked.

    Returns
    -------
    Recording

    Raises
    ------
    InputError
        A file is missing, unreadable, damaged, of an unknown format, or does
        not belong to the others; or its times span more than a month.
    """
    files = tuple(Path(p) for p in ([paths] if isinstance(paths, str | PathLike) else paths))
    if not files:
        raise InputError("no raw files are given")
    for file in files:
        check_readable(file)
        if file.is_file() and not file.stat().st_size:
            raise InputError("the file is empty", file, "copy it again from the acquisition computer")
    recording = _opened(files, gap_tolerance_ms, most_bytes)
    if recording.duration_s > LONGEST_S:
        raise InputError(
            f"its times span {recording.duration_s / 86_400:,.0f} days: a time stamp is damaged",
            files[0],
            "copy the file again from the acquisition computer, or export it again",
        )
    return recording


def _opened(files: tuple[Path, ...], gap_tolerance_ms: float, most_bytes: int | None) -> Recording:
    suffixes = {file.suffix.lower() for file in files}
    if system := system_of(files):
        return open_system(system, files, gap_tolerance_ms / 1000)
    if suffixes <= set(BLACKROCK_SUFFIXES):
        return open_blackrock(files, gap_tolerance_ms / 1000, most_bytes)
    suffix = files[0].suffix.lower()
    if len(files) == 1 and most_bytes is not None and suffix in BEGINNING:
        return BEGINNING[suffix](files[0], gap_tolerance_ms / 1000, most_bytes)
    if len(files) == 1 and (opener := SINGLE_FILE.get(suffix)):
        return opener(files[0], gap_tolerance_ms / 1000)
    is_of_system = any(suffix in system.suffixes for system in SYSTEMS)
    if not is_of_system and (folder := _recording_around(files[0])):
        raise InputError("this file is a part of a recording", files[0], f"name the folder: {folder}")
    names = ", ".join(file.name for file in files)
    taken = f"these files together: {names}" if len(files) > 1 else f"'{names}'"
    raise InputError(
        f"no reader takes {taken}",
        files[0],
        f"give one of {', '.join(SINGLE_FILE)}, Blackrock's files of one recording, "
        f"or one of {', '.join(system.name for system in SYSTEMS)} (docs/formats.md)",
    )


def _recording_around(file: Path) -> Path | None:
    """Return the nearest folder around a file that is a recording of another system; None without."""
    # The root of all files is no recording, and what lies in it comes and goes.
    folders = [folder for folder in file.absolute().parents if folder != folder.parent]
    return next((folder for folder in folders[:MOST_FOLDERS] if system_of([folder])), None)


def check_readable(file: Path) -> None:
    """Raise an InputError unless `file` is there and may be read."""
    try:
        # Both raise where a folder on the way may not be entered.
        if not file.exists():
            raise InputError("file does not exist", file, "correct the path")
        if file.is_dir():
            if file.suffix.lower() not in SINGLE_FILE and system_of([file]) is None:
                raise InputError("this is a folder, not a raw file", file)
            return
        with file.open("rb"):
            pass
    except OSError as error:
        raise InputError(f"file cannot be read: {error.strerror}", file, "check its permissions") from error
