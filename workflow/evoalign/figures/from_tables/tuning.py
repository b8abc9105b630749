"""Tuning of one unit along eigen-axes of the image metric (Fig. 6C)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D

from evoalign.figures.captions import FigureSettings, span
from evoalign.figures.from_tables.entry import FigureEntry
from evoalign.figures.panels import Source, Tables, p_words, rate_label, unit_words, words
from evoalign.figures.style import PAGE, REFERENCE_COLOUR, area_label, letter, new_figure, say_empty

SUBSPACES = ("class", "noise")
SUBSPACE_COLOURS = {"class": "#009E73", "noise": "#CC79A7"}
CURVES = 5  # axes that are drawn as curves: those of the smallest p
ROW = 0.13  # height of an axis in a heatmap, inches


def axis_name(subspace: str, axis: int) -> str:
    """Name of an axis in titles, as in the names of its images."""
    return f"{subspace} eig {axis}"


def draw_tuning(tables: Tables, _: FigureSettings) -> tuple[Figure, Source]:
    """Draw the tuning session of one unit (Fig. 6C).

    Tables: `tuning_curves`, `tuning_fits` and `tuning_axes` of one session. Source: 'a', 'b': mean
    rates of the heatmaps, a row an axis, a column a distance; 'c': presentations' means of the
    curves; 'c_fits': their fits.
    """
    curves, axes = tables["tuning_curves"], tables["tuning_axes"]
    subspaces = [name for name in SUBSPACES if (curves["subspace"] == name).any()]
    rows = max((curves[curves["subspace"] == name]["axis"].nunique() for name in subspaces), default=1)
    figure = new_figure(PAGE, 1.0 + ROW * rows + 1.7)
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=[1.0 + ROW * rows, 1.7])[:, 0]
    source = _heatmaps(top, tables, subspaces)
    chosen = axes.sort_values("p", kind="stable").head(CURVES)
    source |= _curves(bottom, tables, chosen)
    who = curves.iloc[0]
    figure.suptitle(f"{who['session']}, {area_label(str(who['area']))}", x=0.01, ha="left")
    return figure, source


def grid_of(curves: pd.DataFrame, value: str) -> pd.DataFrame:
    """A row an axis, a column a distance, rising."""
    return curves.pivot_table(index="axis", columns="distance", values=value, sort=True)


def show_grid(panel: Axes, grid: pd.DataFrame, **how: float) -> AxesImage:
    """Heatmap by axis and distance; columns are as wide as each other, whatever the distances."""
    image = panel.imshow(grid.to_numpy(dtype=float), aspect="auto", **how)  # type: ignore[arg-type]
    panel.set_yticks(range(len(grid)), [str(axis) for axis in grid.index])
    labels = [f"{at:g}" for at in grid.columns]
    panel.set_xticks(range(len(labels)), labels, fontsize=5.5)
    for spine in panel.spines.values():
        spine.set_visible(False)
    panel.tick_params(length=0)
    return image


def _heatmaps(figure: SubFigure, tables: Tables, subspaces: Sequence[str]) -> Source:
    curves, axes = tables["tuning_curves"], tables["tuning_axes"]
    panels = figure.subplots(1, max(len(subspaces), 1), squeeze=False)[0]
    low, high = curves["mean_hz"].min(), curves["mean_hz"].max()
    source: Source = {}
    for name, panel, mark in zip(subspaces, panels, "ab", strict=False):
        grid = grid_of(curves[curves["subspace"] == name], "mean_hz")
        image = show_grid(panel, grid, vmin=float(low), vmax=float(high))
        _mark(panel, grid, axes[axes["subspace"] == name].set_index("axis"))
        panel.set_title(f"{name.capitalize()} axes")
        panel.set_xlabel("Image distance from the centre")
        letter(panel, mark)
        source[mark] = grid.reset_index()
    panels[0].set_ylabel("Eigenvector")
    figure.colorbar(image, ax=panels, label=rate_label(tables), shrink=0.8)
    return source


def _mark(panel: Axes, grid: pd.DataFrame, axes: pd.DataFrame) -> None:
    """Stars beside tuned axes; a ring at their peak."""
    distances = grid.columns.to_numpy(dtype=float)
    for row, axis in enumerate(grid.index):
        if axis not in axes.index or not axes.loc[axis, "tuned"]:
            continue
        panel.annotate(
            "*", (1.01, row + 0.25), xycoords=("axes fraction", "data"), va="center", annotation_clip=False
        )
        at = np.interp(axes.loc[axis, "peak"], distances, np.arange(len(distances)))
        panel.plot(at, row, "o", markersize=3.5, markerfacecolor="none", color="white", markeredgewidth=0.8)


def _curves(figure: SubFigure, tables: Tables, chosen: pd.DataFrame) -> Source:
    panels = figure.subplots(1, max(len(chosen), 1), squeeze=False, sharey=True)[0]
    letter(panels[0], "c")
    keys = chosen[["subspace", "axis"]]
    points = keys.merge(tables["tuning_curves"], how="left")
    fits = keys.merge(tables["tuning_fits"], how="left")
    if chosen.empty:
        say_empty(panels[0], "no axis of enough distances")
    for panel, (_, row) in zip(panels, chosen.iterrows(), strict=False):
        _curve(panel, row, _own(points, row), _own(fits, row))
    panels[0].set_ylabel(rate_label(tables))
    panels[len(panels) // 2].set_xlabel("Image distance from the centre")
    handles = [
        Line2D([], [], marker="o", linestyle="", color="black", label="Mean"),
        Line2D([], [], color="black", label="Gaussian process"),
        Line2D([], [], color=REFERENCE_COLOUR, linestyle=(0, (4, 2)), label="Gaussian"),
        Line2D([], [], color=REFERENCE_COLOUR, linewidth=0.7, label="Line"),
    ]
    figure.legend(handles=handles, ncols=4, loc="outside lower center")
    drop = ["session", "subject", "area", "unit"]
    return {"c": points.drop(columns=drop), "c_fits": fits.drop(columns=drop)}


def _own(frame: pd.DataFrame, row: pd.Series) -> pd.DataFrame:
    return frame[(frame["subspace"] == row["subspace"]) & (frame["axis"] == row["axis"])]


def _curve(panel: Axes, row: pd.Series, points: pd.DataFrame, fit: pd.DataFrame) -> None:
    colour = SUBSPACE_COLOURS.get(str(row["subspace"]), REFERENCE_COLOUR)
    at = fit["distance"].to_numpy()
    mean, sd = fit["process_hz"].to_numpy(), fit["process_sd_hz"].to_numpy()
    panel.fill_between(at, mean - sd, mean + sd, color=colour, alpha=0.2, linewidth=0)
    panel.plot(at, fit["line_hz"], color=REFERENCE_COLOUR, linewidth=0.7)
    panel.plot(at, fit["gaussian_hz"], color=REFERENCE_COLOUR, linestyle=(0, (4, 2)))
    panel.plot(at, mean, color=colour)
    error = np.nan_to_num(points["sem_hz"].to_numpy())
    panel.errorbar(points["distance"], points["mean_hz"], error, fmt="o", color="black", markersize=2.5)
    panel.set_title(
        f"{axis_name(str(row['subspace']), int(row['axis']))}\n{p_words(float(row['p']))}, {row['shape']}"
    )


def caption(tables: Tables, settings: FigureSettings) -> str:
    """State what is shown, N and tests."""
    curves, axes = tables["tuning_curves"], tables["tuning_axes"]
    points = tables["tuning_points"]
    tuned = int(axes["tuned"].sum())
    return words(
        f"""
        Tuning of the {unit_words(tables)} along eigenvectors of the image metric
        ({points["presentation"].nunique()} presentations, {len(axes)} axes). a, b, Mean evoked response
        ({span(settings.analysis.evoked_ms)}) by axis and signed image distance from the centre; the centre
        belongs to every axis; {curves["n"].min()} to {curves["n"].max()} presentations a cell. Star: tuned
        (one-way ANOVA over distances of single presentations, p < {settings.tuning.anova_p:g}, not corrected
        over axes: {tuned} of {len(axes)}; {int((axes["q"] < settings.analysis.fdr).sum())} at q <
        {settings.analysis.fdr:g}, Benjamini-Hochberg over axes); ring: peak, the distance with the largest
        mean. c, The {min(CURVES, len(axes))} axes of the smallest p: mean and standard error over
        presentations; Gaussian process (constant x RBF + white noise, prior mean 0) with one standard
        deviation of a presentation (white noise included), Gaussian with baseline and straight line, fitted
        to single presentations.
        """
    )


FIGURES = (FigureEntry("tuning", "session tuning", 10, draw_tuning, caption),)
