"""Are the two prototypes of a unit more alike than those of different units (Fig. 3)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.special import ndtri

from evoalign.analysis.settings import Analysis
from evoalign.figures.captions import FigureSettings, percent
from evoalign.figures.panels import Source, Tables, areas_of, p_words, words
from evoalign.figures.prototypes import chosen_points, measure_label, selection_words
from evoalign.figures.style import (
    PAGE,
    REFERENCE_COLOUR,
    area_colour,
    area_label,
    letter,
    new_figure,
    say_empty,
)


def draw_pairings(tables: Tables, settings: FigureSettings) -> tuple[Figure, Source]:
    """Draw paired against shuffled distances of the prototypes, and their difference under every measure.

    Tables: `image_distances` and `image_pairings`. Source: 'a': the experiments' distances; 'b':
    tests of every measure.
    """
    points, selection = chosen_points(tables, settings)
    tests = _tests(tables, points, selection)
    figure = new_figure(PAGE, 2.6)
    axes = figure.subplots(1, 2, width_ratios=[1.5, 1])
    _points(axes[0], points, tests)
    forest = _forest_rows(tables, settings, selection)
    _forest(axes[1], forest, settings.analysis)
    for panel, mark in zip(axes, "ab", strict=True):
        letter(panel, mark)
    return figure, {"a": points.reset_index(drop=True), "b": forest}


def _tests(tables: Tables, points: pd.DataFrame, selection: str) -> pd.DataFrame:
    frame = tables["image_pairings"]
    keep = frame["selection"] == selection
    for name in ("prototype", "measure", "mask"):
        keep &= frame[name] == (points[name].iloc[0] if len(points) else "")
    return frame[keep].set_index("area")


def _points(panel: Axes, points: pd.DataFrame, tests: pd.DataFrame) -> None:
    areas = areas_of(points)
    if not areas or points["shuffled"].isna().all():
        say_empty(panel, "no area with two valid experiments")
        return
    top = float(points[["distance", "shuffled"]].max().max())
    for at, area in enumerate(areas):
        of_area = points[points["area"] == area]
        colour = area_colour(area)
        for pair in of_area[["distance", "shuffled"]].to_numpy():
            panel.plot([at - 0.18, at + 0.18], pair, color=REFERENCE_COLOUR, alpha=0.35, linewidth=0.5)
        for place, column in ((at - 0.18, "distance"), (at + 0.18, "shuffled")):
            panel.scatter(
                np.full(len(of_area), place), of_area[column], s=8, color=colour, alpha=0.6, linewidth=0
            )
            panel.plot(place, of_area[column].mean(), "_", color=colour, markersize=12, markeredgewidth=1.6)
        p_text = p_words(float(tests["p"].get(area, np.nan)))
        panel.annotate(p_text or "no test", (at, 1.06 * top), ha="center", fontsize=6)
    panel.set_ylim(top=1.15 * top)
    panel.set_xlim(-0.5, len(areas) - 0.5)
    n = points["area"].value_counts()
    ticks = [at + side for at in range(len(areas)) for side in (-0.18, 0.18)]
    panel.set_xticks(ticks, ["paired", "shuffled"] * len(areas), fontsize=5.5)
    for at, area in enumerate(areas):
        panel.annotate(
            f"{area_label(area)} (n = {n[area]})",
            (at, -0.16),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="top",
            fontsize=7,
        )
    panel.set_ylabel(f"Distance\n({measure_label(points['measure'].iloc[0], points['mask'].iloc[0])})")


def _forest_rows(tables: Tables, settings: FigureSettings, selection: str) -> pd.DataFrame:
    frame = tables["image_pairings"]
    keep = (frame["area"] == "all") & (frame["selection"] == selection)
    return frame[keep & (frame["prototype"] == settings.prototypes.prototype)].reset_index(drop=True)


def _forest(panel: Axes, rows: pd.DataFrame, settings: Analysis) -> None:
    with_z = rows[rows["z"].notna()]
    if with_z.empty:
        say_empty(panel, "no test: nothing to shuffle")
        return
    place = np.arange(len(with_z))[::-1]
    null_sd = float(-ndtri((1 - settings.interval) / 2))
    panel.axvspan(-null_sd, null_sd, color=REFERENCE_COLOUR, alpha=0.2, linewidth=0)
    panel.axvline(0, color=REFERENCE_COLOUR, linewidth=0.6)
    for at, z, q in zip(place, with_z["z"].to_numpy(), with_z["q"].to_numpy(), strict=True):
        panel.plot(z, at, "o", color="black" if q < settings.fdr else "white", markeredgecolor="black")
    names = [measure_label(m, k) for m, k in zip(with_z["measure"], with_z["mask"], strict=True)]
    panel.set_yticks(place, names, fontsize=5.5)
    panel.set_ylim(-0.7, len(with_z) - 0.3)
    reach = max(1.1 * float(with_z["z"].abs().max()), 1.3 * null_sd)
    panel.set_xlim(-reach, reach)
    panel.set_xlabel("Paired minus shuffled (SD of permutations)")
    handles = [
        Line2D([], [], marker="o", linestyle="", color="black", label=f"q < {settings.fdr:g}"),
        Line2D([], [], marker="o", linestyle="", color="white", markeredgecolor="black", label="not"),
    ]
    panel.legend(handles=handles, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))


def caption_pairings(tables: Tables, settings: FigureSettings) -> str:
    """State what is shown, N, tests and corrections."""
    points, selection = chosen_points(tables, settings)
    tests = _tests(tables, points, selection)
    measure = measure_label(points["measure"].iloc[0], points["mask"].iloc[0]) if len(points) else "none"
    areas_text = "; ".join(
        f"{'all areas' if area == 'all' else area_label(area)} n = {n}, {p_words(p) or 'no test'}"
        for area, n, p in zip(tests.index.astype(str), tests["n"], tests["p"].to_numpy(), strict=True)
    )
    return words(
        f"""
        a, Distance ({measure}) of the two threads' prototypes ({settings.prototypes.prototype}) of each
        experiment, and mean distance of its prototypes to those of the other experiments of its area; lines
        join these, bars are means; {selection_words(selection, settings)}. p: two-sided permutation test of
        the pairing within areas (experiments of one unit are exchanged together), not corrected:
        {areas_text or "no valid experiment"}. b, Paired minus permuted mean over all areas, in standard
        deviations of the permuted means, for every measure and mask; grey:
        {percent(settings.analysis.interval)} of a normal distribution; filled: q < {settings.analysis.fdr:g}
        (Benjamini-Hochberg over measures). Negative: prototypes of one unit are more alike.
        """
    )
