"""Blackrock's packets over the network: a simulated NSP, pycbsdk, and the loop behind them."""

import importlib.metadata
import os
import socket
import sys
import threading

import numpy as np
import pandas as pd
import pytest
from arriving import taken

from evoalign.errors import InputError
from evoalign.files import sha256
from evoalign.formats.opening import open_recording
from evoalign.loop import cerebus, zeromq_display
from evoalign.loop.acquisition import DIGITAL, SPIKE, RecordingClock
from evoalign.loop.addresses import endpoint
from evoalign.loop.client import DisplayClient
from evoalign.loop.command import JOURNAL, run_evolution
from evoalign.loop.journal import read_journal
from evoalign.loop.settings import Evolve, RecorderSettings
from evoalign.loop.simulated_nsp import NspFaults, SimulatedNsp
from evoalign.loop.simulated_rig import rig_shower
from evoalign.recordings.recording import spike_table

NO_FAULTS = NspFaults()


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture
def addresses(monkeypatch):
    monkeypatch.setattr(zeromq_display, "END_S", 1.2)  # the client asks again after one second
    pytest.importorskip("pycbsdk", reason="envs/cerebus.lock is not installed")
    return {"address": f"127.0.0.1:{free_port()}", "local_address": f"127.0.0.1:{free_port()}"}


def connected(addresses, faults=NO_FAULTS):
    nsp = SimulatedNsp(endpoint(addresses["address"]), endpoint(addresses["local_address"]), faults)
    return nsp, cerebus.CerebusSource(RecorderSettings(**addresses))


def seconds_of_neurons(duration_s, n_spikes, seed=1):
    rng = np.random.default_rng(seed)
    channel, unit = rng.integers(1, 129, n_spikes), rng.choice([0, 1, 2, 5, 255], n_spikes)
    spikes = spike_table(channel, unit, np.rint(rng.uniform(0, duration_s, n_spikes) * 30_000) / 30_000)
    n_words = 50
    time_s = np.rint(np.linspace(0.01, duration_s - 0.01, n_words) * 30_000) / 30_000
    words = pd.DataFrame(
        {"time_s": time_s, "word": rng.integers(0, 65_536, n_words), "source": "digital", "segment": 0}
    )
    return words, spikes


def test_spikes_and_words_come_as_they_were_sent(addresses):
    nsp, source = connected(addresses)
    words, spikes = seconds_of_neurons(2.0, 3_000)
    nsp.play(words, spikes, 2.0, speed=5.0)
    packets = taken(source, 3_050, 5.0)
    assert source.clock_hz == 30_000
    assert source.n_lost() == 0
    of_spikes, of_words = packets[packets[:, 0] == SPIKE], packets[packets[:, 0] == DIGITAL]
    expected = np.column_stack([np.rint(spikes["time_s"] * 30_000), spikes["channel"], spikes["unit"]])
    order = np.lexsort((of_spikes[:, 3], of_spikes[:, 2], of_spikes[:, 1]))
    expected = expected[np.lexsort((expected[:, 2], expected[:, 1], expected[:, 0]))]
    np.testing.assert_array_equal(of_spikes[order, 1:], expected)
    np.testing.assert_array_equal(of_words[:, 2], words["word"])
    np.testing.assert_array_equal(of_words[:, 1], np.rint(words["time_s"] * 30_000))
    source.close()
    nsp.close()


def test_lost_datagrams_are_counted_and_exchanged_ones_are_not(addresses):
    words, spikes = seconds_of_neurons(2.0, 4_000)
    nsp, source = connected(addresses, NspFaults(reorder=0.2, seed=1))
    nsp.play(words, spikes, 2.0, speed=5.0)
    assert len(taken(source, 4_050, 5.0)) == 4_050
    assert source.n_lost() == 0
    source.close()
    nsp.close()
    nsp, source = connected(addresses, NspFaults(loss=0.05, seed=2))
    nsp.play(words, spikes, 2.0, speed=5.0)
    n_missing = 4_050 - len(taken(source, 4_050, within_s=0.5))
    assert n_missing > 50
    assert 0.7 * n_missing < source.n_lost() < 1.5 * n_missing
    source.close()
    nsp.close()


def test_an_nsp_that_does_not_answer_is_told(addresses):
    with pytest.raises(InputError, match="no NSP answers"):
        cerebus.CerebusSource(RecorderSettings(**addresses))
    elsewhere = addresses | {"local_address": "192.0.2.1:51002"}
    with pytest.raises(InputError, match=r"recorder\.local_address"):
        cerebus.CerebusSource(RecorderSettings(**elsewhere))


@pytest.mark.parametrize("version", [None, "10.3.0"])
def test_a_library_that_is_missing_or_needs_what_is_not_there_is_one_error(monkeypatch, version):
    def installed(name):
        if version is None:
            raise importlib.metadata.PackageNotFoundError
        return version

    monkeypatch.setattr(cerebus.importlib.metadata, "version", installed)
    monkeypatch.setitem(sys.modules, "pycbsdk", type(os)("pycbsdk"))  # has no module `cbsdk`
    monkeypatch.delitem(sys.modules, "pycbsdk.cbsdk", raising=False)
    with pytest.raises(InputError, match="pycbsdk") as raised:
        cerebus.load_pycbsdk("4.1")
    assert "pip install pycbsdk==0.4.1" in raised.value.hint
    assert version is None or "glibc 2.39" in raised.value.what


