"""The hash of far cells on one electrode, told from units by evidence rather than by size.

Far cells are many and small: the smaller, the more. The sizes of their spikes
fall off from the detection threshold on, which cuts them. A unit's sizes have
a peak of their own above it. A cluster may also be a slice of the hash, as a
mixture makes them; its sizes then have a peak that the clustering made. So a
cluster that does not stand apart from the hash is judged with the hash.
"""

from __future__ import annotations

import numpy as np

from evoalign.sorting.clustering import BACKGROUND, components
from evoalign.sorting.merging import falls_off_from_threshold, nearest_cluster
from evoalign.sorting.modes import fisher_axis, stands_apart

# Squared coefficient of variation of what a half-normal variable exceeds its edge by: the sizes have
# their peak at the threshold, and half of the spikes lie below it.
PEAK_AT_THRESHOLD = np.pi / 2 - 1
SPREAD, SURE = 1.3, 2.0  # SD of the estimate's logarithm times the root of the number of spikes; in SDs

SLICE_COSINE = 0.95  # of the mean waveforms of two slices of the hash


def is_cut(excess: np.ndarray) -> bool:
    """Say whether sizes ``excess [spike]`` above the threshold are a distribution that it cuts.

    Those of a unit are nearly normal. Where the threshold cuts a normal
    distribution at its peak, the squared coefficient of variation of the
    excess is pi/2 - 1; of one that is cut above its peak, or falls off
    exponentially, it is larger, up to 1. With few spikes it must be smaller
    by two standard errors.
    """
    mean = float(np.mean(excess))
    if mean <= 0:
        return True
    variation = float(np.var(excess)) / mean**2
    return bool(variation * np.exp(SURE * SPREAD / np.sqrt(len(excess))) > PEAK_AT_THRESHOLD)


def without_hash(labels: np.ndarray, waves: np.ndarray, excess: np.ndarray) -> np.ndarray:
    """Relabel clusters of the hash of far cells `BACKGROUND`.

    Parameters
    ----------
    labels : ndarray
        ``[spike]``: cluster from 0; -1 for none.
    waves : ndarray
        Whitened, aligned waveforms ``[spike, sample]``.
    excess : ndarray
        By how much each trough exceeds the detection threshold, any unit ``[spike]``.
    """
    labels = labels.copy()
    if not np.any(labels >= 0):
        return labels
    scores = components(waves)
    means = {name: waves[labels == name].mean(axis=0) for name in np.unique(labels[labels >= 0])}
    nearest = nearest_cluster(labels, waves)
    for name in np.unique(labels[labels >= 0]):
        if is_cut(excess[labels == name]):
            labels[labels == name] = BACKGROUND
    while True:
        units = np.unique(labels[labels >= 0])
        blended = [name for name in units if _is_of_hash(name, labels, nearest, scores, excess, means)]
        if not blended:
            return labels
        labels[np.isin(labels, blended)] = BACKGROUND


def _is_of_hash(
    name: int,
    labels: np.ndarray,
    nearest: np.ndarray,
    scores: np.ndarray,
    excess: np.ndarray,
    means: dict[int, np.ndarray],
) -> bool:
    """Judge a cluster together with the hash, when it does not stand apart from it."""
    member = labels == name
    # Spikes that were left out, as collided ones, may be those of another unit.
    other_units = np.setdiff1d(labels[labels >= 0], name)
    slices = [
        unit
        for unit in other_units
        if _is_lower_slice(means[unit], means[name]) and falls_off_from_threshold(excess[labels == unit])
    ]
    apart = np.setdiff1d(other_units, slices)
    rest = ~member & ~np.isin(np.where(labels < 0, nearest, labels), apart)
    if rest.sum() < 2 or not is_cut(excess[member | rest]):
        return False
    axes = fisher_axis(scores[rest], scores[member]), scores[member].mean(axis=0) - scores[rest].mean(axis=0)
    return not any(stands_apart(scores[member] @ axis, scores[rest] @ axis) for axis in axes)


def _is_lower_slice(small: np.ndarray, large: np.ndarray) -> bool:
    """Say whether a cluster of mean waveform `small` may be the slice of the hash below that of `large`."""
    norms = np.linalg.norm(small), np.linalg.norm(large)
    return bool(norms[0] < norms[1] and small @ large > SLICE_COSINE * norms[0] * norms[1])
