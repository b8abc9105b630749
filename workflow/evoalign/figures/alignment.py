"""How well a session's event words meet its stimulus log, and when light follows the words."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evoalign.figures.panels import Source, words
from evoalign.figures.style import PAGE, REFERENCE_COLOUR, letter, new_figure, say_empty

WORD_COLOUR, LIGHT_COLOUR, LOST_COLOUR = "#0072B2", "#E69F00", "#D55E00"
BIN_MS = 0.5  # of the histogram of delays
MAX_BINS = 400


def draw_alignment(presentations: pd.DataFrame, alignment: pd.DataFrame) -> tuple[Figure, Source]:
    """Draw drift, residuals and the photodiode's delays of one session.

    Parameters
    ----------
    presentations : pandas.DataFrame
        `PRESENTATIONS`.
    alignment : pandas.DataFrame
        `ALIGNMENT`, one row.

    Returns
    -------
    figure : matplotlib.figure.Figure
    source : dict of str to pandas.DataFrame
        Panel 'a': recording's clock minus log clock, without its offset; 'b':
        words around the clock fit, and presentations that are not valid; 'c':
        histogram of photodiode minus word.
    """
    report = alignment.iloc[0]
    points = _points(presentations, float(report["drift_ppm"]))
    delays = _histogram(presentations)
    figure = new_figure(PAGE, 2.2)
    axes = figure.subplots(1, 3, width_ratios=[1, 1.3, 1])
    _drift(axes[0], points, report)
    _residuals(axes[1], points, report)
    _delays(axes[2], delays, report)
    for panel, text in zip(axes, "abc", strict=True):
        letter(panel, text)
    columns = ["presentation", "minutes", "valid", "reason"]
    return figure, {
        "a": points[["presentation", "minutes", "clock_difference_ms"]].dropna(),
        "b": points[[*columns, "residual_ms"]],
        "c": delays,
    }


def _points(presentations: pd.DataFrame, drift_ppm: float) -> pd.DataFrame:
    frame = presentations[["presentation", "log_s", "residual_ms", "valid", "reason"]].copy()
    first = frame["log_s"].min() if len(frame) else 0.0
    frame["minutes"] = (frame["log_s"] - first) / 60
    # ppm x s = µs; each piece's own offset is in the residual already.
    frame["clock_difference_ms"] = drift_ppm * (frame["log_s"] - first) / 1000 + frame["residual_ms"]
    return frame


def _histogram(presentations: pd.DataFrame) -> pd.DataFrame:
    by_light = presentations[presentations["onset_source"] == "photodiode"]
    delay = (1000 * (by_light["onset_s"] - by_light["word_s"])).dropna().to_numpy()
    if not len(delay):
        return pd.DataFrame({"from_ms": [], "to_ms": [], "presentations": []})
    low = BIN_MS * np.floor(delay.min() / BIN_MS)
    n_bins = int(min((delay.max() - low) // BIN_MS + 1, MAX_BINS))
    counts, edges = np.histogram(delay, low + BIN_MS * np.arange(n_bins + 1))
    return pd.DataFrame({"from_ms": edges[:-1], "to_ms": edges[1:], "presentations": counts})


def _drift(axes: Axes, points: pd.DataFrame, report: pd.Series) -> None:
    measured = points.dropna(subset=["clock_difference_ms"])
    if measured.empty:
        say_empty(axes, "no matched word")
        return
    axes.scatter(
        measured["minutes"],
        measured["clock_difference_ms"],
        s=2,
        color=WORD_COLOUR,
        linewidth=0,
        rasterized=True,
    )
    ends = np.array([0.0, points["minutes"].max()])
    axes.plot(ends, report["drift_ppm"] * ends * 60 / 1000, color="black", linewidth=0.6)
    axes.set_title(f"Drift {report['drift_ppm']:.2f} ppm")
    axes.set_xlabel("Time (min)")
    axes.set_ylabel("Recording minus log (ms)")


def _residuals(axes: Axes, points: pd.DataFrame, report: pd.Series) -> None:
    measured = points.dropna(subset=["residual_ms"])
    if measured.empty:
        say_empty(axes, "no matched word")
        return
    axes.axhline(0, color=REFERENCE_COLOUR, linewidth=0.5)
    axes.scatter(
        measured["minutes"], measured["residual_ms"], s=2, color=WORD_COLOUR, linewidth=0, rasterized=True
    )
    lost = points.loc[~points["valid"].astype(bool), "minutes"]
    axes.scatter(
        lost,
        np.full(len(lost), 0.02),
        s=14,
        marker="|",
        linewidth=0.5,
        color=LOST_COLOUR,
        transform=axes.get_xaxis_transform(),
        label=f"not valid ({len(lost)})",
    )
    limit = 1.3 * max(float(np.percentile(measured["residual_ms"].abs(), 99.5)), 0.1)
    axes.set_ylim(-limit, limit)
    axes.set_title(f"{report['matched']} matched, {report['missing']} missing, {report['extra']} extra words")
    axes.set_xlabel("Time (min)")
    axes.set_ylabel("Word minus clock fit (ms)")
    if len(lost):
        axes.legend(loc="upper right")


def _delays(axes: Axes, delays: pd.DataFrame, report: pd.Series) -> None:
    if delays.empty:
        say_empty(axes, "no photodiode")
        return
    axes.bar(
        delays["from_ms"],
        delays["presentations"],
        width=BIN_MS,
        align="edge",
        color=LIGHT_COLOUR,
        linewidth=0,
    )
    for name, style in (("delay_median_ms", "-"), ("delay_p99_ms", ":")):
        axes.axvline(report[name], color="black", linewidth=0.7, linestyle=style)
    axes.set_title(f"{report['delay_median_ms']:.1f} ms, 99 % below {report['delay_p99_ms']:.1f} ms")
    axes.set_xlabel("Photodiode minus word (ms)")
    axes.set_ylabel("Presentations")


def caption(presentations: pd.DataFrame, alignment: pd.DataFrame) -> str:
    """State N, and what was measured how."""
    report = alignment.iloc[0]
    reasons = presentations.loc[presentations["reason"] != "", "reason"].value_counts().sort_index()
    lost = "; ".join(f"{reason}: {count}" for reason, count in reasons.items())
    light = (
        f"c, Delay from word to light, bins of {BIN_MS:g} ms; lines: median and 99th percentile."
        if np.isfinite(report["delay_median_ms"])
        else "c, No photodiode: onsets are words plus the configured display delay."
    )
    return words(
        f"""
        a, Recording's clock minus the log's at the matched onset words, offsets taken off; line: robust fit.
        b, The same words around the fit: median {report["residual_median_ms"]:.2f} ms, 99th percentile
        {report["residual_p99_ms"]:.2f} ms; red: presentations that are kept but not valid ({lost or "none"}).
        {light} n = {report["n_presentations"]} presentations, {report["n_valid"]} valid,
        {report["photodiode_fraction"]:.1%} with an onset from the photodiode.
        """
    )
