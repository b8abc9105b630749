"""Spikes depend on the recording: not on the gain, the cores, or the chunks in which it is read."""

import numpy as np
import pytest
from planted_spikes import RATE, make_channels, make_recording, make_truth

from evoalign.sorting import traces
from evoalign.sorting.settings import Sorting
from evoalign.sorting.sort import sort


def sorted_spikes(counts, gain=0.25, n_jobs=1, start_s=0.0):
    recording = make_recording([counts], [start_s])
    recording.set_channel_gains(gain)
    settings = Sorting(online=False, noise_range_uv=(0.01, 1e5))  # gains that are wrong, and not refused
    return sort(recording, make_channels(counts.shape[1]), settings, seed=0, n_jobs=n_jobs)


@pytest.fixture(scope="module")
def counts():
    return make_truth(20.0)[0][:, :2]


@pytest.fixture(scope="module")
def reference(counts):
    return sorted_spikes(counts)


def least_agreement(first, second, shift_s=0.0):
    """Smallest share of a unit's spikes, of units in order, that agree within a sample."""
    assert len(first.units) == len(second.units) > 0
    shares = []
    for unit, twin in zip(first.units["unit"], second.units["unit"], strict=True):
        times = first.spikes.loc[first.spikes["unit"] == unit, "time_s"].to_numpy() + shift_s
        others = second.spikes.loc[second.spikes["unit"] == twin, "time_s"].to_numpy()
        agree = np.sum(np.abs(times[:, None] - others).min(axis=1) <= 1.01 / RATE)
        shares.append(agree / (len(times) + len(others) - agree))
    return min(shares)


@pytest.mark.parametrize("factor", [4.0, 0.37, 1e3])
def test_a_constant_factor_of_gain_changes_sizes_alone(counts, reference, factor):
    other = sorted_spikes(counts, 0.25 * factor)
    assert least_agreement(reference, other) > (0.9999 if factor == 4.0 else 0.99)
    ratio = other.units["amplitude_uv"].to_numpy() / reference.units["amplitude_uv"].to_numpy()
    np.testing.assert_allclose(ratio, factor, rtol=0.01)


def test_cores_and_a_shift_of_the_clock_change_nothing(counts, reference):
    other = sorted_spikes(counts, n_jobs=3, start_s=1000.0)
    assert least_agreement(reference, other, 1000.0) == 1.0


def test_the_length_of_chunks_changes_spikes_at_their_borders_at_most(counts, reference, monkeypatch):
    monkeypatch.setattr(traces, "CHUNK_S", (1.0, 3.7))
    assert least_agreement(reference, sorted_spikes(counts)) > 0.99
