"""What makes nested cross-validation fast changes none of its numbers."""

import numpy as np
import pytest
import torch

from evoalign.analysis.encoding import Folds, Plan, log_alphas
from evoalign.analysis.encoding.decomposition import design
from evoalign.analysis.encoding.losses import smallest
from evoalign.analysis.encoding.products import BatchedProducts, CompiledProducts, products
from evoalign.analysis.encoding.training import GROWTH, CommonBasis, decompose_folds

ALPHAS = log_alphas((-3.0, 12.0), 60)
BOUNDS = [0, 40, 75, 120, 160, 199]


def frame_of(columns, seed=0):
    features = np.random.default_rng(seed).standard_normal((BOUNDS[-1], columns))
    return design(torch.from_numpy(features), BOUNDS)


@pytest.mark.parametrize("size", [1, 6])
def test_the_compiled_loop_and_batched_products_give_the_sums_of_plain_loops(size):
    frame, rng = frame_of(60), np.random.default_rng(1)
    rows = torch.from_numpy(rng.standard_normal((9, frame.bounds[-1]))).float()
    sums = [kind(frame, rows, 2, size) for kind in (CompiledProducts, BatchedProducts)]
    pairs = [(f, g) for f in range(size) for g in range(f, size)]
    wanted = np.zeros((2, 9, len(pairs) + size))
    for slot, fold, weight in [(0, 1, 0.5), (1, 4, 2.0), (0, 3, 0.25)]:
        held = frame.fold(fold)
        n = held.stop - held.start
        mean = torch.from_numpy(rng.standard_normal(9)).float()
        predicted = torch.from_numpy(rng.standard_normal((9, size * n))).float()
        for each in sums:
            each.add(slot, weight, fold, mean, predicted)
        own = predicted.double().view(9, size, n).numpy()
        missed = (rows[:, held] - mean[:, None] * frame.ones[held]).double().numpy()
        for row in range(9):
            for term, (f, g) in enumerate(pairs):
                wanted[slot, row, term] += weight * own[row, f] @ own[row, g]
            for f in range(size):
                wanted[slot, row, len(pairs) + f] += weight * own[row, f] @ missed[row]
    for each in sums:
        np.testing.assert_allclose(each.terms().numpy(), wanted, rtol=1e-4, atol=1e-4)


def test_batched_products_are_taken_where_many_threads_share_the_work():
    frame, rows = frame_of(5), torch.zeros(2, 30)
    before = torch.get_num_threads()
    try:
        for threads, kind in ((1, CompiledProducts), (16, BatchedProducts)):
            torch.set_num_threads(threads)
            assert isinstance(products(frame, rows, 1, 2), kind)
    finally:
        torch.set_num_threads(before)
    assert isinstance(products(frame, rows.double(), 1, 2), BatchedProducts)


@pytest.mark.parametrize("columns", [10, 39, 100, 180])
def test_every_training_set_projects_as_its_own_eigenvectors(columns):
    frame = frame_of(columns)
    common = CommonBasis(frame, n_left_out=2)
    rows = torch.from_numpy(np.random.default_rng(2).standard_normal((4, frame.bounds[-1])))
    folded = common.fold(rows)
    for train in [(0, 1, 2), (1, 3, 4), (0, 2, 3, 4)]:
        part = decompose_folds(frame, train)
        training = common.training_set(train, part)
        assert training.summed == (columns + 1 < 40 + 35 + 39)  # the three shortest folds
        own = torch.cat([rows[:, frame.fold(f)] for f in train], dim=1)
        torch.testing.assert_close(folded.inputs(training) @ training.project, own @ part.vectors)


def test_a_direction_that_one_fold_alone_holds_does_not_swell_rounding():
    """An outlier of 1e6 in one fold: the other folds hardly see the direction, and are left as they are."""
    rng = np.random.default_rng(3)
    features = rng.standard_normal((BOUNDS[-1], 12))
    features[5, 0] = 1e6
    frame = design(torch.from_numpy(features), BOUNDS)
    common = CommonBasis(frame, n_left_out=2)
    without, with_it = ((1, 2, 3), (0, 2, 3))
    assert not common.training_set(without, decompose_folds(frame, without)).summed
    inside = common.training_set(with_it, decompose_folds(frame, with_it))
    assert inside.summed and torch.linalg.matrix_norm(inside.project, 2) < GROWTH
    folds = Folds(np.repeat(np.arange(5), np.diff(BOUNDS)))
    rows = torch.from_numpy(rng.standard_normal((30, BOUNDS[-1])))
    plan = Plan(torch.from_numpy(features), folds, ALPHAS)
    wanted = plan.squared_error(rows)
    found = plan.to(torch.float32).squared_error(rows.float())
    assert ((found / wanted - 1).abs() < 1e-5).double().mean() > 0.9


def test_a_feature_that_varies_in_one_fold_alone_is_no_trouble():
    """The training sets without this fold have one direction fewer."""
    rng = np.random.default_rng(4)
    features = np.column_stack([rng.standard_normal((BOUNDS[-1], 6)), np.zeros(BOUNDS[-1])])
    features[:20, 6] = rng.standard_normal(20)
    frame = design(torch.from_numpy(features), BOUNDS)
    common = CommonBasis(frame, n_left_out=2)
    rows = torch.from_numpy(rng.standard_normal((4, frame.bounds[-1])))
    part = decompose_folds(frame, (1, 2, 4))
    training = common.training_set((1, 2, 4), part)
    assert part.vectors.shape[1] == 6
    own = torch.cat([rows[:, frame.fold(f)] for f in (1, 2, 4)], dim=1)
    torch.testing.assert_close(common.fold(rows).inputs(training) @ training.project, own @ part.vectors)


def test_the_smallest_loss_is_torchs_own_also_of_equal_and_unknown_ones():
    losses = torch.from_numpy(np.random.default_rng(0).integers(0, 4, (3, 50, 20)).astype(np.float32))
    losses[0, :10, 5] = torch.nan
    for each in (losses, losses.double()):
        assert torch.equal(smallest(each), each.argmin(-1))
