"""Units of a file, and their spikes around events."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign.commands.text import psth_lines, table
from evoalign.errors import InputError
from evoalign.events.lags import NS_PER_MS, lags_around
from evoalign.figures.settings import Figures

MOST_UNITS = 12  # that are listed


@dataclass(frozen=True)
class Spiking:
    """Units, their spikes and the events around which they are looked at.

    Attributes
    ----------
    title : str
        Of the file.
    units, spikes : pandas.DataFrame
        `UNITS` and `SPIKES`.
    event_s : ndarray, float64 [event]
        Seconds on the recording's clock.
    event : str
        What the events are.
    duration_s : float
        Over which rates are taken.
    """

    title: str
    units: pd.DataFrame
    spikes: pd.DataFrame
    event_s: NDArray[np.float64]
    event: str
    duration_s: float


def unit_name(unit: pd.Series) -> str:
    """Return a unit's name: ``12a`` of the rig's own, ``sorted 3 (channel 12)`` of others."""
    if unit["kind"] != "online":
        return f"{unit['kind']} {unit['unit']} (channel {unit['channel']})"
    letter = int(unit["vendor_unit"])
    if letter == 0:
        return f"{unit['channel']} unsorted"
    named = string.ascii_lowercase[letter - 1] if letter <= 26 else f" unit {letter}"
    return f"{unit['channel']}{named}"


def unit_lines(spiking: Spiking) -> list[str]:
    """Return lines on the units: how many, and those with the most spikes."""
    units = spiking.units
    if units.empty:
        return ["Units: none"]
    kinds = ", ".join(f"{n} {kind}" for kind, n in units["kind"].value_counts().items())
    busiest = units.sort_values(["n_spikes", "unit"], ascending=[False, True])[:MOST_UNITS]
    rows = [
        (unit_name(unit), int(unit["n_spikes"]), f"{unit['n_spikes'] / max(spiking.duration_s, 1e-9):.1f}/s")
        for _, unit in busiest.iterrows()
    ]
    more = [f"  and {len(units) - MOST_UNITS} more"] if len(units) > MOST_UNITS else []
    return [
        f"Units: {kinds}, on {units['channel'].nunique()} channels",
        *table(("unit", "spikes", "rate"), rows),
        *more,
    ]


def chosen_unit(spiking: Spiking, name: str, where: str) -> pd.Series | None:
    """Return the named unit, else the preferred, else the busiest; one that was sorted first.

    Raises
    ------
    InputError
        There is no such unit: those of its channel, or the busiest, are named.
    """
    units = spiking.units
    if not name:
        single = (units["kind"] == "sorted") | ((units["kind"] == "online") & (units["vendor_unit"] > 0))
        best = units.assign(single=single).sort_values(
            ["preferred", "single", "n_spikes"], ascending=False, kind="stable"
        )
        return None if units.empty else units.loc[best.index[0]]
    match = re.fullmatch(r"(\d+)([a-z]?)", name)
    if not match:
        raise InputError(f"'{name}' is no unit", "--unit", "give channel and online letter, as 12a")
    of_channel = units[units["channel"] == int(match[1])]
    letter = string.ascii_lowercase.index(match[2]) + 1 if match[2] else 0
    online = of_channel[(of_channel["kind"] == "online") & (of_channel["vendor_unit"] == letter)]
    rows = online if len(online) or match[2] else of_channel
    if rows.empty:
        names = [unit_name(unit) for _, unit in (of_channel if len(of_channel) else units)[:8].iterrows()]
        raise InputError(f"there is no unit {name}", where, f"units there: {', '.join(names) or 'none'}")
    return rows.sort_values("n_spikes", ascending=False).iloc[0]


def psth(spiking: Spiking, unit: pd.Series, window_ms: tuple[int, int], bin_ms: int) -> NDArray[np.float64]:
    """Return spikes/s of a unit in bins around the events, float64 ``[bin]``."""
    times = np.sort(spiking.spikes.loc[spiking.spikes["unit"] == unit["unit"], "time_s"].to_numpy())
    _, lag_ns = lags_around(times, spiking.event_s, window_ms)
    n_bins = (window_ms[1] - window_ms[0]) // bin_ms
    bins = (lag_ns - window_ms[0] * NS_PER_MS) // (bin_ms * NS_PER_MS)
    return np.bincount(bins, minlength=n_bins)[:n_bins] / (len(spiking.event_s) * bin_ms / 1000)


def response_lines(spiking: Spiking, name: str, window_ms: tuple[int, int], bin_ms: int) -> list[str]:
    """Return a PSTH of the named unit, or why there is none."""
    unit = chosen_unit(spiking, name, spiking.title)
    if unit is None:
        return ["PSTH: none, the file holds no sorted or online spikes; evoalign sort makes some"]
    if not len(spiking.event_s):
        return ["PSTH: none, the file holds no events"]
    rate_hz = psth(spiking, unit, window_ms, bin_ms)
    head = f"PSTH: {unit_name(unit)}, {len(spiking.event_s)} times {spiking.event}, bins of {bin_ms} ms"
    return [head, *psth_lines(rate_hz, window_ms)]


def save_picture(spiking: Spiking, target: Path, name: str, settings: Figures, style: Path) -> None:
    """Write rasters and PSTHs as PNG: of the chosen unit, and of the busiest.

    Raises
    ------
    InputError
        The picture cannot be written there; or as for `chosen_unit` and `use_style`.
    """
    from evoalign.figures.raster import draw_raster
    from evoalign.figures.save import use_style

    use_style(style)
    unit = chosen_unit(spiking, name, spiking.title)
    chosen = spiking.units["unit"] == (-1 if unit is None else unit["unit"])
    units = spiking.units.assign(preferred=spiking.units["preferred"].astype(bool) | chosen)
    figure, _ = draw_raster(
        spiking.spikes, units, spiking.event_s, settings, spiking.title, spiking.event or "event"
    )
    try:
        figure.savefig(target, dpi=settings.dpi)
    except OSError as error:
        raise InputError(f"the picture cannot be written: {error.strerror}", target) from error
