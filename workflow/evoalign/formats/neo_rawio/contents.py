"""Puts what a file holds into the tables and streams of a `Recording`."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from evoalign.errors import InputError
from evoalign.formats.plexon.streams import NOT_NEURAL
from evoalign.formats.units import MICROVOLTS
from evoalign.recordings.recording import Recording, channel_table, segment_table, spike_table, word_table
from evoalign.recordings.stream import Reader, Stream

ROLES = ("broadband", "field", "analog")
BROADBAND_HZ = 20_000  # a neural signal at this rate or above holds spikes
FIRST_ANALOG = 10_000  # analog input 1 is channel 10001: it shares no number with an electrode
ANALOG = re.compile(r"(AI|ADC|AUX|ANA|SYNC|ACC|GYR|BNC)", re.IGNORECASE)


@dataclass(frozen=True)
class Channel:
    """A continuous channel: number, label, and microvolts = counts x gain + offset."""

    number: int
    name: str
    gain_uv: float
    offset_uv: float = 0.0


@dataclass(frozen=True)
class Group:
    """Continuous channels of one role and one rate that share segments.

    Attributes
    ----------
    role : str
        'broadband', 'field' or 'analog'.
    rate_hz : float
    channels : tuple of Channel
        In the order of the reader's columns.
    segments : tuple of (float, int)
        Start in seconds and number of samples.
    reader : callable
        As for `evoalign.recordings.stream.Stream`.
    """

    role: str
    rate_hz: float
    channels: tuple[Channel, ...]
    segments: tuple[tuple[float, int], ...]
    reader: Reader


def _no_numbers() -> np.ndarray:
    return np.empty(0, np.int64)


@dataclass
class RecordingContents:
    """What a file holds, whatever the format; times in seconds on the recording's clock.

    Attributes
    ----------
    start : datetime or None
        In UTC, or the acquisition PC's local time without a zone.
    groups : list of Group
    spike_channels : dict of int to (str, float, float)
        Channels with spikes: name, microvolts per count, rate of their clock.
    spike_channel, spike_unit, spike_s : arrays [spike]
    word_s, word, word_source : arrays [word]
        The source of words from parallel lines is 'digital', that of single lines 'bit'.
    metadata : dict
        For the descriptor.
    """

    start: dt.datetime | None = None
    groups: list[Group] = field(default_factory=list)
    spike_channels: dict[int, tuple[str, float, float]] = field(default_factory=dict)
    spike_channel: np.ndarray = field(default_factory=_no_numbers)
    spike_unit: np.ndarray = field(default_factory=_no_numbers)
    spike_s: np.ndarray = field(default_factory=_no_numbers)
    word_s: np.ndarray = field(default_factory=_no_numbers)
    word: np.ndarray = field(default_factory=_no_numbers)
    word_source: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)

    def add_words(self, time_s: np.ndarray, word: np.ndarray, source: str) -> None:
        """Add words of one source."""
        self.word_s = np.concatenate((self.word_s, time_s))
        self.word = np.concatenate((self.word, np.asarray(word, np.int64)))
        self.word_source += [source] * len(time_s)

    def add_spikes(self, channel: np.ndarray | int, unit: np.ndarray | int, time_s: np.ndarray) -> None:
        """Add spikes; one channel or unit for all, or one each."""
        everyone = np.ones(len(time_s), np.int64)
        self.spike_channel = np.concatenate((self.spike_channel, everyone * channel))
        self.spike_unit = np.concatenate((self.spike_unit, everyone * unit))
        self.spike_s = np.concatenate((self.spike_s, time_s))


def neural_role(rate_hz: float) -> str:
    """Return what a neural signal of this rate is called."""
    return "broadband" if rate_hz >= BROADBAND_HZ else "field"


def role_of(name: str, unit: str, rate_hz: float) -> str:
    """Return what a channel carries, by its unit, name and rate.

    What is no voltage, or has the name of an input of the rig, is 'analog'.
    """
    if (unit and unit.lower() not in MICROVOLTS) or NOT_NEURAL.search(name) or ANALOG.match(name):
        return "analog"
    return neural_role(rate_hz)


def numbers_by_name(names: Sequence[str], otherwise: Sequence[int]) -> list[int]:
    """Return the number in each channel's name; `otherwise` where one has none or two are alike (F3, C3)."""
    digits = [re.search(r"(\d+)\D*$", name) for name in names]
    numbers = [int(match[1]) if match else 0 for match in digits]
    distinct = len(set(numbers)) == len(numbers) and all(0 < number < FIRST_ANALOG for number in numbers)
    return numbers if distinct else list(otherwise)


