"""The one clock of a Blackrock recording: resets laid one after the other, PTP stamps from their first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evoalign.errors import InputError
from evoalign.formats.blackrock.nev import Nev
from evoalign.formats.blackrock.nsx import Nsx

HINT = "give the files of one recording"


RESET_S = 1.0  # a step back by more is a clock reset, by less packets out of order
AFTER_RESET_S = 1.0  # between the end of one clock and the start of the next, at least
EPOCH_S = 1e8  # stamps beyond this count from 1970 (PTP), not from the start


@dataclass(frozen=True)
class Clock:
    """The recording's clock: pieces between resets, laid one after the other.

    ``seconds = ticks / resolution - origin_s + offset_s[piece]``; without a reset
    it is the vendor's clock, PTP stamps counted from the first one.
    """

    origin_s: float
    offset_s: tuple[float, ...]


def pieces_of_runs(nsx: Nsx) -> NDArray[np.int64]:
    """Piece of each run: a run that starts before the one before it ended follows a reset."""
    piece, pieces, end = 0, [], -np.inf
    for run in nsx.runs:
        if run.tick / nsx.resolution_hz < end - RESET_S:
            piece += 1
        pieces.append(piece)
        end = run.tick / nsx.resolution_hz + run.n / (nsx.measured_hz or nsx.rate_hz)
    return np.array(pieces, np.int64)


def pieces_of_packets(nev: Nev) -> NDArray[np.int64]:
    """Piece of each packet: packets are out of order by milliseconds, a reset steps back further."""
    if not len(nev.ticks):
        return np.empty(0, np.int64)
    seconds = nev.ticks.astype(np.float64) / nev.resolution_hz
    pieces = np.zeros(len(seconds), np.int64)
    start = 0
    while True:
        latest = np.maximum.accumulate(seconds[start:])
        behind = np.flatnonzero(seconds[start:] < latest - RESET_S)
        if not len(behind):
            return pieces
        start += int(behind[0])
        pieces[start:] += 1


def shared_clock(
    nev: Nev | None, nev_pieces: NDArray[np.int64], nsx: list[Nsx], runs_of: list[NDArray[np.int64]]
) -> Clock:
    """Return the clock of the .nev and the .nsX; both must tell of the same resets."""
    counts = {int(pieces.max(initial=0)) + 1 for pieces in runs_of}
    from_nev = int(nev_pieces.max(initial=0)) + 1
    beginning = nev is not None and not nev.whole and from_nev < max(counts, default=0)
    if nev and counts and max(counts) != from_nev and not beginning:
        raise InputError(
            f"time steps back {from_nev - 1} times in the .nev, {max(counts) - 1} times in the .ns files",
            nev.path,
            "a clock reset must stand in both; record or export the files again",
        )
    if len(counts) > 1:
        raise InputError(f"the .ns files tell of {sorted(counts)} clocks", nsx[0].path, HINT)
    n_pieces = max([*counts, from_nev])
    starts, ends = np.full(n_pieces, np.inf), np.full(n_pieces, -np.inf)
    for file, pieces in zip(nsx, runs_of, strict=True):
        for run, piece in zip(file.runs, pieces, strict=True):
            start_s = run.tick / file.resolution_hz
            starts[piece] = min(starts[piece], start_s)
            ends[piece] = max(ends[piece], start_s + run.n / (file.measured_hz or file.rate_hz))
    if nev and len(nev.ticks):
        seconds = nev.ticks.astype(np.float64) / nev.resolution_hz
        np.minimum.at(starts, nev_pieces, seconds)
        np.maximum.at(ends, nev_pieces, seconds)
    origin = float(starts[0]) if np.isfinite(starts[0]) and starts[0] > EPOCH_S else 0.0
    offsets, end = [0.0], float(ends[0]) - origin
    for piece in range(1, n_pieces):
        # Whole seconds, so that a time still shows the vendor's.
        offset = float(np.ceil(end + AFTER_RESET_S - (starts[piece] - origin)))
        offsets.append(offset)
        end = float(ends[piece]) - origin + offset
    return Clock(origin, tuple(offsets))


def packet_times(nev: Nev | None, pieces: NDArray[np.int64], clock: Clock) -> NDArray[np.float64]:
    """Return times of the packets of a .nev in seconds on the recording's clock."""
    if nev is None:
        return np.empty(0)
    # PTP stamps are nanoseconds since 1970: the origin goes before the division, or digits are lost.
    origin = np.uint64(round(clock.origin_s * nev.resolution_hz)) if clock.origin_s else np.uint64(0)
    ticks = nev.ticks.astype(np.int64) - np.int64(origin)
    return ticks / nev.resolution_hz + np.asarray(clock.offset_s)[pieces]


def full_duration_s(files: Sequence[Nev | Nsx]) -> float | None:
    """Return the seconds of all samples where a file was read in part, NaN without samples; else None."""
    if all(file.whole for file in files):
        return None
    spans = [
        (
            file.path.stat().st_size / file.packet_bytes
            if file.packet_bytes
            else sum(run.n for run in file.runs)
        )
        / file.rate_hz
        for file in files
        if isinstance(file, Nsx)
    ]
    return max(spans, default=float("nan"))
