"""MUAe: the envelope of multi-unit activity, a voltage at 1 kHz for each electrode.

Super & Roelfsema, Prog. Brain Res. 147:263 (2005): the band of spikes
(``sorting.envelope_band_hz``), rectified, low-passed
(``sorting.envelope_lowpass_hz``). It needs no threshold and holds the spikes
that are too small to be sorted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
import spikeinterface as si
import zarr
import zarr.codecs
from numpy.typing import NDArray
from scipy import signal, stats

from evoalign.errors import InputError
from evoalign.files import atomic_write
from evoalign.formats.spikeinterface_recording import stream_recording
from evoalign.recordings.recording import Recording
from evoalign.self_contained import check_zarr_folder
from evoalign.sorting.artefacts import blank, from_table
from evoalign.sorting.parallel import run
from evoalign.sorting.session import BROADBAND
from evoalign.sorting.settings import Sorting
from evoalign.sorting.traces import Chunk, Traces

RATE_HZ = 1000.0  # a value a bin of the responses
FILTER_ORDER = 3
MARGIN_S = 0.1  # the impulse response of the low-pass has died out
CHUNK_MS = 10_000
READ_MS = 60_000  # read at a time around onsets
# Mean of a rectified Gaussian over its median: what a blanked stretch holds.
MEAN_OVER_MEDIAN = float(np.sqrt(2 / np.pi) / stats.norm.ppf(0.75))
# (segment, first ms, end ms) -> float32 [ms, channel]
Read = Callable[[int, int, int], NDArray[np.float32]]


@dataclass(frozen=True)
class Envelope:
    """Envelopes of a recording, to be read in pieces.

    Attributes
    ----------
    channels : tuple of int
        The vendor's numbers of the electrodes that were not left out.
    segments : tuple of (float, int)
        Time of the first value on the recording's clock, s, and number of values.
    opened : callable
        Context manager that yields what reads ``(segment, first, end)`` as
        float32 µV ``[ms, channel]``.
    """

    channels: tuple[int, ...]
    segments: tuple[tuple[float, int], ...]
    opened: Callable[[], AbstractContextManager[Read]]

    def around(self, onsets_s: NDArray[np.float64], start_ms: int, stop_ms: int) -> NDArray[np.float32]:
        """Cut out windows, in 1 ms bins.

        Parameters
        ----------
        onsets_s : ndarray, float64 [presentation]
            On the recording's clock.
        start_ms, stop_ms : int
            Window from the onset; bin k holds the value in its middle, a line
            between its two neighbours on the envelope's own grid.

        Returns
        -------
        ndarray, float32 [channel, presentation, ms]
            µV; NaN where nothing was recorded.
        """
        onsets_s = np.asarray(onsets_s, np.float64)
        starts = np.array([start for start, _ in self.segments])
        cut = np.full((len(self.channels), len(onsets_s), stop_ms - start_ms), np.nan, np.float32)
        of_segment = np.searchsorted(starts, onsets_s + 1e-9, side="right") - 1
        with self.opened() as read:
            for segment, (start_s, n) in enumerate(self.segments):
                rows = np.flatnonzero(np.isfinite(onsets_s) & (of_segment == segment))
                begins = (onsets_s[rows] - start_s) * RATE_HZ + start_ms + 0.5
                for first in range(start_ms - 1, n, READ_MS):
                    in_reach = (begins >= first) & (begins < first + READ_MS)
                    bounds = max(first, 0), min(first + READ_MS + stop_ms - start_ms + 2, n)
                    if in_reach.any() and bounds[1] > bounds[0]:
                        values = read(segment, *bounds)
                        for row, begin in zip(rows[in_reach], begins[in_reach] - bounds[0], strict=True):
                            cut[:, row] = on_line(values, begin + np.arange(stop_ms - start_ms))
        return cut


def on_line(values: NDArray[np.float32], positions: NDArray[np.float64]) -> NDArray[np.float32]:
    """Interpolate linearly between samples.

    Parameters
    ----------
    values : ndarray, float32 ``[sample, channel]``
    positions : ndarray, float64 ``[position]``
        In samples, with fractions.

    Returns
    -------
    ndarray, float32 ``[channel, position]``
        NaN beyond the first and last sample.
    """
    grid = np.arange(len(values))
    return np.stack([np.interp(positions, grid, row, np.nan, np.nan) for row in values.T]).astype(np.float32)


def write_envelope(
    recording: Recording,
    channels: pd.DataFrame,
    bad_channels: pd.DataFrame,
    artefacts: pd.DataFrame,
    settings: Sorting,
    folder: str | PathLike[str],
    n_jobs: int = 1,
) -> None:
    """Compute a session's envelopes, chunk by chunk, into a folder that appears whole or not at all.

    Parameters
    ----------
    recording : Recording
        The opened raw files; one without broadband voltages gives no channels.
    channels, bad_channels, artefacts : DataFrame
        `CHANNELS`, and what sorting found.
    settings : Sorting
        The config's section.
    folder : path
        Zarr: ``segment0``, .. are float32 arrays ``[ms, channel]``, µV.
    n_jobs : int
        Threads.
    """
    with atomic_write(folder) as partial_folder:
        group = zarr.open_group(str(partial_folder), mode="w", zarr_version=2)
        group.attrs.update({"channels": [], "starts_s": []})
        if BROADBAND in recording.streams:
            voltages = stream_recording(recording.streams[BROADBAND])
            _fill(group, _traces(voltages, channels, bad_channels, artefacts, settings), n_jobs)


def read_envelope(folder: str | PathLike[str]) -> Envelope:
    """Open what `write_envelope` wrote.

    Raises
    ------
    InputError
        The folder is missing or damaged.
    """
    try:
        check_zarr_folder(folder)
        group = zarr.open_group(str(folder), mode="r")
        starts, channels = group.attrs["starts_s"], group.attrs["channels"]
        arrays = [group[f"segment{segment}"] for segment in range(len(starts))]
    except (KeyError, ValueError, OSError, zarr.errors.GroupNotFoundError) as error:
        raise InputError(f"no readable envelope: {error!r}", Path(folder), "remove it, run again") from error

    @contextmanager
    def opened() -> Iterator[Read]:
        yield lambda segment, first, end: arrays[segment][first:end]

    segments = tuple((float(start), len(array)) for start, array in zip(starts, arrays, strict=True))
    return Envelope(tuple(int(c) for c in channels), segments, opened)


def _traces(
    voltages: si.BaseRecording,
    channels: pd.DataFrame,
    bad: pd.DataFrame,
    artefacts: pd.DataFrame,
    settings: Sorting,
) -> Traces:
    """Traces in the envelope's band, referenced and blanked as the sorter's."""
    low, high = settings.envelope_band_hz
    traces = Traces(voltages, channels, settings.model_copy(update={"highpass_hz": low, "lowpass_hz": high}))
    of_channel = bad.set_index("channel")["reason"].reindex(traces.channel_ids)
    traces.leave_out((of_channel != "").to_numpy())
    blank(traces, from_table(traces, artefacts))
    return traces


def _fill(group: zarr.Group, traces: Traces, n_jobs: int) -> None:
    rows = np.flatnonzero(traces.good)
    lengths = [int(np.ceil((stop - start) * RATE_HZ - 1e-6)) for start, stop in traces.spans]
    group.attrs.update(
        {
            "channels": traces.channel_ids[rows].tolist(),
            "starts_s": [start for start, _ in traces.spans],
            "unit": "µV",
            "rate_hz": RATE_HZ,
        }
    )
    for segment, n in enumerate(lengths):
        array = group.create_dataset(
            f"segment{segment}",
            shape=(n, len(rows)),
            chunks=(CHUNK_MS, max(len(rows), 1)),
            dtype="float32",
            compressor=zarr.codecs.Zstd(level=1),
            filters=[zarr.codecs.Shuffle(4)],
        )
        stretches = [(segment, first, min(first + CHUNK_MS, n)) for first in range(0, n, CHUNK_MS)]
        envelopes = run(_envelope, (traces, rows), stretches, n_jobs, "envelope")
        for (_, first, end), values in zip(stretches, envelopes, strict=True):
            array[first:end] = values


def _envelope(traces: Traces, rows: np.ndarray, stretch: tuple[int, int, int]) -> NDArray[np.float32]:
    """Envelope of a stretch of ms, float32 µV ``[ms, channel]``."""
    segment, first, end = stretch
    n, rate = traces.recording.get_num_samples(segment), traces.rate_hz
    margin = round(MARGIN_S * rate)
    start, stop = int(first * rate / RATE_HZ), min(int(np.ceil(end * rate / RATE_HZ)) + 1, n)
    chunk = Chunk(segment, start, stop)
    values = np.abs(traces.filtered(chunk, margin)[rows])
    level = MEAN_OVER_MEDIAN * np.median(values, axis=1)
    for blanked_rows, begin, end_sample in traces.blanked_in(chunk, margin):
        is_blanked = np.isin(rows, blanked_rows)
        values[is_blanked, begin:end_sample] = level[is_blanked, None]
    sos = signal.butter(FILTER_ORDER, traces.settings.envelope_lowpass_hz, "lowpass", fs=rate, output="sos")
    at_ms = np.arange(first, end) * rate / RATE_HZ - start + margin
    grid = np.arange(values.shape[1])
    return np.stack([np.interp(at_ms, grid, signal.sosfiltfilt(sos, row)) for row in values], axis=1).astype(
        np.float32
    )
