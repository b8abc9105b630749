"""A paired evolution: both threads' evoked rates block by block (Fig. 2B)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from evoalign.figures.by_block import label_blocks
from evoalign.figures.captions import FigureSettings, span
from evoalign.figures.images import show_picture
from evoalign.figures.panels import Source, Tables, p_words, rate_label, shaded, unit_words, words
from evoalign.figures.style import (
    COLUMN,
    REFERENCE_COLOUR,
    area_label,
    letter,
    new_figure,
    say_empty,
    space_colour,
    space_label,
)

Images = Mapping[int, NDArray[np.uint8]]


def draw_paired_evolution(tables: Tables, images: Images | None = None) -> tuple[Figure, Source]:
    """Draw one session's evolution (Fig. 2B).

    Tables: `trajectories`, `experiments` and `success` of one session. Source: panel 'a': the
    plotted trajectories.

    Parameters
    ----------
    images : mapping of int to ndarray, optional
        Thread -> uint8 ``[row, column]`` or ``[row, column, 3]`` to show
        beside the trajectories: the best block's best image.
    """
    by_thread = {thread: pixels for thread, pixels in (images or {}).items() if thread in (0, 1)}
    figure = new_figure(COLUMN + (1.1 if by_thread else 0), 2.5)
    grid = figure.add_gridspec(2, 2 if by_thread else 1, width_ratios=[3.2, 1] if by_thread else [1])
    axes = figure.add_subplot(grid[:, 0])
    frame = tables["trajectories"]
    frame = frame[frame["window"].isin(("evoked", "baseline")) & (frame["n"] > 0)]
    _trajectories(axes, frame)
    _words(axes, tables)
    for thread, pixels in by_thread.items():
        panel, kind = figure.add_subplot(grid[thread, 1]), _kind(frame, thread)
        show_picture(panel, pixels, space_colour(kind))
        panel.set_title(f"Best, {space_label(kind).lower()}", loc="center")
    if by_thread:
        letter(axes, "a")
    columns = ["thread", "space", "stimuli", "window", "block", "mean_hz", "sem_hz", "n"]
    return figure, {"a": frame[columns].reset_index(drop=True)}


def _trajectories(axes: Axes, frame: pd.DataFrame) -> None:
    groups = frame.groupby(["thread", "stimuli", "window"], sort=True)
    for (_, stimuli, window), rows in groups:
        rows = rows.sort_values("block")
        colour = space_colour(str(rows["kind"].iloc[0]))
        x, y = rows["block"].to_numpy(), rows["mean_hz"].to_numpy()
        if stimuli == "generated" and window == "evoked":
            shaded(axes, x, y, rows["sem_hz"].fillna(0).to_numpy(), colour)
        elif window == "evoked":
            axes.plot(x, y, color=colour, linestyle=(0, (4, 2)), linewidth=0.8)
        elif stimuli == "generated":
            axes.plot(x, y, color=colour, linewidth=0.6, alpha=0.6)
    if frame.empty:
        say_empty(axes, "no presentations")
        return
    names = frame.drop_duplicates("thread").set_index("thread")
    handles = [
        Line2D([], [], color=space_colour(row["kind"]), label=space_label(row["kind"]) or row["space"])
        for _, row in names.sort_index().iterrows()
    ]
    if (frame["stimuli"] == "reference").any():
        handles.append(
            Line2D([], [], linestyle=(0, (4, 2)), linewidth=0.8, label="Reference", color=REFERENCE_COLOUR)
        )
    handles.append(Line2D([], [], linewidth=0.6, label="Baseline", color=REFERENCE_COLOUR))
    axes.legend(handles=handles, loc="upper left", ncols=2, bbox_to_anchor=(0, 1.0))
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0), high + 0.22 * (high - low))


def _words(axes: Axes, tables: Tables) -> None:
    experiment = tables["experiments"].iloc[0]
    label_blocks(axes)
    axes.set_ylabel(rate_label(tables))
    axes.set_title(f"{experiment['session']}, {area_label(experiment['area'])}")


def _kind(frame: pd.DataFrame, thread: int) -> str:
    kinds = frame.loc[frame["thread"] == thread, "kind"]
    return str(kinds.iloc[0]) if len(kinds) else ""


def caption(tables: Tables, settings: FigureSettings) -> str:
    """State what is shown, N and tests."""
    experiment = tables["experiments"].iloc[0]
    rise = tables["success"].query("statistic == 'maxinit'")
    tests = "; ".join(_test_words(row) for _, row in rise.iterrows() if np.isfinite(row["t"]))
    status = "valid" if experiment["valid"] else f"not valid: {experiment['reason']}"
    lost = int(experiment["n_unrecorded"])
    unrecorded = (
        f" {lost} other presentations, in which the unit was not recorded, are left out." if lost else ""
    )
    return words(
        f"""
        Paired evolution of {experiment["session"]} ({area_label(experiment["area"])}, {status}): mean
        response of the {unit_words(tables)} in the evoked window ({span(settings.analysis.evoked_ms)}) by
        block, shading one standard error over single presentations ({experiment["n_presentations"]}
        presentations, {experiment["n_blocks"]} blocks).{unrecorded} Dashed: reference images; thin:
        baseline window ({span(settings.analysis.baseline_ms)}). Best two blocks against the first two,
        two-sample t-test of single presentations: {tests or "too few presentations"}; not corrected.
        """
    )


def _test_words(row: pd.Series) -> str:
    name = row["space"] or f"thread {row['thread']}"
    return f"{name} t({row['df']:.0f}) = {row['t']:.2f}, {p_words(row['p'])}"
