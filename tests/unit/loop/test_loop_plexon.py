"""Plexon's spikes and words as lines over TCP: a true file, played through Plexon's own structures."""

import contextlib
import ctypes
import socket
import threading
import time

import numpy as np
import pandas as pd
import pytest
from arriving import log_of_planned, planned, taken

from evoalign.errors import InputError
from evoalign.events.align import align
from evoalign.events.photodiode import photodiode_crossings
from evoalign.events.settings import Events
from evoalign.formats.opening import open_recording
from evoalign.formats.plx.write import write_plx
from evoalign.loop.acquisition import BIT, SPIKE, STROBED, RecordingClock, as_tables
from evoalign.loop.history import merge_recorded
from evoalign.loop.live_recorder import LiveRecorder
from evoalign.loop.plexon import PlexonSource
from evoalign.loop.plexon_sender import (
    EVENT_TYPE,
    SAMPLES_TYPE,
    SPIKE_TYPE,
    LibraryError,
    PlEvent,
    PlexonClient,
    PlWaveLong,
    Sender,
)
from evoalign.loop.plexon_sender import STROBED as STROBED_CHANNEL
from evoalign.loop.settings import Evolve
from evoalign.loop.simulated import AFTER_S, words_of
from evoalign.recordings.recording import spike_table
from evoalign.simulate.flashes import photodiode_stream

HZ = 40_000
LIGHT_HZ, PHOTODIODE = 1_000, 3  # the third continuous channel


class FakeLibrary:
    """PlexClient.dll as its header declares it, with the events of a recording, a part a call."""

    def __init__(self, events, runs=True, part=500):
        self._events, self._runs, self._part = events, runs, part
        self.is_closed = False

    def PL_InitClientEx3(self, kind, window, main_window):
        return int(self._runs)

    def PL_GetTimeStampTick(self):
        return 25  # microseconds

    def PL_GetTimeStampStructures(self, n_events, events):
        part, self._events = self._events[: self._part], self._events[self._part :]
        n_events._obj.value = len(part)
        ctypes.memmove(events, (PlEvent * len(part))(*part), ctypes.sizeof(PlEvent) * len(part))

    def PL_CloseClient(self):
        self.is_closed = True


def event(kind, tick, channel, unit):
    return PlEvent(Type=kind, UpperTS=tick >> 32, TimeStamp=tick & 0xFFFFFFFF, Channel=channel, Unit=unit)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("plexon") / "s.plx"
    rng = np.random.default_rng(3)
    ticks = np.sort(rng.choice(HZ * 20, 3_000, replace=False))
    spikes = spike_table(rng.integers(1, 17, 3_000), rng.integers(0, 5, 3_000), ticks / HZ)
    words = pd.DataFrame({"time_s": np.arange(1, 90) * 0.2, "word": rng.integers(0, 65_536, 89)})
    write_plx(path, spike_channels=range(1, 17), spikes=spikes, words=words.assign(source="strobed"))
    return open_recording([str(path)])


def events_of(recording):
    spikes, words = recording.online_spikes, recording.words
    events = [
        (round(row.time_s * HZ), event(SPIKE_TYPE, round(row.time_s * HZ), row.channel, row.unit))
        for row in spikes.itertuples()
    ]
    strobed = words[words["source"] == "strobed"]
    for row in strobed.itertuples():
        # The library gives words as signed numbers.
        word = int(np.uint16(row.word).astype(np.int16))
        tick = round(row.time_s * HZ)
        events.append((tick, event(EVENT_TYPE, tick, STROBED_CHANNEL, word)))
    return [e for _, e in sorted(events, key=lambda pair: pair[0])], strobed


class Sending:
    """A sender in a thread."""

    def __init__(self, client, port=0):
        self.sender = Sender(client, ("127.0.0.1", port))
        self._is_ended = threading.Event()
        self._thread = threading.Thread(
            target=self.sender.run, args=(0.002, self._is_ended.is_set), daemon=True
        )
        self.address = "{}:{}".format(*self.sender.address)

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        self._is_ended.set()
        self._thread.join()
        self.sender.close()


def test_what_the_library_gives_comes_as_in_the_file(recording):
    events, strobed = events_of(recording)
    sending = Sending(PlexonClient(FakeLibrary(events)))
    threading.Timer(0.3, sending.start).start()  # the reader comes first: it hears all
    source = PlexonSource(sending.address)
    packets = taken(source, len(events), 10.0)
    assert source.clock_hz == HZ
    assert source.n_lost() == 0
    words, spikes = as_tables(packets, *RecordingClock(source.clock_hz).place(packets[:, 1]))
    for column in ("channel", "unit", "time_s"):
        np.testing.assert_array_equal(spikes[column], recording.online_spikes[column])
    np.testing.assert_array_equal(words["word"], strobed["word"])
    np.testing.assert_array_equal(words["time_s"], strobed["time_s"])
    source.close()
    sending.stop()


