"""Integrity: whether a file can be read without hanging, crashing, losing data or reading other files."""

from __future__ import annotations

import functools
import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import zarr

from evoalign import self_contained
from evoalign.errors import InputError
from evoalign.files import sha256
from evoalign.kept import Kept, short_hash
from evoalign.nwb import walk_child
from evoalign.nwb.objects import is_zarr
from evoalign.nwb.version import check_is_hdf5
from evoalign.self_contained import EXIT_STATUS, check_zarr_folder, check_zarr_values
from evoalign.self_contained import HINT as OUTSIDE_HINT

HINT = "copy the file again from where it was whole, or package the session again"
# numpy's algebra would start a thread for each core: as much processor time as the walk itself.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
OBJECT_CPU_S = 10.0  # the largest of objects takes a tenth of a second
# Files that were walked to their end, by their content: each job of a session opens the same one.
WALKED = Kept("walked.json", 4000)
KNOWN_BYTES = 128e6  # to read a larger file for its checksum may take longer than to walk it


def check_integrity(path: str | os.PathLike[str], object_cpu_s: float = OBJECT_CPU_S) -> None:
    """Raise an InputError where a file would hang or crash its reader, give zeros for data, or open others.

    HDF5 is walked in a child process with a limit of processor time for each
    object: its library loops for ever on some damage. That the content of a file of at
    most 128 MB was walked to its end is kept in the user's cache. In a Zarr folder every
    chunk must be there: the library takes a lost one for zeros. What points into other files is refused (see
    `evoalign.self_contained`).

    Parameters
    ----------
    path : path
        An HDF5 file or a Zarr folder.
    object_cpu_s : float
        Processor time, in s, after which an object of HDF5 counts as endless.

    Raises
    ------
    InputError
        Naming the file and the object in it.
    """
    path = Path(path)
    if not path.exists():
        raise InputError("file does not exist", path, "correct the path")
    if is_zarr(path):
        _check_zarr(path)
    else:
        check_is_hdf5(path)
        _check_hdf5(path, object_cpu_s)


def _check_hdf5(path: Path, object_cpu_s: float) -> None:
    if path.stat().st_size > KNOWN_BYTES:
        _walk(path, object_cpu_s)
        return
    WALKED.forget()  # as other jobs have written it meanwhile
    key = _content(path, object_cpu_s)
    WALKED.get(key, lambda: _walk_content(path, object_cpu_s, key))
    WALKED.write()


def _content(path: Path, object_cpu_s: float) -> str:
    """Digest of a file's content, and of what walks it."""
    return short_hash(f"{sha256(path)} {object_cpu_s:g} {_walker()}")


@functools.cache
def _walker() -> str:
    sources = [Path(str(module.__file__)).read_bytes() for module in (walk_child, self_contained)]
    return f"{hashlib.sha256(b''.join(sources)).hexdigest()} {h5py.__version__} {h5py.version.hdf5_version}"


def _walk_content(path: Path, object_cpu_s: float, key: str) -> bool:
    _walk(path, object_cpu_s)
    if _content(path, object_cpu_s) != key:
        hint = "wait until it is copied, and run again"
        raise InputError("the file was changed while it was read", path, hint)
    return True


def _walk(path: Path, object_cpu_s: float) -> None:
    command = [sys.executable, "-I", str(walk_child.__file__), str(path.absolute()), str(object_cpu_s)]
    child = subprocess.run(
        command, capture_output=True, text=True, errors="replace", check=False, env=os.environ | ONE_THREAD
    )
    if child.returncode == 0:
        return
    last_object = (child.stdout.splitlines() or ["/"])[-1]
    if child.returncode == EXIT_STATUS:
        what = f"the content lies in another file, which is not read: {child.stderr.strip()}"
        raise InputError(what, f"{path}, {last_object}", OUTSIDE_HINT)
    reason = _reason(child.returncode, child.stderr, object_cpu_s)
    raise InputError(f"no readable NWB file: {reason}", f"{path}, {last_object}", HINT)


def _reason(code: int, errors: str, object_cpu_s: float) -> str:
    if code == -signal.SIGPROF:
        return f"the HDF5 library did not come to an end in {object_cpu_s:g} s"
    if code < 0:
        return f"the HDF5 library crashed on it ({signal.Signals(-code).name})"
    return (errors.strip().splitlines() or [f"exit status {code}"])[-1][:300]


def _check_zarr(path: Path) -> None:
    check_zarr_folder(path)
    try:
        is_consolidated = (path / ".zmetadata").exists()
        root = zarr.open_consolidated(str(path)) if is_consolidated else zarr.open_group(str(path), mode="r")
        root.visititems(lambda _, node: _check_chunks(path, node))
    except InputError:
        raise
    except Exception as error:  # damaged JSON raises almost anything
        raise InputError(f"no readable NWB file: {error}", f"{path}, /", HINT) from error


def _check_chunks(path: Path, node: Any) -> None:
    if isinstance(node, zarr.Array) and node.nchunks_initialized < node.nchunks:
        n_missing = node.nchunks - node.nchunks_initialized
        raise InputError(f"{n_missing} of {node.nchunks} chunks are missing", f"{path}, {node.name}", HINT)
    # References of data are kept as JSON.
    if isinstance(node, zarr.Array) and any(codec.codec_id == "json2" for codec in node.filters or ()):
        check_zarr_values(node[...].tolist(), f"{path}, {node.name}")
