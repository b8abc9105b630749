"""Recording -> units: the room's front door."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import spikeinterface as si
from threadpoolctl import threadpool_limits

from evoalign import tables
from evoalign.sorting.artefacts import artefact_table, blank, blanked_share, find_artefacts
from evoalign.sorting.bad_channels import find_bad_channels
from evoalign.sorting.electrode import Crossings, Electrodes, learn_noise
from evoalign.sorting.external import run_external
from evoalign.sorting.pairs import settle
from evoalign.sorting.passes import Spikes, by_chunk, crossings, match_and_measure, trains
from evoalign.sorting.quality import RecordedTime, describe
from evoalign.sorting.result import Sorted, Train
from evoalign.sorting.traces import Traces
from evoalign.sorting.waveforms import Key, WaveSums, time_axis_ms
from evoalign.study import Sorting

OWN_SORTER = "electrode"
NOISE_UNIT = 255  # Blackrock's number for what the rig called noise
MIN_ISI_S = 3e-4  # the same spike twice, at a border between chunks


def sort(
    recording: si.BaseRecording,
    channels: pd.DataFrame,
    settings: Sorting,
    seed: int,
    online_spikes: pd.DataFrame | None = None,
    n_jobs: int = 1,
) -> Sorted:
    """Sort a recording of single electrodes.

    Every good electrode gives sorted units, and with the config's say-so a
    multi-unit (all its threshold crossings) and the vendor's online units.
    The result does not depend on `n_jobs`.

    Parameters
    ----------
    recording : BaseRecording
        Raw voltages of the neural channels; channel ids are the vendor's
        numbers; several segments where it was paused.
    channels : DataFrame
        `tables.CHANNELS`.
    settings : study.Sorting
        The config's section.
    seed : int
        Of sorters that draw at random; the default one does not.
    online_spikes : DataFrame, optional
        `tables.ONLINE_SPIKES`.
    n_jobs : int
        Threads (and processes of other sorters).

    Returns
    -------
    Sorted
        Times in seconds on the recording's clock. A recording without good
        electrodes or without spikes gives empty tables of units.

    Raises
    ------
    InputError
        The sorter or one of its parameters is unknown, or the sampling rate
        is too low for the spike band.
    """
    # Sums over several BLAS threads differ in their last bits from machine to machine.
    with threadpool_limits(1):
        traces = Traces(recording, channels, settings)
        artefacts = find_artefacts(traces, n_jobs)
        blank(traces, artefacts)
        bad = find_bad_channels(traces).assign(blanked_share=blanked_share(traces, artefacts))
        noise = dict(zip(bad["channel"].tolist(), bad["noise_uv"].tolist(), strict=True))
        good = (bad["reason"] == "").to_numpy()
        online = _online_units(online_spikes, settings)
        found: list[Train] = []
        if good.any():
            electrodes = learn_noise(traces, good, bad["noise_uv"].to_numpy())
            found = _units_of(electrodes, settings, seed, online, n_jobs)
    measured = {(train.channel, train.vendor_unit) for train in found if train.kind == "online"}
    found += [_without_waves(key, times) for key, times in online.items() if key not in measured]
    recorded = RecordedTime(traces.spans)
    described = describe(found, channels, noise, recorded, time_axis_ms(traces.rate_hz), settings)
    left_out = bad.loc[bad["reason"] != "", "channel"].tolist()
    return Sorted(*described, bad, artefact_table(traces, artefacts, left_out))


def sort_online_only(
    online_spikes: pd.DataFrame, channels: pd.DataFrame, settings: Sorting, duration_s: float
) -> Sorted:
    """Take over the vendor's online units of a recording without broadband voltages.

    Parameters
    ----------
    online_spikes : DataFrame
        `tables.ONLINE_SPIKES`.
    channels : DataFrame
        `tables.CHANNELS`.
    settings : study.Sorting
        Refractory period and label thresholds.
    duration_s : float
        Length of the recording.

    Returns
    -------
    Sorted
        Units of kind 'online', without waveforms; no channel is judged bad.
    """
    found = [_without_waves(key, times) for key, times in _online_units(online_spikes, settings).items()]
    recorded = RecordedTime([(0.0, duration_s)])
    described = describe(found, channels, {}, recorded, np.zeros(0), settings)
    return Sorted(*described, tables.empty(tables.BAD_CHANNELS))


def _online_units(online_spikes: pd.DataFrame | None, settings: Sorting) -> dict[tuple[int, int], np.ndarray]:
    """Spike times by channel and the vendor's unit; unit 0 only with enough spikes."""
    if online_spikes is None or not settings.online:
        return {}
    groups = online_spikes[online_spikes["unit"] != NOISE_UNIT].groupby(["channel", "unit"], sort=True)
    times: dict[Any, np.ndarray] = {key: np.sort(frame["time_s"].to_numpy()) for key, frame in groups}
    least = settings.min_unsorted_spikes
    return {key: value for key, value in times.items() if key[1] > 0 or len(value) > least}


