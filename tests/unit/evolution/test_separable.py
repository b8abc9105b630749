"""The search with a diagonal covariance: held to pycma step by step, and to what it must not depend on."""

import warnings

import cma
import numpy as np
import pytest

from evoalign.evolution.separable import TWO_POINT_FROM, SeparableCmaEs

# Latents and images: few and many of both, and on both sides of the two rules for the step.
SIZES = [(9, 8), (40, 60), (128, 25), (TWO_POINT_FROM - 1, 28), (TWO_POINT_FROM, 28), (1024, 34)]


def founders(n_latents, n_images, seed=0):
    return np.random.default_rng(seed).standard_normal((n_images, n_latents))


def landscape(codes):
    return -np.square(codes - 0.5) @ np.logspace(0, 2, codes.shape[1])


@pytest.mark.parametrize(("n_latents", "n_images"), SIZES)
def test_told_the_same_it_goes_where_pycma_goes(n_latents, n_images):
    """Mean, step and spread of an independent implementation, cma 4.5.0, over 40 generations."""
    first = founders(n_latents, n_images)
    ours = SeparableCmaEs(first, 0.7, 1)
    options = {"seed": 3, "popsize": n_images, "verbose": -9, "CMA_diagonal": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that founders are none of its samples
        reference = cma.CMAEvolutionStrategy(first.mean(axis=0), 0.7, options)
        reference.ask()  # or it cannot be told
        codes = first
        for generation in range(40):
            reference.tell(list(codes.copy()), list(-landscape(codes)))
            if generation == 0 and n_latents >= TWO_POINT_FROM:
                # It compares the first two founders as if they were its two points; ours are none yet.
                reference.sigma, reference.adapt_sigma.s = 0.7, 0.0
            ours.tell(codes, landscape(codes))
            state = ours.state()
            np.testing.assert_allclose(ours.mean, reference.mean, rtol=1e-7, atol=1e-10)
            np.testing.assert_allclose(state["sigma"], reference.sigma, rtol=1e-7)
            np.testing.assert_allclose(state["spread"], reference.sigma_vec.scaling, rtol=1e-6)
            codes = np.array(reference.ask())


@pytest.mark.parametrize(("n_latents", "n_images"), SIZES)
def test_samples_have_the_spread_of_the_state(n_latents, n_images):
    search = SeparableCmaEs(founders(n_latents, n_images), 0.7, 1)
    for _ in range(12):
        codes = search.ask()
        search.tell(codes, landscape(codes))
    state = search.state()
    samples = np.concatenate([search.ask() for _ in range(200)])
    normal = (samples - state["mean"]) / (state["sigma"] * state["spread"])
    # Squares of standard normal numbers: five standard errors of their mean.
    assert abs(np.square(normal).mean() - 1) < 5 * np.sqrt(2 / normal.size)
    assert np.ptp(state["spread"]) > 0.01


def test_two_points_lie_on_both_sides_of_the_mean_along_its_last_move():
    search = SeparableCmaEs(founders(TWO_POINT_FROM, 28), 0.7, 1)
    for _ in range(5):
        before = search.mean
        codes = search.ask()
        search.tell(codes, landscape(codes))
    moved, centre = search.mean - before, search.mean
    ahead, behind = search.ask()[:2] - centre
    np.testing.assert_allclose(behind, -ahead, atol=1e-12)
    np.testing.assert_allclose(ahead / np.linalg.norm(ahead), moved / np.linalg.norm(moved), atol=1e-12)


@pytest.mark.parametrize(("n_latents", "n_images"), SIZES)
def test_only_the_order_of_the_rates_counts_and_no_unit_of_a_latent(n_latents, n_images):
    """Fitness through any rising function, and latents in other units: the same search in these units."""
    plain = SeparableCmaEs(founders(n_latents, n_images), 0.7, 1)
    scaled = SeparableCmaEs(64 * founders(n_latents, n_images) + 3, 64 * 0.7, 1)
    for _ in range(10):
        codes, of_scaled = plain.ask(), scaled.ask()
        np.testing.assert_allclose((of_scaled - 3) / 64, codes, atol=1e-9)
        plain.tell(codes, landscape(codes))
        scaled.tell(of_scaled, np.exp(landscape(codes) / 1e6))


@pytest.mark.parametrize("n_latents", [128, 512])
def test_it_climbs_where_latents_count_unequally(n_latents):
    search = SeparableCmaEs(founders(n_latents, 30), 0.7, 1)
    heights = []
    for _ in range(150):
        codes = search.ask()
        heights.append(landscape(codes).mean())
        search.tell(codes, landscape(codes))
    assert heights[-1] > 0.2 * heights[0]  # of a height below 0


def test_rates_that_do_not_change_leave_the_first_step_as_it_is():
    search = SeparableCmaEs(founders(TWO_POINT_FROM, 28), 0.7, 1)
    search.tell(search.ask(), np.zeros(28))
    assert float(search.state()["sigma"]) == 0.7
    for _ in range(20):
        search.tell(search.ask(), np.zeros(28))
    assert float(search.state()["sigma"]) == 0.7
