"""Sorted units for other programs: a SortingAnalyzer (spikeinterface-gui) and phy."""

from __future__ import annotations

import warnings
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
import probeinterface
import spikeinterface as si
import spikeinterface.preprocessing as preprocessing
from spikeinterface.core.base import base_period_dtype
from spikeinterface.exporters import export_to_phy

from evoalign import tables
from evoalign.errors import InputError
from evoalign.files import atomic_write
from evoalign.formats.spikeinterface_recording import stream_recording
from evoalign.recordings.recording import Recording
from evoalign.recordings.tables import CHANNELS
from evoalign.sorting.artefacts import COMMON, from_table
from evoalign.sorting.external import PITCH_UM
from evoalign.sorting.session import BROADBAND
from evoalign.sorting.settings import Sorting
from evoalign.sorting.tables import ARTEFACTS, BAD_CHANNELS, SPIKES, UNITS
from evoalign.sorting.traces import FILTER_ORDER, Chunk, Traces

TABLES = tables.by_name(CHANNELS, UNITS, SPIKES, BAD_CHANNELS, ARTEFACTS)
PERIOD = ("segment_index", "start_sample_index", "end_sample_index")  # SpikeInterface's fields
ARRAY_PITCH_UM = 10_000.0  # between arrays, each of which has coordinates of its own
# What the windows of spikeinterface-gui and of phy show.
EXTENSIONS: dict[str, dict[str, object]] = {
    "random_spikes": {"method": "uniform", "max_spikes_per_unit": 500},
    "waveforms": {"ms_before": 1.0, "ms_after": 2.0},
    "templates": {"operators": ["average", "std"]},
    "noise_levels": {},
    "unit_locations": {"method": "center_of_mass"},
    "template_similarity": {},
    "correlograms": {},
    "isi_histograms": {},
    "spike_amplitudes": {},
    "principal_components": {"n_components": 3, "mode": "by_channel_local"},
    "template_metrics": {},
    "quality_metrics": {"metric_names": ["snr", "isi_violation", "presence_ratio", "amplitude_cutoff"]},
}


def write_analyzer(
    recording: Recording,
    tables_of: dict[str, pd.DataFrame],
    settings: Sorting,
    seed: int,
    folder: str | PathLike[str],
) -> None:
    """Write the sorted units as a SortingAnalyzer folder that appears whole or not at all.

    The voltages are not copied: the folder names the raw files, and the steps
    of preprocessing, by SpikeInterface's own functions, are done again when it
    is opened. Unit ids are those of the table of units; pauses of the
    recording are left out, as SpikeInterface joins its segments.

    Parameters
    ----------
    recording : Recording
        The opened raw files.
    tables_of : dict of str to DataFrame
        ``channels``, ``units``, ``spikes``, ``bad_channels``, ``artefacts``.
    settings : Sorting
        The config's section.
    seed : int
        Of the spikes whose waveforms are kept.
    folder : path
        A binary folder of SpikeInterface.

    Raises
    ------
    InputError
        The session has no voltages or no sorted units.
    """
    units = tables_of["units"]
    units = units[units["kind"] == "sorted"]
    if BROADBAND not in recording.streams or units.empty:
        problem = (
            "the session has no sorted units" if units.empty else "the recording has no broadband voltages"
        )
        raise InputError(problem, "export of the sorting", "export another session")
    stream = recording.streams[BROADBAND]
    files = tuple(Path(file).resolve() for file in stream.files)
    voltages = stream_recording(replace(stream, files=files))
    filtered = preprocessed(voltages, tables_of, settings)
    sorting = as_sorting(units, tables_of["spikes"], voltages)
    sparsity = si.ChannelSparsity.from_unit_id_to_channel_ids(
        {int(unit): [int(channel)] for unit, channel in zip(units["unit"], units["channel"], strict=True)},
        sorting.unit_ids,
        filtered.channel_ids,
    )
    quiet = {"n_jobs": 1, "progress_bar": False}
    with atomic_write(folder) as partial, warnings.catch_warnings():
        # The sorting is written whole: that it cannot be rebuilt from elsewhere is no news.
        warnings.filterwarnings("ignore", message=".*not serializable", category=UserWarning)
        analyzer = si.create_sorting_analyzer(
            sorting, filtered, format="binary_folder", folder=partial, sparsity=sparsity
        )
        extensions = {name: dict(options) for name, options in EXTENSIONS.items()}
        extensions["random_spikes"]["seed"] = seed
        analyzer.compute(extensions, **quiet)


def write_phy(analyzer: str | PathLike[str], folder: str | PathLike[str]) -> None:
    """Write phy's template-gui format, with a copy of the preprocessed voltages, whole or not at all."""
    with atomic_write(folder) as partial:
        export_to_phy(
            si.load_sorting_analyzer(analyzer),
            partial,
            use_relative_path=True,
            additional_properties=["label", "channel"],
            verbose=False,
            n_jobs=1,
            progress_bar=False,
        )


