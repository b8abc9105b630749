"""Folds, projections, noise ceilings, index, crossover and spectrum of the encoding analysis."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evoalign.analysis.encoding import (
    Folds,
    Plan,
    Rotated,
    block_folds,
    image_folds,
    log_alphas,
    nested_cv,
    random_basis,
)
from evoalign.analysis.encoding.alignment_index import alignment_index, noise_floor
from evoalign.analysis.encoding.design import Thread, spread_over_blocks
from evoalign.analysis.encoding.folds import check_folds
from evoalign.analysis.encoding.kernels import features_of
from evoalign.analysis.encoding.order import order_dependence
from evoalign.analysis.encoding.permutation import DRAWN_TOGETHER, permutations
from evoalign.analysis.encoding.ridge import shortened
from evoalign.analysis.encoding.spectrum import explained_by_rank, rank_bins
from evoalign.analysis.encoding.within import within_blocks
from evoalign.analysis.statistics.noise_ceiling import from_alternate_ms, from_repeats, pooled
from evoalign.errors import InputError


@pytest.mark.parametrize(
    ("n_groups", "hint"),
    [
        (1, "drop 'block' from encoding.schemes and encoding.permuted_schemes"),
        (2, "drop 'block' from encoding.schemes and encoding.permuted_schemes"),
        (4, "set it to at most 4, or drop 'block' from encoding.schemes and encoding.permuted_schemes"),
    ],
)
def test_blocks_that_share_their_images_are_told_what_is_allowed(n_groups, hint):
    blocks = np.repeat(np.arange(8), 10)
    images = np.char.add(np.tile(np.arange(10), 8).astype(str), [f" {b % n_groups}" for b in blocks])
    with pytest.raises(InputError) as error:
        block_folds(images, blocks, 5, np.random.default_rng(0))
    assert error.value.what == f"{n_groups} blocks without shared images cannot make 5 folds"
    assert error.value.hint == hint


@pytest.mark.parametrize("n_images", [1, 2, 4])
def test_too_few_images_are_told_a_number_of_folds_that_is_allowed(n_images):
    names = np.tile(np.arange(n_images), 10)
    with pytest.raises(InputError) as error:
        image_folds(names, np.zeros(len(names)), 5, np.random.default_rng(0))
    assert ("at most 4" in error.value.hint) == (n_images == 4)
    assert "at most 1" not in error.value.hint and "at most 2" not in error.value.hint


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 8)), min_size=40, max_size=120),
    st.integers(3, 6),
    st.integers(0, 5),
)
def test_no_image_is_in_two_folds_and_no_block_under_the_block_scheme(shown, n_folds, seed):
    images, blocks = np.array([f"i{i}" for i, _ in shown]), np.array([b for _, b in shown])
    for deal, groups in ((image_folds, [images]), (block_folds, [images, blocks])):
        try:
            folds = deal(images, blocks, n_folds, np.random.default_rng(seed))
        except InputError:
            continue  # shared images can leave fewer groups than folds
        assert set(folds.label) == set(range(n_folds))
        for group in groups:
            for value in np.unique(group):
                assert len(set(folds.label[group == value])) == 1


def test_image_folds_spread_each_block_evenly():
    blocks = np.repeat(np.arange(12), 25)
    folds = image_folds(np.arange(300).astype(str), blocks, 5, np.random.default_rng(0))
    counts = np.array([np.bincount(folds.label[blocks == b], minlength=5) for b in range(12)])
    assert (counts == 5).all()


def test_too_few_groups_are_refused():
    with pytest.raises(InputError, match="2 blocks without shared images cannot make 5 folds"):
        block_folds(np.arange(20).astype(str), np.repeat([0, 1], 10), 5, np.random.default_rng(0))
    with pytest.raises(InputError, match="not 0, 1"):
        check_folds([0, 1, 3, 3], 4)
    with pytest.raises(InputError, match="3 fold labels for 4"):
        check_folds([0, 1, 2], 4)


def test_inner_folds_are_the_other_outer_folds():
    folds = Folds(np.array([0, 1, 2, 0, 1, 2, 2]))
    (train, test), _ = folds.inner(0)
    outer = folds.split()[0][0]
    np.testing.assert_array_equal(folds.label[outer[test]], 1)
    np.testing.assert_array_equal(folds.label[outer[train]], 2)


def test_updated_kernels_equal_those_built_anew():
    rng = np.random.default_rng(1)
    latents = torch.from_numpy(rng.standard_normal((30, 40)))
    basis = random_basis(40, 40, rng)
    rotated = Rotated(latents, basis)
    for k in (20, 8, 32, 40):
        torch.testing.assert_close(rotated.top_kernel(k), rotated.top(k) @ rotated.top(k).T)
    projected = latents @ basis[:, :8] @ basis[:, :8].T
    torch.testing.assert_close(rotated.top_kernel(8), projected @ projected.T)


def test_a_basis_that_does_not_fit_is_refused():
    with pytest.raises(InputError, match="of dimension 3, the latents of 4"):
        Rotated(torch.zeros(5, 4), torch.eye(3))
    with pytest.raises(InputError, match="not orthonormal"):
        Rotated(torch.zeros(5, 2, dtype=torch.float64), torch.ones(2, 2, dtype=torch.float64))


def test_a_random_basis_is_orthonormal_and_shortened_predictors_keep_the_kernel():
    basis = random_basis(50, 7, np.random.default_rng(0))
    torch.testing.assert_close(basis.T @ basis, torch.eye(7, dtype=torch.float64))
    x = torch.from_numpy(np.random.default_rng(1).standard_normal((20, 300)) + 9)
    centred = x - x.mean(0)
    short = shortened(x)
    assert short.shape[1] <= 20
    torch.testing.assert_close(short @ short.T, centred @ centred.T)
    assert features_of(torch.zeros(4, 4, dtype=torch.float64)).shape == (4, 0)


def test_top_directions_explain_a_response_that_lies_in_them():
    rng = np.random.default_rng(2)
    x = torch.from_numpy(rng.standard_normal((200, 16)))
    basis = random_basis(16, 16, rng)
    rotated = Rotated(x, basis)
    y = (x @ basis[:, :4]).sum(1)[None] + 0.3 * torch.from_numpy(rng.standard_normal((1, 200)))
    folds = image_folds(np.arange(200).astype(str), np.zeros(200, int), 5, rng)
    r2 = [
        float(nested_cv(Plan(part, folds, log_alphas((-3, 12), 40)), y).r2)
        for part in (rotated.top(4), rotated.bottom(4), x)
    ]
    assert r2[0] > 0.95 > r2[1] and r2[1] < 0.05 and abs(r2[0] - r2[2]) < 0.02


def test_spectrum_adds_up_to_the_covariance_and_finds_the_rank():
    rng = np.random.default_rng(3)
    x = torch.from_numpy(rng.standard_normal((150, 10)))
    y = 3 * x[:, 2][None] + torch.from_numpy(rng.standard_normal((1, 150)))
    folds = image_folds(np.arange(150).astype(str), np.zeros(150, int), 5, rng)
    found = nested_cv(Plan(x, folds, log_alphas((-3, 12), 60)), y)
    share = explained_by_rank(x, y, folds, found.alphas)
    assert int(share[0].argmax()) == 2 and float(share[0, 2] / share.sum()) > 0.95
    wanted = 0.0
    for _, held in folds.split():
        a, b = y[0, held], found.predicted[0, held]
        wanted += float(((a - a.mean()) * (b - b.mean())).sum())
    assert float(share.sum()) == pytest.approx(wanted / float((y - y.mean()).square().sum()), rel=1e-9)


@given(st.integers(1, 5000), st.integers(1, 20))
def test_rank_bins_cover_every_rank_once(n, bins):
    found = rank_bins(n, bins)
    assert [a for a, _ in found[1:]] == [b for _, b in found[:-1]]
    assert found[0][0] == 0 and found[-1][1] == n and all(a < b for a, b in found)


def test_repeats_recover_the_planted_reliability_and_their_interval_holds_it():
    rng = np.random.default_rng(4)
    images, noise = np.repeat(np.arange(30), 8), np.array([0.5, 1.0, 3.0])[:, None]
    truth = 1 / (1 + noise[:, 0] ** 2)
    values, inside = [], []
    for _ in range(1500):
        signal = rng.standard_normal((3, 30))
        y = signal[:, images] + noise * rng.standard_normal((3, len(images)))
        ceiling, n = from_repeats(y[:, None], images, 1, 0.95)
        values.append(ceiling.value[:, 0])
        inside.append((ceiling.low[:, 0] <= truth) & (truth <= ceiling.high[:, 0]))
    assert n == 30
    np.testing.assert_allclose(np.mean(values, axis=0), truth, atol=0.02)
    assert (abs(np.mean(inside, axis=0) - 0.95) < 0.02).all()


def test_repeats_of_unequal_number_equal_the_analysis_of_variance():
    rng = np.random.default_rng(5)
    images = np.repeat(np.arange(9), [2, 3, 4, 2, 5, 3, 2, 2, 6])
    y = rng.standard_normal(9)[images] + 0.7 * rng.standard_normal(len(images))
    ceiling, _ = from_repeats(y[None], images, 1, 0.9)
    groups = [y[images == i] for i in range(9)]
    f = stats.f_oneway(*groups).statistic
    count = np.array([len(g) for g in groups])
    size = (len(y) - (count**2).sum() / len(y)) / 8
    assert ceiling.value[0] == pytest.approx((f - 1) / (f + size - 1))
    low = f / stats.f.ppf(0.95, 8, len(y) - 9)
    assert ceiling.low[0] == pytest.approx(max((low - 1) / (low + size - 1), 0))


def test_ceiling_needs_three_repeated_images():
    ceiling, n = from_repeats(np.ones((2, 5)), ["a", "a", "b", "b", "c"], 3, 0.95)
    assert n == 2 and np.isnan(ceiling.value).all() and not ceiling.usable(0.01).any()


def test_alternate_ms_recover_the_signal_share_of_poisson_counts():
    rng = np.random.default_rng(5)
    rate = rng.gamma(4, 0.5, 40_000)[None]  # of the whole window: variance 1, mean 2
    halves = [rng.poisson(rate / 2).astype(float) for _ in range(2)]
    ceiling = from_alternate_ms(*halves, 1, 0.95)
    assert float(ceiling.value[0]) == pytest.approx(1.0 / (1.0 + 2.0), abs=0.02)
    assert ceiling.low[0] < 1 / 3 < ceiling.high[0] and ceiling.usable(0.01).all()
    silent = from_alternate_ms(np.zeros((1, 9)), np.zeros((1, 9)), 1, 0.95)
    assert np.isnan(silent.value).all() and not silent.usable(0.01).any()


def test_a_ceiling_of_noise_is_hardly_ever_used():
    rng = np.random.default_rng(6)
    used = [
        from_alternate_ms(*rng.poisson(0.2, (2, 20, 300)).astype(float), 3, 0.95).usable(0.01)
        for _ in range(60)
    ]
    # The interval's lower side: one in forty, windows pooled with their neighbours a little less.
    assert np.mean(used) < 0.05


def test_sums_over_neighbours_are_those_of_a_moving_window():
    values = np.arange(12.0).reshape(2, 6) ** 2
    wanted = [[row[max(0, k - 1) : k + 2].sum() for k in range(6)] for row in values]
    np.testing.assert_allclose(pooled(values, 3), wanted)
    np.testing.assert_allclose(pooled(values, 4), wanted)
    np.testing.assert_allclose(pooled(values, 1), values)
    np.testing.assert_allclose(pooled(values, 31)[:, 0], values.sum(1))


@given(st.floats(-2, 2), st.floats(-2, 2), st.floats(1e-6, 3))
def test_index_is_bounded_antisymmetric_and_signed(texture, object_, floor):
    found = float(alignment_index(texture, object_, floor))
    assert -1 <= found <= 1
    assert float(alignment_index(object_, texture, floor)) == -found
    # A tiny difference can round to 0 in the quotient.
    assert found == 0 or np.sign(found) == np.sign(object_ - texture)


def test_index_of_noise_goes_to_0_and_of_shares_is_their_contrast():
    floor = float(noise_floor(0.08, 0.02))
    assert floor == pytest.approx(1.96 * np.hypot(0.08, 0.02), rel=1e-3)
    assert float(alignment_index(0.001, -0.001, floor)) == pytest.approx(0, abs=0.02)
    assert float(alignment_index(0.4, 0.1, floor)) == pytest.approx(-0.6)
    assert float(alignment_index(0.286, 0.303, floor)) == pytest.approx(0.03, abs=0.002)
    assert np.isnan(alignment_index(np.nan, 0.1, floor))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 6), min_size=2, max_size=60), st.sampled_from([1, 2, 5, None]), st.integers(0, 9)
)
def test_every_null_permutes_within_blocks(blocks, run, seed):
    blocks = np.array(blocks)
    every = permutations(blocks, 0, 2 * DRAWN_TOGETHER, seed, run)
    assert (blocks[every] == blocks).all()
    assert (np.sort(every, axis=1) == np.arange(len(blocks))).all()
    np.testing.assert_array_equal(permutations(blocks, 30, 100, seed, run), every[30:100])


def test_turned_blocks_keep_neighbours_and_runs_keep_theirs():
    blocks = np.repeat(np.arange(3), 12)
    turned = permutations(blocks, 0, 50, 1, None)
    steps = np.diff(turned.reshape(50, 3, 12), axis=-1)
    assert ((steps == 1).sum(-1) >= 10).all()  # all but the seam
    runs = np.diff(permutations(blocks, 0, 50, 1, 4).reshape(50, 3, 12), axis=-1)
    assert ((runs == 1).sum(-1) >= 8).all()
    assert len(np.unique(turned, axis=0)) > 45


def test_order_dependence_is_found_where_it_is_and_seldom_where_not():
    rng = np.random.default_rng(7)
    blocks, place = np.repeat(np.arange(10), 20), np.tile(np.linspace(-1, 1, 20), 10)
    free = [
        order_dependence(torch.from_numpy(rng.standard_normal((200, 6))), blocks, 99, k) for k in range(60)
    ]
    for name in ("position_p", "neighbour_p"):
        assert np.mean([getattr(each, name) <= 0.05 for each in free]) < 0.14
    trend = torch.from_numpy(rng.standard_normal((200, 6)) + place[:, None])
    found = order_dependence(trend, blocks, 99, 0)
    assert found.position_p == 0.01 and found.position_share > 0.2
    smooth = rng.standard_normal((200, 6))
    for i in range(1, 200):
        smooth[i] = 0.8 * smooth[i - 1] + 0.6 * smooth[i]
    found = order_dependence(torch.from_numpy(smooth), blocks, 99, 0)
    assert found.neighbour_p == 0.01 and found.neighbour_correlation > 0.4
    assert np.isnan(order_dependence(torch.zeros(200, 6, dtype=torch.float64), blocks, 9, 0).position_p)


def test_trends_are_those_of_a_line_fitted_to_each_block():
    rng = np.random.default_rng(8)
    blocks = np.repeat([4, 7, 9], [10, 6, 1])
    order, rows = rng.permutation(17), rng.standard_normal((2, 17))
    effects = within_blocks(blocks, order=order)
    left = effects.residual(torch.from_numpy(rows)).numpy()
    for block in (4, 7, 9):
        own = blocks == block
        rank = np.argsort(np.argsort(order[own]))
        for row in range(2):
            line = np.polyval(np.polyfit(rank, rows[row, own], 1), rank) if own.sum() > 1 else rows[row, own]
            np.testing.assert_allclose(left[row, own], rows[row, own] - line, atol=1e-12)
    assert effects.freedom == 17 - 3 - 2


def test_matched_presentations_are_spread_evenly_over_blocks():
    blocks = np.repeat(np.arange(10), 40)
    thread = Thread(0, "fc6", np.zeros((400, 2)), np.arange(400).astype(str), blocks, np.arange(400))
    kept = spread_over_blocks(thread, 250, np.random.default_rng(0))
    assert len(np.unique(kept)) == 250
    assert set(np.bincount(blocks[kept])) <= {25}
    assert len(spread_over_blocks(thread, 400, np.random.default_rng(0))) == 400
