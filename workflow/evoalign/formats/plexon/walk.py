"""Walks over the blocks of .plx files, and copies of their samples, at the speed of the disk.

A .plx file has no index: the place of each block follows from the length of
the one before. The loops are compiled (numba); files are seen as arrays of
16-bit words over a memory map, since every part of them starts on an even byte.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from evoalign.compiling import compiled

# How `step_blocks` ended
FULL, DONE, CUT, BAD_TYPE, BAD_TIME = range(5)
CHUNK = 1 << 16


@dataclass(frozen=True)
class Blocks:
    """Blocks of one type, in the order of the file.

    Attributes
    ----------
    word : int64 array [block]
        Place of the first value after the block's header, in 16-bit words.
    tick : int64 array [block]
        Time stamp.
    channel, unit : int32 array [block]
        As in the block's header.
    values : int64 array [block]
        Numbers of 16 bits that follow the header.
    """

    word: np.ndarray
    tick: np.ndarray
    channel: np.ndarray
    unit: np.ndarray
    values: np.ndarray

    def take(self, rows: np.ndarray | slice) -> Blocks:
        """Return the blocks at `rows`, a slice or an index array ``[row]``."""
        return Blocks(*(getattr(self, column.name)[rows] for column in fields(self)))


@compiled()
def step_blocks(
    words: np.ndarray,
    at: int,
    kind: np.ndarray,
    word: np.ndarray,
    tick: np.ndarray,
    channel: np.ndarray,
    unit: np.ndarray,
    values: np.ndarray,
) -> tuple[int, int, int]:
    """Fill the arrays, ``[block]``, with the blocks from word `at` on.

    `words` is the file, uint16 ``[word]``.

    Returns
    -------
    n, at, end : int
        Blocks filled in, the word where the walk stands, and how it ended.
    """
    size = words.size
    n = 0
    while n < kind.size:
        left = size - at
        if left == 0:
            return n, at, DONE
        if left < 8:
            return n, at, CUT
        block_type = words[at]
        if block_type != 1 and block_type != 4 and block_type != 5:
            return n, at, BAD_TYPE
        if words[at + 1] > 255:
            return n, at, BAD_TIME
        length = int(words[at + 6]) * int(words[at + 7])
        if length > left - 8:
            return n, at, CUT
        kind[n] = block_type
        word[n] = at + 8
        tick[n] = (np.int64(words[at + 1]) << 32) | (np.int64(words[at + 3]) << 16) | np.int64(words[at + 2])
        channel[n] = np.int16(words[at + 4])
        unit[n] = words[at + 5]
        values[n] = length
        n += 1
        at += 8 + length
    return n, at, FULL


def walk(words: np.ndarray, at: int) -> tuple[dict[int, Blocks], int, int]:
    """Walk all blocks from word `at` to the end of the file.

    Parameters
    ----------
    words : uint16 array [word]
        The whole file.
    at : int
        Where the first block starts.

    Returns
    -------
    blocks : dict of int to Blocks
        For each block type, its blocks in the order of the file.
    at : int
        The word where the walk ended.
    end : int
        DONE, or what is wrong there: CUT, BAD_TYPE or BAD_TIME.
    """
    size = min(CHUNK, (words.size - at) // 8 + 1)
    buffers: list[np.ndarray] = [np.empty(size, dtype) for dtype in ("u1", "i8", "i8", "i4", "i4", "i8")]
    by_type: dict[int, list[Blocks]] = {1: [], 4: [], 5: []}
    end = FULL
    while end == FULL:
        n, at, end = step_blocks(words, at, *buffers)
        kind, *columns = (buffer[:n] for buffer in buffers)
        for block_type, chunks in by_type.items():
            rows = np.flatnonzero(kind == block_type)
            if rows.size:
                chunks.append(Blocks(*(column[rows] for column in columns)))
    return {block_type: _join(chunks) for block_type, chunks in by_type.items()}, at, end


def _join(chunks: list[Blocks]) -> Blocks:
    if not chunks:
        return Blocks(*(np.empty(0, dtype) for dtype in ("i8", "i8", "i4", "i4", "i8")))
    return Blocks(*(np.concatenate([getattr(c, f.name) for c in chunks]) for f in fields(Blocks)))


@compiled()
def run_starts(tick: np.ndarray, values: np.ndarray, ticks_per_sample: float, tolerance: float) -> np.ndarray:
    """Return the blocks that start a new run: the first, and each that is not where the run puts it.

    Parameters
    ----------
    tick, values : int64 array [block]
        Time stamp of the first sample and number of samples of a channel's blocks.
    ticks_per_sample : float
        Clock rate over sampling rate; need not be whole.
    tolerance : float
        Ticks that a block may lie off the time counted from the run's start.

    Returns
    -------
    int64 array [run]
        Indices of blocks.
    """
    starts = np.empty(tick.size, np.int64)
    n = 0
    run_tick = np.int64(0)
    samples = 0.0
    for b in range(tick.size):
        if b == 0 or abs(tick[b] - run_tick - samples * ticks_per_sample) > tolerance:
            starts[n] = b
            n += 1
            run_tick = tick[b]
            samples = 0.0
        samples += values[b]
    return starts[:n].copy()


@compiled()
def copy_samples(
    samples: np.ndarray,
    word: np.ndarray,
    first: np.ndarray,
    begin: np.ndarray,
    columns: np.ndarray,
    start: np.ndarray,
    out: np.ndarray,
) -> None:
    """Fill `out` with channels' samples: a block of each in turn, as they lie in the file.

    Parameters
    ----------
    samples : int16 array
        The whole file.
    word : int64 array [block]
        Where each block's samples start; the channels' blocks one after the other.
    first : int64 array [block + channel]
        Of each channel: number of each block's first sample in it; then its length.
    begin : int64 array [channel]
        Place of each channel's first block in `word`.
    columns : int64 array [row]
        Channels wanted.
    start : int64 array [row]
        First sample wanted of each.
    out : int16 array [row, sample]
        Filled from its start to its end.
    """
    n_rows, size = out.shape
    block = np.empty(n_rows, np.int64)
    done = np.zeros(n_rows, np.int64)
    for row, column in enumerate(columns):
        end = begin[column + 1] if column + 1 < begin.size else word.size
        firsts = first[begin[column] + column : end + column + 1]
        block[row] = np.searchsorted(firsts, start[row], side="right") - 1
    unfilled = n_rows if size else 0
    while unfilled:
        for row, column in enumerate(columns):
            left = size - done[row]
            if not left:
                continue
            place = begin[column] + block[row]
            skip = start[row] + done[row] - first[place + column]
            n = min(first[place + column + 1] - first[place + column] - skip, left)
            source = word[place] + skip
            to, of = out[row, done[row] : done[row] + n], samples[source : source + n]
            for sample in range(n):  # compiled to wide moves, which an assignment of slices is not
                to[sample] = of[sample]
            done[row] += n
            block[row] += 1
            unfilled -= n == left
