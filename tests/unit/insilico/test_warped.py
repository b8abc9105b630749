"""Warped landscapes keep their one maximum, and searches climb them as theory says."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from evoalign import tables
from evoalign.analysis.statistics.resampling import seeded
from evoalign.figures.axes_facts import title_of
from evoalign.figures.insilico import caption_warped, draw_warped
from evoalign.insilico.tables import INSILICO_WARPED, INSILICO_WARPED_MEANS
from evoalign.insilico.warped import (
    OPTIMISERS,
    WIDTH,
    WarpedLandscape,
    climb,
    pooled_scores,
    random_flow,
    warped_scores,
)
from evoalign.simulate.settings import Insilico


@pytest.mark.parametrize(("dimension", "depth"), [(2, 1), (16, 4), (64, 8)])
def test_a_flow_is_invertible_and_bends_lines(dimension, depth):
    flow = random_flow(dimension, depth, 3)
    latents = torch.randn(200, dimension, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(flow.inv(flow(latents)), latents, rtol=1e-8, atol=1e-8)
    middle = (latents[::2] + latents[1::2]) / 2
    bent = flow(middle) - (flow(latents[::2]) + flow(latents[1::2])) / 2
    assert bent.norm(dim=1).median() > 0.02 * flow(latents).norm(dim=1).median()
    torch.testing.assert_close(random_flow(dimension, depth, 3)(latents), flow(latents))


@pytest.mark.parametrize("depth", [0, 3])
def test_the_maximum_is_1_at_the_optimum_and_nowhere_else(depth):
    landscape = WarpedLandscape.draw(16, depth, np.random.default_rng(1))
    assert landscape.score(landscape.optimum[None]).item() == pytest.approx(1, abs=1e-12)
    away = landscape.optimum + 0.1 * torch.randn(
        500, 16, generator=torch.Generator().manual_seed(2), dtype=torch.float64
    )
    assert (landscape.score(away) < 1).all()


def test_an_unwarped_hill_is_that_of_its_formula():
    landscape = WarpedLandscape.draw(5, 0, np.random.default_rng(0))
    latents = torch.randn(7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = np.exp(-np.mean((latents.numpy() - landscape.optimum.numpy()) ** 2, axis=1) / (2 * WIDTH))
    np.testing.assert_allclose(landscape.score(latents), expected)


def test_random_draws_score_as_the_largest_of_as_many_chi_squares():
    """The mean squared distance of two founders is 2 chi-squared over the dimension."""
    dimension, n = 16, 500
    scores = [
        climb(WarpedLandscape.draw(dimension, 0, seeded(0, str(i))), "random", n, seeded(1, str(i)))
        for i in range(40)
    ]
    # Given the optimum, distances are noncentral; over optima, nearly the order statistic of 2 chi2 / d.
    typical = np.exp(-2 * stats.chi2.ppf(1 / n, dimension) / dimension / (2 * WIDTH))
    assert np.mean(scores) == pytest.approx(typical, rel=0.15)


def test_searches_reach_the_top_of_a_small_hill_and_beat_chance_on_a_warped_one():
    plain = WarpedLandscape.draw(8, 0, np.random.default_rng(3))
    assert climb(plain, "CMA-ES", 1500, seeded(0)) > 0.999
    assert climb(plain, "Adam", 1500, seeded(0)) > 0.99
    warped = WarpedLandscape.draw(32, 4, np.random.default_rng(4))
    by_chance = climb(warped, "random", 600, seeded(5))
    assert climb(warped, "CMA-ES", 600, seeded(5)) > by_chance + 0.1
    assert climb(warped, "Adam", 600, seeded(5)) > by_chance + 0.1


def test_tables_keep_their_contracts_and_means_are_students():
    settings = Insilico(
        warped_depths=(0, 2), warped_dimensions=(4, 8), warped_evaluations=100, warped_repeats=3
    )
    scores = tables.conform(warped_scores(settings, 0), INSILICO_WARPED)
    assert len(scores) == 3 * 2 * 2 * 3 and scores["score"].between(0, 1).all()
    means = tables.conform(pooled_scores(scores), INSILICO_WARPED_MEANS)
    row = means.set_index(["optimiser", "dimension", "depth"]).loc[("random", 8, 2)]
    own = scores.query("optimiser == 'random' and dimension == 8 and depth == 2")["score"]
    low, high = stats.t.interval(0.95, 2, own.mean(), stats.sem(own))
    assert (row["score"], row["low"], row["high"]) == pytest.approx((own.mean(), low, high))
    again = warped_scores(settings, 0)["score"].to_numpy()
    np.testing.assert_array_equal(again, scores["score"])


def test_the_figure_shows_each_search_and_says_how_many_landscapes():
    rows = [(name, n, depth, 7, 0.5, 0.4, 0.6) for name in OPTIMISERS for n in (4, 8) for depth in (0, 2)]
    means = pd.DataFrame(rows, columns=INSILICO_WARPED_MEANS.names)
    figure, source = draw_warped(means)
    assert [len(panel.containers) for panel in figure.axes] == [3, 3]
    assert [title_of(panel) for panel in figure.axes] == ["4 dimensions", "8 dimensions"]
    assert sum(map(len, source.values())) == len(means)
    assert "Mean over 7 landscapes" in caption_warped(means)
