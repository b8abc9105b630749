"""How soon evolutions converge, by area and space (Fig. 4D)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evoalign.analysis.levels import DIFFERENCE_LEVEL
from evoalign.figures.captions import FigureSettings, percent, success_words
from evoalign.figures.from_tables.entry import FigureEntry
from evoalign.figures.panels import SPACES, Source, Tables, areas_of, p_words, space_legend, words
from evoalign.figures.style import PAGE, area_label, letter, new_figure, say_empty, space_colour, space_label


def draw_time_constants(
    tables: Tables, settings: FigureSettings, level: str = "bslinit"
) -> tuple[Figure, Source]:
    """Draw the convergence of the threads that succeed.

    Tables: `time_constants`, `population_time_constants`, `time_constant_tests` and `experiments`.
    Source: panels 'a': single threads, and 'b': tests between areas and spaces.

    Parameters
    ----------
    level : str
        What is subtracted from a trajectory: 'bslinit', 'bsl' or 'zero'.
    """
    pooled = tables["population_time_constants"]
    # `time_constant_theta` is the figure's; the alternative is in the table.
    theta = settings.analysis.time_constant_theta
    pooled = pooled[(pooled["level"] == level) & (pooled["theta"] == theta)]
    areas = areas_of(pooled)
    tests = _shown(tables["time_constant_tests"], level, theta)
    figure = new_figure(PAGE, max(2.2, 0.9 + 0.17 * len(tests)))
    axes, panel = figure.subplots(1, 2, width_ratios=[1, 0.8])
    _tests(panel, tests)
    letter(axes, "a")
    letter(panel, "b")
    single = _single(tables, level, theta)
    if not areas:
        say_empty(axes, "no valid experiment")
        return figure, {"a": single, "b": tests.reset_index(drop=True)}
    top = max(1.0, float(single["first_above"].max())) if len(single) else 1.0
    for at, area in enumerate(areas):
        row = pooled[pooled["area"] == area].iloc[0]
        for kind, place in zip(SPACES, (at - 0.2, at + 0.2), strict=True):
            values = single.loc[(single["area"] == area) & (single["kind"] == kind), "first_above"]
            _points(axes, place, values.dropna().to_numpy(), row, kind)
        # A test of one thread against many is defined, and says nothing of the one's space.
        tested = min(row["texture_n"], row["object_n"]) > 1
        axes.annotate(p_words(row["p"]) if tested else "", (at, 1.08 * top), ha="center", fontsize=6)
    labels = [
        "{}\nn = {}, {}".format(
            area_label(area), *pooled.loc[pooled["area"] == area, ["texture_n", "object_n"]].iloc[0]
        )
        for area in areas
    ]
    axes.set_xticks(range(len(areas)), labels)
    axes.set_xlim(-0.5, len(areas) - 0.5)
    axes.set_ylim(-0.04 * top, 1.4 * top)
    axes.set_ylabel("Blocks to converge")
    space_legend(axes, loc="upper left", ncols=2)
    return figure, {"a": single, "b": tests.reset_index(drop=True)}


def _shown(tests: pd.DataFrame, level: str, theta: float) -> pd.DataFrame:
    return tests[(tests["level"] == level) & (tests["theta"] == theta)]


def _possible(tests: pd.DataFrame) -> pd.DataFrame:
    """Tests of two threads or more in each group: of one against many a test says nothing."""
    return tests[tests["p"].notna() & (tests[["n_1", "n_2"]].min(axis=1) > 1)]


def _tests(panel: Axes, tests: pd.DataFrame) -> None:
    """Mean differences with their intervals, one test a line; the study's in bold."""
    tests = _possible(tests)
    if tests.empty:
        say_empty(panel, "no test: a group needs two threads that succeed")
        return
    panel.axvline(0, color="black", linewidth=0.4)
    place = np.arange(len(tests))[::-1]
    for at, row in zip(place, tests.to_dict("records"), strict=True):
        colour = space_colour(row["space_1"]) if row["comparison"] == "areas" else "black"
        panel.plot([row["low"], row["high"]], [at, at], color=colour, linewidth=0.9)
        panel.plot(row["difference"], at, "o", color=colour, markersize=3.5)
        panel.annotate(
            p_words(row["p"]),
            (1.02, at),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=5.5,
            fontweight="bold" if row["study"] else "normal",
        )
    names = [_test_label(row) for row in tests.to_dict("records")]
    panel.set_yticks(place, names, fontsize=5.5)
    for label, study in zip(panel.get_yticklabels(), tests["study"], strict=True):
        label.set_fontweight("bold" if study else "normal")
    panel.set_ylim(-0.7, len(tests) - 0.3)
    panel.set_xlabel("Difference (blocks)")


