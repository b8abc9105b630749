"""How soon evolutions converge, by area and space (Fig. 4D)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evoalign.figures.panels import (
    SPACES,
    Source,
    Tables,
    areas_of,
    p_words,
    space_legend,
    success_words,
    words,
)
from evoalign.figures.style import COLUMN, area_label, new_figure, say_empty, space_colour


def draw_time_constants(tables: Tables, level: str = "bslinit") -> tuple[Figure, Source]:
    """Draw the convergence of the threads that succeed.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
        `time_constants`, `population_time_constants` and `experiments`.
    level : str
        What is subtracted from a trajectory: 'bslinit', 'bsl' or 'zero'.

    Returns
    -------
    figure : matplotlib.figure.Figure
    source : dict of str to pandas.DataFrame
        Panel 'a': single threads.
    """
    pooled = tables["population_time_constants"]
    pooled = pooled[pooled["level"] == level]
    # The larger theta is the figure's; the other is in the table.
    pooled = pooled[pooled["theta"] == pooled["theta"].max()]
    figure = new_figure(COLUMN, 2.2)
    axes = figure.subplots()
    areas = areas_of(pooled)
    single = _single(tables, level, float(pooled["theta"].max()) if len(pooled) else np.nan)
    if not areas:
        say_empty(axes, "no valid experiment")
        return figure, {"a": single}
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
    return figure, {"a": single}


def _single(tables: Tables, level: str, theta: float) -> pd.DataFrame:
    frame = tables["time_constants"]
    frame = frame[(frame["level"] == level) & (frame["theta"] == theta)]
    own = tables["experiments"]
    keep = [
        own.loc[own["valid"].astype(bool) & own[f"succeeds_{thread}"].astype(bool), "session"]
        for thread in (0, 1)
    ]
    kept = [frame[(frame["thread"] == thread) & frame["session"].isin(keep[thread])] for thread in (0, 1)]
    return pd.concat(kept).sort_values(["session", "thread"]).reset_index(drop=True)


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


def caption(tables: Tables) -> str:
    """State N, tests and corrections."""
    pooled = tables["population_time_constants"]
    theta = f"{pooled['theta'].max():g}" if len(pooled) else "theta"
    return words(
        f"""
        First block, counted from 0, where the evoked trajectory minus its first block exceeds {theta} of
        its maximum, for threads that succeed ({success_words(tables)}) in valid experiments; bars: mean and
        standard error; n: texture, object threads; p of the two-sample t-test, not corrected, where both
        spaces have two threads or more.
        """
    )
