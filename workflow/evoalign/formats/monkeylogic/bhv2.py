"""MonkeyLogic's .bhv2: a sequence of self-describing MATLAB variables.

Layout (NIMH MonkeyLogic, "BHV2 Binary Structure"): u64 length and name, u64
length and type, u64 number of dimensions and u64 sizes, then the values in
column-major order, or whole variables inside.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from evoalign.errors import InputError

PRIMITIVES = {
    "double": "<f8",
    "single": "<f4",
    "logical": "<u1",
    "uint8": "<u1",
    "int8": "<i1",
    "uint16": "<u2",
    "int16": "<i2",
    "uint32": "<u4",
    "int32": "<i4",
    "uint64": "<u8",
    "int64": "<i8",
}
# Objects written as variables inside them: how many. Newer MonkeyLogic only.
OBJECTS = {"function_handle": 1, "string": 1, "containers.Map": 2}

MAX_DEPTH = 64
MAX_NAME = 4096
MAX_DIMENSIONS = 32
MAX_ELEMENTS = 2**40
MAX_BARE = 100_000  # elements of a struct without fields: they cost no bytes in the file
SMALLEST = 32  # bytes of a variable: four lengths, with empty name, type and sizes

_U64 = struct.Struct("<Q")
HINT = "copy the file again, or save it as .mat in MonkeyLogic"


class Bhv2:
    """Reader of one .bhv2 file; the file is mapped, not loaded.

    Values are of the types that `evoalign.events.read_behavior` lists. Numbers are views into
    the file, so that a trial's analog data cost nothing until they are used.

    Parameters
    ----------
    path : path
        The file.

    Raises
    ------
    InputError
        The file cannot be read; while iterating also: it is truncated, or
        holds an impossible length, an unknown type or nesting.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)
        try:
            with self.path.open("rb") as stream:
                self._size = self.path.stat().st_size
                # An empty file cannot be mapped.
                self._bytes: Any = (
                    mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) if self._size else b""
                )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise InputError(f"file cannot be read: {reason}", self.path, "check the path") from error
        if not self._size:
            raise InputError("the file is empty", self.path, HINT)
        # Files without FileInfo are older and single-byte.
        self._encoding = "cp1252"
        self._at = 0

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        """Yield name and value of each variable, to the last byte of the file."""
        self._at = 0
        while self._at < self._size:
            name, value = self._variable(0)
            if name == "FileInfo":
                self._set_encoding(value)
            yield name, value

    def _fail(self, what: str, at: int | None = None) -> InputError:
        return InputError(what, f"{self.path}, byte {self._at if at is None else at}", HINT)

    def _set_encoding(self, info: Any) -> None:
        file_info = info if isinstance(info, dict) else {}
        machine, encoding = file_info.get("machinefmt", "ieee-le"), file_info.get("encoding", "UTF-8")
        if machine != "ieee-le":
            raise self._fail(f"numbers are stored as '{machine}', not little-endian")
        self._encoding = "utf-8" if str(encoding).upper() == "UTF-8" else "cp1252"

    def _u64(self) -> int:
        if self._at + 8 > self._size:
            raise self._fail(f"the file ends at byte {self._size} inside of a variable")
        (value,) = _U64.unpack_from(self._bytes, self._at)
        self._at += 8
        return int(value)

    def _take(self, n: int) -> bytes:
        if self._at + n > self._size:
            raise self._fail(f"the file ends at byte {self._size}, {n} bytes from here are announced")
        content = bytes(self._bytes[self._at : self._at + n])
        self._at += n
        return content

    def _text(self, what: str) -> str:
        n = self._u64()
        if n > MAX_NAME:
            raise self._fail(f"the {what} of a variable is {n} characters long", self._at - 8)
        return self._take(n).decode("latin-1")

    def _variable(self, depth: int) -> tuple[str, Any]:
        start = self._at
        if depth > MAX_DEPTH:
            raise self._fail(f"variables are nested more than {MAX_DEPTH} deep")
        name, kind = self._text("name"), self._text("type")
        n_dimensions = self._u64()
        if not 1 <= n_dimensions <= MAX_DIMENSIONS:
            raise self._fail(f"variable '{name}' has {n_dimensions} dimensions", self._at - 8)
        shape = tuple(self._u64() for _ in range(n_dimensions))
        count = math.prod(shape)
        if count > self._size:
            # Every element costs at least a byte, but for a struct without fields.
            raise self._fail(f"variable '{name}' of type '{kind}' announces {count} elements", start)
        if too_large(shape):
            raise self._fail(f"variable '{name}' has the impossible shape {shape[:4]}", start)
        return name, self._content(name, kind, shape, count, depth, start)

    def _content(
        self, name: str, kind: str, shape: tuple[int, ...], count: int, depth: int, start: int
    ) -> Any:
        if kind in PRIMITIVES:
            return self._numbers(name, kind, shape, count)
        if kind == "char":
            return self._characters(shape, count)
        if kind == "cell":
            self._room(name, count)
            return box([self._variable(depth + 1)[1] for _ in range(count)], shape)
        # Classes of early MonkeyLogic ('mltaskobject', ..) are written as structs.
        if kind == "struct" or kind.startswith("ml"):
            return self._struct(name, shape, count, depth)
        if kind in OBJECTS:
            inside = [self._variable(depth + 1)[1] for _ in range(OBJECTS[kind])]
            return inside[0] if len(inside) == 1 else {"keys": inside[0], "values": inside[1]}
        raise self._fail(f"variable '{name[:60]}' is of the unknown type '{kind[:60]}'", start)

    def _room(self, name: str, variables: int) -> None:
        if variables * SMALLEST > self._size - self._at:
            raise self._fail(
                f"variable '{name}' announces {variables} variables inside; the file is too short"
            )

    def _numbers(self, name: str, kind: str, shape: tuple[int, ...], count: int) -> Any:
        dtype = np.dtype(PRIMITIVES[kind])
        n_bytes = count * dtype.itemsize
        if self._at + n_bytes > self._size:
            raise self._fail(
                f"the file ends at byte {self._size}, variable '{name}' needs {n_bytes} bytes from here"
            )
        flat = np.frombuffer(self._bytes, dtype, count, self._at) if count else np.empty(0, dtype)
        self._at += n_bytes
        if kind == "logical":
            flat = flat != 0
        return flat.reshape(shape, order="F")

    def _characters(self, shape: tuple[int, ...], count: int) -> str | np.ndarray:
        raw = self._take(count)
        if self._encoding == "utf-8" and not raw.isascii():
            text = self._utf8(count)
        else:
            text = raw.decode("cp1252", errors="replace")
        if len(shape) == 2 and (shape[0] == 1 or count == 0):
            return text
        return np.array(list(text), "<U1").reshape(shape, order="F")

    def _utf8(self, count: int) -> str:
        """Sizes count characters, so text with wide characters is longer in bytes."""
        start = self._at - count
        end = start
        for _ in range(count):
            if end >= self._size:
                raise self._fail(f"the file ends at byte {self._size} inside of a text", start)
            lead = self._bytes[end]
            end += 1 + (lead >= 0xC0) + (lead >= 0xE0) + (lead >= 0xF0)
        self._at = start
        text = self._take(end - start)
        try:
            return text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._fail("text is not UTF-8, as FileInfo says", start + error.start) from None

    def _struct(self, name: str, shape: tuple[int, ...], count: int, depth: int) -> Any:
        n_fields = self._u64()
        if n_fields == 0 and count > MAX_BARE:
            raise self._fail(f"variable '{name}' is a struct of {count} elements without fields")
        self._room(name, n_fields * max(count, 1) if count else 0)
        elements = []
        for _ in range(count):
            # Fields come as whole variables, under their own names.
            element = dict(self._variable(depth + 1) for _ in range(n_fields))
            if len(element) != n_fields:
                raise self._fail(f"a field of the struct '{name}' stands twice")
            elements.append(element)
        return elements[0] if count == 1 else box(elements, shape)


def too_large(shape: tuple[int, ...]) -> bool:
    """Return whether no array can have this shape; zero elements leave the other sizes unbounded."""
    return math.prod(size for size in shape if size) > MAX_ELEMENTS


def box(values: list[Any], shape: tuple[int, ...]) -> np.ndarray:
    """Return values as an object ndarray of MATLAB's shape; `values` in column-major order, ``[element]``."""
    box = np.empty(len(values), object)
    for i, value in enumerate(values):  # a slice would spread arrays of equal shape
        box[i] = value
    return box.reshape(shape, order="F")