def _test_label(row: Mapping[Any, Any]) -> str:
    if row["comparison"] == "spaces":
        return f"{area_label(row['area_1'])}: texture - object (n = {row['n_1']} pairs)"
    areas = f"{area_label(row['area_1'])} - {area_label(row['area_2'])}"
    return f"{space_label(row['space_1'])}: {areas} (n = {row['n_1']}, {row['n_2']})"


def _single(tables: Tables, level: str, theta: float) -> pd.DataFrame:
    frame = tables["time_constants"]
    frame = frame[(frame["level"] == level) & (frame["theta"] == theta)]
    experiments = tables["experiments"]
    keep = [
        experiments.loc[
            experiments["valid"].astype(bool) & experiments[f"succeeds_{thread}"].astype(bool), "session"
        ]
        for thread in (0, 1)
    ]
    of_threads = [
        frame[(frame["thread"] == thread) & frame["session"].isin(keep[thread])] for thread in (0, 1)
    ]
    return pd.concat(of_threads).sort_values(["session", "thread"]).reset_index(drop=True)


def _points(axes: Axes, place: float, values: np.ndarray, row: pd.Series, kind: str) -> None:
    # Equal values stand side by side, so that each experiment is seen.
    order = np.argsort(values, kind="stable")
    _, start, count = np.unique(values[order], return_index=True, return_counts=True)
    rank = np.arange(len(values)) - np.repeat(start, count)
    spread = np.empty(len(values))
    spread[order] = (rank - (np.repeat(count, count) - 1) / 2) * min(
        0.05, 0.32 / max(count.max(initial=1), 1)
    )
    colour = space_colour(kind)
    axes.scatter(place + spread, values, s=6, color=colour, alpha=0.55, linewidth=0)
    if row[f"{kind}_n"]:
        error = np.nan_to_num(row[f"{kind}_sem"])
        axes.errorbar(
            place, row[f"{kind}_mean"], error, fmt="_", color=colour, markersize=13, markeredgewidth=1.6
        )


def _over_sites(row: Mapping[Hashable, Any]) -> str:
    """Words for the same test over the means of recording sites; '' where it cannot be made."""
    return f" (over site means {p_words(row['p_site'])})" if np.isfinite(row["p_site"]) else ""


def caption(tables: Tables, settings: FigureSettings) -> str:
    """State N, tests and corrections."""
    theta = settings.analysis.time_constant_theta
    tests = _shown(tables["time_constant_tests"], "bslinit", theta)
    study = [
        f"{_test_label(row)} t({row['df']:.0f}) = {row['t']:.2f}, {p_words(row['p'])}{_over_sites(row)}"
        for row in _possible(tests[tests["study"].astype(bool)]).to_dict("records")
    ]
    return words(
        f"""
        a, First block, counted from 0, where the evoked trajectory minus its first block exceeds {theta:g} of
        its maximum, for threads that succeed ({success_words(settings)}) in valid experiments; bars: mean and
        standard error; n: texture, object threads; p of the two-sample t-test, not corrected, where both
        spaces have two threads or more. b, Differences of means with {percent(DIFFERENCE_LEVEL)}
        intervals: between areas, two-sample t-test of threads that succeed; within an area, paired t-test
        of experiments in which both do; p not corrected (adjusted over the tests of the panel: q in the
        table). Bold: the
        study's tests: {"; ".join(study) or "none can be made"}.
        """
    )


FIGURES = (FigureEntry("time_constants", "population", 40, draw_time_constants, caption),)
