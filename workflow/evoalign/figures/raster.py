"""Spikes of a session around its events: raster and PSTH, or a plain raster over time."""

from __future__ import annotations

from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evoalign.events.lags import NS_PER_MS, lags_around
from evoalign.figures.panels import Source, words
from evoalign.figures.settings import Figures
from evoalign.figures.style import PAGE, letter, say_empty

MAX_UNITS = 6  # units that fit on a page
MAX_TRIALS = 300  # events that a raster shows, evenly picked
TITLE_LETTERS = 34  # of a line above a raster: more would reach the next one
PLAIN_S = 5.0  # stretch of a raster without events
KIND_RANK = {"sorted": 0, "online": 1, "multiunit": 2}
COLOUR, PREFERRED_COLOUR = "#0072B2", "#D55E00"


def draw_raster(
    spikes: pd.DataFrame,
    units: pd.DataFrame,
    event_times: np.ndarray | None,
    settings: Figures | None = None,
    title: str = "",
    event: str = "event",
) -> tuple[Figure, Source]:
    """Draw rasters and PSTHs of units around events; without events, spikes over time.

    Shown are the preferred units, then sorted, online and multi-units, those with the most spikes
    first, at most 6.

    Parameters
    ----------
    spikes, units : DataFrame
        `SPIKES` and `UNITS`.
    event_times : ndarray or None
        Times of presentations or of a word, s on the recording's clock.
    settings : Figures, optional
        Window around each event (`raster_ms`) and bins of the PSTHs
        (`raster_bin_ms`), half-open.
    title : str
        Of the figure.
    event : str
        What the events are, for the time axis ('image onset', 'word 65280').

    Returns
    -------
    figure : matplotlib.figure.Figure
    source : dict of str to pandas.DataFrame
        'raster' (unit, event, time_ms) and 'psth' (unit, time_ms, rate_hz,
        n_events), or without events 'raster' (unit, time_s) alone.
    """
    settings = settings or Figures()
    rank = units["kind"].map(KIND_RANK)
    order = ["preferred", "rank", "n_spikes", "unit"]
    displayed = units.assign(rank=rank).sort_values(order, ascending=[False, True, False, True])[:MAX_UNITS]
    if event_times is None or len(event_times) == 0 or displayed.empty:
        return _plain(spikes, units, title)
    figure = Figure(figsize=(PAGE, 3.4 if len(displayed) <= 3 else 6.4), layout="constrained")
    figure.suptitle(f"{title + ': ' if title else ''}{len(event_times)} times {event}")
    columns, rows = min(3, len(displayed)), -(-len(displayed) // 3)
    grid = figure.subplots(2 * rows, columns, squeeze=False, sharex=True, height_ratios=[2, 1] * rows)
    for axes in grid.flat:
        axes.set_visible(False)
    rasters, psths = [], []
    for index, unit in enumerate(row for _, row in displayed.iterrows()):
        row, column = divmod(index, 3)
        number, preferred = int(unit["unit"]), bool(unit["preferred"])
        pair = grid[2 * row, column], grid[2 * row + 1, column]
        times = np.sort(spikes.loc[spikes["unit"] == number, "time_s"].to_numpy())
        colour = PREFERRED_COLOUR if preferred else COLOUR
        raster, psth = _one(pair, times, np.sort(event_times), settings, colour)
        pair[0].set_title(fill(_name(unit), TITLE_LETTERS), color=colour)
        rasters.append(raster.assign(unit=number))
        psths.append(psth.assign(unit=number))
        if column == 0:
            pair[0].set_ylabel("Event, in order")
            pair[1].set_ylabel("spikes/s")
        if index + 3 >= len(displayed):
            pair[1].set_xlabel(f"Time from {event} (ms)")
            pair[1].tick_params(labelbottom=True)
    letter(grid[0, 0], "a")
    return figure, {
        "raster": pd.concat(rasters)[["unit", "event", "time_ms"]].reset_index(drop=True),
        "psth": pd.concat(psths)[["unit", "time_ms", "rate_hz", "n_events"]].reset_index(drop=True),
    }


def caption(n_events: int, event: str, settings: Figures | None = None) -> str:
    """State N and the bins."""
    bin_ms = (settings or Figures()).raster_bin_ms
    if not n_events:
        return "Spikes of all units over a few seconds from the middle of the recording: it has no events."
    drawn = "" if n_events <= MAX_TRIALS else f", of which {MAX_TRIALS}, evenly picked, are drawn"
    return words(
        f"""
        Spikes around {event} (n = {n_events}{drawn}): rasters, and PSTHs of all of them in bins of
        {bin_ms} ms. Preferred units first, then those with the most spikes, at most {MAX_UNITS}.
        """
    )


def _name(row: pd.Series) -> str:
    vendor = f", online {_letter(int(row['vendor_unit']))}" if row["kind"] == "online" else ""
    star = "preferred, " if row["preferred"] else ""
    kind = "multi-unit" if row["kind"] == "multiunit" else f"{row['kind']} unit"
    mark = f", {row['label']}" if row["kind"] == "sorted" else vendor
    return f"{star}{kind}, channel {row['channel']}{mark}"


def _letter(vendor_unit: int) -> str:
    return "unsorted" if vendor_unit == 0 else chr(ord("a") + int(vendor_unit) - 1)


def _one(
    pair: tuple[Axes, Axes], times: np.ndarray, events: np.ndarray, settings: Figures, colour: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    window_ms, bin_ms = settings.raster_ms, settings.raster_bin_ms
    event, lag_ns = lags_around(times, events, window_ms)
    edges = np.arange(window_ms[0], window_ms[1] + 1, bin_ms)
    bins = (lag_ns - window_ms[0] * NS_PER_MS) // (bin_ms * NS_PER_MS)
    rate = np.bincount(bins, minlength=len(edges) - 1) / (len(events) * bin_ms / 1000)
    lag_ms = lag_ns / NS_PER_MS
    drawn = np.unique(np.linspace(0, len(events) - 1, min(len(events), MAX_TRIALS)).round().astype(int))
    inside = np.isin(event, drawn)
    line = np.searchsorted(drawn, event[inside])
    size = float(np.clip(240 / max(len(drawn), 1), 0.8, 6))
    pair[0].scatter(lag_ms[inside], line, s=size, color=colour, linewidths=0, rasterized=True)
    pair[0].set_ylim(len(drawn) - 0.5, -0.5)
    pair[0].set_yticks([0, len(drawn) - 1], ["1", str(len(events))])
    pair[1].stairs(rate, edges, color=colour, fill=True, alpha=0.35)
    pair[1].stairs(rate, edges, color=colour, linewidth=0.9)
    pair[1].set_ylim(0, 1.15 * max(float(rate.max()), 1e-3))
    for axes in pair:
        axes.set_visible(True)
        axes.axvline(0, color="black", linewidth=0.6, linestyle=(0, (3, 2)))
        axes.set_xlim(*window_ms)
    psth = {"time_ms": edges[:-1] + bin_ms / 2, "rate_hz": rate, "n_events": len(events)}
    return pd.DataFrame({"event": event[inside], "time_ms": lag_ms[inside]}), pd.DataFrame(psth)


def _plain(spikes: pd.DataFrame, units: pd.DataFrame, title: str) -> tuple[Figure, Source]:
    """Draw the spikes of all units over five seconds from the middle of the recording."""
    figure = Figure(figsize=(PAGE, 3.0), layout="constrained")
    axes = figure.subplots()
    figure.suptitle(f"{title + ': ' if title else ''}no events")
    if units.empty or spikes.empty:
        say_empty(axes, "no units")
        return figure, {"raster": pd.DataFrame(columns=["unit", "time_s"])}
    middle = float(spikes["time_s"].median())
    near = spikes[(spikes["time_s"] - middle).abs() <= PLAIN_S / 2]
    order = {unit: line for line, unit in enumerate(units.sort_values(["channel", "unit"])["unit"])}
    lines = near["unit"].map(order)
    axes.scatter(near["time_s"], lines, s=14, marker="|", color=COLOUR, linewidths=0.5, rasterized=True)
    channels = units.sort_values(["channel", "unit"])["channel"].astype(str).tolist()
    ticks = np.arange(0, len(order), max(1, -(-len(order) // 16)))
    axes.set_yticks(ticks, [channels[i] for i in ticks])
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.set_ylabel("Units, by channel")
    axes.set_xlabel("Time (s)")
    return figure, {"raster": near[["unit", "time_s"]].reset_index(drop=True)}
