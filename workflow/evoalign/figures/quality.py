"""One page on the sorting of a session: waveforms, yield, noise, isolation, intervals, rates and steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evoalign import tables
from evoalign.figures.panels import Source, words
from evoalign.figures.quality_electrodes import draw_noise, draw_yield
from evoalign.figures.quality_steps import draw_baselines, draw_steps, has_baselines, mark_artefacts
from evoalign.figures.quality_waveforms import draw_waveforms, panel_rows
from evoalign.figures.style import PAGE, letter, say_empty
from evoalign.recordings.tables import SEGMENTS
from evoalign.sorting.recorded import CLOCK_DIGITS, RecordedTime
from evoalign.sorting.settings import Sorting
from evoalign.sorting.stability import unstable

LABEL_COLOURS = {"good": "#0072B2", "mua": "#E69F00", "noise": "#7F7F7F"}
LABELS = tuple(LABEL_COLOURS)
ISI_MS = np.geomspace(0.5, 1000, 41)
TIME_BINS = 40
UNSORTED_NAME = {"multiunit": "multi-unit", "online": "online"}


def draw_quality(
    units: pd.DataFrame,
    spikes: pd.DataFrame,
    waveforms: pd.DataFrame,
    channels: pd.DataFrame,
    bad_channels: pd.DataFrame,
    artefacts: pd.DataFrame,
    settings: Sorting,
    title: str = "",
    segments: pd.DataFrame | None = None,
) -> tuple[Figure, Source]:
    """Draw the quality page of a session.

    Shown are the sorted units, and the waveforms of the vendor's online units
    beside theirs; a session without any shows its multi-units or else its
    online units.

    Parameters
    ----------
    units, spikes, waveforms, channels, bad_channels, artefacts : DataFrame
        `UNITS`, `SPIKES`, `WAVEFORMS`, `CHANNELS`, `BAD_CHANNELS`, `ARTEFACTS`.
    settings : Sorting
        The refractory period is marked in the interval histograms; what lies
        beyond `stable_drift` and `stable_p` is marked as unstable.
    title : str
        Of the page; the counts of units are added.
    segments : DataFrame, optional
        `SEGMENTS`: rates are shown over recorded time; without it, from the first to the last spike.

    Returns
    -------
    figure : matplotlib.figure.Figure
    source : dict of str to pandas.DataFrame
        Plotted values of 'waveforms', 'map', 'noise', 'metrics', 'intervals',
        'rates', 'steps', 'baselines'; of a file without voltages or blocks those
        that it tells something of.
    """
    displayed = _shown(units)
    displayed = displayed.assign(unstable=unstable(displayed, settings))
    parts = _parts(displayed, waveforms, bad_channels)
    figure, places = _page(
        parts, displayed.loc[displayed["unit"].isin(waveforms["unit"]), "channel"].nunique()
    )
    figure.suptitle(_headline(title, displayed, bad_channels))
    online = units[(units["kind"] == "online") & ~units["unit"].isin(displayed["unit"])]
    draw = {
        "waveforms": lambda at: draw_waveforms(at, displayed, online, waveforms, bad_channels),
        "map": lambda at: draw_yield(at, displayed, channels, bad_channels),
        "noise": lambda at: draw_noise(at, bad_channels),
        "metrics": lambda at: _metrics(at, displayed),
        "intervals": lambda at: _intervals(at, displayed, spikes, settings.refractory_ms),
        "rates": lambda at: _rates(at, displayed, spikes, segments),
        "steps": lambda at: draw_steps(at, bad_channels),
        "baselines": lambda at: draw_baselines(at, displayed, settings),
    }
    source = {name: draw[name](place) for name, place in places.items()}
    mark_artefacts(places["rates"], artefacts)
    for name, mark in _letters(parts).items():
        if name != "waveforms":
            letter(places[name], mark)
    return figure, source


def _parts(shown: pd.DataFrame, waveforms: pd.DataFrame, bad_channels: pd.DataFrame) -> list[tuple[str, ...]]:
    """Names of the panels, line by line; without those of which the file tells nothing."""
    voltages = len(bad_channels) > 0
    first = ("waveforms",) if voltages or shown["unit"].isin(waveforms["unit"]).any() else ()
    isolation = ("metrics",) if voltages or np.isfinite(shown["snr"]).any() else ()
    second = ("map", *(("noise",) if voltages else ()), *isolation)
    blocks = ("baselines",) if has_baselines(shown) else ()
    last = (*(("steps",) if voltages else ()), *blocks)
    return [line for line in (first, second, ("intervals", "rates"), last) if line]


def _letters(parts: list[tuple[str, ...]]) -> dict[str, str]:
    return dict(zip([name for line in parts for name in line], "abcdefgh", strict=False))


def _page(parts: list[tuple[str, ...]], n_panels: int) -> tuple[Figure, dict[str, Any]]:
    """Return the page, and where each of its panels is drawn: axes, of the waveforms a part of the page."""
    rows = max(panel_rows(n_panels), 1)
    height = {"waveforms": 0.5 + 0.75 * rows, "map": 2.0, "intervals": 2.3}
    heights = [height.get(line[0], 2.0) for line in parts]
    figure = Figure(figsize=(PAGE, 0.2 + sum(heights)), layout="constrained")
    lines = figure.subfigures(len(parts), 1, height_ratios=heights, squeeze=False)[:, 0]
    places: dict[str, Any] = {}
    for names, line in zip(parts, lines, strict=True):
        if names == ("waveforms",):
            places["waveforms"] = line
        else:
            places.update(zip(names, line.subplots(1, len(names), squeeze=False)[0], strict=True))
    return figure, places


def caption(
    units: pd.DataFrame, waveforms: pd.DataFrame, bad_channels: pd.DataFrame, settings: Sorting
) -> str:
    """State N, and how noise, isolation, labels and stability are measured."""
    left_out = bad_channels[bad_channels["reason"] != ""]
    reasons = "; ".join(f"{row.channel}: {row.reason}" for row in left_out.itertuples()) or "none"
    displayed = _shown(units)
    mark = _letters(_parts(displayed, waveforms, bad_channels))
    steps = (
        f"{mark['steps']}, voltage of each electrode (SD) after each step of preprocessing."
        if "steps" in mark
        else ""
    )
    counts = ", ".join(f"{n} {UNSORTED_NAME.get(kind, kind)}" for kind, n in _counts(units))
    return words(
        f"""
        Sorting: {counts or "no units"}. Noise is 1.4826 times the median absolute deviation of the filtered
        voltage; SNR is the trough of the mean waveform over it; ISI violations ratio is the contamination
        that intervals below {settings.refractory_ms:g} ms tell of (Hill 2011). Labels follow the
        thresholds in the configuration. Electrodes left out: {reasons}. Red marks above the rates:
        artefacts that were blanked. Online units' waveforms lie where the rig stamped them, at the
        threshold or the trough.
        {steps} {_of_baselines(displayed, settings, mark.get("baselines"))}
        """
    )


def _of_baselines(displayed: pd.DataFrame, settings: Sorting, mark: str | None) -> str:
    if mark is None:
        return "Baselines over blocks: none, the session has no blocks or no unit has a baseline."
    return f"""
        {mark}, fitted change of each unit's baseline from first to last block over its mean; p of its trend
        over blocks (Spearman, not corrected). Ringed: unstable, a change beyond {settings.stable_drift:g}
        with p < {settings.stable_p:g} ({unstable(displayed, settings).sum()} of the
        {displayed["baseline_drift"].notna().sum()} units with a trend).
        """


def _counts(units: pd.DataFrame) -> list[tuple[str, int]]:
    counts = units["kind"].value_counts()
    return [(kind, int(counts[kind])) for kind in ("sorted", "multiunit", "online") if kind in counts]


def _shown(units: pd.DataFrame) -> pd.DataFrame:
    for kind in ("sorted", "multiunit", "online"):
        if (units["kind"] == kind).any():
            return units[units["kind"] == kind].sort_values(["channel", "unit"]).reset_index(drop=True)
    return units.iloc[:0]


def _headline(title: str, shown: pd.DataFrame, bad_channels: pd.DataFrame) -> str:
    counts = shown["label"].value_counts()
    kind = UNSORTED_NAME.get(shown["kind"].iloc[0], "sorted") if len(shown) else ""
    parts = [f"{counts[name]} {name}" for name in LABELS if name in counts]
    parts += [f"{n} unstable"] if (n := int(shown["unstable"].sum())) else []
    units = f"{len(shown)} {kind} units ({', '.join(parts)})" if len(shown) else "no units"
    n_bad = int((bad_channels["reason"] != "").sum())
    judged = f", {n_bad} of {len(bad_channels)} electrodes left out" if len(bad_channels) else ""
    return f"{title + ': ' if title else ''}{units}{judged}"


def _metrics(axes: Axes, shown: pd.DataFrame) -> pd.DataFrame:
    """SNR against ISI violations, by label."""
    columns = [
        "unit",
        "channel",
        "label",
        "snr",
        "isi_violations_ratio",
        "presence_ratio",
        "amplitude_cutoff",
        "rate_hz",
        "baseline_drift",
        "baseline_p",
        "unstable",
    ]
    table = shown[columns]
    with_snr = table[np.isfinite(table["snr"])]
    axes.set_title("Isolation")
    if with_snr.empty:
        say_empty(axes, "no voltages" if len(shown) else "no units")
        return table
    for name, colour in LABEL_COLOURS.items():
        rows = with_snr[with_snr["label"] == name]
        if rows.empty:
            continue
        axes.scatter(
            rows["snr"],
            rows["isi_violations_ratio"],
            s=9,
            color=colour,
            label=f"{name} ({len(rows)})",
            alpha=0.85,
        )
    # Linear up to 0.01, so that units without violations have a place on the axis.
    axes.set_yscale("symlog", linthresh=0.01)
    axes.set_ylim(bottom=-0.002)
    axes.set_yticks([0, 0.01, 0.1, 1], ["0", "0.01", "0.1", "1"])
    axes.set_xlim(0, 1.5 * float(with_snr["snr"].max()))
    axes.set_xlabel("SNR")
    axes.set_ylabel("ISI violations ratio")
    axes.legend(loc="upper right")
    return table


def _intervals(axes: Axes, shown: pd.DataFrame, spikes: pd.DataFrame, refractory_ms: float) -> pd.DataFrame:
    """Interval histogram of each unit as a row, each over its own largest bin."""
    axes.set_title("Inter-spike intervals")
    counts = [
        np.histogram(1000 * np.round(np.diff(times), CLOCK_DIGITS), ISI_MS)[0]
        for times in _times(shown, spikes)
    ]
    if not counts:
        say_empty(axes, "no units")
        return pd.DataFrame(columns=["unit", "isi_ms", "n"])
    table = np.stack(counts)
    peak = np.maximum(table.max(axis=1, keepdims=True), 1)
    image = axes.pcolormesh(
        ISI_MS, np.arange(len(table) + 1) - 0.5, table / peak, vmin=0, vmax=1, rasterized=True
    )
    axes.axvline(refractory_ms, color="#D55E00", linewidth=0.9)
    axes.set_xscale("log")
    axes.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1000"])
    axes.set_xlabel(f"Interval (ms); line: {refractory_ms:g} ms refractory")
    _unit_axis(axes, shown)
    axes.figure.colorbar(image, ax=axes, label="Count / unit's largest", shrink=0.9)
    middle = np.sqrt(ISI_MS[1:] * ISI_MS[:-1])
    return _long(shown, middle, table, "isi_ms", "n")


def _rates(
    axes: Axes, shown: pd.DataFrame, spikes: pd.DataFrame, segments: pd.DataFrame | None
) -> pd.DataFrame:
    """Rate of each unit over the session, relative to its mean: drift, losses and late arrivals."""
    axes.set_title("Rate over the session")
    times = _times(shown, spikes)
    known_segments = tables.empty(SEGMENTS) if segments is None else segments
    recorded = RecordedTime.of_segments(known_segments, *map(pd.Series, times))
    first, last = recorded.span_s
    if last <= first or not any(map(len, times)):
        say_empty(axes, "no spikes")
        return pd.DataFrame(columns=["unit", "time_s", "rate_hz"])
    edges = np.linspace(first, last, TIME_BINS + 1)
    # From the start, to a nanosecond: a spike on an edge does not change bins with the clock's origin.
    since = [np.round(t - first, CLOCK_DIGITS) for t in times]
    width_s = (last - first) / TIME_BINS
    rate = np.stack([np.histogram(t, TIME_BINS, (0, round(last - first, CLOCK_DIGITS)))[0] for t in since])
    rate = rate / width_s
    relative = rate / np.maximum(rate.mean(axis=1, keepdims=True), 1e-12)
    image = axes.pcolormesh(
        edges / 60, np.arange(len(rate) + 1) - 0.5, relative, vmin=0, vmax=2, cmap="cividis", rasterized=True
    )
    axes.set_xlabel("Time (min)")
    _unit_axis(axes, shown)
    axes.figure.colorbar(image, ax=axes, label="Rate / unit's mean", shrink=0.9, extend="max")
    return _long(shown, (edges[1:] + edges[:-1]) / 2, rate, "time_s", "rate_hz")


def _times(shown: pd.DataFrame, spikes: pd.DataFrame) -> list[np.ndarray]:
    groups = {unit: np.sort(frame.to_numpy()) for unit, frame in spikes.groupby("unit")["time_s"]}
    return [groups.get(unit, np.zeros(0)) for unit in shown["unit"]]


def _unit_axis(axes: Axes, shown: pd.DataFrame) -> None:
    step = max(1, -(-len(shown) // 16))
    ticks = np.arange(0, len(shown), step)
    axes.set_yticks(ticks, shown["channel"].iloc[ticks].astype(str))
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_ylabel("Units, by channel")


def _long(shown: pd.DataFrame, x: np.ndarray, table: np.ndarray, x_name: str, name: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "unit": np.repeat(shown["unit"].to_numpy(), len(x)),
            x_name: np.tile(x, len(shown)),
            name: table.reshape(-1),
        }
    )
