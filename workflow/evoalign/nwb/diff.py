"""The differences between the contents of two NWB files."""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from typing import Any

import numpy as np

from evoalign.nwb.integrity import check_integrity
from evoalign.nwb.objects import StoredObject, stored_objects

_ROWS = 1 << 16  # rows of a large array that are compared at once


def content_differences(a: str | PathLike[str], b: str | PathLike[str]) -> list[str]:
    """Return what differs between two NWB files: objects, attributes, values.

    Every group, data set, attribute and reference counts, identifiers and
    dates with them; how the file is laid out and compressed does not, so that
    an HDF5 file and a Zarr folder of one session do not differ.

    Parameters
    ----------
    a, b : path
        HDF5 files or Zarr folders.

    Returns
    -------
    list of str
        ``path: what differs``, in the order of paths; empty when equal.

    Raises
    ------
    InputError
        A file is missing, damaged, or neither HDF5 nor Zarr.
    """
    for path in (a, b):
        check_integrity(path)
    with stored_objects(a) as first, stored_objects(b) as second:
        return list(_differences(first, second))


def _differences(a: dict[str, StoredObject], b: dict[str, StoredObject]) -> Iterator[str]:
    missing_group = ""
    for path in sorted(set(a) | set(b)):
        if missing_group and path.startswith(missing_group):
            continue  # a group that one file lacks is listed once
        if path not in a or path not in b:
            missing_group = f"{path}/"
            yield f"{path}: only in the {'second' if path not in a else 'first'} file"
        else:
            yield from _object(path, a[path], b[path])


def _object(path: str, a: StoredObject, b: StoredObject) -> Iterator[str]:
    if a.link != b.link:
        yield f"{path}: links differ"
        return
    for name in sorted(set(a.attributes) | set(b.attributes)):
        if name not in a.attributes or name not in b.attributes:
            yield f"{path}@{name}: only in the {'second' if name not in a.attributes else 'first'} file"
        elif not _equal(a.attributes[name], b.attributes[name]):
            yield f"{path}@{name}: {a.attributes[name]!r} and {b.attributes[name]!r}"
    if a.shape is None and b.shape is None:
        return
    if a.shape is None or b.shape is None:
        yield f"{path}: a group in one file, a data set in the other"
    elif a.shape != b.shape:
        yield f"{path}: shapes {a.shape} and {b.shape}"
    else:
        yield from _values(path, a, b)


def _values(path: str, a: StoredObject, b: StoredObject) -> Iterator[str]:
    assert a.read is not None and b.read is not None and a.shape is not None
    selections = [()] if a.shape == () else [slice(i, i + _ROWS) for i in range(0, max(a.shape[0], 1), _ROWS)]
    for selection in selections:
        first, second = a.read(selection), b.read(selection)
        if first.dtype != second.dtype:
            yield f"{path}: {first.dtype} and {second.dtype}"
            return
        if not _equal(first, second):
            yield f"{path}: values differ"
            return


def _equal(a: Any, b: Any) -> bool:
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return False
    floats = a.dtype.kind in "fc" and b.dtype.kind in "fc"
    return bool(np.array_equal(a, b, equal_nan=floats))
