"""Gaussian mixtures: as `sklearn.mixture.GaussianMixture` from the same start, compiled.

The spikes of an electrode take hundreds of fits to a few thousand points each, of which
scikit-learn (1.9) spends most on the calls, and holds the interpreter's lock meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evoalign.compiling import compiled
from evoalign.sorting.exponentials import exponential
from evoalign.sorting.starts import spread_points

REGULARISATION = 0.05  # added to each variance, in noise variances
STARTS = 2  # fits, from other starts, of which the likelier one is kept
TOLERANCE, MAX_STEPS = 1e-2, 200  # steps end when the mean log-likelihood gains less
ROUND_VARIANCE, ROUND_SHARE = 1.2, 0.1  # of a round cloud, noise variances, and its first share of the points
LARGE = 1e200  # a product of which the logarithm is taken
ROUND_TOLERANCE = 0.03  # of the steps of a round cloud, which may hold few of the points


@dataclass(frozen=True)
class Mixture:
    """Gaussian clouds.

    Attributes
    ----------
    weights : ndarray
        Share of the points in each ``[cloud]``.
    means : ndarray
        ``[cloud, dimension]``.
    covariances : ndarray
        ``[cloud, dimension, dimension]``.
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    def predict(self, points: np.ndarray) -> np.ndarray:
        """Return the likeliest cloud of each of the ``points [point, dimension]``."""
        return np.asarray(np.argmax(self._shares(points)[0], axis=0))

    def bic(self, points: np.ndarray) -> float:
        """Return the Bayesian information criterion (Schwarz 1978) on ``points [point, dimension]``."""
        n, n_dimensions = self.means.shape
        n_parameters = n * (n_dimensions + n_dimensions * (n_dimensions + 1) // 2) + n - 1
        return float(-2 * self._shares(points)[1] + n_parameters * np.log(len(points)))

    def _shares(self, points: np.ndarray) -> tuple[np.ndarray, float]:
        """Clouds' shares of points ``[cloud, point]``, and the log-likelihood of all points."""
        shares = np.empty((len(self.means), len(points)))
        columns = np.ascontiguousarray(points.T, np.float64)
        return shares, float(expect(columns, np.log(self.weights), self.means, self.covariances, shares))


@dataclass(frozen=True)
class RoundCloud:
    """A round cloud within a wide one.

    Attributes
    ----------
    mixture : Mixture
        The round cloud and the wide one.
    gain : float
        By how much they lower the Bayesian information criterion of the wide one alone.
    """

    mixture: Mixture
    gain: float


def evenly_picked(points: np.ndarray, most: int) -> np.ndarray:
    """Return at most so many of the ``points [point, ..]``, evenly picked; a fit to all takes longer."""
    return points[np.linspace(0, len(points) - 1, min(len(points), most)).astype(np.int64)]


def fit_round_clouds(points: np.ndarray, starts: np.ndarray) -> list[RoundCloud]:
    """Explain points by a wide Gaussian cloud and a round one of white noise, from each start.

    Parameters
    ----------
    points : ndarray
        float64 ``[point, dimension]``, noise SDs.
    starts : ndarray
        ``[start, dimension]``: first means of the round cloud.
    """
    columns, (n_points, n_dimensions) = np.ascontiguousarray(points.T, np.float64), points.shape
    alone = np.ones((1, n_points))
    weights, means, covariances = maximise(columns, alone)
    wide = expect(columns, np.log(weights), means, covariances, alone)
    cost, clouds = (n_dimensions + 1) * np.log(n_points), []
    for start in np.ascontiguousarray(starts, np.float64):
        likelihood, *fitted = _fit_round(columns, start, means[0], covariances[0])
        clouds.append(RoundCloud(Mixture(*fitted), float(2 * (likelihood - wide) - cost)))
    return clouds


def fit_mixture(points: np.ndarray, n: int) -> Mixture:
    """Fit Gaussian clouds to points by expectation maximisation (Dempster et al. 1977).

    Parameters
    ----------
    points : ndarray
        float64 ``[point, dimension]``, at least `n`.
    n : int
        Clouds.

    Returns
    -------
    Mixture
        The likelier of two fits, each from points that k-means++ chooses.
    """
    random, best_likelihood, best = np.random.RandomState(0), -np.inf, None
    columns = np.ascontiguousarray(points.T, np.float64)
    if n == 1:
        return Mixture(*maximise(columns, np.ones((1, len(points)))))
    for _ in range(STARTS):
        shares = np.zeros((n, len(points)))
        shares[np.arange(n), spread_points(points, n, random)] = 1
        likelihood, *fitted = _fit(columns, shares)
        if best is None or likelihood > best_likelihood:
            best_likelihood, best = likelihood, Mixture(*fitted)
    assert best is not None
    return best


@compiled()
def _fit(columns, shares):  # type: ignore[no-untyped-def]
    """Mean log-likelihood, weights, means and covariances, from shares ``[cloud, point]`` that it changes."""
    weights, means, covariances = maximise(columns, shares)
    likelihood = -np.inf
    for _ in range(MAX_STEPS):
        previous = likelihood
        likelihood = expect(columns, np.log(weights), means, covariances, shares) / columns.shape[1]
        weights, means, covariances = maximise(columns, shares)
        if abs(likelihood - previous) < TOLERANCE:
            break
    return likelihood, weights, means, covariances


@compiled()
def _fit_round(columns, start, wide_mean, wide_covariance):  # type: ignore[no-untyped-def]
    """Log-likelihood, weights, means and covariances of a round cloud and a wide one."""
    n_dimensions, n_points = columns.shape
    weights, means = np.array([ROUND_SHARE, 1 - ROUND_SHARE]), np.empty((2, n_dimensions))
    covariances, shares = np.empty((2, n_dimensions, n_dimensions)), np.empty((2, n_points))
    means[0], means[1] = start, wide_mean
    covariances[0], covariances[1] = np.eye(n_dimensions) * ROUND_VARIANCE, wide_covariance
    likelihood = -np.inf
    for _ in range(MAX_STEPS):
        previous = likelihood
        likelihood = expect(columns, np.log(weights), means, covariances, shares)
        if likelihood - previous < TOLERANCE * ROUND_TOLERANCE * n_points:
            break
        weights, means, covariances = maximise(columns, shares)
        covariances[0] = np.eye(n_dimensions) * ROUND_VARIANCE
    return likelihood, weights, means, covariances


@compiled(fastmath=True)
def maximise(columns, shares):  # type: ignore[no-untyped-def]
    """Weights, means and covariances of the clouds that have these shares of the points."""
    (n_dimensions, n_points), n = columns.shape, len(shares)
    weights, means = np.empty(n), np.empty((n, n_dimensions))
    covariances = np.empty((n, n_dimensions, n_dimensions))
    centred, shared = np.empty((n_dimensions, n_points)), np.empty(n_points)
    for k in range(n):
        weights[k] = shares[k].sum() + 10 * np.finfo(np.float64).eps
        for i in range(n_dimensions):
            total = 0.0
            for p in range(n_points):
                total += shares[k, p] * columns[i, p]
            means[k, i] = total / weights[k]
            for p in range(n_points):
                centred[i, p] = columns[i, p] - means[k, i]
        for i in range(n_dimensions):
            for p in range(n_points):
                shared[p] = shares[k, p] * centred[i, p]
            for j in range(i + 1):
                total = 0.0
                for p in range(n_points):
                    total += shared[p] * centred[j, p]
                covariances[k, i, j] = covariances[k, j, i] = total / weights[k]
            covariances[k, i, i] += REGULARISATION
    return weights / weights.sum(), means, covariances


@compiled()
def _whitener(covariance):  # type: ignore[no-untyped-def]
    """Inverse of the Cholesky factor, lower triangular: it makes a cloud white."""
    n = len(covariance)
    lower, inverse = np.zeros((n, n)), np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1):
            rest = covariance[i, j]
            for m in range(j):
                rest -= lower[i, m] * lower[j, m]
            lower[i, j] = np.sqrt(rest) if i == j else rest / lower[j, j]
    for j in range(n):
        inverse[j, j] = 1 / lower[j, j]
        for i in range(j + 1, n):
            total = 0.0
            for m in range(j, i):
                total -= lower[i, m] * inverse[m, j]
            inverse[i, j] = total / lower[i, i]
    return inverse


