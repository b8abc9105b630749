"""Trajectories in each time bin of the response (Fig. 5C; of stricter success, Ext. 4C)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from evoalign.figures.by_block import show_blocks
from evoalign.figures.captions import FigureSettings, selected, success_words
from evoalign.figures.from_tables.entry import FigureEntry
from evoalign.figures.panels import (
    Source,
    Tables,
    areas_of,
    chosen,
    real_strip,
    room_for_strip,
    share_axis,
    site_words,
    space_legend,
    words,
)
from evoalign.figures.style import PAGE, area_label, new_figure, say_empty

# Bins before the response are flat lines; the figure starts with the evoked window.
MAX_BINS = 16
STRICT = "both_strict"  # selection: both threads succeed at `analysis.success_p`


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
    axes = figure.subplots(len(rows), len(starts), squeeze=False)
    blocks = [1, int(source["block_index"].max()) + 1]
    for row_axes, (label, frame) in zip(axes, rows.items(), strict=True):
        for panel, start in zip(row_axes, starts, strict=True):
            of_bin = show_blocks(
                panel, frame[frame["start_ms"] == start], {"linewidth": 0.8}, {"level": 1.03, "size": 2}
            )
            block = of_bin["block_index"].to_numpy() + 1
            panel.set_xticks(blocks)
            panel.tick_params(labelsize=5.5)
            panel.label_outer()
        share_axis("y", row_axes)
        room_for_strip(row_axes[0])
        # Every time bin shows the same blocks: one strip with numbers is enough.
        real_strip(row_axes[0], block, of_bin["n_real"].to_numpy(), numbers=2, size=4)
        row_axes[0].set_ylabel(label)
    share_axis("x", axes.flat)
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


def draw_strict_trajectories(tables: Tables, _: FigureSettings) -> tuple[Figure, Source]:
    """Draw the same of stricter success (Ext. 4C), without others to stand in.

    Tables: `population_trajectories`. Source: panel 'a'.
    """
    frame, width = evoked_bins(tables["population_trajectories"], None)
    strict = frame[frame["selection"] == STRICT]
    by_area = {area: strict[strict["area"] == area] for area in areas_of(strict)}
    rows = {f"{area_label(area)}\n(n = {int(part['n'].max())})": part for area, part in by_area.items()}
    return draw_bins(rows, width, empty="no valid experiment in which both threads succeed strictly")


def caption_strict(tables: Tables, settings: FigureSettings) -> str:
    """State N, tests and corrections."""
    frame, width = evoked_bins(tables["population_trajectories"], None)
    strict = frame[frame["selection"] == STRICT]
    n = {area: strict.loc[strict["area"] == area, "n"].max() for area in areas_of(strict)}
    counted = ", ".join(f"{area_label(area)} n = {int(n_experiments)}" for area, n_experiments in n.items())
    none = [area_label(area) for area in areas_of(frame) if area not in n]
    absent = f"; none in {' and '.join(none)}" if none and n else ""
    single = " Of a single experiment there is no standard error and no test." if 1 in n.values() else ""
    return words(
        f"""
        {explained(width, settings)} Only experiments in which both threads succeed at
        {success_words(settings)} (best two blocks above the first two, two-sample t-test of single
        presentations): {counted or "no valid experiment"}{absent}.{single}
        The test over the means of recording sites is in columns t_site to q_site.
        """
    )


FIGURES = (
    FigureEntry("binned_trajectories", "population", 60, draw_binned_trajectories, caption),
    FigureEntry("strict_trajectories", "population", 70, draw_strict_trajectories, caption_strict),
)
