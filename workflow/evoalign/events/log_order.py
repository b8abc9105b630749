"""Times of a log that do not rise: a few cost their trials, many the whole log."""

from __future__ import annotations

import logging
from bisect import bisect_left
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign.errors import InputError

log = logging.getLogger(__name__)

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MAX_SHARE = 0.1  # of the rows may be out of order: with more, the log is not that of one session
DAMAGED = "the log of this trial is damaged"
STEP_S = 1e-6  # between rows that are set beside the first or last one in order


def in_order(rows: pd.DataFrame, where: Path) -> pd.DataFrame:
    """Return a log whose onsets rise, where a few did not.

    Rows off the longest rising run of onsets are taken as wrong: their whole
    trial gets a reason, and so is never valid. Their onsets are set between
    those of their neighbours, so that the others can be aligned.

    Parameters
    ----------
    rows : pandas.DataFrame
        Columns of `LOG`, in the order of showing.
    where : Path
        The log, for messages.

    Raises
    ------
    InputError
        More than a tenth of the rows are out of order.
    """
    onset_s = rows["onset_s"].to_numpy(np.float64)
    wrong = ~_longest_rising(onset_s)
    if not wrong.any():
        return rows
    at = int(np.flatnonzero(np.diff(onset_s) <= 0)[0])
    text = f"time runs backwards: onset {onset_s[at + 1]:.6f} s after {onset_s[at]:.6f} s"
    if wrong.sum() > MAX_SHARE * len(rows):
        raise InputError(
            f"{text}; {wrong.sum()} of {len(rows)} rows are out of order",
            f"{where}, presentation {at + 1}",
            "write presentations in the order of showing, one session a log",
        )
    trials = rows["trial"].to_numpy()
    damaged = np.isin(trials, trials[wrong])
    numbers = ", ".join(str(trial) for trial in np.unique(trials[wrong]))
    log.warning("%s: %s; not valid: trials %s", where, text, numbers)
    reason = np.where(damaged & (rows["reason"] == ""), f"{DAMAGED}: {text}", rows["reason"])
    offset_s = np.where(wrong, np.nan, rows["offset_s"])
    return rows.assign(onset_s=_set_between(onset_s, wrong), offset_s=offset_s, reason=reason)


def _longest_rising(values: Floats) -> Flags:
    """Return which elements are in the longest strictly rising subsequence, ``[row]``."""
    ends: list[float] = []
    tips: list[int] = []
    before = np.full(len(values), -1)
    for row, value in enumerate(values.tolist()):
        at = bisect_left(ends, value)
        before[row] = tips[at - 1] if at else -1
        ends[at : at + 1], tips[at : at + 1] = [value], [row]
    rising = np.zeros(len(values), bool)
    row = tips[-1] if tips else -1
    while row >= 0:
        rising[row] = True
        row = int(before[row])
    return rising


def _set_between(onset_s: Floats, wrong: Flags) -> Floats:
    """Set the onsets of wrong rows evenly between those of their neighbours, ``[row]``."""
    row, right = np.arange(len(onset_s)), np.flatnonzero(~wrong)
    placed = np.interp(row, right, onset_s[right])
    placed[: right[0]] -= STEP_S * (right[0] - row[: right[0]])
    placed[right[-1] + 1 :] += STEP_S * (row[right[-1] + 1 :] - right[-1])
    return placed