def build(
    system: str, files: Sequence[Path], contents: RecordingContents, gap_tolerance_s: float
) -> Recording:
    """Return the recording of a file's contents.

    Raises
    ------
    InputError
        A rate, gain or time is no number, two channels of a stream have one
        number, or there is nothing in the recording.
    """
    streams = {
        name: Stream(
            name=name,
            sampling_rate_hz=group.rate_hz,
            channels=tuple(channel.number for channel in group.channels),
            gain_uv=np.array([channel.gain_uv for channel in group.channels]),
            offset_uv=np.array([channel.offset_uv for channel in group.channels]),
            segments=group.segments,
            reader=group.reader,
            files=tuple(files),
            gap_tolerance_s=gap_tolerance_s,
        )
        for name, group in _named(system, files, contents.groups).items()
    }
    _check(system, files, streams, contents)
    segments = segment_table(list(streams.values()))
    names = {c.number: c.name for group in contents.groups for c in group.channels}
    return Recording(
        format=system,
        files=tuple(files),
        start=contents.start,
        channels=channel_table(list(streams.values()), names, spike_channels=contents.spike_channels),
        segments=segments,
        words=word_table(contents.word_s, contents.word, contents.word_source, segments),
        online_spikes=spike_table(contents.spike_channel, contents.spike_unit, contents.spike_s),
        streams=streams,
        metadata=contents.metadata,
    )


def _named(system: str, files: Sequence[Path], groups: Sequence[Group]) -> dict[str, Group]:
    """Name groups by role; of several rates the highest keeps the plain name, the others carry theirs."""
    streams: dict[str, Group] = {}
    for role in ROLES:
        rates = sorted({g.rate_hz for g in groups if g.role == role}, reverse=True)
        for rank, rate in enumerate(rates):
            members = _merged([g for g in groups if (g.role, g.rate_hz) == (role, rate)])
            members.sort(key=lambda g: -len(g.channels))
            counted = Counter(c.number for g in members for c in g.channels)
            number, times = counted.most_common(1)[0]
            if times > 1:
                raise InputError(
                    f"{system}: {times} channels have the number {number}",
                    files[0],
                    "rename the channels in a copy",
                )
            name = role if rank == 0 else f"{role}_{rate:g}"
            for part, group in enumerate(members):
                streams[name if part == 0 else f"{name}_part{part + 1}"] = group
    return streams


class _SideBySide:
    """Reads groups that share segments as one."""

    def __init__(self, groups: Sequence[Group]) -> None:
        self._readers = [group.reader for group in groups]
        self._place = [(g, column) for g, group in enumerate(groups) for column in range(len(group.channels))]

    def __call__(self, segment: int, start: int, stop: int, columns: Sequence[int]) -> np.ndarray:
        """Return int16 [sample, column]."""
        places = [self._place[column] for column in columns]
        used = sorted({group for group, _ in places})
        if len(used) == 1:
            return self._readers[used[0]](segment, start, stop, [column for _, column in places])
        out = np.empty((stop - start, len(places)), np.int16)
        for group in used:
            rows = [row for row, place in enumerate(places) if place[0] == group]
            out[:, rows] = self._readers[group](segment, start, stop, [places[row][1] for row in rows])
        return out


def _merged(groups: Sequence[Group]) -> list[Group]:
    """Put groups of one role and rate together whose segments are the same."""
    by_segments: dict[tuple[tuple[float, int], ...], list[Group]] = {}
    for group in groups:
        by_segments.setdefault(group.segments, []).append(group)
    merged = []
    for members in by_segments.values():
        channels = tuple(channel for group in members for channel in group.channels)
        reader = members[0].reader if len(members) == 1 else _SideBySide(members)
        merged.append(replace(members[0], channels=channels, reader=reader))
    return merged


def _check(
    system: str, files: Sequence[Path], streams: dict[str, Stream], contents: RecordingContents
) -> None:
    """Raise an InputError for numbers that no recording has."""
    for name, stream in streams.items():
        if not (np.isfinite(stream.sampling_rate_hz) and 0 < stream.sampling_rate_hz < 1e7):
            raise InputError(f"{system}: sampling rate {stream.sampling_rate_hz:g} Hz of '{name}'", files[0])
        wrong = ~(np.isfinite(stream.gain_uv) & (stream.gain_uv != 0) & np.isfinite(stream.offset_uv))
        if wrong.any():
            channel = stream.channels[int(np.flatnonzero(wrong)[0])]
            raise InputError(f"{system}: channel {channel} of '{name}' has no usable scale", files[0])
        begin = np.array([start for start, _ in stream.segments])
        end = begin + np.array([n for _, n in stream.segments]) / stream.sampling_rate_hz
        if not np.isfinite(begin).all() or (begin[1:] < end[:-1] - 0.5 / stream.sampling_rate_hz).any():
            raise InputError(f"{system}: segments of '{name}' overlap, or time runs backwards", files[0])
    for times in (contents.word_s, contents.spike_s):
        if len(times) and not np.isfinite(times).all():
            raise InputError(f"{system}: a time is no number", files[0])
    if not streams and not len(contents.word_s) and not len(contents.spike_s):
        raise InputError(f"{system}: no samples, words or spikes are in the recording", files[0])