def as_sorting(units: pd.DataFrame, spikes: pd.DataFrame, voltages: si.BaseRecording) -> si.NumpySorting:
    """Return units as a SpikeInterface sorting of the joined segments, with label and channel."""
    times = spikes[spikes["unit"].isin(units["unit"])]
    samples = joined_samples(times["time_s"].to_numpy(np.float64), voltages)
    order = np.lexsort((times["unit"].to_numpy(), samples))
    sorting = si.NumpySorting.from_samples_and_labels(
        [samples[order]],
        [times["unit"].to_numpy()[order]],
        voltages.get_sampling_frequency(),
        unit_ids=units["unit"].to_numpy(),
    )
    sorting.set_property("label", units["label"].to_numpy(dtype=str))
    sorting.set_property("channel", units["channel"].to_numpy())
    return sorting


def joined_samples(times_s: np.ndarray, voltages: si.BaseRecording) -> np.ndarray:
    """Return the samples of times on the recording's clock, counted over its joined segments."""
    segments = range(voltages.get_num_segments())
    starts = np.array([voltages.get_start_time(segment) for segment in segments])
    lengths = np.array([voltages.get_num_samples(segment) for segment in segments])
    first_sample = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    segment = np.clip(np.searchsorted(starts, times_s + 1e-9, side="right") - 1, 0, None)
    sample = np.rint((times_s - starts[segment]) * voltages.get_sampling_frequency()).astype(np.int64)
    return first_sample[segment] + np.clip(sample, 0, lengths[segment] - 1)


def preprocessed(
    voltages: si.BaseRecording, tables_of: dict[str, pd.DataFrame], settings: Sorting
) -> si.BaseRecording:
    """Band-pass, reference, blank and join the good electrodes, lazily, and give each its place."""
    bad = tables_of["bad_channels"].set_index("channel")["reason"]
    channels = tables_of["channels"].set_index("channel")
    good = [int(c) for c in voltages.channel_ids if bad.get(int(c), "") == ""]
    artefacts = from_table(Traces(voltages, tables_of["channels"], settings), tables_of["artefacts"])
    nyquist = voltages.get_sampling_frequency() / 2
    filtered = preprocessing.bandpass_filter(
        # Beside a step of full scale a filter swings beyond 16 bits, and whole numbers would wrap around.
        preprocessing.astype(voltages.select_channels(good), "float32"),
        freq_min=settings.highpass_hz,
        freq_max=min(settings.lowpass_hz, 0.95 * nyquist),
        filter_order=FILTER_ORDER,
    )
    reference_group = (
        channels[settings.reference if settings.reference != "none" else "array"].reindex(good).fillna("")
    )
    groups = []
    for name in sorted(set(reference_group)):
        group = filtered.select_channels(reference_group.index[reference_group == name].tolist())
        if settings.reference != "none" and group.get_num_channels() >= settings.reference_min_channels:
            group = preprocessing.common_reference(group, reference="global", operator="median")
        if settings.blank_artefacts:
            artefact_group = "" if settings.reference == "none" else name
            # Saturated electrodes show their voltages.
            group = _silenced(
                group,
                [
                    artefact.period
                    for artefact in artefacts
                    if artefact.reason == COMMON and artefact.group == artefact_group
                ],
            )
        groups.append(group)
    all_groups = si.aggregate_channels(groups) if len(groups) > 1 else groups[0]
    all_groups = all_groups.select_channels(good)
    if all_groups.get_num_segments() > 1:
        all_groups = si.concatenate_recordings([all_groups])
    return _placed(all_groups, channels.reindex(good))


def _silenced(recording: si.BaseRecording, periods: list[Chunk]) -> si.BaseRecording:
    """Set stretches to zero."""
    if not periods:
        return recording
    rows = [(period.segment, period.start, period.stop) for period in periods]
    silenced = np.zeros(len(rows), dtype=base_period_dtype)
    for field, values in zip(PERIOD, np.transpose(rows), strict=True):
        silenced[field] = values
    return preprocessing.silence_periods(recording, periods=silenced, mode="zeros")


def _placed(recording: si.BaseRecording, channels: pd.DataFrame) -> si.BaseRecording:
    """Attach a probe: places on each array, arrays side by side; a square where they are unknown."""
    arrays, of_array = np.unique(channels["array"].fillna("").to_numpy(dtype=str), return_inverse=True)
    places = channels[["x_um", "y_um"]].to_numpy(np.float64)
    positions = places + of_array[:, None] * np.array([ARRAY_PITCH_UM, 0.0])
    if not np.isfinite(positions).all() or len(np.unique(positions, axis=0)) < len(positions):
        side = int(np.ceil(np.sqrt(len(positions))))
        positions = np.stack(np.divmod(np.arange(len(positions)), side), axis=1) * PITCH_UM
    probe = probeinterface.Probe(ndim=2, si_units="um")
    probe.set_contacts(positions, shapes="circle", shape_params={"radius": 7.5})
    probe.set_device_channel_indices(np.arange(len(positions)))
    recording.set_probe(probe)
    recording.set_property("group", of_array if len(arrays) > 1 else np.zeros(len(positions), dtype=np.int64))
    return recording
