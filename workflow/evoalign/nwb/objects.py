"""An NWB file as a tree of plain groups and data sets, whichever way it lies on the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import zarr
from numpy.typing import NDArray

# What hdmf_zarr adds for itself.
_ZARR_OWN = ("zarr_dtype", "zarr_link", "_ARRAY_DIMENSIONS")
_REFERENCE = {"source", "path"}  # keys of a reference in Zarr


def is_zarr(path: Path) -> bool:
    """Return whether a path is, or by its name will be, a Zarr folder."""
    return path.is_dir() or path.suffix == ".zarr"


@dataclass
class StoredObject:
    """A group or data set of a file.

    Attributes
    ----------
    attributes : mapping of str to value
        References stand as the path that they point to.
    link : str
        Path of the object that this is another name of; '' for the object itself.
    shape : tuple of int, optional
        Of a data set; a group has none.
    read : callable, optional
        Selection -> values, with references as paths and text as str.
    """

    attributes: Mapping[str, Any] = field(default_factory=dict)
    link: str = ""
    shape: tuple[int, ...] | None = None
    read: Callable[[Any], NDArray[Any]] | None = None


@contextmanager
def stored_objects(path: str | PathLike[str]) -> Iterator[dict[str, StoredObject]]:
    """Open an undamaged file (see `check_integrity`) and yield its objects by path, in the order of paths."""
    with stored_root(Path(path)) as root:
        walk = _hdf5_tree if isinstance(root, h5py.File) else _zarr_tree
        yield dict(sorted(walk(root)))


@contextmanager
def stored_dataset(path: str | PathLike[str], name: str) -> Iterator[StoredObject | None]:
    """Open an undamaged file and yield one data set by its path, or None; nothing else is looked at."""
    with stored_root(Path(path)) as root:
        node = root.get(name)
        if isinstance(node, h5py.Dataset):
            yield _hdf5_dataset(node)
        else:
            yield _zarr_dataset(node) if isinstance(node, zarr.Array) else None


@contextmanager
def stored_root(path: Path) -> Iterator[h5py.File | zarr.Group]:
    """Open an undamaged file and yield the group at its root."""
    root = zarr.open_group(str(path), mode="r") if is_zarr(path) else h5py.File(path, "r")
    try:
        yield root
    finally:
        if isinstance(root, h5py.File):
            root.close()


def _hdf5_tree(group: h5py.Group) -> Iterator[tuple[str, StoredObject]]:
    yield group.name, StoredObject(_hdf5_attributes(group))
    for name in group:
        child_path = f"{group.name.rstrip('/')}/{name}"
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            yield child_path, StoredObject(link=f"{getattr(link, 'filename', '')}{link.path}")
        elif isinstance(group[name], h5py.Group):
            yield from _hdf5_tree(group[name])
        else:
            yield child_path, _hdf5_dataset(group[name])


def _hdf5_attributes(node: Any) -> dict[str, Any]:
    return {name: _plain(value, node.file) for name, value in node.attrs.items()}


def _hdf5_dataset(node: h5py.Dataset) -> StoredObject:
    def read(selection: Any) -> NDArray[Any]:
        return np.asarray(_plain(node[selection], node.file))

    return StoredObject(_hdf5_attributes(node), shape=node.shape, read=read)


def _zarr_tree(group: zarr.Group) -> Iterator[tuple[str, StoredObject]]:
    yield group.name, StoredObject(_zarr_attributes(group))
    for link in group.attrs.get("zarr_link", []):
        yield f"{group.name.rstrip('/')}/{link['name']}", StoredObject(link=_plain(link))
    for _, subgroup in group.groups():
        yield from _zarr_tree(subgroup)
    for _, array in group.arrays():
        yield array.name, _zarr_dataset(array)


def _zarr_attributes(node: Any) -> dict[str, Any]:
    own_attributes = {name: value for name, value in node.attrs.items() if name not in _ZARR_OWN}
    attributes = {name: _plain(value) for name, value in own_attributes.items()}
    if ".specloc" in attributes:
        attributes[".specloc"] = f"/{attributes['.specloc']}"
    return attributes


def _zarr_dataset(node: zarr.Array) -> StoredObject:
    scalar = node.attrs.get("zarr_dtype") == "scalar"

    def read(selection: Any) -> NDArray[Any]:
        return np.asarray(_plain(node[0] if scalar else node[selection]))

    return StoredObject(_zarr_attributes(node), shape=() if scalar else node.shape, read=read)


def _plain(value: Any, file: h5py.File | None = None) -> Any:
    """References by the path that they point to, text as str; everything else as it is."""
    if isinstance(value, h5py.Reference):
        return file[value].name if value and file is not None else ""
    if isinstance(value, dict):
        reference = value.get("value", value)  # an attribute's reference stands in a cover
        if isinstance(reference, dict) and set(reference) >= _REFERENCE:
            source = "" if reference["source"] == "." else reference["source"]
            return f"{source}{reference['path']}"
        return value
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, np.ndarray) and value.dtype.kind in "OS":
        plain_items = [_plain(item, file) for item in value.ravel()]
        texts = np.empty(len(plain_items), object)
        texts[:] = plain_items
        return texts.reshape(value.shape)
    return value
