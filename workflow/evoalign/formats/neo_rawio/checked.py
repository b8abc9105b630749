"""Files as arrays, each size checked before it is used."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from tokenize import TokenError

import numpy as np

from evoalign.errors import InputError

AGAIN = "copy the file from the acquisition PC again; what is cut or damaged is not read"
CHUNK = 1 << 20  # samples looked at together
NPY_VERSIONS = ((1, 0), (2, 0), (3, 0))  # that numpy reads: it looks at the second number only later


def refuse(system: str, what: str, path: Path, at: int | None = None, hint: str = AGAIN) -> InputError:
    """Return the error for a file that does not add up; `at` is the byte."""
    return InputError(f"{system}: {what}", path if at is None else f"{path}, byte {at}", hint)


def mapped(path: Path, dtype: np.dtype | str, offset: int = 0, count: int | None = None) -> np.ndarray:
    """Map a file, or `count` items of it, as a read-only array; its length is the caller's to check."""
    kind = np.dtype(dtype)
    size = path.stat().st_size - offset
    n = size // kind.itemsize if count is None else count
    if n <= 0:
        return np.empty(0, kind)
    return np.memmap(path, kind, "r", offset, (n,))


def items(system: str, path: Path, dtype: np.dtype | str, offset: int = 0, columns: int = 1) -> np.ndarray:
    """Map all of a file from `offset` as ``[item]``, or ``[item, column]`` of several columns.

    Raises
    ------
    InputError
        The file is missing, or its size is no whole number of rows.
    """
    if not path.is_file():
        raise refuse(system, "a file of the recording is missing", path)
    row = np.dtype(dtype).itemsize * columns
    size = path.stat().st_size - offset
    if size < 0 or size % row:
        n, rest = divmod(max(size, 0), row)
        raise refuse(system, f"{rest} bytes are left after {n} rows of {row} bytes", path, offset + n * row)
    flat = mapped(path, dtype, offset)
    return flat if columns == 1 else flat.reshape(-1, columns)


def npy(system: str, path: Path) -> np.ndarray:
    """Map a .npy file; nothing in it is executed.

    Raises
    ------
    InputError
        It is missing, cut, longer than its header says, or holds objects.
    """
    if not path.is_file():
        raise refuse(system, "a file of the recording is missing", path)
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            if version not in NPY_VERSIONS:
                raise ValueError(f"version {version[0]}.{version[1]}")
            if version[0] == 1:
                shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            else:
                shape, _, dtype = np.lib.format.read_array_header_2_0(file)
            begin = file.tell()
    except (ValueError, SyntaxError, TypeError, OSError, MemoryError, RecursionError, TokenError) as error:
        raise refuse(system, f"not a .npy file: {str(error)[:80]}", path) from error
    size = path.stat().st_size - begin
    needed = dtype.itemsize
    for n in shape:
        needed *= int(n)
    if dtype.hasobject or needed != size or min(shape, default=0) < 0:
        raise refuse(
            system, f"its header asks for {needed} bytes of {dtype.str[:40]}, and {size} follow", path
        )
    return np.load(path, mmap_mode="r", allow_pickle=False) if size else np.empty(shape, dtype)


class Header:
    """Reads fields of a binary header one after the other.

    Raises
    ------
    InputError
        A field lies beyond the end of the file.
    """

    def __init__(self, system: str, path: Path, limit: int = 1 << 24) -> None:
        self.system, self.path = system, path
        with path.open("rb") as file:
            self._file = io.BytesIO(file.read(limit))

    @property
    def at(self) -> int:
        """Byte where the next field starts."""
        return self._file.tell()

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        at = self.at
        content = self._file.read(size)
        if size < 0 or len(content) != size:
            raise refuse(self.system, "the header is cut", self.path, at)
        return content

    def number(self, kind: str) -> float:
        """Return one number, little-endian; `kind` as in `struct`."""
        return struct.unpack("<" + kind, self.take(struct.calcsize("<" + kind)))[0]

    def whole(self, kind: str) -> int:
        """Return one whole number."""
        return int(self.number(kind))

    def qstring(self) -> str:
        """Return a QString of Qt: bytes, then UTF-16."""
        size = self.whole("I")
        if size in (0, 0xFFFFFFFF):
            return ""
        if size > 1 << 16:
            raise refuse(self.system, f"a text of {size} bytes in the header", self.path, self.at - 4)
        return self.take(size).decode("utf-16-le", "replace")


def counter_breaks(part: Callable[[int, int], np.ndarray], n: int) -> np.ndarray:
    """Return the samples, from 1, whose counter is not one more than that before; chunk by chunk.

    Parameters
    ----------
    part : callable
        (start, stop) -> counters, any integer type; differences wrap with it.
    n : int
        Samples.
    """
    found = []
    for start, stop in chunks(n):
        first = max(start - 1, 0)
        counter = np.asarray(part(first, stop))
        step = np.diff(counter)
        found.append(np.flatnonzero(step != step.dtype.type(1)) + first + 1)
    return np.concatenate(found) if found else np.empty(0, np.int64)


def chunks(n: int, size: int = CHUNK) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of parts of at most `size`."""
    for start in range(0, n, size):
        yield start, min(start + size, n)


def slice_of(array: np.ndarray) -> Callable[[int, int], np.ndarray]:
    """Return a function (start, stop) -> that part of an array."""
    return lambda start, stop: array[start:stop]


def from_sample(part: Callable[[int, int], np.ndarray], first: int) -> Callable[[int, int], np.ndarray]:
    """Return a function that counts samples from `first` on."""
    return lambda start, stop: part(first + start, first + stop)


def stretches(breaks: np.ndarray, n: int) -> list[tuple[int, int]]:
    """Return (start, stop) of the stretches between breaks of `n` samples."""
    edges = [0, *breaks.tolist(), n]
    return [(a, b) for a, b in pairwise(edges) if b > a]