def _without_waves(key: tuple[int, int], times_s: np.ndarray) -> Train:
    nothing = np.zeros(0)
    return Train("online", key[0], times_s, nothing, nothing, nothing, vendor_unit=key[1])


def _units_of(
    electrodes: Electrodes,
    settings: Sorting,
    seed: int,
    online: dict[tuple[int, int], np.ndarray],
    n_jobs: int,
) -> list[Train]:
    """Sorted, multi- and online units of the good electrodes."""
    own = settings.sorter == OWN_SORTER
    spikes = {} if own else run_external(electrodes, settings, seed, n_jobs)
    crossed, templates = crossings(electrodes, own, n_jobs)
    if settings.multiunit:
        spikes |= _multiunits(crossed)
    known = by_chunk(electrodes.traces.chunks(), spikes | _online_samples(electrodes, online))
    matched, waves = match_and_measure(electrodes, templates, known, n_jobs)
    recorded_s, rate_hz = RecordedTime(electrodes.traces.spans).duration_s, electrodes.traces.rate_hz
    matched = settle(matched, waves, recorded_s, rate_hz, settings.refractory_ms * 1e-3)
    # A template of few spikes may lose most of them to a better one.
    matched = {key: train for key, train in matched.items() if train.n >= settings.min_spikes}
    made = trains(electrodes, matched | spikes, waves, MIN_ISI_S)
    return made + _online_trains(electrodes, online, waves)


def _multiunits(crossed: list[Crossings]) -> dict[Key, Spikes]:
    units: dict[Key, Spikes] = {}
    for part in crossed:
        for row in np.unique(part.row).tolist():
            mine = part.row == row
            spikes = units.setdefault(("multiunit", row, 0), Spikes())
            spikes.add(part.chunk.segment, part.sample[mine], part.size_uv[mine])
    return units


def _online_samples(electrodes: Electrodes, online: dict[tuple[int, int], np.ndarray]) -> dict[Key, Spikes]:
    """Samples of the online spikes on good electrodes, for their waveforms."""
    row_of = {int(c): row for row, c in enumerate(electrodes.traces.channel_ids[electrodes.rows])}
    units: dict[Key, Spikes] = {}
    for (channel, unit), times in online.items():
        if channel not in row_of:
            continue
        spikes = units.setdefault(("online", row_of[channel], unit), Spikes())
        for segment, (start, stop) in enumerate(electrodes.traces.spans):
            inside = times[(times >= start) & (times < stop)]
            samples = ((inside - start) * electrodes.traces.rate_hz).astype(np.int64)
            spikes.add(segment, samples, np.full(len(samples), np.nan))
    return units


def _online_trains(
    electrodes: Electrodes, online: dict[tuple[int, int], np.ndarray], waves: WaveSums
) -> list[Train]:
    """Online units with the waveforms found at their times."""
    made = []
    for row, channel in enumerate(electrodes.traces.channel_ids[electrodes.rows].tolist()):
        for (of_channel, unit), times in online.items():
            if of_channel == channel:
                mean, sd = waves.mean_sd(("online", row, unit))
                made.append(Train("online", channel, times, np.zeros(0), mean, sd, vendor_unit=unit))
    return made
