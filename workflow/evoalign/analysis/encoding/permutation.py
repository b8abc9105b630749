"""Permutation null of the held-out R2, with family-wise error over windows."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from evoalign.analysis.encoding.nested import Plan
from evoalign.analysis.levels import FIRST_PERMUTATIONS

Floats = NDArray[np.float64]

DRAWN_TOGETHER = 64  # permutations from one generator: any run of them can be drawn by itself
# R2 that differ by less are equal: far above float32's rounding, far below anything of interest. A
# permutation counts against the data when in doubt, so p is never too small.
ROUNDING = 1e-5


def permutations(
    blocks: ArrayLike, first: int, last: int, seed: int, run: int | None = 1
) -> NDArray[np.int64]:
    """Permutations number `first` to `last` of presentations within their blocks.

    Under the null hypothesis presentations of a block are exchangeable;
    presentations of different blocks are not, since latents and responses
    both drift over blocks. Where both also depend on the order within a
    block, runs of neighbours are moved together, or the block is turned.

    Parameters
    ----------
    blocks : array_like of int [presentation]
        In the order of display within each block. One value everywhere gives
        free permutations.
    first, last : int
        Half-open range; a permutation depends on its number and the seed alone.
    seed : int
    run : int or None
        Presentations that stay side by side, cut from the block turned by a
        random number of places; None turns the block as a whole.

    Returns
    -------
    numpy.ndarray, int64 [last - first, presentation]
    """
    _, block = np.unique(np.asarray(blocks), return_inverse=True)
    parts = []
    for batch in range(first // DRAWN_TOGETHER, -(-last // DRAWN_TOGETHER)):
        orders = _drawn_together(block.astype(np.int64).tobytes(), batch, seed, run)
        start = batch * DRAWN_TOGETHER
        parts.append(orders[max(first - start, 0) : last - start])
    return np.concatenate(parts) if parts else np.empty((0, len(block)), dtype=np.int64)


# Callers take few permutations at a time, one run after the other: the last ones drawn are asked for again.
@functools.lru_cache(maxsize=1)
def _drawn_together(blocks: bytes, batch: int, seed: int, run: int | None) -> NDArray[np.int64]:
    """The permutations [permutation, presentation] of one generator; blocks from 0, int64, as their bytes."""
    block = np.frombuffer(blocks, dtype=np.int64)
    generator = np.random.default_rng([seed, batch])
    shuffled = _shuffled(block, generator) if run == 1 else _moved(block, run, generator)
    orders = np.empty_like(shuffled)
    orders[:, np.argsort(block, kind="stable")] = shuffled
    orders.flags.writeable = False
    return orders


def _shuffled(block: NDArray, generator: np.random.Generator) -> NDArray[np.int64]:
    """Presentations [permutation, place], places sorted by block, single ones shuffled."""
    keys = generator.random((DRAWN_TOGETHER, len(block)))
    # Not the stable sort, which takes three times as long: no two keys are equal.
    return np.argsort(block + keys, axis=1)


def _moved(block: NDArray, run: int | None, generator: np.random.Generator) -> NDArray[np.int64]:
    """The same, with each block turned and runs of it shuffled."""
    orders = np.empty((DRAWN_TOGETHER, len(block)), dtype=np.int64)
    filled = 0
    for number in range(block.max() + 1):
        in_block = np.flatnonzero(block == number)
        n = len(in_block)
        place = (np.arange(n) + generator.integers(n, size=(DRAWN_TOGETHER, 1))) % n
        turned = np.argsort(place, axis=1)  # which presentation comes to each place
        if run is not None:
            piece = np.arange(n) // run
            keys = generator.random((DRAWN_TOGETHER, piece.max() + 1))[:, piece]
            turned = np.take_along_axis(turned, np.argsort(keys, axis=1, kind="stable"), axis=1)
        orders[:, filled : filled + n] = in_block[turned]
        filled += n
    return orders


def null_r2(
    plan: Plan,
    targets: Tensor,
    blocks: ArrayLike,
    n_permutations: int,
    seed: int,
    rows: int = 1024,
    done: Callable[[int], None] = lambda _: None,
    run: int | None = 1,
    start: int = 0,
) -> Tensor:
    """Held-out R2 of the data and of permuted responses.

    Alphas are chosen anew, by the same nested cross-validation, for each
    permutation: the statistic is one function of the responses, so that the
    test is exact when presentations of a block are exchangeable.

    Parameters
    ----------
    plan : Plan
    targets : torch.Tensor [target, presentation]
        In the order of the presentations, not of `plan.order`.
    blocks : array_like of int [presentation]
    n_permutations, seed, run
        See `permutations`. All targets are permuted alike, so the dependence
        between windows and units stays.
    rows : int
        Permuted targets that are computed at a time.
    done : callable
        Told the number of rows after each batch.
    start : int
        Of the result, so many rows at its beginning are left out: those that are known.

    Returns
    -------
    torch.Tensor, float32 [1 + permutation, target], on the CPU
        First the data; NaN for a target that does not vary.
    """
    n_targets, n = targets.shape
    device = plan.order.device
    values = targets.to(device=device, dtype=torch.float64)
    values = values - values.mean(1, keepdim=True)
    total = values.square().sum(1)
    values = values.to(plan.dtype)
    at_once = max(rows // max(n_targets, 1), 1)
    r2 = torch.empty(1 + n_permutations - start, n_targets)
    for first in range(start, 1 + n_permutations, at_once):
        last = min(first + at_once, 1 + n_permutations)
        index = np.empty((last - first, n), dtype=np.int64)
        skip = 1 if first == 0 else 0
        index[:skip] = np.arange(n)
        index[skip:] = permutations(blocks, first + skip - 1, last - 1, seed, run)
        order = torch.from_numpy(index).to(device)[:, plan.order]
        permuted = values.index_select(1, order.flatten()).view(n_targets * (last - first), n)
        error = plan.squared_error(permuted).view(n_targets, last - first)
        r2[first - start : last - start] = (1 - error / total[:, None]).T.float().cpu()
        done(len(permuted))
    return r2


@dataclass(frozen=True)
class PermutationTest:
    """p values of targets [unit, window], float64.

    Attributes
    ----------
    p : numpy.ndarray
        Of each window by itself.
    p_fwe : numpy.ndarray
        Against the largest deviation over the unit's windows.
    p_run : numpy.ndarray
        Of the run of windows that starts here, by the mean over them, against
        the largest mean over the unit's runs; NaN where no run fits.
    null_mean : numpy.ndarray
        Mean R2 of the permutations: above 0 where drift alone explains.
    """

    p: Floats
    p_fwe: Floats
    p_run: Floats
    null_mean: Floats


def test_windows(null: Tensor, n_units: int, run: int = 3) -> PermutationTest:
    """Return p values from the output of `null_r2` for targets unit x window.

    Each window's R2 is centred and scaled by its own permutations before the
    maximum or the mean over windows is taken, so that a window in which drift
    explains much does not hide the others.

    Parameters
    ----------
    null : torch.Tensor [1 + permutation, unit x window]
    n_units : int
    run : int
        Windows of a run.
    """
    r2 = null.double().view(len(null), n_units, -1)
    absent = r2[0].isnan()
    r2 = torch.where(absent, 0.0, r2)
    p = (r2 >= r2[0] - ROUNDING).double().mean(0)
    spread = r2.std(0).clamp(min=ROUNDING)
    z = torch.where(absent, -torch.inf, (r2 - r2.mean(0)) / spread)
    largest = z.amax(-1, keepdim=True)
    p_fwe = (largest >= z[0] - ROUNDING / spread).double().mean(0)
    p_run = torch.full_like(p, torch.nan)
    if z.shape[-1] >= run:
        means = torch.where(absent, 0.0, z).unfold(-1, run, 1).mean(-1)
        slack = (ROUNDING / spread).unfold(-1, run, 1).mean(-1)
        most = means.amax(-1, keepdim=True)
        p_run[:, : means.shape[-1]] = (most >= means[0] - slack).double().mean(0)
    mean = r2[1:].mean(0) if len(r2) > 1 else torch.full_like(p, torch.nan)
    p, p_fwe, mean = (torch.where(absent, torch.nan, value) for value in (p, p_fwe, mean))
    return PermutationTest(p.numpy(), p_fwe.numpy(), p_run.numpy(), mean.numpy())


test_windows.__test__ = False  # type: ignore[attr-defined]  # not for pytest to collect


def test_in_two_steps(
    null: Callable[[Tensor, int, int], Tensor],
    targets: Tensor,
    n_units: int,
    n_permutations: int,
    hopeless: float,
    run: int = 3,
) -> PermutationTest:
    """Return p values, those of units far from any finding from the first 200 permutations.

    The p of a unit, its smallest p_fwe over windows, is that of the first permutations where it is above
    `hopeless`, and of all of them elsewhere. It is valid at every level: one up to `hopeless` is reached
    by the p of all permutations alone, and one above only where the p of the first ones reaches it.

    Parameters
    ----------
    null : callable
        Targets, permutations and rows to leave out -> as `null_r2`.
    targets : torch.Tensor [unit x window, presentation]
    n_units, n_permutations : int
    hopeless : float
        Well above each level at which p is judged.
    run : int
        As for `test_windows`.

    References
    ----------
    Besag and Clifford 1991 (sequential Monte Carlo p values); here in two steps of fixed sizes, since
    windows are scaled by their own permutations.
    """
    first = min(FIRST_PERMUTATIONS, n_permutations)
    found = null(targets, first, 0)
    test = test_windows(found, n_units, run)
    smallest = np.where(np.isnan(test.p_fwe), np.inf, test.p_fwe).min(1)
    units = np.flatnonzero(smallest <= hopeless)
    if first == n_permutations or not len(units):
        return test
    rows = torch.arange(len(targets)).view(n_units, -1)[units].flatten()
    more = null(targets[rows.to(targets.device)], n_permutations, 1 + first)
    again = test_windows(torch.cat([found[:, rows], more]), len(units), run)
    for name, values in vars(again).items():
        getattr(test, name)[units] = values
    return test


test_in_two_steps.__test__ = False  # type: ignore[attr-defined]


@contextmanager
def tensor_cores(allowed: bool) -> Iterator[None]:
    """Let float32 products on the GPU round their factors to 10 bits (TF32), or not."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
