"""Reads a MonkeyLogic tree from HDF5 in a separate process: ``hdf5_child.py FILE OUT``.

The HDF5 library crashes on some damaged files. Here that ends a child, not the
pipeline; `evoalign.formats.monkeylogic.hdf5` starts it and takes over the values.
Writes an .npz of all arrays, and the tree's shape as JSON in ``tree``:
``{"d": {name: ..}}`` struct, ``{"c": [..], "n": shape}`` cells or structs,
``{"s": text}``, ``{"a": number of the array}``. What lies in another
file is refused (exit status 4). Only numpy and h5py are imported, since the
start counts.
"""

from __future__ import annotations

import json
import math
import resource
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np

# The process is started without the caller's paths.
sys.path.insert(0, str(Path(__file__).parents[3]))
from evoalign.self_contained import EXIT_STATUS, OutsideError, check_hdf5_dataset, check_hdf5_link

MAX_DEPTH = 64
# A damaged file can hold groups inside of themselves, and announce data that it does not hold.
NODE_BYTES = 64  # a variable takes more in the file
MAX_RATIO, MAX_BYTES = 1000, 2**29  # of all variables together to the file; eye traces of hours are 0.1 GB
MAX_MEMORY = 2**32
CPU_S, CPU_S_A_MIB = 15, 3  # some damaged files make the library loop forever


class TreeError(Exception):
    """A fault of the file, to be reported by the parent process."""


class Tree:
    """Convert groups and datasets to a tree, within limits of depth, number and bytes."""

    def __init__(self, file_bytes: int) -> None:
        self._nodes = file_bytes // NODE_BYTES
        self._bytes = min(file_bytes * MAX_RATIO, MAX_BYTES)
        self.arrays: list[np.ndarray] = []

    def value(self, node: Any, depth: int = 0) -> dict[str, Any]:
        """Return the tree of a group or dataset."""
        self._nodes -= 1
        if depth > MAX_DEPTH or self._nodes < 0:
            raise TreeError(f"{node.name}: more levels or variables than a file of this size can hold")
        if isinstance(node, h5py.Group):
            return self._group(node, depth) if "class" in node.attrs else self._matlab_group(node, depth)
        if not isinstance(node, h5py.Dataset) or node.shape is None:
            raise TreeError(f"{node.name}: neither group nor data")
        check_hdf5_dataset(node)
        self._bytes -= node.size * node.dtype.itemsize
        if self._bytes < 0:
            raise TreeError(f"{node.name}: more data than a file of this size can hold")
        if "class" in node.attrs and "size" in node.attrs:
            return self._dataset(node)
        return self._matlab(node, depth)

    def _array(self, values: np.ndarray) -> dict[str, Any]:
        self.arrays.append(values)
        return {"a": len(self.arrays) - 1}

    # --- MonkeyLogic's own layout: attributes 'class' and 'size', elements named '1', '2', ..

    def _group(self, node: h5py.Group, depth: int) -> dict[str, Any]:
        kind, shape = _text(node.attrs["class"]), _shape(node)
        count = math.prod(shape)
        if kind in ("function_handle", "string") and "1" in node:
            return self.value(node["1"], depth + 1)
        if kind == "cell" or (kind != "containers.Map" and count != 1):
            if count != len(node):
                raise TreeError(f"{node.name}: {count} elements are announced, {len(node)} are there")
            return {"c": [self.value(node[str(i)], depth + 1) for i in range(1, count + 1)], "n": shape}
        return {"d": {name: self.value(node[name], depth + 1) for name in node}}

    def _dataset(self, node: h5py.Dataset) -> dict[str, Any]:
        kind, shape = _text(node.attrs["class"]), _shape(node)
        if kind == "char":
            characters = np.asarray(node[()], object).ravel()
            return {"s": _text(characters[0]) if len(characters) else ""}
        if node.dtype.kind not in "fiu":
            raise TreeError(f"{node.name}: no numbers but {node.dtype}")
        if 0 in shape:  # old MATLAB wrote one element for none
            return self._array(np.empty(shape, node.dtype))
        if node.size != math.prod(shape):
            raise TreeError(f"{node.name}: size {shape} is announced, {node.size} elements are there")
        # MATLAB hands its column-major arrays over with reversed sizes.
        value = np.asarray(node[()]).ravel().reshape(shape, order="F")
        return self._array(value != 0 if kind == "logical" else value)

    # --- MATLAB 7.3: attribute MATLAB_class, cells and arrays of structs by reference

    def _matlab_group(self, node: h5py.Group, depth: int) -> dict[str, Any]:
        fields = {name: node[name] for name in node}
        by_reference = [
            isinstance(f, h5py.Dataset) and f.dtype == h5py.ref_dtype and "MATLAB_class" not in f.attrs
            for f in fields.values()
        ]
        trees = {name: self.value(field, depth + 1) for name, field in fields.items()}
        if not fields or not all(by_reference):
            return {"d": trees}
        # An array of structs: each field is an array of references of one shape.
        shapes = {tuple(tree["n"]) for tree in trees.values()}
        if len(shapes) != 1:
            raise TreeError(f"{node.name}: fields of an array of structs differ in size")
        shape = shapes.pop()
        structs = [{"d": {name: trees[name]["c"][i] for name in trees}} for i in range(math.prod(shape))]
        return {"c": structs, "n": shape}

    def _matlab(self, node: h5py.Dataset, depth: int) -> dict[str, Any]:
        kind = _text(node.attrs.get("MATLAB_class", b""))
        if node.attrs.get("MATLAB_empty", 0):
            return (
                {"s": ""}
                if kind == "char"
                else {"c": [], "n": (0, 0)}
                if kind == "cell"
                else self._array(np.empty((0, 0)))
            )
        value = np.asarray(node[()])
        if node.dtype == h5py.ref_dtype:
            inside = [self.value(node.file[ref], depth + 1) for ref in value.ravel()]
            return {"c": inside, "n": value.shape[::-1]}
        if value.dtype.kind not in "fiu":
            raise TreeError(f"{node.name}: no numbers but {value.dtype}")
        if kind == "char":
            rows = ["".join(chr(int(c)) for c in row) for row in np.atleast_2d(value.T)]
            return {"s": rows[0]} if len(rows) == 1 else self._array(np.array(rows))
        return self._array(value.T != 0 if kind == "logical" else value.T)


