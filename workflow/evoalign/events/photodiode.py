"""Photodiode: when light on the screen really changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evoalign.errors import InputError
from evoalign.recordings.stream import Stream

Floats = NDArray[np.float64]

CHUNK = 2**20  # samples in memory at a time
LEVELS = 2**16  # of a 16-bit converter
LOW, HIGH = 0.3, 0.7  # hysteresis, as shares of the way from dark to light
MIN_SEPARATION = 6.0  # between dark and light, in robust standard deviations of the noise
MAD_TO_SD = 1.4826
EDGE_S, N_EDGES = 0.01, 400  # longest edge, and number of edges for the mean edge
FOOT, FOOT_TOP = 0.2, 0.6  # the line through these levels meets the level before the edge at its foot


@dataclass(frozen=True)
class Photodiode:
    """Changes of light.

    Attributes
    ----------
    on_s, off_s : ndarray
        Times of the changes to light and to dark, s on the recording's clock,
        in the order of recording.
    on_segment, off_segment : ndarray of int or None
        Segment of each change. Needed only where the recording's times
        overlap after a reset of its clock.
    """

    on_s: Floats
    off_s: Floats
    on_segment: NDArray[np.int64] | None = None
    off_segment: NDArray[np.int64] | None = None

    def swapped(self) -> Photodiode:
        """Return the same with light and dark exchanged."""
        return Photodiode(self.off_s, self.on_s, self.off_segment, self.on_segment)

    def either_way(self) -> Photodiode:
        """Return every change as one to light and as one to dark: of a square that changes sides."""
        times = np.concatenate([self.on_s, self.off_s])
        if self.on_segment is None or self.off_segment is None:
            order = np.argsort(times, kind="stable")
            return Photodiode(times[order], times[order])
        segments = np.concatenate([self.on_segment, self.off_segment])
        order = np.lexsort((times, segments))
        return Photodiode(times[order], times[order], segments[order], segments[order])


@dataclass(frozen=True)
class _Levels:
    dark: float
    light: float

    def at(self, share: float) -> float:
        return self.dark + share * (self.light - self.dark)


def photodiode_crossings(stream: Stream, channel: int, bridge_ms: float = 0.0) -> Photodiode:
    """Detect when the photodiode's signal turns to light and to dark.

    Dark and light are the two clusters of the signal's values (two-means on
    the histogram of counts). A change counts when the signal has gone through
    30 % and 70 % of the way, so that noise on a slow edge makes no changes of
    its own. Its time is the foot of the edge: the sub-sample crossing of the
    half-way level, less the time that edges take from foot to there on average.
    The signal is read in chunks.

    Parameters
    ----------
    stream : Stream
        Analog stream.
    channel : int
        Vendor's number of the photodiode's channel.
    bridge_ms : float
        Dark gaps up to this length are the refresh of a scanning screen, and
        no change.

    Returns
    -------
    Photodiode

    Raises
    ------
    InputError
        The channel is not in the stream, or has no two levels: no flashes.
    """
    if channel not in stream.channels:
        channels = ", ".join(map(str, stream.channels))
        raise InputError(
            f"channel {channel} is not in stream '{stream.name}' (it holds {channels})",
            "photodiode",
            "correct the column photodiode in sessions.tsv",
        )
    levels = _levels(stream, channel)
    on_s, off_s, on_segment, off_segment = [], [], [], []
    edges: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
    for segment in range(len(stream.segments)):
        on, off = _segment_changes(stream, channel, segment, levels, edges)
        on, off = _without_dark_gaps(on, off, bridge_ms / 1000)
        on_s.append(on)
        off_s.append(off)
        on_segment.append(np.full(len(on), segment))
        off_segment.append(np.full(len(off), segment))
    return Photodiode(
        np.concatenate([*on_s, np.empty(0)]) - _foot_to_middle(edges[0]) / stream.sampling_rate_hz,
        np.concatenate([*off_s, np.empty(0)]) - _foot_to_middle(edges[1]) / stream.sampling_rate_hz,
        np.concatenate([*on_segment, np.empty(0, np.int64)]),
        np.concatenate([*off_segment, np.empty(0, np.int64)]),
    )


def _chunks(stream: Stream, channel: int, segment: int) -> Iterator[tuple[int, NDArray[np.int16]]]:
    n_samples = stream.segments[segment][1]
    for start in range(0, n_samples, CHUNK):
        yield start, stream.read(segment, start, start + CHUNK, [channel])[:, 0]


def _levels(stream: Stream, channel: int) -> _Levels:
    histogram = np.zeros(LEVELS, np.int64)
    for segment in range(len(stream.segments)):
        for _, counts in _chunks(stream, channel, segment):
            histogram += np.bincount(counts.astype(np.int64) + LEVELS // 2, minlength=LEVELS)
    where = f"photodiode, channel {channel} of stream '{stream.name}'"
    hint = "correct the column photodiode in sessions.tsv, or leave it empty to use event words"
    counts_present = np.flatnonzero(histogram)
    if len(counts_present) < 2:
        raise InputError("the signal of the photodiode never changes", where, hint)
    values, weights = counts_present - LEVELS // 2, histogram[counts_present]
    dark, light = float(values[0]), float(values[-1])
    for _ in range(100):
        is_light = values > (dark + light) / 2
        means = [np.average(values[side], weights=weights[side]) for side in (~is_light, is_light)]
        if np.allclose(means, [dark, light], atol=1e-6):
            break
        dark, light = map(float, means)
    sides = [(values[side], weights[side]) for side in (~is_light, is_light)]
    dark, light = (_quantile(*side, 0.5) for side in sides)
    noise = [MAD_TO_SD * _mad(*side) for side in sides]
    if light - dark < MIN_SEPARATION * max(*noise, 1.0):
        raise InputError(
            f"the signal of the photodiode has no two levels: {dark:.0f} and {light:.0f} counts "
            f"with a noise of {max(noise):.0f}",
            where,
            hint,
        )
    return _Levels(dark, light)


def _quantile(values: NDArray[np.int64], weights: NDArray[np.int64], share: float) -> float:
    total = np.cumsum(weights)
    return float(values[np.searchsorted(total, share * total[-1])])


def _mad(values: NDArray[np.int64], weights: NDArray[np.int64]) -> float:
    distance = np.abs(values - _quantile(values, weights, 0.5))
    order = np.argsort(distance, kind="stable")
    return _quantile(distance[order].astype(np.int64), weights[order], 0.5)


def _segment_changes(
    stream: Stream,
    channel: int,
    segment: int,
    levels: _Levels,
    edges: tuple[list[tuple[int, int]], list[tuple[int, int]]],
) -> tuple[Floats, Floats]:
    """Times of the half-way crossings of one segment; `edges` takes the sizes of some edges."""
    start_s, rate = stream.segments[segment][0], stream.sampling_rate_hz
    margin = max(round(EDGE_S * rate), 2)
    state = 0
    before = np.empty(0, np.int16)
    changes: tuple[list[Floats], list[Floats]] = ([np.empty(0)], [np.empty(0)])
    for chunk_start, counts in _chunks(stream, channel, segment):
        signal = np.concatenate([before, counts]).astype(np.float64)
        origin = chunk_start - len(before)
        states = np.where(counts > levels.at(HIGH), 1, np.where(counts < levels.at(LOW), -1, 0))
        states = _filled(states, state)
        flips = np.flatnonzero(np.diff(states, prepend=state)) + len(before)
        # The first known state of a segment is no change.
        after_known_state = np.concatenate([[state], states])[flips - len(before)] != 0
        flips = flips[after_known_state]
        rises = states[flips - len(before)] > 0
        state = int(states[-1]) if len(states) else state
        for kind, direction in enumerate((rises, ~rises)):
            at = _half_way(signal, flips[direction], levels.at(0.5), kind == 0)
            changes[kind].append(start_s + (origin + at) / rate)
            share = (signal - levels.dark) / (levels.light - levels.dark)
            _count_samples(edges[kind], share if kind == 0 else 1 - share, at, margin)
        before = signal[-margin:].astype(np.int16)
    return np.concatenate(changes[0]), np.concatenate(changes[1])


def _filled(states: NDArray[np.int64], state: int) -> NDArray[np.int64]:
    """Fill samples between the two levels with the last known state, ``[sample]``."""
    index = np.where(states != 0, np.arange(len(states)), -1)
    last_known = np.maximum.accumulate(index) if len(index) else index
    return np.where(last_known >= 0, states[np.maximum(last_known, 0)], state)


def _half_way(signal: Floats, flips: NDArray[np.int64], level: float, rising: bool) -> Floats:
    """Sub-sample index of the last crossing of the half-way level before each flip."""
    beyond = signal <= level if rising else signal >= level
    last_beyond = (
        np.maximum.accumulate(np.where(beyond, np.arange(len(signal)), -1)) if len(signal) else signal
    )
    before = np.maximum(last_beyond[flips].astype(np.int64), 0)
    after = np.minimum(before + 1, len(signal) - 1)
    step = signal[after] - signal[before]
    share = np.divide(level - signal[before], step, out=np.zeros(len(flips)), where=step != 0)
    return before + np.clip(share, 0, 1)


def _count_samples(counts: list[tuple[int, int]], share: Floats, at: Floats, margin: int) -> None:
    """Count samples of some edges between foot and half-way, and between half-way and the foot's top."""
    for middle in np.floor(at[: max(N_EDGES - len(counts), 0)]).astype(np.int64):
        before = share[max(middle - margin, 0) : middle + 1][::-1]
        after = share[middle + 1 : middle + margin]
        counts.append((int(np.argmax(before < FOOT)), int(np.argmax(after > FOOT_TOP))))


def _foot_to_middle(counts: list[tuple[int, int]]) -> float:
    """Samples from the foot of the mean edge to its half-way crossing.

    Edges come at any phase of the sampling, so the mean number of samples
    between two levels is the time between them, even for edges that are
    shorter than a sample.
    """
    if not counts:
        return 0.0
    lower, upper = np.mean(counts, axis=0)
    # The line through both levels goes on to 0.
    return float(lower + (lower + upper) * FOOT / (FOOT_TOP - FOOT))


def _without_dark_gaps(on: Floats, off: Floats, bridge_s: float) -> tuple[Floats, Floats]:
    """Leave out dark gaps that are no longer than `bridge_s`."""
    if bridge_s <= 0 or not len(on) or not len(off):
        return on, off
    following = np.searchsorted(on, off)
    gap = np.where(following < len(on), on[np.minimum(following, len(on) - 1)] - off, np.inf)
    short = gap <= bridge_s
    return np.delete(on, following[short]), off[~short]
