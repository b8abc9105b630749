"""MATLAB's .mat files of version 5 to 7, read strictly.

scipy's reader of these files crashes the process on some damaged ones, so they
are read here. Layout: "MAT-File Format", The MathWorks, chapter 1.
"""

from __future__ import annotations

import math
import zlib
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoalign.errors import InputError
from evoalign.formats.monkeylogic.bhv2 import box, too_large

HEADER, VERSION = 128, 0x0100
MAX_BYTES = 2**29  # of all variables together, unpacked
MAX_DEPTH, MAX_DIMENSIONS, MAX_BARE = 64, 32, 100_000
SMALLEST = 8  # bytes of an element: its tag

# Table 1-1 of the format: data types of elements.
TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
MATRIX, COMPRESSED = 14, 15
TEXTS = {2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
# Table 1-3: classes of arrays.
CELL, STRUCT, OBJECT, CHAR, SPARSE = 1, 2, 3, 4, 5
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
COMPLEX, LOGICAL = 0x0800, 0x0200

_HINT = "save the file again in MATLAB (version 7 or 7.3)"


def read_mat5(path: str | PathLike[str], only: tuple[str, ...] = ()) -> dict[str, Any]:
    """Read variables of a .mat file of version 5 to 7.

    Parameters
    ----------
    path : path
    only : tuple of str
        Names of variables to keep; all by default.

    Returns
    -------
    dict of str to object
        Of the types that `evoalign.events.read_behavior` lists; None for objects of other
        classes (strings, function handles, tables), which are not read.

    Raises
    ------
    InputError
        The file cannot be read, is no such file, or is damaged.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"file cannot be read: {error.strerror}", path, "check the path") from error
    if len(data) < HEADER or data[126:128] not in (b"IM", b"MI"):
        raise InputError("not a .mat file of version 5 or later", path, _HINT)
    order = "<" if data[126:128] == b"IM" else ">"
    version = int(np.frombuffer(data, order + "u2", 1, 124)[0])
    if version != VERSION:
        raise InputError(f"the .mat file is of the unknown version {version:#06x}", path, _HINT)
    return _Reader(path, order).variables(memoryview(data)[HEADER:], only)


class _Reader:
    def __init__(self, path: Path, order: str) -> None:
        self._path, self._order, self._bytes = path, order, 0

    def _fail(self, what: str) -> InputError:
        return InputError(what, self._path, _HINT)

    def variables(self, data: memoryview, only: tuple[str, ...]) -> dict[str, Any]:
        variables_by_name: dict[str, Any] = {}
        at = 0
        while at < len(data):
            kind, content, at = self._element(data, at)
            if kind == COMPRESSED:
                # One whole element inside.
                kind, content, _ = self._element(self._unpacked(content), 0)
            if kind != MATRIX:
                raise self._fail(f"a variable of the unknown data type {kind}")
            name, value = self._matrix(content, 0, only)
            if name and (not only or name in only):
                variables_by_name[name] = value
        return variables_by_name

    def _element(self, data: memoryview, at: int) -> tuple[int, memoryview, int]:
        """Return type and content of the element at a byte, and where the next one starts."""
        if at + 8 > len(data):
            raise self._fail(f"the file ends inside of the head of an element ({len(data) - at} bytes left)")
        first, size = (int(n) for n in np.frombuffer(data, self._order + "u4", 2, at))
        if first >> 16:  # small elements hold size and type in one number
            kind, size, start = first & 0xFFFF, first >> 16, at + 4
            if size > 4:
                raise self._fail(f"a small element of {size} bytes")
            return kind, data[start : start + size], at + 8
        start = at + 8
        if start + size > len(data):
            raise self._fail(f"an element announces {size} bytes, {len(data) - start} are left")
        # Compressed elements are not padded to 8 bytes.
        following = start + (size if first == COMPRESSED else -(-size // 8) * 8)
        return first, data[start : start + size], following

    def _unpacked(self, packed: memoryview) -> memoryview:
        stream = zlib.decompressobj()
        try:
            unpacked = stream.decompress(packed, MAX_BYTES - self._bytes + 1)
        except zlib.error as error:
            raise self._fail(f"a compressed variable is damaged: {error}") from None
        self._spend(len(unpacked))
        return memoryview(unpacked)

    def _spend(self, n_bytes: int) -> None:
        self._bytes += n_bytes
        if self._bytes > MAX_BYTES:
            raise self._fail(f"variables of more than {MAX_BYTES >> 20} MiB")

    def _matrix(self, data: memoryview, depth: int, only: tuple[str, ...] = ()) -> tuple[str, Any]:
        if depth > MAX_DEPTH:
            raise self._fail(f"variables are nested more than {MAX_DEPTH} deep")
        if not len(data):  # an empty array inside of a cell or struct
            return "", np.empty((0, 0))
        _, flags, at = self._element(data, 0)
        if len(flags) < 8:
            raise self._fail("the flags of an array are cut")
        flag = int(np.frombuffer(flags, self._order + "u4", 1)[0])
        kind = flag & 0xFF
        if kind > max(CLASSES):
            # Opaque objects and function handles have no dimensions; a file keeps its tables in
            # one without a name.
            return "", None
        dimensions, at = self._numbers(data, at)
        text, at = self._text(data, at)
        if only and depth == 0 and text not in only:
            return "", None
        shape = tuple(int(n) for n in dimensions)
        if not 2 <= len(shape) <= MAX_DIMENSIONS or min(shape) < 0 or too_large(shape):
            raise self._fail(f"variable '{text[:60]}' has the impossible shape {shape[:4]}")
        return text, self._content(data, at, kind, flag, shape, depth)

    def _content(
        self, data: memoryview, at: int, kind: int, flag: int, shape: tuple[int, ...], depth: int
    ) -> Any:
        count = math.prod(shape)
        if kind == CELL:
            return box(self._matrices(data, at, count, depth), shape)
        if kind in (STRUCT, OBJECT):
            return self._struct(data, at, kind, shape, count, depth)
        if kind == CHAR:
            return self._characters(data, at, shape, count)
        if kind == SPARSE or kind not in CLASSES or flag & COMPLEX:
            return None
        values, _ = self._numbers(data, at)
        if len(values) != count:
            raise self._fail(f"shape {shape} is announced, {len(values)} numbers are there")
        self._spend(count * np.dtype(CLASSES[kind]).itemsize)
        array = values.astype(CLASSES[kind]).reshape(shape, order="F")
        return array != 0 if flag & LOGICAL else array

    def _numbers(self, data: memoryview, at: int) -> tuple[NDArray[Any], int]:
        kind, content, following = self._element(data, at)
        if kind not in TYPES:
            raise self._fail(f"numbers of the unknown data type {kind}")
        dtype = np.dtype(self._order + TYPES[kind])
        if len(content) % dtype.itemsize:
            raise self._fail(f"{len(content)} bytes are no whole {dtype.itemsize}-byte numbers")
        return np.frombuffer(content, dtype), following

    def _text(self, data: memoryview, at: int) -> tuple[str, int]:
        _, content, following = self._element(data, at)
        return bytes(content).decode("latin-1"), following

    def _matrices(self, data: memoryview, at: int, count: int, depth: int) -> list[Any]:
        if count * SMALLEST > len(data) - at:
            raise self._fail(f"{count} elements are announced, the variable is too short")
        values = []
        for _ in range(count):
            kind, content, at = self._element(data, at)
            if kind != MATRIX:
                raise self._fail(f"an element of the data type {kind} where an array belongs")
            values.append(self._matrix(content, depth + 1)[1])
        return values

    def _struct(
        self, data: memoryview, at: int, kind: int, shape: tuple[int, ...], count: int, depth: int
    ) -> Any:
        if kind == OBJECT:
            _, at = self._text(data, at)
        length, at = self._numbers(data, at)
        text, at = self._text(data, at)
        size = int(length[0]) if len(length) else 0
        if size <= 0 or len(text) % size:
            raise self._fail(f"names of fields take {len(text)} bytes, {size} each")
        names = [text[i : i + size].split("\0")[0] for i in range(0, len(text), size)]
        if len(set(names)) != len(names):
            raise self._fail("a field of a struct stands twice")
        if not names and count > MAX_BARE:
            raise self._fail(f"a struct of {count} elements without fields")
        values = self._matrices(data, at, count * len(names), depth)
        n = len(names)
        structs = [dict(zip(names, values[i * n : (i + 1) * n], strict=True)) for i in range(count)]
        return structs[0] if count == 1 else box(structs, shape)

    def _characters(self, data: memoryview, at: int, shape: tuple[int, ...], count: int) -> Any:
        kind, content, _ = self._element(data, at)
        if kind not in TEXTS:
            raise self._fail(f"text of the unknown data type {kind}")
        encoding = TEXTS[kind]
        if encoding in ("utf-16", "utf-32"):
            encoding += "-le" if self._order == "<" else "-be"
        try:
            text = bytes(content).decode(encoding)
        except UnicodeDecodeError as error:
            raise self._fail(f"text is damaged: {error.reason}") from None
        if len(shape) == 2 and (shape[0] == 1 or count == 0):
            return text if count else ""
        if len(text) != count:
            raise self._fail(f"{count} characters are announced, {len(text)} are there")
        letters = np.array(list(text), "<U1").reshape(shape, order="F")
        return np.array(["".join(row) for row in letters]) if len(shape) == 2 else letters
