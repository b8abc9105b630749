"""Any other sorter that SpikeInterface runs, by one word in config."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import probeinterface
import spikeinterface as si
import spikeinterface.sorters as sorters
from rapidfuzz import process

from evoalign.errors import InputError
from evoalign.files import no_space
from evoalign.sorting.detect_and_match import CollectedSpikes
from evoalign.sorting.electrode import WhitenedElectrodes
from evoalign.sorting.interpolated import without_artefacts
from evoalign.sorting.settings import DEFAULT_SORTER, Sorting
from evoalign.sorting.waveforms import UnitKey

PITCH_UM = 400.0  # between electrodes whose places are unknown: far enough that no unit is on two
N_LOCATE = 60  # stretches in which a unit's electrode is looked for

log = logging.getLogger(__name__)


def check_sorter(name: str, params: dict[str, Any]) -> dict[str, Any]:
    """Check a sorter's name and parameters, and return its defaults overlaid with `params`.

    Raises
    ------
    InputError
        The sorter is unknown or not installed, or has no such parameter (with
        the nearest valid one).
    """
    setting = "config, sorting.sorter"
    available = sorters.available_sorters()
    if name not in available:
        raise InputError(
            f"no sorter is called '{name}'", setting, _nearest(name, [DEFAULT_SORTER, *available])
        )
    if name not in sorters.installed_sorters():
        raise InputError(
            f"the sorter '{name}' is not installed",
            setting,
            f"install it, or choose one of: {', '.join([DEFAULT_SORTER, *sorters.installed_sorters()])}",
        )
    defaults = sorters.get_default_sorter_params(name)
    for key in params:
        if key not in defaults:
            raise InputError(
                f"the sorter '{name}' has no parameter '{key}'",
                "config, sorting.sorter_params",
                _nearest(key, list(defaults)),
            )
    return {**defaults, **params}


def of_run(params: dict[str, Any], chosen_params: dict[str, Any], seed: int, n_jobs: int) -> dict[str, Any]:
    """Return a sorter's parameters with the run's seed and jobs, where config does not choose them.

    Parameters
    ----------
    params : dict
        Of `check_sorter`. SpikeInterface's own sorters take the number of jobs in
        ``job_kwargs``, others as ``n_jobs``.
    chosen_params : dict
        ``sorting.sorter_params``.
    seed, n_jobs : int
    """
    values = {"seed": seed, "whitening_seed": seed, "n_jobs": n_jobs}
    run: dict[str, Any] = {
        key: value for key, value in values.items() if key in params and key not in chosen_params
    }
    if "job_kwargs" in params:
        run["job_kwargs"] = {"n_jobs": n_jobs, **params["job_kwargs"]}
    return {**params, **run}


def _nearest(word: str, valid: list[str]) -> str:
    match = process.extractOne(word, valid, score_cutoff=50)
    return f"did you mean '{match[0]}'?" if match else f"valid: {', '.join(valid)}"


def run_external(
    electrodes: WhitenedElectrodes, settings: Sorting, seed: int, n_jobs: int
) -> dict[UnitKey, CollectedSpikes]:
    """Run a SpikeInterface sorter on the good electrodes, together or one by one.

    Returns
    -------
    dict of UnitKey to CollectedSpikes
        UnitKey ('sorted', electrode row, number on that electrode).

    Raises
    ------
    InputError
        As of `check_sorter`; the sorter gave up on all that it was given.
    """
    params = of_run(
        check_sorter(settings.sorter, settings.sorter_params), settings.sorter_params, seed, n_jobs
    )
    log.warning(
        "%s draws at random beyond its seed (noise levels, whitening): a second run may give other units",
        settings.sorter,
    )
    recording = _prepared(electrodes)
    lengths = [electrodes.traces.recording.get_num_samples(s) for s in range(len(electrodes.traces.spans))]
    if not settings.per_electrode:
        (trains,) = _run_all(settings.sorter, {"the array": recording}, params)
        return _numbered(list(zip(_rows(electrodes, trains, lengths), trains, strict=True)), lengths)
    alone = {
        f"electrode {channel}": _with_probe(recording.select_channels([channel]), np.zeros((1, 2)))
        for channel in recording.channel_ids
    }
    trains_of = _run_all(settings.sorter, alone, params)
    return _numbered([(row, train) for row, trains in enumerate(trains_of) for train in trains], lengths)


def _prepared(electrodes: WhitenedElectrodes) -> si.BaseRecording:
    """Good electrodes as one segment without artefacts, with a place each."""
    recording = without_artefacts(electrodes.traces)
    recording = recording.select_channels([recording.channel_ids[row] for row in electrodes.rows])
    if recording.get_num_segments() > 1:
        recording = si.concatenate_recordings([recording])
    side = int(np.ceil(np.sqrt(len(electrodes.rows))))
    places = np.stack(np.divmod(np.arange(len(electrodes.rows)), side), axis=1) * PITCH_UM
    return _with_probe(recording, places)


def _with_probe(recording: si.BaseRecording, places: np.ndarray) -> si.BaseRecording:
    probe = probeinterface.Probe(ndim=2, si_units="um")
    probe.set_contacts(places, shapes="circle", shape_params={"radius": 7.5})
    probe.set_device_channel_indices(np.arange(len(places)))
    recording.set_probe(probe)
    return recording


def _run_all(
    name: str, recordings: dict[str, si.BaseRecording], params: dict[str, Any]
) -> list[list[np.ndarray]]:
    """Return spike samples of the units of each recording; of one where the sorter gives up, none.

    Some sorters give up where there is no unit; what gives up everywhere has failed.
    """
    found: list[list[np.ndarray]] = []
    reasons: list[str] = []
    for recorded_by, recording in recordings.items():
        try:
            found.append(_run(name, recording, params))
        except Exception as error:
            # Where the machine gave up rather than the sorter, units would be lost without a word.
            if no_space(error) or isinstance(error, MemoryError) or "MemoryError" in str(error):
                raise
            log.warning("%s gave up on %s: %s", name, recorded_by, error)
            found.append([])
            # The last line of what SpikeInterface hands on is the sorter's own.
            reasons.append(f"{recorded_by}: {(str(error).strip() or type(error).__name__).splitlines()[-1]}")
    if len(reasons) == len(recordings) > 0:
        raise InputError(
            f"the sorter '{name}' gave up on all it was given; of {reasons[0]}",
            "config, sorting.sorter",
            "choose another sorter, or other sorting.sorter_params",
        )
    return found


def _run(name: str, recording: si.BaseRecording, params: dict[str, Any]) -> list[np.ndarray]:
    """Return spike samples of each unit."""
    with tempfile.TemporaryDirectory(prefix="evoalign-") as folder:
        sorting = sorters.run_sorter(name, recording, folder=Path(folder) / "sorter", verbose=False, **params)
        return [np.asarray(sorting.get_unit_spike_train(unit, 0)) for unit in sorting.unit_ids]


def _rows(electrodes: WhitenedElectrodes, trains: list[np.ndarray], lengths: list[int]) -> list[int]:
    """Electrode of each unit: where its mean waveform is largest."""
    starts = np.concatenate([[0], np.cumsum(lengths)])
    before, after = 10, 20
    sums = np.zeros((len(trains), len(electrodes.rows), before + after))
    for stretch in electrodes.traces.samples(N_LOCATE):
        values = electrodes.traces.filtered(stretch)[electrodes.rows]
        for unit, train in enumerate(trains):
            samples = train - starts[stretch.segment] - stretch.start
            samples = samples[(samples >= before) & (samples < values.shape[1] - after)]
            for sample in samples[:100]:
                sums[unit] += values[:, sample - before : sample + after]
    return [int(np.argmax(np.abs(wave).max(axis=1))) for wave in sums]


def _numbered(
    trains_by_row: list[tuple[int, np.ndarray]], lengths: list[int]
) -> dict[UnitKey, CollectedSpikes]:
    starts = np.concatenate([[0], np.cumsum(lengths)])
    units: dict[UnitKey, CollectedSpikes] = {}
    for number, (row, train) in enumerate(trains_by_row):
        spikes = units.setdefault(("sorted", row, number), CollectedSpikes())
        segment = np.searchsorted(starts, train, side="right") - 1
        for index in range(len(lengths)):
            samples = train[segment == index] - starts[index]
            spikes.add(index, samples, np.full(len(samples), np.nan))
    return units
