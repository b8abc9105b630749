"""MonkeyLogic's files, .bhv2, .h5 or .mat, as one nested dict; trials as a table."""

from __future__ import annotations

import logging
import re
from itertools import count
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
_HINT = "copy the file again, or save it once more in MonkeyLogic"
_MAKE_AGAIN = "look at these trials in MonkeyLogic, or save the file once more there"
SUFFIXES = (".bhv2", ".h5", ".mat")
MAX_DAMAGED = 0.1  # of a session's trials: with more, the file is not what it should be
log = logging.getLogger(__name__)


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
        raise InputError("not a readable HDF5 file", path, _HINT)
    return read_mat5(path)


def _collect(path: Path) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in Bhv2(path):
        if name in tree and _TRIAL.fullmatch(name):
            raise InputError(f"{name} stands twice", path, _HINT)
        tree[name] = value
    return tree


def trial_structs(tree: dict[str, Any], where: str | PathLike[str]) -> dict[int, dict[str, Any]]:
    """Return the trials of `read_behavior` by their numbers, in order; a few may be missing.

    Raises
    ------
    InputError
        Of the trials up to the last, more than a tenth are missing or no structs.
    """
    names = {int(match[1]): name for name in tree if (match := _TRIAL.fullmatch(name))}
    last = max(names, default=0)
    if last - len(names) > max(1, MAX_DAMAGED * last):
        first = next(number for number in count(1) if number not in names)
        text = f"{last - len(names)} of {last} trials are missing, the first is Trial{first}"
        raise InputError(text, where, _MAKE_AGAIN)
    for number in sorted(set(range(1, last + 1)) - set(names)):
        log.warning("%s: Trial%d is missing; its images are in no table", where, number)
    _few({n: f"Trial{n} is no struct" for n in names if not isinstance(tree[names[n]], dict)}, last, where)
    return {n: tree[names[n]] for n in sorted(names) if isinstance(tree[names[n]], dict)}


def _few(damage: dict[int, str], n_trials: int, where: str | PathLike[str]) -> None:
    """Tell of damaged trials that are left out; refuse when they are more than a few."""
    if damage and (len(damage) > max(1, MAX_DAMAGED * n_trials) or n_trials == 1):
        first, text = next(iter(damage.items()))
        text = text if n_trials == 1 else f"{text}, and {len(damage)} of {n_trials} trials are damaged"
        raise InputError(text, f"{where}, Trial{first}", _MAKE_AGAIN)
    for number, text in damage.items():
        log.warning("%s, Trial%d is left out: %s", where, number, text)


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
        code_times_s and codes (ndarrays of the trial's event words), damage ('' or
        why its times cannot be trusted). A few missing or unreadable trials have no row.

    Raises
    ------
    InputError
        As for `read_behavior`; or more than a tenth of the trials are missing, or
        their times and codes differ in number, are no numbers, or run backwards.
    """
    path = Path(path)
    structs = trial_structs(read_behavior(path), path)
    return trial_table(structs, path)


def trial_table(structs: dict[int, dict[str, Any]], where: str | PathLike[str]) -> pd.DataFrame:
    """Return `trials` of structs that are read already."""
    rows, unreadable = [], {}
    for number, trial in structs.items():
        try:
            rows.append(_trial_row(number, trial, f"{where}, Trial{number}"))
        except InputError as error:
            unreadable[number] = error.what
    backward = {row["trial"]: row["damage"] for row in rows if row["damage"]}
    if len(unreadable) + len(backward) > max(1, MAX_DAMAGED * len(structs)):
        _few(unreadable | backward, len(structs), where)
    _few(unreadable, len(structs), where)
    for number, text in backward.items():
        log.warning("%s, Trial%d: %s; its images are not valid", where, number, text)
    columns = ["trial", "block", "condition", "error", "start_s", "code_times_s", "codes", "damage"]
    return pd.DataFrame(rows, columns=columns)


def _trial_row(number: int, trial: dict[str, Any], where: str) -> dict[str, Any]:
    start_s = _number(trial, "AbsoluteTrialStartTime", where) / 1000
    times, codes = _codes(trial, where)
    back_ms = -float(np.diff(times).min(initial=0))
    return {
        "trial": number,
        "block": _integer(trial, "Block", where),
        "condition": _integer(trial, "Condition", where),
        "error": _integer(trial, "TrialError", where),
        "start_s": start_s,
        "code_times_s": start_s + times / 1000,
        "codes": codes,
        "damage": f"times of behavioural codes run backwards by {back_ms:.3g} ms" if back_ms > 0 else "",
    }


def _codes(trial: dict[str, Any], where: str) -> tuple[np.ndarray, np.ndarray]:
    record = trial.get("BehavioralCodes")
    if not isinstance(record, dict):
        raise InputError("the trial has no BehavioralCodes", where, _HINT)
    times, codes = (_vector(record, key, where) for key in ("CodeTimes", "CodeNumbers"))
    if len(times) != len(codes):
        raise InputError(f"{len(times)} code times but {len(codes)} code numbers", where, _HINT)
    if not (np.isfinite(times).all() and np.isfinite(codes).all()):
        raise InputError("times or numbers of behavioural codes are not finite", where, _HINT)
    if (np.abs(codes) > 2**31).any() or (codes != np.floor(codes)).any():
        raise InputError("behavioural codes are no whole numbers", where, _HINT)
    return times, codes.astype(np.int64)


def _vector(record: dict[str, Any], key: str, where: str) -> np.ndarray:
    value = np.asarray(record.get(key, np.empty(0)))
    if value.dtype.kind not in "fiub":
        raise InputError(f"BehavioralCodes.{key} holds no numbers", where, _HINT)
    return value.astype(np.float64).ravel()


def _number(trial: dict[str, Any], key: str, where: str, default: float | None = None) -> float:
    value = np.asarray(trial.get(key, np.empty(0)))
    if value.size == 0 and default is not None:
        return default
    if value.size != 1 or value.dtype.kind not in "fiub" or not np.isfinite(value.ravel()[0]):
        raise InputError(f"the trial's {key} is not one number", where, _HINT)
    return float(value.ravel()[0])


def _integer(trial: dict[str, Any], key: str, where: str) -> int:
    value = _number(trial, key, where, -1.0)
    if abs(value) > 2**53:
        raise InputError(f"the trial's {key} is {value:g}", where, _HINT)
    return int(value)
