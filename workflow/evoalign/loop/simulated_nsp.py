"""A simulated Blackrock processor (NSP) on this computer's own network.

It speaks the vendor's UDP packets, protocol 4.1, with a 30 kHz clock, to whoever asks for its
configuration and to one client's address: spikes with units, the digital input, heartbeats
and, as the real one, how many packets it has sent. It can lose datagrams, exchange
neighbours, and start its clock again. By hand, with a recording's spikes and words:
``python -m evoalign.loop.simulated_nsp FILE.nev``.
"""

from __future__ import annotations

import argparse
import random
import socket
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evoalign.errors import InputError
from evoalign.formats.opening import open_recording
from evoalign.loop import cerebus_packets as packets
from evoalign.loop.addresses import endpoint
from evoalign.loop.program import add_network, exit_status
from evoalign.recordings.stream import Stream

CLOCK_HZ = 30_000
STEP_S = 0.01  # of its clock, from heartbeat to heartbeat
DATAGRAM_BYTES = 1_400  # of packets that are sent together
N_FRONT_END = 128
LIGHT_CHANNEL = N_FRONT_END + 1  # analog input 1
LIGHT_GROUP = (N_FRONT_END + 2, LIGHT_CHANNEL)  # of the photodiode's sample group, in the order of samples
DIGITAL_CHANNEL = N_FRONT_END + 16 + 4 + 2 + 1  # after analog inputs, analog outputs, audio: 151
N_CHANNELS = DIGITAL_CHANNEL


@dataclass(frozen=True)
class NspFaults:
    """What the network does to a share of the datagrams.

    Attributes
    ----------
    loss, reorder : float
        Shares that are lost, and that come after the next one.
    seed : int
    """

    loss: float = 0.0
    reorder: float = 0.0
    seed: int = 0


