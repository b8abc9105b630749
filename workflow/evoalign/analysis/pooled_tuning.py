"""Tuning pooled over many sessions, by the success of the evolutions before them (METHODS section 7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from evoalign import study, tables
from evoalign.analysis.experiment import space_kind
from evoalign.analysis.statistics import benjamini_hochberg
from evoalign.analysis.tuning_shapes import two_proportion_z, wilson_interval

POOLED = (
    "tuning_axes",
    "tuning_curves",
    "tuning_sessions",
    "tuning_heatmap",
    "tuning_fractions",
    "tuning_tests",
    "tuning_peaks",
)
# Of common axes the first, of tuned ones among them the others.
MEASURES = ("tuned", "monotonic", "unimodal", "bell", "centre")
GROUPS = ("all", "succeeds", "fails")


def pool_tuning(
    sessions: Sequence[Mapping[str, pd.DataFrame]], follows: Mapping[str, str], config: study.Config
) -> dict[str, pd.DataFrame]:
    """Pool the tables of tuning sessions.

    A tuning session belongs to the evolution that it follows, or to its own
    when it holds one; whether that succeeds is told by its thread of an
    object space at `analysis.success_p`, for the axes are those of the object
    generator. Shapes and peaks are those of tuned axes that reach both ends
    (common axes): a peak has no place where the range is cut.

    Parameters
    ----------
    sessions : sequence of mappings
        Tables of every session of the study; those without tuning give the
        evolutions' success.
    follows : mapping of str to str
        Tuning session -> session of its evolution, where the sample sheet
        names one.
    config : study.Config

    Returns
    -------
    dict of str to pandas.DataFrame
        Tables by the lower-case names of their contracts, without rows when
        no session is one of tuning. `tuning_axes` and `tuning_curves` are
        carried on whole.
    """
    tuned = [one for one in sessions if len(one.get("tuning_points", ()))]
    found: dict[str, pd.DataFrame] = {}
    if tuned:
        tuned = sorted(tuned, key=lambda one: str(one["tuning_points"]["session"].iloc[0]))
        joined = {name: pd.concat([one[name] for one in tuned], ignore_index=True) for name in POOLED[:2]}
        overview = _sessions(tuned, success_of(sessions, config.analysis), follows)
        joined["tuning_curves"] = joined["tuning_curves"].merge(overview[["session", "success"]])
        axes = joined["tuning_axes"].merge(overview[["session", "success"]])
        common = axes[axes["common"].astype(bool)]
        fractions = fraction_table(common, config.tuning)
        found = {
            "tuning_axes": joined["tuning_axes"],
            "tuning_sessions": overview,
            "tuning_heatmap": heatmap(joined["tuning_curves"]),
            "tuning_fractions": fractions,
            "tuning_tests": fraction_tests(fractions),
            "tuning_peaks": peak_table(common[common["tuned"].astype(bool)], config.tuning),
            "tuning_curves": joined["tuning_curves"].drop(columns="success"),
        }
    return {name: _conform(found.get(name), name) for name in POOLED}


def _conform(frame: pd.DataFrame | None, name: str) -> pd.DataFrame:
    contract = tables.contract_of(name)
    return tables.empty(contract) if frame is None or frame.empty else tables.conform(frame, contract)


def success_of(sessions: Sequence[Mapping[str, pd.DataFrame]], settings: study.Analysis) -> dict[str, str]:
    """Whether the object thread of each session's evolution 'succeeds' or 'fails' (METHODS section 3)."""
    found = {}
    for one in sessions:
        for _, row in one.get("experiments", pd.DataFrame()).iterrows():
            for thread in (0, 1):
                if space_kind(row[f"space_{thread}"], settings) == "object":
                    found[str(row["session"])] = "succeeds" if row[f"succeeds_{thread}"] else "fails"
    return found


def _sessions(
    tuned: Sequence[Mapping[str, pd.DataFrame]], success: Mapping[str, str], follows: Mapping[str, str]
) -> pd.DataFrame:
    rows = []
    for one in tuned:
        points, axes = one["tuning_points"], one["tuning_axes"]
        who = points.iloc[0][["session", "subject", "area", "unit"]].to_dict()
        session = str(who["session"])
        evolution = follows.get(session) or (session if session in success else "")
        common = axes["common"].astype(bool)
        rows.append(
            who
            | {
                "evolution": evolution,
                "success": success.get(evolution, "unknown"),
                "n_presentations": points["presentation"].nunique(),
                "n_axes": len(axes),
                "n_common": int(common.sum()),
                "n_tuned": int((common & axes["tuned"].astype(bool)).sum()),
            }
        )
    return pd.DataFrame(rows)


