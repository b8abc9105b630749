"""Event words from digital lines.

A computer puts a word on parallel lines, whose bits may change some
microseconds one after the other, and takes it off again. Where the file keeps
edges or levels of single lines, the word is what the lines show once nothing
has changed for `SETTLE_S`; its time is that of its last edge. All lines low is
the rest between words and no word.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from evoalign.formats.neo_rawio.checked import chunks

# Bits of one word change within this time (167 µs are seen in a real Intan file); words are held longer.
SETTLE_S = 0.00025


def levels(tick: np.ndarray, line: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what all lines show together after each edge, from edges of single lines.

    A line whose first edge falls was high before.

    Parameters
    ----------
    tick, line : int arrays [edge]
        Time stamp; number of the line from 0, below 63.
    high : bool array [edge]
        State after the edge.

    Returns
    -------
    tick, level : int64 arrays [edge + 1]
        In the order of time. The first entry is the level before all edges.
    """
    order = np.argsort(tick, kind="stable")
    tick, line, high = tick[order], line[order], high[order]
    total = np.zeros(tick.size + 1, np.int64)
    for number in np.unique(line):
        rows = np.flatnonzero(line == number)
        state = np.concatenate(([not high[rows[0]]], high[rows]))
        # Each state holds from its own edge up to the line's next one.
        total += np.repeat(state, np.diff(np.concatenate(([0], rows + 1, [tick.size + 1])))) * (
            np.int64(1) << np.int64(number)
        )
    first = tick[:1] if tick.size else np.zeros(1, np.int64)
    return np.concatenate((first, tick)).astype(np.int64), total


def changes(part: Callable[[int, int], np.ndarray], n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return sample and level of each change of a port that was saved sample by sample.

    Parameters
    ----------
    part : callable
        (start, stop) -> levels of all lines, unsigned ``[sample]``; read chunk by chunk.
    n : int
        Samples.

    Returns
    -------
    sample, level : int64 arrays
        First that of sample 0, then each change.
    """
    samples, found = [], []
    last = None
    for start, stop in chunks(n):
        level = np.asarray(part(start, stop)).astype(np.int64)
        before = np.concatenate(([level[0] + 1 if last is None else last], level[:-1]))
        rows = np.flatnonzero(level != before)
        samples.append(rows + start)
        found.append(level[rows])
        last = level[-1]
    none = [np.empty(0, np.int64)]
    return np.concatenate(samples or none).astype(np.int64), np.concatenate(found or none)


def settled_words(tick: np.ndarray, level: np.ndarray, settle: float) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the words among the levels of parallel lines.

    A pulse from all lines low that is over before they settle is a word of all
    its lines, at the time of the last one that rose.

    Parameters
    ----------
    tick, level : int64 arrays [change]
        Time stamp and level of all lines; the first entry is the level at the start.
    settle : float
        Ticks without a change after which the lines show a word.

    Returns
    -------
    tick, word : int64 arrays [word]
        Time stamp of the last edge, and value: never 0.
    int
        Number of words that are such short pulses.
    """
    if tick.size < 2:
        return np.empty(0, np.int64), np.empty(0, np.int64), 0
    stays = np.append(np.diff(tick) > settle, True)
    stays[0] = True
    last = np.flatnonzero(stays)
    at, value = tick[last], level[last]
    before = np.concatenate((value[:1], value[:-1]))
    words = (value != before) & (value != 0)
    # Where the lines settle at the level before, something rose and fell again in between.
    short = 0
    for group in np.flatnonzero((value == before) & (value == 0) & (np.arange(last.size) > 0)).tolist():
        rows = np.arange(last[group - 1] + 1, last[group] + 1)
        rises = rows[(level[rows] & ~level[rows - 1]) != 0]
        if rises.size:  # a port may also report the rest again
            at[group], value[group] = tick[rises[-1]], np.bitwise_or.reduce(level[rows])
            words[group] = True
            short += 1
    return at[words], value[words], short


def rising_bits(tick: np.ndarray, level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return time stamp and number, from 1, of each line that rises: for ports that send no words."""
    if tick.size < 2:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    risen = level[1:] & ~level[:-1]
    ticks, bits = [], []
    for bit in range(63):
        rows = np.flatnonzero((risen >> bit) & 1)
        ticks.append(tick[1:][rows])
        bits.append(np.full(rows.size, bit + 1))
    at, number = np.concatenate(ticks), np.concatenate(bits)
    order = np.argsort(at, kind="stable")
    return at[order], number[order].astype(np.int64)
