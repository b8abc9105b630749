"""Segments whose samples lie in several arrays, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

TURN = np.uint16(0x8000)  # unsigned counts - 32768 = signed counts, bit by bit


class Samples(Protocol):
    """Samples of some channels in a file."""

    def read(self, start: int, stop: int, columns: Sequence[int]) -> np.ndarray:
        """Return int16 [sample, column]."""
        ...


class Table:
    """Samples that lie as a table [sample, column], or a part of its columns.

    Parameters
    ----------
    array : array [sample, column]
        int16, or uint16 of which 32768 is taken off.
    columns : sequence of int, optional
        The columns of the table that are the channels.
    """

    def __init__(self, array: np.ndarray, columns: Sequence[int] | None = None) -> None:
        self._array = array
        self._columns = None if columns is None else np.asarray(columns)

    def read(self, start: int, stop: int, columns: Sequence[int]) -> np.ndarray:
        """Return int16 [sample, column]; only these rows of the file are read."""
        chosen = np.asarray(columns) if self._columns is None else self._columns[list(columns)]
        rows = self._array[start:stop]
        whole = chosen.size == rows.shape[1] and bool((chosen == np.arange(chosen.size)).all())
        # A copy: what is read may be changed, and the file may not.
        return signed(np.array(rows) if whole else rows[:, chosen])


class BlockSamples:
    """Samples that lie in blocks [block, channel, sample]; uint16 or int16."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def read(self, start: int, stop: int, columns: Sequence[int]) -> np.ndarray:
        """Return int16 [sample, column]; only the blocks that hold these samples are read."""
        size = self._array.shape[2]
        first, last = start // size, -(-stop // size)
        part = self._array[first:last]
        # Contiguous along each channel, as blocks are: copied block by block, and turned in place.
        out = np.empty((len(columns), last - first, size), part.dtype)
        for row, column in enumerate(columns):
            out[row] = part[:, column]
        flat = signed(out.reshape(len(columns), -1))
        return flat[:, start - first * size : stop - first * size].T


def signed(counts: np.ndarray) -> np.ndarray:
    """Return int16 counts of int16, or of uint16 less 32768."""
    if counts.dtype.kind == "u":
        plain = np.ascontiguousarray(counts, np.uint16)
        return (plain ^ TURN).view(np.int16)
    return counts if counts.dtype == np.int16 else counts.astype(np.int16)


class Piece(NamedTuple):
    """`n` samples from number `first` on."""

    samples: Samples
    first: int
    n: int


class PieceReader:
    """Reads a stream whose segments are lists of pieces; see `evoalign.recordings.stream.Reader`."""

    def __init__(self, segments: Sequence[Sequence[Piece]]) -> None:
        self._segments = [list(pieces) for pieces in segments]
        self._ends = [np.cumsum([piece.n for piece in pieces]) for pieces in self._segments]

    def __call__(self, segment: int, start: int, stop: int, columns: Sequence[int]) -> np.ndarray:
        """Return int16 [sample, column]."""
        pieces, ends = self._segments[segment], self._ends[segment]
        parts = []
        at = start
        for rank in range(int(np.searchsorted(ends, start, side="right")), len(pieces)):
            if at >= stop:
                break
            piece, begin = pieces[rank], int(ends[rank]) - pieces[rank].n
            until = min(stop, int(ends[rank]))
            parts.append(piece.samples.read(piece.first + at - begin, piece.first + until - begin, columns))
            at = until
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


class Quantised:
    """Floating-point samples [sample, column] as 16-bit counts of each column's own step.

    Parameters
    ----------
    array : float array [sample, column]
    step : float array [column]
        What one count is, in the array's own unit; see `steps_of`.
    """

    def __init__(self, array: np.ndarray, step: np.ndarray) -> None:
        self._array, self._step = array, step

    def read(self, start: int, stop: int, columns: Sequence[int]) -> np.ndarray:
        """Return int16 [sample, column], rounded to the nearest step."""
        chosen = list(columns)
        return np.rint(self._array[start:stop][:, chosen] / self._step[chosen]).astype(np.int16)


def steps_of(parts: Iterable[np.ndarray]) -> np.ndarray | None:
    """Return the step with which 16 bits hold the largest value of each column.

    Parameters
    ----------
    parts : iterable of float array [sample, column]
        All samples, part by part.

    Returns
    -------
    float64 array [column], or None when a sample is not finite.
    """
    peak: np.ndarray | None = None
    for part in parts:
        if not np.isfinite(part).all():
            return None
        if len(part):
            own = np.abs(part.astype(np.float64)).max(axis=0)
            peak = own if peak is None else np.maximum(peak, own)
    if peak is None:
        return None
    return np.where(peak > 0, peak, 1.0) / 32_767
