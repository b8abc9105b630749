"""Sends Plexon's online spikes, event words and photodiode as lines of text over TCP (docs/loop.md).

This file needs nothing but Python 3.11, and may be copied alone to the computer on which
OmniPlex or MAP runs: ``python plexon_sender.py --library PlexClient.dll``. The library comes
with Plexon's C/C++ client development kit.
"""

from __future__ import annotations

import argparse
import ctypes
import itertools
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

PROTOCOL = "evoalign-plexon 2"
# PL_SingleWFType, PL_ExtEventType and PL_ADDataType of Plexon.h
SPIKE_TYPE, EVENT_TYPE, SAMPLES_TYPE = 1, 4, 5
STROBED, START, STOP = 257, 258, 259  # event channels with a meaning of their own
MOST_EVENTS = 50_000  # of one call of the library
MOST_SAMPLES = 120  # of one block, MAX_WF_LENGTH_LONG
SLOW_CHANNELS = 256  # more than any card has
LINES_KEPT = 2_000_000  # that a reader who was away may still ask for: minutes
CLOCK_BEHIND_S = 0.1  # that clock lines stay behind the library's newest stamp and this computer's clock


class LibraryError(RuntimeError):
    """Plexon's library cannot be loaded, or its server does not answer."""


class PlEvent(ctypes.Structure):
    """`PL_Event` of Plexon.h: 16 bytes."""

    _fields_ = [
        ("Type", ctypes.c_int8),
        ("NumberOfBlocksInRecord", ctypes.c_int8),
        ("BlockNumberInRecord", ctypes.c_int8),
        ("UpperTS", ctypes.c_uint8),  # above the 32 bits of TimeStamp
        ("TimeStamp", ctypes.c_uint32),
        ("Channel", ctypes.c_int16),
        ("Unit", ctypes.c_int16),
        ("DataType", ctypes.c_int8),
        ("NumberOfBlocksPerWaveform", ctypes.c_int8),
        ("BlockNumberForWaveform", ctypes.c_int8),
        ("NumberOfDataWords", ctypes.c_int8),
    ]


class PlWaveLong(PlEvent):
    """`PL_WaveLong` of Plexon.h: a `PL_Event` with the samples that belong to it."""

    _fields_ = [("WaveForm", ctypes.c_int16 * MOST_SAMPLES)]


class PlexonClient:
    """Plexon's own client.

    Parameters
    ----------
    library : object
        PlexClient.dll, loaded by ctypes.
    photodiode : int
        Continuous channel of the photodiode, from 1 (1 = AI01 or AD01); 0 = none.

    Attributes
    ----------
    clock_hz : int
        Ticks a second.
    light_hz : int
        Samples a second of the photodiode; 0 without one.

    Raises
    ------
    LibraryError
        Plexon's server does not run, or takes in no continuous channels.
    """

    def __init__(self, library: Any, photodiode: int = 0) -> None:
        self._library = library
        if not library.PL_InitClientEx3(0, None, None):
            raise LibraryError("Plexon's server does not answer: start OmniPlex or MAP, then this")
        self.clock_hz = round(1e6 / library.PL_GetTimeStampTick())  # it gives microseconds
        self._photodiode, self.light_hz = photodiode, self._rate_hz() if photodiode else 0
        self._events = ((PlWaveLong if photodiode else PlEvent) * MOST_EVENTS)()

    def _rate_hz(self) -> int:
        """Sampling rate of the slow continuous channels."""
        rate_hz, channels, gains = ctypes.c_int(), *((ctypes.c_int * SLOW_CHANNELS)() for _ in range(2))
        self._library.PL_GetSlowInfo(ctypes.byref(rate_hz), channels, gains)
        if rate_hz.value <= 0:
            raise LibraryError("Plexon's server takes in no continuous channels: enable the photodiode's")
        return rate_hz.value

    def lines(self) -> list[str]:
        """Return what came since the last call, without numbers."""
        n_events = ctypes.c_int(MOST_EVENTS)
        if not self._photodiode:
            self._library.PL_GetTimeStampStructures(ctypes.byref(n_events), self._events)
        else:
            dropped = ctypes.c_int(), ctypes.c_int()
            # The only one of the library's functions that gives samples with the events.
            self._library.PL_GetLongWaveFormStructures(
                ctypes.byref(n_events), self._events, *map(ctypes.byref, dropped)
            )
        came = self._events[: n_events.value]
        return [line for event in came if (line := as_line(event, self._photodiode))]

    def close(self) -> None:
        """Leave Plexon's server."""
        self._library.PL_CloseClient()


