"""Spikes and event words from an acquisition system while it records, whatever the vendor.

An adapter (Cerebus, Plexon) puts packets in; the loop takes out, round by round,
what the pipeline would later read from the recording: seconds on one clock,
with the resets of the vendor's clock laid one after the other.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign import tables
from evoalign.formats.blackrock.clock import AFTER_RESET_S, EPOCH_S, RESET_S
from evoalign.recordings.recording import spike_table
from evoalign.recordings.tables import WORDS

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SPIKE, CLOCK, DIGITAL, SERIAL, STROBED, BIT, LIGHT = range(7)  # kinds of packets
SOURCES = {DIGITAL: "digital", SERIAL: "serial", STROBED: "strobed", BIT: "bit"}  # as `WORDS` has them


class Arrivals:
    """Packets in the order in which they came; filled by one thread, emptied by another.

    A packet is (kind, tick, a, b): of a spike channel and unit, of a word its value and 0,
    of a sample of the photodiode its counts and 0, of the clock 0 and 0.
    """

    def __init__(self) -> None:
        self._packets: list[tuple[int, int, int, int]] = []
        # No lock, as this is called for each packet: appending to a list is one step of the interpreter.
        self.put = self._packets.append

    def take(self) -> Ints:
        """Return what came since the last call, ``[packet, 4]``."""
        n_packets = len(self._packets)
        taken = self._packets[:n_packets]
        del self._packets[:n_packets]
        return np.array(taken, np.int64).reshape(-1, 4)


class Source(Protocol):
    """An acquisition system that records now.

    Attributes
    ----------
    clock_hz : float
        Ticks a second of its stamps.
    light_hz : float
        Samples a second of the photodiode; 0 without one.
    """

    clock_hz: float
    light_hz: float

    def take(self) -> Ints:
        """Return packets since the last call, as `Arrivals.take`.

        Raises
        ------
        InputError
            The connection is gone.
        """
        ...

    def n_lost(self) -> int:
        """Return how many packets were sent and did not come, since the beginning."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...


class RecordingClock:
    """Lays the pieces between resets of a vendor's clock one after the other.

    Parameters
    ----------
    clock_hz : float
        Ticks a second.
    offsets_s : sequence of float
        Of each piece so far, what was added to its seconds: whole seconds.
    latest_s : float
        Latest time so far.

    Attributes
    ----------
    offsets_s : list of float
        Of each piece; empty before the first packet.
    latest_s : float
        Latest time so far, on the recording's clock.
    """

    def __init__(self, clock_hz: float, offsets_s: tuple[float, ...] = (), latest_s: float = -np.inf) -> None:
        self._clock_hz = clock_hz
        self.offsets_s, self.latest_s = list(offsets_s), latest_s
        self._before_s = -np.inf  # latest time of the piece before

    def place(self, ticks: Ints) -> tuple[Floats, Ints]:
        """Return seconds and the piece of each packet, in the order in which they came.

        A step back by more than a second is a reset (`evoalign.formats.blackrock.clock`);
        a packet of the old clock that comes after one belongs to the old piece.
        """
        if not len(ticks):
            return np.empty(0), np.empty(0, np.int64)
        if not self.offsets_s:
            first_s = float(ticks[0]) / self._clock_hz
            # Stamps since 1970 (PTP) lose digits as seconds: they are counted from the first.
            self.offsets_s.append(-float(np.floor(first_s)) if first_s > EPOCH_S else 0.0)
        piece = len(self.offsets_s) - 1
        seconds = self._seconds(ticks, piece)
        latest = np.maximum.accumulate(np.concatenate([[self.latest_s], seconds]))
        if piece == 0 and (seconds >= latest[:-1] - RESET_S).all():
            self.latest_s = float(latest[-1])
            return seconds, np.zeros(len(ticks), np.int64)
        pieces = np.array([self._piece(ticks[i : i + 1]) for i in range(len(ticks))], np.int64)
        placed = np.empty(len(ticks))
        for k in np.unique(pieces).tolist():
            placed[pieces == k] = self._seconds(ticks[pieces == k], k)
        return placed, pieces

    def _seconds(self, ticks: Ints, piece: int) -> Floats:
        # Whole ticks are added before the division, so that no digit is lost.
        return (ticks + round(self.offsets_s[piece] * self._clock_hz)) / self._clock_hz

    def _piece(self, tick: Ints) -> int:
        """Piece of the next packet, of which the tick is given ``[1]``, with the clock advanced."""
        piece = len(self.offsets_s) - 1
        now_s = float(self._seconds(tick, piece)[0])
        if now_s < self.latest_s - RESET_S:
            self._before_s = self.latest_s
            start_s = float(np.ceil(self.latest_s + AFTER_RESET_S))
            since_1970_s = np.floor(float(tick[0]) / self._clock_hz)
            self.offsets_s.append(start_s - (since_1970_s if since_1970_s > EPOCH_S else 0.0))
            self.latest_s = float(self._seconds(tick, piece + 1)[0])
            return piece + 1
        if piece and now_s > self.latest_s + RESET_S:
            before_s = float(self._seconds(tick, piece - 1)[0])
            if abs(before_s - self._before_s) < RESET_S:
                self._before_s = max(self._before_s, before_s)
                return piece - 1
        self.latest_s = max(self.latest_s, now_s)
        return piece


def as_tables(packets: Ints, time_s: Floats, pieces: Ints) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return `WORDS` and `ONLINE_SPIKES` of packets, each in the order of time.

    Parameters
    ----------
    packets : ndarray [packet, 4]
        Of `Arrivals`.
    time_s : ndarray [packet]
        Seconds on the recording's clock.
    pieces : ndarray [packet]
        Piece of the clock.
    """
    kind = packets[:, 0]
    is_spike, is_word = kind == SPIKE, np.isin(kind, list(SOURCES))
    words = pd.DataFrame(
        {
            "time_s": time_s[is_word],
            "word": packets[is_word, 2],
            "source": [SOURCES[k] for k in kind[is_word].tolist()],
            "segment": pieces[is_word],
        }
    )
    words = words.sort_values(["segment", "time_s"], kind="stable", ignore_index=True)
    spikes = spike_table(packets[is_spike, 2], packets[is_spike, 3], time_s[is_spike])
    return tables.conform(words, WORDS) if len(words) else tables.empty(WORDS), spikes
