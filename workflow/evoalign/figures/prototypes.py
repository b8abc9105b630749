"""Do prototypes that look alike drive the unit alike (Fig. 3G), and the prototypes themselves."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from PIL import Image

from evoalign.analysis.levels import CORRELATION_LEVEL
from evoalign.figures.captions import FigureSettings, percent, span
from evoalign.figures.images import Images, show_picture
from evoalign.figures.panels import Source, Tables, areas_of, p_words, words
from evoalign.figures.style import (
    PAGE,
    REFERENCE_COLOUR,
    area_colour,
    area_label,
    in_order,
    letter,
    new_figure,
    say_empty,
    space_colour,
)

RESPONSES = {"psth": "PSTH distance", "activation": "Activation distance"}
SELECTIONS = {"both": "both threads succeed", "valid": "all valid experiments"}
MEASURES = {
    "pixel": "Pixels, RMS difference",
    "correlation": "Pixels, 1 - r",
    "spectrum": "Amplitude spectrum, 1 - r",
    "lpips": "LPIPS",
    "lpips_squeeze": "LPIPS, SqueezeNet",
    "efficientnet_lite0": "EfficientNet-Lite0, cosine",
}
FEW = 3  # experiments that a correlation needs
COLUMNS, ROWS = 8, 2  # of pairs in the figure of prototypes: as many as a page shows


def read_pictures(folder: str | PathLike[str]) -> dict[str, NDArray[np.uint8]]:
    """Read the PNG files of a folder by name without suffix."""
    files = sorted(Path(folder).glob("*.png"))
    return {file.stem: np.asarray(Image.open(file, formats=("PNG",))) for file in files}


def measure_label(measure: str, mask: str) -> str:
    """Name of a measure and mask in figures."""
    name = MEASURES.get(measure, f"{measure}, cosine")
    return name if mask == "none" else f"{name}, {mask}"


def chosen_points(tables: Tables, settings: FigureSettings) -> tuple[pd.DataFrame, str]:
    """Points of the figure, and the selection of experiments that they are of.

    Experiments in which both threads succeed, as in the study; where these are
    too few for a correlation, all valid ones stand in.
    """
    frame = tables["image_distances"]
    measures = frame["measure"].unique().tolist()
    measure = settings.prototypes.measure if settings.prototypes.measure in measures else measures[0]
    of_measure = frame[(frame["prototype"] == settings.prototypes.prototype) & (frame["measure"] == measure)]
    mask = settings.prototypes.mask if (of_measure["mask"] == settings.prototypes.mask).any() else "none"
    of_measure = of_measure[(of_measure["mask"] == mask) & of_measure["valid"].astype(bool)]
    both_succeed = of_measure[of_measure["both_succeed"].astype(bool)]
    return (both_succeed, "both") if len(both_succeed) >= FEW else (of_measure, "valid")


def selection_words(selection: str, settings: FigureSettings) -> str:
    """Say which experiments are shown; 'both' with the threshold of success."""
    level = f" (p < {settings.analysis.both_succeed_p:g})" if selection == "both" else ""
    return SELECTIONS[selection] + level


def draw_image_similarity(tables: Tables, settings: FigureSettings) -> tuple[Figure, Source]:
    """Draw response against image distance, and their correlation under every measure (Fig. 3G).

    Tables: `image_distances` and `distance_correlations`. Source: 'a', 'b': points; 'c':
    correlations.
    """
    points, selection = chosen_points(tables, settings)
    figure = new_figure(PAGE, 2.6)
    axes = figure.subplots(1, 3, width_ratios=[1, 1, 1.1])
    for panel, (response, label), mark in zip(axes, RESPONSES.items(), "ab", strict=False):
        _scatter(panel, points, f"{response}_distance", _row(tables, points, selection, response))
        panel.set_ylabel(f"{label} (of maximum)")
        letter(panel, mark)
    rows = _forest_rows(tables, settings, selection)
    _forest(axes[2], rows, settings.analysis.fdr)
    letter(axes[2], "c")
    source = {"a": points.drop(columns="activation_distance"), "b": points.drop(columns="psth_distance")}
    return figure, {**source, "c": rows}


def _row(tables: Tables, points: pd.DataFrame, selection: str, response: str) -> pd.Series | None:
    """The correlation over all areas that the points show; None without points."""
    if points.empty:
        return None
    frame = tables["distance_correlations"]
    keep = (frame["area"] == "all") & (frame["selection"] == selection) & (frame["response"] == response)
    for name in ("prototype", "measure", "mask"):
        keep &= frame[name] == points[name].iloc[0]
    return frame[keep].iloc[0]


def _scatter(panel: Axes, points: pd.DataFrame, response: str, row: pd.Series | None) -> None:
    if points.empty or row is None:
        say_empty(panel, "no valid experiment")
        return
    for area in areas_of(points):
        of_area = points[points["area"] == area]
        label = f"{area_label(area)} (n = {len(of_area)})"
        panel.scatter(
            of_area["distance"], of_area[response], s=12, color=area_colour(area), label=label, alpha=0.85
        )
    if np.isfinite(row["pearson_r"]):
        x = points["distance"].to_numpy()
        slope, intercept = np.polyfit(x, points[response].to_numpy(), 1)
        ends = np.array([x.min(), x.max()])
        panel.plot(ends, slope * ends + intercept, color=REFERENCE_COLOUR, linewidth=0.8)
        correlation_text = (
            f"r = {row['pearson_r']:.2f}, {p_words(row['pearson_p'])}\n$\\rho$ = {row['spearman_r']:.2f}"
        )
        panel.set_title(f"{correlation_text}, {p_words(row['spearman_p'])}")
    else:
        panel.set_title(f"n = {int(row['n'])}: too few\nto correlate")
    panel.set_xlabel(measure_label(points["measure"].iloc[0], points["mask"].iloc[0]))
    panel.margins(0.12)
    panel.legend(loc="best", handletextpad=0.1)


def _forest_rows(tables: Tables, settings: FigureSettings, selection: str) -> pd.DataFrame:
    frame = tables["distance_correlations"]
    keep = (frame["area"] == "all") & (frame["selection"] == selection) & (frame["response"] == "psth")
    return frame[keep & (frame["prototype"] == settings.prototypes.prototype)].reset_index(drop=True)


def _forest(panel: Axes, rows: pd.DataFrame, level: float) -> None:
    panel.axvline(0, color=REFERENCE_COLOUR, linewidth=0.6)
    place = np.arange(len(rows))[::-1]
    is_known = rows["pearson_r"].notna().to_numpy()
    # Three experiments have a correlation but no interval.
    low, high = rows["pearson_low"].fillna(rows["pearson_r"]), rows["pearson_high"].fillna(rows["pearson_r"])
    numbers = (place, rows["pearson_r"].to_numpy(), rows["q"].to_numpy(), low.to_numpy(), high.to_numpy())
    for at, r, q, a, b in zip(*(column[is_known] for column in numbers), strict=True):
        panel.plot([a, b], [at, at], color="black", linewidth=0.9)
        panel.plot(r, at, "o", color="black" if q < level else "white", markeredgecolor="black")
    names = [measure_label(m, k) for m, k in zip(rows["measure"], rows["mask"], strict=True)]
    panel.set_yticks(place, names, fontsize=5.5)
    panel.set_xlim(-1.05, 1.05)
    panel.set_ylim(-0.7, max(len(rows) - 0.3, 0.7))
    panel.set_xlabel("Pearson r with the PSTH distance")
    handles = [
        Line2D([], [], marker="o", linestyle="", color="black", label=f"q < {level:g}"),
        Line2D([], [], marker="o", linestyle="", color="white", markeredgecolor="black", label="not"),
    ]
    if is_known.any():
        panel.legend(handles=handles, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    else:
        panel.set_title("too few experiments")


def caption_image_similarity(tables: Tables, settings: FigureSettings) -> str:
    """State what is shown, N, tests and corrections."""
    points, selection = chosen_points(tables, settings)
    n = points["area"].map(area_label).value_counts(sort=False)
    counts = ", ".join(f"{area} n = {count}" for area, count in n.items()) or "no valid experiment"
    return words(
        f"""
        Distance between the two threads' prototypes ({settings.prototypes.prototype}) and between the unit's
        responses to the best blocks, a point an experiment ({selection_words(selection, settings)}:
        {counts}). a, Mean absolute difference of the best blocks' PSTHs in the evoked window
        ({span(settings.analysis.evoked_ms)}), over the experiment's maximum. b, Absolute difference of their
        evoked means. r: Pearson, rho: Spearman, two-sided p, over all areas, not corrected; line: least
        squares. c, Pearson r of a under every measure, with and without a centred Gaussian weight, and its
        {percent(CORRELATION_LEVEL)} interval (Fisher z; from four experiments on); filled:
        q < {settings.analysis.fdr:g}, Benjamini-Hochberg over the measures.
        """
    )


def draw_prototypes(tables: Tables, pictures: Images, settings: FigureSettings) -> tuple[Figure, Source]:
    """Draw the pairs of prototypes that are compared, by falling distance within areas.

    Tables: `image_distances` and `prototypes`. Source: 'a': the experiments shown, in order.

    Parameters
    ----------
    pictures : mapping of str to ndarray
        Name, as of `image_name`, -> uint8 ``[row, column, 3]``.
    """
    example = _shown(tables, settings)
    columns = max(min(len(example), COLUMNS), 4)
    lines = -(-len(example) // columns)
    width = PAGE / COLUMNS
    figure = new_figure(columns * width, lines * (2 * width + 0.35))
    axes = figure.subplots(2 * lines, columns, squeeze=False)
    for panel in axes.ravel():
        panel.set_axis_off()
    kinds = (
        tables["prototypes"].drop_duplicates(["session", "thread"]).set_index(["session", "thread"])["kind"]
    )
    for place, (_, row) in enumerate(example.iterrows()):
        line, column = divmod(place, columns)
        for thread in (0, 1):
            name = f"{row['session']}_thread{thread:03d}_{row['prototype']}"
            panel = axes[2 * line + thread, column]
            panel.set_axis_on()
            show_picture(panel, pictures[name], space_colour(str(kinds[row["session"], thread])))
        axes[2 * line, column].set_title(
            f"{area_label(str(row['area']))}, {row['distance']:.2f}", loc="center"
        )
    return figure, {"a": example}


def _shown(tables: Tables, settings: FigureSettings) -> pd.DataFrame:
    points, _ = chosen_points(tables, settings)
    rank = {area: place for place, area in enumerate(in_order(points["area"]))}
    order = points.assign(rank=points["area"].map(rank))
    ordered = order.sort_values(["rank", "distance", "session"], ascending=[True, False, True], kind="stable")
    return ordered.drop(columns="rank").head(COLUMNS * ROWS).reset_index(drop=True)


def caption_prototypes(tables: Tables, settings: FigureSettings) -> str:
    """State what is shown and N."""
    points, selection = chosen_points(tables, settings)
    example = _shown(tables, settings)
    measure = (
        measure_label(str(points["measure"].iloc[0]), str(points["mask"].iloc[0])) if len(points) else ""
    )
    return words(
        f"""
        Prototypes ({settings.prototypes.prototype}) of thread 0 (above) and thread 1 (below) of
        {len(example)} of {len(points)} experiments ({selection_words(selection, settings)}), the frame in the
        colour of the space; numbers: distance ({measure}), falling within an area. No test.
        """
    )
