"""Trajectories in each time bin of the response (Fig. 5C; of stricter success, Ext. 4C)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evoalign.figures.captions import FigureSettings, selected
from evoalign.figures.from_tables.entry import FigureEntry
from evoalign.figures.panels import (
    SPACES,
    Source,
    Tables,
    areas_of,
    chosen,
    padded_line,
    real_strip,
    room_for_strip,
    significance,
    site_words,
    space_legend,
    words,
)
from evoalign.figures.style import PAGE, area_label, new_figure, say_empty, space_colour

# Bins before the response are flat lines; the figure starts with the evoked window.
MAX_BINS = 16


def draw_binned_trajectories(
    tables: Tables, _: FigureSettings, width_ms: int | None = None
) -> tuple[Figure, Source]:
    """Draw a small panel a time bin, a row an area.

    Tables: `population_trajectories`. Source: panel 'a'.

    Parameters
    ----------
    width_ms : int, optional
        Width of the bins; by default the narrowest that gives at most 16
        panels inside the evoked window.
    """
    frame, width = evoked_bins(tables["population_trajectories"], width_ms)
    rows = {}
    for area in areas_of(frame):
        of_area, selection = chosen(frame, area)
        mark = "" if selection == "both" else f", {selection}"
        rows[f"{area_label(area)}\n(n = {int(of_area['n'].max())}{mark})"] = of_area
    return draw_bins(rows, width, empty="no valid experiment")


def draw_bins(rows: Mapping[str, pd.DataFrame], width_ms: int, empty: str) -> tuple[Figure, Source]:
    """Draw rows of small panels, one a time bin.

    Parameters
    ----------
    rows : mapping of str to pandas.DataFrame
        Label -> rows of `population_trajectories` of one area, selection and
        width of bins.
    width_ms : int
        Width of the bins.
    empty : str
        What the figure says when there are no rows.

    Returns
    -------
    figure : matplotlib.figure.Figure
    source : dict of str to pandas.DataFrame
        Panel 'a'.
    """
    if not rows:
        figure = new_figure(PAGE, 1.5)
        say_empty(figure.subplots(), empty)
        # Only here: figures have no need of what pools sessions, which loads PyTorch.
        from evoalign.analysis.population.trajectories import POPULATION_TRAJECTORIES

        return figure, {"a": pd.DataFrame(columns=POPULATION_TRAJECTORIES.names)}
    source = pd.concat(rows.values(), ignore_index=True)
    starts = sorted(source["start_ms"].unique())
    figure = new_figure(PAGE, 0.5 + 1.05 * len(rows))
    axes = figure.subplots(len(rows), len(starts), squeeze=False, sharex=True, sharey="row")
    for row_axes, (label, frame) in zip(axes, rows.items(), strict=True):
        for panel, start in zip(row_axes, starts, strict=True):
            _panel(panel, frame[frame["start_ms"] == start].sort_values("block_index"))
        room_for_strip(row_axes[0])
        # Every time bin shows the same blocks: one strip with numbers is enough.
        first = frame[frame["start_ms"] == starts[0]].sort_values("block_index")
        real_strip(
            row_axes[0], first["block_index"].to_numpy() + 1, first["n_real"].to_numpy(), numbers=2, size=4
        )
        row_axes[0].set_ylabel(label)
    for panel, start in zip(axes[0], starts, strict=True):
        panel.set_title(f"{start}–{start + width_ms}", loc="center", fontsize=6, pad=7)
    figure.supxlabel("Block")
    figure.supylabel("Rate (of maximum)")
    figure.suptitle("Time from image onset (ms)", fontsize=7)
    space_legend(figure, loc="outside upper right", ncols=2)
    return figure, {"a": source}


def evoked_bins(frame: pd.DataFrame, width_ms: int | None) -> tuple[pd.DataFrame, int]:
    """Rows of one bin width inside the evoked window, and the width; no rows without that width."""
    evoked = frame[frame["window"] == "evoked"]
    if evoked.empty:
        return evoked, 0
    first, last = int(evoked["start_ms"].iloc[0]), int(evoked["stop_ms"].iloc[0])
    binned = frame[(frame["window"] == "binned") & (frame["start_ms"] >= first) & (frame["stop_ms"] <= last)]
    widths = binned["stop_ms"] - binned["start_ms"]
    if width_ms is None:
        fitting = [int(width) for width in np.unique(widths) if (last - first) / width <= MAX_BINS]
        width_ms = min(fitting, default=0)
    return binned[widths == width_ms], width_ms


def _panel(axes: Axes, rows: pd.DataFrame) -> None:
    block = rows["block_index"].to_numpy() + 1
    observed = rows["n_real"].to_numpy() * 2 >= rows["n"].max()
    for kind in SPACES:
        mean, error = rows[f"{kind}_mean"].to_numpy(), rows[f"{kind}_sem"].fillna(0).to_numpy()
        axes.fill_between(
            block, mean - error, mean + error, color=space_colour(kind), alpha=0.22, linewidth=0
        )
        padded_line(axes, block, mean, observed, space_colour(kind), linewidth=0.8)
    significance(axes, block, rows["larger"].to_numpy(), level=1.03, size=2)
    axes.set_xticks([1, int(block.max())])
    axes.tick_params(labelsize=5.5)


def caption(tables: Tables, settings: FigureSettings) -> str:
    """State N, tests and corrections."""
    frame, width = evoked_bins(tables["population_trajectories"], None)
    return (
        f"{explained(width, settings)} {selected(frame, settings)}; "
        "dots show this test; that over the means of recording sites is in columns t_site to q_site "
        f"(sites: {site_words(frame)})."
    )


def explained(width_ms: int, settings: FigureSettings) -> str:
    """Sentences of a caption: what panels of `draw_bins` show, tests and corrections."""
    return words(
        f"""
        Trajectories in consecutive {width_ms} ms bins (above: from-to) over the experiment's universal
        normalization rate: mean over experiments, shading one standard error; dotted: more than half of the
        experiments padded; grey strip and numbers in the first panel of a row: experiments that showed the
        block. Dots: texture and object differ in the block (paired t-test over experiments,
        Benjamini-Hochberg over the blocks of a panel, q < {settings.analysis.fdr:g}), coloured by the larger
        space.
        """
    )


FIGURES = (FigureEntry("binned_trajectories", "population", 60, draw_binned_trajectories, caption),)