def as_line(event: Any, photodiode: int = 0) -> str:
    """Return a spike, event or piece of the photodiode as a line without its number; '' for all else.

    Parameters
    ----------
    event : PlEvent or PlWaveLong
        The library counts continuous channels from 0.
    photodiode : int
        Continuous channel, from 1; 0 = none.
    """
    tick = event.UpperTS << 32 | event.TimeStamp
    if event.Type == SAMPLES_TYPE and photodiode and event.Channel == photodiode - 1:
        return " ".join(map(str, ["l", tick, *event.WaveForm[: event.NumberOfDataWords]]))
    if event.Type == SPIKE_TYPE:
        return f"s {tick} {event.Channel} {event.Unit}"
    if event.Type != EVENT_TYPE or event.Channel in (START, STOP):
        return ""
    if event.Channel == STROBED:
        return f"w {tick} {event.Unit & 0xFFFF}"
    return f"b {tick} {event.Channel}"


class Sender:
    """Numbers lines, keeps them, and sends them to one reader at a time.

    Parameters
    ----------
    client : PlexonClient
        Or anything with its `clock_hz`, `light_hz` and `lines`.
    listen : tuple of (str, int)
        Where the reader connects.
    """

    def __init__(self, client: Any, listen: tuple[str, int]) -> None:
        self._client = client
        self._server = socket.create_server(listen)
        self._lines: deque[bytes] = deque(maxlen=LINES_KEPT)
        self._n_lines, self._next = 0, 0  # numbered; to be sent next
        self._reader: socket.socket | None = None
        self._newest: tuple[int, float] | None = None  # tick, and when it came

    @property
    def address(self) -> tuple[str, int]:
        """Where the reader connects."""
        return self._server.getsockname()

    def run(self, poll_s: float = 0.01, is_ended: Callable[[], bool] = lambda: False) -> None:
        """Send until the end."""
        while not is_ended():
            self._accept()
            self._add(self._client.lines())
            if self._reader is not None:
                self._send(self._reader)
            time.sleep(poll_s)

    def close(self) -> None:
        """Leave reader and address."""
        self._leave()
        self._server.close()

    def _add(self, lines: list[str]) -> None:
        now = time.monotonic()
        if lines:
            self._newest = max(int(line.split()[1]) for line in lines), now
        elif self._newest is not None:
            # The library tells no time of its own while nothing happens.
            tick, came = self._newest
            behind_s = now - came - CLOCK_BEHIND_S
            if behind_s > 0:
                lines = [f"c {tick + int(behind_s * self._client.clock_hz)}"]
        for line in lines:
            self._lines.append(f"{self._n_lines} {line}\n".encode("ascii"))
            self._n_lines += 1

    def _accept(self) -> None:
        """Take a reader that has come; it says from which line on it wants to hear, -1 for the next."""
        if not select.select([self._server], [], [], 0)[0]:
            return
        self._leave()
        reader, _ = self._server.accept()
        reader.settimeout(5.0)
        try:
            reader.sendall(
                f"{PROTOCOL} {self._client.clock_hz} {self._n_lines} {self._client.light_hz}\n".encode(
                    "ascii"
                )
            )
            question = reader.makefile("r", encoding="ascii").readline().split()
            first = int(question[1])
        except (OSError, ValueError, IndexError):
            reader.close()
            return
        self._reader = reader
        oldest = self._n_lines - len(self._lines)
        self._next = self._n_lines if first < 0 else min(max(first, oldest), self._n_lines)

    def _send(self, reader: socket.socket) -> None:
        n_due = min(self._n_lines - self._next, len(self._lines))
        content = b"".join(reversed(list(itertools.islice(reversed(self._lines), n_due))))
        try:
            reader.sendall(content)
            self._next = self._n_lines
        except OSError:  # gone, or slower than the neurons: it asks again for what is missing
            self._leave()

    def _leave(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Send what Plexon's server gives until Ctrl+C."""
    parser = argparse.ArgumentParser(description="Sends Plexon's online spikes and words as lines over TCP.")
    parser.add_argument("--library", default="PlexClient.dll", help="Plexon's client library")
    parser.add_argument(
        "--listen", default="127.0.0.1:5579", help="address of this computer on the rig's network"
    )
    parser.add_argument(
        "--photodiode", type=int, default=0, help="its continuous channel, 1 = AI01 or AD01; 0 = none"
    )
    parsed = parser.parse_args(arguments)
    host, _, port = parsed.listen.rpartition(":")
    try:
        client = PlexonClient(ctypes.CDLL(parsed.library), parsed.photodiode)
        sender = Sender(client, (host, int(port)))
    except (OSError, ValueError, LibraryError) as error:
        print(f"{parsed.library}, {parsed.listen}: {error}", file=sys.stderr)
        return 1
    try:
        sender.run()
    except KeyboardInterrupt:
        print("ended")
    finally:
        sender.close()
        client.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
