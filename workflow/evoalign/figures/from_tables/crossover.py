"""When the object space takes the lead in late blocks, by area."""

from __future__ import annotations

from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from evoalign.figures.captions import FigureSettings, late_blocks, percent, show_window
from evoalign.figures.from_tables.entry import FigureEntry
from evoalign.figures.panels import Source, Tables, area_axes, areas_of, significance, words
from evoalign.figures.style import REFERENCE_COLOUR, area_label, in_order, space_colour


def draw_crossover(tables: Tables, settings: FigureSettings) -> tuple[Figure, Source]:
    """Draw late object minus texture over the response, with the crossover of each area.

    Tables: `population_contrast` and `crossover`. Source: panels 'a' (difference by bin) and
    'crossover'.
    """
    frame = tables["population_contrast"]
    frame = frame[frame["window"] == "binned"]
    crossovers = tables["crossover"]
    of_areas = _of_areas(crossovers)
    areas = areas_of(frame)
    figure, axes = area_axes(areas, height=2.3)
    for panel, area in zip(axes[0], areas, strict=False):
        rows = frame[frame["area"] == area].sort_values("start_ms")
        _panel(panel, rows, settings)
        _crossover(panel, of_areas[of_areas["area"] == area])
        panel.set_title(f"{area_label(area)} (n = {int(rows['n'].max())})", pad=8)
        panel.set_xlabel("Time from image onset (ms)")
    if areas:
        axes[0, 0].set_ylabel("Late object minus texture\n(of maximum)")
    if np.isfinite(of_areas["crossover_ms"]).any():
        handle = Line2D([], [], color=REFERENCE_COLOUR, linestyle="--", linewidth=0.8, label="Crossover")
        axes[0, -1].legend(handles=[handle], loc="lower right")
    return figure, {"a": frame.reset_index(drop=True), "crossover": crossovers.reset_index(drop=True)}


def _panel(panel: Axes, rows: pd.DataFrame, settings: FigureSettings) -> None:
    middle = (rows["start_ms"].to_numpy() + rows["stop_ms"].to_numpy()) / 2
    mean, low, high = (rows[name].to_numpy() for name in ("mean", "low", "high"))
    panel.axhline(0, color="black", linewidth=0.5)
    panel.fill_between(middle, low, high, color="#D9D9D9", linewidth=0)
    panel.plot(middle, mean, color="black", linewidth=0.8)
    for sign, kind in ((1, "object"), (-1, "texture")):
        ahead = np.sign(mean) == sign
        panel.scatter(middle[ahead], mean[ahead], s=9, color=space_colour(kind), linewidth=0, zorder=4)
    larger = np.where(rows["z_q"] < settings.analysis.fdr, np.where(rows["z"] > 0, "object", "texture"), "")
    significance(panel, middle, larger)
    show_window(panel, settings.analysis.window_ms)


def _of_areas(found: pd.DataFrame) -> pd.DataFrame:
    """Rows of areas, all valid experiments, which are those of the curves."""
    return found[(found["scope"] == "area") & (found["selection"] == "valid")]


def no_crossover(row: pd.Series) -> str:
    """Words for a row of the crossover table that has none: 'no crossover: object never leads'."""
    return f"no crossover: {row['reason']}"


def _crossover(panel: Axes, rows: pd.DataFrame) -> None:
    if rows.empty:
        return
    row = rows.iloc[0]
    time, low, high = (float(row[name]) for name in ("crossover_ms", "low_ms", "high_ms"))
    if not np.isfinite(time):
        # Narrow, in the corner before any response.
        text = "no crossover:\n" + fill(row["reason"], 14)
        panel.text(0.03, 0.97, text, transform=panel.transAxes, color=REFERENCE_COLOUR, va="top")
        return
    if np.isfinite(low):
        panel.axvspan(low, high, color=REFERENCE_COLOUR, alpha=0.18, linewidth=0)
    panel.axvline(time, color=REFERENCE_COLOUR, linestyle="--", linewidth=0.8)
    panel.annotate(
        f"{time:.0f} ms",
        (low if np.isfinite(low) else time, 0.93),
        xycoords=("data", "axes fraction"),
        xytext=(-2, 0),
        textcoords="offset points",
        ha="right",
    )


def caption(tables: Tables, settings: FigureSettings) -> str:
    """State N, tests, corrections and the crossover with its interval."""
    rows = {str(row["area"]): row for _, row in _of_areas(tables["crossover"]).iterrows()}
    areas = [_words(rows[area]) for area in in_order(rows)]
    return words(
        f"""
        Object minus texture in the {late_blocks(settings)} of all valid experiments, over the experiment's
        normalization rate; points coloured by the larger space; band: {percent(settings.analysis.interval)}
        interval of a bootstrap over animals, sites, experiments and presentations. Dots on top: the
        differences of these experiments, weighted by their precision over presentations, are not 0 (z test,
        Benjamini-Hochberg over bins, q < {settings.analysis.fdr:g}): it speaks of these
        experiments, not of others. Dashed: crossover, reported where texture leads first and object later,
        each by a sign-flip cluster test over the means of recording sites (family-wise over
        bins, p < {settings.analysis.lead_p:g}): the mean difference passes through zero; shaded: times
        between the leads at which a t-test does not tell it from zero:
        {"; ".join(areas) or "no valid experiment"}.
        """
    )


def _words(row: pd.Series) -> str:
    area, time = area_label(row["area"]), row["crossover_ms"]
    if not np.isfinite(time):
        return f"{area} none ({row['reason']})"
    if not np.isfinite(row["low_ms"]):
        return f"{area} {time:.0f} ms (no interval: {row['interval_reason']})"
    return f"{area} {time:.0f} ms (interval {row['low_ms']:.0f} to {row['high_ms']:.0f})"


FIGURES = (FigureEntry("crossover", "population", 100, draw_crossover, caption),)
