"""Plexon's online spikes, event words and photodiode, as `plexon_sender` sends them: lines over TCP."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from typing import TextIO

from evoalign.errors import InputError
from evoalign.loop.acquisition import BIT, CLOCK, LIGHT, SPIKE, STROBED, Arrivals, Ints
from evoalign.loop.addresses import endpoint

PROTOCOL = "evoalign-plexon 2"
KINDS = {"s": (SPIKE, 5), "w": (STROBED, 4), "b": (BIT, 4), "c": (CLOCK, 3)}  # kind, and fields of a line
SAMPLES = "l"  # the photodiode: any number of samples from a tick on
HINT = "start plexon_sender.py on Plexon's computer, and check recorder.address"
ANSWER_S, RETRY_S = 5.0, 0.2


class PlexonSource:
    """Reads lines in a thread of its own; connects again, and asks for what it missed.

    Parameters
    ----------
    address : str
        ``HOST:PORT`` of the sender.
    has_light : bool
        Whether the photodiode's samples are taken in.

    Attributes
    ----------
    clock_hz : float
        Ticks a second of Plexon's stamps.
    light_hz : float
        Samples a second of the photodiode; 0 where it is not taken in.

    Raises
    ------
    InputError
        Nobody answers there, not in this protocol, or without the photodiode that is wanted.
    """

    def __init__(self, address: str, has_light: bool = False) -> None:
        self._has_light, self.light_hz = has_light, 0.0
        self._address, self._place = address, endpoint(address, "recorder.address")
        self._arrivals = Arrivals()
        self._next, self._n_lost = -1, 0
        self._is_open = True
        try:
            self._connection, lines = self._connect()
        except (OSError, ValueError) as error:
            raise InputError(f"Plexon's sender cannot be reached: {error}", address, HINT) from None
        if has_light and not self.light_hz:
            self._connection.close()
            raise InputError(
                "Plexon's sender sends no photodiode",
                address,
                "start it with --photodiode NUMBER, or leave out recorder.photodiode",
            )
        self._thread = threading.Thread(target=self._read, args=(lines,), daemon=True)
        self._thread.start()

    def take(self) -> Ints:
        """Return packets since the last call, as `Arrivals.take`."""
        return self._arrivals.take()

    def n_lost(self) -> int:
        """Return how many numbered lines did not come."""
        return self._n_lost

    def close(self) -> None:
        """End the connection."""
        self._is_open = False
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()
        self._thread.join()

    def _connect(self) -> tuple[socket.socket, TextIO]:
        connection = socket.create_connection(self._place, ANSWER_S)
        lines = connection.makefile("r", encoding="ascii", newline="\n")
        greeting = lines.readline()
        protocol, _, numbers = greeting.rstrip("\n").partition(f"{PROTOCOL} ")
        if protocol or len(numbers.split()) != 3:
            connection.close()
            raise ValueError(f"it says {greeting!r}, not '{PROTOCOL}'")
        clock_hz, n_lines, light_hz = map(int, numbers.split())
        self.clock_hz, self.light_hz = float(clock_hz), float(light_hz) if self._has_light else 0.0
        if self._next > n_lines:  # the sender was started again, and counts from 0
            logging.warning("%s: Plexon's sender was started again", self._address)
            self._next = 0
        connection.sendall(f"from {self._next}\n".encode("ascii"))
        connection.settimeout(None)
        return connection, lines

    def _read(self, lines: TextIO) -> None:
        while self._is_open:
            with contextlib.suppress(OSError, ValueError):
                for line in lines:
                    self._take_in(line)
            if not self._is_open:
                return
            logging.warning("%s: the connection to Plexon's sender is gone; it is tried again", self._address)
            while self._is_open:
                time.sleep(RETRY_S)
                with contextlib.suppress(OSError, ValueError):
                    self._connection, lines = self._connect()
                    break

    def _take_in(self, line: str) -> None:
        """Take a line in; an unfinished or unknown one ends the connection, so that it is asked for again."""
        number, kind, *values = line.split()
        code, n_fields = KINDS.get(kind, (-1, 0))
        is_whole = len(values) > 1 if kind == SAMPLES else len(values) + 2 == n_fields
        if not line.endswith("\n") or not is_whole:
            raise ValueError(f"no line of the protocol: {line!r}")
        if self._next < 0:
            self._next = int(number)
        self._n_lost += max(0, int(number) - self._next)
        self._next = int(number) + 1
        if kind == SAMPLES:
            self._take_light(*map(int, values))
            return
        tick, first, second = (*map(int, values), 0, 0)[:3]
        self._arrivals.put((code, tick, first, second))

    def _take_light(self, tick: int, *counts: int) -> None:
        if not self.light_hz:
            return
        for sample, count in enumerate(counts):
            self._arrivals.put((LIGHT, tick + round(sample * self.clock_hz / self.light_hz), count, 0))
