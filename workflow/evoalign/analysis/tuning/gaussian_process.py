"""Gaussian process over a tuning axis, as the study fits it (docs/methods.md section 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize

from evoalign.analysis.tuning.fits import Means, explained_variance, means_of

Floats = NDArray[np.float64]

# Where the search starts and may go (docs/methods.md section 7). The constant is in units of the variance
# of the rates, the white noise in units of the variance within distances.
CONSTANT = (1e-2, 1e2)
CONSTANT_START = 1.0
LENGTH = (1e-2, 1e2)
LENGTH_START = 0.1  # of the sampled range
WHITE = (1e-2, 1e1)
WHITE_START = 0.1

# A share of the variance that is rounding of equal rates, and no scatter.
ROUNDING = 1e-9

# Ends a search where the likelihood no longer changes by more than rounding.
TIGHT: Any = {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 1000}


@dataclass(frozen=True)
class Process:
    """A fitted Gaussian process over an axis.

    Attributes
    ----------
    distance : numpy.ndarray, float64 [point]
        Distances, evenly spaced over the sampled range.
    mean, sd : numpy.ndarray, float64 [point]
        Predicted mean and standard deviation of a presentation, spikes/s; the
        standard deviation includes the white noise.
    constant : float
        Variance of the curve, (spikes/s) squared; NaN when rates do not vary.
    length : float
        Length scale, in units of distance; NaN when rates do not vary.
    noise : float
        Standard deviation of the white noise, spikes/s.
    likelihood : float
        Logarithm of the marginal likelihood; NaN when rates do not vary.
    r2 : float
        Explained variance of single presentations; NaN when they do not vary.
    """

    distance: Floats
    mean: Floats
    sd: Floats
    constant: float
    length: float
    noise: float
    likelihood: float
    r2: float


def fit_process(
    distance: Floats, rate: Floats, n_points: int = 100, n_restarts: int = 10, seed: int = 0
) -> Process:
    """Gaussian process, constant x RBF + white noise, by maximum likelihood (docs/methods.md section 7).

    Rates are taken as they are: neither centred nor scaled, about a prior mean
    of 0. Presentations of one distance differ by white noise alone, so their
    mean and their scatter hold the whole likelihood: matrices are of the size
    of the distances, not of the presentations, and the result is that of
    scikit-learn's ``GaussianProcessRegressor`` (``alpha=0``,
    ``normalize_y=False``) on single presentations.

    Parameters
    ----------
    distance, rate : numpy.ndarray, float64 [presentation]
        At least two distances.
    n_points, n_restarts : int
        Points of the mean; random starts of the search beside the first.
    seed : int
        Of the restarts.

    Returns
    -------
    Process
        Flat at the rate where rates do not vary, for nothing can be fitted.
    """
    means = means_of(distance, rate)
    at = np.linspace(distance.min(), distance.max(), n_points)
    if np.ptp(rate) == 0:
        flat, nothing = np.full(n_points, rate[0]), float("nan")
        return Process(at, flat, np.zeros(n_points), nothing, nothing, 0.0, nothing, nothing)
    theta, likelihood = _maximum(means, *search_limits(means, rate), n_restarts, seed)
    constant, length, white = (float(x) for x in np.exp(theta))
    factor = linalg.cho_factor(_covariance(means, theta)[0], lower=True)
    mean, spread = _posterior(means, factor, constant, length, at)
    at_seen, _ = _posterior(means, factor, constant, length, means.distance)
    predicted = at_seen[np.searchsorted(means.distance, distance)]
    r2 = explained_variance(rate, predicted)
    return Process(at, mean, np.sqrt(spread + white), constant, length, white**0.5, likelihood, r2)


def search_limits(found: Means, rate: Floats) -> tuple[Floats, Floats]:
    """First place of the search for constant, length and white noise, and its bounds.

    Defined in docs/methods.md section 7.

    The variance within distances is the mean over distances of the variance
    (ddof 1) of their presentations; where no distance has two that differ, the
    variance of all rates stands for it.

    Parameters
    ----------
    found : Means
    rate : numpy.ndarray, float64 [presentation]
        Rates that vary.

    Returns
    -------
    start : numpy.ndarray, float64 [3]
        Logarithms; a length that lies outside the bounds is moved to them.
    bounds : numpy.ndarray, float64 [3, 2]
        Logarithms.
    """
    several = found.n > 1
    within = float((found.squares[several] / (found.n[several] - 1)).mean()) if several.any() else 0.0
    total = float(rate.var())
    noise = within if within > ROUNDING * total else total
    span = float(np.ptp(found.distance))
    units = np.array([total, 1.0, noise])
    bounds = np.log(units[:, None] * np.array([CONSTANT, LENGTH, WHITE]))
    start = np.log(units * np.array([CONSTANT_START, LENGTH_START * span, WHITE_START]))
    return np.clip(start, bounds[:, 0], bounds[:, 1]), bounds


def _posterior(
    found: Means, factor: tuple[Floats, bool], constant: float, length: float, at: Floats
) -> tuple[Floats, Floats]:
    """Posterior mean and variance of the curve, without noise, at some distances."""
    cross = constant * np.exp(-0.5 * ((at[:, None] - found.distance) / length) ** 2)
    mean = cross @ linalg.cho_solve(factor, found.mean)
    explained = np.einsum("ij,ji->i", cross, linalg.cho_solve(factor, cross.T))
    return mean, np.clip(constant - explained, 0, None)


def _maximum(found: Means, start: Floats, bounds: Floats, n_restarts: int, seed: int) -> tuple[Floats, float]:
    """Logarithms of constant, length and white noise of the largest likelihood, and that likelihood."""
    generator = np.random.RandomState(seed)
    starts = [start, *(generator.uniform(bounds[:, 0], bounds[:, 1]) for _ in range(n_restarts))]

    def loss(theta: Floats) -> tuple[float, Floats]:
        value, gradient = log_likelihood(found, theta)
        return -value, -gradient

    limits = optimize.Bounds(bounds[:, 0], bounds[:, 1])
    tries = [
        optimize.minimize(loss, first_guess, method="L-BFGS-B", jac=True, bounds=limits)
        for first_guess in starts
    ]
    best = min(tries, key=lambda first_guess: float(first_guess.fun))
    # The searches stop some digits short of the maximum; the best one is led there.
    closer = optimize.minimize(loss, best.x, method="L-BFGS-B", jac=True, bounds=limits, options=TIGHT)
    best = closer if closer.fun <= best.fun else best
    return np.asarray(best.x, dtype=np.float64), -float(best.fun)


def _covariance(found: Means, theta: Floats) -> tuple[Floats, Floats, Floats]:
    """Covariance of the means, its part without noise, and squared distances over squared length."""
    constant, length, white = np.exp(theta)
    steps = ((found.distance[:, None] - found.distance) / length) ** 2
    smooth = constant * np.exp(-0.5 * steps)
    return smooth + np.diag(white / found.n), smooth, steps


def log_likelihood(found: Means, theta: Floats) -> tuple[float, Floats]:
    """Log marginal likelihood of all presentations, and its gradient (docs/methods.md section 7).

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
    white, within = np.exp(theta[2]), found.squares.sum()
    covariance, smooth, steps = _covariance(found, theta)
    factor = linalg.cho_factor(covariance, lower=True, check_finite=False)
    weights = linalg.cho_solve(factor, found.mean, check_finite=False)
    scatter = found.n.sum() - len(found.n)
    value = -0.5 * (found.mean @ weights + np.log(found.n).sum() + found.n.sum() * np.log(2 * np.pi))
    value -= np.log(np.diag(factor[0])).sum() + 0.5 * (scatter * theta[2] + within / white)
    inverse = linalg.cho_solve(factor, np.eye(len(weights)), check_finite=False)
    inner = np.outer(weights, weights) - inverse
    gradient = [
        0.5 * (inner * smooth).sum(),
        0.5 * (inner * smooth * steps).sum(),
        0.5 * white * (np.diag(inner) / found.n).sum() + 0.5 * (within / white - scatter),
    ]
    return float(value), np.array(gradient)
