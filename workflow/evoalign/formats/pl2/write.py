"""Writes Plexon .pl2 files for tests, by the layout found on a real file.

Headers, data blocks, footer and all totals are as `evoalign.formats.pl2.layout`
has them. No file of this writer has been opened by Plexon's own software.
"""

from __future__ import annotations

import datetime as dt
import heapq
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from typing import BinaryIO

import numpy as np
import pandas as pd

from evoalign.errors import InputError
from evoalign.files import atomic_write
from evoalign.formats.pl2 import layout as pl2
from evoalign.formats.pl2.write_headers import (
    analog_headers,
    event_headers,
    event_sources,
    file_header,
    footer_record,
    padded,
    spike_headers,
)
from evoalign.formats.plx.write import NO_SPIKES, NO_WORDS, ContinuousGroup
from evoalign.formats.plx.write_blocks import RecordedRun, even_pieces, runs_of

MOST_WORDS = 0xFFFF  # 16-bit words that a block can hold
BLOCK_SAMPLES = 16_000
Block = tuple[int, int, tuple[int, int, int], int, int, bytes]  # end, order, key, first tick, n, bytes


def write_pl2(
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
    words: pd.DataFrame = NO_WORDS,
    pauses: Sequence[tuple[int, float]] = (),
    more: Sequence[ContinuousGroup] = (),
    clock_hz: int = 40_000,
    first_tick: int = 0,
    block_samples: int = BLOCK_SAMPLES,
    finished: bool = True,
) -> None:
    """Write a .pl2 file.

    Parameters
    ----------
    path : path
        Where to write; the file appears whole or not at all.
    chunks : iterable of int16 array [sample, channel]
        Continuous channels, piece by piece.
    names : sequence of str
        Their names: WB (wideband), SPKC (spike band), FP (field potential) or
        AI (analog input), then the channel number.
    gain_uv, sampling_rate_hz, start, spike_channels, pauses, more, clock_hz, first_tick
        As for `evoalign.formats.plx.write.write_plx`.
    spikes : DataFrame
        Columns channel, unit (0 to 255), time_s; any order.
    waveforms : int16 array [spike, point], optional
        One a row of `spikes`; waveforms of no points by default.
    waveform_gain_uv : float
        Microvolts per count of the waveforms.
    words : DataFrame
        Columns time_s, word, source; sources 'strobed', 'bit' (1 to 32),
        'start', 'stop'. Without 'start' and 'stop' they are put at the ends of
        the recording and of its pauses.
    block_samples : int
        Samples in an analog block, at most 65535.
    finished : bool
        False leaves out footer and totals, as a crash does.

    Raises
    ------
    InputError
        Shapes or numbers do not fit each other or the format.
    """
    groups = [ContinuousGroup(chunks, names, gain_uv, sampling_rate_hz, pauses), *more]
    groups = [group for group in groups if group.names]
    if not 1 <= block_samples <= MOST_WORDS:
        raise InputError(f"blocks of {block_samples} samples", path, f"1 to {MOST_WORDS} fit")
    points = 0 if waveforms is None else waveforms.shape[1]
    tables = [
        spike_headers(spike_channels, waveform_gain_uv, points, clock_hz),
        analog_headers([(g.names, g.gain_uv, g.sampling_rate_hz) for g in groups]),
        event_headers(),
    ]
    header = file_header(tables, clock_hz, start)
    writer = _Writer(header, tables, clock_hz)
    sources = [writer.analog(group, order, first_tick, block_samples) for order, group in enumerate(groups)]
    sources.append(writer.spikes(spikes, waveforms, len(groups)))
    sources.append(writer.events(words, len(groups) + 1))
    with atomic_write(path) as partial, partial.open("wb") as stream:
        writer.open(stream)
        for block in heapq.merge(*sources, key=lambda block: block[:2]):
            writer.put(stream, block)
        writer.put(stream, writer.start_stop(words, groups[:1], first_tick))
        if finished:
            writer.close(stream)


