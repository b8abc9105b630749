"""Permutation p values are uniform under the null, also when latents and responses drift over blocks."""

import numpy as np
import pytest
import torch
from scipy import stats

from evoalign.analysis.encoding import Folds, Plan, log_alphas, null_r2, permutations, test_windows
from evoalign.analysis.encoding.permutation import DRAWN_TOGETHER, test_in_two_steps
from evoalign.analysis.levels import FIRST_PERMUTATIONS as FIRST

ALPHAS = log_alphas((-3.0, 12.0), 40)
N_PERMUTATIONS = 199


def drifting_null(n_targets, seed, n_blocks=15, per_block=8, dim=10):
    """Latents and responses that drift over blocks, and are unrelated within a block."""
    rng = np.random.default_rng(seed)
    blocks = np.repeat(np.arange(n_blocks), per_block)
    path = np.cumsum(rng.standard_normal((n_blocks, dim)), axis=0) * 0.5
    latents = path[blocks] + rng.standard_normal((len(blocks), dim))
    drift = np.cumsum(rng.standard_normal((n_targets, n_blocks)), axis=1) * 0.3
    rates = np.exp(0.5 + np.clip(drift, -3, 3))[:, blocks]
    responses = rng.poisson(rates).astype(float)
    folds = Folds(rng.permutation(np.arange(len(blocks)) % 5))
    return torch.from_numpy(latents), torch.from_numpy(responses), blocks, folds


def p_values(latents, responses, permuted_within, folds, seed=1):
    plan = Plan(latents, folds, ALPHAS, torch.float32)
    null = null_r2(plan, responses, permuted_within, N_PERMUTATIONS, seed=seed, rows=2048)
    p = test_windows(null, len(responses)).p[:, 0]
    # p is a multiple of 1 / 200: spread over its step, it is uniform exactly when the test is exact.
    return p - np.random.default_rng(0).random(len(p)) / (N_PERMUTATIONS + 1)


@pytest.mark.slow
def test_null_p_values_are_uniform_under_drift_and_naive_ones_are_not():
    latents, responses, blocks, folds = drifting_null(2200, seed=3)
    within = p_values(latents, responses, blocks, folds)
    assert stats.kstest(within, "uniform").pvalue > 0.01
    assert abs((within <= 0.05).mean() - 0.05) < 0.015
    free = p_values(latents, responses, np.zeros_like(blocks), folds)
    assert stats.kstest(free, "uniform").pvalue < 1e-12
    assert (free <= 0.05).mean() > 0.3


def test_a_planted_response_is_found():
    latents, responses, blocks, folds = drifting_null(40, seed=4)
    weight = torch.from_numpy(np.random.default_rng(9).standard_normal(latents.shape[1]))
    planted = responses[:20] + 2 * (latents @ weight)
    p = p_values(latents, torch.cat([planted, responses[20:]]), blocks, folds)
    assert (p[:20] < 0.01).all()
    assert (p[20:] < 0.05).mean() < 0.3


def test_family_wise_error_over_windows_is_held():
    latents, responses, blocks, folds = drifting_null(600, seed=5)
    plan = Plan(latents, folds, ALPHAS, torch.float32)
    null = null_r2(plan, responses[:600], blocks, 99, seed=2, rows=2048)
    test = test_windows(null, 60)  # 60 units of 10 windows
    assert (test.p_fwe >= test.p - 1e-12).all()
    smallest = test.p_fwe.min(1)
    # 60 units at 5 %: at most 8 with probability 0.99.
    assert (smallest <= 0.05).sum() <= 8
    assert (test.p.min(1) <= 0.05).sum() > 12


def test_permutations_stay_within_blocks_and_depend_on_their_number_alone():
    blocks = np.random.default_rng(0).integers(0, 7, 50)
    every = permutations(blocks, 0, 3 * DRAWN_TOGETHER, seed=8)
    assert (blocks[every] == blocks).all()
    assert (np.sort(every, axis=1) == np.arange(50)).all()
    assert len(np.unique(every, axis=0)) == len(every)
    np.testing.assert_array_equal(permutations(blocks, 50, 130, seed=8), every[50:130])
    few_at_a_time = [permutations(blocks, first, first + 7, seed=8) for first in range(0, 147, 7)]
    np.testing.assert_array_equal(np.concatenate(few_at_a_time), every[:147])
    assert permutations(blocks, 5, 5, seed=8).shape == (0, 50)


def test_permutations_are_uniform_over_orders():
    found = permutations(np.zeros(3), 0, 6000, seed=1)
    _, count = np.unique(found, axis=0, return_counts=True)
    assert len(count) == 6
    assert stats.chisquare(count).pvalue > 1e-3


def test_batches_do_not_change_the_null():
    latents, responses, blocks, folds = drifting_null(7, seed=6)
    plan = Plan(latents, folds, ALPHAS, torch.float64)
    wanted = null_r2(plan, responses, blocks, 30, seed=2, rows=10_000)
    for rows in (1, 15, 100):
        found = null_r2(plan, responses, blocks, 30, seed=2, rows=rows)
        torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)


