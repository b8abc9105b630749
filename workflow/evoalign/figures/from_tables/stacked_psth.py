"""PSTHs of every block, thread by thread (Fig. 2D)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from evoalign.figures.captions import FigureSettings, show_window, span
from evoalign.figures.from_tables.entry import FigureEntry
from evoalign.figures.panels import Source, Tables, rate_label, shaded, unit_words, words
from evoalign.figures.style import PAGE, area_label, letter, new_figure, say_empty, space_colour, space_label


def draw_stacked_psth(tables: Tables, settings: FigureSettings) -> tuple[Figure, Source]:
    """Draw one session's PSTHs by block as heat maps, and those of first and best blocks as lines.

    Tables: `psth` and `experiments` of one session. Source: panels 'a' and 'b' (thread 0, 1: rate
    by block and ms), 'c' (lines).
    """
    frame = tables["psth"]
    frame = frame[frame["stimuli"] == "generated"]
    figure = new_figure(PAGE, 2.2)
    axes = figure.subplots(1, 3, width_ratios=[1, 1, 1.1])
    top = float(frame["mean_hz"].max()) if len(frame) else 1.0
    image = None
    source = {}
    for thread, panel in enumerate("ab"):
        rows = frame[frame["thread"] == thread]
        image = _heat(axes[thread], rows, top) or image
        source[panel] = rows[["space", "block", "time_ms", "mean_hz", "n"]].reset_index(drop=True)
        letter(axes[thread], panel)
    axes[0].set_ylabel("Block")
    if image is not None:
        figure.colorbar(image, ax=list(axes[:2]), label=rate_label(tables), shrink=0.9, pad=0.02)
    source["c"] = _lines(axes[2], frame, tables["experiments"].iloc[0])
    show_window(axes[2], settings.analysis.window_ms)
    axes[2].set_ylabel(rate_label(tables))
    letter(axes[2], "c")
    return figure, source


def _heat(axes: Axes, rows: pd.DataFrame, top: float) -> AxesImage | None:
    axes.set_xlabel("Time from image onset (ms)")
    if rows.empty:
        say_empty(axes, "no presentations")
        return None
    kind, space = rows["kind"].iloc[0], rows["space"].iloc[0]
    axes.set_title(space_label(kind) or space, color=space_colour(kind))
    table = rows.pivot_table(index="block", columns="time_ms", values="mean_hz")
    table = table.reindex(range(table.index.min(), table.index.max() + 1))
    times, blocks = table.columns.to_numpy(), table.index.to_numpy()
    extent = (times[0], times[-1] + 1, blocks[-1] + 0.5, blocks[0] - 0.5)
    return axes.imshow(table.to_numpy(), aspect="auto", extent=extent, vmin=0, vmax=top)


def _lines(axes: Axes, frame: pd.DataFrame, experiment: pd.Series) -> pd.DataFrame:
    parts = []
    for thread in (0, 1):
        for stage, index in (("first", 0), ("best", experiment[f"best_block_{thread}"])):
            rows = frame[(frame["thread"] == thread) & (frame["block_index"] == index)].sort_values("time_ms")
            if rows.empty:
                continue
            x, y = rows["time_ms"].to_numpy() + 0.5, rows["mean_hz"].to_numpy()
            colour = space_colour(rows["kind"].iloc[0])
            name = space_label(rows["kind"].iloc[0]) or rows["space"].iloc[0]
            if stage == "best":
                shaded(axes, x, y, rows["sem_hz"].fillna(0).to_numpy(), colour, f"{name}, best")
            else:
                axes.plot(x, y, color=colour, linewidth=0.7, linestyle=(0, (3, 1.5)), label=f"{name}, first")
            parts.append(rows.assign(stage=stage))
    axes.set_xlabel("Time from image onset (ms)")
    if not parts:
        say_empty(axes, "no presentations")
        return pd.DataFrame()
    low, high = axes.get_ylim()
    axes.set_ylim(min(0.0, low), high + 0.3 * (high - low))
    axes.legend(ncols=2, loc="upper left", columnspacing=0.8)
    columns = ["space", "stage", "block", "time_ms", "mean_hz", "sem_hz", "n"]
    return pd.concat(parts)[columns].reset_index(drop=True)


def _smoothing(settings: FigureSettings) -> str:
    sigma = settings.analysis.smoothing_sigma_ms
    return f"smoothed with a Gaussian (SD {sigma:g} ms)" if sigma else "not smoothed"


def caption(tables: Tables, settings: FigureSettings) -> str:
    """State what is shown and N."""
    experiment = tables["experiments"].iloc[0]
    n_presentations = tables["psth"].query("stimuli == 'generated'").drop_duplicates(["thread", "block"])["n"]
    each = f"{int(np.median(n_presentations))} (median)" if len(n_presentations) else "no"
    return words(
        f"""
        PSTHs of the {unit_words(tables)} of {experiment["session"]} ({area_label(experiment["area"])}) by
        block: mean over {each} generated images a block, {_smoothing(settings)}. Right: the first block and
        the one with the largest evoked response ({span(settings.analysis.evoked_ms)}); shading one standard
        error over presentations. No test.
        """
    )


FIGURES = (FigureEntry("stacked_psth", "session", 10, draw_stacked_psth, caption),)
