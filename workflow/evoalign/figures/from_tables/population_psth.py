"""Population PSTHs of the first and the last block (Fig. 5A)."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from evoalign.figures.captions import FigureSettings, selected, show_window
from evoalign.figures.from_tables.entry import FigureEntry
from evoalign.figures.panels import (
    SPACES,
    Source,
    Tables,
    area_axes,
    areas_of,
    chosen,
    shaded,
    space_legend,
    title,
    words,
)
from evoalign.figures.style import space_colour

STAGES = {"first": "First block", "last": "Last block (padded)"}


def draw_population_psth(tables: Tables, settings: FigureSettings) -> tuple[Figure, Source]:
    """Draw normalised PSTHs by area: first block above, last block below.

    Tables: `population_psth`. Source: panels 'first' and 'last'.
    """
    frame = tables["population_psth"]
    areas = areas_of(frame)
    figure, axes = area_axes(areas, height=3.4, rows=2)
    parts: dict[str, list[pd.DataFrame]] = {stage: [] for stage in STAGES}
    for column, area in enumerate(areas):
        rows, selection = chosen(frame, area)
        for at, stage in enumerate(STAGES):
            of_stage = rows[rows["stage"] == stage].sort_values("time_ms")
            panel = axes[at, column]
            for kind in SPACES:
                mean, error = (
                    of_stage[f"{kind}_mean"].to_numpy(),
                    of_stage[f"{kind}_sem"].fillna(0).to_numpy(),
                )
                shaded(panel, of_stage["time_ms"].to_numpy() + 0.5, mean, error, space_colour(kind))
            show_window(panel, settings.analysis.window_ms)
            parts[stage].append(of_stage)
        axes[0, column].set_title(title(area, int(rows["n"].max()), selection))
        axes[1, column].set_xlabel("Time from image onset (ms)")
    if areas:
        top = max(panel.get_ylim()[1] for panel in axes.flat)
        for at, stage in enumerate(STAGES):
            axes[at, 0].set_ylim(min(0.0, axes[at, 0].get_ylim()[0]), top)
            axes[at, 0].set_ylabel(f"{STAGES[stage]}\nRate (of maximum)")
        space_legend(axes[0, 0], loc="upper left")
    return figure, {
        stage: pd.concat(rows, ignore_index=True) if rows else frame for stage, rows in parts.items()
    }


def caption(tables: Tables, settings: FigureSettings) -> str:
    """State N and corrections."""
    return words(
        f"""
        PSTHs of the first and of the last block (padded: the mean of the last two) of each experiment over
        its normalization rate (the largest evoked block mean, so peaks exceed 1): mean over experiments,
        shading one standard error over experiments. No test; tests by time bin stand with the time-binned
        trajectories. {selected(tables["population_psth"], settings)}.
        """
    )


FIGURES = (FigureEntry("population_psth", "population", 50, draw_population_psth, caption),)
