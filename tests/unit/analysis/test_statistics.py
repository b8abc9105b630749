"""Every shared statistic equals an independent computation: scipy, statsmodels, or brute force."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from evoalign.analysis.statistics import resampling
from evoalign.analysis.statistics import tests as statistics

samples = st.lists(st.floats(-1e3, 1e3, width=32), min_size=3, max_size=30).filter(lambda x: np.ptp(x) > 1e-2)


def moments(values):
    return statistics.moments(torch.tensor(values, dtype=torch.float64))


def agree(test, expected):
    np.testing.assert_allclose(test.t, expected.statistic, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(test.p, expected.pvalue, rtol=1e-6, atol=1e-12)


@given(samples, samples)
@settings(deadline=None)
def test_two_sample_t_is_scipys(first, second):
    agree(statistics.two_sample_t(moments(first), moments(second)), stats.ttest_ind(first, second))


@given(samples)
@settings(deadline=None)
def test_one_sample_t_is_scipys(values):
    agree(statistics.one_sample_t(moments(values)), stats.ttest_1samp(values, 0.0))


def test_batched_tests_leave_out_nan_as_scipy_does():
    rng = np.random.default_rng(0)
    first, second = rng.normal(1, 2, (4, 5, 12)), rng.normal(0, 1, (4, 5, 12))
    first[0, 1, 3:6] = second[2, 2, 7] = np.nan
    a, b = torch.tensor(first), torch.tensor(second)
    paired = stats.ttest_rel(first, second, axis=-1, nan_policy="omit")
    agree(statistics.paired_t(a, b), paired)
    unpaired = stats.ttest_ind(first, second, axis=-1, nan_policy="omit")
    agree(statistics.two_sample_t(statistics.moments(a), statistics.moments(b)), unpaired)
    np.testing.assert_allclose(
        statistics.moments(a).sem.numpy(), stats.sem(first, axis=-1, nan_policy="omit"), rtol=1e-12
    )


@pytest.mark.parametrize("values", [[], [1.0], [np.nan, 2.0, np.nan]])
def test_too_few_observations_give_no_test(values):
    test = statistics.one_sample_t(moments(values))
    assert np.isnan(test.t) and np.isnan(test.p)
    empty = statistics.two_sample_t(moments(values), moments([]))
    assert np.isnan(empty.t) and np.isnan(empty.p) and np.isnan(empty.df)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.data())
@settings(deadline=None)
def test_benjamini_hochberg_is_statsmodels_and_passes_over_nan(p, data):
    expected = multipletests(p, method="fdr_bh")[1]
    at = data.draw(st.integers(0, len(p)))
    with_gap = np.insert(np.array(p), at, np.nan)
    found = statistics.benjamini_hochberg(with_gap)
    assert np.isnan(found[at])
    # Below the smallest normal number a product keeps no digits.
    np.testing.assert_allclose(np.delete(found, at), expected, rtol=1e-12, atol=1e-300)


def test_benjamini_hochberg_takes_each_slice_as_a_family():
    p = np.random.default_rng(1).uniform(0, 0.2, (3, 8))
    along_columns = statistics.benjamini_hochberg(p, axis=0)
    for column in range(8):
        expected = multipletests(p[:, column], method="fdr_bh")[1]
        np.testing.assert_allclose(along_columns[:, column], expected)


@pytest.mark.parametrize(("k", "n"), [(0, 0), (0, 10), (10, 10), (38, 106)])
def test_rate_interval_is_the_beta_quantile(k, n):
    low, high = statistics.rate_interval(k, n)
    np.testing.assert_allclose([low, high], stats.beta(k + 1, n - k + 1).ppf([0.05, 0.95]), rtol=1e-10)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("kind", ["normal", "tied", "skewed", "with NaN", "in order"])
def test_interval_of_many_draws_is_numpys(kind, level):
    draws = np.random.default_rng(9).standard_normal((1000, 70))
    if kind == "tied":
        draws = np.round(draws)
    elif kind == "skewed":
        draws = np.exp(3 * draws)
    elif kind == "with NaN":
        draws[np.random.default_rng(10).random(draws.shape) < 0.1] = np.nan
    elif kind == "in order":  # the first draws tell nothing of the others' tails
        draws.sort(axis=0)
    expected = np.nanquantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    np.testing.assert_allclose(resampling.interval(draws, level), expected, rtol=1e-12, atol=1e-14)


def test_interval_is_the_quantile_without_nan():
    rng = np.random.default_rng(2)
    draws = rng.normal(size=(301, 6))
    draws[rng.uniform(size=draws.shape) < 0.2] = np.nan
    draws[:, 5] = np.nan
    low, high = resampling.interval(draws, 0.9)
    expected = np.nanquantile(draws[:, :5], [0.05, 0.95], axis=0)
    np.testing.assert_allclose([low[:5], high[:5]], expected, rtol=1e-14)
    assert np.isnan(low[5]) and np.isnan(high[5])


def brute_force_bootstrap(groups, n_draws, rng):
    """Means over animals, their experiments, and the experiments' presentations, all drawn anew."""
    found = []
    for _ in range(n_draws):
        means = []
        for animal in rng.choice(len(groups), len(groups)):
            own = groups[animal]
            for experiment in rng.choice(len(own), len(own)):
                means.append(rng.choice(own[experiment], len(own[experiment])).mean())
        found.append(np.mean(means))
    return np.array(found)


