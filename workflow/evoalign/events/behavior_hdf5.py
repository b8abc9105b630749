"""MonkeyLogic's trees in HDF5: its own .h5 files, and MATLAB's .mat of version 7.3."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from evoalign.errors import InputError
from evoalign.events.bhv2 import box

MAX_DEPTH = 64
MAX_NODES = 2_000_000  # a damaged file can hold groups inside of themselves
MAX_BYTES = 2**29  # of all variables together; eye traces of hours are 0.1 GB
_MEND = "copy the file again, or save it as .bhv2 in MonkeyLogic"


def read_hdf5(path: Path) -> dict[str, Any]:
    """Read the variables of a MonkeyLogic .h5 or of a .mat of version 7.3.

    Raises
    ------
    InputError
        The file is damaged, or no such tree.
    """
    try:
        with h5py.File(path, "r") as file:
            # MonkeyLogic keeps everything under /ML, MATLAB at the root beside its #refs#.
            root = file.get("ML", file)
            if not isinstance(root, h5py.Group):
                raise InputError("/ML is no group", path, _MEND)
            tree = _Tree(path)
            return {name: tree.value(root[name]) for name in root if not name.startswith("#")}
    except InputError:
        raise
    # A damaged file makes h5py raise OSError, KeyError, RuntimeError, ValueError and more.
    except Exception as error:
        raise InputError(f"not a readable HDF5 file: {type(error).__name__}: {error}", path, _MEND) from error


class _Tree:
    """Turns groups and datasets into values, within bounds of depth, number and bytes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._nodes = 0
        self._bytes = 0

    def value(self, node: Any, depth: int = 0) -> Any:
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            raise self._fail(node, f"more than {MAX_DEPTH} levels or {MAX_NODES} variables")
        if isinstance(node, h5py.Group):
            return self._group(node, depth) if "class" in node.attrs else self._matlab_group(node, depth)
        if not isinstance(node, h5py.Dataset) or node.shape is None:
            raise self._fail(node, "neither group nor data")
        self._bytes += node.size * node.dtype.itemsize
        if self._bytes > MAX_BYTES:
            raise self._fail(node, f"variables of more than {MAX_BYTES >> 20} MiB")
        if "class" in node.attrs and "size" in node.attrs:
            return self._dataset(node)
        return self._matlab(node, depth)

    def _fail(self, node: Any, what: str) -> InputError:
        return InputError(what, f"{self._path}, {getattr(node, 'name', '?')}", _MEND)

    # --- MonkeyLogic's own layout: attributes 'class' and 'size', elements named '1', '2', ..

    def _group(self, node: h5py.Group, depth: int) -> Any:
        kind, shape = _text(node.attrs["class"]), self._shape(node)
        count = math.prod(shape)
        if kind in ("function_handle", "string") and "1" in node:
            return self.value(node["1"], depth + 1)
        if kind == "cell" or (kind != "containers.Map" and count != 1):
            if count != len(node):
                raise self._fail(node, f"{count} elements are announced, {len(node)} are there")
            return box([self.value(node[str(i)], depth + 1) for i in range(1, count + 1)], shape)
        return {name: self.value(node[name], depth + 1) for name in node}

    def _shape(self, node: Any) -> tuple[int, ...]:
        size = np.asarray(node.attrs.get("size", np.ones(2))).ravel()
        if size.dtype.kind not in "fiu" or len(size) > 32 or not ((size >= 0) & (size < 2**31)).all():
            raise self._fail(node, f"impossible size {size[:8]}")
        return tuple(int(n) for n in size)

    def _dataset(self, node: h5py.Dataset) -> Any:
        kind, shape = _text(node.attrs["class"]), self._shape(node)
        if kind == "char":
            found = np.asarray(node[()], object).ravel()
            return _text(found[0]) if len(found) else ""
        if node.dtype.kind not in "fiu":
            raise self._fail(node, f"no numbers but {node.dtype}")
        if 0 in shape:  # old MATLAB wrote one element for none
            return np.empty(shape, node.dtype)
        if node.size != math.prod(shape):
            raise self._fail(node, f"size {shape} is announced, {node.size} elements are there")
        # MATLAB hands its column-major arrays over with reversed sizes.
        value = np.asarray(node[()]).ravel().reshape(shape, order="F")
        return value != 0 if kind == "logical" else value

    # --- MATLAB 7.3: attribute MATLAB_class, cells and arrays of structs by reference

    def _matlab_group(self, node: h5py.Group, depth: int) -> Any:
        fields = {name: node[name] for name in node}
        by_reference = [
            isinstance(f, h5py.Dataset) and f.dtype == h5py.ref_dtype and "MATLAB_class" not in f.attrs
            for f in fields.values()
        ]
        if not fields or not all(by_reference):
            return {name: self.value(field, depth + 1) for name, field in fields.items()}
        columns = {name: self.value(field, depth + 1) for name, field in fields.items()}
        shapes = {column.shape for column in columns.values()}
        if len(shapes) != 1:
            raise self._fail(node, "fields of an array of structs differ in size")
        flat = {name: column.ravel(order="F") for name, column in columns.items()}
        shape = shapes.pop()
        return box([{name: flat[name][i] for name in flat} for i in range(math.prod(shape))], shape)

    def _matlab(self, node: h5py.Dataset, depth: int) -> Any:
        kind = _text(node.attrs.get("MATLAB_class", b""))
        if node.attrs.get("MATLAB_empty", 0):
            return "" if kind == "char" else np.empty((0, 0), object if kind == "cell" else np.float64)
        value = np.asarray(node[()])
        if node.dtype == h5py.ref_dtype:
            inside = [self.value(node.file[ref], depth + 1) for ref in value.ravel()]
            return box(inside, value.shape[::-1])
        if value.dtype.kind not in "fiu":
            raise self._fail(node, f"no numbers but {value.dtype}")
        if kind == "char":
            rows = ["".join(chr(int(c)) for c in row) for row in np.atleast_2d(value.T)]
            return rows[0] if len(rows) == 1 else np.array(rows)
        return value.T != 0 if kind == "logical" else value.T


def _text(value: Any) -> str:
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)
