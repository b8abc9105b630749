"""Units of nearly one shape, told from one unit: two clouds of one form within a cluster.

Of two units that lie two to four noise SDs apart, clustering by densities and mixtures whose clouds may
have any form make one. Noise is white here, so both clouds have its variance along the axis between
them, which a unit whose spikes vary does not. Whether there are two is asked of spikes that were not
fitted to: of each half of a cluster, by the axis and the clouds of the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evoalign.compiling import compiled
from evoalign.sorting.clustering import SPLIT_SPIKES, components
from evoalign.sorting.mixtures import MAX_STEPS, TOLERANCE, evenly_picked, expect, maximise

N_COMPONENTS = 5  # principal components that are looked at: two clouds make one of a cluster's longest axes
MIN_VARIANCE = 1.8  # of a cluster along its longest axis, noise variances: of two clouds two SDs apart, 2
MAX_VARIANCE = 2.0  # of each cloud along the axis between them; the hash adds to the noise's
MIN_SHARE = 0.1  # of the spikes, in the smaller cloud: fewer may be collided ones
MIN_GAIN = 10.0  # natural logarithms by which two clouds explain spikes better that they were not fitted to
MAX_COSINE = 0.95  # of the axis and the mean waveform: spikes of one shape and two sizes are a burst's
N_STARTS = 3  # of the longest axes, at whose middle a cluster is halved first


@dataclass(frozen=True)
class Twins:
    """Two clouds of one form.

    Attributes
    ----------
    weights : ndarray
        Share of the points in each ``[cloud]``.
    means : ndarray
        ``[cloud, dimension]``.
    axis : ndarray
        ``[dimension]``, of length 1: it parts them best.
    variance : float
        Of each along the axis.
    """

    weights: np.ndarray
    means: np.ndarray
    axis: np.ndarray
    variance: float

    def log_densities(self, points: np.ndarray) -> np.ndarray:
        """Return both clouds' at ``points [point, dimension]``, by their shares: ``[cloud, point]``."""
        distance = (points @ self.axis - (self.means @ self.axis)[:, None]) ** 2 / self.variance
        return np.asarray(np.log(self.weights)[:, None] - 0.5 * (distance + np.log(self.variance)))

    def are_round(self) -> bool:
        """Say whether both have about the noise's variance along the axis, and the sum of both two peaks.

        A cloud with a tail is fitted by two whose sum has one. Holzmann & Vollmer (2008, AStA 92:57-69),
        theorem 1.
        """
        half = abs(float(np.diff(self.means @ self.axis)[0])) / (2 * np.sqrt(self.variance))
        if self.variance > MAX_VARIANCE or half <= 1:
            return False
        root = np.sqrt(half**2 - 1)
        unequal = abs(np.log(self.weights[0] / self.weights[1]))
        return bool(unequal < 2 * np.log(half - root) + 2 * half * root)


def with_twins(
    labels: np.ndarray, pieces: np.ndarray, waves: np.ndarray, min_spikes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Part clusters that hold two units of nearly one shape.

    Parameters
    ----------
    labels, pieces : ndarray
        ``[spike]``: unit from 0, negative for none; and the cluster before units were told.
    waves : ndarray
        Whitened, aligned waveforms ``[spike, sample]``.
    min_spikes : int
        Of a unit.

    Returns
    -------
    labels, pieces : ndarray
        Those of the second unit of each pair have a number that was free in both.
    """
    labels, pieces = labels.copy(), pieces.copy()
    for name in np.unique(labels[labels >= 0]):
        members = np.flatnonzero(labels == name)
        is_second = part(waves[members], min_spikes)
        if is_second is not None:
            free = max(labels.max(), pieces.max()) + 1
            labels[members[is_second]] = pieces[members[is_second]] = free
    return labels, pieces


def part(waves: np.ndarray, min_spikes: int) -> np.ndarray | None:
    """Mark the spikes of the second of two units in a cluster; None where it is one unit.

    Parameters
    ----------
    waves : ndarray
        Whitened, aligned waveforms of the cluster ``[spike, sample]``.
    min_spikes : int
        Of a unit.
    """
    if len(waves) < 4 * min_spikes:
        return None
    scores = components(waves, N_COMPONENTS)
    if np.var(scores[:, 0]) < MIN_VARIANCE:
        return None
    looked_at = evenly_picked(scores, SPLIT_SPIKES)
    halves = looked_at[::2], looked_at[1::2]
    gain = 0.0
    for fitted, asked in (halves, halves[::-1]):
        twins = fit_twins(fitted)
        if twins is None or not twins.are_round():
            return None
        gain += _gain(twins, fitted, asked)
    twins = fit_twins(looked_at)
    if gain < MIN_GAIN or twins is None:
        return None
    is_second = np.argmax(twins.log_densities(scores), axis=0) == 1
    if min(is_second.sum(), (~is_second).sum()) < min_spikes or _differ_in_size(waves, is_second):
        return None
    return is_second


def fit_twins(points: np.ndarray) -> Twins | None:
    """Fit two clouds of one covariance to ``points [point, dimension]``; None where one holds few of them.

    Expectation maximisation (McLachlan & Peel 2000, section 3.8), from halves along each of the longest axes.
    """
    columns, best_likelihood, best = np.ascontiguousarray(points.T, np.float64), -np.inf, None
    for column in columns[:N_STARTS]:
        is_upper = column > np.median(column)
        likelihood, weights, means, covariance = _fit_tied(
            columns, np.stack([~is_upper, is_upper]).astype(np.float64)
        )
        if likelihood > best_likelihood and weights.min() >= MIN_SHARE:
            axis = np.linalg.solve(covariance, means[1] - means[0])
            axis /= np.linalg.norm(axis)
            best_likelihood, best = likelihood, Twins(weights, means, axis, float(axis @ covariance @ axis))
    return best


def _gain(twins: Twins, fitted: np.ndarray, asked: np.ndarray) -> float:
    """By how much twins explain the points `asked` better than one normal distribution along their axis."""
    alone, values = fitted @ twins.axis, asked @ twins.axis
    variance = np.var(alone)
    one = -0.5 * ((values - alone.mean()) ** 2 / variance + np.log(variance))
    return float(np.sum(np.logaddexp(*twins.log_densities(asked)) - one))


def _differ_in_size(waves: np.ndarray, is_second: np.ndarray) -> bool:
    """Say whether the spikes of two clouds differ in size alone."""
    mean, difference = waves.mean(axis=0), waves[is_second].mean(axis=0) - waves[~is_second].mean(axis=0)
    return bool(abs(mean @ difference) > MAX_COSINE * np.linalg.norm(mean) * np.linalg.norm(difference))


@compiled()
def _fit_tied(columns, shares):  # type: ignore[no-untyped-def]
    """Log-likelihood, weights, means and the covariance of two clouds, from shares that it changes."""
    likelihood = -np.inf
    for _ in range(MAX_STEPS):
        previous = likelihood
        weights, means, covariances = maximise(columns, shares)
        tied = weights[0] * covariances[0] + weights[1] * covariances[1]
        covariances[0], covariances[1] = tied, tied
        likelihood = expect(columns, np.log(weights), means, covariances, shares)
        if likelihood - previous < TOLERANCE:
            break
    return likelihood, weights, means, tied
