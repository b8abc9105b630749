"""The late difference between the spaces under every combination of analysis choices."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evoalign.figures.captions import FigureSettings, late_blocks
from evoalign.figures.from_tables.crossover import no_crossover
from evoalign.figures.from_tables.entry import FigureEntry
from evoalign.figures.panels import Source, Tables, area_axes, areas_of, space_legend, words
from evoalign.figures.style import REFERENCE_COLOUR, area_label, space_colour

CHOICES = ("window", "selection", "normaliser")


def draw_specifications(tables: Tables, settings: FigureSettings) -> tuple[Figure, Source]:
    """Draw a specification curve of each area: sorted effects above, the choices below.

    Tables: `specifications` and `crossover`. Source: panel 'a'.
    """
    frame = tables["specifications"]
    frame = frame[np.isfinite(frame["effect"])]
    spans = frame["start_ms"].astype(str) + "-" + frame["stop_ms"].astype(str) + " ms"
    frame = frame.assign(window=spans).sort_values(["area", "effect"], ignore_index=True)
    areas = areas_of(frame)
    figure, axes = area_axes(
        areas, height=3.9, rows=2, empty="no valid experiment, or fewer than three an area"
    )
    if not areas:
        return figure, {"a": frame}
    labels = _labels(frame)
    for column, area in enumerate(areas):
        rows = frame[frame["area"] == area]
        _curve(axes[0, column], rows, settings.analysis.fdr)
        _matrix(axes[1, column], rows, labels)
        axes[0, column].set_title(f"{area_label(area)} ({len(rows)} specifications)")
        without = _no_crossover(tables, area).removeprefix("; ")
        axes[0, column].text(
            0.97, 0.03, without, transform=axes[0, column].transAxes, color=REFERENCE_COLOUR, ha="right"
        )
    axes[0, 0].set_ylabel("Effect (paired t / root of n)\nobject minus texture")
    axes[1, 0].set_yticks(range(len(labels)), [label for _, label in labels])
    space_legend(axes[0, 0], loc="upper left")
    return figure, {"a": frame}


def _labels(frame: pd.DataFrame) -> list[tuple[str, str]]:
    # The widest first: the evoked window, then its parts.
    order = frame.assign(width=frame["start_ms"] - frame["stop_ms"]).sort_values(["width", "start_ms"])
    windows = [("window", window) for window in order["window"].unique()]
    return windows + [(name, window) for name in CHOICES[1:] for window in sorted(frame[name].unique())]


def _curve(panel: Axes, rows: pd.DataFrame, level: float) -> None:
    effect, is_significant = rows["effect"].to_numpy(), rows["p"].to_numpy() < level
    at = np.arange(len(rows))
    colour = np.where(effect > 0, space_colour("object"), space_colour("texture"))
    panel.axhline(0, color="black", linewidth=0.5)
    panel.scatter(at[is_significant], effect[is_significant], s=8, c=colour[is_significant], linewidth=0)
    panel.scatter(
        at[~is_significant],
        effect[~is_significant],
        s=8,
        facecolor="none",
        edgecolor=colour[~is_significant],
        linewidth=0.7,
    )
    panel.tick_params(labelbottom=False)


def _matrix(panel: Axes, rows: pd.DataFrame, labels: list[tuple[str, str]]) -> None:
    for line, (name, label) in enumerate(labels):
        at = np.flatnonzero(rows[name].to_numpy() == label)
        panel.scatter(at, np.full(len(at), line), s=5, marker="|", color="black", linewidth=0.8)
        if line and labels[line - 1][0] != name:
            panel.axhline(line - 0.5, color=REFERENCE_COLOUR, linewidth=0.4)
    panel.set_ylim(len(labels) - 0.5, -0.5)
    panel.set_xlabel("Specification, by effect")


def caption(tables: Tables, settings: FigureSettings) -> str:
    """State N, tests and corrections."""
    frame = tables["specifications"]
    areas_text = []
    for area in areas_of(frame):
        rows = frame[(frame["area"] == area) & np.isfinite(frame["effect"])]
        is_significant = rows["p"] < settings.analysis.fdr
        ahead = {"object": int((is_significant & (rows["effect"] > 0)).sum())}
        ahead["texture"] = int((is_significant & (rows["effect"] < 0)).sum())
        areas_text.append(
            f"{area_label(area)}: texture is larger in {ahead['texture']} and object in {ahead['object']} of "
            f"{len(rows)} (n = {int(rows['n'].min())} to {int(rows['n'].max())} experiments"
            f"{_no_crossover(tables, area)})"
            if len(rows)
            else f"{area_label(area)}: too few experiments"
        )
    return words(
        f"""
        Object minus texture in the {late_blocks(settings)} under every combination of window, selection of
        experiments and normalization rate, sorted by effect size; filled: p < {settings.analysis.fdr:g}
        (paired t-test over experiments, not corrected; that over site means is in column p_site: the
        specifications share their data, and windows early and late that favour different spaces are no
        crossover by themselves). 'p selected' allows for the choice of the best block.
        {"; ".join(areas_text) or "No valid experiment"}.
        """
    )


def _no_crossover(tables: Tables, area: str) -> str:
    """Words for an area without a crossover of all valid experiments; '' where it has one."""
    crossovers = tables["crossover"]
    row = crossovers[
        (crossovers["scope"] == "area") & (crossovers["area"] == area) & (crossovers["selection"] == "valid")
    ].iloc[0]
    return "" if np.isfinite(row["crossover_ms"]) else f"; {no_crossover(row)}"


FIGURES = (FigureEntry("specifications", "population", 130, draw_specifications, caption),)
