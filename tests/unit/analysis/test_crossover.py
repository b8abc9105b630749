"""Leads and crossovers: by hand, by brute force, and none where none may be reported."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evoalign.analysis.settings import Analysis
from evoalign.analysis.statistics.crossover import Bins, Rule, crossing_interval, decide, find_crossover
from evoalign.analysis.statistics.leads import UNTESTED, Lead, Leads, cluster_leads, run_leads
from evoalign.analysis.statistics.resampling import cluster_test

BINS = Bins(tuple(range(50, 200, 10)), 10)
RULE = Rule()
BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


def decided(differences, rule=RULE, seed=0):
    return find_crossover(differences, BINS, rule, np.random.default_rng(seed))


def experiments(n, before, after, *, noise=1.0, seed=0, change=6):
    """Differences [experiment, bin]: one mean in the first bins, another in the others."""
    rng = np.random.default_rng(seed)
    mean = np.where(np.arange(len(BINS.starts)) < change, before, after)
    return mean + noise * rng.standard_normal((n, len(mean)))


def one_sided_by_brute_force(differences, threshold_p, bins):
    """Clusters of positive t in some bins, and their p, over all flips."""
    n = len(differences)
    limit = stats.t.isf(threshold_p / 2, n - 1)
    largest = []
    for signs in product([1, -1], repeat=n):
        t = stats.ttest_1samp(differences * np.array(signs)[:, None], 0.0).statistic
        masses, at = [], None
        for k in range(len(t)):
            if k in bins and t[k] > limit:
                if at is None:
                    masses.append([k, k + 1, 0.0])
                masses[-1][1:] = k + 1, masses[-1][2] + t[k]
                at = k
            else:
                at = None
        if all(sign == 1 for sign in signs):
            true = masses
        largest.append(max((mass for *_, mass in masses), default=0.0))
    return [(a, b, np.mean(np.array(largest) >= mass - 1e-9)) for a, b, mass in true]


@pytest.mark.parametrize("seed", range(4))
def test_leads_are_those_of_all_flips_by_brute_force(seed):
    values = experiments(7, -0.9, 1.3, seed=seed)
    found = cluster_leads(values, 0.05, 0.05, 500, np.random.default_rng(0))
    every = range(values.shape[1])
    texture, object_ = (one_sided_by_brute_force(sign * values, 0.05, every) for sign in (-1, 1))
    significant = {kind: [c for c in own if c[2] <= 0.05] for kind, own in (("t", texture), ("o", object_))}
    if bool(significant["t"]) != bool(significant["o"]):
        # One alone: the other once more in the bins that it leaves.
        strong, weak, sign = ("o", "t", -1) if significant["o"] else ("t", "o", 1)
        left = [k for k in every if not any(a <= k < b for a, b, _ in significant[strong])]
        again = one_sided_by_brute_force(sign * values, 0.05, left)
        significant[weak] = [c for c in again if c[2] <= 0.05]
    for own, expected in ((found.texture, significant["t"]), (found.object, significant["o"])):
        assert [(one.first, one.last) for one in own] == [(a, b) for a, b, _ in expected]
        np.testing.assert_allclose([one.p for one in own], [p for *_, p in expected])


def test_a_lead_is_a_cluster_of_the_two_sided_test_at_half_its_p():
    values = experiments(9, -0.2, 1.2, seed=3)
    found = cluster_leads(values, 0.05, 0.05, 512, np.random.default_rng(0))
    clusters, _ = cluster_test(values, 0.05, 512, np.random.default_rng(0))
    (strong,) = [one for one in clusters if one.mass > 0 and one.p < 0.05]
    (lead,) = found.object
    assert (lead.first, lead.last) == (strong.first, strong.last)
    assert lead.p <= strong.p <= 2 * lead.p + 1e-12


def test_five_experiments_suffice_for_both_leads_and_four_never_do():
    strong = {"before": -5.0, "after": 7.0}
    found = decided(experiments(5, **strong))
    assert found.reason == "" and found.p_texture == found.p_object == 1 / 32
    assert (found.low_ms, found.interval_reason) == (
        pytest.approx(np.nan, nan_ok=True),
        "fewer than 8 experiments",
    )
    four = decided(experiments(4, **strong))
    assert np.isnan(four.time_ms) and four.reason == "fewer than 5 experiments"
    # Were four let in, all 16 flips could not tell.
    assert decided(experiments(4, **strong), replace(RULE, min_replicates=2)).reason == "neither space leads"


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (0.0, 0.0, "neither space leads"),
        (0.0, 3.0, "texture never leads"),
        (-3.0, 0.0, "object never leads"),
        (-3.0, -3.0, "object never leads"),
        (3.0, 3.0, "texture never leads"),
        (3.0, -3.0, "object leads before texture, and not after it"),
        (-3.0, 3.0, ""),
    ],
)
def test_the_reason_says_which_lead_is_missing(before, after, reason):
    found = decided(experiments(12, before, after, seed=7))
    assert found.reason == reason
    assert np.isfinite([found.time_ms, found.low_ms, found.high_ms]).all() == (reason == "")


def test_replicates_with_a_gap_are_left_out():
    values = experiments(9, -3.0, 3.0)
    values[[2, 5], 4] = np.nan
    assert decided(values) == decided(np.delete(values, [2, 5], axis=0))
    values[:5, 0] = np.nan
    assert decided(values).reason == "fewer than 5 experiments"
    assert decided(np.full((9, 15), np.nan)).reason == "fewer than 5 experiments"


def test_replicates_of_a_group_count_once_by_their_mean():
    values = experiments(12, -2.0, 2.0, seed=9)
    sites = np.array(list("aabcbddeffgh"))
    means = np.stack([values[sites == site].mean(0) for site in "abcdefgh"])
    found = find_crossover(values, BINS, RULE, np.random.default_rng(0), groups=sites)
    expected = decided(means)
    assert found.time_ms == pytest.approx(expected.time_ms) and found.p_object == expected.p_object
    assert found.low_ms == pytest.approx(expected.low_ms)
    # A gap leaves its replicate out, and with the last one its group.
    values[[2, 3], 0] = np.nan
    found = find_crossover(values, BINS, RULE, np.random.default_rng(0), groups=sites)
    assert found.interval_reason == "fewer than 8 sites"
    four = find_crossover(values, BINS, RULE, np.random.default_rng(0), groups=np.array(list("aaabbbcccddd")))
    assert four.reason == "fewer than 5 sites"


def test_time_is_the_last_zero_of_the_straight_line_before_the_objects_lead():
    contrast = np.array([0, -2, -2, -2, 1, -1, 3, 4, 5, 5, 5, 5, 5, 5, 5.0])
    leads = Leads((Lead(1, 4, 0.01),), (Lead(7, 15, 0.01),), 0.01, 0.01)
    # From (105 ms, -1) to (115 ms, 3).
    assert decide(contrast, leads, BINS).time_ms == pytest.approx(105 + 10 / 4)
    # Neighbouring leads: the line between them.
    beside = Leads((Lead(1, 6, 0.01),), (Lead(6, 15, 0.01),), 0.01, 0.01)
    assert decide(contrast, beside, BINS).time_ms == pytest.approx(105 + 10 / 4)


def test_of_several_leads_the_first_change_counts():
    contrast = np.array([-1, -1, 2, 2, -1, -1, -1, 2, 2, -1, -1, -1, -1, -1, -1.0])
    texture = (Lead(0, 2, 0.01), Lead(4, 7, 0.02), Lead(9, 15, 0.01))
    object_ = (Lead(2, 4, 0.01), Lead(7, 9, 0.01))
    found = decide(contrast, Leads(texture, object_, 0.01, 0.01), BINS)
    assert found.time_ms == pytest.approx(65 + 10 / 3)
    late = decide(contrast, Leads(texture[1:], object_, 0.02, 0.01), BINS)
    assert late.time_ms == pytest.approx(115 + 10 / 3)


def test_nothing_tested_is_said():
    assert decide(np.zeros(15), UNTESTED, BINS).reason == "too few values to test"
    assert cluster_leads(np.zeros((9, 0)), 0.05, 0.05, 100, np.random.default_rng(0)) == UNTESTED
    # Equal differences have no lead; all alike and not 0 are a lead without doubt.
    assert cluster_leads(np.zeros((9, 5)), 0.05, 0.05, 100, np.random.default_rng(0)).p_object == 1


def test_interval_is_where_scipys_t_test_does_not_tell_the_contrast_from_0():
    values = experiments(12, -1.5, 1.5, noise=1.0, seed=2)
    found = decided(values)
    at = np.arange(55, 195, 0.5)
    between = np.stack([np.interp(at, BINS.centres, row) for row in values])
    p = stats.ttest_1samp(between, 0.0).pvalue
    unsure = at[(p >= 0.05) & (at > 75) & (at < 135)]
    assert found.low_ms == pytest.approx(unsure[0], abs=0.6)
    assert found.high_ms == pytest.approx(unsure[-1], abs=0.6)
    assert found.low_ms <= found.time_ms <= found.high_ms


def test_interval_of_one_law_for_all_is_a_point():
    values = np.tile(BINS.centres - 117.3, (9, 1))
    low, high = crossing_interval(values, BINS, Lead(0, 6, 0.0), Lead(8, 15, 0.0), 0.95)
    assert low == pytest.approx(117.3, abs=0.2) and high == pytest.approx(117.3, abs=0.2)


@settings(max_examples=40, deadline=None)
@given(st.integers(5, 14), st.floats(-2, 2), st.floats(-2, 2), st.integers(0, 10_000), st.floats(0.1, 50))
def test_a_decision_is_whole_and_keeps_its_unit(n, before, after, seed, scale):
    values = experiments(n, before, after, seed=seed)
    found = decided(values)
    assert (found.reason == "") == np.isfinite(found.time_ms)
    assert np.isfinite(found.low_ms) == (found.reason == "" and n >= 8)
    if np.isfinite(found.low_ms):
        assert 55 <= found.low_ms - 0.11 <= found.time_ms <= found.high_ms + 0.11 <= 195.3
    # Neither the unit nor the order of experiments matters (all flips up to 2^10).
    if n <= 10:
        turned = decided(scale * values[::-1])
        assert (turned.reason, turned.p_texture) == (found.reason, pytest.approx(found.p_texture))
        assert turned.time_ms == pytest.approx(found.time_ms, nan_ok=True)
    # The other space's view: leads change sides.
    mirror = decided(-values)
    if not found.reason:
        assert mirror.reason != ""


@pytest.mark.parametrize("seed", range(6))
def test_the_decision_is_that_of_a_plain_implementation(seed):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        import population_plain_more as plain
    values = experiments(8, (-1.2, -3.0)[seed % 2], 1.5, seed=seed)
    # Its bins start at 0 and count from 30 ms on.
    whole = np.c_[np.zeros((8, 5)), values]
    used = Bins(tuple(range(30, 200, 10)), 10)
    found = find_crossover(whole[:, 3:] + 0.0, used, RULE, np.random.default_rng(0))
    expected = plain.crossover(whole, Analysis())
    assert found.time_ms == pytest.approx(expected, nan_ok=True)


def test_run_leads_of_permutations_are_brute_force():
    rng = np.random.default_rng(4)
    null = rng.standard_normal((400, 12))
    null[0] += np.r_[np.full(4, -3.0), np.zeros(3), np.full(5, 3.0)]
    found = run_leads(null, 3, 0.05)
    sums = np.array(
        [[row[a:b].sum() / (b - a) ** 0.5 for a in range(10) for b in range(a + 3, 13)] for row in null]
    )
    for own, p, sign in ((found.texture, found.p_texture, -1), (found.object, found.p_object, 1)):
        largest = (sign * sums).max(1)
        assert p == pytest.approx(np.mean(largest >= largest[0]))
        assert len(own) == 1
    assert found.texture[0].first == 0 and found.object[0].last == 12
    assert decide(null[0], found, Bins(tuple(range(50, 170, 10)), 10)).reason == ""


@pytest.mark.parametrize("shift", [0.0, 4.0])
def test_run_leads_of_a_unit_without_one_are_rare(shift):
    """Null units, and units that objects drive in all late windows: a crossover in at most alpha."""
    rng = np.random.default_rng(6)
    bins = Bins(tuple(range(50, 170, 10)), 10)
    n, hits = 1000, 0
    late = shift * (np.arange(12) >= 6)
    for _ in range(n):
        noise = rng.standard_normal((200, 12))
        noise = np.cumsum(noise, axis=1) / np.sqrt(np.arange(1, 13))  # near windows are alike
        noise[0] += late
        hits += decide(noise[0], run_leads(noise, 3, 0.05), bins).reason == ""
    assert stats.binomtest(hits, n, 0.05, "greater").pvalue > 1e-3


def test_run_leads_need_a_run_that_fits_and_draws():
    assert run_leads(np.zeros((10, 2)), 3, 0.05) == UNTESTED
    assert run_leads(np.zeros((1, 9)), 3, 0.05) == UNTESTED
    assert run_leads(np.zeros((10, 9)), 3, 0.05) == Leads((), (), 1.0, 1.0)
