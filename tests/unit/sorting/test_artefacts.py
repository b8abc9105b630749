"""Artefacts are found where they were put, whatever is recorded beside them, and blanked there alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_spikes import GAIN, RATE, make_channels, make_recording, wave
from scipy import signal

from evoalign.sorting.artefacts import artefact_table, blank, blanked_share, find_artefacts
from evoalign.sorting.settings import Sorting
from evoalign.sorting.sort import sort
from evoalign.sorting.traces import Chunk, Traces

N = 16
SETTINGS = Sorting(reference_min_channels=8)


def noise(seconds=3.0, n=N, seed=0):
    return np.random.default_rng(seed).normal(0, 9 / GAIN, (round(seconds * RATE), n))


def stimulation(counts, times_s, size_uv=2000.0):
    """Biphasic pulses of 0.2 ms a phase with a decay of 1 ms, graded over electrodes."""
    pulse = np.concatenate([-np.ones(6), np.ones(6), 0.5 * np.exp(-np.arange(90) / 30)])
    for time in times_s:
        at = round(time * RATE)
        counts[at : at + len(pulse)] += size_uv / GAIN * pulse[:, None] * np.linspace(0.3, 1, counts.shape[1])


def chewing(counts, start_s, stop_s, sd_uv=150.0):
    """Muscle: noise from 100 to 1000 Hz that all electrodes share, each with a size of its own."""
    rng = np.random.default_rng(5)
    a, b = round(start_s * RATE), round(stop_s * RATE)
    muscle = signal.sosfiltfilt(
        signal.butter(2, [100, 1000], "bandpass", fs=RATE, output="sos"), rng.normal(size=b - a)
    )
    counts[a:b] += sd_uv / GAIN * muscle[:, None] / muscle.std() * rng.uniform(0.6, 1.4, counts.shape[1])


def found_in(counts, options=SETTINGS, n_jobs=1, **columns):
    channels = make_channels(counts.shape[1], "A").assign(**columns)
    limited = np.clip(np.round(counts), -32768, 32767).astype(np.int16)
    traces = Traces(make_recording([limited]), channels, options)
    artefacts = find_artefacts(traces, n_jobs)
    return traces, artefacts


def table_of(traces, artefacts):
    return artefact_table(traces, artefacts, ())


def test_noise_has_no_artefacts():
    assert found_in(noise(10.0))[1] == []


def test_pulses_of_stimulation_are_found_each_for_itself():
    counts, times = noise(), [0.5, 0.52, 1.0, 2.9]
    stimulation(counts, times)
    found = table_of(*found_in(counts))
    assert (found["reason"] == "common").all() and (found["group"] == "A").all()
    assert len(found) == 4
    for row, time in zip(found.itertuples(), times, strict=True):
        assert row.start_s <= time - 0.0015 and time + 0.0015 <= row.stop_s < time + 0.012


def test_chewing_is_blanked_and_the_rest_is_kept():
    counts = noise()
    chewing(counts, 1.0, 1.6)
    traces, artefacts = found_in(counts)
    covered = sum(one.period.stop - one.period.start for one in artefacts) / RATE
    assert 0.55 < covered < 0.65
    before = np.abs(traces.filtered(Chunk(0, 0, round(3 * RATE)), referenced=False)).max(axis=1)
    blank(traces, artefacts)
    after = traces.filtered(Chunk(0, 0, round(3 * RATE)))
    assert before.min() > 60 and np.abs(after).max() < 60, "noise of 9 µV reaches 60 µV never"
    share = np.mean(after == 0, axis=1)
    np.testing.assert_allclose(share, blanked_share(traces, artefacts), atol=1e-4)


def test_neurons_that_fire_at_once_are_no_artefact():
    counts = noise()
    rng = np.random.default_rng(1)
    for at in range(1000, len(counts) - 1000, 450):
        for row in rng.permutation(N)[: N // 2]:
            counts[at : at + 60, row] += 150 / GAIN * wave(0.12, 0.3)
    assert found_in(counts)[1] == []


def test_arrays_have_artefacts_of_their_own():
    counts = noise(n=2 * N)
    stimulation(counts[:, N:], [1.5])
    channels = {"array": ["A"] * N + ["B"] * N}
    artefacts = found_in(counts, **channels)[1]
    assert [(one.group, one.rows.tolist()) for one in artefacts] == [("B", list(range(N, 2 * N)))]
    everything = found_in(counts, Sorting(reference="none"), **channels)[1]
    assert everything == [], "half of all electrodes are not enough"


def test_few_electrodes_cannot_tell_artefacts_from_spikes():
    counts = noise(n=7)
    stimulation(counts, [1.0])
    assert found_in(counts)[1] == []


@given(st.floats(0.01, 0.97))
@settings(max_examples=25, deadline=None)
def test_saturation_is_marked_on_its_electrode_for_its_time(start_s):
    counts = noise(1.0, 3)
    a, b = round(start_s * RATE), round(start_s * RATE) + 200
    counts[a:b, 1] = 32_000
    found = table_of(*found_in(counts))
    assert found[["reason", "channel"]].to_numpy().tolist() == [["saturated", 2]]
    pad = 1e-3 * SETTINGS.blank_pad_ms + 1 / RATE
    assert found["start_s"][0] == pytest.approx(a / RATE, abs=pad)
    assert found["stop_s"][0] == pytest.approx(b / RATE, abs=pad)


def test_an_artefact_across_chunks_is_one_whatever_the_number_of_threads():
    counts = noise(21.0, 8)
    border = found_in(counts[:1])[0].chunks()
    assert len(border) == 1
    stimulation(counts, [9.9995, 10.0, 10.0005])
    counts[round(19.99 * RATE) : round(20.01 * RATE), 3] = 30_000
    traces, artefacts = found_in(counts)
    assert any(chunk.start == round(10 * RATE) for chunk in traces.chunks())
    assert [one.reason for one in artefacts] == ["common", "saturated"]
    again = found_in(counts, n_jobs=3)[1]
    assert [one.period for one in again] == [one.period for one in artefacts]


@pytest.mark.parametrize("blanked", [True, False])
def test_the_config_says_whether_pulses_become_spikes(blanked):
    counts = noise()
    times = np.arange(0.2, 2.8, 0.1)
    # Of both signs: what the median of the electrodes does not take off.
    stimulation(counts[:, ::2], times)
    stimulation(counts[:, 1::2], times, -2000.0)
    recording = make_recording([np.clip(np.round(counts), -32768, 32767).astype(np.int16)])
    options = Sorting(blank_artefacts=blanked)
    result = sort(recording, make_channels(N, "A"), options, seed=0)
    assert (result.bad_channels["reason"] == "").all(), "pulses in common make no electrode another's copy"
    crossings = result.spikes.merge(result.units[["unit", "kind", "channel"]]).query("kind == 'multiunit'")
    for channel in range(1, N + 1):
        on_channel = crossings.loc[crossings["channel"] == channel, "time_s"].to_numpy()
        lag_s = np.abs(times - np.append(on_channel, -1.0)[:, None]).min(axis=0)
        # Noise crosses the threshold here and there, but not where a pulse was blanked.
        assert blanked or (lag_s < 0.0035).all()
        starts, stops = (result.artefacts[column].to_numpy() for column in ("start_s", "stop_s"))
        at_pulse = (on_channel[:, None] >= starts) & (on_channel[:, None] < stops)
        assert at_pulse.any() != blanked
    assert len(result.artefacts) == len(times)
    middle = (result.artefacts["start_s"] + result.artefacts["stop_s"]) / 2
    assert np.abs(middle.to_numpy() - times).max() < 0.0035, "and blanked is where the pulses are"
    share = result.bad_channels["blanked_share"]
    assert (share > 0.03).all() if blanked else (share == 0).all()
    sds = result.bad_channels
    assert (sds["blanked_sd_uv"] < sds["referenced_sd_uv"]).all() == blanked
