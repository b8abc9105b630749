"""The multi-unit envelope against scipy on the whole recording, and in closed form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted_spikes import GAIN, RATE, make_channels, make_recording
from scipy import signal

from evoalign.errors import InputError
from evoalign.sorting import envelope
from evoalign.sorting.artefacts import artefact_table, find_artefacts, from_table
from evoalign.sorting.bad_channels import find_bad_channels
from evoalign.sorting.envelope import Envelope, on_line, read_envelope, write_envelope
from evoalign.sorting.settings import Sorting
from evoalign.sorting.traces import Traces

SETTINGS = Sorting(reference="none")


class _Stream:
    def __init__(self, recording):
        self.recording = recording


@pytest.fixture(autouse=True)
def _streams_hold_recordings(monkeypatch):
    monkeypatch.setattr(envelope, "stream_recording", lambda stream: stream.recording)


class _Recording:
    """What `write_envelope` asks of a recording."""

    def __init__(self, counts, starts=None, streams=("broadband",)):
        whole = [np.round(part).astype(np.int16) for part in counts]
        self.streams = {name: _Stream(make_recording(whole, starts)) for name in streams}


def envelope_of(folder, counts, starts=None, options=SETTINGS, **how):
    recording = _Recording(counts, starts)
    channels = make_channels(counts[0].shape[1], "A")
    traces = Traces(recording.streams["broadband"].recording, channels, options)
    artefacts = artefact_table(traces, find_artefacts(traces), ())
    bad = find_bad_channels(traces)
    write_envelope(recording, channels, bad, artefacts, options, folder / "e.zarr", **how)
    return read_envelope(folder / "e.zarr")


def everything(envelope):
    with envelope.opened() as read:
        return [read(segment, 0, n) for segment, (_, n) in enumerate(envelope.segments)]


def noise(seconds, n=2, seed=0):
    return np.random.default_rng(seed).normal(0, 9 / GAIN, (round(seconds * RATE), n))


def plain(counts):
    """As Super & Roelfsema have it, on the whole recording at once."""
    band = signal.butter(3, [500, 5000], "bandpass", fs=RATE, output="sos")
    low = signal.butter(3, 200, "lowpass", fs=RATE, output="sos")
    rectified = np.abs(signal.sosfiltfilt(band, np.round(counts) * GAIN, axis=0))
    return signal.sosfiltfilt(low, rectified, axis=0)[::30]


def test_is_scipys_on_the_whole_across_chunks_and_threads(tmp_path):
    counts = noise(21.3) * (1.5 + np.sin(np.arange(round(21.3 * RATE)) / 9000))[:, None]
    found = everything(envelope_of(tmp_path, [counts], n_jobs=2))[0]
    expected = plain(counts)
    assert found.shape == (21_300, 2)
    np.testing.assert_allclose(found[50:-50], expected[50:-50], atol=0.02)


def test_a_tone_in_the_band_has_the_envelope_of_its_mean_and_one_below_has_none(tmp_path):
    time = np.arange(2 * RATE) / RATE
    counts = 200 * np.sin(2 * np.pi * np.outer(time, [1500, 60]))
    found = everything(
        envelope_of(tmp_path, [counts], options=Sorting(reference="none", leave_out_bad=False))
    )
    middle = found[0][200:-200].mean(axis=0)
    assert middle[0] == pytest.approx(200 * GAIN * 2 / np.pi, rel=0.02)
    assert middle[1] < 0.05


def test_segments_keep_their_starts_and_bad_electrodes_are_left_out(tmp_path):
    counts = noise(2.0, 3)
    counts[:, 1] = 7
    found = envelope_of(tmp_path, [counts[:30_000], counts[30_000:]], [0.5, 90.25])
    assert found.channels == (1, 3)
    assert found.segments == ((0.5, 1000), (90.25, 1000))


def test_a_blanked_stretch_holds_the_level_around_it(tmp_path):
    counts = noise(3.0, 8)
    counts[45_000:45_600] += 8000 * np.sin(np.arange(600))[:, None] * np.linspace(0.5, 1, 8)
    found = everything(envelope_of(tmp_path, [counts], options=Sorting(reference="array")))[0]
    inside, level = found[1500:1520], found[:1400].mean()
    assert inside.mean() == pytest.approx(level, rel=0.1)
    assert found.max() < 2 * level


def test_artefacts_come_back_from_their_table():
    counts = noise(3.0, 8)
    counts[45_000:45_600] += 8000 * np.sin(np.arange(600))[:, None]
    counts[60_000:60_300, 2] = 30_000
    channels = make_channels(8, "A")
    half = [np.round(counts[:50_000]).astype(np.int16), np.round(counts[50_000:]).astype(np.int16)]
    traces = Traces(make_recording(half, [1.0, 77.7]), channels, Sorting())
    found = find_artefacts(traces)
    again = from_table(traces, artefact_table(traces, found, ()))
    assert [(f.reason, f.group, f.channel, f.period) for f in again] == [
        (f.reason, f.group, f.channel, f.period) for f in found
    ]
    assert [f.rows.tolist() for f in again] == [f.rows.tolist() for f in found] != []


def made_up(n=5000, channels=3):
    values = np.random.default_rng(0).normal(size=(n, channels)).astype(np.float32)

    class Opened:
        def __enter__(self):
            return lambda segment, first, end: values[first:end] + 100 * segment

        def __exit__(self, *_):
            return None

    return values, Envelope((1, 2, 3)[:channels], ((2.0, n), (50.0, n)), Opened)


@given(st.lists(st.floats(2.1, 6.7), min_size=1, max_size=5))
def test_windows_are_numpys_interpolation_at_the_middle_of_each_ms(onsets):
    values, envelope = made_up()
    cut = envelope.around(np.array(onsets), -50, 250)
    at = (np.array(onsets)[:, None] - 2.0) * 1000 + np.arange(-50, 250) + 0.5
    for channel in range(3):
        expected = np.interp(at, np.arange(5000), values[:, channel])
        np.testing.assert_allclose(cut[channel], expected, atol=1e-4)


def test_windows_where_nothing_was_recorded_are_nan():
    values, envelope = made_up()
    cut = envelope.around(np.array([2.0, 7.0, 30.0, np.nan, 0.5, 50.1]), -50, 50)
    assert np.isnan(cut[0, 0]).tolist() == [True] * 50 + [False] * 50
    assert np.isnan(cut[0, 1]).tolist() == [False] * 49 + [True] * 51
    assert np.isnan(cut[:, 2:5]).all()
    np.testing.assert_allclose(cut[:, 5], 100 + on_line(values, np.arange(50, 150) + 0.5), atol=1e-4)


def test_a_recording_without_voltages_has_no_envelope(tmp_path):
    recording = _Recording([noise(0.1)], streams=("field",))
    write_envelope(recording, make_channels(2), None, None, SETTINGS, tmp_path / "e.zarr")
    assert read_envelope(tmp_path / "e.zarr").channels == ()
    with pytest.raises(InputError, match="no readable envelope"):
        read_envelope(tmp_path / "nowhere.zarr")