def test_a_broken_connection_loses_nothing(recording):
    events, _ = events_of(recording)
    sending = Sending(PlexonClient(FakeLibrary(events, part=50)))
    threading.Timer(0.3, sending.start).start()
    source = PlexonSource(sending.address)
    parts = [taken(source, 200, 10.0)]
    for _ in range(3):
        with contextlib.suppress(OSError):  # it is being tried again just now
            source._connection.shutdown(socket.SHUT_RDWR)  # as a cable that is pulled
        parts.append(taken(source, 200, 10.0))
    parts.append(taken(source, len(events) - sum(map(len, parts)), 10.0))
    packets = np.concatenate(parts)
    assert len(packets) == len(events)
    assert source.n_lost() == 0
    np.testing.assert_array_equal(packets[:, 1], [e.UpperTS << 32 | e.TimeStamp for e in events])
    source.close()
    sending.stop()


def test_lines_that_the_sender_no_longer_has_are_counted():
    server = socket.create_server(("127.0.0.1", 0))

    def send():
        reader, _ = server.accept()
        reader.sendall(b"evoalign-plexon 2 40000 7 0\n")
        assert reader.recv(100) == b"from -1\n"
        reader.sendall(b"7 s 100 3 1\n8 b 200 4\n12 w 300 65535\n13 c 400\n")

    threading.Thread(target=send, daemon=True).start()
    source = PlexonSource("{}:{}".format(*server.getsockname()))
    packets = taken(source, 3, 10.0)
    np.testing.assert_array_equal(packets, [[SPIKE, 100, 3, 1], [BIT, 200, 4, 0], [STROBED, 300, 65535, 0]])
    assert source.n_lost() == 3
    source.close()
    server.close()


@pytest.mark.parametrize("greeting", [b"", b"SSH-2.0-x\n", b"evoalign-plexon 2 40000 0\n"])
def test_what_is_no_sender_is_told(greeting):
    server = socket.create_server(("127.0.0.1", 0))

    def send():
        reader, _ = server.accept()
        reader.sendall(greeting)
        reader.close()

    threading.Thread(target=send, daemon=True).start()
    with pytest.raises(InputError, match="Plexon's sender cannot be reached"):
        PlexonSource("{}:{}".format(*server.getsockname()))
    server.close()
    with pytest.raises(InputError, match="no host and port"):
        PlexonSource("localhost")


def test_a_server_of_plexon_that_does_not_run_is_told():
    with pytest.raises(LibraryError, match="start OmniPlex"):
        PlexonClient(FakeLibrary([], runs=False))
    library = FakeLibrary([])
    PlexonClient(library).close()
    assert library.is_closed
    assert ctypes.sizeof(PlEvent) == 16


def test_the_clock_goes_on_while_nothing_happens():
    sending = Sending(PlexonClient(FakeLibrary([event(SPIKE_TYPE, 2**32 + 40_000, 1, 1)]))).start()
    time.sleep(0.1)
    source = PlexonSource(sending.address)
    stop, ticks = time.monotonic() + 5, []
    while len(ticks) < 3 and time.monotonic() < stop:
        ticks += source.take()[:, 1].tolist()
        time.sleep(0.02)
    assert (np.diff(ticks) > 0).all()
    assert 2**32 + 40_000 < ticks[0] < 2**32 + 40_000 + HZ
    source.close()
    sending.stop()


class LongLibrary(FakeLibrary):
    """The same with continuous channels, whose samples come with the events."""

    def __init__(self, rate_hz=LIGHT_HZ):
        super().__init__([])
        self._rate_hz = rate_hz

    def play(self, events):
        self._events = [*self._events, *events]

    def PL_GetSlowInfo(self, rate_hz, channels, gains):
        rate_hz._obj.value = self._rate_hz

    def PL_GetLongWaveFormStructures(self, n_waves, waves, server_dropped, map_dropped):
        part, self._events = self._events[: self._part], self._events[self._part :]
        n_waves._obj.value = len(part)
        ctypes.memmove(waves, (PlWaveLong * len(part))(*part), ctypes.sizeof(PlWaveLong) * len(part))


def wave(kind, tick, channel, unit=0, samples=()):
    content = (ctypes.c_int16 * 120)(*samples)
    return PlWaveLong(
        Type=kind, UpperTS=tick >> 32, TimeStamp=tick & 0xFFFFFFFF, Channel=channel, Unit=unit,
        NumberOfDataWords=len(samples), WaveForm=content,
    )  # fmt: skip


