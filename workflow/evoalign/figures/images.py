"""Images in figures: pictures, and the unit's responses by rank with the PSTHs of the best and the worst."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from evoalign.figures.panels import shaded
from evoalign.figures.style import REFERENCE_COLOUR

Images = Mapping[str, NDArray[np.uint8]]
BEST, WORST = "#000000", "#999999"


def show_rates(axes: Axes, ranked: pd.DataFrame, size: float) -> None:
    """Mean rates with their standard errors by rank, marks of `size` points; the ends in other colours.

    Parameters
    ----------
    ranked : pandas.DataFrame
        Columns `mean_hz` and `sem_hz`, a row an image, by falling rate.
    """
    rank, error = np.arange(len(ranked)) + 1, ranked["sem_hz"].fillna(0)
    axes.errorbar(
        rank, ranked["mean_hz"], error, fmt="o", color=REFERENCE_COLOUR, markersize=size, elinewidth=0.6
    )
    for at, colour in ((0, BEST), (len(ranked) - 1, WORST)):
        axes.plot(rank[at], ranked["mean_hz"].iloc[at], "o", color=colour, markersize=size + 1.5)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def show_ends(
    axes: Axes, ranked: pd.DataFrame, psths: pd.DataFrame, names: list[str]
) -> dict[str, pd.DataFrame]:
    """PSTHs of the best and the worst image, and their rows; of a single image there is one.

    Parameters
    ----------
    ranked : pandas.DataFrame
        As for `show_rates`, with `n`.
    psths : pandas.DataFrame
        PSTHs of all images.
    names : list of str
        Columns by which an image is told.
    """
    rows = {}
    for name, at, colour in [("best", 0, BEST), ("worst", len(ranked) - 1, WORST)][: len(ranked)]:
        of_image = psths[(psths[names] == ranked[names].iloc[at]).all(axis=1)]
        rows[name] = show_psth(axes, of_image, colour, f"{name.capitalize()} (n = {ranked['n'].iloc[at]})")
    axes.legend(loc="upper left")
    return rows


def show_psth(axes: Axes, psth: pd.DataFrame, colour: str, label: str) -> pd.DataFrame:
    """Mean and standard error by ms; the rows in the order of time."""
    psth = psth.sort_values("time_ms")
    error = psth["sem_hz"].fillna(0).to_numpy()
    shaded(axes, psth["time_ms"].to_numpy() + 0.5, psth["mean_hz"].to_numpy(), error, colour, label)
    axes.set_xlabel("Time from image onset (ms)")
    return psth


def show_picture(panel: Axes, pixels: NDArray[np.uint8], frame: str = "", linewidth: float = 1.5) -> None:
    """Picture without axes, in a frame of that colour where one is given.

    Parameters
    ----------
    pixels : numpy.ndarray, uint8 [row, column] or [row, column, 3]
    """
    panel.imshow(pixels, interpolation="nearest", cmap="gray")
    panel.set_xticks([])
    panel.set_yticks([])
    for spine in panel.spines.values() if frame else ():
        spine.set(visible=True, color=frame, linewidth=linewidth)


def counts_words(ranked: pd.DataFrame) -> str:
    """Presentations an image, as '8' or '7 to 10'."""
    return " to ".join(dict.fromkeys((str(ranked["n"].min()), str(ranked["n"].max()))))
