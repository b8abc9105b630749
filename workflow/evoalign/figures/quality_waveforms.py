"""Mean waveforms of a session's units, electrode by electrode."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure

from evoalign.figures.style import letter, say_empty

UNIT_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MAX_PANELS = 48  # electrodes whose waveforms fit on the page
COLUMNS = 8
SCALE_BARS_UV = (1, 2, 5, 10, 20, 50, 100, 200, 500)


def panel_rows(n: int) -> int:
    """Return how many rows of small panels `n` electrodes take."""
    return -(-min(n, MAX_PANELS) // COLUMNS)


def draw_waveforms(
    figure: SubFigure,
    shown: pd.DataFrame,
    online: pd.DataFrame,
    waveforms: pd.DataFrame,
    bad_channels: pd.DataFrame,
) -> pd.DataFrame:
    """Draw mean ± SD of each electrode's units, a small panel an electrode, all at one scale.

    Parameters
    ----------
    figure : SubFigure
        To draw in.
    shown, online : DataFrame
        Rows of `UNITS`: those that the page shows, and the vendor's to
        draw beside them.
    waveforms, bad_channels : DataFrame
        `WAVEFORMS`, `BAD_CHANNELS`.

    Returns
    -------
    DataFrame
        Rows of `waveforms` that are drawn; electrodes beyond the first 48 too.
    """
    with_waveform = shown[shown["unit"].isin(waveforms["unit"])]
    panels = with_waveform["channel"].unique()[:MAX_PANELS].tolist()
    if not panels:
        say_empty(figure.subplots(), _why_empty(shown, bad_channels))
        return waveforms.iloc[:0]
    grid = figure.subplots(panel_rows(len(panels)), COLUMNS, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, channel in zip(grid.flat, panels, strict=False):
        for rank, row in enumerate(with_waveform[with_waveform["channel"] == channel].itertuples()):
            curve, colour = waveforms[waveforms["unit"] == row.unit], UNIT_COLOURS[rank % len(UNIT_COLOURS)]
            time, mean, sd = (curve[name].to_numpy() for name in ("time_ms", "mean_uv", "sd_uv"))
            style = "-" if row.label == "good" else (0, (2, 1))
            axes.fill_between(time, mean - sd, mean + sd, color=colour, alpha=0.2, linewidth=0)
            axes.plot(time, mean, color=colour, linestyle=style, linewidth=1.2 if row.preferred else 0.8)
            if row.preferred:
                extreme = np.argmax(np.abs(mean))
                axes.plot(time[extreme], mean[extreme], "*", color=colour, markersize=6)
        for unit in online.loc[online["channel"] == channel, "unit"]:
            curve = waveforms[waveforms["unit"] == unit]
            axes.plot(curve["time_ms"], curve["mean_uv"], color="black", linestyle=":", linewidth=0.9)
        axes.text(0.98, 0.02, f"{channel}", transform=axes.transAxes, ha="right", va="bottom", fontsize=6)
    _scale_bars(grid[0, 0])
    hidden = with_waveform["channel"].nunique() - len(panels)
    more = f"; {hidden} more electrodes not shown" if hidden else ""
    figure.suptitle(
        f"Mean waveform ± SD by electrode; dashed: not 'good'; star: preferred; dotted: online units{more}",
        fontsize=7,
        x=0.05,
        ha="left",
    )
    letter(grid[0, 0], "a")
    drawn = [*with_waveform["unit"], *online.loc[online["channel"].isin(with_waveform["channel"]), "unit"]]
    return waveforms[waveforms["unit"].isin(drawn)].reset_index(drop=True)


def _why_empty(shown: pd.DataFrame, bad_channels: pd.DataFrame) -> str:
    """Say why there are no waveforms to draw."""
    if len(shown):
        return "no waveforms: no voltages"
    if not np.isfinite(bad_channels["noise_uv"]).any():
        return "no units, and no voltages to find any in"
    n_sorted = int((bad_channels["reason"] == "").sum())
    if not n_sorted:
        return "no units: every electrode was left out (c: why)"
    return f"no units: nothing on the {n_sorted} electrodes that were sorted stands out of their noise"


def _scale_bars(axes: Axes) -> None:
    low, high = axes.get_ylim()
    size = max((bar for bar in SCALE_BARS_UV if bar <= 0.5 * (high - low)), default=SCALE_BARS_UV[0])
    left = axes.get_xlim()[0] + 0.05
    axes.plot([left, left], [low, low + size], color="black", linewidth=0.8)
    axes.plot([left, left + 1], [low, low], color="black", linewidth=0.8)
    texts = (
        axes.text(left - 0.1, low, f"{size:g} µV", fontsize=5.5, ha="right", va="bottom", rotation=90),
        axes.text(left + 0.5, low, "1 ms", fontsize=5.5, ha="center", va="top"),
    )
    for text in texts:
        text.set_in_layout(False)
