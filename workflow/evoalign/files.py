"""Atomic writes (an output appears complete or not at all) and checksums of files."""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL = ".partial-"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


# Larger files are told apart by samples of them.
WHOLE_BYTES = 16 << 20
SAMPLES, SAMPLE_BYTES = 64, 64 << 10


@contextmanager
def atomic_write(path: str | os.PathLike[str], *, flush: bool = True) -> Iterator[Path]:
    """Write atomically: yield a temporary name beside `path`, rename it to `path` on success.

    The block writes a file or a folder under the temporary name. When it
    raises, what it wrote is removed and `path` stays as it was. What it wrote
    is on the disk, not only in memory, before it gets its name: network file
    systems report only then that they are full. The temporary name keeps the
    suffix of `path`, since writers choose formats by it.

    Parameters
    ----------
    path : path
        Where the complete output is to appear; its folder is made.
    flush : bool
        Wait for the disk; False where `flush_files` does so later.

    Yields
    ------
    pathlib.Path
        The name to write to.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{PARTIAL}{os.getpid()}-{path.name}")
    _remove(partial)
    try:
        yield partial
        if flush and not any(part.startswith(PARTIAL) for part in path.parent.parts):
            _flush(partial)
        _exchange(partial, path)
    except BaseException:
        _remove(partial)
        raise


def write_bytes_whole(path: Path, content: bytes) -> None:
    """Write a file that appears whole; it is on the disk after `flush_files` alone.

    For many small files, for which `atomic_write` by itself would wait one by one.
    """
    with atomic_write(path, flush=False) as partial:
        partial.write_bytes(content)


def flush_files(paths: Iterable[Path]) -> None:
    """Wait until files, with their names, are on the disk."""
    folders = set()
    for path in paths:
        sync(path)
        folders.add(path.parent)
    for folder in folders:
        sync(folder)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def pieces(path: str | os.PathLike[str], version: str) -> Iterator[Path]:
    """Keep finished pieces of a long computation beside its output until that is there.

    Parameters
    ----------
    path : path
        The output.
    version : str
        Of the code that makes it: pieces of another are not taken.

    Yields
    ------
    pathlib.Path
        A folder, which a job that is killed leaves and that goes when the job ends well.
    """
    folder = Path(f"{path}.pieces")
    yield folder / version
    shutil.rmtree(folder, ignore_errors=True)


def remove_partials(path: str | os.PathLike[str]) -> None:
    """Remove partial outputs of `path` that killed processes left under temporary names.

    Only for a caller who knows that no living process writes `path`.
    """
    path = Path(path)
    for partial in path.parent.glob(f"{PARTIAL}*-{glob.escape(path.name)}"):
        _remove(partial)


def remove_partials_in(folder: str | os.PathLike[str]) -> None:
    """Remove all partial outputs in a folder and below it; only where no living process writes there."""
    for partial in sorted(Path(folder).rglob(f"{PARTIAL}*"), reverse=True):
        _remove(partial)


def no_space(error: BaseException | None) -> bool:
    """Return whether an error, or one that led to it, means that a disk or a quota is full.

    Libraries wrap the system's error, and some keep its text only.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        if any(os.strerror(number) in str(error) for number in _FULL):
            return True
        error = error.__cause__ or error.__context__
    return False


def _exchange(partial: Path, path: Path) -> None:
    """Rename `partial` to `path`, so that `path` is never a part of a folder."""
    if not path.is_dir():
        partial.replace(path)
        return
    aside = partial.with_name(f"{PARTIAL}{os.getpid()}-old-{path.name}")
    _remove(aside)
    path.replace(aside)
    try:
        partial.replace(path)
    except BaseException:
        aside.replace(path)
        raise
    shutil.rmtree(aside)


def _flush(path: Path) -> None:
    """Wait until a file, or all files of a folder, are on the disk."""
    for file in path.rglob("*") if path.is_dir() else [path]:
        if file.is_file():
            sync(file)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sha256(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file, or of a folder's names and contents.

    Parameters
    ----------
    path : path
        A file, read in chunks, or a folder, whose files are taken in the
        order of their relative names.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    path = Path(path)
    if path.is_dir():
        total = hashlib.sha256()
        for file in sorted(p for p in path.rglob("*") if p.is_file()):
            total.update(f"{file.relative_to(path).as_posix()}\0{sha256(file)}\n".encode())
        return total.hexdigest()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fingerprint(path: str | os.PathLike[str], checksum: str | None = None) -> str:
    """Return a SHA-256 that tells whether a file was changed: of all of it, or of samples where it is large.

    Files above 16 MB are read at 64 places of 64 KB, evenly spread from the
    first byte to the last, and by their size: enough for another recording or
    a cut copy, not for every single byte.

    Parameters
    ----------
    path : path
    checksum : str, optional
        The file's SHA-256, where it was taken already.
    """
    path = Path(path)
    size = path.stat().st_size
    if size <= WHOLE_BYTES:
        return checksum or sha256(path)
    total = hashlib.sha256(str(size).encode())
    with path.open("rb") as stream:
        for place in range(SAMPLES):
            stream.seek(place * (size - SAMPLE_BYTES) // (SAMPLES - 1))
            total.update(stream.read(SAMPLE_BYTES))
    return total.hexdigest()