def test_hierarchical_bootstrap_spreads_as_brute_force_does():
    rng = np.random.default_rng(3)
    groups = [[rng.normal(animal + e / 3, 3.0, 20) for e in range(n)] for animal, n in enumerate((4, 6))]
    brute = brute_force_bootstrap(groups, 4000, rng)
    flat = [values for own in groups for values in own]
    subjects = ["a"] * 4 + ["b"] * 6
    weights = resampling.hierarchical_weights(subjects, 40_000, np.random.default_rng(4))
    means = np.array([[values.mean()] for values in flat])
    # The bootstrap of presentations has the variance of the plug-in, ddof 0.
    errors = np.array([[values.std() / np.sqrt(len(values))] for values in flat])
    noise = np.random.default_rng(5).standard_normal(len(weights))
    draws = resampling.mean_draws(means, errors, weights.astype(float), noise)[0]
    tolerance = 4 * brute.std() / np.sqrt(len(brute))
    assert abs(draws.mean() - brute.mean()) < tolerance
    assert draws.std() == pytest.approx(brute.std(), rel=0.06)
    assert stats.ks_2samp(draws, brute).statistic < 0.04


def test_weights_draw_as_many_experiments_as_their_animals_have():
    weights = resampling.hierarchical_weights(["a", "b", "b", "a", "b"], 500, np.random.default_rng(6))
    of_a, of_b = weights[:, [0, 3]].sum(1), weights[:, [1, 2, 4]].sum(1)
    assert set(np.unique(of_a / 2 + of_b / 3)) == {2.0}
    # The animals' mean draws: binomial with 2 trials.
    assert abs((of_a / 2).mean() - 1) < 4 * np.sqrt(0.5 / 500)


def brute_force_clusters(differences, threshold):
    """Clusters of the true signs and their p over all sign flips, bin by bin."""
    n, n_bins = differences.shape
    limit = stats.t.isf(threshold / 2, n - 1)

    def runs(values):
        t = stats.ttest_1samp(values, 0.0).statistic
        found, start = [], None
        sign = np.where(t > limit, 1, np.where(t < -limit, -1, 0))
        for at in range(n_bins + 1):
            ended = at == n_bins or start is None or sign[at] != sign[start]
            if ended and start is not None:
                found.append((start, at, t[start:at].sum()))
            if ended:
                start = at if at < n_bins and sign[at] else None
        return found

    masses = []
    for flip in range(2**n):
        signs = np.array([1 - 2 * (flip >> k & 1) for k in range(n)])[:, None]
        masses.append(max((abs(mass) for *_, mass in runs(differences * signs)), default=0.0))
    return [(a, b, m, np.mean(np.array(masses) >= abs(m) - 1e-9)) for a, b, m in runs(differences)]


def test_cluster_test_over_all_flips_is_brute_force():
    rng = np.random.default_rng(7)
    differences = rng.normal(size=(7, 12))
    differences[:, 3:6] += 1.6
    differences[:, 6:8] -= 1.6
    found, n_flips = resampling.cluster_test(differences, 0.05, 1000, rng)
    expected = brute_force_clusters(differences, 0.05)
    assert n_flips == 128 and len(expected) >= 2
    np.testing.assert_allclose([(c.first, c.last, c.mass, c.p) for c in found], expected, rtol=1e-9)


def test_cluster_test_with_random_flips_comes_near_all_flips():
    rng = np.random.default_rng(8)
    differences = rng.normal(size=(9, 10))
    differences[:, 2:5] += 0.9
    every, _ = resampling.cluster_test(differences, 0.1, 512, rng)
    some, n = resampling.cluster_test(differences, 0.1, 500, rng)
    assert n == 500 and len(every) == len(some) > 0
    for a, b in zip(every, some, strict=True):
        assert abs(a.p - b.p) < 4 * np.sqrt(max(a.p * (1 - a.p), 1e-3) / 500)


@given(st.lists(st.booleans(), max_size=12), st.integers(1, 5))
def test_first_run_is_that_of_a_loop(holds, length):
    starts = [at for at in range(len(holds) - length + 1) if all(holds[at : at + length])]
    assert statistics.first_run(holds, length) == (starts[0] if starts else -1)
    np.testing.assert_array_equal(np.flatnonzero(statistics.run_starts(holds, length)), starts)


def test_first_run_of_a_batch_is_that_of_each():
    holds = np.random.default_rng(9).uniform(size=(4, 5, 20)) < 0.6
    found = statistics.first_run(holds, 3)
    assert found.shape == (4, 5) and (found == -1).any() and (found >= 0).any()
    for at in np.ndindex(4, 5):
        assert found[at] == statistics.first_run(holds[at], 3)
    np.testing.assert_array_equal(statistics.first_run(np.zeros((3, 0), dtype=bool), 1), [-1, -1, -1])
