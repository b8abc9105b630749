"""The share of variance that is linear in latents: likelihood, bias, intervals, and what must not move it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from evoalign.analysis.encoding import (
    Plan,
    image_folds,
    linear_kernel,
    linear_share,
    log_alphas,
    nested_cv,
    share_distribution,
)
from evoalign.analysis.encoding.alignment_index import alignment_index, noise_floor
from evoalign.analysis.encoding.ridge import shortened
from evoalign.analysis.encoding.variance import most_likely_share, most_likely_shares

STUDY = ((1190, 4096), (755, 128))  # presentations and latents of the texture and the object thread
BLOCKS = 30


def blocks_of(n, n_blocks=BLOCKS):
    return np.arange(n) * n_blocks // n


def names(n):
    return np.arange(n).astype(str)


def within(rows, blocks):
    """Rows [row, item] less their block means."""
    means = np.stack([rows[:, blocks == b].mean(1) for b in np.unique(blocks)], axis=1)
    return rows - means[:, np.unique(blocks, return_inverse=True)[1]]


def planted(latents, blocks, share, spectrum, n_units, rng):
    """Responses [unit, presentation] of which exactly this share of variance within blocks is linear."""
    weights = rng.standard_normal((n_units, latents.shape[1]))
    weights *= np.arange(1.0, latents.shape[1] + 1) ** -spectrum
    linear = weights @ latents.T
    spread = (within(linear, blocks) ** 2).sum(1, keepdims=True) / (len(blocks) - len(np.unique(blocks)))
    noise = rng.standard_normal(linear.shape)
    return torch.from_numpy(share**0.5 * linear / spread**0.5 + (1 - share) ** 0.5 * noise)


def kernel_of(n, dim, rng):
    latents = rng.standard_normal((n, dim))
    return latents, linear_kernel(torch.from_numpy(latents), blocks_of(n), names(n))


@pytest.fixture(scope="module")
def study():
    """Latents, kernel and distribution of the estimate at the study's own sizes."""
    rng = np.random.default_rng(0)
    found = []
    for n, dim in STUDY:
        latents, kernel = kernel_of(n, dim, rng)
        found.append((latents, kernel, share_distribution(kernel, 1000, rng)))
    return found


def dense_share(y, latents, blocks):
    """The same restricted likelihood, written with whole matrices and maximised by scipy."""
    n, x = len(y), np.eye(blocks.max() + 1)[blocks]
    centre = np.eye(n) - x @ np.linalg.pinv(x)
    kernel = latents @ latents.T
    kernel /= np.trace(centre @ kernel @ centre) / (n - x.shape[1])

    def lost(share):
        v = share * kernel + (1 - share) * np.eye(n)
        inverse = np.linalg.inv(v)
        information = x.T @ inverse @ x
        p = inverse - inverse @ x @ np.linalg.solve(information, x.T @ inverse)
        terms = np.linalg.slogdet(v)[1] + np.linalg.slogdet(information)[1]
        return (n - x.shape[1]) * np.log(y @ p @ y) + terms

    return optimize.minimize_scalar(lost, bounds=(0.0, 0.999), method="bounded", options={"xatol": 1e-7}).x


