"""Writes Plexon .plx files, byte for byte as the format has them.

Blocks lie in the order of time, as an acquisition system writes them:
continuous channels in blocks of equal length, spikes and events between them.
The recording is streamed; only one chunk of it is in memory.
"""

from __future__ import annotations

import datetime as dt
import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from os import PathLike

import numpy as np
import pandas as pd

from evoalign.errors import InputError
from evoalign.files import atomic_write
from evoalign.formats.plx import layout as plx
from evoalign.formats.plx.write_blocks import (
    Piece,
    RecordedRun,
    even_pieces,
    event_blocks,
    runs_of,
    slow_blocks,
    spike_blocks,
)
from evoalign.formats.plx.write_headers import (
    event_channels,
    event_headers,
    file_header,
    slow_headers,
    spike_headers,
)

BLOCK_SAMPLES = 800  # samples in a continuous block: 20 ms at 40 kHz
NO_SPIKES = pd.DataFrame({"channel": [], "unit": [], "time_s": []})
NO_WORDS = pd.DataFrame({"time_s": [], "word": [], "source": []})


@dataclass(frozen=True)
class ContinuousGroup:
    """Continuous channels of one sampling rate.

    Attributes
    ----------
    chunks : iterable of int16 array [sample, channel]
        The recording, piece by piece.
    names : sequence of str
        ``WB001``, ``AI01``, ..: the reader distinguishes neural from analog channels by them.
    gain_uv : float or sequence of float
        Microvolts per count, rounded to the nearest integer amplifier gain.
    sampling_rate_hz : int
        Of all these channels.
    """

    chunks: Iterable[np.ndarray]
    names: Sequence[str]
    gain_uv: float | Sequence[float] = 1.0
    sampling_rate_hz: int = 40_000
    pauses: Sequence[tuple[int, float]] = field(default=())


def write_plx(
    path: str | PathLike[str],
    chunks: Iterable[np.ndarray] = (),
    *,
    names: Sequence[str] = (),
    gain_uv: float | Sequence[float] = 1.0,
    sampling_rate_hz: int = 40_000,
    start: dt.datetime | None = None,
    spike_channels: Sequence[int] = (),
    spikes: pd.DataFrame = NO_SPIKES,
    waveforms: np.ndarray | None = None,
    waveform_gain_uv: float = 1.0,
    pre_threshold: int = 8,
    words: pd.DataFrame = NO_WORDS,
    pauses: Sequence[tuple[int, float]] = (),
    more: Sequence[ContinuousGroup] = (),
    clock_hz: int = 40_000,
    first_tick: int = 0,
    version: int = 106,
    block_samples: int = BLOCK_SAMPLES,
    finished: bool = True,
) -> None:
    """Write a .plx file.

    Parameters
    ----------
    path : path
        Where to write; the file appears whole or not at all.
    chunks : iterable of int16 array [sample, channel]
        Continuous channels, piece by piece; taken one after the other.
    names : sequence of str
        Their names, as ``WB001`` .. ``WB016`` and ``AI01``.
    gain_uv : float or sequence of float
        Microvolts per count; see `stored_gain_uv`.
    sampling_rate_hz : int
        Of `chunks`.
    start : datetime, optional
        Date in the header, without its zone; 2000-01-01 by default.
    spike_channels : sequence of int
        DSP channels that get a header, from 1.
    spikes : DataFrame
        Columns channel, unit, time_s; any order.
    waveforms : int16 array [spike, point], optional
        One a row of `spikes`; none by default: time stamps only.
    waveform_gain_uv : float
        Microvolts per count of the waveforms; see `stored_gain_uv`.
    pre_threshold : int
        Points of a waveform before the threshold.
    words : DataFrame
        Columns time_s, word, source; sources 'strobed', 'bit' (word = event
        channel), 'start', 'stop'. Without 'start' and 'stop' they are put at
        the ends of the recording and of its pauses.
    pauses : sequence of (int, float)
        Sample before which the recording pauses, and for how many seconds.
    more : sequence of ContinuousGroup
        Continuous channels of other rates.
    clock_hz : int
        Rate of the time stamps.
    first_tick : int
        Time stamp of the first sample.
    version : int
        100 to 107.
    block_samples : int
        Samples in a continuous block.
    finished : bool
        False leaves the header's counts at 0, as a crash does.

    Raises
    ------
    InputError
        Shapes or numbers do not fit each other or the format.
    """
    groups = [ContinuousGroup(chunks, names, gain_uv, sampling_rate_hz, pauses), *more]
    groups = [group for group in groups if group.names]
    if version not in plx.VERSIONS:
        raise InputError(f".plx version {version} is unknown", path, "100 to 107 are written")
    points = 0 if waveforms is None else waveforms.shape[1]
    header = file_header(version, clock_hz, start, points, pre_threshold)
    slow = slow_headers(header, [(g.names, g.gain_uv, g.sampling_rate_hz) for g in groups])
    dsp = spike_headers(header, spike_channels, waveform_gain_uv)
    counter = _Counter(header, clock_hz)
    sources = [counter.spikes(spikes, waveforms, spike_channels, len(groups) + 1)]
    channel = 0
    for order, group in enumerate(groups):
        sources.append(counter.samples(group, channel, order + 1, first_tick, block_samples))
        channel += len(group.names)
    auto = not words["source"].isin(["start", "stop"]).any()
    edges = _edges(groups[:1], clock_hz, first_tick) if auto else NO_WORDS
    event = event_headers(event_channels(words))
    header["NumDSPChannels"], header["NumEventChannels"], header["NumSlowChannels"] = map(
        len, (dsp, event, slow)
    )
    sources += [counter.events(edges, 0), counter.events(words, len(groups) + 2)]
    with atomic_write(path) as partial, partial.open("wb") as stream:
        for table in (header, dsp, event, slow):
            stream.write(table.tobytes())
        for _, _, piece in heapq.merge(*sources, key=lambda piece: piece[:2]):
            stream.write(piece)
        if auto:
            end = pd.DataFrame({"time_s": header["LastTimestamp"] / clock_hz, "word": 0, "source": "stop"})
            for _, _, piece in counter.events(end, 0):
                stream.write(piece)
        if finished:
            stream.seek(0)
            stream.write(header.tobytes())


