"""Tell in what two NWB files differ."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from evoalign.errors import InputError

_ROWS = 1 << 16  # rows of a large array that are compared at once


def same_content(a: str | PathLike[str], b: str | PathLike[str]) -> list[str]:
    """Return what differs between two NWB files: objects, attributes, values.

    Every group, data set, attribute and reference counts, identifiers and
    dates with them; how the file is laid out and compressed does not.

    Parameters
    ----------
    a, b : path
        HDF5 files.

    Returns
    -------
    list of str
        ``path: what differs``, in the order of paths; empty when equal.

    Raises
    ------
    InputError
        A file is missing or no HDF5.
    """
    with _open(a) as first, _open(b) as second:
        return list(_group(first, second))


def _open(path: str | PathLike[str]) -> h5py.File:
    if not Path(path).is_file():
        raise InputError("file does not exist", path)
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise InputError(f"no readable HDF5 file: {error}", path) from error


def _group(a: h5py.Group, b: h5py.Group) -> Iterator[str]:
    yield from _attributes(a, b)
    for name in sorted(set(a) | set(b)):
        path = f"{a.name.rstrip('/')}/{name}"
        if name not in a or name not in b:
            yield f"{path}: only in the {'second' if name not in a else 'first'} file"
            continue
        # A link is one object under two names: it is followed once, where it lives.
        if _link(a, name) != _link(b, name):
            yield f"{path}: links differ"
        elif _link(a, name) is not None:
            continue
        elif isinstance(a[name], h5py.Group) != isinstance(b[name], h5py.Group):
            yield f"{path}: a group in one file, a data set in the other"
        elif isinstance(a[name], h5py.Group):
            yield from _group(a[name], b[name])
        else:
            yield from _dataset(a[name], b[name])


def _link(group: h5py.Group, name: str) -> str | None:
    link = group.get(name, getlink=True)
    return None if isinstance(link, h5py.HardLink) else f"{getattr(link, 'filename', '')}:{link.path}"


def _attributes(a: Any, b: Any) -> Iterator[str]:
    for name in sorted(set(a.attrs) | set(b.attrs)):
        place = f"{a.name}@{name}"
        if name not in a.attrs or name not in b.attrs:
            yield f"{place}: only in the {'second' if name not in a.attrs else 'first'} file"
        elif not _equal(_plain(a, a.attrs[name]), _plain(b, b.attrs[name])):
            yield f"{place}: {a.attrs[name]!r} and {b.attrs[name]!r}"


def _dataset(a: h5py.Dataset, b: h5py.Dataset) -> Iterator[str]:
    yield from _attributes(a, b)
    if a.shape != b.shape or a.dtype != b.dtype:
        yield f"{a.name}: {a.dtype} {a.shape} and {b.dtype} {b.shape}"
        return
    pieces = [()] if a.shape == () else [slice(i, i + _ROWS) for i in range(0, len(a), _ROWS)]
    for piece in pieces:
        if not _equal(_plain(a, a[piece]), _plain(b, b[piece])):
            yield f"{a.name}: values differ"
            return


def _plain(holder: Any, value: Any) -> Any:
    """References by the path that they point to; everything else as it is."""
    if isinstance(value, h5py.Reference):
        return holder.file[value].name if value else ""
    if isinstance(value, np.ndarray) and value.dtype == object:
        return np.array([_plain(holder, item) for item in value.ravel()], dtype=object)
    return value


def _equal(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return False
    floats = a.dtype.kind in "fc" and b.dtype.kind in "fc"
    return bool(np.array_equal(a, b, equal_nan=floats))
