"""A Hessian tuning session: its unit's rates along eigen-axes of the image metric.

Defined in docs/methods.md section 7.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign import tables
from evoalign.analysis.preferred import mean_rates, unit_row
from evoalign.analysis.settings import Analysis, AnalysisConfig, Tuning
from evoalign.analysis.statistics.tests import benjamini_hochberg
from evoalign.analysis.tuning.fits import Fit, fit_gaussian, fit_line, gaussian, means_of
from evoalign.analysis.tuning.gaussian_process import Process, fit_process
from evoalign.analysis.tuning.shapes import peak_bin, reaches, shape, shape_flags
from evoalign.analysis.tuning.tables import TUNING_AXES, TUNING_CURVES, TUNING_FITS, TUNING_POINTS
from evoalign.events.names import parse_axis_name
from evoalign.responses.session_responses import SessionResponses

TABLES = tables.by_name(TUNING_POINTS, TUNING_CURVES, TUNING_FITS, TUNING_AXES)


Floats = NDArray[np.float64]
AXIS = ["subspace", "axis"]


def shows_axes(responses: SessionResponses) -> bool:
    """Tell whether a session's image names carry an eigen-axis and a distance (docs/methods.md section 1)."""
    return any(parse_axis_name(name) for name in responses.presentations["image"].unique())


def shows_evolution(responses: SessionResponses) -> bool:
    """Tell whether a session has presentations of an evolution: block and thread known."""
    presentations = responses.presentations
    return bool(((presentations["block"] >= 0) & presentations["thread"].isin((0, 1))).any())


def tune_session(
    responses: SessionResponses, config: AnalysisConfig, unit: int | None = None
) -> dict[str, pd.DataFrame]:
    """All of docs/methods.md section 7 for each axis of a session.

    Parameters
    ----------
    responses : SessionResponses
    config : AnalysisConfig
        Sections `tuning`, and `analysis` for smoothing and evoked window.
    unit : int, optional
        Another unit than the preferred one.

    Returns
    -------
    dict of str to pandas.DataFrame
        `tuning_points`, `tuning_curves`, `tuning_fits`, `tuning_axes`. An axis
        with fewer distances than `tuning.min_distances` is in the first two
        alone.

    Raises
    ------
    InputError
        No such unit, or the counts do not cover the window.
    """
    row = unit_row(responses, config.analysis, unit)
    valid = np.flatnonzero(
        responses.presentations["valid"].to_numpy(dtype=bool) & responses.is_recorded(row)[0]
    )
    presentations = responses.presentations.iloc[valid]
    points = axis_points(presentations, evoked_rates(responses, row, valid, config.analysis))
    who: dict[str, Any] = {
        "session": responses.session,
        "subject": responses.subject,
        "area": str(responses.units["area"].iloc[row]) or responses.area,
        "unit": int(responses.units["unit"].iloc[row]),
    }
    axes, fits = fit_axes(points, config.tuning, config.seed)
    tuning_tables = {
        "tuning_points": points,
        "tuning_curves": curves(points),
        "tuning_fits": fits,
        "tuning_axes": axes,
    }
    return {
        name: tables.conform_or_empty(frame.assign(**who), TABLES[name])
        for name, frame in tuning_tables.items()
    }


def evoked_rates(
    responses: SessionResponses, row: int, presentations: NDArray[np.int64], settings: Analysis
) -> Floats:
    """Mean smoothed rate in the evoked window (docs/methods.md section 2), float64 ``[presentation]``."""
    (evoked,) = mean_rates(
        responses.values(row)[0][presentations], responses.start_ms, settings, settings.evoked_ms
    )
    return evoked


def axis_points(shown: pd.DataFrame, evoked: Floats) -> pd.DataFrame:
    """Single presentations by axis and distance; other images are left out (docs/methods.md section 7).

    The origin belongs to every axis of its session, so its presentations are
    repeated in each. A presentation without a rate (NaN) is left out.

    Parameters
    ----------
    shown : pandas.DataFrame
        Columns presentation and image, as ``{class|noise}_eig{K}_lin{D}``.
    evoked : numpy.ndarray, float64 [presentation]
        Spikes/s.

    Returns
    -------
    pandas.DataFrame
        Columns subspace, axis, distance, presentation, rate_hz.
    """
    axis_of_name = {name: parse_axis_name(name) for name in shown["image"].unique()}
    rows = [
        (name.subspace, name.axis, name.distance, int(number), float(rate))
        for image, number, rate in zip(shown["image"], shown["presentation"], evoked, strict=True)
        if (name := axis_of_name[image]) and np.isfinite(rate)
    ]
    frame = pd.DataFrame(rows, columns=[*AXIS, "distance", "presentation", "rate_hz"])
    origin, off = frame[frame["distance"] == 0], frame[frame["distance"] != 0]
    shared = off[AXIS].drop_duplicates().merge(origin.drop(columns=AXIS), how="cross")
    points = pd.concat([off, shared], ignore_index=True)
    return points.sort_values([*AXIS, "distance", "presentation"], kind="stable", ignore_index=True)


