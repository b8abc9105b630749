"""Success relative to the references of each block: invariant to gain, valid, and blind where it must be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evoalign.analysis.session.relative_success import generated_levels, reference_levels, relative_success


def natural(rng, gain, n_images=20, rate=30.0):
    strength = np.exp(0.3 * rng.standard_normal(n_images))
    rates = rng.poisson(0.15 * rate * gain[:, None] * strength) / 0.15
    block = np.repeat(np.arange(len(gain)), n_images)
    return rates.ravel(), block, np.tile(np.arange(n_images), len(gain))


def test_levels_of_references_are_those_of_a_poisson_regression():
    import statsmodels.api as sm

    rng = np.random.default_rng(0)
    rates, block, images = natural(rng, np.exp(0.2 * rng.standard_normal(8)))
    keep = rng.random(len(rates)) < 0.8  # some images are missing in some blocks
    rates, block, images = rates[keep], block[keep], images[keep]
    design = np.hstack([np.eye(8)[block], np.eye(20)[images][:, 1:]])
    fit = sm.GLM(rates, design, family=sm.families.Poisson()).fit(scale="X2")
    found = reference_levels(rates, block, images, 8)
    ours, theirs = found.log - found.log[0], fit.params[:8] - fit.params[0]
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    total = np.bincount(block, rates)
    np.testing.assert_allclose(found.variance * total, fit.scale, rtol=1e-6)


@given(st.integers(0, 10_000), st.lists(st.floats(0.2, 5.0), min_size=6, max_size=6))
def test_gain_changes_nothing(seed, gain):
    rng = np.random.default_rng(seed)
    rates, block, _ = natural(rng, np.ones(6))
    if not (np.bincount(block, rates) > 0).all():
        return
    shown, mean, squares = np.full(6, 30.0), rng.uniform(5, 50, 6), rng.uniform(1, 9, 6)
    found = []
    for factor in (np.ones(6), np.array(gain)):
        # All images of a block alike, so that the noise of the references is the same, too.
        references = reference_levels(rates * factor[block], block, np.arange(len(block)), 6)
        levels = generated_levels(shown, mean * factor, squares * factor**2)
        ratio = levels.log - references.log
        found.append((ratio, levels.variance))
    np.testing.assert_allclose(found[0][0], found[1][0], atol=1e-9)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-9)


@pytest.mark.parametrize("broken", ["one reference", "silent references", "silent block", "three blocks"])
def test_where_it_cannot_be_told_it_is_not(broken):
    rng = np.random.default_rng(1)
    n = 3 if broken == "three blocks" else 6
    rates, block, images = natural(rng, np.ones(n))
    mean = np.full(n, 20.0)
    if broken == "one reference":
        keep = (block != 2) | (images == 0)
        rates, block, images = rates[keep], block[keep], images[keep]
    if broken == "silent references":
        rates[block == 1] = 0
    if broken == "silent block":
        mean[3] = 0
    shown = np.full(n, 30.0)
    references = reference_levels(rates, block, images, n)
    found = relative_success(generated_levels(shown, mean, mean), references, shown, 50, rng)
    assert all(np.isnan([one.log_ratio, one.t, one.p]).all() for one in found.values())


@pytest.mark.parametrize("drift", [0.0, 0.05])
def test_evolutions_without_a_rise_succeed_as_often_as_meant_whatever_the_gain(drift):
    """Docs/methods.md section 3; benchmarks/drift.py has more."""
    rng = np.random.default_rng([2, int(100 * drift)])
    hits = []
    for _ in range(250):
        n, images = int(rng.integers(15, 57)), int(rng.choice((40, 25)))
        gain = np.exp(np.cumsum(drift * rng.standard_normal(n)))
        rates, block, names = natural(rng, gain)
        strength = np.exp(0.3 * rng.standard_normal((n, images)))
        shown = rng.poisson(4.5 * gain[:, None] * strength) / 0.15
        mean, squares = shown.mean(1), ((shown - shown.mean(1, keepdims=True)) ** 2).sum(1)
        n_shown = np.full(n, float(images))
        references = reference_levels(rates, block, names, n)
        levels = generated_levels(n_shown, mean, squares)
        hits.append(relative_success(levels, references, n_shown, 199, rng)["maxinit"].p < 0.05)
    assert stats.binomtest(int(np.sum(hits)), len(hits), 0.05).pvalue > 1e-3, np.mean(hits)
