"""When in the response evolutions gained: temporal attribution (Ext. 4B)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evoalign.figures.captions import FigureSettings, show_window, success_words
from evoalign.figures.from_tables.entry import FigureEntry
from evoalign.figures.panels import (
    SPACES,
    Source,
    Tables,
    area_axes,
    areas_of,
    p_words,
    shaded,
    significance,
    site_words,
    space_legend,
    words,
)
from evoalign.figures.style import area_label, space_colour

# Up to so many bins, each is marked: a line through four points looks like a curve.
MARKED_BINS = 10


def draw_attribution(tables: Tables, settings: FigureSettings) -> tuple[Figure, Source]:
    """Draw the normalised gain D(t) of both spaces by area, a row a width of bins, with its centre of mass.

    Tables: `population_attribution` and `population_centres`. Source: panel 'a' (shares by bin) and
    'centres'.
    """
    frame, centres = tables["population_attribution"], tables["population_centres"]
    centres = centres[centres["curve"] == "attribution"]
    areas, widths = areas_of(frame), bin_widths(frame)
    figure, axes = area_axes(areas, height=0.9 + 1.05 * len(widths), rows=max(len(widths), 1))
    for column, area in enumerate(areas):
        of_area = frame[frame["area"] == area]
        for panel, width in zip(axes[:, column], widths, strict=True):
            _panel(panel, of_area[of_area["stop_ms"] - of_area["start_ms"] == width].sort_values("start_ms"))
            show_window(panel, settings.analysis.window_ms)
        _centres(axes[0, column], centres[centres["area"] == area])
        n = [int(of_area[f"{kind}_n"].max()) for kind in SPACES]
        axes[0, column].set_title(f"{area_label(area)} (n = {n[0]}, {n[1]})", pad=8)
        axes[-1, column].set_xlabel("Time from image onset (ms)")
        for panel in axes[:-1, column]:
            panel.tick_params(labelbottom=False)
    if areas:
        for panel, width in zip(axes[:, 0], widths, strict=True):
            panel.set_ylabel(f"{width} ms bins")
        figure.supylabel("Share of the gain", fontsize=7)
        space_legend(axes[0, 0], loc="upper left")
    return figure, {"a": frame.reset_index(drop=True), "centres": centres.reset_index(drop=True)}


def bin_widths(frame: pd.DataFrame) -> list[int]:
    """Widths of the bins of a table, ms, rising."""
    return sorted({int(width) for width in frame["stop_ms"] - frame["start_ms"]})


def _panel(panel: Axes, rows: pd.DataFrame) -> None:
    middle = (rows["start_ms"].to_numpy() + rows["stop_ms"].to_numpy()) / 2
    panel.axhline(0, color="black", linewidth=0.4)
    for kind in SPACES:
        if rows[f"{kind}_n"].max() == 0:
            continue
        mean, error = rows[f"{kind}_mean"].to_numpy(), rows[f"{kind}_sem"].fillna(0).to_numpy()
        shaded(panel, middle, mean, error, space_colour(kind))
        if len(rows) <= MARKED_BINS:
            panel.plot(middle, mean, "o", color=space_colour(kind), markersize=2)
    significance(panel, middle, rows["larger"].to_numpy())


def _centres(panel: Axes, centres: pd.DataFrame) -> None:
    for kind in SPACES:
        centre = float(centres[f"{kind}_mean"].iloc[0]) if len(centres) else np.nan
        if np.isfinite(centre):
            panel.plot(
                centre, 0, "v", color=space_colour(kind), transform=panel.get_xaxis_transform(), clip_on=False
            )


def _counts(rows: pd.DataFrame) -> str:
    n = [int(rows[f"{kind}_n"].max()) for kind in SPACES]
    return f"{area_label(rows['area'].iloc[0])} n = {n[0]}, {n[1]}"


def caption(tables: Tables, settings: FigureSettings) -> str:
    """State N, tests and corrections."""
    centre_rows = tables["population_centres"]
    centre_rows = centre_rows[
        (centre_rows["curve"] == "attribution")
        & (centre_rows["texture_n"] > 1)
        & (centre_rows["object_n"] > 1)
    ]
    rows = {str(row["area"]): row for _, row in centre_rows.iterrows()}
    centres = [
        f"{area_label(area)} {rows[area]['texture_mean']:.0f} and {rows[area]['object_mean']:.0f} ms, "
        f"{p_words(float(rows[area]['p']))}"
        for area in areas_of(centre_rows)
    ]
    frame = tables["population_attribution"]
    n = "; ".join(_counts(frame[frame["area"] == area]) for area in areas_of(frame))
    widths = ", ".join(str(width) for width in bin_widths(frame))
    return words(
        f"""
        Temporal attribution: PSTH of the best block minus that of the first, in time bins of {widths} ms
        (rows), over its sum; mean over the experiments whose thread succeeds ({success_words(settings)};
        texture, object: {n or "no valid experiment"}), shading one standard error (none of a single thread).
        Dots: the spaces differ in the bin (two-sample t-test, Benjamini-Hochberg over the bins of a width in
        an area, q < {settings.analysis.fdr:g}; not corrected over widths and areas), coloured by the larger.
        Triangles: mean centre of mass from {settings.analysis.attribution_from_ms:g} ms on, of texture and
        object (two-sample t-test, not corrected):
        {"; ".join(centres) or "fewer than two threads of a space"}. Dots and p are of tests over experiments;
        over the means of recording sites (columns t_site to q_site), centre of mass (sites of texture and
        object): {site_words(centre_rows, "p_site")}.
        """
    )


FIGURES = (FigureEntry("attribution", "population", 90, draw_attribution, caption),)