class SimulatedNsp:
    """Answers a client's questions from a thread of its own; plays what it is given.

    Parameters
    ----------
    address, client : tuple of (str, int)
        Of the processor, and to which it sends. Port 0: any that is free.
    faults : NspFaults
    light : Stream, optional
        The photodiode on analog input 1, one channel from tick 0 on, at the rate of a sample group.
    """

    def __init__(
        self,
        address: tuple[str, int] = ("127.0.0.1", 51001),
        client: tuple[str, int] = ("127.0.0.1", 51002),
        faults: NspFaults = NspFaults(),
        light: Stream | None = None,
    ) -> None:
        self._light = light
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind(address)
        except OSError as error:
            self._socket.close()
            raise InputError(f"the address cannot be used: {error}", f"{address[0]}:{address[1]}") from None
        self._client, self._faults, self._random = client, faults, random.Random(faults.seed)
        self._lock = threading.Lock()
        self._n_sent, self._counter, self._held = 0, 0, b""
        self._tick = self._zero_tick = 0  # now; where the clock was started again
        self._is_open = True
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def address(self) -> tuple[str, int]:
        """Where it is reached."""
        return self._socket.getsockname()

    def play(self, words: pd.DataFrame, spikes: pd.DataFrame, stop_s: float, speed: float = 1.0) -> None:
        """Send spikes and words at their times, and heartbeats, up to a time.

        Parameters
        ----------
        words, spikes : pandas.DataFrame
            `WORDS`, `ONLINE_SPIKES`; times go on over resets of the clock.
        stop_s : float
            Where the clock then stands; the next call goes on from there.
        speed : float
            Seconds of its clock in a second; 0 = without waiting.
        """
        first_tick, last_tick = self._tick, round(stop_s * CLOCK_HZ)
        contents, ticks = _event_packets(words, spikes, self._zero_tick)
        if self._light is not None:
            contents, ticks = self._with_light(contents, ticks, first_tick, last_tick)
        step = round(STEP_S * CLOCK_HZ)
        began = time.monotonic()
        at = 0
        while self._tick < last_tick:
            self._tick = min(self._tick + step, last_tick)
            stop = int(np.searchsorted(ticks, self._tick, side="right"))
            self._send(contents[at:stop])
            at = stop
            self._send_status()
            if speed:
                due = began + (self._tick - first_tick) / CLOCK_HZ / speed
                time.sleep(max(0.0, due - time.monotonic()))

    def skip(self, time_s: float) -> None:
        """Let the clock stand at a time, where it is not there yet, without sending anything."""
        self._tick = max(self._tick, round(time_s * CLOCK_HZ))

    def reset_clock(self) -> None:
        """Start the clock again at 0."""
        self._zero_tick = self._tick

    def close(self) -> None:
        """Free the address."""
        self._is_open = False
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        self._socket.settimeout(0.1)
        while self._is_open:
            try:
                content, sender = self._socket.recvfrom(65_536)
            except (TimeoutError, ConnectionError):
                continue
            if len(content) >= packets.HEADER.itemsize:
                kind = int(np.frombuffer(content, packets.HEADER, 1)["type"][0])
                self._answer(kind, sender)

    def _answer(self, kind: int, client: tuple[str, int]) -> None:
        system = {"sysfreq": CLOCK_HZ, "spikelen": packets.WAVE_POINTS, "runlevel": packets.RUNNING}
        answers: list[np.ndarray] = []
        if kind == packets.SET_RUN_LEVEL:
            answers = [packets.make(packets.SYSINFO, packets.RUN_LEVEL, **system)]
        elif kind == packets.ASK_CONFIG:
            processor = packets.make(
                packets.PROCINFO,
                packets.PROCESSOR,
                proc=1,
                ident=b"evoalign simulated NSP",
                chanbase=1,
                chancount=N_CHANNELS,
                version=(4 << 16) | 1,
            )
            answers = [processor, *np.split(_channels(), N_CHANNELS)]
            if self._light is not None:
                answers.append(packets.group_info(self._group(), LIGHT_GROUP))
            answers.append(packets.make(packets.SYSINFO, packets.SYSTEM, **system))
        with self._lock:
            for answer in answers:
                answer["header"]["time"] = self._now()
                self._socket.sendto(answer.tobytes(), client)
            self._n_sent += len(answers)

    def _group(self) -> int:
        """Sample group of the photodiode's rate."""
        rate_hz = 0.0 if self._light is None else self._light.sampling_rate_hz
        return next(group for group, hz in packets.GROUP_HZ.items() if hz == rate_hz)

    def _with_light(
        self, contents: list[bytes], ticks: np.ndarray, first_tick: int, last_tick: int
    ) -> tuple[list[bytes], np.ndarray]:
        """Add the photodiode's samples after one tick and up to another to packets in the order of time."""
        assert self._light is not None
        step = round(CLOCK_HZ / self._light.sampling_rate_hz)
        first, stop = -(-first_tick // step), -(-last_tick // step)
        counts = self._light.read(0, first, stop)
        sample_ticks = step * np.arange(first, first + len(counts))
        between = [np.zeros_like(counts), counts]  # the photodiode is the second of its group
        samples = packets.group_samples(self._group(), sample_ticks - self._zero_tick, np.hstack(between))
        merged = np.concatenate([ticks, sample_ticks])
        order = np.argsort(merged, kind="stable")
        both = contents + samples
        return [both[i] for i in order], merged[order]

    def _now(self) -> int:
        return self._tick - self._zero_tick

    def _send(self, contents: Sequence[bytes]) -> None:
        """Send packets, as many in a datagram as have room; the network may lose or exchange datagrams."""
        with self._lock:
            self._n_sent += len(contents)
            datagram = b""
            for content in [*contents, b""]:
                if datagram and (not content or len(datagram) + len(content) > DATAGRAM_BYTES):
                    self._deliver(datagram)
                    datagram = b""
                datagram += content

    def _send_status(self) -> None:
        self._counter += 1
        beat = np.zeros(1, packets.HEADER)
        beat["chid"], beat["type"], beat["time"] = packets.CONFIGURATION, packets.HEARTBEAT, self._now()
        with self._lock:
            sent = self._n_sent + 2
            self._n_sent = -2  # the two that follow are in the count already
        monitor = packets.make(
            packets.PROTOCOL_MONITOR, packets.MONITOR, sentpkts=sent, counter=self._counter
        )
        monitor["header"]["time"] = self._now()
        self._send([beat.tobytes(), monitor.tobytes()])

    def _deliver(self, datagram: bytes) -> None:
        draw = self._random.random()
        if draw < self._faults.loss:
            return
        if not self._held and draw < self._faults.loss + self._faults.reorder:
            self._held = datagram
            return
        for content in (datagram, self._held):
            if content:
                self._socket.sendto(content, self._client)
        self._held = b""


def _event_packets(
    words: pd.DataFrame, spikes: pd.DataFrame, zero_tick: int
) -> tuple[list[bytes], np.ndarray]:
    """Packets of spikes and words in the order of time, and their ticks since the beginning."""
    spike_tick = np.rint(spikes["time_s"].to_numpy() * CLOCK_HZ).astype(np.int64)
    word_tick = np.rint(words["time_s"].to_numpy() * CLOCK_HZ).astype(np.int64)
    of_spikes = packets.make(packets.SPIKE, 0, n_packets=len(spikes))
    of_spikes["header"]["chid"], of_spikes["header"]["type"] = spikes["channel"], spikes["unit"]
    of_spikes["header"]["time"] = spike_tick - zero_tick
    of_words = packets.make(packets.DIGITAL, 0, DIGITAL_CHANNEL, len(words), valueRead=words["word"])
    of_words["header"]["time"] = word_tick - zero_tick
    contents = [row.tobytes() for row in of_spikes] + [row.tobytes() for row in of_words]
    ticks = np.concatenate([spike_tick, word_tick])
    order = np.argsort(ticks, kind="stable")
    return [contents[i] for i in order], ticks[order]


def _channels() -> np.ndarray:
    """Return CHANINFO packets: front-end channels, analog inputs and outputs, the digital input."""
    channels = packets.make(packets.CHANINFO, packets.CHANNEL, n_packets=N_CHANNELS)
    number = np.arange(1, N_CHANNELS + 1)
    channels["chan"], channels["proc"] = number, 1
    channels["chancaps"] = np.select(
        [number <= N_FRONT_END, number <= N_FRONT_END + 16, number == DIGITAL_CHANNEL],
        [packets.FRONT_END, packets.ANALOG_INPUT, packets.DIGITAL_INPUT],
        0,
    )
    channels["label"] = [f"chan{n}".encode() for n in number]
    channels["label"][LIGHT_CHANNEL - 1] = b"ainp1"
    return channels


def main(arguments: Sequence[str] | None = None) -> int:
    """Play a recording's online spikes and words as an NSP would send them."""
    parser = argparse.ArgumentParser(description="A simulated Blackrock NSP that plays a recording.")
    parser.add_argument("file", nargs="+", help="recording with event words and online spikes")
    parser.add_argument("--address", default="127.0.0.1:51001", help="of the simulated NSP")
    parser.add_argument("--client", default="127.0.0.1:51002", help="where it sends its packets")
    add_network(parser, "recording")
    parsed = parser.parse_args(arguments)

    def play() -> None:
        recording = open_recording(parsed.file)
        faults = NspFaults(parsed.loss, parsed.reorder)
        nsp = SimulatedNsp(endpoint(parsed.address), endpoint(parsed.client), faults)
        last_s = max([0.0, *recording.words["time_s"].tail(1), *recording.online_spikes["time_s"].tail(1)])
        nsp.play(recording.words, recording.online_spikes, last_s + 1.0, parsed.speed)
        nsp.close()

    return exit_status(play)


if __name__ == "__main__":
    sys.exit(main())
