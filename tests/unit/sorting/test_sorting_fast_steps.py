"""Steps of the sorter that leave work out, or do many values at once, give what the plain ones give."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_spikes import wave
from sklearn.cluster import kmeans_plusplus

from evoalign.sorting.bad_channels import ROWS, extremes_of
from evoalign.sorting.exponentials import SMALLEST, exponential
from evoalign.sorting.matching_gains import find_cores, find_gains
from evoalign.sorting.matching_steps import SCALES
from evoalign.sorting.medians import median
from evoalign.sorting.starts import spread_points
from evoalign.sorting.whitening import blocks_of, whiten

THRESHOLD = np.float32(30)
BEFORE = 21


def gains_of(trace, waves, cores, precision, cost, least):
    """Gains and units of a whole trace, by these cores of the templates."""
    n, length = len(trace), waves.shape[2]
    gains, units = np.full(n, np.float32(-1)), np.zeros(n, np.int16)
    energy, state = np.sum(waves**2, axis=2, dtype=np.float32), np.zeros((len(waves), n), np.uint8)
    find_gains(
        trace, BEFORE + 1, n - length, waves, cores, energy, precision, cost, least, BEFORE,
        np.float32(SCALES[1]), state, gains, units,
    )  # fmt: skip
    return gains, units


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("size", [7.0, 15.0, 40.0])
def test_gains_are_the_same_where_parts_of_templates_are_left_out(seed, size):
    rng = np.random.default_rng(seed)
    shapes = np.array([wave(rng.uniform(0.06, 0.25), rng.uniform(0, 0.7)) for _ in range(3)])
    waves = (size * rng.uniform(0.5, 1, 3)[:, None, None] * shapes[:, None, :]).astype(np.float32)
    trace = rng.normal(0, 1, 9000).astype(np.float32)
    for at in rng.integers(100, 8900, 60):
        trace[at : at + waves.shape[2]] += (waves[rng.integers(3), 0] * rng.uniform(0.4, 1.5))[: 9000 - at]
    precision, cost = np.full((2, 3), np.float32(40)), np.zeros((2, 3), np.float32)
    energy = np.sum(waves[:, 0] ** 2, axis=1)
    least = (np.sqrt((energy + precision) * (THRESHOLD + precision)) - precision).astype(np.float32)
    cores, length = find_cores(waves, least), waves.shape[2]
    whole = np.zeros(3, np.int64), np.full(3, length), np.zeros(3, np.float32)
    assert (cores[1] < length).any()
    gains, units = gains_of(trace, waves, cores, precision, cost, least)
    expected, expected_units = gains_of(trace, waves, whole, precision, cost, least)
    assert (expected > THRESHOLD).sum() > 10
    np.testing.assert_array_equal(gains, expected)
    np.testing.assert_array_equal(units[gains > 0], expected_units[gains > 0])


def test_exponentials_are_numpys():
    values = np.concatenate([-np.random.default_rng(0).exponential(50, 20_000), [0, -1e-20, 1, 699.5]])
    exponentials = values.copy()
    exponential(exponentials)
    np.testing.assert_allclose(exponentials, np.exp(np.maximum(values, SMALLEST)), rtol=5e-16)
    far = np.array([-np.inf, -1e9])
    exponential(far)
    assert (far > 0).all() and (far < 1e-300).all()


@pytest.mark.parametrize("seed", range(40))
def test_starts_are_those_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(int(rng.integers(50, 2000)), 8)) * rng.uniform(0.5, 5, 8)
    ours, theirs = np.random.RandomState(seed), np.random.RandomState(seed)
    for n in (1, 2, 5, 12):
        expected = kmeans_plusplus(points, n, random_state=theirs)[1]
        np.testing.assert_array_equal(spread_points(points, n, ours), expected)


def test_as_many_starts_as_points_are_found_among_copies():
    chosen = spread_points(np.repeat([[0.0, 1.0], [5.0, 1.0]], 3, axis=0), 6, np.random.RandomState(0))
    assert ((chosen >= 0) & (chosen < 6)).all()
    assert len(set(chosen[:2] // 3)) == 2


@pytest.mark.parametrize("n", [300, 767, 5000, 40_000])
def test_whitened_blocks_are_the_same_with_and_without_the_others(n):
    rng = np.random.default_rng(n)
    trace, kernel = rng.normal(0, 9, n).astype(np.float32), rng.normal(0, 0.1, 257).astype(np.float32)
    samples = np.sort(rng.integers(30, n - 40, 5))
    stretch = samples[:, None] + np.arange(-30, 41)
    needed = blocks_of(samples, 30, 40, n)
    np.testing.assert_array_equal(whiten(trace, kernel, needed)[stretch], whiten(trace, kernel)[stretch])
    assert n < 40_000 or not needed.all()


@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), max_size=60))
@settings(max_examples=200, deadline=None)
def test_median_is_numpys_to_the_bit(values):
    values = np.array(values, np.float32)
    np.testing.assert_array_equal(np.float32(median(values)), np.median(values) if len(values) else np.nan)


def test_median_of_what_is_no_number_is_none():
    assert np.isnan(median(np.array([1, np.nan, 3], np.float32)))


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
@pytest.mark.parametrize("n", [1, ROWS - 1, ROWS, 5 * ROWS + 3])
def test_extremes_of_channels_are_numpys(n, dtype):
    block = np.random.default_rng(n).integers(-3000, 3000, (n, 5)).astype(dtype)
    low, high = extremes_of(block)
    np.testing.assert_array_equal(low, block.min(axis=0))
    np.testing.assert_array_equal(high, block.max(axis=0))
