"""The images that an evolution went through, above the rates that they drove (Fig. 2C)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evoalign.figures.by_block import label_blocks
from evoalign.figures.captions import FigureSettings, span
from evoalign.figures.images import Images, show_picture
from evoalign.figures.panels import Source, Tables, rate_label, shaded, space_legend, unit_words, words
from evoalign.figures.style import PAGE, area_label, new_figure, space_colour, space_label

COLUMNS = 12  # of images in a strip: as many as a page shows


def shown_blocks(frame: pd.DataFrame, images: Images) -> pd.DataFrame:
    """Rows of `block_images` of every n-th block whose images the file holds.

    n is the smallest that leaves no more than 12 blocks; the first block is
    among them.
    """
    frame = frame[frame["kind"].isin(("texture", "object"))]
    if frame.empty:
        return frame
    step = -(-(int(frame["block_index"].max()) + 1) // COLUMNS)
    every_nth = frame[(frame["block_index"] % step == 0) & frame["image"].isin(list(images))]
    return every_nth.sort_values(["kind", "block_index"], ascending=[False, True]).reset_index(drop=True)


def draw_evolved_images(tables: Tables, images: Images) -> tuple[Figure, Source]:
    """Draw the best image of every n-th block of both threads in a strip above the rates.

    Tables: `block_images` and `trajectories` of one session. Source: 'a': the images; 'b': the
    rates.

    Parameters
    ----------
    images : mapping of str to ndarray
        Name -> uint8 ``[row, column]`` or ``[row, column, 3]``.
    """
    strip = shown_blocks(tables["block_images"], images)
    blocks = sorted(strip["block_index"].unique())
    kinds = [kind for kind in ("texture", "object") if kind in set(strip["kind"])]
    side = PAGE / max(len(blocks), 6)
    figure = new_figure(PAGE, len(kinds) * (side + 0.14) + 1.9)
    grid = figure.add_gridspec(len(kinds) + 1, len(blocks), height_ratios=[side] * len(kinds) + [1.5])
    for line, kind in enumerate(kinds):
        for column, block in enumerate(blocks):
            panel = figure.add_subplot(grid[line, column])
            row = strip[(strip["kind"] == kind) & (strip["block_index"] == block)]
            panel.set(xticks=[], yticks=[], frame_on=len(row) > 0)
            for _, image in row.iterrows():
                show_picture(panel, images[str(image["image"])], space_colour(kind), 1.2)
                panel.set_xlabel(f"{image['mean_hz']:.0f}", fontsize=5.5, labelpad=1.5)
            if line == 0:
                panel.set_title(f"{block + 1}", loc="center", fontsize=6)
            if column == 0:
                panel.set_ylabel(space_label(kind))
    axes = figure.add_subplot(grid[len(kinds), :])
    rates = _rates(axes, tables, strip)
    axes.set_ylabel(rate_label(tables))
    session = strip.iloc[0]
    figure.suptitle(f"{session['session']}, {area_label(session['area'])}: best image of a block", fontsize=7)
    return figure, {"a": strip, "b": rates}


def _rates(axes: Axes, tables: Tables, shown: pd.DataFrame) -> pd.DataFrame:
    frame = tables["trajectories"]
    evoked = (frame["window"] == "evoked") & (frame["stimuli"] == "generated") & (frame["n"] > 0)
    frame = frame[evoked]
    for kind in ("texture", "object"):
        of_kind = frame[frame["kind"] == kind].sort_values("block_index")
        error = of_kind["sem_hz"].fillna(0).to_numpy()
        x, y = of_kind["block_index"].to_numpy() + 1, of_kind["mean_hz"].to_numpy()
        shaded(axes, x, y, error, space_colour(kind))
        best = shown[shown["kind"] == kind]
        axes.plot(best["block_index"] + 1, best["mean_hz"], "o", color=space_colour(kind), markersize=2.5)
    label_blocks(axes)
    axes.margins(x=0.02)
    space_legend(axes, loc="upper left", ncols=2)
    columns = ["thread", "space", "kind", "block", "block_index", "mean_hz", "sem_hz", "n"]
    return frame[columns].reset_index(drop=True)


def caption(tables: Tables, settings: FigureSettings, images: Images) -> str:
    """State what is shown and N."""
    strip = shown_blocks(tables["block_images"], images)
    steps = np.diff(sorted(strip["block_index"].unique()))
    step = int(steps.min()) if len(steps) else 1
    every = {1: "every block", 2: "every 2nd block", 3: "every 3rd block"}.get(step, f"every {step}th block")
    return words(
        f"""
        Above, the image with the largest mean evoked rate ({span(settings.analysis.evoked_ms)}) of {every}
        (number above) in either thread, of those that the file holds; below each its rate in spikes/s, mean
        over its presentations (n = 1 where an image is shown once). Below, mean evoked response of the
        {unit_words(tables)} by block, shading one standard error over single presentations; dots: the images
        above. The best of a block's images is chosen by the rate that is told, so it lies above the mean by
        chance too. No test.
        """
    )
