"""Whether the content of a file lies in the file: the check of every door that opens HDF5 or Zarr.

HDF5 and Zarr can name other files of the machine as the place of their data,
and their libraries read those without a word. A file that came from
elsewhere could so carry a private file of this machine into a report. Here
nothing is followed: such a file is refused. Processes that only read HDF5
import this module, so it imports no library of its own accord.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evoalign.errors import InputError

if TYPE_CHECKING:
    import h5py

HINT = "ask for a file that holds its data itself: copy it with what it points to, by the tool that made it"
# Exit status of a child process that refuses a file for what it points to.
EXIT_STATUS = 4
_CODEC_HINT = "write the file again with object_codec_class=numcodecs.JSON, and without codecs of your own"
# Numcodecs' own codecs of numbers and text. Its pickle is not here: reading one runs code of the file.
_CODECS = frozenset(
    {
        "adler32",
        "astype",
        "base64",
        "bitround",
        "blosc",
        "bz2",
        "categorize",
        "crc32",
        "crc32c",
        "delta",
        "fixedscaleoffset",
        "fletcher32",
        "gzip",
        "jenkins_lookup3",
        "json2",
        "lz4",
        "lzma",
        "n5_wrapper",
        "packbits",
        "pcodec",
        "quantize",
        "shuffle",
        "vlen-array",
        "vlen-bytes",
        "vlen-utf8",
        "zfpy",
        "zlib",
        "zstd",
    }
)
_METADATA = (".zarray", ".zattrs", ".zgroup", ".zmetadata", "zarr.json")


class OutsideError(Exception):
    """An object of an HDF5 file lies in another file."""


def check_hdf5_link(group: h5py.Group, name: str) -> None:
    """Raise an `OutsideError` where a member of a group is a link into another file; nothing is opened."""
    import h5py

    link = group.get(name, getlink=True)
    if isinstance(link, h5py.ExternalLink):
        raise OutsideError(f"an external link to '{link.filename}'")


def check_hdf5_dataset(dataset: h5py.Dataset) -> None:
    """Raise an `OutsideError` where the values of a data set lie in other files; no value is read."""
    import h5py

    how_stored = dataset.id.get_create_plist()
    if how_stored.get_layout() == h5py.h5d.VIRTUAL:
        raise OutsideError("a virtual data set, whose values lie elsewhere")
    if how_stored.get_external_count():
        name = how_stored.get_external(0)[0].decode(errors="replace")
        raise OutsideError(f"a data set whose values lie in '{name}'")


def hdf5_address(node: h5py.HLObject) -> int:
    """Return where an object lies in its file: equal for two names of one object."""
    import h5py

    return int(h5py.h5o.get_info(node.id).addr)


def hdf5_address_referenced(node: h5py.HLObject, reference: h5py.Reference) -> int:
    """Return where the object lies to which a reference leads, -1 where none is; no value of it is read."""
    import h5py

    try:
        return int(h5py.h5o.get_info(h5py.h5r.dereference(reference, node.id)).addr)
    except Exception:  # HDF5 raises almost anything on damaged bytes
        return -1


def check_hdf5_references(referenced: Iterable[int], passed: Collection[int]) -> None:
    """Raise an `OutsideError` where a reference leads to an object that no walk of the file passes.

    Addresses are compared, since the library searches the whole file for each name.
    """
    if any(address not in passed for address in referenced):
        raise OutsideError("a reference to an object without a name, whose place cannot be checked")


def check_zarr_folder(path: str | os.PathLike[str]) -> None:
    """Raise an InputError where a Zarr folder holds more than its own data.

    Refused are symbolic links and special files in it (the folder itself may
    be reached by a link), references to other stores, and codecs that are not
    numcodecs' own for numbers and text, its pickle above all. No chunk is read.

    Parameters
    ----------
    path : path
        The folder.

    Raises
    ------
    InputError
        Naming the file in the folder.
    """
    for entry in _entries(Path(path)):
        if entry.is_symlink():
            raise InputError("a symbolic link in a Zarr folder: it is not followed", entry.path, HINT)
        if not entry.is_dir(follow_symlinks=False) and not entry.is_file(follow_symlinks=False):
            raise InputError("neither file nor folder, in a Zarr folder", entry.path, HINT)
        if entry.name in _METADATA:
            _check_metadata(entry.path)


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            yield entry
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(Path(entry.path))


def _check_metadata(file: str) -> None:
    try:
        content = json.loads(Path(file).read_bytes())
    except (OSError, ValueError, RecursionError):
        return  # damage is for the reader's own message: without this file it reads nothing
    check_zarr_values(content, file)
    for codec in sorted(set(_codecs(content)) - _CODECS):
        reason = "reading it runs code of the file" if codec == "pickle" else "it is not known to be safe"
        raise InputError(f"the codec '{codec}' is refused: {reason}", file, _CODEC_HINT)


def _codecs(content: Any) -> Iterator[str]:
    """Return the names of all codecs in a metadata file, whatever its depth."""
    if isinstance(content, dict):
        for key in ("compressor", "filters"):
            for codec in content[key] if isinstance(content.get(key), list) else [content.get(key)]:
                if isinstance(codec, dict) and "id" in codec:
                    yield str(codec["id"])
        for value in content.values():
            yield from _codecs(value)
    elif isinstance(content, list):
        for value in content:
            yield from _codecs(value)


def check_zarr_values(content: Any, where: str) -> None:
    """Raise an InputError where attributes or values of an NWB file in Zarr refer to another store.

    Parameters
    ----------
    content : object
        Attributes of a node, or values that were stored as JSON.
    where : str
        Folder and node, for the message.
    """
    if isinstance(content, dict):
        if {"source", "path"} <= set(content) and content["source"] != ".":
            raise InputError(f"a reference to another store, '{content['source']}'", where, HINT)
        values = list(content.values())
    elif isinstance(content, list):
        values = content
    else:
        return
    for value in values:
        check_zarr_values(value, where)
