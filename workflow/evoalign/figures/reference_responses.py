"""Responses of the unit to natural images (Fig. 1A)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from evoalign.figures.captions import FigureSettings, show_window, span
from evoalign.figures.panels import Source, Tables, rate_label, shaded, unit_words, words
from evoalign.figures.style import PAGE, REFERENCE_COLOUR, area_label, letter, new_figure

Images = Mapping[str, NDArray[np.uint8]]
BEST, WORST = "#000000", "#999999"
SHOWN = 6  # images in the strip: three best, three worst


def draw_reference_responses(
    tables: Tables, settings: FigureSettings, images: Images
) -> tuple[Figure, Source]:
    """Draw evoked rates of the natural references, sorted, and the PSTHs of the best and the worst.

    Tables: `reference_images` and `reference_psth` of one session, with rows. Source: 'a': rates;
    'b': PSTHs.

    Parameters
    ----------
    images : mapping of str to ndarray
        Name -> uint8 ``[row, column]`` or ``[row, column, 3]``; those of the
        references that are in it are shown.
    """
    ranked = _ranked(tables)
    strip = _strip(ranked, images)
    figure = new_figure(PAGE, 2.3 + (0.95 if strip else 0))
    grid = figure.add_gridspec(2 if strip else 1, 2 * SHOWN, height_ratios=[2.0, 0.9] if strip else [1])
    rates, psth = figure.add_subplot(grid[0, :SHOWN]), figure.add_subplot(grid[0, SHOWN:])
    _rates(rates, ranked, rate_label(tables))
    curves = _psths(psth, ranked, tables["reference_psth"])
    psth.set_ylabel(rate_label(tables))
    show_window(psth, settings.analysis.window_ms)
    first = ranked.iloc[0]
    rates.set_title(f"{first['session']}, {area_label(first['area'])}")
    letter(rates, "a")
    letter(psth, "b")
    for place, rank in enumerate(strip):
        _image(figure.add_subplot(grid[1, 2 * place : 2 * place + 2]), ranked.iloc[rank], images, rank)
    return figure, {"a": ranked, "b": curves}


def _ranked(tables: Tables) -> pd.DataFrame:
    frame = tables["reference_images"]
    return frame.sort_values(["mean_hz", "image"], ascending=[False, True]).reset_index(drop=True)


def _strip(ranked: pd.DataFrame, images: Images) -> list[int]:
    """Ranks of the best and the worst references whose images are known."""
    with_image = [rank for rank, name in enumerate(ranked["image"]) if name in images]
    return with_image if len(with_image) <= SHOWN else with_image[: SHOWN // 2] + with_image[-SHOWN // 2 :]


def _rates(axes: Axes, ranked: pd.DataFrame, label: str) -> None:
    x, error = np.arange(len(ranked)) + 1, ranked["sem_hz"].fillna(0)
    axes.errorbar(x, ranked["mean_hz"], error, fmt="o", color=REFERENCE_COLOUR, markersize=3, elinewidth=0.7)
    for at, colour in ((0, BEST), (len(ranked) - 1, WORST)):
        axes.plot(x[at], ranked["mean_hz"].iloc[at], "o", color=colour, markersize=4.5)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("Natural image, by rank")
    axes.set_ylabel(label)


def _psths(axes: Axes, ranked: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    parts = []
    chosen = [("best", 0, BEST), ("worst", len(ranked) - 1, WORST)][: min(len(ranked), 2)]
    for name, at, colour in chosen:
        of_image = frame[frame["image"] == ranked["image"].iloc[at]].sort_values("time_ms")
        error = of_image["sem_hz"].fillna(0).to_numpy()
        label = f"{name.capitalize()} (n = {int(ranked['n'].iloc[at])})"
        shaded(
            axes, of_image["time_ms"].to_numpy() + 0.5, of_image["mean_hz"].to_numpy(), error, colour, label
        )
        parts.append(of_image.assign(which=name))
    axes.set_xlabel("Time from image onset (ms)")
    axes.legend(loc="upper left")
    return pd.concat(parts, ignore_index=True)


def _image(panel: Axes, row: pd.Series, images: Images, rank: int) -> None:
    panel.imshow(images[str(row["image"])], interpolation="nearest", cmap="gray")
    panel.set_xticks([])
    panel.set_yticks([])
    panel.set_title(f"{rank + 1}: {row['mean_hz']:.0f}", loc="center", fontsize=6)


def caption(tables: Tables, settings: FigureSettings) -> str:
    """State what is shown and N."""
    frame = tables["reference_images"]
    n = " to ".join(dict.fromkeys((str(frame["n"].min()), str(frame["n"].max()))))
    return words(
        f"""
        Responses of the {unit_words(tables)} to the {len(frame)} natural reference images that were shown
        among the generated ones, over all blocks and both threads. a, Mean in the evoked window
        ({span(settings.analysis.evoked_ms)}), sorted; bars: one standard error over presentations (n = {n} an
        image). b, PSTHs of the best and the worst of them, shading one standard error. Images, where the file
        holds them: the best and the worst, with rank and rate. They are sorted by these same rates, so the
        ends are extreme by chance too. No test.
        """
    )
