"""When in the response evolutions gained: temporal attribution (Ext. 4B)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evoalign.figures.panels import (
    SPACES,
    Source,
    Tables,
    area_axes,
    areas_of,
    p_words,
    shaded,
    significance,
    space_legend,
    success_words,
    words,
)
from evoalign.figures.style import area_label, space_colour


def draw_attribution(tables: Tables) -> tuple[Figure, Source]:
    """Draw the normalised gain D(t) of both spaces by area, with its centre of mass.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
        `population_attribution` and `population_centres`.

    Returns
    -------
    figure : matplotlib.figure.Figure
    source : dict of str to pandas.DataFrame
        Panel 'a' (shares by bin) and 'centres'.
    """
    frame, centres = tables["population_attribution"], tables["population_centres"]
    centres = centres[centres["curve"] == "attribution"]
    areas = areas_of(frame)
    figure, axes = area_axes(areas, height=2.2)
    for panel, area in zip(axes[0], areas, strict=False):
        rows = frame[frame["area"] == area].sort_values("start_ms")
        _panel(panel, rows, centres[centres["area"] == area])
        n = [int(rows[f"{kind}_n"].max()) for kind in SPACES]
        panel.set_title(f"{area_label(area)} (n = {n[0]}, {n[1]})", pad=8)
        panel.set_xlabel("Time from image onset (ms)")
    if areas:
        axes[0, 0].set_ylabel("Share of the gain")
        space_legend(axes[0, 0], loc="upper left")
    return figure, {"a": frame.reset_index(drop=True), "centres": centres.reset_index(drop=True)}


def _panel(panel: Axes, rows: pd.DataFrame, centres: pd.DataFrame) -> None:
    middle = (rows["start_ms"].to_numpy() + rows["stop_ms"].to_numpy()) / 2
    panel.axhline(0, color="black", linewidth=0.4)
    for kind in SPACES:
        if rows[f"{kind}_n"].max() == 0:
            continue
        mean, error = rows[f"{kind}_mean"].to_numpy(), rows[f"{kind}_sem"].fillna(0).to_numpy()
        shaded(panel, middle, mean, error, space_colour(kind))
        centre = float(centres[f"{kind}_mean"].iloc[0]) if len(centres) else np.nan
        if np.isfinite(centre):
            panel.plot(
                centre, 0, "v", color=space_colour(kind), transform=panel.get_xaxis_transform(), clip_on=False
            )
    significance(panel, middle, rows["larger"].to_numpy())


def caption(tables: Tables) -> str:
    """State N, tests and corrections."""
    found = tables["population_centres"]
    found = found[(found["curve"] == "attribution") & (found["texture_n"] > 1) & (found["object_n"] > 1)]
    rows = {str(row["area"]): row for _, row in found.iterrows()}
    centres = [
        f"{area_label(area)} {rows[area]['texture_mean']:.0f} and {rows[area]['object_mean']:.0f} ms, "
        f"{p_words(float(rows[area]['p']))}"
        for area in areas_of(found)
    ]
    return words(
        f"""
        Temporal attribution: PSTH of the best block minus that of the first, in time bins, over its sum;
        mean over the experiments whose thread succeeds ({success_words(tables)}; n: texture, object), shading
        one standard error (none of a single thread). Dots: the spaces differ in the bin (two-sample t-test,
        Benjamini-Hochberg over bins, q < 0.05), coloured by the larger. Triangles: mean centre of mass from
        25 ms on, of texture and object (two-sample t-test, not corrected):
        {"; ".join(centres) or "fewer than two threads of a space"}.
        """
    )
