"""Peaks and saddles of the density of spikes along the axis between two clusters."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom

from evoalign.sorting.isosplit import isosplit

WINDOW_SD = 1.0  # width of the window in which spikes are counted, in SDs of the cluster
P_SADDLE = 1e-4  # of so few spikes in the window of the saddle, were they as many as at the peak


def fisher_axis(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the axis ``[component]`` that parts two clouds ``[spike, component]`` best."""
    spread = np.cov(first.T) * len(first) + np.cov(second.T) * len(second)
    spread = spread / (len(first) + len(second)) + 0.2 * np.eye(len(spread))
    return np.linalg.solve(spread, second.mean(axis=0) - first.mean(axis=0))


def unimodal(first: np.ndarray, second: np.ndarray) -> bool:
    """Say whether two clusters have one peak on the axis that parts them best (Fisher's discriminant).

    Both isosplit6 and the count of spikes between the two must say so. Of a large cluster and a small
    one that lies eight SDs of its noise away, isosplit6 (0.1.4) made one, with a third as many spikes
    between them as at the peak of the small one.

    Parameters
    ----------
    first, second : ndarray
        Scores ``[spike, component]``.
    """
    axis = fisher_axis(first, second)
    projections = [first @ axis, second @ axis]
    labels = np.repeat([1, 2], [len(projection) for projection in projections]).astype(np.int32)
    pooled = np.concatenate(projections)
    if len(np.unique(isosplit(pooled[:, None], labels))) > 1:
        return False
    return not (
        stands_apart(projections[1], projections[0]) or stands_apart(-projections[0], -projections[1])
    )


def stands_apart(members: np.ndarray, others: np.ndarray) -> bool:
    """Say whether a density has a peak at some values, and a saddle between it and that of others.

    isosplit6 is not asked here: of two normal clouds five SDs apart, one of 1,600 points and one of
    120, it makes one.

    Parameters
    ----------
    members, others : ndarray
        Values ``[spike]``; those of the others are smaller as a rule.
    """
    lower, upper = float(np.median(others)), float(np.median(members))
    width = 1.4826 * float(np.median(np.abs(members - upper)))
    if upper <= lower or width <= 0:
        return False
    pooled = np.sort(np.concatenate([members, others]))
    start = float(np.percentile(others, 5))
    grid = np.arange(min(start, lower), upper + width, WINDOW_SD / 2 * width)
    counts = np.diff(np.searchsorted(pooled, grid[:, None] + np.array([-0.5, 0.5]) * WINDOW_SD * width))[:, 0]
    between = (grid >= lower - WINDOW_SD / 2 * width) & (grid <= upper)
    saddle = int(np.flatnonzero(between)[np.argmin(counts[between])])
    peak = int(min(counts[saddle:].max(), counts[: saddle + 1].max()))
    return bool(binom.cdf(counts[saddle], counts[saddle] + peak, 0.5) < P_SADDLE)
