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
from evoalign.sorting.bridged import without_artefacts
from evoalign.sorting.electrode import Electrodes
from evoalign.sorting.passes import Spikes
from evoalign.sorting.waveforms import Key
from evoalign.study import Sorting

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
    where = "config, sorting.sorter"
    known = sorters.available_sorters()
    if name not in known:
        raise InputError(f"no sorter is called '{name}'", where, _nearest(name, ["electrode", *known]))
    if name not in sorters.installed_sorters():
        raise InputError(
            f"the sorter '{name}' is not installed",
            where,
            f"install it, or choose one of: {', '.join(['electrode', *sorters.installed_sorters()])}",
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


def _nearest(word: str, known: list[str]) -> str:
    best = process.extractOne(word, known, score_cutoff=50)
    return f"did you mean '{best[0]}'?" if best else f"valid: {', '.join(known)}"


def run_external(electrodes: Electrodes, settings: Sorting, seed: int, n_jobs: int) -> dict[Key, Spikes]:
    """Run a SpikeInterface sorter on the good electrodes, together or one by one.

    Returns
    -------
    dict of Key to Spikes
        Key ('sorted', electrode row, number on that electrode).
    """
    params = check_sorter(settings.sorter, settings.sorter_params)
    for key, value in (("seed", seed), ("n_jobs", n_jobs)):
        if key in params and key not in settings.sorter_params:
            params[key] = value
    recording = _prepared(electrodes)
    lengths = [electrodes.traces.recording.get_num_samples(s) for s in range(len(electrodes.traces.spans))]
    if settings.per_electrode:
        found = []
        for row, channel in enumerate(recording.channel_ids):
            alone = recording.select_channels([channel])
            alone = _with_probe(alone, np.zeros((1, 2)))
            found += [(row, train) for train in _run(settings.sorter, alone, params, f"electrode {channel}")]
    else:
        together = _run(settings.sorter, recording, params, "the array")
        found = list(zip(_rows(electrodes, together, lengths), together, strict=True))
    return _numbered(found, lengths)


def _prepared(electrodes: Electrodes) -> si.BaseRecording:
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


def _run(name: str, recording: si.BaseRecording, params: dict[str, Any], what: str) -> list[np.ndarray]:
    """Return spike samples of each unit; [] where the sorter gives up, as some do without units."""
    with tempfile.TemporaryDirectory(prefix="evoalign-") as folder:
        try:
            sorting = sorters.run_sorter(
                name, recording, folder=Path(folder) / "sorter", verbose=False, **params
            )
        except Exception as error:
            # Where the machine gave up rather than the sorter, units would be lost without a word.
            if no_space(error) or isinstance(error, MemoryError) or "MemoryError" in str(error):
                raise
            log.warning("%s found nothing on %s: %s", name, what, error)
            return []
        return [np.asarray(sorting.get_unit_spike_train(unit, 0)) for unit in sorting.unit_ids]


def _rows(electrodes: Electrodes, trains: list[np.ndarray], lengths: list[int]) -> list[int]:
    """Electrode of each unit: where its mean trough is deepest."""
    starts = np.concatenate([[0], np.cumsum(lengths)])
    before, after = 10, 20
    sums = np.zeros((len(trains), len(electrodes.rows), before + after))
    for stretch in electrodes.traces.samples(N_LOCATE):
        values = electrodes.traces.filtered(stretch)[electrodes.rows]
        for unit, train in enumerate(trains):
            at = train - starts[stretch.segment] - stretch.start
            at = at[(at >= before) & (at < values.shape[1] - after)]
            for sample in at[:100]:
                sums[unit] += values[:, sample - before : sample + after]
    return [int(np.argmin(wave.min(axis=1))) for wave in sums]


def _numbered(found: list[tuple[int, np.ndarray]], lengths: list[int]) -> dict[Key, Spikes]:
    starts = np.concatenate([[0], np.cumsum(lengths)])
    units: dict[Key, Spikes] = {}
    for number, (row, train) in enumerate(found):
        spikes = units.setdefault(("sorted", row, number), Spikes())
        segment = np.searchsorted(starts, train, side="right") - 1
        for index in range(len(lengths)):
            samples = train[segment == index] - starts[index]
            spikes.add(index, samples, np.full(len(samples), np.nan))
    return units
