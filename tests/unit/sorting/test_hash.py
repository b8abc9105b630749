"""The hash of far cells is told from units by evidence: its sizes are cut, it has no peak of its own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_spikes import RATE, one_unit, sorted_units, wave
from scipy import stats

from evoalign.sorting.clustering import BACKGROUND
from evoalign.sorting.hash import PEAK_AT_THRESHOLD, is_cut, without_hash
from evoalign.sorting.modes import stands_apart


def test_the_limit_is_that_of_a_half_normal_distribution():
    half = stats.halfnorm()
    assert pytest.approx(half.var() / half.mean() ** 2) == PEAK_AT_THRESHOLD
    assert is_cut(np.random.default_rng(0).exponential(1.0, 5000))


@given(st.floats(0.0, 0.9), st.integers(30, 3000), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_a_unit_of_which_the_threshold_cuts_little_is_told_by_its_sizes(lost, n, seed):
    edge = stats.norm.ppf(max(lost, 1e-6))
    excess = stats.truncnorm(edge, np.inf).rvs(n, random_state=seed) - edge
    if lost < 0.02:
        assert not is_cut(excess)
    if lost > 0.7 and n >= 300:  # of fewer some pass, as the next test says
        assert is_cut(excess)


def test_few_spikes_of_the_hash_pass_for_a_unit_in_one_of_fifty_cases_at_most():
    rng = np.random.default_rng(0)
    assert np.mean([not is_cut(rng.exponential(1.0, 30)) for _ in range(2000)]) < 0.02
    assert np.mean([not is_cut(np.abs(rng.normal(0, 1, 100))) for _ in range(2000)]) < 0.1


def test_a_peak_is_seen_and_a_slice_of_one_distribution_is_not():
    rng = np.random.default_rng(1)
    hash_ = rng.exponential(2.0, 2000)
    assert stands_apart(rng.normal(12, 1, 100), hash_)
    false = 0
    for _ in range(300):
        sizes = rng.exponential(2.0, 2000)
        false += stands_apart(sizes[sizes > 4], sizes[sizes <= 4])
    assert false <= 3


def test_a_slice_of_the_hash_goes_with_it_and_a_unit_in_it_stays():
    rng = np.random.default_rng(2)
    shape = wave(0.12, 0.3)
    sizes = np.concatenate([4.5 + rng.exponential(1.5, 3000), rng.normal(14, 1, 200)])
    waves = (sizes[:, None] * shape + rng.normal(0, 1, (3200, 60))).astype(np.float32)
    labels = np.where(np.arange(3200) >= 3000, 2, np.where((sizes > 7) & (sizes < 12), 1, 0))
    found = without_hash(labels, waves, sizes - 4.5)
    assert set(found[:3000]) == {BACKGROUND}
    assert set(found[3000:]) == {2}


def test_slices_of_the_hash_of_which_none_is_cut_alone_are_judged_together():
    rng = np.random.default_rng(4)
    sizes = 4.5 + rng.exponential(1.5, 3000)
    waves = (sizes[:, None] * wave(0.12, 0.3) + rng.normal(0, 1, (3000, 60))).astype(np.float32)
    labels = np.where(sizes > 7, 1, 0)
    assert not any(is_cut(sizes[labels == name] - 4.5) for name in (0, 1))
    assert set(without_hash(labels, waves, sizes - 4.5)) == {BACKGROUND}


def test_spikes_that_were_left_out_as_collided_do_not_join_a_unit_to_the_hash():
    rng = np.random.default_rng(3)
    first, second = wave(0.09, 0.5), wave(0.16, 0.2)
    waves = np.concatenate([np.tile(12 * first, (300, 1)), np.tile(12 * second, (300, 1))])
    waves += rng.normal(0, 1, waves.shape)
    labels = np.repeat([0, 1, -1], [300, 200, 100])
    found = without_hash(labels, waves.astype(np.float32), np.full(600, 8.0) + rng.normal(0, 1, 600))
    np.testing.assert_array_equal(found, labels)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_unit_of_five_noise_sds_in_quiet_noise_is_found(seed):
    """Its median spike lies below 1.3 thresholds, where there once was a floor."""
    voltage, at = one_unit(seed, 30.0, 31.0)
    result = sorted_units(voltage)
    assert len(result.units) == 1
    assert 4.0 < result.units["snr"][0] < 6.0
    found = np.rint(result.spikes["time_s"].to_numpy() * RATE)
    matched = np.sum(np.abs(at[:, None] - found).min(axis=1) <= 6)
    assert matched / (len(at) + len(found) - matched) > 0.85
