"""The electrodes of a session: their yield of units and their noise."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap

from evoalign.figures.style import area_label, say_empty

YIELD_COLOURS = ("#FFFFFF", "#C6DBEF", "#6BAED6", "#2171B5", "#08306B")  # 0, 1, 2, 3, more units


def draw_yield(
    axes: Axes, shown: pd.DataFrame, channels: pd.DataFrame, bad_channels: pd.DataFrame
) -> pd.DataFrame:
    """Draw electrodes at their places, coloured by their number of good units; crosses were left out."""
    neural = channels[channels["kind"] == "neural"]
    n_good = shown[shown["label"] == "good"].groupby("channel").size()
    reason = bad_channels.set_index("channel")["reason"]
    places = neural[["channel", "array", "area", "x_um", "y_um"]].assign(
        good_units=neural["channel"].map(n_good).fillna(0).astype(int),
        reason=neural["channel"].map(reason).fillna(""),
    )
    if places.empty:
        say_empty(axes, "no electrodes")
        return places
    x, y = _places(places)
    colours = np.minimum(places["good_units"].to_numpy(), len(YIELD_COLOURS) - 1)
    norm = BoundaryNorm(np.arange(len(YIELD_COLOURS) + 1) - 0.5, len(YIELD_COLOURS))
    size = float(np.clip(1800 / len(places), 12, 90))
    dots = axes.scatter(
        x,
        y,
        c=colours,
        cmap=ListedColormap(YIELD_COLOURS),
        norm=norm,
        s=size,
        marker="s",
        edgecolors="black",
        linewidths=0.4,
        clip_on=False,
    )
    left_out = (places["reason"] != "").to_numpy()
    axes.scatter(x[left_out], y[left_out], marker="x", color="#D55E00", s=0.6 * size, linewidths=1.2)
    bar = axes.figure.colorbar(dots, ax=axes, ticks=range(len(YIELD_COLOURS)), shrink=0.8)
    bar.ax.set_yticklabels(["0", "1", "2", "3", "4+"])
    bar.set_label("Good units")
    areas = ", ".join(area_label(area) for area in sorted(set(places["area"]) - {""}))
    axes.set_title(f"Yield{' in ' + areas if areas else ''}; x: left out")
    axes.set_aspect("equal")
    # A row of electrodes leaves room above and below it, too.
    edge = 0.12 * max(np.ptp(x), np.ptp(y), 1.0)
    axes.set_xlim(x.min() - edge, x.max() + edge)
    axes.set_ylim(y.min() - edge, y.max() + edge)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    return places.reset_index(drop=True)


def _places(places: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the electrodes; a square in the order of channels where they are unknown."""
    x, y = places["x_um"].to_numpy(dtype=float), places["y_um"].to_numpy(dtype=float)
    if np.isfinite(x).all() and np.isfinite(y).all() and len(places[["x_um", "y_um"]].drop_duplicates()) > 1:
        return x, y
    side = int(np.ceil(np.sqrt(len(places))))
    row, column = np.divmod(np.arange(len(places)), side)
    return column.astype(float), -row.astype(float)


def draw_noise(axes: Axes, bad_channels: pd.DataFrame) -> pd.DataFrame:
    """Draw the noise of each electrode; those left out with their reasons."""
    axes.set_title("Noise (1.4826 MAD)")
    measured = bad_channels[np.isfinite(bad_channels["noise_uv"])].reset_index(drop=True)
    if measured.empty:
        say_empty(axes, "no voltages")
        return measured
    left_out = measured["reason"] != ""
    x = np.arange(len(measured))
    axes.bar(x[~left_out], measured.loc[~left_out, "noise_uv"], color="#56B4E9", width=0.8)
    axes.bar(x[left_out], measured.loc[left_out, "noise_uv"], color="#D55E00", width=0.8)
    top = 3 * float(measured["noise_uv"].median())
    axes.set_ylim(0, max(top, 1e-3))
    for position, row in zip(x[left_out], measured[left_out].itertuples(), strict=True):
        height = min(row.noise_uv, 0.55 * top) + 0.03 * top
        axes.text(position, height, row.reason, rotation=90, ha="center", va="bottom", fontsize=5.5)
    ticks = x[:: max(1, len(x) // 8)]
    axes.set_xticks(ticks, measured["channel"].astype(str).tolist()[:: max(1, len(x) // 8)])
    axes.set_xlabel("Electrode (channel)")
    axes.set_ylabel("µV")
    return measured