@compiled(fastmath={"nsz", "arcp", "contract", "afn", "reassoc"})
def expect(columns, log_weights, means, covariances, shares):  # type: ignore[no-untyped-def]
    """Fill in each cloud's share of each point; return the log-likelihood of all points."""
    (n_dimensions, n_points), n = columns.shape, len(means)
    white = np.empty(n_points)
    for k in range(n):
        whitener = _whitener(covariances[k])
        level = log_weights[k] - 0.5 * n_dimensions * np.log(2 * np.pi)
        for i in range(n_dimensions):
            level += np.log(whitener[i, i])
        shares[k, :] = level
        for i in range(n_dimensions):
            white[:] = 0
            for j in range(i + 1):
                for p in range(n_points):
                    white[p] += whitener[i, j] * (columns[j, p] - means[k, j])
            for p in range(n_points):
                shares[k, p] -= 0.5 * white[p] * white[p]
    return _normalise(shares)


@compiled(fastmath={"nsz", "arcp", "contract", "afn", "reassoc"})
def _normalise(shares):  # type: ignore[no-untyped-def]
    """Turn logarithms ``[cloud, point]`` into shares of each point; return the log of the points' product."""
    n, n_points = shares.shape
    largest, norm = shares[0].copy(), np.zeros(n_points)
    for k in range(1, n):
        for p in range(n_points):
            largest[p] = max(largest[p], shares[k, p])
    for k in range(n):
        for p in range(n_points):
            shares[k, p] -= largest[p]
        exponential(shares[k])
        for p in range(n_points):
            norm[p] += shares[k, p]
    for k in range(n):
        for p in range(n_points):
            shares[k, p] /= norm[p]
    return largest.sum() + _log_of_product(norm)


@compiled()
def _log_of_product(norms):  # type: ignore[no-untyped-def]
    """Sum of logarithms of values from 1 to the number of clouds, of which few together have a product."""
    total, product = 0.0, 1.0
    for p in range(len(norms)):
        product *= norms[p]
        if product > LARGE:
            total += np.log(product)
            product = 1.0
    return total + np.log(product)
