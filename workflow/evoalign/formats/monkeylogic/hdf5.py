"""MonkeyLogic's trees in HDF5: its own .h5 files, and MATLAB's .mat of version 7.3."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from evoalign.errors import InputError
from evoalign.formats.monkeylogic import hdf5_child
from evoalign.formats.monkeylogic.bhv2 import box
from evoalign.self_contained import EXIT_STATUS
from evoalign.self_contained import HINT as OUTSIDE_HINT

TIMEOUT_S = 600
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HINT = "copy the file again, or save it as .bhv2 in MonkeyLogic"


def is_hdf5(path: Path) -> bool:
    """Return whether a file has HDF5's signature, at its start or after MATLAB's 512 bytes."""
    try:
        with path.open("rb") as stream:
            head = stream.read(520)
    except OSError:
        return False
    return _SIGNATURE in (head[:8], head[512:520])


def read_hdf5(path: Path) -> dict[str, Any]:
    """Read the variables of a MonkeyLogic .h5 or of a .mat of version 7.3.

    A child process reads: the HDF5 library crashes on some damaged files.

    Raises
    ------
    InputError
        The file is damaged, no such tree, or points into another file.
    """
    with tempfile.TemporaryDirectory(prefix="evoalign-") as folder:
        out = Path(folder) / "tree.npz"
        command = [sys.executable, "-I", str(hdf5_child.__file__), str(path.absolute()), str(out)]
        try:
            child = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            raise InputError(f"reading did not end within {TIMEOUT_S} s", path, _HINT) from None
        if child.returncode == EXIT_STATUS:
            reason = child.stderr.decode(errors="replace").strip()
            what = f"the content lies in another file, which is not read: {reason}"
            raise InputError(what, path, OUTSIDE_HINT)
        if child.returncode:
            messages = child.stderr.decode(errors="replace").strip().splitlines()
            reason = (
                messages[-1]
                if child.returncode == 3 and messages
                else "the HDF5 library crashed or did not end on it"
            )
            raise InputError(f"not a readable HDF5 file: {reason}", path, _HINT)
        with np.load(out, allow_pickle=False) as arrays:
            tree = json.loads(str(arrays["tree"]))
            return {name: _value(spec, arrays) for name, spec in tree.items()}


def _value(spec: dict[str, Any], arrays: Any) -> Any:
    if "d" in spec:
        return {name: _value(inside, arrays) for name, inside in spec["d"].items()}
    if "c" in spec:
        return box([_value(inside, arrays) for inside in spec["c"]], tuple(spec["n"]))
    return spec["s"] if "s" in spec else arrays[f"a{spec['a']}"]
