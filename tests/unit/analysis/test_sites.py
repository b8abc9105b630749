"""Recording sites: their names, one value a site in tests, a level of the bootstrap; error rates."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evoalign import tables
from evoalign.analysis.statistics.resampling import hierarchical_weights, mean_intervals
from evoalign.analysis.statistics.sites import paired_over_sites, site_means, unpaired_over_sites
from evoalign.nwb.contents import SessionContents, SessionMetadata, site_name
from evoalign.simulate.study_session import study_channels, study_units
from evoalign.sorting.tables import UNITS

# The study's IT experiments (docs/methods.md section 3): 116 of 53 sites, one of them used ten times.
STUDY_SITES = np.repeat(np.arange(53), [10, 6, 5, *[4] * 5, *[3] * 6, *[2] * 18, *[1] * 21])


def test_the_sites_of_the_study():
    assert len(STUDY_SITES) == 116 and np.bincount(STUDY_SITES).max() == 10 and STUDY_SITES.max() == 52


def contents(array="", **facts):
    channels = study_channels().assign(array=array)
    units = study_units(12, "IT", 5, 3)
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    facts = SessionMetadata("s", "A", **facts)
    return SessionContents(facts, start, channels=channels, units=units)


def test_a_site_is_told_by_the_sheet_or_by_animal_array_channel_and_unit():
    assert contents(site="pit 3", preferred="12a").site == "pit 3"
    assert contents("IT array", preferred="12a").site == "A/IT array/12a"
    assert contents("IT array", preferred="012b").site == "A/IT array/12b"
    # The sheet names none: the unit that is marked, whose online letter is not known.
    assert contents("IT array").site == "A/IT array/12"
    nothing = contents()
    nothing.units = tables.empty(UNITS)
    assert nothing.site == ""


def test_an_online_unit_tells_its_letter():
    own = contents("IT array")
    online = own.units.assign(unit=1, kind="online", vendor_unit=2)
    own.units = tables.conform(pd.concat([own.units, online]), UNITS)
    assert own.site == "A/IT array/12b"


NAMES = st.text("AB/12 ", max_size=4)


@given(*[st.tuples(NAMES, st.integers(1, 30), st.sampled_from(["", "a", "b"]))] * 2)
def test_two_sites_of_an_animal_never_share_a_name(first, second):
    assert (site_name("A", *first) == site_name("A", *second)) == (first == second)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(0, 2**32 - 1))
def test_means_of_sites_are_pandas(labels, seed):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((len(labels), 2, 3))
    values[rng.random(values.shape) < 0.3] = np.nan
    codes = pd.factorize(np.array(labels))[0]
    expected = pd.DataFrame(values.reshape(len(labels), -1)).groupby(codes).mean().to_numpy()
    np.testing.assert_allclose(site_means(values, codes).reshape(expected.shape), expected, atol=1e-12)


def test_tests_over_sites_are_scipys_of_their_means():
    rng = np.random.default_rng(0)
    sites, others = rng.integers(0, 7, 30), rng.integers(0, 5, 20)
    sites, others = (pd.factorize(one)[0] for one in (sites, others))
    values, more = rng.standard_normal((30, 4)), rng.standard_normal((20, 4))
    means, other = (
        pd.DataFrame(v).groupby(s).mean().to_numpy() for v, s in ((values, sites), (more, others))
    )
    paired = paired_over_sites(values, sites, family=True)
    expected = stats.ttest_1samp(means, 0)
    np.testing.assert_allclose(paired["t_site"], expected.statistic)
    np.testing.assert_allclose(paired["p_site"], expected.pvalue)
    np.testing.assert_allclose(paired["q_site"], stats.false_discovery_control(expected.pvalue))
    assert paired["n_sites"].tolist() == [7] * 4 and paired["df_site"].tolist() == [6] * 4
    unpaired = unpaired_over_sites((values, sites), (more, others))
    expected = stats.ttest_ind(means, other)
    np.testing.assert_allclose(unpaired["t_site"], expected.statistic)
    np.testing.assert_allclose(unpaired["p_site"], expected.pvalue)


def test_a_site_that_has_no_value_does_not_count():
    found = paired_over_sites(np.array([1.0, 2.0, np.nan, 4.0]), np.array([0, 0, 1, 2]))
    assert found["n_sites"] == 2 and found["t_site"] == pytest.approx(2.75 / (2.5 / 2))
    assert np.isnan(paired_over_sites(np.array([1.0, 2.0]), np.array([0, 0]))["p_site"])


def test_a_group_without_experiments_has_no_test():
    none = (np.zeros((0, 3)), np.zeros(0, dtype=np.int64))
    found = unpaired_over_sites(none, (np.ones((2, 3)), np.array([0, 1])))
    assert found["n_sites_1"].tolist() == [0] * 3 and np.isnan(found["p_site"]).all()


def brute_force(subjects, sites, n_draws, rng):
    """Animals, their sites and the sites' experiments, drawn one after the other."""
    names = sorted(set(subjects))
    weights = np.zeros((n_draws, len(subjects)))
    for draw in weights:
        for animal in rng.choice(names, len(names)):
            own = [i for i, subject in enumerate(subjects) if subject == animal]
            known = sorted({sites[i] for i in own})
            for site in rng.choice(known, len(known)):
                members = [i for i in own if sites[i] == site]
                np.add.at(draw, rng.choice(members, len(members)), 1)
    return weights