@pytest.mark.parametrize("dim", [5, 80])
def test_the_estimate_maximises_the_restricted_likelihood_of_whole_matrices(dim):
    rng = np.random.default_rng(1)
    blocks = blocks_of(60, 4)
    latents = rng.standard_normal((60, dim)) + 3 * rng.standard_normal((4, dim))[blocks]
    y = planted(latents, blocks, 0.5, 0, 6, rng).numpy() + rng.standard_normal((6, 4))[:, blocks]
    found = linear_share(linear_kernel(torch.from_numpy(latents), blocks, names(60)), torch.from_numpy(y))
    wanted = [dense_share(row, latents, blocks) for row in y]
    inside = np.array(wanted) > 0.01
    assert inside.sum() >= 4
    np.testing.assert_allclose(found.numpy()[inside], np.array(wanted)[inside], atol=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize("spectrum", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("dims", [(4096, 128), (256, 128), (16, 8)])
def test_equal_shares_give_an_index_of_0_whatever_the_dimensions(dims, spectrum):
    rng = np.random.default_rng([dims[0], int(2 * spectrum)])
    shares, sds = [], []
    for (n, _), dim in zip(STUDY, dims, strict=True):
        latents, kernel = kernel_of(n, dim, rng)
        shares.append(linear_share(kernel, planted(latents, blocks_of(n), 0.3, spectrum, 200, rng)).numpy())
        sds.append(share_distribution(kernel, 200, rng).sd(0.0))
    for share in shares:
        assert share.mean() == pytest.approx(0.3, abs=0.02)
    index = alignment_index(*shares, noise_floor(*sds))
    assert abs(index.mean()) < 0.05
    assert abs(alignment_index(*(share.mean() for share in shares), 0.0)) < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("dims", [(4096, 128), (256, 128), (16, 8)])
def test_units_without_tuning_have_an_index_of_0_on_average_and_seldom_of_1(dims):
    rng = np.random.default_rng([dims[0], 99])
    shares, sds = [], []
    for (n, _), dim in zip(STUDY, dims, strict=True):
        _, kernel = kernel_of(n, dim, rng)
        shares.append(linear_share(kernel, torch.from_numpy(rng.standard_normal((1000, n)))).numpy())
        sds.append(share_distribution(kernel, 200, rng).sd(0.0))
    index = alignment_index(*shares, noise_floor(*sds))
    assert abs(index.mean()) < 0.05
    assert (abs(index) == 1).mean() < 0.08


@pytest.mark.slow
def test_held_out_r2_on_the_same_data_measures_dimension(study):
    rng = np.random.default_rng(3)
    r2 = []
    for (n, _), (latents, _, _) in zip(STUDY, study, strict=True):
        folds = image_folds(names(n), blocks_of(n), 5, rng)
        plan = Plan(shortened(torch.from_numpy(latents)), folds, log_alphas((-3, 12), 100))
        r2.append(float(nested_cv(plan, planted(latents, blocks_of(n), 0.3, 0, 20, rng)).r2.mean()))
    assert r2[0] < 0.05 < 0.12 < r2[1]


@pytest.mark.slow
@pytest.mark.parametrize("pair", [(0.4, 0.1), (0.1, 0.4), (0.0, 0.2), (0.3, 0.3)])
def test_planted_shares_and_their_index_lie_in_their_intervals_as_often_as_said(study, pair):
    rng = np.random.default_rng([5, int(10 * pair[0]), int(10 * pair[1])])
    n_units, levels = 400, (np.arange(200) + 0.5) / 200
    floor = noise_floor(*(distribution.sd(0.0) for *_, distribution in study))
    drawn = []
    for (latents, kernel, distribution), share in zip(study, pair, strict=True):
        y = planted(latents, blocks_of(len(latents)), share, 0.5, n_units, rng)
        estimate = linear_share(kernel, y).numpy()
        assert estimate.mean() == pytest.approx(share, abs=0.02)
        low, high = distribution.quantiles(estimate, [0.025, 0.975]).T
        # 400 units: within 0.95 +- 0.035 with probability 0.998; a share of 0 has no lower side to miss.
        coverage = ((low <= share) & (share <= high)).mean()
        assert coverage >= 0.915 and (coverage <= 0.985 or share == 0)
        quantiles = distribution.quantiles(estimate, levels)
        drawn.append(np.take_along_axis(quantiles, rng.integers(200, size=(n_units, 1000)), axis=1))
    low, high = np.quantile(alignment_index(*drawn, floor), [0.025, 0.975], axis=1)
    truth = alignment_index(*pair, floor)
    assert ((low - 1e-9 <= truth) & (truth <= high + 1e-9)).mean() >= 0.915


def closed_loop(dim, n_block, weight, rng, step=0.15):
    """Latents whose mean moves to the better half of each block, as an evolution's does."""
    codes, mean = [], np.zeros(dim)
    for _ in range(BLOCKS):
        z = mean + rng.standard_normal((n_block, dim))
        fitness = rng.poisson(8 + 22 / (1 + np.exp(1 - z @ weight)))
        best = np.argsort(-fitness, kind="stable")[: n_block // 2]
        rank = np.log(len(best) + 0.5) - np.log(np.arange(1, len(best) + 1))
        mean = mean + step * (rank[:, None] * (z[best] - mean)).sum(0) / rank.sum()
        codes.append(z)
    return np.concatenate(codes)


@pytest.mark.slow
def test_neither_the_drift_of_an_evolution_nor_drift_of_gain_moves_the_index():
    rng = np.random.default_rng(8)
    linear, drifting = [], []
    for dim, n_block in ((4096, 40), (128, 25)):
        weight = rng.standard_normal(dim)
        latents = closed_loop(dim, n_block, weight / np.linalg.norm(weight), rng)
        blocks = np.repeat(np.arange(BLOCKS), n_block)
        kernel = linear_kernel(torch.from_numpy(latents), blocks, names(len(blocks)))
        signal = latents @ weight
        signal = signal / within(signal[None], blocks).std()
        noise = rng.standard_normal((100, len(blocks)))
        y = 0.3**0.5 * signal + 0.7**0.5 * noise
        linear.append(float(linear_share(kernel, torch.from_numpy(y)).mean()))
        gain = np.cumsum(rng.standard_normal((100, BLOCKS)), axis=1)[:, blocks]
        drifting.append(float(linear_share(kernel, torch.from_numpy(noise + gain)).mean()))
    np.testing.assert_allclose(linear, 0.3, atol=0.03)
    np.testing.assert_allclose(drifting, 0.0, atol=0.03)


def test_what_an_image_does_beyond_its_latents_is_not_taken_for_linear():
    rng = np.random.default_rng(9)
    image = np.tile(np.arange(400), 3)
    latents = rng.standard_normal((400, 300))
    blocks = np.zeros(1200, dtype=int)
    kernel = linear_kernel(torch.from_numpy(latents[image]), blocks, image.astype(str))
    other = rng.standard_normal((200, 400))[:, image] + rng.standard_normal((200, 1200))
    assert float(linear_share(kernel, torch.from_numpy(other)).mean()) == pytest.approx(0, abs=0.02)
    weights = rng.standard_normal((200, 300)) / 300**0.5
    linear = torch.from_numpy((weights @ latents.T)[:, image] + rng.standard_normal((200, 1200)))
    assert float(linear_share(kernel, linear).mean()) == pytest.approx(0.5, abs=0.03)


def test_repeats_as_images_of_their_own_would_be_taken_for_linear():
    rng = np.random.default_rng(10)
    image = np.tile(np.arange(400), 3)
    latents = torch.from_numpy(rng.standard_normal((400, 300))[image])
    other = torch.from_numpy(rng.standard_normal((50, 400))[:, image] + rng.standard_normal((50, 1200)))
    naive = linear_kernel(latents, np.zeros(1200, dtype=int), names(1200))
    assert float(linear_share(naive, other).mean()) > 0.2


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 100), st.floats(-50, 50), st.sampled_from([4, 40, 90]))
def test_scale_offset_rotation_and_block_means_change_nothing(seed, scale, offset, dim):
    rng = np.random.default_rng(seed)
    blocks = blocks_of(60, 5)
    latents = rng.standard_normal((60, dim))
    y = planted(latents, blocks, 0.4, 0, 3, rng)
    wanted = linear_share(linear_kernel(torch.from_numpy(latents), blocks, names(60)), y)
    turn = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
    moved = scale * (latents @ turn) + rng.standard_normal((5, dim))[blocks]
    shifted = scale * y + offset + torch.from_numpy(rng.standard_normal((3, 5))[:, blocks])
    found = linear_share(linear_kernel(torch.from_numpy(moved), blocks, names(60)), shifted)
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-6)


