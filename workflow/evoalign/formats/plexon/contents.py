"""Puts what a Plexon file holds into the tables and streams of a `Recording`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from evoalign.formats.plexon.runs import MAX_LOSS, MAX_LOSS_OF_BEGINNING
from evoalign.formats.plexon.streams import Continuous, name_streams, split_ragged
from evoalign.formats.plexon.walk import copy_samples
from evoalign.recordings.recording import Recording, channel_table, segment_table, spike_table, word_table
from evoalign.recordings.stream import Stream


class BlockReader:
    """Reads a stream whose samples lie in blocks, channel by channel.

    Parameters
    ----------
    channels : sequence of Continuous
        One a column of the stream.
    sample : int64 array [segment, channel]
        Number of each segment's first sample within the channel.
    """

    def __init__(self, channels: Sequence[Continuous], sample: np.ndarray) -> None:
        runs = [channel.runs for channel in channels]
        self.samples = [channel.samples for channel in channels]
        self.sample = sample
        self.word = np.concatenate([of_channel.word for of_channel in runs])
        self.first = np.concatenate([of_channel.first for of_channel in runs])
        self.begin = np.cumsum([0, *(of_channel.word.size for of_channel in runs[:-1])])

    def __call__(self, segment: int, start: int, stop: int, columns: Sequence[int]) -> np.ndarray:
        """Return int16 [sample, column], contiguous along each column."""
        places = np.asarray(columns, np.int64)
        first_sample = self.sample[segment, places].astype(np.int64) + start
        out = np.empty((places.size, stop - start), np.int16)
        in_one_file = all(self.samples[place] is self.samples[0] for place in places)
        step = max(1, places.size) if in_one_file else 1
        for row in range(0, places.size, step):
            rows = slice(row, row + step)
            samples = self.samples[places[row]]
            copy_samples(
                samples, self.word, self.first, self.begin, places[rows], first_sample[rows], out[rows]
            )
        return out.T


@dataclass
class Contents:
    """Contents of a Plexon file, the same for .plx and .pl2.

    Attributes
    ----------
    clock_hz : float
        Rate of all time stamps.
    start : datetime or None
        Local time without a zone.
    continuous : list of Continuous
    spike_channels : list of (int, str, float)
        Number, name and microvolts per count of channels with a spike header.
    spike_channel, spike_unit, spike_tick : int arrays [spike]
    word_tick, word, word_source : arrays [event]
    metadata : dict
        For the descriptor.
    """

    clock_hz: float
    start: dt.datetime | None
    continuous: list[Continuous]
    spike_channels: list[tuple[int, str, float]]
    spike_channel: np.ndarray
    spike_unit: np.ndarray
    spike_tick: np.ndarray
    word_tick: np.ndarray
    word: np.ndarray
    word_source: np.ndarray
    metadata: dict[str, Any] = field(default_factory=dict)


def build(
    kind: str,
    files: Sequence[Path],
    contents: Contents,
    gap_tolerance_s: float,
    full_duration_s: float | None = None,
) -> Recording:
    """Return the recording of a Plexon file's contents."""
    streams: dict[str, Stream] = {}
    names: dict[int, str] = {}  # of each channel, as in the first stream that holds it
    metadata = dict(contents.metadata)
    max_loss = MAX_LOSS if full_duration_s is None else MAX_LOSS_OF_BEGINNING
    by_part = split_ragged(name_streams(contents.continuous), contents.clock_hz, max_loss)
    for name, (channels, group) in by_part.items():
        starts = (group.tick / contents.clock_hz).tolist()
        streams[name] = Stream(
            name=name,
            sampling_rate_hz=channels[0].rate_hz,
            channels=tuple(channel.number for channel in channels),
            gain_uv=np.array([channel.gain_uv for channel in channels]),
            offset_uv=np.zeros(len(channels)),
            segments=tuple(zip(starts, group.length.tolist(), strict=True)),
            reader=BlockReader(channels, group.sample),
            files=tuple(files),
            gap_tolerance_s=gap_tolerance_s,
        )
        for channel in channels:
            names.setdefault(channel.number, channel.name)
        if group.lost and full_duration_s is None:
            metadata.setdefault("samples_outside_shared_segments", {})[name] = group.lost
    in_order = list(streams.values())
    segments = segment_table(in_order)
    # Of two headers with one number the first counts.
    with_spikes = {
        number: (name, gain, contents.clock_hz) for number, name, gain in reversed(contents.spike_channels)
    }
    word_s, spike_s = (tick / contents.clock_hz for tick in (contents.word_tick, contents.spike_tick))
    return Recording(
        format=kind,
        files=tuple(files),
        start=contents.start,
        channels=channel_table(in_order, names, spike_channels=with_spikes),
        segments=segments,
        words=word_table(word_s, contents.word, contents.word_source, segments),
        online_spikes=spike_table(contents.spike_channel, contents.spike_unit, spike_s),
        streams=streams,
        metadata=metadata,
        full_duration_s=full_duration_s,
    )