def _shape(node: Any) -> tuple[int, ...]:
    size = np.asarray(node.attrs.get("size", np.ones(2))).ravel()
    if size.dtype.kind not in "fiu" or len(size) > 32 or not ((size >= 0) & (size < 2**31)).all():
        raise TreeError(f"{node.name}: impossible size {size[:8]}")
    return tuple(int(n) for n in size)


def _text(value: Any) -> str:
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)


def main(path: str, out: str) -> None:
    """Read the file at `path` into the .npz at `out`."""
    size = Path(path).stat().st_size
    cpu_s = CPU_S + CPU_S_A_MIB * (size >> 20)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the exit status shows a crash
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    tree = Tree(size)
    with h5py.File(path, "r") as file:
        names: list[str] = []
        file.visititems_links(lambda name, _: names.append(name))
        for name in names:
            check_hdf5_link(file, name)
        # MonkeyLogic keeps everything under /ML, MATLAB at the root beside its #refs#.
        root = file.get("ML", file)
        if not isinstance(root, h5py.Group):
            raise TreeError("/ML is no group")
        variables = {name: tree.value(root[name]) for name in root if not name.startswith("#")}
    arrays = {f"a{i}": array for i, array in enumerate(tree.arrays)}
    np.savez(out, allow_pickle=False, tree=np.array(json.dumps(variables)), **arrays)


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2])
    except OutsideError as error:
        print(error, file=sys.stderr)
        raise SystemExit(EXIT_STATUS) from None
    # A damaged file makes h5py raise OSError, KeyError, RuntimeError, ValueError, MemoryError and more.
    except Exception as error:
        print(
            f"{type(error).__name__}: {error}" if not isinstance(error, TreeError) else error, file=sys.stderr
        )
        raise SystemExit(3) from None
