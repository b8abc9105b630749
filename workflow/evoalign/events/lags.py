"""Spikes around events: which lie in a half-open window, to the whole nanosecond."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Times are compared in whole nanoseconds: a spike at the very edge of a window or bin
# belongs to the one that starts there, whatever the rounding of its seconds.
NS_PER_MS = 1_000_000


def lags_around(
    times_s: ArrayLike, onsets_s: ArrayLike, window_ms: tuple[float, float]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return, of each time in a window around an onset, the onset's index and the lag in ns.

    Parameters
    ----------
    times_s : array_like, float [spike]
        Seconds, rising.
    onsets_s : array_like, float [onset]
        Seconds, in any order; a NaN has no spikes.
    window_ms : (float, float)
        ``[first, end)`` from the onset; a spike in several windows counts in each.

    Returns
    -------
    onset : ndarray, int64 [pair]
        Rising.
    lag_ns : ndarray, int64 [pair]
        Time minus onset, in whole nanoseconds.
    """
    times, onsets = np.asarray(times_s, np.float64), np.asarray(onsets_s, np.float64)
    finite = np.flatnonzero(np.isfinite(onsets))
    known_onsets = onsets[finite]
    # A microsecond wider than the window; the nanoseconds below decide.
    first = np.searchsorted(times, known_onsets + window_ms[0] / 1000 - 1e-6)
    last = np.searchsorted(times, known_onsets + window_ms[1] / 1000 + 1e-6)
    n = np.maximum(last - first, 0)
    onset = np.repeat(np.arange(len(finite)), n)
    spike = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n) + np.repeat(first, n)
    lag_ns = np.rint((times[spike] - known_onsets[onset]) * 1e9).astype(np.int64)
    start_ns, stop_ns = (round(edge * NS_PER_MS) for edge in window_ms)
    inside = (lag_ns >= start_ns) & (lag_ns < stop_ns)
    return finite[onset[inside]], lag_ns[inside]
