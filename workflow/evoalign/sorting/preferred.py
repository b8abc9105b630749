"""Which of the sorted units is the one that drove the evolution online."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import spikeinterface as si
from spikeinterface.comparison import compare_two_sorters

from evoalign.errors import InputError
from evoalign.sorting.result import SortingResult

CLOCK_HZ = 30_000.0  # of the comparison's time grid
DELTA_MS = 0.4  # spikes closer than this are the same, SpikeInterface's default
MAX_LAG_S = 1e-3  # a rig's time stamp is a threshold crossing, ours a trough


def choose_preferred(
    sorted_units: SortingResult,
    online_spikes: pd.DataFrame,
    channel: int,
    unit: int,
    min_agreement: float = 0.5,
) -> SortingResult:
    """Mark the units that stand for the online unit that drove the evolution.

    Each unit of the channel is compared with the online unit: agreement is
    matches / (spikes + spikes - matches), by `spikeinterface.comparison`,
    after the constant lag of the online time stamps is taken off. Marked are,
    at most one of each kind: the 'sorted' unit with the largest agreement, if
    that is at least `min_agreement`; the channel's 'multiunit', which is what
    remains when no sorted unit qualifies; and the 'online' unit itself.

    Parameters
    ----------
    sorted_units : SortingResult
        All units of the session.
    online_spikes : DataFrame
        `ONLINE_SPIKES`.
    channel, unit : int
        The vendor's channel number and online unit (a = 1); unit 0: the
        channel as a whole, for which only its multi-unit can stand.
    min_agreement : float
        Config key ``sorting.preferred_min_agreement``.

    Returns
    -------
    SortingResult
        With columns preferred and preferred_agreement set. Nothing is marked
        for a channel without units.

    Raises
    ------
    InputError
        The rig sorted units online, and none of that channel and letter.
    """
    if unit > 0:
        _check_there(online_spikes, channel, unit)
    units = sorted_units.units.copy()
    units["preferred"], units["preferred_agreement"] = False, np.nan
    of_channel = online_spikes[online_spikes["channel"] == channel]
    if unit > 0:
        of_channel = of_channel[of_channel["unit"] == unit]
    online = np.sort(of_channel["time_s"].to_numpy())
    on_channel = units["channel"] == channel
    spikes = sorted_units.spikes[sorted_units.spikes["unit"].isin(units.loc[on_channel, "unit"])]
    for row in units.index[on_channel]:
        times = spikes.loc[spikes["unit"] == units.loc[row, "unit"], "time_s"].to_numpy()
        units.loc[row, "preferred_agreement"] = agreement(online, times)
    for row in _preferred_rows(units[on_channel], unit, min_agreement):
        units.loc[row, "preferred"] = True
    return replace(sorted_units, units=units)


def _check_there(online_spikes: pd.DataFrame, channel: int, unit: int) -> None:
    """Refuse a letter that the rig did not give: the channel's multi-unit would stand in without a word."""
    of_channel = np.unique(online_spikes.loc[online_spikes["channel"] == channel, "unit"])
    if online_spikes.empty or unit in of_channel:
        return
    letters = [f"{channel}{chr(ord('a') + number - 1)}" for number in of_channel.tolist() if 0 < number <= 26]
    raise InputError(
        f"there is no online unit {channel}{chr(ord('a') + unit - 1)}",
        "sample sheet, column preferred",
        f"units of that channel: {', '.join(letters) or 'none'}; without a letter, {channel}, its multi-unit",
    )


def _preferred_rows(units: pd.DataFrame, unit: int, min_agreement: float) -> list[int]:
    rows = list(units.index[units["kind"] == "multiunit"])
    rows += list(units.index[(units["kind"] == "online") & (units["vendor_unit"] == unit)])
    agreeing = units[(units["kind"] == "sorted") & (units["preferred_agreement"] >= min_agreement)]
    if unit > 0 and len(agreeing):
        rows.append(agreeing["preferred_agreement"].idxmax())
    return rows


def agreement(first_s: np.ndarray, second_s: np.ndarray) -> float:
    """Return the agreement of two spike trains after taking off their median lag.

    Parameters
    ----------
    first_s, second_s : ndarray ``[spike]``
        Rising spike times, s.

    Returns
    -------
    float
        0 to 1; NaN when one train is empty.
    """
    if len(first_s) == 0 or len(second_s) == 0:
        return float("nan")
    second_s = second_s - lag(first_s, second_s)
    origin = min(first_s[0], second_s[0])
    pair = [
        si.NumpySorting.from_samples_and_labels(
            [np.rint((times - origin) * CLOCK_HZ).astype(np.int64)], [np.zeros(len(times), int)], CLOCK_HZ
        )
        for times in (first_s, second_s)
    ]
    return float(compare_two_sorters(*pair, delta_time=DELTA_MS).agreement_scores.to_numpy()[0, 0])


def lag(first_s: np.ndarray, second_s: np.ndarray) -> float:
    """Return the median time, s, from a spike of the first train to the nearest of the second within 1 ms.

    Parameters
    ----------
    first_s, second_s : ndarray ``[spike]``
        Rising spike times, s.
    """
    after = np.clip(np.searchsorted(second_s, first_s), 1, max(len(second_s) - 1, 1))
    neighbours = np.stack([second_s[after - 1], second_s[np.minimum(after, len(second_s) - 1)]]) - first_s
    lag_s = np.where(np.abs(neighbours[0]) <= np.abs(neighbours[1]), neighbours[0], neighbours[1])
    lags = lag_s[np.abs(lag_s) <= MAX_LAG_S]
    return float(np.median(lags)) if len(lags) else 0.0
