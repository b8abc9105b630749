"""Tuning along eigen-axes of the image metric: significance, fits, shapes and peaks (METHODS section 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, stats

from evoalign.events.names import parse_axis_name

Floats = NDArray[np.float64]
AT_CENTRE = 0.08  # |lin| up to this counts as the origin
# Edges of the nine bins of peak locations: the sampled distances 0, +-0.16 .. +-0.40 and what lies between.
PEAK_CENTRES = (-0.40, -0.32, -0.24, -0.16, 0.0, 0.16, 0.24, 0.32, 0.40)


def axis_points(images: Sequence[str], rates: Floats) -> pd.DataFrame:
    """Single presentations of a tuning session by axis and distance; others are left out.

    The origin belongs to every axis of its session (METHODS section 7), so
    its presentations are repeated in each.

    Parameters
    ----------
    images : sequence of str [presentation]
        Image names, ``{class|noise}_eig{K}_lin{D}``.
    rates : numpy.ndarray, float64 [presentation]
        Evoked rates, spikes/s.

    Returns
    -------
    pandas.DataFrame
        Columns subspace, axis, distance, rate.
    """
    rows = [(name, rate) for name, rate in zip(map(parse_axis_name, images), rates, strict=True) if name]
    frame = pd.DataFrame(
        [(name.subspace, name.axis, name.distance, float(rate)) for name, rate in rows],
        columns=["subspace", "axis", "distance", "rate"],
    )
    origin = frame[frame["distance"] == 0]
    off = frame[frame["distance"] != 0]
    axes = off[["subspace", "axis"]].drop_duplicates()
    shared = axes.merge(origin[["distance", "rate"]], how="cross")
    found = pd.concat([off, shared], ignore_index=True)
    return found.sort_values(["subspace", "axis", "distance"], kind="stable", ignore_index=True)


def axis_anova(distance: Floats, rate: Floats) -> tuple[float, float]:
    """F and p of a one-way ANOVA over distances; NaN with too few of either."""
    groups = [rate[distance == at] for at in np.unique(distance)]
    if len(groups) < 2 or len(rate) <= len(groups):
        return float("nan"), float("nan")
    with np.errstate(divide="ignore", invalid="ignore"):
        test = stats.f_oneway(*groups)
    return float(test.statistic), float(test.pvalue)


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


def fit_line(distance: Floats, rate: Floats) -> Fit:
    """Straight line by least squares: slope in spikes/s per unit of distance, intercept."""
    slope, intercept = np.polyfit(distance, rate, 1)
    return Fit(
        {"slope": float(slope), "intercept": float(intercept)},
        r_squared(rate, slope * distance + intercept),
    )


def gaussian(distance: Floats, amplitude: float, mean: float, width: float, baseline: float) -> Floats:
    """Gaussian tuning with a baseline."""
    return baseline + amplitude * np.exp(-0.5 * ((distance - mean) / width) ** 2)


def fit_gaussian(distance: Floats, rate: Floats) -> Fit:
    """Gaussian with baseline: amplitude >= 0, mean inside the sampled range, bounded width.

    The width lies between a tenth of the range and the range. Least squares
    from several starting means, for the loss has several minima.
    """
    low, high = float(distance.min()), float(distance.max())
    span = high - low
    bounds = ([0.0, low, span / 10, -np.inf], [np.inf, high, span, np.inf])

    def residuals(x: Floats) -> Floats:
        return np.asarray(gaussian(distance, *x) - rate, dtype=np.float64)

    best: optimize.OptimizeResult | None = None
    for mean in np.linspace(low + span / 10, high - span / 10, 5):
        start = [max(float(np.ptp(rate)), 1e-3), mean, span / 4, float(rate.min())]
        found = optimize.least_squares(residuals, start, bounds=bounds)
        if best is None or found.cost < best.cost:
            best = found
    assert best is not None
    names = ("amplitude", "mean", "width", "baseline")
    parameters = dict(zip(names, (float(x) for x in best.x), strict=True))
    return Fit(parameters, r_squared(rate, gaussian(distance, *best.x)))


def gp_curve(
    distance: Floats, rate: Floats, n_points: int = 100, n_restarts: int = 10, seed: int = 0
) -> tuple[Floats, Floats]:
    """Mean of a Gaussian process, constant x RBF + white, over the sampled range.

    Parameters
    ----------
    distance, rate : numpy.ndarray, float64 [presentation]
    n_points, n_restarts : int
    seed : int
        Of the restarts.

    Returns
    -------
    at, curve : numpy.ndarray, float64 [n_points]
        Distances, and the posterior mean in spikes/s.
    """
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    span = float(np.ptp(distance))
    at = np.linspace(distance.min(), distance.max(), n_points)
    kernel = ConstantKernel(1.0, (1e-3, 1e3)) * RBF(span / 10, (span / 100, span * 10)) + WhiteKernel(
        1.0, (1e-5, 1e3)
    )
    model = GaussianProcessRegressor(
        kernel, normalize_y=True, n_restarts_optimizer=n_restarts, random_state=seed
    )
    model.fit(distance[:, None], rate)
    return at, np.asarray(model.predict(at[:, None]), dtype=np.float64)


def shape(curve: Floats, tolerance: float = 0.01) -> str:
    """Name the shape of a curve: 'monotonic', 'bell', 'unimodal' or 'other'.

    Monotonic: all differences >= -tolerance, or all <= tolerance. Unimodal:
    non-decreasing up to the maximum and non-increasing after it; a unimodal
    curve whose maximum is not at an end is bell-shaped. A monotonic curve is
    unimodal, too, and is called monotonic.

    Parameters
    ----------
    curve : numpy.ndarray, float64 [point]
        Spikes/s.
    tolerance : float
        Spikes/s.
    """
    steps = np.diff(curve)
    if (steps >= -tolerance).all() or (steps <= tolerance).all():
        return "monotonic"
    top = int(np.argmax(curve))
    if (steps[:top] >= -tolerance).all() and (steps[top:] <= tolerance).all():
        return "bell" if 0 < top < len(curve) - 1 else "unimodal"
    return "other"


def peak_bin(at: float) -> float:
    """Centre of the peak-location bin of a distance: 0 up to +-0.08, else the nearest sampled distance."""
    if abs(at) <= AT_CENTRE:
        return 0.0
    outer = np.array([centre for centre in PEAK_CENTRES if centre])
    return float(outer[np.argmin(np.abs(outer - at))])


def common_axis(distance: Floats) -> bool:
    """Tell whether an axis reaches both +0.4 and -0.4."""
    return bool(np.isclose(distance, 0.4).any() and np.isclose(distance, -0.4).any())


def r_squared(rate: Floats, predicted: Floats) -> float:
    """Share of variance of single presentations; NaN when they do not vary."""
    total = float(((rate - rate.mean()) ** 2).sum())
    return 1 - float(((rate - predicted) ** 2).sum()) / total if total > 0 else float("nan")


def wilson_interval(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson interval of a fraction; NaN without any."""
    if n == 0:
        return float("nan"), float("nan")
    found = stats.binomtest(k, n).proportion_ci(level, method="wilson")
    return float(found.low), float(found.high)


