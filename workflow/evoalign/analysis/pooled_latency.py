"""When a space starts to lead: the latency of the difference, with a bootstrap interval."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from evoalign.analysis.population import SPACES, Study
from evoalign.analysis.resampling import interval
from evoalign.analysis.statistics import first_run

Floats = NDArray[np.float64]
# Draws of fewer repeat one experiment so often that its lead looks certain.
MIN_EXPERIMENTS = 5


def latencies(study_: Study) -> pd.DataFrame:
    """Latency of late texture or object lead, for each area and selection.

    The first time bin, from `analysis.attribution_from_ms` on, from which the
    paired t over experiments stays beyond its two-sided `analysis.fdr` point
    for `analysis.crossover_bins` bins. The interval repeats this on draws of
    animals and their experiments; it is NaN with fewer than five experiments.
    """
    frame = study_.tables["contrast"]
    binned = frame[frame["window"] == "binned"]
    values, (starts,) = study_.arrange(binned, ("start_ms",), "difference")
    settings = study_.settings
    # Before any answer there is only noise, which a bootstrap draw may take for a lead.
    answered = starts >= settings.attribution_from_ms
    values, starts = values[:, answered], starts[answered]
    rows_ = []
    for area, selection, rows in study_.selections():
        own = values[rows]
        own = own[~np.isnan(own).any(1)]
        weights, _ = study_.weights(rows[~np.isnan(values[rows]).any(1)], "latency", area, selection)
        once = np.ones((1, len(own)), dtype=np.int64)
        for kind, sign in zip(SPACES, (-1.0, 1.0), strict=True):
            stay, level = settings.crossover_bins, settings.fdr
            time = first_lead(sign * own, once, starts, level, stay)
            drawn = first_lead(sign * own, weights, starts, level, stay)
            if len(own) < MIN_EXPERIMENTS:
                drawn = np.empty(0)
            low, high = interval(drawn, settings.interval)
            rows_.append(
                {
                    "area": area,
                    "selection": selection,
                    "space": kind,
                    "n": len(own),
                    "latency_ms": float(time[0]),
                    "low_ms": float(low),
                    "high_ms": float(high),
                    "found": float(np.mean(~np.isnan(drawn))) if len(drawn) else float("nan"),
                }
            )
    return pd.DataFrame(rows_)


def first_lead(
    values: Floats, weights: NDArray[np.int64], starts: NDArray[np.int64], level: float, stay: int
) -> Floats:
    """Left edge of the first bin from which t stays above its point for `stay` bins.

    Parameters
    ----------
    values : numpy.ndarray, float64 [experiment, bin]
        Without NaN.
    weights : numpy.ndarray, int64 [draw, experiment]
        How often each experiment counts.
    starts : numpy.ndarray, int64 [bin]
        Left edges, in ms.
    level : float
        Two-sided level of the point that t must exceed.
    stay : int

    Returns
    -------
    numpy.ndarray, float64 [draw]
        In ms; NaN where there is no lead, or fewer than two experiments.
    """
    if len(values) < 2 or values.shape[1] == 0:
        return np.full(len(weights), np.nan)
    n = weights.sum(1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = weights @ values / n
        variance = np.maximum(weights @ values**2 / n - mean**2, 0.0) * n / (n - 1)
        t = mean / np.sqrt(variance / n)
    above = np.nan_to_num(t, nan=0.0, posinf=np.inf) > stats.t.isf(level / 2, np.maximum(n - 1, 1))
    found = first_run(above, stay)
    return np.where(found >= 0, starts[found].astype(np.float64), np.nan)
