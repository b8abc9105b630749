"""Spike trains of model units, and what an online sorter makes of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from evoalign import tables
from evoalign.recordings.tables import ONLINE_SPIKES
from evoalign.simulate.ventral_stream import RESPONSE_MS

REFRACTORY_S = 1.5e-3
OVERLAPPING = 2  # presentations, 200 ms apart, whose responses can overlap

# The online sorter: crosses threshold before the trough, misses and mistakes some spikes.
CROSSING_LEAD_S, CROSSING_JITTER_S = 1.5e-4, 3e-5
DETECTED, MISSORTED = 0.97, 0.01
SORTABLE_UV = 65.0  # smaller units are left unsorted by an experimenter
UNSORTED_HZ = 4.0  # threshold crossings of background activity


def driven_rate(
    times: np.ndarray, onsets: np.ndarray, matches: np.ndarray, kernels: np.ndarray, base_hz: float
) -> np.ndarray:
    """Return a unit's planted rate at any times.

    Parameters
    ----------
    times : ndarray
        s ``[time]``.
    onsets : ndarray
        True onsets, s ``[presentation]``, rising.
    matches : ndarray
        T and O of the image of each presentation, ``[2, presentation]``.
    kernels : ndarray
        Of T and O, spikes/s ``[2, 225]`` on the 1 ms grid from onset.
    base_hz : float
        Rate without drive.

    Returns
    -------
    ndarray
        spikes/s ``[time]``: base plus the responses to the last two presentations.
    """
    rate = np.full(len(times), base_hz)
    if len(onsets) == 0:
        return rate
    latest = np.searchsorted(onsets, times, side="right") - 1
    for presentations_back in range(OVERLAPPING):
        row = np.maximum(latest - presentations_back, 0)
        lag = np.floor((times - onsets[row]) * 1000).astype(np.int64)
        active = (latest >= presentations_back) & (lag < RESPONSE_MS)
        row, lag = row[active], lag[active]
        rate[active] += matches[0, row] * kernels[0, lag] + matches[1, row] * kernels[1, lag]
    return rate


def ceiling_hz(kernels: np.ndarray, base_hz: float) -> float:
    """Return an upper bound of `driven_rate` for matches up to 1, spikes/s.

    Onsets are at least 180 ms apart: a new response adds to the end of the last
    one. `kernels` are ``[2, 225]``, as for `driven_rate`.
    """
    response = kernels.sum(axis=0)
    return float(base_hz + response.max() + response[180:].max())


def spike_train(
    rate: Callable[[np.ndarray], np.ndarray],
    ceiling_hz: float,
    start_s: float,
    stop_s: float,
    rng: np.random.Generator,
    last_s: float = -np.inf,
) -> np.ndarray:
    """Draw a Poisson process with a dead time, whose mean rate is `rate`.

    Parameters
    ----------
    rate : callable
        Times ``[n]`` to spikes/s ``[n]``.
    ceiling_hz : float
        Upper bound of `rate`.
    start_s, stop_s : float
        The interval to fill.
    rng : numpy.random.Generator
        Source of randomness.
    last_s : float
        Time of the spike before `start_s`.

    Returns
    -------
    ndarray
        Spike times, s, rising, at least 1.5 ms apart.
    """
    # With dead time d, a hazard h gives the rate h / (1 + h d); inverted here.
    ceiling = ceiling_hz / (1 - ceiling_hz * REFRACTORY_S)
    n = rng.poisson(ceiling * (stop_s - start_s))
    candidates = np.sort(rng.uniform(start_s, stop_s, n))
    candidate_rates = rate(candidates)
    hazard = candidate_rates / (1 - candidate_rates * REFRACTORY_S)
    candidates = candidates[rng.uniform(0, ceiling, n) < hazard]
    return _apart(candidates, last_s)


def _apart(times: np.ndarray, last_s: float = -np.inf) -> np.ndarray:
    """Drop the times that follow the last kept one by less than the dead time."""
    is_kept = np.zeros(len(times), dtype=bool)
    for i, time in enumerate(times.tolist()):
        if time - last_s >= REFRACTORY_S:
            is_kept[i], last_s = True, time
    return times[is_kept]


def with_bursts(times: np.ndarray, share: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Let a share of the spikes start a burst of two to four.

    Parameters
    ----------
    times : ndarray
        Spike times, s ``[spike]``, rising.
    share : float
        Of spikes that start a burst, 0..1.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    times : ndarray
        All spikes, s ``[spike]``, at least 1.5 ms apart.
    sizes : ndarray
        Size relative to a single spike, ``[spike]``: later spikes of a burst are smaller.
    """
    extra = np.where(rng.random(len(times)) < share, rng.integers(1, 4, len(times)), 0)
    steps = rng.uniform(2e-3, 4e-3, (len(times), 3)).cumsum(axis=1)
    member = np.arange(3) < extra[:, None]
    burst_times = (times[:, None] + steps)[member]
    size = np.broadcast_to(0.85 ** np.arange(1, 4), member.shape)[member]
    all_times = np.concatenate([times, burst_times])
    sizes = np.concatenate([np.ones(len(times)), size])
    order = np.argsort(all_times, kind="stable")
    spike_times = _apart(all_times[order])
    return spike_times, sizes[order][np.searchsorted(all_times[order], spike_times)]


def sort_online(
    spikes: pd.DataFrame, units: pd.DataFrame, duration_s: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Return the spikes as a rig saves them: threshold crossings with unit letters.

    Parameters
    ----------
    spikes : DataFrame
        True spikes, `SPIKES`.
    units : DataFrame
        Columns unit, channel, online_unit, rising in unit from 0.
    duration_s : float
        Length of the recording.
    rng : numpy.random.Generator
        Of misses, mistakes and jitter.

    Returns
    -------
    DataFrame
        `ONLINE_SPIKES`, by time and channel.
    """
    unit = spikes["unit"].to_numpy()
    channel = units["channel"].to_numpy()[unit]
    online = units["online_unit"].to_numpy()[unit]
    time = spikes["time_s"].to_numpy() - CROSSING_LEAD_S + rng.normal(0, CROSSING_JITTER_S, len(spikes))
    n_online = units.groupby("channel")["online_unit"].max()
    online = np.where(
        rng.random(len(spikes)) < MISSORTED, rng.integers(0, n_online.loc[channel].to_numpy() + 1), online
    )
    detected = rng.random(len(spikes)) < DETECTED
    channel_spikes = [
        pd.DataFrame({"channel": channel[detected], "unit": online[detected], "time_s": time[detected]})
    ]
    for number in np.unique(channel):
        noise = np.sort(rng.uniform(0, duration_s, rng.poisson(UNSORTED_HZ * duration_s)))
        channel_spikes.append(pd.DataFrame({"channel": number, "unit": 0, "time_s": noise}))
    frame = pd.concat(channel_spikes).query("0 < time_s < @duration_s")
    frame = frame.sort_values(["time_s", "channel"], kind="stable")
    return tables.conform(frame, ONLINE_SPIKES)
