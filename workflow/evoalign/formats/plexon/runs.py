"""Gapless runs of a continuous channel, and the segments that channels share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from evoalign.formats.plexon.walk import Blocks, run_starts

# A channel joins the stream of the others when at most this share of their samples is lost by it.
MAX_LOSS = 0.01
# The same where only the beginning of a file was walked: it ends in another block of each channel.
MAX_LOSS_OF_BEGINNING = 0.5


class Runs(NamedTuple):
    """A continuous channel: where its samples lie and when they were taken.

    Attributes
    ----------
    word : int64 array [block]
        Where each block's samples start in the file, in 16-bit words.
    first : int64 array [block + 1]
        Number of each block's first sample; then the channel's length.
    tick : int64 array [run]
        Time stamp of each run's first sample.
    sample : int64 array [run]
        Number of each run's first sample.
    length : int64 array [run]
        Samples in each run.
    """

    word: np.ndarray
    first: np.ndarray
    tick: np.ndarray
    sample: np.ndarray
    length: np.ndarray


class Shared(NamedTuple):
    """Segments in which all channels of a stream have samples.

    Attributes
    ----------
    tick : float64 array [segment]
        Time of the first sample.
    length : int64 array [segment]
        Samples in each segment.
    sample : int64 array [segment, geometry]
        Number of the segment's first sample in the channels of each geometry.
    """

    tick: np.ndarray
    length: np.ndarray
    sample: np.ndarray


class ChannelGroup(NamedTuple):
    """Channels that share segments.

    Attributes
    ----------
    members : list of int
        Positions of the channels in the list that was grouped.
    tick, length
        As in `Shared`.
    sample : int64 array [segment, member]
        Number of the segment's first sample in each channel.
    lost : int
        Samples, over all members, that lie outside the segments.
    """

    members: list[int]
    tick: np.ndarray
    length: np.ndarray
    sample: np.ndarray
    lost: int


def channel_runs(blocks: Blocks, ticks_per_sample: float, tolerance: float) -> Runs:
    """Join a channel's blocks to runs.

    Parameters
    ----------
    blocks : Blocks
        The channel's blocks in the order of the file.
    ticks_per_sample : float
        Clock rate over sampling rate.
    tolerance : float
        Ticks that a block may lie off its run before it starts a new one.
    """
    first = np.concatenate(([0], np.cumsum(blocks.values)))
    starts = run_starts(blocks.tick, blocks.values, ticks_per_sample, tolerance)
    sample = first[starts]
    length = np.diff(np.append(sample, first[-1]))
    return Runs(blocks.word, first, blocks.tick[starts], sample, length)


def backward_step(runs: Runs, ticks_per_sample: float, tolerance: float) -> int:
    """Return the first run that starts before the one ahead of it ends; -1 when none does."""
    end = runs.tick[:-1] + runs.length[:-1] * ticks_per_sample
    backward_runs = np.flatnonzero(runs.tick[1:] < end - tolerance)
    return int(backward_runs[0]) + 1 if backward_runs.size else -1


def group_channels(
    channels: list[Runs], ticks_per_sample: float, max_loss: float = MAX_LOSS
) -> list[ChannelGroup]:
    """Put channels of one sampling rate into groups that share segments.

    Channels with the same runs stay together. A channel with other runs joins
    the largest group, cut to the samples that all have, when that costs at most
    `max_loss` of the group's samples (a ragged start or end); else it forms a
    new group.

    Returns
    -------
    list of ChannelGroup
        The largest group first; each channel is in one.
    """
    geometries: dict[tuple[bytes, bytes], list[int]] = {}
    for position, runs in enumerate(channels):
        geometries.setdefault((runs.tick.tobytes(), runs.length.tobytes()), []).append(position)
    ordered = sorted(geometries.values(), key=lambda m: (-len(m), -int(channels[m[0]].length.sum()), m[0]))
    groups: list[tuple[Shared, list[list[int]]]] = []
    for members in ordered:
        runs = channels[members[0]]
        alone = Shared(runs.tick.astype(float), runs.length, runs.sample[:, None])
        joined = _intersect(groups[0][0], alone, ticks_per_sample) if groups else None
        if joined is not None and joined.length.sum() >= (1 - max_loss) * groups[0][0].length.sum():
            groups[0] = (joined, [*groups[0][1], members])
        else:
            groups.append((alone, [members]))
    return [_group(shared, members, channels) for shared, members in groups]


def _group(shared: Shared, geometries: list[list[int]], channels: list[Runs]) -> ChannelGroup:
    pairs = sorted((position, g) for g, members in enumerate(geometries) for position in members)
    members = [position for position, _ in pairs]
    total = sum(int(channels[position].length.sum()) for position in members)
    return ChannelGroup(
        members,
        shared.tick,
        shared.length,
        shared.sample[:, [g for _, g in pairs]],
        total - int(shared.length.sum()) * len(members),
    )


def _intersect(left: Shared, right: Shared, ticks_per_sample: float) -> Shared:
    """Return the segments that both have, to the nearest sample."""
    tick: list[float] = []
    length: list[int] = []
    sample: list[np.ndarray] = []
    a = b = 0
    while a < left.tick.size and b < right.tick.size:
        start = max(left.tick[a], right.tick[b])
        skip_a = round((start - left.tick[a]) / ticks_per_sample)
        skip_b = round((start - right.tick[b]) / ticks_per_sample)
        left_a, left_b = int(left.length[a]) - skip_a, int(right.length[b]) - skip_b
        if min(left_a, left_b) > 0:
            tick.append(float(start))
            length.append(min(left_a, left_b))
            sample.append(np.concatenate((left.sample[a] + skip_a, right.sample[b] + skip_b)))
        a, b = (a + 1, b) if left_a <= left_b else (a, b + 1)
    width = left.sample.shape[1] + right.sample.shape[1]
    stacked = np.array(sample, np.int64).reshape(-1, width)
    return Shared(np.array(tick, float), np.array(length, np.int64), stacked)