def stored_gain_uv(gain_uv: float, version: int = 106) -> float:
    """Return the gain nearest to `gain_uv` that a .plx header can hold.

    The header holds an integer amplifier gain, so that counts must be made
    with this gain for the file to give back exact microvolts.
    """
    header = file_header(version, 40_000, None, 0, 0)
    unit_gain_uv = plx.slow_gain_uv(header[0], 1, 1)
    return unit_gain_uv / max(1, round(unit_gain_uv / gain_uv))


def _edges(groups: Sequence[ContinuousGroup], clock_hz: int, first_tick: int) -> pd.DataFrame:
    """Return start and stop of the recording's runs, but for the last stop."""
    runs = [RecordedRun(0, first_tick, -1)]
    for group in groups:
        runs = runs_of(group.pauses, first_tick, clock_hz, group.sampling_rate_hz)
    ticks = [(run.stop, "stop") for run in runs[1:]] + [(run.tick, "start") for run in runs]
    time_s = [tick / clock_hz for tick, _ in ticks]
    return pd.DataFrame({"time_s": time_s, "word": 0, "source": [source for _, source in ticks]})


class _Counter:
    """Makes the blocks, and fills the header's counts while they go by."""

    def __init__(self, header: np.ndarray, clock_hz: int) -> None:
        self.header = header
        self.clock_hz = clock_hz

    def samples(
        self, group: ContinuousGroup, channel: int, order: int, first_tick: int, block_samples: int
    ) -> Iterator[Piece]:
        """Make the blocks of a group whose first channel is `channel`."""
        ticks_per_sample = self.clock_hz / group.sampling_rate_hz
        n_channels = len(group.names)
        runs = runs_of(group.pauses, first_tick, self.clock_hz, group.sampling_rate_hz)
        pieces = even_pieces(group.chunks, n_channels, block_samples, runs, ticks_per_sample)
        return slow_blocks(self._counted(pieces, channel, ticks_per_sample), channel, order, ticks_per_sample)

    def _counted(
        self, pieces: Iterable[tuple[int, np.ndarray]], channel: int, ticks_per_sample: float
    ) -> Iterator[tuple[int, np.ndarray]]:
        for tick, samples in pieces:
            n_blocks, n, n_channels = samples.shape
            first_count = plx.FIRST_SLOW_COUNT + channel
            self.header["EVCounts"][0, first_count : first_count + n_channels] += n_blocks * n
            self._reaches(tick + round(n_blocks * n * ticks_per_sample))
            yield tick, samples

    def spikes(
        self, spikes: pd.DataFrame, waveforms: np.ndarray | None, spike_channels: Sequence[int], order: int
    ) -> Iterator[Piece]:
        """Make the blocks of spikes."""
        channel, unit = spikes["channel"].to_numpy(np.int64), spikes["unit"].to_numpy(np.int64)
        if not set(channel.tolist()) <= set(spike_channels):
            raise InputError("a spike of a channel that is not among spike_channels", "", "name its channel")
        if unit.size and not (unit.min() >= 0 and unit.max() <= plx.MAX_UNIT):
            raise InputError(f"a unit outside 0 to {plx.MAX_UNIT}", "", "number units from 0 (unsorted)")
        if waveforms is not None and len(waveforms) != channel.size:
            raise InputError(f"{len(waveforms)} waveforms for {channel.size} spikes", "", "give one a spike")
        tick = self._ticks(spikes)
        is_counted = (channel <= plx.LAST_COUNTED_CHANNEL) & (unit < plx.COUNTED_UNITS)
        np.add.at(self.header["TSCounts"][0], (channel[is_counted], unit[is_counted]), 1)
        if waveforms is not None:
            self.header["WFCounts"] = self.header["TSCounts"]
        return spike_blocks(tick, channel, unit, waveforms, order)

    def events(self, words: pd.DataFrame, order: int) -> Iterator[Piece]:
        """Make the blocks of events."""
        channel = event_channels(words)
        np.add.at(self.header["EVCounts"][0], channel, 1)
        return event_blocks(self._ticks(words), channel, words["word"].to_numpy(np.int64), order)

    def _ticks(self, table: pd.DataFrame) -> np.ndarray:
        tick = np.rint(table["time_s"].to_numpy(float) * self.clock_hz).astype(np.int64)
        if tick.size and not (tick.min() >= 0 and tick.max() < 1 << 40):
            raise InputError("a time outside the 40 bits of a time stamp", "", "give seconds from 0")
        self._reaches(int(tick.max(initial=0)))
        return tick

    def _reaches(self, tick: int) -> None:
        self.header["LastTimestamp"] = max(float(self.header["LastTimestamp"][0]), tick)