class _Writer:
    """Makes the blocks of a file and remembers where each one lies."""

    def __init__(self, header: np.ndarray, tables: list[np.ndarray], clock_hz: int) -> None:
        self.header, self.tables, self.clock_hz = header, tables, clock_hz
        self.listed: dict[tuple[int, int, int], list[tuple[int, int, int]]] = {}
        self.last = 0

    def open(self, stream: BinaryIO) -> None:
        """Write the headers, without what is known at the end only."""
        stream.write(self.header.tobytes())
        for table in self.tables:
            unfinished = np.frombuffer(bytearray(table.tobytes()), table.dtype)
            if "UnitCounts" in (table.dtype.names or ()):
                unfinished["UnitCounts"] = 0
            stream.write(unfinished.tobytes())
        self.header["EndOfHeader"] = stream.tell()
        stream.write(bytes([0x14, *([0] * 15)]) * 2)  # what OmniPlex keeps between is not known
        self.header["FirstDataBlock"] = stream.tell()
        stream.seek(0)
        stream.write(self.header.tobytes())
        stream.seek(int(self.header["FirstDataBlock"][0]))

    def put(self, stream: BinaryIO, block: Block) -> None:
        """Write one block."""
        end, _, key, tick, n, content = block
        self.listed.setdefault(key, []).append((stream.tell(), tick, n))
        self.last = max(self.last, end)
        stream.write(padded(content))

    def close(self, stream: BinaryIO) -> None:
        """Write footer, totals and spike counts."""
        self.header["EndOfDataBlocks"] = stream.tell()
        stream.write(bytes([0x14, *([0] * 15)]))
        self.header["StartOfFooter"] = stream.tell()
        self.header["DurationOfRecording"] = self.last
        for key, blocks in sorted(self.listed.items()):
            stream.write(padded(footer_record(key, blocks)))
        stream.seek(0)
        stream.write(self.header.tobytes())
        for table in self.tables:
            stream.write(table.tobytes())

    def analog(
        self, group: ContinuousGroup, order: int, first_tick: int, block_samples: int
    ) -> Iterator[Block]:
        """Make the blocks of a group of analog channels."""
        sample_ticks = self.clock_hz / group.sampling_rate_hz
        runs = runs_of(group.pauses, first_tick, self.clock_hz, group.sampling_rate_hz)
        table = self.tables[1]
        at = {name.decode(): i for i, name in enumerate(table["Name"])}
        keys = [(int(table["Source"][at[name]]), int(table["Channel"][at[name]])) for name in group.names]
        for tick, samples in even_pieces(group.chunks, len(keys), block_samples, runs, sample_ticks):
            for row, piece in enumerate(samples):
                n = len(piece)
                block_tick = tick + round(row * n * sample_ticks)
                for (source, channel), values in zip(keys, piece.T, strict=True):
                    head = np.array((pl2.ANALOG_BLOCK, source, n, channel, n, block_tick), pl2.ANALOG_HEAD)
                    content = head.tobytes() + values.astype("<i2").tobytes()
                    yield (
                        block_tick + round(n * sample_ticks),
                        order,
                        (pl2.ANALOG_BLOCK, source, channel),
                        block_tick,
                        n,
                        content,
                    )

    def spikes(self, spikes: pd.DataFrame, waveforms: np.ndarray | None, order: int) -> Iterator[Block]:
        """Make spike blocks, each as full as it can be, and count the units."""
        if waveforms is None:
            waveforms = np.empty((len(spikes), 0), np.int16)
        if len(waveforms) != len(spikes):
            raise InputError(f"{len(waveforms)} waveforms for {len(spikes)} spikes", "", "give one a spike")
        channel, unit = spikes["channel"].to_numpy(np.int64), spikes["unit"].to_numpy(np.int64)
        row_of = {int(c): row for row, c in enumerate(self.tables[0]["Channel"])}
        if not set(channel.tolist()) <= set(row_of) or (unit.size and not unit.max() <= 255):
            raise InputError("a spike of an unknown channel, or of a unit above 255", "", "name its channel")
        tick = np.rint(spikes["time_s"].to_numpy(float) * self.clock_hz).astype(np.int64)
        rows = np.array([row_of[int(c)] for c in channel], np.int64)
        np.add.at(self.tables[0]["UnitCounts"], (rows, unit), 1)
        points = waveforms.shape[1]
        max_spikes = MOST_WORDS // (5 + points)
        blocks: list[Block] = []
        for number in np.unique(channel):
            channel_rows = np.flatnonzero(channel == number)
            channel_rows = channel_rows[np.argsort(tick[channel_rows], kind="stable")]
            for block_rows in np.split(channel_rows, range(max_spikes, channel_rows.size, max_spikes)):
                n = block_rows.size
                start = (pl2.SPIKE_BLOCK, pl2.SPIKES, n * (5 + points) & MOST_WORDS, number, points, n)
                head = np.array(start, pl2.SPIKE_HEAD)
                content = head.tobytes() + tick[block_rows].astype("<u8").tobytes()
                content += (
                    unit[block_rows].astype("<u2").tobytes() + waveforms[block_rows].astype("<i2").tobytes()
                )
                key = (pl2.SPIKE_BLOCK, pl2.SPIKES, int(number))
                blocks.append((int(tick[block_rows[-1]]), order, key, int(tick[block_rows[0]]), n, content))
        return iter(sorted(blocks, key=lambda block: block[0]))

    def events(self, words: pd.DataFrame, order: int) -> Iterator[Block]:
        """Make event blocks, one or more a channel."""
        source, channel, value = event_sources(words)
        tick = np.rint(words["time_s"].to_numpy(float) * self.clock_hz).astype(np.int64)
        blocks: list[Block] = []
        for key in sorted(set(zip(source.tolist(), channel.tolist(), strict=True)) - {(0, 0)}):
            channel_rows = np.flatnonzero((source == key[0]) & (channel == key[1]))
            channel_rows = channel_rows[np.argsort(tick[channel_rows], kind="stable")]
            max_events = MOST_WORDS // 5
            for block_rows in np.split(channel_rows, range(max_events, channel_rows.size, max_events)):
                content = _event_block(pl2.EVENT_BLOCK, key, tick[block_rows], value[block_rows])
                blocks.append(
                    (
                        int(tick[block_rows[-1]]),
                        order,
                        (pl2.EVENT_BLOCK, *key),
                        int(tick[block_rows[0]]),
                        block_rows.size,
                        content,
                    )
                )
        return iter(sorted(blocks, key=lambda block: block[0]))

    def start_stop(self, words: pd.DataFrame, groups: Sequence[ContinuousGroup], first_tick: int) -> Block:
        """Make the one block of starts and stops, from `words` or from the pauses."""
        marked = words[words["source"].isin(["start", "stop"])].sort_values("time_s", kind="stable")
        if len(marked):
            tick = np.rint(marked["time_s"].to_numpy(float) * self.clock_hz).astype(np.int64)
            value = (marked["source"] == "start").to_numpy().astype(np.int64)
        else:
            runs = [RecordedRun(0, first_tick, -1)]
            for group in groups:
                runs = runs_of(group.pauses, first_tick, self.clock_hz, group.sampling_rate_hz)
            stops = [*(run.stop for run in runs[1:]), self.last]
            tick = np.array([(run.tick, stop) for run, stop in zip(runs, stops, strict=True)]).ravel()
            value = np.tile([pl2.START_VALUE, pl2.STOP_VALUE], len(runs))
        content = _event_block(pl2.START_STOP_BLOCK, (0, 0), tick, value)
        return int(tick.max()), 0, (pl2.START_STOP_BLOCK, 0, 0), int(tick[0]), tick.size, content


def _event_block(kind: int, key: tuple[int, int], tick: np.ndarray, value: np.ndarray) -> bytes:
    head = np.array((kind, key[0], 5 * tick.size, key[1], tick.size, 0), pl2.EVENT_HEAD)
    return head.tobytes() + tick.astype("<u8").tobytes() + value.astype("<u2").tobytes()
