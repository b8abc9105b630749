"""Writers of MonkeyLogic's files, and the trials of a simulated rig in its form.

Values are as `evoalign.events.read_behavior` gives them: numbers as ndarrays of
MATLAB's shape, text as str, structs as dicts, arrays of structs as object
ndarrays of dicts, cell arrays as other object ndarrays.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
import pandas as pd
from scipy.io import savemat

from evoalign.files import atomic_write

_TYPES = {
    "f8": "double",
    "f4": "single",
    "b1": "logical",
    "u1": "uint8",
    "i1": "int8",
    "u2": "uint16",
    "i2": "int16",
    "u4": "uint32",
    "i4": "int32",
    "u8": "uint64",
    "i8": "int64",
}
_HEADER = b"MATLAB 5.0 MAT-file, simulated".ljust(116)


class FunctionHandle(str):
    """Text that is written as a function handle, as newer MonkeyLogic does."""


def write_bhv2(path: str | PathLike[str], tree: Mapping[str, Any], *, indexed: bool = True) -> None:
    """Write a tree as .bhv2.

    Parameters
    ----------
    path : path
        Appears whole.
    tree : mapping of str to object
        Variables in their order.
    indexed : bool
        The layout of 2023, with IndexPosition and FileInfo before and FileIndex
        after the variables, in UTF-8; else that of 2017, of the variables alone.
    """
    with atomic_write(path) as partial, partial.open("wb") as stream:
        places: list[tuple[str, int, int]] = []

        def write(name: str, value: Any) -> None:
            start = stream.tell()
            _variable(stream, name, value, "utf-8" if indexed else "cp1252")
            places.append((name, start, stream.tell()))

        if indexed:
            write("IndexPosition", np.full((1, 1), -1.0))
            write("FileInfo", {"machinefmt": "ieee-le", "encoding": "UTF-8"})
        for name, value in tree.items():
            write(name, value)
        if indexed:
            at = stream.tell()
            index = np.empty((len(places), 3), object)
            for row, (name, start, stop) in enumerate(places):
                index[row] = [name, np.full((1, 1), float(start)), np.full((1, 1), float(stop))]
            _variable(stream, "FileIndex", index, "utf-8")
            stream.seek(0)
            _variable(stream, "IndexPosition", np.full((1, 1), float(at)), "utf-8")


def _variable(stream: BinaryIO, name: str, value: Any, encoding: str) -> None:
    kind, shape = _kind(value)
    head = name.encode("latin-1"), kind.encode("latin-1")
    for text in head:
        stream.write(struct.pack("<Q", len(text)) + text)
    stream.write(struct.pack(f"<{1 + len(shape)}Q", len(shape), *shape))
    if kind == "function_handle":
        _variable(stream, "", str(value), encoding)
    elif kind == "char":
        characters = value if isinstance(value, str) else "".join(np.asarray(value).ravel(order="F"))
        stream.write(characters.encode(encoding))
    elif kind == "struct":
        structs = [value] if isinstance(value, dict) else list(value.ravel(order="F"))
        stream.write(struct.pack("<Q", len(structs[0]) if structs else 0))
        for structure in structs:
            for field, inside in structure.items():
                _variable(stream, field, inside, encoding)
    elif kind == "cell":
        for inside in value.ravel(order="F"):
            _variable(stream, "", inside, encoding)
    else:
        stream.write(np.asarray(value).astype(np.asarray(value).dtype.newbyteorder("<")).tobytes(order="F"))


def _kind(value: Any) -> tuple[str, tuple[int, ...]]:
    if isinstance(value, FunctionHandle):
        return "function_handle", (1, 1)
    if isinstance(value, str):
        return "char", (1, len(value)) if value else (0, 0)
    if isinstance(value, dict):
        return "struct", (1, 1)
    array = np.asarray(value)
    if array.dtype == object:
        structs = array.size > 0 and all(isinstance(element, dict) for element in array.ravel())
        return "struct" if structs else "cell", array.shape
    if array.dtype.kind == "U":
        return "char", array.shape
    return _TYPES[array.dtype.str[1:]], array.shape


def write_h5(path: str | PathLike[str], tree: Mapping[str, Any]) -> None:
    """Write a tree as MonkeyLogic's .h5: groups under /ML with the attributes class and size."""
    with atomic_write(path) as partial, h5py.File(partial, "w") as file:
        for name, value in tree.items():
            _node(file.require_group("ML"), name, value)


