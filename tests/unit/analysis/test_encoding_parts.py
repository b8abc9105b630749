"""Folds, projections, noise ceilings, index, crossover and spectrum of the encoding analysis."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evoalign.analysis.encoding import (
    Folds,
    Plan,
    Rotated,
    alignment_index,
    block_folds,
    crossover_ms,
    image_folds,
    log_alphas,
    nested_cv,
    random_basis,
)
from evoalign.analysis.encoding.alignment_index import image_draws, r2_draws, run_means
from evoalign.analysis.encoding.folds import check_folds
from evoalign.analysis.encoding.kernels import features_of
from evoalign.analysis.encoding.noise_ceiling import from_alternate_ms, from_repeats
from evoalign.analysis.encoding.ridge import shortened
from evoalign.analysis.encoding.spectrum import explained_by_rank, rank_bins
from evoalign.errors import InputError


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
        torch.testing.assert_close(rotated.bottom_kernel(k), rotated.bottom(k) @ rotated.bottom(k).T)
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


def test_repeats_recover_the_planted_reliability():
    rng = np.random.default_rng(4)
    images, signal = np.repeat(np.arange(300), 12), rng.standard_normal((3, 300))
    noise = np.array([0.5, 1.0, 3.0])[:, None]
    y = signal[:, images] + noise * rng.standard_normal((3, len(images)))
    ceiling, n = from_repeats(y, images, 20, rng)
    assert n == 300
    np.testing.assert_allclose(ceiling, 1 / (1 + noise[:, 0] ** 2), atol=0.04)


def test_ceiling_needs_three_repeated_images():
    ceiling, n = from_repeats(np.ones((2, 5)), ["a", "a", "b", "b", "c"], 3, np.random.default_rng(0))
    assert n == 2 and np.isnan(ceiling).all()


def test_alternate_ms_recover_the_signal_share_of_poisson_counts():
    rng = np.random.default_rng(5)
    rate = rng.gamma(4, 0.5, 40_000)[None]  # of the whole window: variance 1, mean 2
    halves = rng.poisson(rate / 2), rng.poisson(rate / 2)
    ceiling = from_alternate_ms(*(half.astype(float) for half in halves))
    assert float(ceiling[0]) == pytest.approx(1.0 / (1.0 + 2.0), abs=0.02)
    assert np.isnan(from_alternate_ms(np.zeros((1, 9)), np.zeros((1, 9)))).all()


@given(st.floats(-2, 2), st.floats(-2, 2))
def test_index_is_bounded_antisymmetric_and_signed(texture, object_):
    found = alignment_index(texture, object_)
    if texture == object_ == 0:
        assert np.isnan(found)
        return
    assert -1 <= found <= 1
    assert alignment_index(object_, texture) == -found
    # One side next to nothing can round the quotient to 0.
    assert found == 0 or np.sign(found) == np.sign(object_ - texture)


@pytest.mark.parametrize(
    ("index", "evidence", "wanted"),
    [
        ([-1, 1, 1, -1, 1, 1, 1, -1], None, 40.0),
        ([1, 1, 1, 1], None, 0.0),
        ([-1, 1, 1, np.nan, 1], None, np.nan),
        ([1, 1, 1, -1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 1, 0, 0], 40.0),
        ([1, 1, 1, -1, 1, 1, 1, 1], [0, 0, 0, 1, 0, 0, 1, 1], np.nan),
        ([1, 1], None, np.nan),
    ],
)
def test_crossover_starts_the_first_stretch_that_counts(index, evidence, wanted):
    found = crossover_ms(index, np.arange(len(index)) * 10, 3, evidence)
    np.testing.assert_equal(float(found), wanted)
    both = crossover_ms([index, index], np.arange(len(index)) * 10, 3, evidence)
    np.testing.assert_equal(both, [wanted, wanted])


def test_run_means_are_of_the_windows_that_follow():
    np.testing.assert_equal(run_means([1.0, 2.0, 6.0, 7.0], 3), [3.0, 5.0, np.nan, np.nan])
    assert np.isnan(run_means([1.0], 3)).all()


def test_bootstrap_draws_equal_r2_of_resampled_presentations():
    rng = np.random.default_rng(6)
    y, p = torch.from_numpy(rng.standard_normal((2, 3, 40)))
    images = np.repeat(np.arange(20), 2)
    weights = image_draws(images, 5, rng)
    assert (weights.sum(1) == 40).all() and (weights[:, ::2] == weights[:, 1::2]).all()
    found = r2_draws(y, p, weights)
    for draw, weight in enumerate(weights.numpy().astype(int)):
        rows = np.repeat(np.arange(40), weight)
        for target in range(3):
            a, b = y[target].numpy()[rows], p[target].numpy()[rows]
            assert found[draw, target] == pytest.approx(
                1 - ((a - b) ** 2).sum() / ((a - a.mean()) ** 2).sum()
            )
