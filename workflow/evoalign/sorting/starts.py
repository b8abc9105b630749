"""Points from which mixtures start: as `sklearn.cluster.kmeans_plusplus`, compiled.

scikit-learn (1.9) takes half a millisecond to check what it is given, and holds the interpreter's lock
meanwhile; what it computes takes a fifth of that.
"""

from __future__ import annotations

import numpy as np

from evoalign.compiling import compiled


def spread_points(points: np.ndarray, n: int, random: np.random.RandomState) -> np.ndarray:
    """Choose points that are far from each other (k-means++; Arthur & Vassilvitskii 2007).

    Parameters
    ----------
    points : ndarray
        float64 ``[point, dimension]``.
    n : int
        So many, at most as there are points.
    random : RandomState
        Draws as many numbers as scikit-learn's function does, which chooses the same points.

    Returns
    -------
    ndarray
        int64 ``[n]``: their indices. Of two points that leave equally much, either; scikit-learn takes the
        one that rounding favours.
    """
    n_trials = 2 + int(np.log(n))
    draws = random.random_sample(1 + (n - 1) * n_trials)
    further = draws[1:].reshape(n - 1, n_trials)
    return np.asarray(_choose(np.ascontiguousarray(points, np.float64), draws[0], further))


@compiled()
def _choose(points, first, draws):  # type: ignore[no-untyped-def]
    """Choose a point by the first draw, from 0 to 1, and one by each row of ``draws [point, trial]``."""
    n_points, n_further = len(points), len(draws)
    chosen = np.empty(n_further + 1, np.int64)
    chosen[0] = min(int(first * n_points), n_points - 1)
    nearest, cumulated = np.empty(n_points), np.empty(n_points)
    trial, best = np.empty(n_points), np.empty(n_points)
    nearest[:] = np.inf
    _bring_near(points, chosen[0], nearest, nearest)
    for further in range(n_further):
        total = 0.0
        for p in range(n_points):
            total += nearest[p]
            cumulated[p] = total
        least = np.inf
        for draw in draws[further]:
            candidate = min(np.searchsorted(cumulated, draw * total), n_points - 1)
            rest = _bring_near(points, candidate, nearest, trial)
            if rest < least:
                least, chosen[further + 1] = rest, candidate
                best, trial = trial, best
        nearest[:] = best
    return chosen


@compiled()
def _bring_near(points, chosen, nearest, nearer):  # type: ignore[no-untyped-def]
    """Fill in squared distances from the nearest point with a further one chosen; return their sum."""
    total = 0.0
    for p in range(len(points)):
        squared = 0.0
        for i in range(points.shape[1]):
            squared += (points[p, i] - points[chosen, i]) ** 2
        nearer[p] = min(nearest[p], squared)
        total += nearer[p]
    return total
