"""Spikes and words that are taken in at many times real time, on one core: by replay, by Cerebus, by Plexon.

128 channels x 60 spikes/s, and a word at every tick of a 30 kHz clock or every tenth of a second.
Prints a table: ``python benchmarks/loop_taking_in.py``. What takes in has one core; a sender is a
process of its own, on the others.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evoalign.events.tables import LOG
from evoalign.loop.acquisition import CLOCK, LIGHT
from evoalign.loop.cerebus import CerebusSource
from evoalign.loop.history import recorded_fields
from evoalign.loop.interfaces import Presentation, Round
from evoalign.loop.plexon import PlexonSource
from evoalign.loop.plexon_sender import Sender
from evoalign.loop.replay import RecordedSession, ReplayRecorder
from evoalign.loop.settings import RecorderSettings
from evoalign.loop.simulated_nsp import SimulatedNsp
from evoalign.recordings.recording import spike_table
from evoalign.simulate.flashes import photodiode_stream

N_CHANNELS, RATE_HZ, CLOCK_HZ = 128, 60, 30_000
ROUND_S = 5.0


def neurons(duration_s: float, word_hz: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return words at an even rate, and spikes."""
    rng = np.random.default_rng(1)
    n_spikes = round(N_CHANNELS * RATE_HZ * duration_s)
    spikes = spike_table(
        rng.integers(1, N_CHANNELS + 1, n_spikes),
        rng.integers(0, 4, n_spikes),
        np.sort(rng.integers(0, round(duration_s * CLOCK_HZ), n_spikes)) / CLOCK_HZ,
    )
    n_words = round(duration_s * word_hz)
    time_s = np.arange(n_words) * round(CLOCK_HZ / word_hz) / CLOCK_HZ
    words = {"time_s": time_s, "word": np.arange(n_words) % 65_536, "source": "digital", "segment": 0}
    return pd.DataFrame(words), spikes


def by_replay(duration_s: float, speed: float, word_hz: float) -> tuple[int, int, float]:
    """Take a session in round by round, as the loop does, packed for the journal; count what came."""
    words, spikes = neurons(duration_s, word_hz)
    onset_s = np.arange(0.0, duration_s - 0.5, 0.2)
    log = pd.DataFrame({name: [] for name in LOG.names})
    session = RecordedSession(log, words, spikes, None, onset_s, ())
    recorder = ReplayRecorder(session, speed)
    began, n_taken = time.monotonic(), 0
    per_round = round(ROUND_S / 0.2)
    for number, first in enumerate(range(0, len(onset_s), per_round)):
        n_shown = min(first + per_round, len(onset_s))
        shown = [Presentation(0, "a", 1, 0, 1, 1, 2, 0.0, 0.1)] * n_shown
        recorded = recorder.take(Round(number + 1, 0, [], first), shown)
        recorded_fields(recorded)
        n_taken += len(recorded.words) + len(recorded.spikes)
    last_s = onset_s[-1] + 0.4
    n_sent = int((words["time_s"] < last_s).sum() + (spikes["time_s"] < last_s).sum())
    return n_sent, n_sent - n_taken, (time.monotonic() - began) / (last_s - onset_s[0])


def leave_first_core() -> None:
    cores = set(range(os.cpu_count() or 1))
    os.sched_setaffinity(0, cores - {0} or cores)


def play_nsp(
    address: tuple, client: tuple, duration_s: float, speed: float, light_hz: float, ready: Any
) -> None:
    """Send as an NSP does, when the reader is ready."""
    leave_first_core()
    on_s = np.arange(0.5, duration_s, 0.2)
    light = photodiode_stream(on_s, on_s + 0.1, duration_s, light_hz) if light_hz else None
    nsp = SimulatedNsp(address, client, light=light)
    words, spikes = neurons(duration_s, 10)
    ready.wait()
    nsp.play(words, spikes, duration_s, speed)


def by_cerebus(duration_s: float, speed: float, light_hz: float = 0.0) -> tuple[int, int, float]:
    ports = []
    for _ in range(2):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname())
    ready = multiprocessing.Event()
    arguments = (*ports, duration_s, speed, light_hz, ready)
    sender = multiprocessing.Process(target=play_nsp, args=arguments, daemon=True)
    sender.start()
    time.sleep(2.0)
    (host, port), (local, local_port) = ports
    addresses = {"address": f"{host}:{port}", "local_address": f"{local}:{local_port}"}
    photodiode = {"source": "cerebus", "photodiode": "ainp1", "raw": ("a.ns6",)} if light_hz else {}
    settings = RecorderSettings.model_validate(addresses | photodiode)
    source = CerebusSource(settings)
    n_sent, n_lost, share = count(source.take, sender, ready, duration_s)
    print(f"the kernel dropped {kernel_drops(local_port):,} datagrams: no room in its buffer")
    source.close()
    return n_sent, n_lost, share


