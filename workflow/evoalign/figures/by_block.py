"""Both spaces block by block: means over experiments, dotted where padded, with dots where they differ."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from evoalign.figures.panels import SPACES, padded_line, significance
from evoalign.figures.style import space_colour


def show_blocks(panel: Axes, rows: pd.DataFrame, line: dict[str, Any], dots: dict[str, Any]) -> pd.DataFrame:
    """Mean and one standard error of both spaces in one window; the rows in the order of the blocks.

    Parameters
    ----------
    rows : pandas.DataFrame
        Of `population_trajectories`: one area, selection and window.
    line, dots : dict
        Width of the lines; level and size of the dots, as for `significance`.
    """
    rows = rows.sort_values("block_index")
    block = rows["block_index"].to_numpy() + 1
    # From the block on that fewer than half the experiments showed, the mean is mostly padding.
    observed = rows["n_real"].to_numpy() * 2 >= rows["n"].max()
    for kind in SPACES:
        mean, error = rows[f"{kind}_mean"].to_numpy(), rows[f"{kind}_sem"].fillna(0).to_numpy()
        colour = space_colour(kind)
        panel.fill_between(block, mean - error, mean + error, color=colour, alpha=0.22, linewidth=0)
        padded_line(panel, block, mean, observed, colour, **line)
    significance(panel, block, rows["larger"].to_numpy(), **dots)
    return rows


def label_blocks(panel: Axes) -> None:
    """Label an axis of blocks; they are counted, so that no tick stands between two."""
    panel.set_xlabel("Block")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