def two_proportion_z(k_1: int, n_1: int, k_2: int, n_2: int) -> tuple[float, float]:
    """Two-proportion z-test with pooled variance, one-sided: the first fraction is larger.

    Returns
    -------
    z, p : float
        NaN when a group is empty or the pooled fraction is 0 or 1.
    """
    if min(n_1, n_2) == 0:
        return float("nan"), float("nan")
    pooled = (k_1 + k_2) / (n_1 + n_2)
    error = np.sqrt(pooled * (1 - pooled) * (1 / n_1 + 1 / n_2))
    if error == 0:
        return float("nan"), float("nan")
    z = (k_1 / n_1 - k_2 / n_2) / error
    return float(z), float(stats.norm.sf(z))


def tune(points: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """All of METHODS section 7 for each axis of a session.

    Parameters
    ----------
    points : pandas.DataFrame
        Of `axis_points`.
    seed : int
        Of the Gaussian process' restarts.

    Returns
    -------
    pandas.DataFrame
        One row an axis: subspace, axis, n, f, p, common, Gaussian and line
        parameters with their R2, shape and peak location of the Gaussian
        process.
    """
    rows = []
    for key, own in points.groupby(["subspace", "axis"], sort=True):
        distance, rate = own["distance"].to_numpy(), own["rate"].to_numpy()
        if len(np.unique(distance)) < 3:
            continue
        f, p = axis_anova(distance, rate)
        bell, line = fit_gaussian(distance, rate), fit_line(distance, rate)
        at, curve = gp_curve(distance, rate, seed=seed)
        peak = float(at[np.argmax(curve)])
        rows.append(
            dict(zip(("subspace", "axis"), key, strict=True))
            | {"n": len(rate), "f": f, "p": p, "common": common_axis(distance)}
            | {f"gaussian_{name}": value for name, value in bell.parameters.items()}
            | {"gaussian_r2": bell.r2, **line.parameters, "line_r2": line.r2}
            | {"shape": shape(curve), "peak": peak, "peak_bin": peak_bin(peak)}
        )
    return pd.DataFrame(rows)