def test_the_clock_goes_on_over_resets_and_takes_late_packets_to_their_own_piece():
    clock = RecordingClock(30_000)
    times, pieces = clock.place(np.array([3_000_000, 3_030_000, 3_015_000]))
    np.testing.assert_array_equal(times, [100.0, 101.0, 100.5])
    times, pieces = clock.place(np.array([0, 3_031_000, 30_000, 15_000, 90_000]))
    np.testing.assert_allclose(times, [102.0, 3_031_000 / 30_000, 103.0, 102.5, 105.0])
    np.testing.assert_array_equal(pieces, [1, 0, 1, 1, 1])
    assert clock.offsets_s == [0.0, 102.0]
    resumed = RecordingClock(30_000, tuple(clock.offsets_s), clock.latest_s)
    np.testing.assert_array_equal(resumed.place(np.array([120_000]))[0], [106.0])
    np.testing.assert_array_equal(resumed.place(np.array([0]))[1], [2])


def test_stamps_since_1970_keep_their_nanoseconds():
    clock = RecordingClock(1e9)
    first = 1_795_000_000_250_000_000
    times, _ = clock.place(np.array([first, first + 33_333]))
    np.testing.assert_array_equal(times, [0.25, 0.250033333])
    assert clock.offsets_s == [-1_795_000_000.0]


def settings_of(folder, recorder, address, **changed):
    display = {"transport": "zeromq", "address": address} if address else {}
    threads = [{"space": "texture", "images": 4}, {"space": "object", "images": 5}]
    return Evolve.model_validate(
        {
            "session": "rig",
            "subject": "Model",
            "folder": str(folder),
            "seed": 3,
            "n_blocks": 2,
            "references": 1,
            "threads": threads,
            "display": display,
            "min_free_mb": 1,
            "recorder": {"source": "cerebus", **recorder} if recorder else {},
        }
        | changed
    )


def run_with_rig(settings, faults=NO_FAULTS, reset_after=None):
    """Run an evolution whose display and NSP are simulated in a thread; the clock may start again."""
    recorder = settings.recorder
    nsp = SimulatedNsp(endpoint(recorder.address), endpoint(recorder.local_address), faults)
    show = rig_shower(settings, nsp, speed=20.0)

    def show_and_reset(request, before, of_round):
        yield from show(request, before, of_round)
        if (request.block, request.round) == reset_after:
            nsp.reset_clock()

    client = DisplayClient(settings.display.address, f"{settings.folder}-shown", show_and_reset)
    showing = threading.Thread(target=client.run, daemon=True)
    showing.start()
    try:
        return run_evolution(settings)
    finally:
        showing.join(20)
        client.close()
        nsp.close()


def scored(folder):
    return [r["rates"] for r in read_journal(folder / JOURNAL) if r["kind"] == "scored"]


def files_of(folder):
    paths = [folder / "log.tsv", *(folder / "images").iterdir(), *(folder / "latents").iterdir()]
    return {path.name: sha256(path) for path in paths}


def test_an_evolution_through_the_vendors_packets_is_the_one_without_them(addresses, tmp_path):
    """Exchanged datagrams as well: the same rates, codes, images and log, and the same recording."""
    run_evolution(settings_of(tmp_path / "within", None, ""))
    settings = settings_of(tmp_path / "rig", addresses, f"ipc://{tmp_path}/s")
    run_with_rig(settings, NspFaults(reorder=0.1, seed=5))
    assert scored(tmp_path / "rig") == scored(tmp_path / "within")
    assert files_of(tmp_path / "rig") == files_of(tmp_path / "within")
    by_wire, within = (open_recording([str(tmp_path / name / "rig.nev")]) for name in ("rig", "within"))
    pd.testing.assert_frame_equal(by_wire.words, within.words)
    pd.testing.assert_frame_equal(by_wire.online_spikes, within.online_spikes)


def test_a_clock_that_starts_again_is_survived(addresses, tmp_path):
    settings = settings_of(tmp_path / "rig", addresses, f"ipc://{tmp_path}/s", n_blocks=3)
    run_with_rig(settings, reset_after=(1, 0))
    run_evolution(settings_of(tmp_path / "within", None, "", n_blocks=3))
    assert scored(tmp_path / "rig") == scored(tmp_path / "within")
    recording = open_recording([str(tmp_path / "rig" / "rig.nev")])
    assert recording.metadata["clock_resets"] == 1


def test_lost_packets_are_told(addresses, tmp_path, caplog):
    settings = settings_of(tmp_path / "rig", addresses, f"ipc://{tmp_path}/s", n_blocks=1)
    run_with_rig(settings, NspFaults(loss=0.02, seed=1))
    assert "packets of the acquisition system did not come" in caplog.text
    assert len(scored(tmp_path / "rig")) == 1
