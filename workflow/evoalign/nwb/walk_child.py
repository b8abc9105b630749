"""Touches every object of an HDF5 file in a process of its own: ``walk_child.py FILE SECONDS``.

The HDF5 library runs in circles for ever on some damaged files (a heap of
zeros), and crashes on others. Here that ends a child, not the pipeline;
`evoalign.nwb.integrity` starts it. Each object's path goes to standard output
before it is touched, so the last one is where it ended; an object that takes
more processor time than SECONDS ends the process, and so
does one whose content lies in another file (exit status 4). Only h5py is
imported, since the start counts.
"""

from __future__ import annotations

import math
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

# The process is started without the caller's paths.
sys.path.insert(0, str(Path(__file__).parents[2]))
from evoalign.self_contained import (
    EXIT_STATUS,
    OutsideError,
    check_hdf5_dataset,
    check_hdf5_link,
    check_hdf5_references,
    hdf5_address,
    hdf5_address_referenced,
)

ROWS = 1 << 16  # rows of text that are touched at once: a tenth of a second
READ_AS_TABLES = ("/units/", "/intervals/", "/general/", "/processing/misc/", "/stimulus/")
MAX_DEPTH = 64  # damage can put a group inside of itself
MAX_MEMORY = 2**32


class Walk:
    """All objects of a file, touched one by one against the clock."""

    def __init__(self, object_cpu_s: float) -> None:
        self._object_cpu_s = object_cpu_s
        self._passed: set[int] = set()  # addresses of objects
        self._referenced: dict[str, set[int]] = {}  # path of what refers -> addresses

    def begin(self, path: str) -> None:
        """Say which object comes, and start its clock; the kernel ends the process when it runs out."""
        print(path, flush=True)
        signal.setitimer(signal.ITIMER_PROF, self._object_cpu_s)

    def touch(self, node: h5py.Group | h5py.Dataset, depth: int = 0) -> None:
        """Read what lies in heaps and indices: attributes, links, chunks, text, references."""
        self._passed.add(hdf5_address(node))
        for value in node.attrs.values():
            self._keep_references(node, value)
        if isinstance(node, h5py.Group):
            self._touch_inside(node, depth)
        elif node.shape is not None:
            self._touch_data(node)

    def _touch_inside(self, group: h5py.Group, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise RecursionError(f"more than {MAX_DEPTH} groups inside of each other")
        for name in group:
            self.begin(f"{group.name.rstrip('/')}/{name}")
            check_hdf5_link(group, name)
            # What lies under another name is not of this object.
            if isinstance(group.get(name, getlink=True), h5py.HardLink):
                self.touch(group[name], depth + 1)

    def _touch_data(self, node: h5py.Dataset) -> None:
        check_hdf5_dataset(node)
        if node.chunks:
            there = node.id.get_num_chunks()
            wanted = math.prod(-(-n // size) for n, size in zip(node.shape, node.chunks, strict=True))
            # The library takes a lost chunk for zeros: spikes at 0 s.
            if there < wanted and node.name.startswith(READ_AS_TABLES):
                raise ValueError(f"{wanted - there} of {wanted} chunks are missing")
        if node.dtype.hasobject and node.shape == ():
            self._keep_references(node, node[()])
        elif node.dtype.hasobject:
            for start in range(0, len(node), ROWS):
                self.begin(node.name)
                self._keep_references(node, node[start : start + ROWS])

    def _keep_references(self, node: h5py.HLObject, value: Any) -> None:
        addresses = {
            hdf5_address_referenced(node, reference) for reference in _references(value) if reference
        }
        if addresses:
            self._referenced.setdefault(node.name, set()).update(addresses)

    def check_references(self) -> None:
        """Check, when all objects were touched, that references lead to none but these."""
        for path, addresses in self._referenced.items():
            self.begin(path)
            check_hdf5_references(addresses, self._passed)


def _references(value: Any) -> Iterator[h5py.Reference]:
    """Return the references in a value, or in the fields of its records."""
    if isinstance(value, h5py.Reference):
        yield value
    elif isinstance(value, (np.ndarray, np.void)) and value.dtype.names:
        for name in value.dtype.names:
            yield from _references(value[name])
    elif isinstance(value, np.ndarray) and h5py.check_ref_dtype(value.dtype):
        yield from (reference for reference in value.ravel() if isinstance(reference, h5py.Reference))


def main(path: str, object_cpu_s: float) -> None:
    """Touch all objects of a file, or raise."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the exit status shows a crash
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    walk = Walk(object_cpu_s)
    walk.begin("/")
    with h5py.File(path, "r") as file:
        walk.touch(file)
        walk.check_references()


if __name__ == "__main__":
    try:
        main(sys.argv[1], float(sys.argv[2]))
    except OutsideError as error:
        print(error, file=sys.stderr)
        raise SystemExit(EXIT_STATUS) from None
    # A damaged file makes h5py raise OSError, KeyError, RuntimeError, ValueError, MemoryError and more.
    except Exception as error:
        print(str(error).splitlines()[0] if str(error) else type(error).__name__, file=sys.stderr)
        raise SystemExit(3) from None
