"""Tuning pooled over many sessions, by the success of the evolutions before them.

Defined in docs/methods.md section 7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from evoalign import tables
from evoalign.analysis.settings import AnalysisConfig, Tuning
from evoalign.analysis.tuning.fractions import GROUPS, fraction_table, fraction_tests, peak_table
from evoalign.analysis.tuning.tables import (
    TUNING_AXES,
    TUNING_CURVES,
    TUNING_FRACTIONS,
    TUNING_HEATMAP,
    TUNING_PEAKS,
    TUNING_SESSIONS,
    TUNING_TESTS,
)

TABLES = tables.by_name(
    TUNING_AXES, TUNING_CURVES, TUNING_SESSIONS, TUNING_HEATMAP, TUNING_FRACTIONS, TUNING_TESTS, TUNING_PEAKS
)


def pool_tuning(
    sessions: Sequence[Mapping[str, pd.DataFrame]], follows: Mapping[str, str], config: AnalysisConfig
) -> dict[str, pd.DataFrame]:
    """Pool the tables of tuning sessions.

    A tuning session belongs to the evolution that it follows, or to its own
    when it holds one; whether that succeeds is told by `success_of`. Shapes
    and peaks are those of tuned axes that reach both ends (common axes): a
    peak has no place where the range is cut.

    Parameters
    ----------
    sessions : sequence of mappings
        Tables of every session of the study; those without tuning give the
        evolutions' success.
    follows : mapping of str to str
        Tuning session -> session of its evolution, where the sample sheet
        names one.
    config : AnalysisConfig

    Returns
    -------
    dict of str to pandas.DataFrame
        Tables by the lower-case names of their contracts, without rows when
        no session is one of tuning. `tuning_axes` and `tuning_curves` are
        carried on whole.
    """
    tuned = [session_tables for session_tables in sessions if len(session_tables.get("tuning_points", ()))]
    pooled: dict[str, pd.DataFrame] = {}
    if tuned:
        tuned = sorted(
            tuned, key=lambda session_tables: str(session_tables["tuning_points"]["session"].iloc[0])
        )
        joined = {
            name: pd.concat([session_tables[name] for session_tables in tuned], ignore_index=True)
            for name in list(TABLES)[:2]
        }
        overview = _sessions(tuned, success_of(sessions, config.tuning), follows)
        joined["tuning_curves"] = joined["tuning_curves"].merge(overview[["session", "success"]])
        axes = joined["tuning_axes"].merge(overview[["session", "success", "evolution"]])
        common = axes[axes["common"].astype(bool)]
        pooled = {
            "tuning_axes": joined["tuning_axes"],
            "tuning_sessions": overview,
            "tuning_heatmap": heatmap(joined["tuning_curves"]),
            "tuning_fractions": fraction_table(common, config.tuning),
            "tuning_tests": fraction_tests(common, config.tuning, config.seed),
            "tuning_peaks": peak_table(common[common["tuned"].astype(bool)], config.tuning),
            "tuning_curves": joined["tuning_curves"].drop(columns="success"),
        }
    return {name: tables.conform_or_empty(pooled.get(name), contract) for name, contract in TABLES.items()}


def success_of(sessions: Sequence[Mapping[str, pd.DataFrame]], settings: Tuning) -> pd.DataFrame:
    """Whether the object thread of each evolution raised its unit's rate (docs/methods.md section 7).

    Two-sample t-test (equal variance) of single presentations, the last block
    against the first; the mean, standard error and number of presentations of
    a block hold all of it. The object thread, for the axes are those of an
    object generator.

    Parameters
    ----------
    sessions : sequence of mappings
        With `TRAJECTORIES` where a session holds an evolution.
    settings : Tuning

    Returns
    -------
    pandas.DataFrame
        Index: session. Columns evolution_t, evolution_p; success: 'succeeds',
        'fails', or 'unknown' where there is no such test or the threads do not
        name one object space.
    """
    by_session: dict[str, dict[str, object]] = {}
    for session_tables in sessions:
        rows = session_tables.get("trajectories", pd.DataFrame())
        if len(rows):
            evoked = rows[(rows["stimuli"] == "generated") & (rows["window"] == "evoked")]
            by_session[str(rows["session"].iloc[0])] = _last_against_first(
                evoked[evoked["kind"] == "object"], settings
            )
    return pd.DataFrame.from_dict(
        by_session, orient="index", columns=["evolution_t", "evolution_p", "success"]
    )


def _last_against_first(blocks: pd.DataFrame, settings: Tuning) -> dict[str, object]:
    t = p = float("nan")
    if len(set(blocks["thread"])) == 1 and len(blocks) > 1:
        ordered = blocks.sort_values("block_index")
        last, first = (
            (row["mean_hz"], row["sem_hz"] * np.sqrt(row["n"]), row["n"])
            for row in (ordered.iloc[-1], ordered.iloc[0])
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            from scipy import stats  # not before: it takes 0.7 s to load

            test = stats.ttest_ind_from_stats(*last, *first)
        t, p = float(test.statistic), float(test.pvalue)
    outcome = "succeeds" if p < settings.success_p and t > 0 else "fails"
    return {"evolution_t": t, "evolution_p": p, "success": outcome if np.isfinite(p) else "unknown"}


def _sessions(
    tuned: Sequence[Mapping[str, pd.DataFrame]], success: pd.DataFrame, follows: Mapping[str, str]
) -> pd.DataFrame:
    nothing = {"evolution_t": float("nan"), "evolution_p": float("nan"), "success": "unknown"}
    rows = []
    for session_tables in tuned:
        points, axes = session_tables["tuning_points"], session_tables["tuning_axes"]
        who = points.iloc[0][["session", "subject", "area", "unit"]].to_dict()
        session = str(who["session"])
        evolution = follows.get(session) or (session if session in success.index else "")
        outcome = success.loc[evolution].to_dict() if evolution in success.index else nothing
        common = axes["common"].astype(bool)
        rows.append(
            who
            | {"evolution": evolution}
            | outcome
            | {
                "n_presentations": points["presentation"].nunique(),
                "n_axes": len(axes),
                "n_common": int(common.sum()),
                "n_tuned": int((common & axes["tuned"].astype(bool)).sum()),
            }
        )
    return pd.DataFrame(rows)


def heatmap(curves: pd.DataFrame) -> pd.DataFrame:
    """Mean over sessions of tuning curves by axis and distance (docs/methods.md section 7).

    Each session's curves are divided by its largest mean rate.

    Parameters
    ----------
    curves : pandas.DataFrame
        `TUNING_CURVES` with a column success.
    """
    largest = curves.groupby("session")["mean_hz"].transform("max")
    # Distances are told by names with two digits: equal ones are equal numbers.
    frame = curves.assign(value=np.where(largest > 0, curves["mean_hz"] / largest.where(largest > 0), np.nan))
    parts = []
    for group in GROUPS:
        of_group = frame if group == "all" else frame[frame["success"] == group]
        by = of_group.groupby(["subspace", "axis", "distance"], sort=True)["value"]
        parts.append(by.agg(n="count", mean="mean", sem="sem").reset_index().assign(success=group))
    return pd.concat(parts, ignore_index=True)