def _node(parent: h5py.Group, name: str, value: Any) -> None:
    kind, shape = _kind(value)
    if kind in ("struct", "cell", "function_handle"):
        node = parent.create_group(name)
        if kind == "function_handle":
            _node(node, "1", str(value))
        elif isinstance(value, dict):
            for field, inside in value.items():
                _node(node, field, inside)
        else:
            for number, inside in enumerate(value.ravel(order="F"), 1):
                _node(node, str(number), inside)
    elif kind == "char":
        text = value if isinstance(value, str) else "".join(np.asarray(value).ravel(order="F"))
        node = parent.create_dataset(name, data=text, dtype=h5py.string_dtype())
    else:
        array = np.asarray(value)
        stored = array.astype(np.uint8) if kind == "logical" else array
        # MATLAB writes its column-major arrays with reversed sizes.
        node = parent.create_dataset(name, data=stored.T)
    node.attrs["class"] = np.bytes_(kind)
    node.attrs["size"] = np.array([shape], np.float64)


def write_mat(path: str | PathLike[str], tree: Mapping[str, Any]) -> None:
    """Write a tree as a .mat of version 5, without the date in its head."""
    with atomic_write(path) as partial:
        savemat(partial, dict(tree), long_field_names=True, oned_as="row")
        with partial.open("r+b") as stream:
            stream.write(_HEADER)


def behavior_tree(
    log: pd.DataFrame, *, image_field: str = "imageName", first_trial_s: float = 0.0
) -> dict[str, Any]:
    """Return MonkeyLogic's trials of a stimulus log, with the words of the study's rig.

    Parameters
    ----------
    log : pandas.DataFrame
        `LOG`.
    image_field : str
        Field of UserVars for the names of a trial's images, with suffix; ''
        leaves them out.
    first_trial_s : float
        Time that MonkeyLogic's AbsoluteTrialStartTime counts from.
    """
    tree: dict[str, Any] = {"MLConfig": {"MLVersion": "2.2.42", "Screen": FunctionHandle("fwd_projective")}}
    last_trial = int(log["trial"].max()) if len(log) else 0
    now = first_trial_s
    for number in range(1, last_trial + 1):
        presentations = log[log["trial"] == number]
        start = float(presentations["onset_s"].iloc[0]) - 0.5 if len(presentations) else now + 0.2
        words = _trial_words(presentations, number, start)
        now = words[-1][0]
        tree[f"Trial{number}"] = _trial(number, start, words, presentations, image_field)
    return tree


def _trial_words(presentations: pd.DataFrame, trial: int, start: float) -> list[tuple[float, int]]:
    block = int(presentations["block"].iloc[0]) if len(presentations) else 1
    head = [9, 9, 9, 201, block, 202, trial % 256]
    words = [(start + 1e-3 * i, word) for i, word in enumerate(head)]
    if len(presentations):
        words.append((float(presentations["onset_s"].iloc[0]) - 0.05, 5))
    columns = ("onset_s", "onset_word", "offset_s", "offset_word")
    for on_s, on, off_s, off in zip(*(presentations[c].tolist() for c in columns), strict=True):
        words.append((on_s, on))
        if np.isfinite(off_s):
            words.append((off_s, off))
    end = words[-1][0] + 0.01
    return words + [(end + 1e-3 * i, word) for i, word in enumerate([22, 50, 18, 18, 18])]


def _trial(
    number: int, start: float, words: list[tuple[float, int]], presentations: pd.DataFrame, image_field: str
) -> dict[str, Any]:
    user: dict[str, Any] = {"SkippedFrameTimeInfo": np.empty((0, 0))}
    if image_field and len(presentations):
        names = np.empty((1, len(presentations)), object)
        names[0] = [f"N:\\Stimuli\\{name}.bmp" for name in presentations["image"]]
        user[image_field] = names
    times, codes = (np.array(column, np.float64)[:, None] for column in zip(*words, strict=True))
    return {
        "Trial": np.full((1, 1), float(number)),
        "Block": np.ones((1, 1)),
        "Condition": np.ones((1, 1)),
        "TrialError": np.zeros((1, 1)),
        "AbsoluteTrialStartTime": np.full((1, 1), 1000 * start),
        "BehavioralCodes": {"CodeTimes": 1000 * (times - start), "CodeNumbers": codes},
        "AnalogData": {"SampleInterval": np.ones((1, 1)), "Eye": np.zeros((3, 2), np.float32)},
        "UserVars": user,
    }


def write_behavior(path: str | PathLike[str], tree: Mapping[str, Any]) -> None:
    """Write a tree in the format that the suffix names."""
    writers = {".bhv2": write_bhv2, ".h5": write_h5, ".mat": write_mat}
    writers[Path(path).suffix](path, tree)