def test_what_does_not_vary_has_no_share():
    rng = np.random.default_rng(11)
    blocks = blocks_of(40, 4)
    latents, kernel = rng.standard_normal((40, 6)), None
    kernel = linear_kernel(torch.from_numpy(latents), blocks, names(40))
    y = np.stack([np.full(40, 7.0), blocks * 2.0, np.where(np.arange(40) == 3, np.nan, 1.0), latents[:, 0]])
    found = linear_share(kernel, torch.from_numpy(y)).numpy()
    assert np.isnan(found[:3]).all() and found[3] > 0.9
    constant = linear_kernel(torch.full((40, 6), 1e6, dtype=torch.float64), blocks, names(40))
    assert linear_share(constant, torch.from_numpy(y)).isnan().all()
    assert np.isnan(share_distribution(constant, 10, rng).estimate).all()


def test_the_distribution_is_that_of_estimates_and_its_draws_are_too():
    rng = np.random.default_rng(12)
    latents, kernel = kernel_of(200, 50, rng)
    distribution = share_distribution(kernel, 1000, rng)
    y = planted(latents, blocks_of(200), 0.25, 0, 1000, rng)
    estimate = linear_share(kernel, y).numpy()
    drawn = distribution.draw([0.25], rng.random((1, 1000)))[0]
    assert stats.ks_2samp(estimate, drawn).pvalue > 0.001
    assert estimate.std() == pytest.approx(float(distribution.sd(0.25)), rel=0.1)


@pytest.mark.parametrize(("n", "dim"), [(200, 12), (60, 300)])
def test_estimates_of_a_mixture_from_three_products_are_those_of_the_mixture_itself(n, dim):
    rng = np.random.default_rng(13)
    _, kernel = kernel_of(n, dim, rng)
    a, b = torch.from_numpy(rng.standard_normal((2, 300, len(kernel.values))))
    a *= 3 * kernel.values.sqrt()
    left = torch.from_numpy(rng.chisquare(kernel.freedom - len(kernel.values) + 1, 300))
    true = [0.0, 0.01, 0.3, 0.98]
    found = list(most_likely_shares((a.square(), b.square(), 2 * a * b), left, true, kernel))
    for h, estimate in zip(true, found, strict=True):
        mixture = (h**0.5 * a + (1 - h) ** 0.5 * b).square()
        direct = most_likely_share(mixture, (1 - h) * left, kernel)
        torch.testing.assert_close(estimate, direct, rtol=0, atol=1e-9)
    assert found[-1].mean() > found[0].mean() + 0.5
