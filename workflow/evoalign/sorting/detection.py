"""Spikes in a filtered trace: troughs, and peaks where these are the larger extreme.

Most spikes are a trough with a smaller peak after it. Near axons, and of
referenced electrodes, some are a peak with smaller troughs beside it: aligned
to these, which vary with the noise, one such unit makes several.
"""

from __future__ import annotations

import numpy as np

from evoalign.compiling import compiled

STRETCH = 128  # samples that are passed over together where none is beyond the threshold
SAME_UNIT = 0.9  # cosine, at the best lag, of mean waveforms of one unit aligned to either extreme


def extremes(values: np.ndarray, threshold_uv: float, dead: int, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the spikes' extremes beyond the threshold, those of one sign at least `dead` samples apart.

    Parameters
    ----------
    values : ndarray ``[sample]``
        Filtered voltages of one electrode, µV.
    threshold_uv : float
        Size of the smallest extreme.
    dead : int
        Samples.
    reach : int
        A peak is a spike's extreme when nothing, of either sign, is larger within so many samples; the
        troughs there are then its flanks.

    Returns
    -------
    sample : ndarray, int ``[spike]``
        Rising.
    is_positive : ndarray, bool ``[spike]``
    """
    negative, peaks = (_peaks(values, sign, threshold_uv, dead) for sign in (-1, 1))
    window = np.clip(peaks[:, None] + np.arange(-reach, reach + 1), 0, len(values) - 1)
    positive = peaks[values[peaks] >= np.abs(values[window]).max(axis=1)] if len(peaks) else peaks
    beside = np.searchsorted(positive, negative[:, None] + np.array([-reach, reach + 1]))
    negative = negative[beside[:, 0] == beside[:, 1]]
    sample = np.concatenate([negative, positive])
    order = np.argsort(sample, kind="stable")
    return sample[order], (np.arange(len(sample)) >= len(negative))[order]


def _peaks(values: np.ndarray, sign: int, height: float, distance: int) -> np.ndarray:
    """Return as `scipy.signal.find_peaks` of values times a sign; it looks at those below the height too."""
    peaks = _local_maxima(values, sign, height)
    kept = np.ones(len(peaks), dtype=np.bool_)
    _keep_highest(peaks, np.argsort(sign * values[peaks], kind="stable")[::-1], max(distance, 1), kept)
    return np.asarray(peaks[kept])


@compiled()
def _local_maxima(values, sign, height):  # type: ignore[no-untyped-def]
    """Samples of the maxima, of values times the sign, of at least `height`; of a flat one, its middle."""
    peaks = [0 for _ in range(0)]
    first, end = 1, len(values) - 1
    sign_, less = np.float32(sign), np.float32(height * (1 - 1e-6))  # rounding shall leave nothing out
    for begin in range(0, len(values), STRETCH):
        if not _reaches(values[begin : begin + STRETCH], sign_, less):
            continue
        first = max(first, begin)
        while first < min(begin + STRETCH, end):
            last = first
            if sign * values[first] >= height and sign * values[first] > sign * values[first - 1]:
                while last < end - 1 and values[last + 1] == values[first]:
                    last += 1
                if sign * values[last + 1] < sign * values[first]:
                    peaks.append((first + last) // 2)
            first = last + 1
    return np.array(peaks, dtype=np.int64)


@compiled(fastmath=True)
def _reaches(values, sign, height):  # type: ignore[no-untyped-def]
    """Say whether any value, times the sign, exceeds `height`; a sum looks at many together."""
    total = zero = np.float32(0)
    for j in range(len(values)):
        excess = sign * values[j] - height
        total += excess if excess > zero else zero
    return total > zero


@compiled()
def _keep_highest(peaks, falling, distance, kept):  # type: ignore[no-untyped-def]
    for index in falling:
        if not kept[index]:
            continue
        for step in (-1, 1):
            other = index + step
            while 0 <= other < len(peaks) and abs(peaks[other] - peaks[index]) < distance:
                kept[other] = False
                other += step


def one_sign(labels: np.ndarray, waves: np.ndarray, is_positive: np.ndarray) -> np.ndarray:
    """Leave a unit that noise has aligned now to its trough, now to its peak, the commoner sign.

    Parameters
    ----------
    labels : ndarray ``[spike]``
        Cluster from 0, each of one sign; negative ones stay as they are.
    waves : ndarray
        Whitened, aligned waveforms ``[spike, sample]``.
    is_positive : ndarray, bool ``[spike]``
        Aligned to a peak.

    Returns
    -------
    ndarray
        Labels, -1 for the spikes of the rarer sign: matching finds them by the template of the other.
    """
    labels = labels.copy()
    names = np.unique(labels[labels >= 0])
    mean_of = {name: waves[labels == name].mean(axis=0) for name in names}
    positive = [name for name in names if is_positive[labels == name].any()]
    for first in positive:
        for second in np.setdiff1d(names, positive):
            counts = np.sum(labels == first), np.sum(labels == second)
            if min(counts) and _cosine_at_best_lag(mean_of[first], mean_of[second]) >= SAME_UNIT:
                labels[labels == (first if counts[0] <= counts[1] else second)] = -1
    return labels


def _cosine_at_best_lag(first: np.ndarray, second: np.ndarray) -> float:
    """Cosine of what two waveforms ``[sample]`` share, shifted by up to half of their length."""
    half = len(first) // 2
    products = np.correlate(first, second, "full")[len(first) - 1 - half : len(first) + half]
    return float(products.max() / max(np.linalg.norm(first) * np.linalg.norm(second), 1e-12))


def extreme_uv(mean_uv: np.ndarray) -> float:
    """Return the value, µV, of the larger extreme of a mean waveform ``[sample]``; 0 when empty."""
    return float(mean_uv[np.argmax(np.abs(mean_uv))]) if len(mean_uv) else 0.0
