"""MonkeyLogic's files, .bhv2, .h5 or .mat, as one nested dict; trials as a table."""

from __future__ import annotations

import re
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evoalign.errors import InputError
from evoalign.formats.monkeylogic.bhv2 import Bhv2
from evoalign.formats.monkeylogic.hdf5 import is_hdf5, read_hdf5
from evoalign.formats.monkeylogic.mat5 import read_mat5

_TRIAL = re.compile(r"Trial([1-9]\d{0,8})")
_MEND = "copy the file again, or save it once more in MonkeyLogic"
SUFFIXES = (".bhv2", ".h5", ".mat")


def read_behavior(path: str | PathLike[str]) -> dict[str, Any]:
    """Read every variable of a MonkeyLogic file.

    Parameters
    ----------
    path : path
        ``.bhv2``, ``.h5`` or ``.mat`` (also of version 7.3).

    Returns
    -------
    dict of str to object
        Numbers: ndarray of MATLAB's shape (so ``[1, 1]`` for one), views into
        the file for .bhv2. Text: str. Struct: dict; array of structs: object
        ndarray of dicts. Cell array: object ndarray. Of a name that stands
        more than once the last counts.

    Raises
    ------
    InputError
        The file is missing, unreadable, damaged, or holds a trial twice.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("file does not exist", path, "correct the path")
    suffix = path.suffix.lower()
    if suffix == ".bhv2":
        return _collect(path)
    if suffix not in SUFFIXES:
        raise InputError(
            f"no behaviour file: suffix '{path.suffix}'", path, f"give one of {', '.join(SUFFIXES)}"
        )
    if is_hdf5(path):
        return read_hdf5(path)
    if suffix == ".h5":
        raise InputError("not a readable HDF5 file", path, _MEND)
    return read_mat5(path)


def _collect(path: Path) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in Bhv2(path):
        if name in tree and _TRIAL.fullmatch(name):
            raise InputError(f"{name} stands twice", path, _MEND)
        tree[name] = value
    return tree


def trial_structs(tree: dict[str, Any], where: str | PathLike[str]) -> list[dict[str, Any]]:
    """Return the trials of `read_behavior` in their order.

    Raises
    ------
    InputError
        A trial is no struct, or numbers are missing between the first and the last.
    """
    trial_names = {int(match[1]): name for name in tree if (match := _TRIAL.fullmatch(name))}
    missing = sorted(set(range(1, max(trial_names, default=0) + 1)) - set(trial_names))
    if missing:
        raise InputError(f"{len(missing)} trials are missing, the first is Trial{missing[0]}", where, _MEND)
    for name in trial_names.values():
        if not isinstance(tree[name], dict):
            raise InputError(f"{name} is no struct", where, _MEND)
    return [tree[trial_names[number]] for number in sorted(trial_names)]


def trials(path: str | PathLike[str]) -> pd.DataFrame:
    """Return the trials of a MonkeyLogic file as a table.

    Parameters
    ----------
    path : path
        As for `read_behavior`.

    Returns
    -------
    pandas.DataFrame
        One row a trial: trial, block, condition, error (MonkeyLogic's
        TrialError), start_s (seconds on the stimulus computer's clock),
        code_times_s and codes (ndarrays of the trial's event words).

    Raises
    ------
    InputError
        As for `read_behavior`; or times and codes of a trial differ in number,
        are no numbers, or run backwards.
    """
    path = Path(path)
    structs = trial_structs(read_behavior(path), path)
    return trial_table(structs, path)


def trial_table(structs: list[dict[str, Any]], where: str | PathLike[str]) -> pd.DataFrame:
    """Return `trials` of structs that are read already."""
    rows = []
    for number, trial in enumerate(structs, 1):
        trial_name = f"{where}, Trial{number}"
        start_s = _number(trial, "AbsoluteTrialStartTime", trial_name) / 1000
        times, codes = _codes(trial, trial_name)
        rows.append(
            {
                "trial": number,
                "block": _integer(trial, "Block", trial_name),
                "condition": _integer(trial, "Condition", trial_name),
                "error": _integer(trial, "TrialError", trial_name),
                "start_s": start_s,
                "code_times_s": start_s + times / 1000,
                "codes": codes,
            }
        )
    columns = ["trial", "block", "condition", "error", "start_s", "code_times_s", "codes"]
    return pd.DataFrame(rows, columns=columns)


def _codes(trial: dict[str, Any], where: str) -> tuple[np.ndarray, np.ndarray]:
    record = trial.get("BehavioralCodes")
    if not isinstance(record, dict):
        raise InputError("the trial has no BehavioralCodes", where, _MEND)
    times, codes = (_vector(record, key, where) for key in ("CodeTimes", "CodeNumbers"))
    if len(times) != len(codes):
        raise InputError(f"{len(times)} code times but {len(codes)} code numbers", where, _MEND)
    if not (np.isfinite(times).all() and np.isfinite(codes).all()):
        raise InputError("times or numbers of behavioural codes are not finite", where, _MEND)
    if (np.abs(codes) > 2**31).any() or (codes != np.floor(codes)).any():
        raise InputError("behavioural codes are no whole numbers", where, _MEND)
    if (np.diff(times) < 0).any():
        raise InputError("times of behavioural codes run backwards", where, _MEND)
    return times, codes.astype(np.int64)


def _vector(record: dict[str, Any], key: str, where: str) -> np.ndarray:
    value = np.asarray(record.get(key, np.empty(0)))
    if value.dtype.kind not in "fiub":
        raise InputError(f"BehavioralCodes.{key} holds no numbers", where, _MEND)
    return value.astype(np.float64).ravel()


def _number(trial: dict[str, Any], key: str, where: str, default: float | None = None) -> float:
    value = np.asarray(trial.get(key, np.empty(0)))
    if value.size == 0 and default is not None:
        return default
    if value.size != 1 or value.dtype.kind not in "fiub" or not np.isfinite(value.ravel()[0]):
        raise InputError(f"the trial's {key} is not one number", where, _MEND)
    return float(value.ravel()[0])


def _integer(trial: dict[str, Any], key: str, where: str) -> int:
    value = _number(trial, key, where, -1.0)
    if abs(value) > 2**53:
        raise InputError(f"the trial's {key} is {value:g}", where, _MEND)
    return int(value)
