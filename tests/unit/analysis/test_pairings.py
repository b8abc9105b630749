"""Paired against shuffled prototypes: matrices pair by pair, the permutation test by scipy and its null."""

import itertools

import numpy as np
import pytest
import torch
from scipy import stats

from evoalign.analysis.statistics.pairings import pairing_test, shuffled_means
from evoalign.spaces import distances
from evoalign.spaces.lpips import NETWORKS, Lpips
from evoalign.spaces.pairings import distance_matrices


def named(n):
    return [f"u{k:03d}" for k in range(n)]


class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 32, 32), torch.nn.Softplus())

    def forward(self, images):
        return self.layers(images)


@pytest.fixture(scope="module")
def lpips():
    torch.manual_seed(1)
    own = NETWORKS["squeezenet"]
    state = {f"features.{key}": value for key, value in own.features().state_dict().items()}
    widths = (64, 128, 256, 384, 384, 512, 512)
    linear = {f"lin{k}.model.1.weight": torch.rand(1, n, 1, 1) for k, n in enumerate(widths)}
    return {"lpips_squeeze": Lpips(state, linear, "squeezenet")}


def test_matrices_hold_the_distances_of_every_pair(lpips):
    draw = torch.Generator().manual_seed(0)
    first, second = (
        [torch.rand(3, size, size, generator=draw, dtype=torch.float64) for size in sizes]
        for sizes in ((64, 48, 96), (80, 64, 64))
    )
    second[2] = torch.full_like(second[2], 0.5)
    networks = {"own": Small()}
    found = dict(distance_matrices(first, second, networks, lpips))
    for i, j in itertools.product(range(3), range(3)):
        frame = distances.image_distances(first[i][None], second[j][None], networks, lpips)
        assert set(found) == set(zip(frame["measure"], frame["mask"], strict=True))
        for row in frame.itertuples():
            own = float(found[row.measure, row.mask][i, j])
            assert own == pytest.approx(row.distance, rel=1e-5, abs=1e-7, nan_ok=True)
    assert found["correlation", "none"][:, 2].isnan().all()
    assert ("own", "rings") in found


def test_shuffled_means_are_over_the_partners_of_others():
    matrix = np.arange(9.0).reshape(3, 3)
    others = [[1, 2, 3, 6], [3, 5, 1, 7], [6, 7, 2, 5]]
    np.testing.assert_allclose(shuffled_means(matrix), np.mean(others, axis=1))
    assert np.isnan(shuffled_means(np.ones((1, 1)))).all()


def test_few_units_are_permuted_in_all_ways():
    rng = np.random.default_rng(0)
    areas = [rng.random((4, 4)), rng.random((3, 3))]
    found = pairing_test(areas, [named(4), named(3)], 1000, rng)
    sums = [
        [one[range(len(one)), order].sum() for order in itertools.permutations(range(len(one)))]
        for one in areas
    ]
    every = np.add.outer(*map(np.array, sums)).ravel() / 7
    assert found.n_permutations == len(every) == 24 * 6
    observed = sum(np.trace(one) for one in areas) / 7
    assert found.paired == pytest.approx(observed)
    assert found.p == pytest.approx(
        np.mean(np.abs(every - every.mean()) >= abs(observed - every.mean()) - 1e-12)
    )
    assert found.z == pytest.approx((observed - every.mean()) / every.std())
    off = [one[~np.eye(len(one), dtype=bool)].mean() for one in areas]
    assert found.shuffled == pytest.approx((4 * off[0] + 3 * off[1]) / 7)


def test_many_units_agree_with_scipys_permutation_test():
    rng = np.random.default_rng(1)
    matrix = rng.random((30, 30)) - 0.12 * np.eye(30)
    found = pairing_test([matrix], [named(30)], 20_000, rng)
    expected = stats.permutation_test(
        (np.arange(30),),
        lambda order: matrix[np.arange(30), order.astype(int)].mean() - matrix.mean(),
        permutation_type="pairings", n_resamples=20_000, vectorized=False, rng=2,
    )  # fmt: skip
    assert found.p == pytest.approx(expected.pvalue, abs=0.015)
    assert 0.001 < found.p < 0.2


def test_experiments_of_one_unit_are_exchanged_together():
    rng = np.random.default_rng(3)
    small = rng.random((5, 5))
    times = [3, 1, 2, 1, 1]
    at = np.repeat(np.arange(5), times)
    found = pairing_test([small[np.ix_(at, at)]], [np.array(named(5))[at]], 500, rng)
    expected = pairing_test([small], [named(5)], 500, rng)
    assert (found.n, found.units, found.p) == (8, 5, pytest.approx(expected.p))
    assert found.paired == pytest.approx(expected.paired)


def test_nothing_to_shuffle_is_no_test():
    rng = np.random.default_rng(0)
    found = pairing_test([np.array([[0.3]]), np.array([[0.5]])], [["a"], ["b"]], 100, rng)
    assert found.paired == pytest.approx(0.4) and np.isnan(found.p) and found.n_permutations == 0
    blank = np.array([[np.nan, np.nan], [np.nan, 0.2]])
    assert np.isnan(pairing_test([blank], [["a", "b"]], 100, rng).p)


@pytest.mark.parametrize("repeats", [1, 4], ids=["one experiment a unit", "four experiments a unit"])
def test_the_test_keeps_its_level_where_pairs_have_nothing_in_common(repeats):
    """Images of a unit resemble those of its other experiments, and not its images of the other space."""
    rng = np.random.default_rng(4)
    hits = 0
    for _ in range(1000):
        at = np.repeat(np.arange(10), repeats)
        first, second = (rng.normal(size=(10, 3))[at] + 0.3 * rng.normal(size=(len(at), 3)) for _ in range(2))
        matrix = np.linalg.norm(first[:, None] - second, axis=2)
        hits += pairing_test([matrix], [np.array(named(10))[at]], 199, rng).p <= 0.05
    assert stats.binomtest(hits, 1000, 0.05).pvalue > 1e-3


def test_planted_pairs_are_found():
    rng = np.random.default_rng(5)
    first = rng.normal(size=(12, 3))
    second = first + 0.5 * rng.normal(size=(12, 3))
    found = pairing_test([np.linalg.norm(first[:, None] - second, axis=2)], [named(12)], 999, rng)
    assert found.p < 0.005 and found.paired < found.low < found.shuffled and found.z < -2
