"""Mean trajectories of both spaces by area (Fig. 4C)."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evoalign.figures.by_block import label_blocks, show_blocks
from evoalign.figures.captions import FigureSettings, selected, span
from evoalign.figures.from_tables.entry import FigureEntry
from evoalign.figures.panels import (
    Source,
    Tables,
    area_axes,
    areas_of,
    chosen,
    padded_line,
    real_strip,
    room_for_strip,
    site_words,
    space_legend,
    title,
    words,
)
from evoalign.figures.style import space_colour

# More experiments than this, and lines of single ones hide the means.
MAX_SINGLE_LINES = 8


def draw_population_trajectories(tables: Tables, _: FigureSettings) -> tuple[Figure, Source]:
    """Draw normalised, padded trajectories: mean, standard error and tests by area.

    Tables: `population_trajectories`, `padded` and `experiments`. Source: panel 'a': what the means
    show.
    """
    frame = tables["population_trajectories"]
    frame = frame[frame["window"] == "evoked"]
    areas = areas_of(frame)
    figure, axes = area_axes(areas)
    parts = []
    for panel, area in zip(axes[0], areas, strict=False):
        rows, selection = chosen(frame, area)
        n = int(rows["n"].max())
        if n <= MAX_SINGLE_LINES:
            _single(panel, tables, area, selection)
        rows = show_blocks(panel, rows, {}, {})
        real_strip(panel, rows["block_index"].to_numpy() + 1, rows["n_real"].to_numpy())
        panel.set_title(title(area, n, selection), pad=8)
        label_blocks(panel)
        parts.append(rows)
    if areas:
        axes[0, 0].set_ylabel("Evoked rate (of maximum)")
        space_legend(axes[0, 0], loc="upper left")
        low, high = axes[0, 0].get_ylim()
        axes[0, 0].set_ylim(min(low, 0), max(high, 1.25))
        room_for_strip(axes[0, 0])
    return figure, {"a": pd.concat(parts, ignore_index=True) if parts else frame}


def _single(panel: Axes, tables: Tables, area: str, selection: str) -> None:
    experiments = tables["experiments"]
    column = {"both": "both_succeed", "any": "any_succeeds"}.get(selection, "valid")
    sessions = experiments.loc[
        experiments["valid"].astype(bool) & experiments[column].astype(bool), "session"
    ]
    padded = tables["padded"]
    padded = padded[(padded["area"] == area) & padded["session"].isin(sessions)]
    for (_, kind), rows in padded.groupby(["session", "kind"], sort=True):
        rows = rows.sort_values("block_index")
        x, y = rows["block_index"].to_numpy() + 1, rows["value"].to_numpy()
        padded_line(
            panel, x, y, rows["real"].to_numpy(dtype=bool), space_colour(str(kind)), linewidth=0.4, alpha=0.5
        )


def caption(tables: Tables, settings: FigureSettings) -> str:
    """State N, tests and corrections."""
    frame = tables["population_trajectories"]
    frame = frame[frame["window"] == "evoked"]
    return words(
        f"""
        Evoked block means ({span(settings.analysis.evoked_ms)}) over the experiment's maximum, mean over
        experiments; shading: one standard error over experiments; thin lines: single experiments, where they
        are few. Runs are padded to the longest with the mean of their last two blocks; dotted: padding (of a
        mean: more than half of the experiments padded); grey strip and numbers: experiments that showed the
        block. Dots: texture and object differ (paired t-test over experiments, Benjamini-Hochberg over
        blocks, q < {settings.analysis.fdr:g}), coloured by the larger space. {selected(frame, settings)}.
        Dots show this test over experiments; the test over the means of recording sites is in columns t_site
        to q_site (sites: {site_words(frame)}).
        """
    )


FIGURES = (FigureEntry("population_trajectories", "population", 30, draw_population_trajectories, caption),)
