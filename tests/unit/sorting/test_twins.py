"""Two units of nearly one shape are told from one unit, whose spikes may vary."""

import numpy as np
import pytest
from planted_spikes import wave

from evoalign.sorting.modes import unimodal
from evoalign.sorting.twins import MAX_VARIANCE, MIN_SHARE, Twins, part, with_twins

N_SAMPLES, MIN_SPIKES = 60, 20


def shapes(apart):
    """Two shapes of some ten noise SDs, `apart` from each other, that do not differ in size alone."""
    first = 10 * wave(0.12, 0.3) / np.linalg.norm(wave(0.12, 0.3))
    across = wave(0.3, 0.2) - first * (wave(0.3, 0.2) @ first) / (first @ first)
    return first, first + apart * across / np.linalg.norm(across)


def spikes(mean, n, rng):
    return (mean + rng.normal(0, 1, (n, N_SAMPLES))).astype(np.float32)


@pytest.mark.parametrize(("apart", "n"), [(2.8, (900, 900)), (3.5, (500, 300)), (4.0, (800, 200))])
def test_two_units_of_nearly_one_shape_are_parted(apart, n):
    rng = np.random.default_rng(0)
    first, second = shapes(apart)
    waves = np.concatenate([spikes(first, n[0], rng), spikes(second, n[1], rng)])
    is_second = part(waves, MIN_SPIKES)
    assert is_second is not None
    right = np.mean(is_second == (np.arange(sum(n)) >= n[0]))
    # No rule does better than the normal integral of half their distance, at shares of a half.
    assert max(right, 1 - right) > {2.8: 0.89, 3.5: 0.94, 4.0: 0.95}[apart]


def varying(kind, rng):
    """One unit's spikes: how they differ from its mean ``[spike, sample]``."""
    n, (mean, other) = int(rng.integers(100, 2500)), shapes(3.0)
    along, across = mean / np.linalg.norm(mean), (other - mean) / np.linalg.norm(other - mean)
    return {
        "constant": lambda: np.zeros((n, N_SAMPLES)),
        "of a long axis": lambda: rng.normal(0, 2, n)[:, None] * across,
        "of even sizes": lambda: rng.uniform(-3, 3, n)[:, None] * along,
        "with a tail": lambda: rng.exponential(1.5, n)[:, None] * across,
        "of two sizes": lambda: rng.choice([0, 3.5], n)[:, None] * along,
        "with some collided": lambda: (rng.random(n) < 0.05)[:, None] * 8 * across,
    }[kind]() + mean


KINDS = ["constant", "of a long axis", "of even sizes", "with a tail", "of two sizes", "with some collided"]


@pytest.mark.parametrize("kind", KINDS)
def test_one_unit_is_parted_in_one_of_fifty_cases_at_most(kind):
    rng, parted = np.random.default_rng(1), 0
    for _ in range(100):
        mean = varying(kind, rng)
        parted += part((mean + rng.normal(0, 1, mean.shape)).astype(np.float32), MIN_SPIKES) is not None
    assert parted <= 2


def test_the_sum_of_two_clouds_has_two_peaks_where_their_density_has():
    values = np.linspace(-6, 6, 4001)
    for share in (0.5, 0.3, 0.1):
        for apart in np.arange(1.05, 5.0, 0.1):
            twins = Twins(np.array([share, 1 - share]), np.array([[0.0], [apart]]), np.ones(1), 1.0)
            density = np.exp(twins.log_densities(values[:, None])).sum(axis=0)
            n_peaks = np.count_nonzero((density[1:-1] > density[:-2]) & (density[1:-1] >= density[2:]))
            assert twins.are_round() == (n_peaks == 2)
    assert not Twins(np.full(2, 0.5), np.array([[0.0], [9.0]]), np.ones(1), MAX_VARIANCE + 0.1).are_round()
    assert MIN_SHARE < 0.5


def test_the_second_unit_has_a_number_that_no_cluster_had():
    rng = np.random.default_rng(2)
    first, second = shapes(3.5)
    waves = np.concatenate([spikes(first, 600, rng), spikes(second, 600, rng), spikes(-first, 300, rng)])
    labels, pieces = np.repeat([0, 1], [1200, 300]), np.repeat([0, 4], [1200, 300])
    found, of_pieces = with_twins(labels, pieces, waves, MIN_SPIKES)
    assert set(found) == {0, 1, 5} and set(of_pieces) == {0, 4, 5}
    assert (found[1200:] == 1).all()


def test_a_large_cluster_and_a_small_one_beside_it_have_two_peaks():
    """isosplit6 alone makes one cluster of them: nearly all spikes lie in the large one."""
    rng = np.random.default_rng(3)
    for _ in range(5):
        large, small = rng.normal(0, 1, (1100, 8)), rng.normal(0, 1, (280, 8)) * [1.5, *np.ones(7)]
        small[:, 0] += 5.5
        assert not unimodal(large, small) and not unimodal(small, large)


def test_halves_of_one_cluster_have_one_peak():
    rng, wrong = np.random.default_rng(4), 0
    for _ in range(100):
        points = rng.normal(0, 1, (int(rng.integers(100, 2000)), 8)) * rng.uniform(1, 2, 8)
        is_upper = points[:, 0] > rng.normal(0, 1)
        if min(is_upper.sum(), (~is_upper).sum()) > 20:
            wrong += not unimodal(points[is_upper], points[~is_upper])
    assert wrong <= 3