def test_the_bootstrap_with_sites_is_that_of_brute_force():
    # 'x' is a site of either animal: its name counts within the animal.
    subjects, sites = list("AAAABBB"), list("xxxyxzz")
    ours = hierarchical_weights(subjects, 40_000, np.random.default_rng(1), sites)
    plain = brute_force(subjects, sites, 8_000, np.random.default_rng(2))
    np.testing.assert_allclose(ours.mean(0), plain.mean(0), atol=0.06)
    np.testing.assert_allclose(np.cov(ours.T), np.cov(plain.T), atol=0.25)
    sizes = np.unique(ours.sum(1)), np.unique(plain.sum(1))
    assert sizes[0].tolist() == sizes[1].tolist()


@given(st.lists(st.sampled_from("AB"), min_size=1, max_size=8), st.integers(0, 99))
def test_one_experiment_a_site_draws_as_without_sites(subjects, seed):
    without = hierarchical_weights(subjects, 30, np.random.default_rng(seed))
    own = [f"site {9 - i}" for i in range(len(subjects))]
    np.testing.assert_array_equal(
        hierarchical_weights(subjects, 30, np.random.default_rng(seed), own), without
    )


def correlated(correlation, n_studies, rng, sites=STUDY_SITES):
    """Differences [experiment, study] of mean 0 and variance 1, correlated within sites."""
    shared = rng.standard_normal((sites.max() + 1, n_studies))[sites]
    own = rng.standard_normal((len(sites), n_studies))
    return np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own


def assert_share(hits, expected, tolerance=0.0):
    """The share of hits is within binomial error, 4 standard errors, of what is expected."""
    error = 4 * np.sqrt(expected * (1 - expected) / len(hits)) + tolerance
    assert abs(hits.mean() - expected) < error, hits.mean()


@pytest.mark.parametrize(
    ("correlation", "published"), [(0.0, 0.05), (0.25, 0.108), (0.5, 0.172), (0.75, 0.233)]
)
def test_experiments_of_a_site_are_not_independent_and_sites_are(correlation, published):
    """The table of docs/methods.md section 3; the study's split of repeats over sites is known in part."""
    differences = correlated(correlation, 20_000, np.random.default_rng([5, int(100 * correlation)]))
    over_experiments = stats.ttest_1samp(differences, 0).pvalue < 0.05
    print(f"correlation {correlation}: experiments {over_experiments.mean():.3f}", end=", ")
    assert_share(over_experiments, published, tolerance=0.01)
    over_sites = paired_over_sites(differences, STUDY_SITES)["p_site"] < 0.05
    print(f"sites {over_sites.mean():.3f}")
    # Sites with few experiments vary more than others, which a t-test of 53 hardly feels.
    assert_share(over_sites, 0.05, tolerance=0.003)


@pytest.mark.parametrize("correlation", [0.0, 0.25, 0.5, 0.75])
def test_intervals_hold_the_mean_when_sites_are_drawn(correlation):
    """Two animals that do not differ; the second table of docs/methods.md section 3."""
    rng = np.random.default_rng([7, int(100 * correlation)])
    animal = np.where(rng.permutation(STUDY_SITES.max() + 1)[STUDY_SITES] % 2, "A", "B").tolist()
    values = correlated(correlation, 2000, rng)
    held = {}
    for name, sites in (("with", STUDY_SITES.tolist()), ("without", None)):
        weights = hierarchical_weights(animal, 1000, rng, sites)
        low, high = np.quantile(weights @ values / weights.sum(1, keepdims=True), (0.025, 0.975), axis=0)
        held[name] = float(np.mean((low <= 0) & (high >= 0)))
    print(f"correlation {correlation}: {held}")
    # Nested draws count the spread of experiments at each level, so that intervals are rather too wide.
    assert 0.94 <= held["with"] <= 0.995
    assert correlation < 0.5 or held["without"] < 0.92


# Fewest and most of coverages at no, half and equal noise of presentations: few experiments hold too little.
COVERED = {2: (0.4, 0.95), 4: (0.7, 0.98), 8: (0.88, 0.99), 38: (0.94, 0.995)}


@pytest.mark.parametrize("n", COVERED)
def test_intervals_of_few_experiments_are_narrow_and_noise_of_presentations_widens_them(n):
    """Panels' intervals of two animals that do not differ; the third table of docs/methods.md section 3."""
    held = []
    for noise in (0.0, 0.5, 1.0):
        rng = np.random.default_rng([11, n, int(10 * noise)])
        hits = []
        for _ in range(20):
            values = rng.standard_normal((n, 100)) + noise * rng.standard_normal((n, 100))
            weights = hierarchical_weights(["A", "B"] * (n // 2), 1000, rng)
            sample = (values, np.full(values.shape, noise))
            ((low, high),) = mean_intervals([sample], weights, rng, 0.95)
            hits.append((low <= 0) & (high >= 0))
        held.append(float(np.mean(hits)))
    print(f"{n} experiments: {held}")
    assert held == sorted(held), "presentations' noise is in the values and drawn again"
    assert COVERED[n][0] <= held[0] and held[-1] <= COVERED[n][1]
