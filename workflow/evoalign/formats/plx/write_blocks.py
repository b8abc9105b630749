"""Data blocks of the .plx files that `evoalign.formats.plx.write` writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from evoalign.errors import InputError
from evoalign.formats.plx import layout as plx

Piece = tuple[int, int, bytes]  # time stamp, order among equal ones, bytes
SLICE_TICKS = 800  # spikes and events are written together in slices of this length


def slow_blocks(
    pieces: Iterable[tuple[int, np.ndarray]], channel: int, order: int, ticks_per_sample: float
) -> Iterator[Piece]:
    """Yield the blocks of all channels of one group, row by row of blocks.

    Parameters
    ----------
    pieces : iterable of (int, int16 array [block, sample, channel])
        First tick and samples, as `even_pieces` yields them.
    channel : int
        Number of the group's first channel.
    order : int
        Place among blocks of the same time stamp.
    ticks_per_sample : float
        Clock rate over sampling rate.
    """
    for tick, samples in pieces:
        n_blocks, n, n_channels = samples.shape
        block = np.dtype([("header", plx.BLOCK_HEADER), ("samples", "<i2", (n,))])
        rows = np.zeros((n_blocks, n_channels), block)
        ticks = tick + np.rint(np.arange(n_blocks) * n * ticks_per_sample).astype(np.int64)
        _fill(rows["header"], plx.CONTINUOUS, ticks[:, None])
        rows["header"]["Channel"] = channel + np.arange(n_channels)
        rows["header"]["NumberOfWaveforms"] = 1
        rows["header"]["NumberOfWordsInWaveform"] = n
        rows["samples"] = samples.transpose(0, 2, 1)
        # A block is written when its last sample has come.
        ends = ticks + int(n * ticks_per_sample)
        for end, row in zip(ends.tolist(), rows, strict=True):
            yield end, order, row.tobytes()


class RecordedRun(NamedTuple):
    """A stretch of recording without a pause."""

    sample: int  # number of its first sample
    tick: int  # time stamp of it
    stop: int  # time stamp at which the pause ahead of it began; -1 for the first run


def runs_of(
    pauses: Sequence[tuple[int, float]], first_tick: int, clock_hz: float, sampling_rate_hz: float
) -> list[RecordedRun]:
    """Return the runs that pauses (sample before which, seconds) cut a recording into."""
    runs = [RecordedRun(0, first_tick, -1)]
    for sample, seconds in sorted(pauses):
        stop = runs[-1].tick + round((sample - runs[-1].sample) * clock_hz / sampling_rate_hz)
        runs.append(RecordedRun(sample, stop + round(seconds * clock_hz), stop))
    return runs


def even_pieces(
    chunks: Iterable[np.ndarray],
    n_channels: int,
    block_samples: int,
    runs: Sequence[RecordedRun],
    ticks_per_sample: float,
) -> Iterator[tuple[int, np.ndarray]]:
    """Cut chunks into whole blocks, with a shorter one at the end of each run.

    Yields
    ------
    tick : int
        Time stamp of the first sample.
    samples : int16 array [block, sample, channel]
    """
    run, at = 0, 0
    pending = np.empty((0, n_channels), "<i2")
    for chunk in chunks:
        if chunk.ndim != 2 or chunk.shape[1] != n_channels or chunk.dtype != np.int16:
            what = f"a chunk of shape {chunk.shape} and type {chunk.dtype} for {n_channels} channels"
            raise InputError(what, "", "give int16 arrays [sample, channel]")
        pending = np.concatenate((pending, chunk)) if pending.size else chunk
        while True:
            room = runs[run + 1].sample - at if run + 1 < len(runs) else len(pending) + 1
            n = min(room, len(pending)) // block_samples * block_samples
            if not n and room > len(pending):
                break
            size, n = (block_samples, n) if n else (room, room)
            if n:
                tick = runs[run].tick + round((at - runs[run].sample) * ticks_per_sample)
                yield tick, pending[:n].reshape(-1, size, n_channels)
                pending, at = pending[n:], at + n
            run += n == room
    if len(pending):
        yield runs[run].tick + round((at - runs[run].sample) * ticks_per_sample), pending[None]


def spike_blocks(
    tick: np.ndarray, channel: np.ndarray, unit: np.ndarray, waveforms: np.ndarray | None, order: int
) -> Iterator[Piece]:
    """Yield spike blocks in slices of time; with waveforms (int16 [spike, point]) or without."""
    points = 0 if waveforms is None else waveforms.shape[1]
    rows = np.zeros(tick.size, np.dtype([("header", plx.BLOCK_HEADER), ("samples", "<i2", (points,))]))
    by_time = np.lexsort((channel, tick))
    _fill(rows["header"], plx.SPIKE, tick[by_time])
    rows["header"]["Channel"], rows["header"]["Unit"] = channel[by_time], unit[by_time]
    if waveforms is not None:
        rows["header"]["NumberOfWaveforms"], rows["header"]["NumberOfWordsInWaveform"] = 1, points
        rows["samples"] = waveforms[by_time]
    yield from _slices(tick[by_time], rows, order)


def event_blocks(tick: np.ndarray, channel: np.ndarray, word: np.ndarray, order: int) -> Iterator[Piece]:
    """Yield event blocks in slices of time; `tick`, `channel` and `word` are ``[event]``."""
    rows = np.zeros(tick.size, plx.BLOCK_HEADER)
    by_time = np.argsort(tick, kind="stable")
    _fill(rows, plx.EVENT, tick[by_time])
    rows["Channel"] = channel[by_time]
    rows["Unit"] = np.where(channel[by_time] == plx.STROBED, word[by_time], 0)
    yield from _slices(tick[by_time], rows, order)


def _slices(tick: np.ndarray, rows: np.ndarray, order: int) -> Iterator[Piece]:
    edges = np.flatnonzero(np.diff(tick // SLICE_TICKS)) + 1
    for slice_rows, slice_ticks in zip(np.split(rows, edges), np.split(tick, edges), strict=True):
        if slice_ticks.size:
            yield int(slice_ticks[0]), order, slice_rows.tobytes()


def _fill(headers: np.ndarray, kind: int, tick: np.ndarray) -> None:
    headers["Type"] = kind
    headers["UpperByteOf5ByteTimestamp"] = tick >> 32
    headers["TimeStamp"] = tick & 0xFFFFFFFF
