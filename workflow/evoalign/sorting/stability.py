"""Is a unit's baseline steady over the blocks of a session: docs/methods.md section 3 (inclusion)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from evoalign import tables
from evoalign.events.lags import lags_around
from evoalign.sorting.recorded import Intervals, is_recorded
from evoalign.sorting.settings import Sorting
from evoalign.sorting.tables import UNITS

COLUMNS = ("baseline_hz", "baseline_drift", "baseline_p")
MIN_PRESENTATIONS = 10  # fewer presentations give no trend


def with_stability(
    units: pd.DataFrame,
    spikes: pd.DataFrame,
    presentations: pd.DataFrame,
    baseline_ms: tuple[int, int],
    missing: Mapping[int, Intervals] | None = None,
) -> pd.DataFrame:
    """Fill in how stable each unit's baseline is over the session.

    The baseline of a presentation is the rate in `baseline_ms` after its
    onset, before the response. Its trend runs over blocks, or over the order
    of showing where fewer than two blocks are known.

    Parameters
    ----------
    units, spikes, presentations : DataFrame
        `UNITS`, `SPIKES`, `PRESENTATIONS`.
    baseline_ms : (int, int)
        Config key ``analysis.baseline_ms``: ``[first, end)``.
    missing : mapping of int to ndarray, optional
        Of `missing_times`: a baseline of which anything is missing does not count.

    Returns
    -------
    DataFrame
        `UNITS` with baseline_hz (mean), baseline_drift (change of the
        least-squares line from first to last block, over the mean) and
        baseline_p (two-sided p of Spearman's correlation of single
        presentations with their block). NaN with fewer than ten valid
        presentations that were recorded; drift and p are NaN for a unit without baseline spikes.
    """
    presented = presentations[presentations["valid"].astype(bool) & np.isfinite(presentations["onset_s"])]
    if len(presented) < MIN_PRESENTATIONS or units.empty:
        return units
    onset = presented["onset_s"].to_numpy(np.float64)
    order = _order(presented)
    times = {unit: np.sort(frame.to_numpy()) for unit, frame in spikes.groupby("unit")["time_s"]}
    trends = []
    for unit in units["unit"]:
        spans = (missing or {}).get(int(unit), np.empty((0, 2)))
        counted = is_recorded(spans, onset + baseline_ms[0] / 1000, onset + baseline_ms[1] / 1000, 0)
        rate_hz = _rates(times.get(unit, np.zeros(0)), onset, baseline_ms)
        trends.append(trend(rate_hz[counted], order[counted]))
    columns = dict(zip(COLUMNS, np.array(trends).T, strict=True))
    return tables.conform(units.assign(**columns), UNITS)


def trend(rate_hz: np.ndarray, order: np.ndarray) -> tuple[float, float, float]:
    """Return mean, relative change of the fitted line over the range of `order`, and Spearman's p.

    Parameters
    ----------
    rate_hz, order : ndarray
        Baseline, spikes/s, and block of each presentation, ``[presentation]``.
    """
    if len(rate_hz) < MIN_PRESENTATIONS:
        return (float("nan"),) * 3
    mean = float(rate_hz.mean())
    if mean <= 0 or np.ptp(order) == 0 or np.ptp(rate_hz) == 0:
        return mean, float("nan"), float("nan")
    from scipy import stats  # not before: it takes 0.7 s to load

    slope = stats.linregress(order, rate_hz).slope
    return mean, float(slope * np.ptp(order) / mean), float(stats.spearmanr(order, rate_hz).pvalue)


def unstable(units: pd.DataFrame, settings: Sorting) -> pd.Series:
    """Mark units whose baseline drifts beyond ``sorting.stable_drift`` and ``sorting.stable_p``."""
    drifts = units["baseline_drift"].abs() > settings.stable_drift
    return drifts & (units["baseline_p"] < settings.stable_p)


def _order(presented: pd.DataFrame) -> np.ndarray:
    block = presented["block"].to_numpy(np.float64)
    if len(np.unique(block[block >= 0])) < 2 or (block < 0).any():
        from scipy import stats  # not before: it takes 0.7 s to load

        return stats.rankdata(presented["onset_s"])
    return block


def _rates(times_s: np.ndarray, onset_s: np.ndarray, window_ms: tuple[int, int]) -> np.ndarray:
    onset, _ = lags_around(times_s, onset_s, window_ms)
    return np.bincount(onset, minlength=len(onset_s)) / (1e-3 * (window_ms[1] - window_ms[0]))
