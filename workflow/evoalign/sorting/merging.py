"""Clusters of one electrode that are one unit are joined."""

from __future__ import annotations

import numpy as np

from evoalign.sorting.clustering import components
from evoalign.sorting.coincidences import coincidence
from evoalign.sorting.modes import unimodal

SAME_SHAPE = (0.15, 0.5)  # difference of one unit's waveforms, relative to the larger and in noise SDs
MIN_BURST_SIZE = 0.5  # the last spike of a burst relative to the first
ONE_SIZE = 0.8  # of two clusters of one size, relative to the larger
MAX_BURST = 4  # smaller spikes that follow a unit's large one: more are another unit's
# Coincidences relative to those expected, above which two independent neurons (0.7: collided spikes are
# lost) are likelier than one (0.1: some spikes are mistaken): (0.7 - 0.1) / log(0.7 / 0.1).
MIN_INDEPENDENT = 0.31


def merge(
    labels: np.ndarray, waves: np.ndarray, times_s: np.ndarray, excess: np.ndarray, refractory_s: float
) -> np.ndarray:
    """Join clusters that are one unit: of one shape, unimodal together, and not coincident as two units are.

    The pair most alike is joined first, until no pair qualifies. That two
    clusters shun each other proves nothing here: spikes near another are
    distorted and lie elsewhere. Pieces that are not unimodal together, as the
    small spikes of bursts, are joined after matching (`pairs`).

    Parameters
    ----------
    labels, waves
        As in `cluster`.
    times_s : ndarray ``[spike]``
        Times of the spikes, counting only the stretches that were clustered.
    excess : ndarray ``[spike]``
        By how much each trough exceeds the detection threshold, any unit.
    refractory_s : float
        Spikes of one unit are further apart.
    """
    if not np.any(labels >= 0):
        return labels
    labels, scores = labels.copy(), components(waves)
    while True:
        names = np.unique(labels[labels >= 0])
        if len(names) < 2:
            return labels
        means = np.stack([waves[labels == name].mean(axis=0) for name in names])
        # Collided spikes count too: without them two units would seem to shun each other.
        nearest = nearest_cluster(labels, waves)
        pairs = [
            (_difference(means[i], means[j]), a, b)
            for i, a in enumerate(names)
            for j, b in enumerate(names[:i])
            if _same_shape(means[i], means[j])
            and _burst_like(means[i], means[j], excess[labels == a], excess[labels == b])
            and _same_unit(
                coincidence(times_s[nearest == a], times_s[nearest == b], refractory_s),
                scores[labels == a],
                scores[labels == b],
            )
        ]
        if not pairs:
            return labels
        _, a, b = min(pairs)
        labels[labels == b] = a


def nearest_cluster(labels: np.ndarray, waves: np.ndarray) -> np.ndarray:
    """Return the cluster whose mean is nearest to each spike, ``[spike]``; arguments as in `cluster`."""
    names = np.unique(labels[labels >= 0])
    if not len(names):
        return np.full(len(labels), -1)
    means = np.stack([waves[labels == name].mean(axis=0) for name in names])
    return np.asarray(names[np.argmax(2 * waves @ means.T - np.sum(means**2, axis=1), axis=1)])


def _difference(first: np.ndarray, second: np.ndarray) -> float:
    """Distance of two waveforms in noise SDs, the smaller one scaled up to fit the larger."""
    large, small = sorted((first, second), key=lambda wave: -float(wave @ wave))
    scale = float(small @ large) / float(large @ large)
    return float(np.linalg.norm(small - scale * large))


def _same_shape(first: np.ndarray, second: np.ndarray) -> bool:
    sizes = sorted((float(np.linalg.norm(first)), float(np.linalg.norm(second))))
    if sizes[0] < MIN_BURST_SIZE * sizes[1]:
        return False
    return _difference(first, second) <= SAME_SHAPE[0] * sizes[1] + SAME_SHAPE[1]


def _burst_like(
    first: np.ndarray, second: np.ndarray, first_excess: np.ndarray, second_excess: np.ndarray
) -> bool:
    """Say whether clusters of unlike sizes can be one unit's: its small spikes follow large ones.

    Of hash, which falls off from the threshold on, there may be any number.
    """
    (small, small_excess), (large, large_excess) = sorted(
        ((float(np.linalg.norm(first)), first_excess), (float(np.linalg.norm(second)), second_excess)),
        key=lambda cluster: cluster[0],
    )
    if small > ONE_SIZE * large or len(small_excess) <= MAX_BURST * len(large_excess):
        return True
    return falls_off_from_threshold(small_excess)


def falls_off_from_threshold(excess: np.ndarray) -> bool:
    """Say whether sizes ``excess [spike]`` above the threshold are about as dense there as anywhere."""
    width = max(float(np.subtract(*np.percentile(excess, [75, 25]))) / 2, 1e-6 * float(excess.max()))
    counts = np.histogram(excess, width * np.arange(int(excess.max() / width) + 2))[0]
    return bool(counts[0] >= counts.max() / 2)


def _same_unit(coincident: float, first: np.ndarray, second: np.ndarray) -> bool:
    """Judge two clusters by their coincidences and scores ``[spike, component]``."""
    return not coincident >= MIN_INDEPENDENT and unimodal(first, second)
