"""Whether a file is NWB 2 at all; what it is otherwise, and what helps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import zarr

from evoalign.errors import InputError
from evoalign.nwb.names import HINT
from evoalign.nwb.objects import is_zarr

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
MATLAB_FILE = b"MATLAB 5.0 MAT-file"
GIT_POINTERS = (b"version https://git-lfs", b"/annex/objects/", b"../.git/annex")
READ_HINT = "give an NWB 2 file, or the raw files and the log in its place (columns raw and log)"
OLD_HINT = (
    "NWB 1 is another format, which pynwb cannot read either: write its spikes and trials into an NWB 2 file "
    "with pynwb or MatNWB"
)


def check_is_hdf5(path: Path) -> None:
    """Raise an InputError where the first bytes are those of another kind of file.

    Raises
    ------
    InputError
        Saying what the file is: empty, a pointer of git, MATLAB's, or not known. A
        file whose HDF5 lies behind a user block passes.
    """
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise InputError(f"cannot read the file: {error.strerror}", path, "check its permissions") from error
    if head.startswith(HDF5_SIGNATURE) or h5py.is_hdf5(path):
        return
    if not head:
        raise InputError("the file is empty", path, "copy it again from where it was whole")
    if any(pointer in head for pointer in GIT_POINTERS):
        problem = "the file is not its content but a pointer of git to it"
        raise InputError(problem, path, "fetch the content: git lfs pull, git annex get or datalad get")
    if head.startswith(MATLAB_FILE):
        raise InputError("the file is MATLAB's, no NWB", path, READ_HINT)
    # Bytes alone do not tell a damaged NWB file from any other.


def check_version(path: Path) -> None:
    """Raise an InputError where an HDF5 or Zarr file is no NWB 2.

    Parameters
    ----------
    path : path
        A file that was checked for integrity.

    Raises
    ------
    InputError
        NWB 1, a later version than 2, or no NWB at all: the version that the file
        names, or what it holds, is told.
    """
    try:
        version, names = _stated(path)
    except Exception as error:  # HDF5 and Zarr raise almost anything on damaged bytes
        raise InputError(f"no readable NWB file: {error}", f"{path}, /", HINT) from error
    if version is None:
        inside = ", ".join(sorted(names)[:6]) or "nothing"
        raise InputError(f"the file is no NWB: it names no version, and holds {inside}", path, READ_HINT)
    number = version.upper().removeprefix("NWB-").removeprefix("V")
    if number.startswith(("0.", "1.")):
        raise InputError(f"the file is NWB {number}, of which 2 is read", f"{path}, /nwb_version", OLD_HINT)
    if number.startswith("2.0") and not number.startswith("2.0."):
        hint = "this draft of NWB 2 is not read: write its spikes and trials into an NWB file with pynwb"
        raise InputError(f"the file is NWB {number}", f"{path}, /nwb_version", hint)
    if not number.startswith("2."):
        problem = f"the file is NWB {number}, of which 2 is read"
        raise InputError(problem, f"{path}, /nwb_version", "export it as NWB 2, or update pynwb")


def _stated(path: Path) -> tuple[str | None, list[str]]:
    """The version that a file names, None without; names of what lies at its root."""
    if is_zarr(path):
        root = zarr.open_group(str(path), mode="r")
        return _version(root), list(root)
    with h5py.File(path, "r") as file:
        return _version(file), list(file)


def _version(root: Any) -> str | None:
    stated = root.attrs.get("nwb_version")
    # NWB 1 kept it as a dataset.
    if stated is None and "nwb_version" in root and hasattr(root["nwb_version"], "shape"):
        stated = root["nwb_version"][()]
    if stated is None:
        return None
    if hasattr(stated, "tolist"):
        stated = stated.tolist()
    while isinstance(stated, list) and stated:
        stated = stated[0]
    return stated.decode("utf-8", "replace") if isinstance(stated, bytes) else str(stated)