def test_the_first_row_of_the_null_is_the_data():
    latents, responses, blocks, folds = drifting_null(5, seed=7)
    plan = Plan(latents, folds, ALPHAS)
    null = null_r2(plan, responses, blocks, 3, seed=0)
    rows = (responses - responses.mean(1, keepdim=True))[:, plan.order]
    wanted = 1 - plan.squared_error(rows) / rows.square().sum(1)
    torch.testing.assert_close(null[0].double(), wanted, atol=1e-6, rtol=0)


def test_a_silent_window_has_no_p():
    latents, responses, blocks, folds = drifting_null(4, seed=8)
    responses[1] = 0
    test = test_windows(null_r2(Plan(latents, folds, ALPHAS), responses, blocks, 19, seed=0), 2)
    assert np.isnan(test.p[0, 1]) and np.isnan(test.p_fwe[0, 1])
    assert np.isfinite(test.p[0, 0]) and np.isfinite(test.p_fwe[0, 0])


N_UNITS, N_WINDOWS, HOPELESS = 3000, 6, 0.15


@pytest.fixture(scope="module")
def drawn():
    """R2 [1 + permutation, unit x window] under the null, neighbouring windows alike; some far above."""
    rng = np.random.default_rng(21)
    noise = rng.standard_normal((501, N_UNITS, N_WINDOWS + 1), dtype=np.float32)
    values = 0.1 * (noise[..., 1:] + noise[..., :-1])
    values[0, -100:] += 1
    return torch.from_numpy(values.reshape(501, -1))


def in_two_steps(drawn, asked):
    """The test on drawn values; `asked` gets how many targets each step has."""

    def null(targets, n_permutations, start):
        asked.append(len(targets))
        return drawn[start : 1 + n_permutations, targets[:, 0]]

    targets = torch.arange(drawn.shape[1])[:, None]
    return test_in_two_steps(null, targets, len(targets) // N_WINDOWS, 500, HOPELESS)


def test_p_in_two_steps_is_that_of_all_permutations_for_whoever_is_near_a_finding(drawn):
    asked = []
    test = in_two_steps(drawn, asked)
    first, every = test_windows(drawn[: 1 + FIRST], N_UNITS), test_windows(drawn, N_UNITS)
    hopeless = first.p_fwe.min(1) > HOPELESS
    assert asked == [N_UNITS * N_WINDOWS, (~hopeless).sum() * N_WINDOWS] and 0.7 < hopeless.mean() < 0.9
    for name in ("p", "p_fwe", "p_run", "null_mean"):
        wanted = np.where(hopeless[:, None], getattr(first, name), getattr(every, name))
        np.testing.assert_array_equal(getattr(test, name), wanted)
    assert (test.p_fwe[-100:].min(1) == 1 / 501).all()
    # Whoever 500 permutations would find is found.
    found = every.p_fwe.min(1) <= 0.05
    np.testing.assert_array_equal(test.p_fwe[found], every.p_fwe[found])


def test_p_in_two_steps_is_valid_at_every_level(drawn):
    test = in_two_steps(drawn, [])
    smallest, windows = test.p_fwe[:-100].min(1), test.p[:-100]
    for level in (0.01, 0.05, 0.1, HOPELESS, 0.2, 0.5, 0.8):
        reach = 3 * np.sqrt(level * (1 - level) / len(smallest))
        assert (smallest <= level).mean() <= level + reach, level
        assert (windows <= level).mean() <= level + reach, level
    assert (smallest <= 0.05).mean() > 0.03, "and not without power"


def test_units_without_a_response_get_no_more_permutations(drawn):
    asked = []
    test = in_two_steps(torch.full_like(drawn[:, :60], torch.nan), asked)
    assert np.isnan(test.p_fwe).all() and asked == [60]


def test_few_permutations_are_one_step(drawn):
    starts = []

    def null(targets, n_permutations, start):
        starts.append((n_permutations, start))
        return drawn[: 1 + n_permutations, targets[:, 0]]

    targets = torch.arange(60)[:, None]
    test = test_in_two_steps(null, targets, 10, FIRST, HOPELESS)
    np.testing.assert_array_equal(test.p, test_windows(drawn[: 1 + FIRST, :60], 10).p)
    assert starts == [(FIRST, 0)]


def test_the_null_can_be_computed_in_parts():
    latents, responses, blocks, folds = drifting_null(6, seed=6)
    plan = Plan(latents, folds, ALPHAS)
    whole = null_r2(plan, responses, blocks, 50, seed=2)
    parts = [
        null_r2(plan, responses, blocks, 20, seed=2),
        null_r2(plan, responses, blocks, 50, seed=2, start=21),
    ]
    torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=1e-6)
