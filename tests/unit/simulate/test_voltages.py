"""Voltages: spikes where the truth says, noise as asked, the photodiode at the light."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy import signal

from evoalign.simulate.voltages import SimulatedElectrodes, photodiode_chunks, random_shape, templates

UNITS = pd.DataFrame({"unit": [0, 1], "channel": [1, 3], "amplitude_uv": [150.0, 90.0]})
GAIN = 0.25


def voltages(spikes, fs=30_000, duration=8.0, noise=9.0, seed=0):
    shapes = [random_shape(np.random.default_rng(k)) for k in (0, 1)]
    electrodes = SimulatedElectrodes(
        spikes,
        UNITS,
        shapes,
        n_electrodes=3,
        duration_s=duration,
        sampling_rate_hz=fs,
        noise_uv=noise,
        seed=[seed],
    )
    return np.concatenate(list(electrodes.chunks(GAIN))), shapes


def trains(n=300, duration=8.0, seed=1):
    rng = np.random.default_rng(seed)
    parts = [
        pd.DataFrame({"unit": u, "time_s": np.sort(rng.uniform(0.05, duration - 0.05, n)), "size": 1.0})
        for u in (0, 1)
    ]
    return pd.concat(parts, ignore_index=True)


def spike_band(trace, fs):
    return signal.sosfiltfilt(signal.butter(3, [300, 6000], "band", fs=fs, output="sos"), trace)


@pytest.mark.parametrize("fs", [30_000, 40_000])
def test_the_mean_waveform_at_the_true_times_is_the_units_own(fs):
    spikes = trains()
    counts, shapes = voltages(spikes, fs)
    assert counts.dtype == np.int16
    assert counts.shape == (8 * fs, 3)
    for unit, channel, amplitude in UNITS.itertuples(index=False):
        trace = counts[:, channel - 1] * GAIN
        samples = np.rint(spikes.query("unit == @unit")["time_s"].to_numpy() * fs).astype(int)
        window = np.arange(-round(0.0005 * fs), round(0.0012 * fs))
        mean = trace[samples[:, None] + window].mean(axis=0)
        expected = amplitude * shapes[unit](window * 1000 / fs)
        assert abs(window[mean.argmin()]) <= 1
        # Rounding to the sample smears the narrow trough a little.
        assert np.corrcoef(mean, expected)[0, 1] > 0.98
        assert mean.min() - np.median(mean) < -0.75 * amplitude


def test_spikes_lie_on_their_electrode_only():
    spikes = trains()
    counts, _ = voltages(spikes)
    samples = np.rint(spikes.query("unit == 0")["time_s"].to_numpy() * 30_000).astype(int)
    band = spike_band(counts[:, 1] * GAIN, 30_000)
    assert abs(band[samples].mean()) < 3
    assert spike_band(counts[:, 0] * GAIN, 30_000)[samples].mean() < -70


def test_chunk_borders_leave_no_trace():
    # One spike exactly at each border of a second, against one in the middle.
    at = lambda offset: pd.DataFrame({"unit": 0, "time_s": np.arange(1, 8) + offset, "size": 1.0})
    windows = []
    for offset in (0.0, 0.5):
        counts, _ = voltages(at(offset), noise=0.01)
        rest, _ = voltages(at(offset).iloc[:0], noise=0.01)
        samples = np.rint(at(offset)["time_s"].to_numpy() * 30_000).astype(int)
        difference = (counts.astype(float) - rest)[:, 0] * GAIN
        windows.append(difference[samples[:, None] + np.arange(-20, 40)])
    assert np.abs(windows[0] - windows[1]).max() <= 2 * GAIN


def test_times_between_samples_shift_the_waveform_by_eighths():
    shape = random_shape(np.random.default_rng(5))
    bank = templates([shape], 30_000)[0]
    fine = shape(np.arange(-24 * 8, 54 * 8) * 1000 / 30_000 / 8)
    for phase in range(8):
        assert np.allclose(bank[phase][10:40], fine[8 * np.arange(78) - phase][10:40], atol=2e-3)


def test_noise_is_as_asked_and_low_frequencies_dominate():
    none = trains().iloc[:0]
    counts, _ = voltages(none)
    trace = counts[:, 1] * GAIN
    frequency, power = signal.welch(trace, 30_000, nperseg=2**14)
    white = np.sqrt(np.median(power[(frequency > 8000) & (frequency < 14_000)]) * 15_000)
    assert white == pytest.approx(9, rel=0.1)
    field = power[(frequency > 4) & (frequency < 20)].mean()
    assert field > 1000 * power[(frequency > 8000) & (frequency < 14_000)].mean()
    noise = 1.4826 * np.median(np.abs(spike_band(trace, 30_000)))
    assert 5 < noise < 11


def test_the_same_seed_gives_the_same_counts_and_another_seed_others():
    spikes = trains()
    first, again, other = (voltages(spikes, seed=s)[0] for s in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_memory_does_not_grow_with_the_recording():
    def peak(duration):
        spikes = trains(200, duration)
        electrodes = SimulatedElectrodes(
            spikes, UNITS, [random_shape(np.random.default_rng(k)) for k in (0, 1)],
            n_electrodes=3, duration_s=duration, sampling_rate_hz=30_000, noise_uv=9.0, seed=[0],
        )  # fmt: skip
        tracemalloc.start()
        for _ in electrodes.chunks(GAIN):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(12.0) < 1.2 * peak(3.0)


@pytest.mark.parametrize("fs", [1000, 30_000])
def test_the_photodiode_rises_at_the_light_and_falls_with_it(fs):
    onsets, offsets = np.array([0.5013, 1.2, 2.95]), np.array([0.6013, 1.3, 3.05])
    trace = np.concatenate(list(photodiode_chunks(onsets, offsets, 4.0, fs, [0])))
    assert trace.shape == (4 * fs, 1)
    high = trace[:, 0] > 6400
    rise = np.flatnonzero(np.diff(high.astype(int)) == 1) / fs
    fall = np.flatnonzero(np.diff(high.astype(int)) == -1) / fs
    # Half height lies half a millisecond into the ramp; a sample of the channel to spare.
    assert np.allclose(rise, onsets + 5e-4, atol=1.1 / fs + 1e-5)
    assert np.allclose(fall, offsets + 5e-4, atol=1.1 / fs + 1e-5)
