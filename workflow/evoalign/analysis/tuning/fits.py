"""Fits of a tuning curve: straight line, and Gaussian with baseline (docs/methods.md section 7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

Floats = NDArray[np.float64]

# Bounds of the Gaussian (docs/methods.md section 7).
HIGHEST = 1.25  # amplitude, of the largest mean rate
NARROWEST = 0.01  # standard deviation, in units of distance
WIDEST = 2.0  # standard deviation, of the sampled range


@dataclass(frozen=True)
class Means:
    """Presentations of an axis by distance: all that least squares and a Gaussian process need of them.

    Attributes
    ----------
    distance, mean : numpy.ndarray, float64 [distance]
        Rising distances, and the mean rate at each, spikes/s.
    n : numpy.ndarray, float64 [distance]
        Presentations at each.
    squares : numpy.ndarray, float64 [distance]
        Sums of squared deviations from these means.
    """

    distance: Floats
    mean: Floats
    n: Floats
    squares: Floats


def means_of(distance: Floats, rate: Floats) -> Means:
    """Mean rates by distance (docs/methods.md section 7).

    Parameters
    ----------
    distance, rate : numpy.ndarray, float64 [presentation]
    """
    at, group = np.unique(distance, return_inverse=True)
    n = np.bincount(group).astype(np.float64)
    mean = np.bincount(group, weights=rate) / n
    squares = np.bincount(group, weights=(rate - mean[group]) ** 2).astype(np.float64)
    return Means(at, mean, n, squares)


@dataclass(frozen=True)
class Fit:
    """A fitted tuning curve.

    Attributes
    ----------
    parameters : dict of str to float
    r2 : float
        Explained variance of single presentations; NaN when they do not vary.
    """

    parameters: dict[str, float]
    r2: float


def explained_variance(rate: Floats, predicted: Floats) -> float:
    """Explained variance of single presentations: 1 - var(residual) / var(rate) (docs/methods.md section 7).

    A residual with a mean other than 0 is not counted against the fit, as in
    the study; so it is the usual R2 for the straight line, and slightly more
    for a Gaussian process, which shrinks rates towards 0. NaN when rates do
    not vary.
    """
    total = float(rate.var())
    return 1 - float((rate - predicted).var()) / total if total > 0 else float("nan")


def fit_line(distance: Floats, rate: Floats) -> Fit:
    """Straight line by least squares (docs/methods.md section 7).

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
    return Fit(parameters, explained_variance(rate, slope * distance + intercept))


def gaussian(distance: Floats, amplitude: float, mean: float, width: float, baseline: float) -> Floats:
    """Gaussian tuning with a baseline, spikes/s."""
    return baseline + amplitude * np.exp(-0.5 * ((distance - mean) / width) ** 2)


def _residuals(found: Means) -> tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]:
    """Residuals of weighted means from a Gaussian of given parameters, and their derivatives."""
    weight = np.sqrt(found.n)

    def residuals(x: Floats) -> Floats:
        return np.asarray(weight * (gaussian(found.distance, *x) - found.mean), dtype=np.float64)

    def slopes(x: Floats) -> Floats:
        amplitude, mean, width, _ = x
        away = (found.distance - mean) / width
        bell = np.exp(-0.5 * away**2)
        by = (bell, amplitude * bell * away / width, amplitude * bell * away**2 / width, np.ones_like(bell))
        return np.asarray(weight[:, None] * np.stack(by, axis=1), dtype=np.float64)

    return residuals, slopes


def fit_gaussian(distance: Floats, rate: Floats) -> Fit:
    """Gaussian with baseline by least squares (docs/methods.md section 7).

    Bounds: amplitude 0 to 1.25 times the largest mean rate, mean inside the
    sampled range, standard deviation from 0.01 to two ranges, baseline from 0
    to the largest mean rate. Started where the study does, at the largest
    mean, and from further places, for the loss has several minima. The sum of
    squares of presentations is that of the means, weighted by their
    presentations, plus a constant: so the means are fitted.

    Parameters
    ----------
    distance, rate : numpy.ndarray, float64 [presentation]

    Returns
    -------
    Fit
        ``amplitude`` and ``baseline`` in spikes/s, ``mean`` and ``width``; all
        NaN when no mean rate is above 0, for then the bounds leave nothing.
    """
    names = ("amplitude", "mean", "width", "baseline")
    means = means_of(distance, rate)
    top, span = float(means.mean.max()), float(np.ptp(distance))
    if top <= 0:
        return Fit(dict.fromkeys(names, float("nan")), float("nan"))
    low, high = means.distance[0], means.distance[-1]
    bounds = ([0.0, low, NARROWEST, 0.0], [HIGHEST * top, high, WIDEST * span, top])
    peaks = [means.distance[np.argmax(means.mean)], *np.linspace(low + span / 10, high - span / 10, 5)]
    start = (max(float(np.ptp(means.mean)), 1e-3 * top), span / 4, max(float(means.mean.min()), 0.0))
    residuals, slopes = _residuals(means)
    how: Any = {"jac": slopes, "bounds": bounds, "x_scale": "jac", "ftol": 1e-12, "xtol": 1e-12}
    tries = [optimize.least_squares(residuals, [start[0], peak, *start[1:]], **how) for peak in peaks]
    best = min(tries, key=lambda one: float(one.cost))
    parameters = dict(zip(names, (float(x) for x in best.x), strict=True))
    return Fit(parameters, explained_variance(rate, gaussian(distance, *best.x)))
