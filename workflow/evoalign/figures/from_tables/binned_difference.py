"""Which space leads, by block and time in the response: the whole of Fig. 5C as maps."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from evoalign.figures.captions import FigureSettings, selected
from evoalign.figures.from_tables.binned_trajectories import evoked_bins
from evoalign.figures.from_tables.entry import FigureEntry
from evoalign.figures.panels import Source, Tables, area_axes, areas_of, chosen, title, words
from evoalign.figures.style import SPACE_COLOURS

# From the texture's colour through white to the object's: sign and size in one look.
LEAD = LinearSegmentedColormap.from_list("lead", [SPACE_COLOURS["texture"], "white", SPACE_COLOURS["object"]])


def draw_binned_difference(tables: Tables, _: FigureSettings) -> tuple[Figure, Source]:
    """Draw object minus texture over blocks and time bins, a map an area.

    Tables: `population_trajectories`. Source: panel 'a'.
    """
    frame, width = evoked_bins(tables["population_trajectories"], None)
    areas = areas_of(frame)
    figure, axes = area_axes(areas, height=2.3)
    picked = {area: chosen(frame, area) for area in areas}
    parts = [
        rows.assign(difference=rows["object_mean"] - rows["texture_mean"]) for rows, _ in picked.values()
    ]
    top = max((float(np.nanmax(rows["difference"].abs())) for rows in parts), default=1.0) or 1.0
    image = None
    for panel, area, rows in zip(axes[0], areas, parts, strict=False):
        image = _map(panel, rows, width, top)
        panel.set_title(title(area, int(rows["n"].max()), picked[area][1]))
        panel.set_xlabel("Time from image onset (ms)")
    if image is not None:
        axes[0, 0].set_ylabel("Block")
        bar = figure.colorbar(image, ax=list(axes[0]), pad=0.01, shrink=0.9)
        bar.set_label("Object minus texture (of maximum)")
    return figure, {"a": pd.concat(parts, ignore_index=True) if parts else frame}


def _map(axes: Axes, rows: pd.DataFrame, width: int, top: float) -> AxesImage:
    table = rows.pivot_table(index="block_index", columns="start_ms", values="difference")
    starts, blocks = table.columns.to_numpy(), table.index.to_numpy() + 1
    extent = (starts[0], starts[-1] + width, blocks[-1] + 0.5, blocks[0] - 0.5)
    image = axes.imshow(table.to_numpy(), aspect="auto", extent=extent, cmap=LEAD, vmin=-top, vmax=top)
    tested = rows[rows["larger"] != ""]
    axes.scatter(tested["start_ms"] + width / 2, tested["block_index"] + 1, s=2.5, color="black", linewidth=0)
    return image


def caption(tables: Tables, settings: FigureSettings) -> str:
    """State N, tests and corrections."""
    frame, width = evoked_bins(tables["population_trajectories"], None)
    return words(
        f"""
        Object minus texture, mean over experiments of the normalised trajectories in {width} ms bins. Dots:
        the two differ (paired t-test over experiments, Benjamini-Hochberg over the blocks of a bin, q <
        {settings.analysis.fdr:g}). {selected(frame, settings)}.
        """
    )


FIGURES = (FigureEntry("binned_difference", "population", 80, draw_binned_difference, caption),)
