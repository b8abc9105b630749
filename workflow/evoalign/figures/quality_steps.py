"""What preprocessing did to a session's electrodes, and how steady its units' baselines are."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.ticker import LogLocator, NullFormatter

from evoalign.figures.style import say_empty
from evoalign.sorting.settings import Sorting

STEPS = {
    "raw_sd_uv": "recorded",
    "filtered_sd_uv": "band-pass",
    "referenced_sd_uv": "reference",
    "blanked_sd_uv": "blanking",
}
LEFT_OUT, KEPT = "#D55E00", "#56B4E9"
UNSTABLE = "#D55E00"
P_FLOOR = 1e-4  # smaller p values have one colour


def draw_steps(axes: Axes, bad_channels: pd.DataFrame) -> pd.DataFrame:
    """Draw each electrode's SD after each step of preprocessing as a line.

    Parameters
    ----------
    axes : Axes
        To draw on.
    bad_channels : DataFrame
        `BAD_CHANNELS`.

    Returns
    -------
    DataFrame
        Plotted rows: channel, reason, the SDs in µV, blanked_share.
    """
    measured = bad_channels[np.isfinite(bad_channels[[*STEPS]].to_numpy()).all(axis=1)]
    axes.set_title("Voltage after each step")
    if measured.empty:
        say_empty(axes, "no voltages")
        return bad_channels.iloc[:0]
    for is_bad, colour, name in ((False, KEPT, "sorted"), (True, LEFT_OUT, "left out")):
        rows = measured.loc[(measured["reason"] != "") == is_bad, :][[*STEPS]].to_numpy()
        if len(rows):
            # What is flat has no place on a logarithmic axis.
            lines = axes.plot(np.maximum(rows, 1e-2).T, color=colour, linewidth=0.7, alpha=0.6)
            lines[0].set_label(f"{name} ({len(rows)})")
    axes.plot(measured[[*STEPS]].median().to_numpy(), "o-", color="black", markersize=3, label="median")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(range(len(STEPS)), [*STEPS.values()])
    axes.set_ylabel("SD (µV)")
    blanked = 100 * measured["blanked_share"]
    axes.set_xlabel(f"Blanked: {blanked.median():.2g} % of the time (median), {blanked.max():.2g} % (most)")
    axes.legend(loc="upper right")
    return measured.loc[:, ["channel", "reason", *STEPS, "blanked_share"]].reset_index(drop=True)


def has_baselines(shown: pd.DataFrame) -> bool:
    """Return whether any of these rows of `UNITS` has a baseline over blocks."""
    return bool(_with_baseline(shown).any())


def _with_baseline(shown: pd.DataFrame) -> pd.Series:
    return np.isfinite(shown["baseline_drift"]) & (shown["baseline_hz"] > 0)


def draw_baselines(axes: Axes, shown: pd.DataFrame, settings: Sorting) -> pd.DataFrame:
    """Draw the drift of each unit's baseline against its rate, coloured by p; unstable ones are ringed.

    Parameters
    ----------
    axes : Axes
        To draw on.
    shown : DataFrame
        Rows of `UNITS` of which some have a baseline (`has_baselines`), and ``unstable`` of
        `sorting.stability.unstable`.
    settings : Sorting
        Its `stable_drift` is drawn as a line.

    Returns
    -------
    DataFrame
        Plotted rows: unit, channel, baseline_hz, baseline_drift, baseline_p,
        unstable.
    """
    columns = ["unit", "channel", "baseline_hz", "baseline_drift", "baseline_p", "unstable"]
    with_drift = shown.loc[_with_baseline(shown), columns]
    axes.set_title("Baseline over blocks")
    dots = axes.scatter(
        with_drift["baseline_hz"],
        with_drift["baseline_drift"],
        c=np.clip(with_drift["baseline_p"].fillna(1), P_FLOOR, 1),
        norm=LogNorm(P_FLOOR, 1),
        cmap="cividis",
        s=12,
        edgecolors="black",
        linewidths=0.3,
    )
    axes.axhline(0, color="black", linewidth=0.6)
    for limit in (-settings.stable_drift, settings.stable_drift):
        axes.axhline(limit, color=UNSTABLE, linewidth=0.6, linestyle=(0, (3, 2)))
    ringed = with_drift[with_drift["unstable"]]
    if len(ringed):
        axes.scatter(
            ringed["baseline_hz"],
            ringed["baseline_drift"],
            s=36,
            facecolors="none",
            edgecolors=UNSTABLE,
            linewidths=0.9,
            label=f"unstable ({len(ringed)} of {len(with_drift)})",
        )
        axes.legend(loc="upper right")
    reach = 1.15 * max(1.0, settings.stable_drift, float(with_drift["baseline_drift"].abs().max()))
    axes.set_ylim(-reach, reach)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("Baseline (spikes/s)")
    axes.set_ylabel("Change over its mean")
    axes.figure.colorbar(dots, ax=axes, label="p of the trend", shrink=0.9, extend="min")
    return with_drift.reset_index(drop=True)


def mark_artefacts(axes: Axes, artefacts: pd.DataFrame) -> None:
    """Mark blanked stretches, `ARTEFACTS`, at the upper edge of axes whose x is minutes."""
    middle = (artefacts["start_s"] + artefacts["stop_s"]).to_numpy() / 120
    above = axes.get_xaxis_transform()
    marks = axes.plot(middle, np.full(len(middle), 1.02), "|", color="red", markersize=4, transform=above)
    for mark in marks:
        mark.set_clip_on(False)
        mark.set_in_layout(False)  # an empty line outside the axes makes the layout collapse