def curves(points: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard error by axis and distance (docs/methods.md section 7), of `axis_points`."""
    by = points.groupby([*AXIS, "distance"], sort=True)["rate_hz"]
    return by.agg(n="size", mean_hz="mean", sem_hz="sem").reset_index()


def axis_anova(distance: Floats, rate: Floats) -> tuple[float, float]:
    """F and p of a one-way ANOVA over distances (docs/methods.md section 7); NaN with too few of either.

    Parameters
    ----------
    distance, rate : numpy.ndarray, float64 [presentation]
    """
    groups = [rate[distance == at] for at in np.unique(distance)]
    if len(groups) < 2 or len(rate) <= len(groups) or np.ptp(rate) == 0:
        return float("nan"), float("nan")
    from scipy import stats  # not before: it takes 0.7 s to load

    with np.errstate(divide="ignore", invalid="ignore"):
        test = stats.f_oneway(*groups)
    return float(test.statistic), float(test.pvalue)


def fit_axes(points: pd.DataFrame, settings: Tuning, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """ANOVA, fits, shape and peak of each axis (docs/methods.md section 7).

    Parameters
    ----------
    points : pandas.DataFrame
        Of `axis_points`.
    settings : Tuning
    seed : int
        Of the restarts of the Gaussian process.

    Returns
    -------
    axes, fits : pandas.DataFrame
        `TUNING_AXES` and `TUNING_FITS` without the columns that
        say whose unit it is.
    """
    axes, fits = [], []
    for key, axis_points in points.groupby(AXIS, sort=True):
        distance, rate = axis_points["distance"].to_numpy(), axis_points["rate_hz"].to_numpy()
        if len(np.unique(distance)) < settings.min_distances:
            continue
        who: dict[str, Any] = dict(zip(AXIS, key, strict=True))
        bell, line = fit_gaussian(distance, rate), fit_line(distance, rate)
        process = fit_process(distance, rate, settings.gp_points, settings.gp_restarts, seed)
        axes.append(who | _axis_row(distance, rate, bell, line, process, settings))
        fits.append(_fitted(bell, line, process).assign(**who))
    if not axes:
        return pd.DataFrame(), pd.DataFrame()
    frame = pd.DataFrame(axes)
    frame["q"] = benjamini_hochberg(frame["p"].to_numpy())
    return frame, pd.concat(fits, ignore_index=True)


def _axis_row(
    distance: Floats, rate: Floats, bell: Fit, line: Fit, process: Process, settings: Tuning
) -> dict[str, object]:
    f, p = axis_anova(distance, rate)
    flags = shape_flags(process.mean, settings.shape_tolerance_hz)
    sampled = means_of(distance, rate)
    peak = float(sampled.distance[np.argmax(sampled.mean)])
    return {
        "n": len(rate),
        "n_distances": len(sampled.n),
        "common": reaches(distance, settings.reach),
        "f": f,
        "p": p,
        "tuned": bool(p < settings.anova_p),
        "amplitude_hz": bell.parameters["amplitude"],
        "mean": bell.parameters["mean"],
        "width": bell.parameters["width"],
        "baseline_hz": bell.parameters["baseline"],
        "gaussian_r2": bell.r2,
        "slope_hz": line.parameters["slope"],
        "intercept_hz": line.parameters["intercept"],
        "line_r2": line.r2,
        "length": process.length,
        "noise_hz": process.noise,
        "process_r2": process.r2,
        **flags,
        "shape": shape(flags),
        "peak": peak,
        "peak_bin": peak_bin(peak, settings.peak_centres, settings.centre),
    }


def _fitted(bell: Fit, line: Fit, process: Process) -> pd.DataFrame:
    slope, intercept = line.parameters["slope"], line.parameters["intercept"]
    return pd.DataFrame(
        {
            "distance": process.distance,
            "process_hz": process.mean,
            "process_sd_hz": process.sd,
            "gaussian_hz": gaussian(process.distance, **bell.parameters),
            "line_hz": slope * process.distance + intercept,
        }
    )
