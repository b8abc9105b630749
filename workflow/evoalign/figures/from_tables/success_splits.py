"""Success rates by space and by optimiser (Fig. 4A, split)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from evoalign.figures.captions import FigureSettings, quantiles, success_words
from evoalign.figures.from_tables.entry import FigureEntry
from evoalign.figures.panels import SPACES, Source, Tables, areas_of, words
from evoalign.figures.style import COLUMN, PAGE, area_label, letter, new_figure, say_empty, space_colour

SPLITS = ("space", "optimiser")


def draw_success_splits(tables: Tables, _: FigureSettings) -> tuple[Figure, Source]:
    """Draw success rates of each thread by its space, and by its optimiser where optimisers are known.

    Tables: `success_splits`. Source: panel 'a' (spaces), and 'b' (optimisers) where there are any.
    """
    frame = tables["success_splits"]
    parts = [frame[frame["split"] == split].reset_index(drop=True) for split in SPLITS]
    drawn_parts = [part for part in parts if len(part)] or parts[:1]
    figure = new_figure(PAGE if len(drawn_parts) > 1 else 1.4 * COLUMN, 2.4)
    axes = figure.subplots(1, len(drawn_parts), squeeze=False, sharey=True)[0]
    for panel, rows, mark in zip(axes, drawn_parts, "ab", strict=False):
        _bars(panel, rows)
        if len(drawn_parts) > 1:
            letter(panel, mark)
    return figure, dict(zip("ab", drawn_parts, strict=False))


def _bars(panel: Axes, rows: pd.DataFrame) -> None:
    if rows.empty:
        say_empty(panel, "no valid experiment")
        return
    areas = [area for area in areas_of(rows) if area != "all"] + ["all"]
    # Texture before object, as everywhere.
    names_of_kind = {kind: sorted(set(rows.loc[rows["kind"] == kind, "name"].astype(str))) for kind in SPACES}
    groups = [(kind, name) for kind, names in names_of_kind.items() for name in names]
    labels_of = _labels(rows)
    width = 0.8 / len(groups)
    for at, (kind, name) in enumerate(groups):
        of_name = rows[(rows["kind"] == kind) & (rows["name"] == name)].set_index("area").reindex(areas)
        x = np.arange(len(areas)) + (at - (len(groups) - 1) / 2) * width
        colour = _tint(space_colour(kind), names_of_kind[kind].index(name))
        panel.bar(x, of_name["rate"], 0.92 * width, color=colour, label=labels_of[kind, name])
        rate, low, high = (of_name[column].to_numpy(np.float64) for column in ("rate", "low", "high"))
        error = np.clip([rate - low, high - rate], 0, None)
        panel.errorbar(x, rate, error, fmt="none", ecolor="black", elinewidth=0.6)
        for place, k, n, top in zip(x, of_name["k"], of_name["n"], np.fmax(rate, high), strict=True):
            if np.isfinite(top):
                panel.annotate(
                    f"{k:.0f}/{n:.0f}",
                    (place, top),
                    (0, 2),
                    textcoords="offset points",
                    ha="center",
                    va="bottom",
                    rotation=90,
                    fontsize=5.5,
                )
    labels = ["All" if area == "all" else area_label(area) for area in areas]
    panel.set_xticks(range(len(areas)), labels)
    panel.set_ylim(0, 1.5)
    panel.set_yticks([0, 0.5, 1])
    panel.set_ylabel("Success rate")
    panel.legend(ncols=min(len(groups), 4), loc="upper left", columnspacing=0.8, handlelength=0.8)


def _labels(rows: pd.DataFrame) -> dict[tuple[str, str], str]:
    """By kind and name: the name, with its kind where both kinds have it."""
    pairs = sorted(set(zip(rows["kind"].astype(str), rows["name"].astype(str), strict=True)))
    names = [name for _, name in pairs]
    return {(kind, name): f"{name} ({kind})" if names.count(name) > 1 else name for kind, name in pairs}


def _tint(colour: str, step: int) -> tuple[float, ...]:
    """Colour of the kind, lighter with each further name of it."""
    keep = 0.55**step
    return tuple(1 - keep * (1 - part) for part in to_rgb(colour))


def caption(tables: Tables, settings: FigureSettings) -> str:
    """State N, tests and corrections."""
    frame = tables["success_splits"]
    every = frame[frame["area"] == "all"]
    counted = {}
    for split in SPLITS:
        rows = every[every["split"] == split]
        labels = _labels(rows)
        counted[split] = ", ".join(
            f"{labels[str(row['kind']), str(row['name'])]} n = {row['n']}" for _, row in rows.iterrows()
        )
    optimisers = (
        f" b, The same by optimiser ({counted['optimiser']})."
        if counted["optimiser"]
        else " The sample sheet names no optimisers (column optimisers)."
    )
    return words(
        f"""
        {"a, " if counted["optimiser"] else ""}Share of valid experiments whose thread succeeds (best two
        blocks above the first two, two-sample t-test of single presentations, {success_words(settings)}), by
        the thread's space ({counted["space"] or "no valid experiment"}); blue: texture, orange: object
        spaces; numbers: successes of experiments; bars: {quantiles(settings.analysis.success_interval)} of
        Beta(k+1, n-k+1).{optimisers} No test between them.
        """
    )


FIGURES = (FigureEntry("success_splits", "population", 20, draw_success_splits, caption),)
