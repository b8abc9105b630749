"""Plexon's spikes and words as lines over TCP: a true file, played through Plexon's own structures."""

import contextlib
import ctypes
import socket
import threading
import time

import numpy as np
import pandas as pd
import pytest
from arriving import taken

from evoalign.errors import InputError
from evoalign.formats.opening import open_recording
from evoalign.formats.plx.write import write_plx
from evoalign.loop.acquisition import BIT, SPIKE, STROBED, RecordingClock, as_tables
from evoalign.loop.plexon import PlexonSource
from evoalign.loop.plexon_sender import EVENT_TYPE, SPIKE_TYPE, LibraryError, PlEvent, PlexonClient, Sender
from evoalign.loop.plexon_sender import STROBED as STROBED_CHANNEL
from evoalign.recordings.recording import spike_table

HZ = 40_000


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
        reader.sendall(b"evoalign-plexon 1 40000 7\n")
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
