"""Puts what a Plexon file holds into the tables and streams of a `Recording`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evoalign import tables
from evoalign.formats.plexon.streams import Continuous, name_streams, split_ragged
from evoalign.formats.plexon.walk import copy_samples
from evoalign.recordings.recording import Recording, complete_channels, segment_table
from evoalign.recordings.stream import Stream
from evoalign.recordings.tables import ONLINE_SPIKES, WORDS


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
        self.channels = list(channels)
        self.sample = sample

    def __call__(self, segment: int, start: int, stop: int, columns: Sequence[int]) -> np.ndarray:
        """Return int16 [sample, column], contiguous along each column."""
        out = np.empty((len(columns), stop - start), np.int16)
        for row, column in zip(out, columns, strict=True):
            channel = self.channels[column]
            first_sample = int(self.sample[segment, column]) + start
            copy_samples(channel.samples, channel.runs.word, channel.runs.first, first_sample, row)
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


def build(kind: str, files: Sequence[Path], contents: Contents, gap_tolerance_s: float) -> Recording:
    """Return the recording of a Plexon file's contents."""
    streams: dict[str, Stream] = {}
    metadata = dict(contents.metadata)
    for name, (channels, group) in split_ragged(name_streams(contents.continuous), contents.clock_hz).items():
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
        if group.lost:
            metadata.setdefault("samples_outside_shared_segments", {})[name] = group.lost
    segments = segment_table(list(streams.values()))
    return Recording(
        format=kind,
        files=tuple(files),
        start=contents.start,
        channels=_channels(streams, contents),
        segments=segments,
        words=_words(contents, segments),
        online_spikes=_online_spikes(contents),
        streams=streams,
        metadata=metadata,
    )


def _channels(streams: dict[str, Stream], contents: Contents) -> pd.DataFrame:
    """List each channel once, under the first stream that holds it, then those with spikes only."""
    label = {(c.number, c.rate_hz, c.gain_uv): c.name for c in contents.continuous}
    rows: dict[int, dict[str, Any]] = {}
    for stream in streams.values():
        for number, gain in zip(stream.channels, stream.gain_uv.tolist(), strict=True):
            name = label[number, stream.sampling_rate_hz, gain]
            kind = "analog" if stream.name.startswith("analog") else "neural"
            row = _row(number, name, kind, stream.name, stream.sampling_rate_hz, gain)
            rows.setdefault(number, row)
    for number, name, gain in contents.spike_channels:
        rows.setdefault(number, _row(number, name, "neural", "", contents.clock_hz, gain))
    return complete_channels(pd.DataFrame([rows[number] for number in sorted(rows)]))


def _row(number: int, name: str, kind: str, stream: str, rate_hz: float, gain_uv: float) -> dict[str, Any]:
    return {
        "channel": number,
        "name": name,
        "kind": kind,
        "stream": stream,
        "sampling_rate_hz": rate_hz,
        "gain_uv": gain_uv,
    }


def _words(contents: Contents, segments: pd.DataFrame) -> pd.DataFrame:
    order = np.argsort(contents.word_tick, kind="stable")
    time_s = contents.word_tick[order] / contents.clock_hz
    first_stream = segments[segments["stream"] == segments["stream"].iloc[0]] if len(segments) else segments
    segment = np.searchsorted(first_stream["start_s"].to_numpy(), time_s, side="right") - 1
    frame = {
        "time_s": time_s,
        "word": contents.word[order],
        "source": contents.word_source[order],
        "segment": np.maximum(segment, 0),
    }
    return tables.conform(pd.DataFrame(frame), WORDS)


def _online_spikes(contents: Contents) -> pd.DataFrame:
    order = np.lexsort((contents.spike_channel, contents.spike_tick))
    frame = {
        "channel": contents.spike_channel[order],
        "unit": contents.spike_unit[order],
        "time_s": contents.spike_tick[order] / contents.clock_hz,
    }
    return tables.conform(pd.DataFrame(frame), ONLINE_SPIKES)
