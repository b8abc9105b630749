"""The photodiode while a rig records times presentations as the finished recording does."""

import socket

import numpy as np
import pytest
from arriving import log_of_planned, planned

from evoalign import tables
from evoalign.errors import InputError
from evoalign.events.align import align
from evoalign.events.photodiode import photodiode_crossings
from evoalign.events.settings import Events
from evoalign.loop.cerebus import CerebusSource
from evoalign.loop.history import merge_recorded
from evoalign.loop.light import changes_of_light
from evoalign.loop.live_recorder import LiveRecorder
from evoalign.loop.settings import Evolve, RecorderSettings
from evoalign.loop.simulated import AFTER_S, words_of
from evoalign.loop.simulated_nsp import LIGHT_CHANNEL, NspFaults, SimulatedNsp
from evoalign.recordings.tables import ONLINE_SPIKES
from evoalign.simulate.flashes import photodiode_stream

CLOCK_HZ = 30_000
NO_FAULTS = NspFaults()
DISPLAY_DELAY_S = 0.0117  # from word to light


def samples_of(stream):
    (start_s, n), rate = stream.segments[0], stream.sampling_rate_hz
    return start_s + np.arange(n) / rate, stream.read(0, 0, n)[:, 0].astype(np.int64)


@pytest.fixture(scope="module")
def flashes():
    on_s = 0.5 + np.cumsum(np.random.default_rng(3).uniform(0.19, 0.4, 60))
    return photodiode_stream(on_s, on_s + 0.1, float(on_s[-1]) + 1.0, 1_000.0)


def test_changes_are_those_of_a_file_exactly_in_whatever_order_samples_come(flashes):
    time_s, counts = samples_of(flashes)
    expected = photodiode_crossings(flashes, 129)
    order = np.random.default_rng(0).permutation(np.tile(np.arange(len(time_s)), 2))  # all of them doubled
    changes = changes_of_light(time_s[order], counts[order], np.zeros(len(order), np.int64), 1_000.0, 0.0)
    assert len(changes.on_s) == 60
    np.testing.assert_array_equal(changes.on_s, expected.on_s)
    np.testing.assert_array_equal(changes.off_s, expected.off_s)


def test_samples_that_did_not_come_cost_their_own_changes_alone(flashes):
    time_s, counts = samples_of(flashes)
    expected = photodiode_crossings(flashes, 129)
    is_lost = (time_s > expected.on_s[9] - 0.02) & (time_s < expected.on_s[9] + 0.02)
    pieces = (time_s > expected.on_s[29] + 0.15).astype(np.int64)  # the clock starts again in the dark
    changes = changes_of_light(time_s[~is_lost], counts[~is_lost], pieces[~is_lost], 1_000.0, 0.0)
    np.testing.assert_allclose(changes.on_s, np.delete(expected.on_s, 9), rtol=0, atol=2e-5)
    np.testing.assert_allclose(changes.off_s, expected.off_s, rtol=0, atol=2e-5)


@pytest.mark.parametrize("counts", [[], [800] * 2000, np.random.default_rng(0).normal(800, 60, 2000)])
def test_a_round_without_light_is_told(counts, caplog):
    time_s = np.arange(len(counts)) / 1_000
    changes = changes_of_light(time_s, np.array(counts, np.int64), np.zeros(len(counts), np.int64), 1e3, 0.0)
    assert len(changes.on_s) == len(changes.off_s) == 0
    assert "a round has no changes of light" in caplog.text


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def settings_of(photodiode):
    pytest.importorskip("pycbsdk", reason="envs/cerebus.lock is not installed")
    recorder = {
        "source": "cerebus",
        "address": f"127.0.0.1:{free_port()}",
        "local_address": f"127.0.0.1:{free_port()}",
        "photodiode": photodiode,
        "raw": ["a.nev", "a.ns2"],
    }
    threads = [{"space": "texture", "images": 4}, {"space": "object", "images": 4}]
    return Evolve.model_validate(
        {"session": "s", "subject": "M", "folder": "f", "threads": threads, "recorder": recorder}
    )


def nsp_of(settings, light, faults=NO_FAULTS):
    ports = (
        int(text.rpartition(":")[2]) for text in (settings.recorder.address, settings.recorder.local_address)
    )
    return SimulatedNsp(*(("127.0.0.1", port) for port in ports), faults, light)


@pytest.mark.parametrize(("name", "rate_hz"), [("ainp1", 1_000.0), (str(LIGHT_CHANNEL), 10_000.0)])
def test_presentations_are_timed_as_in_the_finished_recording(name, rate_hz):
    """Two rounds over the vendor's packets, some exchanged; offline, of all samples together."""
    settings, events = settings_of(name), Events()
    rounds, presentations = planned(2)
    on_s = np.array([p.onset_s for p in presentations]) + DISPLAY_DELAY_S
    light = photodiode_stream(on_s, on_s + 0.09, float(on_s[-1]) + 2.0, rate_hz)
    nsp = nsp_of(settings, light, NspFaults(reorder=0.1, seed=4))
    source = CerebusSource(settings.recorder)
    recorder = LiveRecorder(source, settings, events)
    parts = {}
    for request, n_shown in rounds:
        of_round = presentations[request.first : n_shown]
        words = words_of(of_round, lambda times: np.rint(np.asarray(times) * CLOCK_HZ) / CLOCK_HZ)
        nsp.play(words, tables.empty(ONLINE_SPIKES), of_round[-1].onset_s + AFTER_S + 0.05, speed=4.0)
        parts[1, request.round] = recorder.take(request, presentations[:n_shown])
    source.close()
    nsp.close()
    recorded = merge_recorded(parts)
    log = log_of_planned(presentations)
    online = align(log, recorded.words, events, recorded.photodiode).presentations
    offline = align(log, recorded.words, events, photodiode_crossings(light, 129)).presentations
    assert source.light_hz == rate_hz
    assert (online["onset_source"] == "photodiode").sum() == len(presentations)
    assert online["valid"].equals(offline["valid"])
    # Dark, light and the mean edge are those of a round, and not of the whole recording.
    np.testing.assert_allclose(online["onset_s"], offline["onset_s"], rtol=0, atol=0.1 / rate_hz)
    assert np.abs(online["onset_s"] - on_s).max() < 1.5 / rate_hz


def test_a_channel_that_is_not_sampled_is_refused(flashes):
    for name, light, message in (
        ("ainp7", flashes, "no channel 'ainp7'"),
        ("ainp1", None, "does not sample a channel 'ainp1'"),
    ):
        settings = settings_of(name)
        nsp = nsp_of(settings, light)
        with pytest.raises(InputError, match=message):
            CerebusSource(settings.recorder)
        nsp.close()


def test_a_photodiode_wants_a_recording_that_holds_it():
    with pytest.raises(ValueError, match="name the files in raw"):
        RecorderSettings(source="cerebus", photodiode="ainp1")
    with pytest.raises(ValueError, match="not from a model"):
        RecorderSettings(source="model", photodiode="ainp1", raw=("a.plx",))
