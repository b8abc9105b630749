"""Spike trains: planted rate, dead time, bursts, and what an online sorter saves."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evoalign.simulate.spiketrains import ceiling_hz, driven_rate, sort_online, spike_train, with_bursts

KERNELS = np.stack(
    [np.r_[np.zeros(50), np.full(50, 80.0), np.zeros(125)], np.r_[np.zeros(100), np.full(125, 40.0)]]
)


def test_spikes_follow_the_planted_rate_ms_by_ms():
    onsets = 0.5 + 0.2 * np.arange(3000)
    rng = np.random.default_rng(0)
    matches = np.stack([np.tile([1.0, 0.5], 1500), np.tile([0.0, 1.0], 1500)])
    rate = lambda times: driven_rate(times, onsets, matches, KERNELS, 12.0)
    spikes = spike_train(rate, ceiling_hz(KERNELS, 12.0), 0.0, 601.0, rng)
    for kind in (0, 1):
        lags = np.concatenate([spikes[(spikes >= o) & (spikes < o + 0.2)] - o for o in onsets[kind::2]])
        found = np.histogram(lags, np.arange(0, 0.2001, 0.01))[0]
        centres = onsets[kind] + np.arange(200) / 1000 + 5e-4
        expected = rate(centres + 0.4).reshape(20, 10).mean(axis=1) * 0.01 * 1500
        # Poisson errors, a little tighter for the dead time; 20 bins twice, no bin off by 4.5 SD.
        assert np.abs((found - expected) / np.sqrt(expected)).max() < 4.5


def test_the_rate_is_the_sum_of_the_last_two_responses():
    rate = driven_rate(
        np.array([0.9, 1.005, 1.06, 1.19, 1.21]), np.array([1.0, 1.19]), np.ones((2, 2)), KERNELS, 5.0
    )
    assert rate.tolist() == [
        5,
        5,
        85,
        45,
        45,
    ]  # the first image's late response is added to the second's start
    assert driven_rate(np.array([1.0]), np.empty(0), np.empty((2, 0)), KERNELS, 5.0).tolist() == [5.0]


@settings(max_examples=25, deadline=None)
@given(rate=st.floats(1, 150), seed=st.integers(0, 10_000))
def test_no_two_spikes_are_closer_than_the_dead_time(rate, seed):
    rng = np.random.default_rng(seed)
    spikes = spike_train(lambda t: np.full(len(t), rate), rate, 0.0, 20.0, rng, last_s=-1e-4)
    bursting, sizes = with_bursts(spikes, 0.3, rng)
    for times in (spikes, bursting):
        assert (np.diff(times) >= 1.5e-3).all()
    assert spikes.size == 0 or spikes[0] >= 1.4e-3
    assert len(sizes) == len(bursting)
    assert set(np.round(sizes, 6)) <= {1.0, 0.85, 0.7225, 0.614125}


def test_intervals_are_exponential_after_the_dead_time():
    rng = np.random.default_rng(1)
    spikes = spike_train(lambda t: np.full(len(t), 60.0), 60.0, 0.0, 300.0, rng)
    assert len(spikes) / 300 == pytest.approx(60, rel=0.03)
    # Dead time 1.5 ms and mean interval 1/60 s: the rest is exponential.
    scale = 1 / 60 - 1.5e-3
    assert stats.kstest(np.diff(spikes) - 1.5e-3, "expon", args=(0, scale)).pvalue > 1e-3


def test_bursts_are_short_intervals_of_falling_size():
    lone = np.arange(1, 2000) * 0.05
    times, sizes = with_bursts(lone, 0.4, np.random.default_rng(2))
    inside = np.diff(times) < 5e-3
    assert inside.sum() == pytest.approx(0.4 * 2 * len(lone), rel=0.1)  # one to three more each
    assert (sizes[1:][inside] < sizes[:-1][inside]).all()
    assert np.isin(lone, times[sizes == 1]).all()


def online_case():
    units = pd.DataFrame({"unit": [0, 1, 2], "channel": [1, 1, 2], "online_unit": [1, 2, 0]})
    rng = np.random.default_rng(3)
    spikes = pd.concat(
        pd.DataFrame({"unit": u, "time_s": np.sort(rng.uniform(0.1, 99.9, 2000))}) for u in units["unit"]
    )
    return spikes, units, sort_online(spikes, units, 100.0, np.random.default_rng(4))


def test_online_spikes_miss_some_mistake_some_and_lead_the_trough():
    spikes, _, online = online_case()
    a = online.query("channel == 1 and unit == 1")["time_s"].to_numpy()
    true = np.sort(spikes.query("unit == 0")["time_s"].to_numpy())
    nearest = true[np.clip(np.searchsorted(true, a), 0, len(true) - 1)]
    near = np.abs(nearest - a - 1.5e-4) < 1.5e-4
    assert 0.93 < near.sum() / len(true) < 0.99
    assert 0.97 < near.mean() < 1.0  # a few belong to the other unit
    assert (nearest - a)[near].mean() == pytest.approx(1.5e-4, abs=1e-5)


def test_online_spikes_are_sorted_and_hold_unsorted_crossings():
    _, _, online = online_case()
    assert online["time_s"].is_monotonic_increasing
    assert (online.query("channel == 2")["unit"] == 0).all()
    assert 2000 < len(online.query("channel == 2")) < 2500  # the small unit and 4 Hz of background
    assert len(online.query("channel == 1 and unit == 0")) > 300
