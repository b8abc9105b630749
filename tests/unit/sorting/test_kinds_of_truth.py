"""The benchmark's kinds of ground truth and its entries, where they are not a library's."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import spikeinterface as si
from scipy.interpolate import CubicSpline

from evoalign.formats.blackrock.write import write_nev

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(str(BENCHMARKS))
    from sorting import judge
    from sorting_drawn import Firing, Layout, NoSource, hash_of_far_cells, with_units
    from sorting_entries import forced, haar, why_missing
    from sorting_real import read_units

RATE_HZ = 30_000
TROUGH = 12  # sample of the planted waveforms


def planted_waves(rng, n=400, noise_uv=3.0, width_sd=0.0):
    """Waveforms [spike, sample] in µV: a trough of 80 and a bump, whose width varies."""
    time = (np.arange(38) - TROUGH + rng.uniform(-0.4, 0.4, (n, 1))) / np.exp(rng.normal(0, width_sd, (n, 1)))
    wave = -80 * np.exp(-0.5 * (time / 3) ** 2) + 30 * np.exp(-0.5 * ((time - 10) / 5) ** 2)
    return wave + rng.normal(0, noise_uv, wave.shape)


def nev_of(path, waves):
    """Write the waveforms as those of unit 1 of channel 7, and noise as its unsorted spikes."""
    noise = np.random.default_rng(1).normal(0, 3, waves.shape)
    rows = pd.DataFrame({"channel": 7, "unit": np.repeat([1, 0], len(waves))})
    rows["time_s"] = np.arange(len(rows)) * 0.01
    counts = np.rint(np.concatenate([waves, noise]) / 0.25).astype(np.int16)
    write_nev(path, channels=(7,), spikes=rows, waveforms=counts)
    return path


def test_shape_of_a_real_unit_is_the_mean_of_its_spikes(tmp_path):
    waves = planted_waves(np.random.default_rng(0))
    (unit,) = read_units(nev_of(tmp_path / "a.nev", waves))
    time = unit.time_ms / 1e3 * RATE_HZ
    planted = -80 * np.exp(-0.5 * (time / 3) ** 2) + 30 * np.exp(-0.5 * ((time - 10) / 5) ** 2)
    planted /= -CubicSpline(time, planted)(0)
    inner = slice(4, -4)  # it is brought to zero at both ends
    np.testing.assert_allclose(unit.mean[inner], planted[inner], atol=0.08)


def test_only_what_is_more_than_noise_counts_as_variability(tmp_path):
    rng = np.random.default_rng(0)
    (constant,) = read_units(nev_of(tmp_path / "a.nev", planted_waves(rng)))
    (varying,) = read_units(nev_of(tmp_path / "b.nev", planted_waves(rng, width_sd=0.2)))
    energy = [np.mean(unit.varying**2) / np.mean(unit.mean**2) for unit in (constant, varying)]
    assert energy[0] < 0.01
    assert energy[1] > 5 * energy[0]


def test_missing_sources_are_named(tmp_path):
    with pytest.raises(NoSource, match="needed"):
        read_units(None)
    with pytest.raises(NoSource, match="no sorted unit"):
        read_units(nev_of(tmp_path / "few.nev", planted_waves(np.random.default_rng(0), n=20)))
    assert "no such sorter" in why_missing("nosuchsorter")


def test_drawn_units_have_their_troughs_where_the_truth_says():
    rng, layout = (
        np.random.default_rng(0),
        Layout(n_electrodes=1, duration_s=10.0, rate_hz=20_000.0, gain_uv=0.1),
    )
    silence = np.zeros((layout.n_samples, 1))
    recording, truth = with_units(silence, [(0, 100.0)], rng, Firing((10.0, 10.0)), layout=layout)
    trace = recording.get_traces(return_in_uV=True)[:, 0]
    at = truth.get_unit_spike_train(0)
    assert len(at) > 50
    assert np.all(np.abs(trace[at] + 100) < 25)  # sizes differ by 3 %, troughs lie up to half a sample beside
    assert recording.get_sampling_frequency() == 20_000


def test_hash_has_the_noise_that_is_asked_for():
    trace = hash_of_far_cells(np.random.default_rng(0), 7.0, Layout(duration_s=5.0))
    assert trace.std() == pytest.approx(7.0)


def testhaar_coefficients_keep_distances():
    waves = np.random.default_rng(0).normal(size=(20, 64))
    coefficients = haar(waves)
    np.testing.assert_allclose(coefficients @ coefficients.T, waves @ waves.T)


def test_spikes_of_no_class_go_to_the_nearest_in_reach():
    rng = np.random.default_rng(0)
    centres = np.array([0.0, 50.0, 50.0, 1000.0])
    waves = np.repeat(centres, 30)[:, None] + rng.normal(size=(120, 64))
    labels = np.repeat([1, 2, 0, 0], 30)
    np.testing.assert_array_equal(forced(labels, waves), np.repeat([1, 2, 2, 0], 30))


def test_a_perfect_sorter_is_judged_perfect_and_an_empty_one_finds_nothing():
    samples, labels = np.arange(1, 401) * 100, np.arange(400) % 4
    truth = si.NumpySorting.from_samples_and_labels([samples], [labels], RATE_HZ)
    none = si.NumpySorting.from_samples_and_labels([samples[:0]], [labels[:0]], RATE_HZ)
    assert judge(truth, truth) == {"accuracy": 1.0, "found": 4, "units": 4, "false_units": 0}
    assert judge(truth, none) == {"accuracy": 0.0, "found": 0, "units": 4, "false_units": 0}
