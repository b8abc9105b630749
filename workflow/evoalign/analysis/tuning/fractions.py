"""Fractions of axes that are tuned, by shape and by peak, and success compared.

Defined in docs/methods.md section 7.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from evoalign.analysis.settings import Tuning
from evoalign.analysis.statistics.tests import benjamini_hochberg
from evoalign.analysis.tuning.fraction_tests import (
    Alternative,
    session_test,
    two_proportion_z,
    wilson_interval,
)

# What an axis may be, and how its fraction changes after success by the paper's claims: there the evolved
# image is a peak, from which more axes fall to both sides and fewer rise to one end. Nothing is claimed of
# how many axes are tuned, nor of unimodal ones, among which are both bells and slopes.
MEASURES: dict[str, Alternative] = {
    "tuned": "two-sided",
    "monotonic": "smaller",
    "unimodal": "two-sided",
    "bell": "larger",
    "centre": "larger",
}
GROUPS = ("all", "succeeds", "fails")


def _panels(axes: pd.DataFrame) -> Iterator[tuple[dict[str, str], pd.DataFrame]]:
    """Axes of each area and subspace, and of all of them."""
    for area in ["all", *sorted(set(axes["area"]) - {""})]:
        for subspace in ("both", "class", "noise"):
            keep = ((axes["area"] == area) | (area == "all")) & (
                (axes["subspace"] == subspace) | (subspace == "both")
            )
            yield {"area": area, "subspace": subspace}, axes[keep]


def _of_group(axes: pd.DataFrame, group: str) -> pd.DataFrame:
    return axes if group == "all" else axes[axes["success"] == group]


def _counted(axes: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Axes among which a measure is counted: columns evolution, and `held`, bool."""
    tuned = axes["tuned"].astype(bool)
    if measure == "tuned":
        return axes[["evolution"]].assign(held=tuned)
    tuned_axes = axes[tuned]
    return tuned_axes[["evolution"]].assign(
        held=tuned_axes["peak_bin"] == 0 if measure == "centre" else tuned_axes[measure].astype(bool)
    )


def _share(held: pd.Series, level: float) -> dict[str, Any]:
    k, n = int(held.sum()), len(held)
    low, high = wilson_interval(k, n, level)
    return {"k": k, "n": n, "fraction": k / n if n else float("nan"), "low": low, "high": high}


def fraction_table(axes: pd.DataFrame, settings: Tuning) -> pd.DataFrame:
    """Fractions of tuned axes and of their shapes, with Wilson intervals (docs/methods.md section 7).

    Parameters
    ----------
    axes : pandas.DataFrame
        Common axes: `TUNING_AXES` with columns success and evolution.
    settings : Tuning

    Returns
    -------
    pandas.DataFrame
        `TUNING_FRACTIONS`; measure 'centre': the peak lies in the bin at 0.
    """
    rows = [
        panel
        | {"success": group, "measure": measure}
        | _share(_counted(_of_group(panel_axes, group), measure)["held"], settings.interval)
        for panel, panel_axes in _panels(axes)
        for group in GROUPS
        for measure in MEASURES
    ]
    return pd.DataFrame(rows)


def fraction_tests(axes: pd.DataFrame, settings: Tuning, seed: int) -> pd.DataFrame:
    """Tests of success against failure: over axes, and over sessions (docs/methods.md section 7).

    The test over axes is the study's and takes them for independent; that
    over sessions stands beside it. Sessions after one evolution count as one,
    for they share its success.

    Parameters
    ----------
    axes : pandas.DataFrame
        Common axes: `TUNING_AXES` with columns success and evolution.
    settings : Tuning
    seed : int
        Of the permutations.

    Returns
    -------
    pandas.DataFrame
        `TUNING_TESTS`, q by Benjamini-Hochberg over the measures of an
        area and subspace.
    """
    rows = [
        panel | {"measure": measure, "alternative": alternative} | _tests(panel_axes, measure, settings, seed)
        for panel, panel_axes in _panels(axes)
        for measure, alternative in MEASURES.items()
    ]
    frame = pd.DataFrame(rows)
    for p, q in (("p", "q"), ("session_p", "session_q")):
        frame[q] = frame.groupby(["area", "subspace"], sort=False)[p].transform(
            lambda values: benjamini_hochberg(values.to_numpy())
        )
    return frame


def _tests(axes: pd.DataFrame, measure: str, settings: Tuning, seed: int) -> dict[str, Any]:
    alternative = MEASURES[measure]
    groups = [_counted(_of_group(axes, name), measure) for name in GROUPS[1:]]
    by = [group.groupby("evolution", sort=True)["held"].agg(["sum", "size"]) for group in groups]
    (k_1, n_1), (k_2, n_2) = ((int(group["sum"].sum()), int(group["size"].sum())) for group in by)
    z, p = two_proportion_z(k_1, n_1, k_2, n_2, alternative)
    sessions = pd.concat(by)
    succeeds = np.arange(len(sessions)) < len(by[0])
    t, session_p = session_test(
        sessions["sum"].to_numpy(dtype=np.int64),
        sessions["size"].to_numpy(dtype=np.int64),
        succeeds,
        alternative,
        settings.n_permutations,
        seed,
    )
    return {
        "k_succeeds": k_1,
        "n_succeeds": n_1,
        "k_fails": k_2,
        "n_fails": n_2,
        "z": z,
        "p": p,
        "sessions_succeed": len(by[0]),
        "sessions_fail": len(by[1]),
        "session_t": t,
        "session_p": session_p,
    }


def peak_table(axes: pd.DataFrame, settings: Tuning) -> pd.DataFrame:
    """Where tuned axes have their peak, in bins of distance (docs/methods.md section 7).

    Parameters
    ----------
    axes : pandas.DataFrame
        Tuned common axes: `TUNING_AXES` with a column success.
    settings : Tuning
    """
    rows = [
        panel
        | {"success": group, "peak_bin": centre}
        | _share(
            pd.Series(np.isclose(_of_group(panel_axes, group)["peak_bin"].to_numpy(dtype=float), centre)),
            settings.interval,
        )
        for panel, panel_axes in _panels(axes)
        for group in GROUPS
        for centre in settings.peak_centres
    ]
    return pd.DataFrame(rows)