def light_waves(stream, start_s, stop_s):
    """Blocks of a photodiode and, as long, of another continuous channel."""
    first, stop = (round(s * LIGHT_HZ) for s in (start_s, stop_s))
    for at in range(first, stop, 100):
        counts = stream.read(0, at, min(at + 100, stop))[:, 0].tolist()
        for channel, samples in ((PHOTODIODE - 1, counts), (PHOTODIODE, counts[::-1])):
            yield wave(SAMPLES_TYPE, at * HZ // LIGHT_HZ, channel, samples=samples)


def with_light(**recorder):
    return Evolve.model_validate({
        "session": "s", "subject": "M", "folder": "f",
        "threads": [{"space": "texture", "images": 4}, {"space": "object", "images": 4}],
        "recorder": {"source": "plexon", "photodiode": "AI03", "raw": ["a.plx"], **recorder},
    })  # fmt: skip


def test_presentations_are_timed_by_light_as_in_the_finished_recording(tmp_path):
    """Two rounds through the library's structures and lines; offline from the file that holds the same."""
    rounds, presentations = planned(2)
    on_s = np.array([p.onset_s for p in presentations]) + 0.0117  # from word to light
    light = photodiode_stream(on_s, on_s + 0.09, float(on_s[-1]) + 2.0, float(LIGHT_HZ))
    library = LongLibrary()
    sending = Sending(PlexonClient(library, PHOTODIODE)).start()
    settings = with_light(address=sending.address)
    source = PlexonSource(sending.address, has_light=True)
    time.sleep(0.1)  # the sender has taken the reader in
    recorder, parts, all_words, begin_s = LiveRecorder(source, settings, Events()), {}, [], 0.0
    for request, n_shown in rounds:
        of_round = presentations[request.first : n_shown]
        words = words_of(of_round, lambda times: np.rint(np.asarray(times) * HZ) / HZ)
        end_s = of_round[-1].onset_s + AFTER_S + 0.1
        ticks = np.rint(words["time_s"] * HZ).astype(int)
        strobed = [wave(EVENT_TYPE, t, STROBED_CHANNEL, w) for t, w in zip(ticks, words["word"], strict=True)]
        came = sorted([*light_waves(light, begin_s, end_s), *strobed], key=lambda event: event.TimeStamp)
        library.play(came)
        parts[1, request.round] = recorder.take(request, presentations[:n_shown])
        all_words.append(words)
        begin_s = end_s
    source.close()
    sending.stop()
    recorded, log = merge_recorded(parts), log_of_planned(presentations)
    online = align(log, recorded.words, Events(), recorded.photodiode).presentations
    n_samples = round(begin_s * LIGHT_HZ)
    path = tmp_path / "a.plx"
    write_plx(
        path, [light.read(0, 0, n_samples)], names=["AI03"], sampling_rate_hz=LIGHT_HZ,
        words=pd.concat(all_words, ignore_index=True).assign(source="strobed"),
    )  # fmt: skip
    file = open_recording([str(path)])
    stream = file.streams["analog"]
    offline = align(log, file.words, Events(), photodiode_crossings(stream, stream.channels[0])).presentations
    assert source.light_hz == LIGHT_HZ and source.n_lost() == 0
    assert (online["onset_source"] == "photodiode").sum() == len(presentations)
    assert online["valid"].equals(offline["valid"])
    # Dark, light and the mean edge are those of a round, and not of the whole recording.
    np.testing.assert_allclose(online["onset_s"], offline["onset_s"], rtol=0, atol=0.1 / LIGHT_HZ)
    assert np.abs(online["onset_s"] - on_s).max() < 1.5 / LIGHT_HZ


def test_a_photodiode_that_is_not_sent_is_told():
    sending = Sending(PlexonClient(FakeLibrary([]))).start()
    with pytest.raises(InputError, match="sends no photodiode"):
        PlexonSource(sending.address, has_light=True)
    sending.stop()
    with pytest.raises(LibraryError, match="no continuous channels"):
        PlexonClient(LongLibrary(rate_hz=0), PHOTODIODE)


def test_light_that_nobody_asked_for_is_left_out(recording):
    events, _ = events_of(recording)
    library = LongLibrary()
    flash = photodiode_stream(np.array([0.3]), np.array([0.4]), 1.0, float(LIGHT_HZ))
    library.play(light_waves(flash, 0.0, 1.0))
    library.play([wave(e.Type, e.UpperTS << 32 | e.TimeStamp, e.Channel, e.Unit) for e in events])
    sending = Sending(PlexonClient(library, PHOTODIODE))
    threading.Timer(0.3, sending.start).start()
    source = PlexonSource(sending.address)
    packets = taken(source, len(events), 10.0)
    assert source.light_hz == 0 and len(packets) == len(events)
    source.close()
    sending.stop()
