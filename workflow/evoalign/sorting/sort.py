"""Recording -> units, with one of the sorters or from the rig's online sorting."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import spikeinterface as si
from threadpoolctl import threadpool_limits

from evoalign import tables
from evoalign.sorting.artefacts import artefact_table, blank, blanked_share, find_artefacts
from evoalign.sorting.bad_channels import find_bad_channels
from evoalign.sorting.detect_and_match import (
    CollectedSpikes,
    by_chunk,
    crossings,
    match_and_measure,
    unit_spikes,
)
from evoalign.sorting.doubtful import is_confirmed
from evoalign.sorting.electrode import Crossings, WhitenedElectrodes, learn_noise
from evoalign.sorting.pairs import join_pieces, without_followers
from evoalign.sorting.quality import describe
from evoalign.sorting.recorded import RecordedTime
from evoalign.sorting.result import SortingResult, UnitSpikes
from evoalign.sorting.settings import DEFAULT_SORTER, Sorting
from evoalign.sorting.tables import BAD_CHANNELS
from evoalign.sorting.templates import Templates
from evoalign.sorting.traces import Traces
from evoalign.sorting.waveforms import UnitKey, WaveSums, time_axis_ms

NOISE_UNIT = 255  # Blackrock's number for what the rig called noise
MIN_ISI_S = 3e-4  # the same spike twice, at a border between chunks


def sort(
    recording: si.BaseRecording,
    channels: pd.DataFrame,
    settings: Sorting,
    seed: int,
    online_spikes: pd.DataFrame | None = None,
    n_jobs: int = 1,
) -> SortingResult:
    """Sort a recording of single electrodes.

    Every good electrode gives sorted units; if ``sorting.multiunit``, a
    multi-unit (all its threshold crossings); and if ``sorting.online``, the
    vendor's online units.
    The result does not depend on `n_jobs`.

    Parameters
    ----------
    recording : BaseRecording
        Raw voltages of the neural channels; channel ids are the vendor's
        numbers; several segments where it was paused.
    channels : DataFrame
        `CHANNELS`.
    settings : Sorting
        The config's section.
    seed : int
        Of sorters that draw at random; the default one does not.
    online_spikes : DataFrame, optional
        `ONLINE_SPIKES`.
    n_jobs : int
        Threads (and processes of other sorters).

    Returns
    -------
    SortingResult
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
        bad = find_bad_channels(traces, n_jobs).assign(blanked_share=blanked_share(traces, artefacts))
        noise = dict(zip(bad["channel"].tolist(), bad["noise_uv"].tolist(), strict=True))
        good = (bad["reason"] == "").to_numpy()
        online = _online_units(online_spikes, settings)
        units: list[UnitSpikes] = []
        if good.any():
            electrodes = learn_noise(traces, good, bad["noise_uv"].to_numpy(), n_jobs)
            units = _units_of(electrodes, settings, seed, online, n_jobs)
    with_waveforms = {(train.channel, train.vendor_unit) for train in units if train.kind == "online"}
    units += [_without_waves(key, times) for key, times in online.items() if key not in with_waveforms]
    recorded = RecordedTime(traces.spans)
    described = describe(units, channels, noise, recorded, time_axis_ms(traces.rate_hz), settings)
    left_out = bad.loc[bad["reason"] != "", "channel"].tolist()
    return SortingResult(*described, bad, artefact_table(traces, artefacts, left_out))


def sort_online_only(
    online_spikes: pd.DataFrame, channels: pd.DataFrame, settings: Sorting, recorded: RecordedTime
) -> SortingResult:
    """Take over the vendor's online units of a recording without broadband voltages.

    Parameters
    ----------
    online_spikes : DataFrame
        `ONLINE_SPIKES`.
    channels : DataFrame
        `CHANNELS`.
    settings : Sorting
        Refractory period and label thresholds.
    recorded : RecordedTime
        When the rig recorded.

    Returns
    -------
    SortingResult
        Units of kind 'online', without waveforms; no channel is judged bad.
    """
    units = [_without_waves(key, times) for key, times in _online_units(online_spikes, settings).items()]
    described = describe(units, channels, {}, recorded, np.zeros(0), settings)
    return SortingResult(*described, tables.empty(BAD_CHANNELS))


def _online_units(online_spikes: pd.DataFrame | None, settings: Sorting) -> dict[tuple[int, int], np.ndarray]:
    """Spike times by channel and the vendor's unit; unit 0 only with enough spikes."""
    if online_spikes is None or not settings.online:
        return {}
    groups = online_spikes[online_spikes["unit"] != NOISE_UNIT].groupby(["channel", "unit"], sort=True)
    times: dict[Any, np.ndarray] = {key: np.sort(frame["time_s"].to_numpy()) for key, frame in groups}
    min_spikes = settings.min_unsorted_spikes
    return {key: value for key, value in times.items() if key[1] > 0 or len(value) > min_spikes}


def _without_waves(key: tuple[int, int], times_s: np.ndarray) -> UnitSpikes:
    empty = np.zeros(0)
    return UnitSpikes("online", key[0], times_s, empty, empty, empty, vendor_unit=key[1])