def heatmap(curves: pd.DataFrame) -> pd.DataFrame:
    """Mean over sessions of tuning curves by axis and distance (METHODS section 7).

    Each session's curves are divided by its largest mean rate.

    Parameters
    ----------
    curves : pandas.DataFrame
        `tables.TUNING_CURVES` with a column success.
    """
    largest = curves.groupby("session")["mean_hz"].transform("max")
    # Distances are told by names with two digits: equal ones are equal numbers.
    frame = curves.assign(value=np.where(largest > 0, curves["mean_hz"] / largest.where(largest > 0), np.nan))
    parts = []
    for group in GROUPS:
        own = frame if group == "all" else frame[frame["success"] == group]
        by = own.groupby(["subspace", "axis", "distance"], sort=True)["value"]
        parts.append(by.agg(n="count", mean="mean", sem="sem").reset_index().assign(success=group))
    return pd.concat(parts, ignore_index=True)


def _panels(axes: pd.DataFrame) -> Iterator[tuple[dict[str, str], pd.DataFrame]]:
    """Axes of each area and subspace, and of all of them."""
    for area in ["all", *sorted(set(axes["area"]) - {""})]:
        for subspace in ("both", "class", "noise"):
            keep = ((axes["area"] == area) | (area == "all")) & (
                (axes["subspace"] == subspace) | (subspace == "both")
            )
            yield {"area": area, "subspace": subspace}, axes[keep]


def _share(k: int, n: int, level: float) -> dict[str, Any]:
    low, high = wilson_interval(k, n, level)
    return {"k": k, "n": n, "fraction": k / n if n else float("nan"), "low": low, "high": high}


def fraction_table(axes: pd.DataFrame, settings: study.Tuning) -> pd.DataFrame:
    """Fractions of tuned axes and of their shapes, with Wilson intervals (METHODS section 7).

    Parameters
    ----------
    axes : pandas.DataFrame
        Common axes: `tables.TUNING_AXES` with a column success.
    settings : study.Tuning

    Returns
    -------
    pandas.DataFrame
        `tables.TUNING_FRACTIONS`; measure 'centre': the peak lies in the bin at 0.
    """
    rows = []
    for panel, own in _panels(axes):
        for group in GROUPS:
            shown = own if group == "all" else own[own["success"] == group]
            tuned = shown[shown["tuned"].astype(bool)]
            for measure in MEASURES:
                of, k = (shown, len(tuned)) if measure == "tuned" else (tuned, _count(tuned, measure))
                rows.append(
                    panel | {"success": group, "measure": measure} | _share(k, len(of), settings.interval)
                )
    return pd.DataFrame(rows)


def _count(tuned: pd.DataFrame, measure: str) -> int:
    held = tuned["peak_bin"] == 0 if measure == "centre" else tuned[measure].astype(bool)
    return int(held.sum())


def fraction_tests(fractions: pd.DataFrame) -> pd.DataFrame:
    """Two-proportion z-tests of success against failure, one-sided (METHODS section 7).

    Parameters
    ----------
    fractions : pandas.DataFrame
        Of `fraction_table`.

    Returns
    -------
    pandas.DataFrame
        `tables.TUNING_TESTS`, q by Benjamini-Hochberg over the measures of an
        area and subspace.
    """
    keys = ["area", "subspace", "measure"]
    groups = {g: fractions[fractions["success"] == g].set_index(keys)[["k", "n"]] for g in GROUPS[1:]}
    frame = groups["succeeds"].join(groups["fails"], lsuffix="_succeeds", rsuffix="_fails").reset_index()
    columns = ["k_succeeds", "n_succeeds", "k_fails", "n_fails"]
    tests = [two_proportion_z(*map(int, row)) for row in frame[columns].to_numpy()]
    frame["z"], frame["p"] = zip(*tests, strict=True)
    frame["q"] = frame.groupby(["area", "subspace"], sort=False)["p"].transform(
        lambda p: benjamini_hochberg(p.to_numpy())
    )
    return frame


def peak_table(axes: pd.DataFrame, settings: study.Tuning) -> pd.DataFrame:
    """Where tuned axes have their peak, in bins of distance (METHODS section 7).

    Parameters
    ----------
    axes : pandas.DataFrame
        Tuned common axes: `tables.TUNING_AXES` with a column success.
    settings : study.Tuning
    """
    rows = []
    for panel, own in _panels(axes):
        for group in GROUPS:
            shown = own if group == "all" else own[own["success"] == group]
            for centre in settings.peak_centres:
                k = int(np.isclose(shown["peak_bin"], centre).sum())
                rows.append(
                    panel | {"success": group, "peak_bin": centre} | _share(k, len(shown), settings.interval)
                )
    return pd.DataFrame(rows)
