"""Selectivity for images, of a session that is no paired evolution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from evoalign.figures.captions import FigureSettings, percent, show_window, span
from evoalign.figures.from_tables.entry import FigureEntry
from evoalign.figures.images import BEST, counts_words, show_ends, show_psth, show_rates
from evoalign.figures.panels import Source, Tables, p_words, rate_label, unit_words, words
from evoalign.figures.style import (
    OTHER_COLOURS,
    PAGE,
    REFERENCE_COLOUR,
    SPACE_COLOURS,
    area_label,
    letter,
    new_figure,
)

COLOURS = (*SPACE_COLOURS.values(), "#009E73", "#CC79A7", *OTHER_COLOURS[:1])
MOST_CONDITIONS = 5  # that a panel holds and colours tell apart


def draw_image_selectivity(tables: Tables, settings: FigureSettings) -> tuple[Figure, Source]:
    """Draw rates by image, PSTHs of images and conditions, and the noise ceiling of every unit.

    Tables: `selectivity`, `image_responses`, `image_psth`, with rows. Source: 'a': rates by image;
    'b': PSTHs of the best and the worst image; with several conditions 'c': their PSTHs; last, where
    images were repeated: units.
    """
    ranked = _ranked(tables)
    panels: list[Callable[[Axes], pd.DataFrame]] = [
        lambda axes: _rates(axes, ranked, rate_label(tables)),
        lambda axes: _extremes(axes, ranked, tables, settings),
    ]
    if _conditions(tables):
        panels.append(lambda axes: _by_condition(axes, tables, settings))
    if _tested(tables):
        panels.append(lambda axes: _ceilings(axes, tables["selectivity"], settings))
    figure = new_figure(PAGE, 2.3)
    source = {}
    for axes, draw, name in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels, "abcd", strict=False
    ):
        source[name] = draw(axes)
        letter(axes, name)
    shown = _shown(tables)
    figure.axes[0].set_title(f"{shown['session']}, {area_label(shown['area'])}")
    return figure, source


def _shown(tables: Tables) -> pd.Series:
    frame = tables["selectivity"]
    return frame[frame["shown"]].iloc[0]


def _ranked(tables: Tables) -> pd.DataFrame:
    order = ["mean_hz", "condition", "image"]
    frame = tables["image_responses"].sort_values(order, ascending=[False, True, True])
    return frame.reset_index(drop=True)


def _conditions(tables: Tables) -> list[str]:
    """Conditions in their order, where there are several and a panel can hold them."""
    names = sorted(set(tables["image_responses"]["condition"]))
    return names if 1 < len(names) <= MOST_CONDITIONS else []


def _tested(tables: Tables) -> bool:
    return bool(tables["selectivity"]["ceiling"].notna().any())


def _rates(axes: Axes, ranked: pd.DataFrame, label: str) -> pd.DataFrame:
    show_rates(axes, ranked, 2.5)
    axes.set_xlabel("Image, by rank")
    axes.set_ylabel(label)
    return ranked


def _extremes(axes: Axes, ranked: pd.DataFrame, tables: Tables, settings: FigureSettings) -> pd.DataFrame:
    ends = show_ends(axes, ranked, tables["image_psth"], ["image", "condition"])
    axes.set_ylabel(rate_label(tables))
    axes.set_ylim(top=1.3 * axes.get_ylim()[1])  # room for the legend
    show_window(axes, settings.analysis.window_ms)
    return pd.concat(ends.values(), ignore_index=True)


def _by_condition(axes: Axes, tables: Tables, settings: FigureSettings) -> pd.DataFrame:
    frame, parts = tables["image_psth"], []
    for name, colour in zip(_conditions(tables), COLOURS, strict=False):
        of_condition = frame[(frame["image"] == "") & (frame["condition"] == name)]
        label = f"{name or 'unknown'} (n = {int(of_condition['n'].iloc[0])})"
        parts.append(show_psth(axes, of_condition, colour, label))
    axes.set_ylim(top=1.3 * axes.get_ylim()[1])  # room for the legend
    axes.legend(loc="upper left")
    show_window(axes, settings.analysis.window_ms)
    return pd.concat(parts, ignore_index=True)


def _ceilings(axes: Axes, frame: pd.DataFrame, settings: FigureSettings) -> pd.DataFrame:
    units = frame[frame["ceiling"].notna()].sort_values(["ceiling", "unit"], ascending=[False, True])
    rank = np.arange(len(units)) + 1
    error = [units["ceiling"] - units["ceiling_low"], units["ceiling_high"] - units["ceiling"]]
    axes.errorbar(rank, units["ceiling"], error, fmt="none", ecolor=REFERENCE_COLOUR, elinewidth=0.6)
    selective = (units["q"] < settings.analysis.fdr).to_numpy()
    for is_selective, face in ((True, BEST), (False, "white")):
        marked = selective == is_selective
        axes.plot(
            rank[marked], units["ceiling"][marked], "o", color=BEST, markerfacecolor=face, markersize=3.5
        )
    axes.set_ylim(-0.03, 1.03)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("Unit, by rank")
    axes.set_ylabel("Noise ceiling")
    return units.reset_index(drop=True)


def caption(tables: Tables, settings: FigureSettings) -> str:
    """State N, tests, corrections and how the unit was chosen."""
    shown, ranked = _shown(tables), _ranked(tables)
    conditions = _conditions(tables)
    of_unit = unit_words(tables) if shown["preferred"] else f"unit {shown['unit']}"
    by = "smallest p" if np.isfinite(shown["p"]) else "highest rate"
    among = len(tables["selectivity"])
    how = "" if shown["preferred"] or among == 1 else f"; of {among} units it has the {by}, also by chance"
    return words(
        f"""
        Responses of {"the " if shown["preferred"] else ""}{of_unit} to {shown["n_images"]} images
        ({shown["n"]} valid presentations){how}. The session is no paired evolution. a, Mean in the evoked
        window ({span(settings.analysis.evoked_ms)}), sorted; bars: one standard error over presentations
        (n = {counts_words(ranked)} an image). b, PSTHs of the best and the worst of them, shading one
        standard error; sorted by these same rates, so the ends are extreme by chance too.
        {"c, PSTHs of all presentations of each condition." if conditions else ""}
        {_tests(tables, settings, "d" if conditions else "c")}
        """
    )


def _tests(tables: Tables, settings: FigureSettings, name: str) -> str:
    frame, shown = tables["selectivity"], _shown(tables)
    tested = frame[frame["p"].notna()]
    if tested.empty:
        return "No test: no two images were shown twice, or no unit's rate varied."
    level = settings.analysis.fdr
    test = (
        f"One-way analysis of variance of single presentations over the {shown['n_repeated']} images that "
        f"were shown at least twice: {(tested['q'] < level).sum()} of {len(tested)} units q < {level:g} "
        "(Benjamini-Hochberg over units of a kind)"
    )
    of_shown = (
        f"; unit shown F({shown['df_between']:.0f}, {shown['df_within']:.0f}) = {shown['f']:.2f}, "
        f"{p_words(shown['p'])}."
        if np.isfinite(shown["p"])
        else "."
    )
    if not _tested(tables):
        return test + of_shown
    interval = percent(settings.analysis.interval)
    return (
        f"{name}, Noise ceiling of every unit: share of a single presentation's variance that images "
        f"explain, with its {interval} interval (by F); filled: q < {level:g}. {test}{of_shown}"
    )


FIGURES = (FigureEntry("image_selectivity", "session images", 10, draw_image_selectivity, caption),)