def _of_external(
    electrodes: WhitenedElectrodes, settings: Sorting, seed: int, n_jobs: int
) -> dict[UnitKey, CollectedSpikes]:
    """Spikes by a sorter of SpikeInterface, whose list of sorters takes two seconds to load."""
    from evoalign.sorting.external import run_external

    return run_external(electrodes, settings, seed, n_jobs)


def _units_of(
    electrodes: WhitenedElectrodes,
    settings: Sorting,
    seed: int,
    online: dict[tuple[int, int], np.ndarray],
    n_jobs: int,
) -> list[UnitSpikes]:
    """Sorted, multi- and online units of the good electrodes."""
    is_default = settings.sorter == DEFAULT_SORTER
    spikes = {} if is_default else _of_external(electrodes, settings, seed, n_jobs)
    crossed, templates = crossings(electrodes, is_default, n_jobs)
    if settings.multiunit:
        spikes |= _multiunits(crossed)
    shown = spikes | (_multiunits(_of_commoner_sign(crossed)) if settings.multiunit else {})
    known_samples = by_chunk(electrodes.traces.chunks(), shown | _online_samples(electrodes, online))
    matched, waves = match_and_measure(electrodes, templates, known_samples, n_jobs)
    recorded_s, rate_hz = RecordedTime(electrodes.traces.spans).duration_s, electrodes.traces.rate_hz
    near = recorded_s, rate_hz, settings.refractory_ms * 1e-3
    matched = join_pieces(matched, waves, templates, *near)
    matched = _confirmed(matched, templates, settings, recorded_s, rate_hz)
    matched = without_followers(matched, waves, *near)
    # A template of few spikes may lose most of them to a better one.
    matched = {key: train for key, train in matched.items() if train.n >= settings.min_spikes}
    units = unit_spikes(electrodes, matched | spikes, waves, MIN_ISI_S)
    return units + _online_trains(electrodes, online, waves)


def _confirmed(
    matched: dict[UnitKey, CollectedSpikes],
    templates: list[Templates | None],
    settings: Sorting,
    recorded_s: float,
    rate_hz: float,
) -> dict[UnitKey, CollectedSpikes]:
    """Matched spikes but those of templates that matching does not confirm."""
    confirmed = {}
    for key, spikes in matched.items():
        of_row = templates[key[1]]
        assert of_row is not None
        if is_confirmed(
            of_row,
            key[2],
            settings.match_gain,
            spikes.joined()[2],
            spikes.times_s(recorded_s, rate_hz),
            settings.refractory_ms * 1e-3,
            recorded_s,
        ):
            confirmed[key] = spikes
    return confirmed


def _multiunits(crossed: list[Crossings]) -> dict[UnitKey, CollectedSpikes]:
    units: dict[UnitKey, CollectedSpikes] = {}
    for chunk_crossings in crossed:
        for row in np.unique(chunk_crossings.row).tolist():
            on_row = chunk_crossings.row == row
            spikes = units.setdefault(("multiunit", row, 0), CollectedSpikes())
            spikes.add(
                chunk_crossings.chunk.segment, chunk_crossings.sample[on_row], chunk_crossings.size_uv[on_row]
            )
    return units


def _of_commoner_sign(crossed: list[Crossings]) -> list[Crossings]:
    """Each electrode's crossings of the commoner sign: a mean waveform of both signs would cancel out."""
    n_rows = 1 + max((int(c.row.max(initial=-1)) for c in crossed), default=-1)
    excess = np.zeros(n_rows)
    for crossings_ in crossed:
        np.add.at(excess, crossings_.row, np.where(crossings_.is_positive, 1, -1))
    kept = [c.is_positive == (excess[c.row] > 0) for c in crossed]
    return [
        replace(c, row=c.row[k], sample=c.sample[k], size_uv=c.size_uv[k], is_positive=c.is_positive[k])
        for c, k in zip(crossed, kept, strict=True)
    ]


def _online_samples(
    electrodes: WhitenedElectrodes, online: dict[tuple[int, int], np.ndarray]
) -> dict[UnitKey, CollectedSpikes]:
    """Samples of the online spikes on good electrodes, for their waveforms."""
    row_of = {int(c): row for row, c in enumerate(electrodes.traces.channel_ids[electrodes.rows])}
    units: dict[UnitKey, CollectedSpikes] = {}
    for (channel, unit), times in online.items():
        if channel not in row_of:
            continue
        spikes = units.setdefault(("online", row_of[channel], unit), CollectedSpikes())
        for segment, (start, stop) in enumerate(electrodes.traces.spans):
            n_samples = round((stop - start) * electrodes.traces.rate_hz)
            samples = np.rint((times - start) * electrodes.traces.rate_hz).astype(np.int64)
            samples = samples[(samples >= 0) & (samples < n_samples)]
            spikes.add(segment, samples, np.full(len(samples), np.nan))
    return units


def _online_trains(
    electrodes: WhitenedElectrodes, online: dict[tuple[int, int], np.ndarray], waves: WaveSums
) -> list[UnitSpikes]:
    """Online units with the waveforms found at their times."""
    units = []
    for row, channel in enumerate(electrodes.traces.channel_ids[electrodes.rows].tolist()):
        for (of_channel, unit), times in online.items():
            if of_channel == channel:
                mean, sd = waves.mean_sd(("online", row, unit))
                units.append(UnitSpikes("online", channel, times, np.zeros(0), mean, sd, vendor_unit=unit))
    return units
