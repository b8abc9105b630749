"""Event words as pulses on parallel digital lines, for the writers."""

from __future__ import annotations

import numpy as np
import pandas as pd

HOLD_S = 0.0003  # a word stays on the lines; half the time to the next one where that is less


def word_pulses(words: pd.DataFrame, rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Return sample and level of each change of the lines: up to a word, and back to 0.

    Parameters
    ----------
    words : DataFrame
        Columns time_s and word, any order.
    rate_hz : float
        Of the samples that lines change at.

    Returns
    -------
    sample, level : int64 arrays [change]
    """
    ordered = words.sort_values("time_s", kind="stable")
    rise = np.rint(ordered["time_s"].to_numpy() * rate_hz).astype(np.int64)
    word = ordered["word"].to_numpy(np.int64)
    room = np.append(np.diff(rise), 2 * round(HOLD_S * rate_hz) + 2)
    hold = np.clip(room // 2, 1, round(HOLD_S * rate_hz))
    sample = np.stack((rise, rise + hold), axis=1).ravel()
    return sample, np.stack((word, np.zeros_like(word)), axis=1).ravel()


def line_edges(sample: np.ndarray, level: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return sample, line from 0 and new state of each edge; the lines of one change are in their order."""
    before = np.concatenate(([0], level))[:-1]
    at, line, high = [], [], []
    for when, new, old in zip(sample.tolist(), level.tolist(), before.tolist(), strict=True):
        for bit in range(63):
            if (new ^ old) >> bit & 1:
                at.append(when)
                line.append(bit)
                high.append(bool(new >> bit & 1))
    return np.array(at, np.int64), np.array(line, np.int64), np.array(high, bool)