def kernel_drops(port: int) -> int:
    """Datagrams that the kernel dropped at a local UDP port, of which the last field tells."""
    rows = [row.split() for row in Path("/proc/net/udp").read_text().splitlines()[1:]]
    return sum(int(row[-1]) for row in rows if int(row[1].rpartition(":")[2], 16) == port)


class PlayedLines:
    """Stands in for Plexon's client: spikes and words as lines, at their times."""

    clock_hz, light_hz = CLOCK_HZ, 0

    def __init__(self, duration_s: float, speed: float, ready: Any) -> None:
        words, spikes = neurons(duration_s, 10)
        ticks = np.rint(np.concatenate([spikes["time_s"], words["time_s"]]) * CLOCK_HZ).astype(int)
        lines = [f"s {t} {c} {u}" for t, c, u in zip(ticks, spikes["channel"], spikes["unit"], strict=False)]
        lines += [f"w {t} {w}" for t, w in zip(ticks[len(spikes) :], words["word"], strict=True)]
        order = np.argsort(ticks, kind="stable")
        self._ticks, self._lines = ticks[order], [lines[i] for i in order]
        self._ready, self._speed, self._at, self._began = ready, speed, 0, 0.0

    def lines(self) -> list[str]:
        """Return what is due since the last call."""
        if not self._ready.is_set():
            return []
        self._began = self._began or time.monotonic()
        now = (time.monotonic() - self._began) * self._speed * CLOCK_HZ
        first, self._at = self._at, int(np.searchsorted(self._ticks, now, side="right"))
        return self._lines[first : self._at]

    def is_ended(self) -> bool:
        """Whether all was given out."""
        return self._at == len(self._lines)


def play_plexon(address: Any, duration_s: float, speed: float, ready: Any) -> None:
    leave_first_core()
    client = PlayedLines(duration_s, speed, ready)
    sender = Sender(client, ("127.0.0.1", 0))
    address.put("{}:{}".format(*sender.address))
    sender.run(0.005, client.is_ended)
    sender.run(0.005, iter([False] * 20 + [True]).__next__)  # what is still to be sent


def by_plexon(duration_s: float, speed: float) -> tuple[int, int, float]:
    address: multiprocessing.Queue[str] = multiprocessing.Queue()
    ready = multiprocessing.Event()
    arguments = (address, duration_s, speed, ready)
    sender = multiprocessing.Process(target=play_plexon, args=arguments, daemon=True)
    sender.start()
    source = PlexonSource(address.get())
    time.sleep(0.5)
    counted = count(source.take, sender, ready, duration_s)
    source.close()
    return counted


def count(take: Callable, sender: multiprocessing.Process, ready: Any, duration_s: float) -> tuple:
    """Count what comes until nothing has come for two seconds; last, seconds of this process a second."""
    n_sent = round(N_CHANNELS * RATE_HZ * duration_s) + round(10 * duration_s)
    ready.set()
    began_cpu, n_taken, last = time.process_time(), 0, time.monotonic()
    while time.monotonic() < last + 2.0 and n_taken < n_sent:
        packets = take()
        n_new = int((~np.isin(packets[:, 0], (CLOCK, LIGHT))).sum())
        if n_new:
            n_taken, last = n_taken + n_new, time.monotonic()
        time.sleep(0.02)
    cpu_s = time.process_time() - began_cpu
    sender.kill()
    return n_sent, n_sent - n_taken, cpu_s / duration_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ways", nargs="+", default=["replay", "cerebus", "plexon"])
    parser.add_argument("--speeds", nargs="+", type=float, default=[1, 2, 5, 10])
    parser.add_argument("--seconds", type=float, default=60.0, help="of the recording, a row")
    parsed = parser.parse_args()
    os.sched_setaffinity(0, {0})
    print(f"{N_CHANNELS} channels x {RATE_HZ} spikes/s, {parsed.seconds:g} s a row, taken in on one core")
    print("| way | words/s | times real time | sent | lost | seconds a second of recording |")
    print("|---|---|---|---|---|---|")
    for name, word_hz, run in (
        ("replay", 10, lambda speed: by_replay(parsed.seconds, speed, 10)),
        ("replay", 30_000, lambda speed: by_replay(parsed.seconds, speed, 30_000)),
        ("Cerebus (pycbsdk)", 10, lambda speed: by_cerebus(parsed.seconds, speed)),
        ("Cerebus, photodiode at 1 kHz", 10, lambda speed: by_cerebus(parsed.seconds, speed, 1e3)),
        ("Cerebus, photodiode at 30 kHz", 10, lambda speed: by_cerebus(parsed.seconds, speed, 3e4)),
        ("Plexon (lines)", 10, lambda speed: by_plexon(parsed.seconds, speed)),
    ):
        if not name.lower().startswith(tuple(parsed.ways)):
            continue
        for speed in parsed.speeds:
            if name == "replay" and speed < 10:
                continue
            n_sent, n_lost, share = run(speed)
            print(f"| {name} | {word_hz:,} | {speed:g} | {n_sent:,} | {n_lost:,} | {share:.3f} |", flush=True)


if __name__ == "__main__":
    main()
