"""When each space starts to lead in late blocks, by area."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from evoalign.figures.captions import FigureSettings, late_blocks, percent, selected, show_window
from evoalign.figures.from_tables.crossover import no_crossover
from evoalign.figures.from_tables.entry import FigureEntry
from evoalign.figures.panels import SPACES, Source, Tables, areas_of, chosen, space_legend, words
from evoalign.figures.style import COLUMN, REFERENCE_COLOUR, area_label, new_figure, say_empty, space_colour


def draw_latency(tables: Tables, settings: FigureSettings) -> tuple[Figure, Source]:
    """Draw latencies of a lasting lead, with their bootstrap intervals.

    Tables: `latencies` and `crossover`. Source: panel 'a'.
    """
    frame = tables["latencies"]
    areas = areas_of(frame)
    picked = [chosen(frame, area)[0] for area in areas]
    figure = new_figure(COLUMN, 0.9 + 0.55 * max(len(areas), 2))
    axes = figure.subplots()
    if not areas:
        say_empty(axes, "no valid experiment")
        return figure, {"a": frame}
    first, last = settings.analysis.window_ms
    left = first + 0.01 * (last - first)
    for at, rows in enumerate(picked):
        for kind, place in zip(SPACES, (at - 0.13, at + 0.13), strict=True):
            row = rows[rows["space"] == kind].iloc[0]
            if not np.isfinite(row["latency_ms"]):
                continue
            colour = space_colour(kind)
            axes.plot([row["low_ms"], row["high_ms"]], [place, place], color=colour, linewidth=1.2)
            axes.scatter(row["latency_ms"], place, s=16, color=colour, zorder=4)
        decision_text = _decision(tables, rows.iloc[0])
        nothing = not np.isfinite(rows["latency_ms"]).any()
        axes.text(
            left,
            at if nothing else at + 0.34,
            decision_text,
            color=REFERENCE_COLOUR,
            va="center",
            size="small",
        )
    axes.set_yticks(range(len(areas)), [area_label(area) for area in areas])
    axes.set_ylim(len(areas) - 0.5, -0.5)
    show_window(axes, settings.analysis.window_ms)
    axes.set_xlabel("Latency of a lasting lead (ms from image onset)")
    space_legend(figure, loc="outside upper center", ncols=2)
    return figure, {"a": pd.concat(picked, ignore_index=True)}


def _decision(tables: Tables, own: pd.Series) -> str:
    """Words for the crossover of the same experiments."""
    crossovers = tables["crossover"]
    same = (crossovers["scope"] == "area") & (crossovers["area"] == own["area"])
    row = crossovers[same & (crossovers["selection"] == own["selection"])].iloc[0]
    if np.isfinite(row["crossover_ms"]):
        return f"crossover at {row['crossover_ms']:.0f} ms"
    return no_crossover(row)


def caption(tables: Tables, settings: FigureSettings) -> str:
    """State N, tests and corrections."""
    frame = tables["latencies"]
    areas_text = []
    for area in areas_of(frame):
        rows, _ = chosen(frame, area)
        for _, row in rows.iterrows():
            if np.isfinite(row["latency_ms"]):
                areas_text.append(
                    f"{area_label(area)} {row['space']} {row['latency_ms']:.0f} ms{_interval(row)}"
                )
    return words(
        f"""
        First time bin of a space's lead: neighbouring bins in which responses of texture and object in the
        {late_blocks(settings)} differ by a sign-flip cluster test over experiments (family-wise over bins,
        each direction by itself, p < {settings.analysis.lead_p:g}), at least
        {settings.analysis.crossover_bins} of them; bars: {percent(settings.analysis.interval)} interval of a
        bootstrap over animals, sites and experiments. {"; ".join(areas_text) or "No space leads anywhere"}. A
        space without a dot never leads, or has too few experiments to say. Below each area: the crossover of
        the same experiments. {selected(frame, settings)}.
        """
    )


def _interval(row: pd.Series) -> str:
    if not np.isfinite(row["low_ms"]):
        return ""
    return f" ({row['low_ms']:.0f} to {row['high_ms']:.0f}; in {row['found']:.0%} of draws)"


FIGURES = (FigureEntry("latency", "population", 110, draw_latency, caption),)
