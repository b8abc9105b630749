"""Fits of a tuning curve: straight line, Gaussian with baseline, Gaussian process (METHODS section 7)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize

Floats = NDArray[np.float64]

# Jitter on the diagonal that scikit-learn's regressor adds, so that both have one likelihood.
JITTER = 1e-10


@dataclass(frozen=True)
class Means:
    """Presentations of an axis by distance: all that least squares and a Gaussian process need of them.

    Attributes
    ----------
    distance, mean : numpy.ndarray, float64 [distance]
        Rising distances, and the mean rate at each, spikes/s.
    n : numpy.ndarray, float64 [distance]
        Presentations at each.
    within : float
        Sum of squared deviations from these means.
    """

    distance: Floats
    mean: Floats
    n: Floats
    within: float


def means_of(distance: Floats, rate: Floats) -> Means:
    """Mean rates by distance (METHODS section 7).

    Parameters
    ----------
    distance, rate : numpy.ndarray, float64 [presentation]
    """
    at, group = np.unique(distance, return_inverse=True)
    n = np.bincount(group).astype(np.float64)
    mean = np.bincount(group, weights=rate) / n
    return Means(at, mean, n, float(((rate - mean[group]) ** 2).sum()))


@dataclass(frozen=True)
class Fit:
    """A fitted tuning curve.

    Attributes
    ----------
    parameters : dict of str to float
    r2 : float
        Of single presentations; NaN when they do not vary.
    """

    parameters: dict[str, float]
    r2: float


def r_squared(rate: Floats, predicted: Floats) -> float:
    """Share of variance of single presentations; NaN when they do not vary."""
    total = float(((rate - rate.mean()) ** 2).sum())
    return 1 - float(((rate - predicted) ** 2).sum()) / total if total > 0 else float("nan")


def fit_line(distance: Floats, rate: Floats) -> Fit:
    """Straight line by least squares (METHODS section 7).

    Parameters
    ----------
    distance, rate : numpy.ndarray, float64 [presentation]

    Returns
    -------
    Fit
        ``slope`` in spikes/s per unit of distance, ``intercept`` in spikes/s.
    """
    slope, intercept = np.polyfit(distance, rate, 1)
    parameters = {"slope": float(slope), "intercept": float(intercept)}
    return Fit(parameters, r_squared(rate, slope * distance + intercept))


def gaussian(distance: Floats, amplitude: float, mean: float, width: float, baseline: float) -> Floats:
    """Gaussian tuning with a baseline, spikes/s."""
    return baseline + amplitude * np.exp(-0.5 * ((distance - mean) / width) ** 2)


def fit_gaussian(distance: Floats, rate: Floats) -> Fit:
    """Gaussian with baseline by least squares (METHODS section 7).

    Amplitude >= 0, mean inside the sampled range, and a width between a tenth
    of the range and the range. Started from several means, for the loss has
    several minima. The sum of squares of presentations is that of the means,
    weighted by their presentations, plus a constant: so the means are fitted.

    Parameters
    ----------
    distance, rate : numpy.ndarray, float64 [presentation]

    Returns
    -------
    Fit
        ``amplitude`` and ``baseline`` in spikes/s, ``mean`` and ``width``.
    """
    found = means_of(distance, rate)
    low, high = float(distance.min()), float(distance.max())
    span, weight = high - low, np.sqrt(found.n)
    bounds = ([0.0, low, span / 10, -np.inf], [np.inf, high, span, np.inf])

    def residuals(x: Floats) -> Floats:
        return np.asarray(weight * (gaussian(found.distance, *x) - found.mean), dtype=np.float64)

    def slopes(x: Floats) -> Floats:
        amplitude, mean, width, _ = x
        away = (found.distance - mean) / width
        bell = np.exp(-0.5 * away**2)
        by = (bell, amplitude * bell * away / width, amplitude * bell * away**2 / width, np.ones_like(bell))
        return np.asarray(weight[:, None] * np.stack(by, axis=1), dtype=np.float64)

    tries = []
    for mean in np.linspace(low + span / 10, high - span / 10, 5):
        start = [max(float(np.ptp(found.mean)), 1e-3), mean, span / 4, float(found.mean.min())]
        tries.append(optimize.least_squares(residuals, start, jac=slopes, bounds=bounds))
    best = min(tries, key=lambda one: float(one.cost))
    names = ("amplitude", "mean", "width", "baseline")
    parameters = dict(zip(names, (float(x) for x in best.x), strict=True))
    return Fit(parameters, r_squared(rate, gaussian(distance, *best.x)))


@dataclass(frozen=True)
class Process:
    """A fitted Gaussian process over an axis.

    Attributes
    ----------
    distance : numpy.ndarray, float64 [point]
        Distances, evenly spaced over the sampled range.
    mean, sd : numpy.ndarray, float64 [point]
        Posterior mean and standard deviation of the curve, spikes/s.
    length : float
        Length scale, in units of distance.
    noise : float
        Standard deviation of a presentation, spikes/s.
    r2 : float
        Of single presentations.
    """

    distance: Floats
    mean: Floats
    sd: Floats
    length: float
    noise: float
    r2: float


def fit_process(
    distance: Floats, rate: Floats, n_points: int = 100, n_restarts: int = 10, seed: int = 0
) -> Process:
    """Gaussian process, constant x RBF + white noise, by maximum likelihood (METHODS section 7).

    Rates are standardised; the length scale starts at a tenth of the sampled
    range, and the search is started anew from `n_restarts` random places.
    Presentations of one distance differ by white noise alone, so their mean
    and their scatter hold the whole likelihood: matrices are of the size of the
    distances, not of the presentations, and the result is that of
    scikit-learn's ``GaussianProcessRegressor`` on single presentations.

    Parameters
    ----------
    distance, rate : numpy.ndarray, float64 [presentation]
        At least two distances.
    n_points, n_restarts : int
    seed : int
        Of the restarts.
    """
    centre, scale = float(rate.mean()), float(rate.std()) or 1.0
    found = means_of(distance, (rate - centre) / scale)
    span = float(np.ptp(distance))
    bounds = np.log([[1e-3, 1e3], [span / 100, span * 10], [1e-5, 1e3]])
    theta = _maximum(found, np.log([1.0, span / 10, 1.0]), bounds, n_restarts, seed)
    constant, length, white = np.exp(theta)
    factor = linalg.cho_factor(_covariance(found, theta)[0], lower=True)
    at = np.linspace(distance.min(), distance.max(), n_points)
    mean, spread = _posterior(found, factor, constant, length, at)
    seen = np.searchsorted(found.distance, distance)
    at_seen, _ = _posterior(found, factor, constant, length, found.distance)
    return Process(
        at,
        centre + scale * mean,
        scale * np.sqrt(spread),
        float(length),
        float(scale * np.sqrt(white)),
        r_squared(rate, centre + scale * at_seen[seen]),
    )


def _posterior(
    found: Means, factor: tuple[Floats, bool], constant: float, length: float, at: Floats
) -> tuple[Floats, Floats]:
    """Posterior mean and variance of the curve at some distances."""
    cross = constant * np.exp(-0.5 * ((at[:, None] - found.distance) / length) ** 2)
    mean = cross @ linalg.cho_solve(factor, found.mean)
    explained = np.einsum("ij,ji->i", cross, linalg.cho_solve(factor, cross.T))
    return mean, np.clip(constant - explained, 0, None)


def _maximum(found: Means, start: Floats, bounds: Floats, n_restarts: int, seed: int) -> Floats:
    """Logarithms of constant, length and white noise of the largest likelihood."""
    generator = np.random.RandomState(seed)
    starts = [start, *(generator.uniform(bounds[:, 0], bounds[:, 1]) for _ in range(n_restarts))]

    def loss(theta: Floats) -> tuple[float, Floats]:
        value, gradient = log_likelihood(found, theta)
        return -value, -gradient

    limits = optimize.Bounds(bounds[:, 0], bounds[:, 1])
    tries = [optimize.minimize(loss, one, method="L-BFGS-B", jac=True, bounds=limits) for one in starts]
    best = min(tries, key=lambda one: float(one.fun))
    return np.asarray(best.x, dtype=np.float64)


def _covariance(found: Means, theta: Floats) -> tuple[Floats, Floats, Floats]:
    """Covariance of the means, its part without noise, and squared distances over squared length."""
    constant, length, white = np.exp(theta)
    steps = ((found.distance[:, None] - found.distance) / length) ** 2
    smooth = constant * np.exp(-0.5 * steps)
    return smooth + np.diag((white + JITTER) / found.n), smooth, steps


def log_likelihood(found: Means, theta: Floats) -> tuple[float, Floats]:
    """Log marginal likelihood of all presentations, and its gradient (METHODS section 7).

    Parameters
    ----------
    found : Means
    theta : numpy.ndarray, float64 [3]
        Logarithms of the constant, the length scale and the white noise.

    Returns
    -------
    value : float
    gradient : numpy.ndarray, float64 [3]
        By theta.
    """
    white = np.exp(theta[2])
    covariance, smooth, steps = _covariance(found, theta)
    factor = linalg.cho_factor(covariance, lower=True, check_finite=False)
    weights = linalg.cho_solve(factor, found.mean, check_finite=False)
    scatter, noise = found.n.sum() - len(found.n), white + JITTER
    value = -0.5 * (found.mean @ weights + np.log(found.n).sum() + found.n.sum() * np.log(2 * np.pi))
    value -= np.log(np.diag(factor[0])).sum() + 0.5 * (scatter * np.log(noise) + found.within / noise)
    inverse = linalg.cho_solve(factor, np.eye(len(weights)), check_finite=False)
    inner = np.outer(weights, weights) - inverse
    own = 0.5 * white * (found.within / noise**2 - scatter / noise)
    gradient = [
        0.5 * (inner * smooth).sum(),
        0.5 * (inner * smooth * steps).sum(),
        0.5 * white * (np.diag(inner) / found.n).sum() + own,
    ]
    return float(value), np.array(gradient)
