"""Fractions of axes compared: statsmodels, the published counts, brute force, error rates under a null."""

import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.regression.linear_model import WLS
from statsmodels.stats.proportion import proportion_confint, proportions_ztest

from evoalign.analysis.tuning.fraction_tests import (
    session_test,
    studentised_difference,
    two_proportion_z,
    wilson_interval,
)

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.mark.parametrize(
    ("counts", "alternative", "z", "p"),
    [
        ((178, 342, 26, 103), "larger", "4.79", "8.50e-07"),
        ((41, 342, 37, 103), "smaller", None, "1.07e-08"),
    ],
)
def test_the_published_counts_give_the_printed_values(counts, alternative, z, p):
    found = two_proportion_z(*counts, alternative)
    assert f"{found[1]:.2e}" == p and (z is None or f"{found[0]:.2f}" == z)


counted = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counted, counted, st.sampled_from(["larger", "smaller", "two-sided"]))
def test_fractions_are_statsmodels(first, second, alternative):
    found = two_proportion_z(*first, *second, alternative)
    pooled = first[0] + second[0]
    if pooled in (0, first[1] + second[1]):
        assert all(np.isnan(found))
        return
    expected = proportions_ztest((first[0], second[0]), (first[1], second[1]), alternative=alternative)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert wilson_interval(*first) == pytest.approx(proportion_confint(*first, method="wilson"), abs=1e-12)


def test_empty_groups_have_no_test():
    assert all(np.isnan(wilson_interval(0, 0)))
    for counts in ((0, 5, 0, 6), (1, 5, 0, 0), (0, 0, 1, 5)):
        assert all(np.isnan(two_proportion_z(*counts)))


def table(seed, sizes=(5, 3), most=9):
    rng = np.random.default_rng(seed)
    n = rng.integers(1, most, sum(sizes))
    return rng.binomial(n, 0.5), n, np.repeat([True, False], sizes)


@pytest.mark.parametrize("seed", range(5))
def test_the_studentised_difference_is_that_of_regression_with_clusters(seed):
    k, n, succeeds = table(seed, (6, 4))
    values = np.stack([k, n], axis=-1)
    found = studentised_difference(values[succeeds], values[~succeeds])
    # A fraction is the mean of k / n weighted by n; its variance that of HC0, with a factor for each group.
    variance = 0.0
    for own in (succeeds, ~succeeds):
        fit = WLS(k[own] / n[own], np.ones(own.sum()), weights=n[own]).fit(cov_type="HC0")
        variance += float(fit.bse[0]) ** 2 * own.sum() / (own.sum() - 1)
    difference = k[succeeds].sum() / n[succeeds].sum() - k[~succeeds].sum() / n[~succeeds].sum()
    assert found == pytest.approx(difference / np.sqrt(variance))


@pytest.mark.parametrize("alternative", ["larger", "smaller", "two-sided"])
@pytest.mark.parametrize("seed", range(6))
def test_the_session_test_is_brute_force(seed, alternative):
    k, n, succeeds = table(seed)
    values = np.stack([k, n], axis=-1)
    t, p = session_test(k, n, succeeds, alternative)
    drawn = []
    for chosen in combinations(range(8), 5):
        own = np.isin(np.arange(8), chosen)
        drawn.append(float(studentised_difference(values[own], values[~own])))
    drawn = np.array(drawn)
    near = 1e-9 * abs(t)
    larger, smaller = (drawn >= t - near).mean(), (drawn <= t + near).mean()
    expected = {"larger": larger, "smaller": smaller, "two-sided": min(1, 2 * min(larger, smaller))}
    assert t == pytest.approx(float(studentised_difference(values[succeeds], values[~succeeds])))
    assert p == pytest.approx(expected[alternative])


@settings(max_examples=50, deadline=None)
@given(st.lists(counted, min_size=3, max_size=5), st.lists(counted, min_size=2, max_size=4))
def test_exchanging_groups_exchanges_directions(first, second):
    k, n = np.array([*first, *second]).T
    succeeds = np.arange(len(n)) < len(first)
    t, p = session_test(k, n, succeeds, "larger")
    mirrored, p_mirrored = session_test(k, n, ~succeeds, "smaller")
    if np.isnan(t):
        assert np.isnan(p_mirrored) and k.sum() in (0, n.sum())
        return
    assert mirrored == pytest.approx(-t) and p_mirrored == pytest.approx(p) and 0 < p <= 1


def test_sessions_without_axes_do_not_count_and_one_is_no_group():
    k, n, succeeds = table(3)
    more = (np.append(k, 0), np.append(n, 0), np.append(succeeds, False))
    assert session_test(*more) == session_test(k, n, succeeds)
    lone = np.arange(8) < 7
    assert all(np.isnan(session_test(k, n, lone)))
    assert all(np.isnan(session_test(n, n, succeeds))) and all(np.isnan(session_test(0 * n, n, succeeds)))


def test_groups_of_sessions_that_are_all_alike_have_the_smallest_p_there_is():
    k, n = np.array([4, 4, 4, 4, 1, 1, 1]), np.full(7, 5)
    t, p = session_test(k, n, np.arange(7) < 4)
    assert np.isfinite(t) and t > 0 and p == pytest.approx(1 / 35)


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import tuning
    finally:
        sys.path.remove(str(BENCHMARKS))
    return tuning


def test_axes_of_a_null_session_are_as_alike_as_planted(benchmark):
    rng = np.random.default_rng(1)
    k, n, _ = benchmark.null_study((40_000, 40_000), (8, 8), 0.25, rng)
    pairs = (k * (k - 1) / (n * (n - 1))).mean()
    share = benchmark.SHARE
    assert (pairs - share**2) / (share * (1 - share)) == pytest.approx(0.25, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("size", ["40 and 12", "40 and 12, fewer axes", "10 and 6"])
def test_the_session_test_holds_its_level_where_axes_of_a_session_are_alike(benchmark, size):
    """And the study's test does not: that is why the other stands beside it."""
    studies = 600
    most = stats.binom.ppf(0.999, studies, benchmark.LEVEL) / studies
    over_axes, over_sessions = benchmark.error_rates(studies, size, 0.25)
    assert over_sessions <= most
    assert over_axes > 0.1, "one-sided z at 0.05, correlation 0.25"
    assert benchmark.error_rates(studies, size, 0.0)[1] <= most
