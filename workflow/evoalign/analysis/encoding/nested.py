"""Nested cross-validation of many targets as a few matrix products.

For F folds there are F outer training sets and F (F - 1) / 2 training sets
without two folds. Each of the latter is decomposed once and serves two inner
folds: trained without i and j it predicts j for the choice of alpha in outer
fold i, and i for that in outer fold j. Everything that depends on predictors
is done here once; a target, or a permutation of it, costs products with the
operators of this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from evoalign.analysis.encoding.decomposition import (
    AlphaBasis,
    Decomposition,
    Design,
    alpha_basis,
    decompose,
    design,
)
from evoalign.analysis.encoding.folds import Folds

EXACT = 1e-13  # of the alpha basis, in float64
SINGLE = 1e-5  # the same in float32: alphas are those of float64 in 99.9 % of fits, at the least cost

Task = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class _Held:
    """One held-out fold of a training set."""

    fold: int
    slot: int  # table of losses that it adds to
    weight: float  # 1 / (presentations x folds of the slot)


@dataclass(frozen=True)
class _Entry:
    """One training set: responses -> basis predictions of its held-out folds."""

    train: tuple[int, ...]  # folds
    average: Tensor  # [train]
    project: Tensor | None  # [train, rank]; None when folded into `predict`
    predict: Tensor  # [rank or train, basis x held-out coordinates]
    held: tuple[_Held, ...]


class Losses:
    """Held-out losses of all alphas for many targets.

    Parameters
    ----------
    frame : Design
        Predictors.
    tasks : sequence of (left_out, slots)
        Folds that a training set leaves out, and for each of them the table
        that its mean squared error is added to.
    alphas : torch.Tensor, float64 [alpha]
    dtype : torch.dtype
        Of the operators.
    tolerance : float
        See `alpha_basis`.
    parts : sequence of Decomposition, optional
        Of the tasks' training sets, where they are known already.
    """

    def __init__(
        self,
        frame: Design,
        tasks: Sequence[Task],
        alphas: Tensor,
        dtype: torch.dtype,
        tolerance: float,
        parts: Sequence[Decomposition] | None = None,
    ) -> None:
        self.frame = frame
        trains = [tuple(f for f in range(len(frame.turns)) if f not in left_out) for left_out, _ in tasks]
        self.parts = [decompose_folds(frame, train) for train in trains] if parts is None else parts
        scores = [
            [part.scores(frame.features[frame.fold(f)], frame.ones[frame.fold(f)]) for f in left_out]
            for part, (left_out, _) in zip(self.parts, tasks, strict=True)
        ]
        scales = [torch.cat(held).square().mean(0).sqrt() for held in scores]
        basis = alpha_basis([part.values for part in self.parts], scales, alphas, tolerance)
        self.size = basis.size
        self.n_slots = max(slot for _, slots in tasks for slot in slots) + 1
        self.entries = [
            self._entry(train, part, held, scale, basis, k, task, dtype)
            for k, (train, part, held, scale, task) in enumerate(
                zip(trains, self.parts, scores, scales, tasks, strict=True)
            )
        ]
        self.ones = frame.ones.to(dtype)
        self.weights = basis.weights.to(dtype)  # [alpha, basis]
        self._upper = torch.triu_indices(basis.size, basis.size, device=alphas.device)
        products = basis.weights[:, self._upper[0]] * basis.weights[:, self._upper[1]]
        products[:, self._upper[0] != self._upper[1]] *= 2
        self._products = products.T.to(dtype).contiguous()  # [pair of functions, alpha]
        self._flat = self._upper[0] * basis.size + self._upper[1]

    def _entry(
        self,
        train: tuple[int, ...],
        part: Decomposition,
        scores: Sequence[Tensor],
        scale: Tensor,
        basis: AlphaBasis,
        index: int,
        task: Task,
        dtype: torch.dtype,
    ) -> _Entry:
        functions = basis.functions[index]  # [basis, rank]
        safe = torch.where(scale > 0, scale, 1.0)
        operators = [(functions[:, None, :] * (score / safe)[None]).flatten(0, 1) for score in scores]
        predict, project = torch.cat(operators).T, part.vectors
        n, rank = part.vectors.shape
        # With nearly as many eigenvectors as presentations the two steps cost more than their product.
        folded = n * predict.shape[1] < n * rank + rank * predict.shape[1]
        raw = torch.tensor(self.frame.raw_bounds).diff().tolist()
        in_slot = max(len(self.frame.turns) - 1, 1) if self.n_slots > 1 else len(self.frame.turns)
        return _Entry(
            train,
            part.average.to(dtype),
            None if folded else project.to(dtype).contiguous(),
            (project @ predict if folded else predict).to(dtype).contiguous(),
            tuple(_Held(fold, slot, 1 / (raw[fold] * in_slot)) for fold, slot in zip(*task, strict=True)),
        )

    def __call__(self, rows: Tensor) -> Tensor:
        """Losses up to a term that no alpha changes.

        Parameters
        ----------
        rows : torch.Tensor [row, coordinate]
            Targets or their permutations, as from `Design.shorten`.

        Returns
        -------
        torch.Tensor [slot, row, alpha]
            Mean over the slot's folds of the mean squared error, less that of
            predicting the training mean.
        """
        linear = rows.new_zeros(self.n_slots, len(rows), self.size, 1)
        square = rows.new_zeros(self.n_slots, len(rows), self.size, self.size)
        for entry in self.entries:
            train = torch.cat([rows[:, self.frame.fold(f)] for f in entry.train], dim=1)
            mean = train @ entry.average
            basis = train if entry.project is None else train @ entry.project
            basis = basis @ entry.predict
            start = 0
            for held in entry.held:
                fold = self.frame.fold(held.fold)
                length = fold.stop - fold.start
                stop = start + self.size * length
                predicted = basis[:, start:stop].unflatten(1, (self.size, length))
                start = stop
                wanted = torch.addr(rows[:, fold], mean, self.ones[fold], alpha=-1)
                linear[held.slot].baddbmm_(predicted, wanted[..., None], alpha=held.weight)
                square[held.slot].baddbmm_(predicted, predicted.mT, alpha=held.weight)
        upper = square.flatten(2).index_select(2, self._flat)
        return upper @ self._products - 2 * linear[..., 0] @ self.weights.T

    @property
    def operations(self) -> int:
        """Floating-point operations a row."""
        total = self.n_slots * self._products.numel()
        for entry in self.entries:
            total += entry.predict.numel() + (0 if entry.project is None else entry.project.numel())
            total += sum(
                (self.size**2 + self.size) * (self.frame.bounds[h.fold + 1] - self.frame.bounds[h.fold])
                for h in entry.held
            )
        return 2 * total


def decompose_folds(frame: Design, folds: Sequence[int]) -> Decomposition:
    """Decompose the training set made of some folds."""
    return decompose(
        torch.cat([frame.features[frame.fold(f)] for f in folds]),
        torch.cat([frame.ones[frame.fold(f)] for f in folds]),
    )


@dataclass(frozen=True)
class Outer:
    """Prediction of one held-out fold from the others, for any alpha."""

    train: tuple[int, ...]
    fold: int
    average: Tensor  # [train]
    project: Tensor  # [train, rank]
    shrinkage: Tensor  # [alpha, rank]
    scores: Tensor  # [rank, coordinate]
    raw_scores: Tensor  # [rank, presentation]
    part: Decomposition


class Plan:
    """All that nested cross-validation needs of the predictors, computed once.

    Parameters
    ----------
    features : torch.Tensor, float64 [presentation, feature]
        On the device where the targets will be.
    folds : Folds
        Over the same presentations.
    alphas : torch.Tensor, float64 [alpha]
    dtype : torch.dtype
        float64 for the data; float32 is enough for permutations.

    Attributes
    ----------
    order : torch.Tensor, int64 [presentation]
        Presentations sorted by fold; targets are taken in this order.
    features : torch.Tensor, float64 [presentation, feature]
        The predictors in this order.
    frame : Design
        The same, shortened.
    """

    def __init__(
        self, features: Tensor, folds: Folds, alphas: Tensor, dtype: torch.dtype = torch.float64
    ) -> None:
        label = torch.from_numpy(folds.label).to(features.device)
        self.order = torch.argsort(label, stable=True)
        counts = torch.bincount(label, minlength=folds.n_folds)
        self.frame = design(features[self.order], [0, *counts.cumsum(0).tolist()])
        self.alphas, self.n_folds = alphas.to(features.device), folds.n_folds
        self.features = features[self.order]
        self._build(dtype, None, None)

    def _build(
        self,
        dtype: torch.dtype,
        pairs: Sequence[Decomposition] | None,
        singles: Sequence[Decomposition] | None,
    ) -> None:
        self.dtype = dtype
        tasks = [((i, j), (j, i)) for i, j in combinations(range(self.n_folds), 2)]
        tolerance = EXACT if dtype == torch.float64 else SINGLE
        self.losses = Losses(self.frame, tasks, self.alphas, dtype, tolerance, pairs)
        known = [None] * self.n_folds if singles is None else singles
        self.outer = [self._outer(fold, known[fold]) for fold in range(self.n_folds)]
        self._ones = self.frame.ones.to(dtype)

    def to(self, dtype: torch.dtype) -> Plan:
        """The same plan with operators of another precision, from the same decompositions."""
        other = copy(self)
        other._build(dtype, self.losses.parts, [outer.part for outer in self.outer])
        return other

    def _outer(self, fold: int, part: Decomposition | None) -> Outer:
        frame, held = self.frame, self.frame.fold(fold)
        train = tuple(f for f in range(self.n_folds) if f != fold)
        part = decompose_folds(frame, train) if part is None else part
        raw = part.scores(self.features[frame.raw_bounds[fold] : frame.raw_bounds[fold + 1]])
        scale = raw.square().mean(0).sqrt()
        safe = torch.where(scale > 0, scale, 1.0)
        short = part.scores(frame.features[held], frame.ones[held])
        return Outer(
            train,
            fold,
            part.average.to(self.dtype),
            part.vectors.to(self.dtype).contiguous(),
            (safe / (part.values + self.alphas[:, None])).to(self.dtype),
            (short / safe).T.to(self.dtype).contiguous(),
            (raw / safe).T.to(self.dtype).contiguous(),
            part,
        )

    def choose(self, rows: Tensor) -> Tensor:
        """Index of the best alpha of each outer fold.

        Parameters
        ----------
        rows : torch.Tensor [row, presentation]
            Targets, presentations in `order`.

        Returns
        -------
        torch.Tensor, int64 [fold, row]
        """
        return self.losses(self.frame.shorten(rows)).argmin(-1)

    def predict(self, rows: Tensor, chosen: Tensor) -> Tensor:
        """Held-out predictions.

        Parameters
        ----------
        rows : torch.Tensor [row, presentation]
            Targets, presentations in `order`.
        chosen : torch.Tensor, int64 [fold, row]
            Of `choose`.

        Returns
        -------
        torch.Tensor [row, presentation]
            Each fold predicted from the others, presentations in `order`.
        """
        short = self.frame.shorten(rows)
        parts = []
        for outer in self.outer:
            shrunk, mean = self._fit(outer, short, chosen[outer.fold])
            parts.append(shrunk @ outer.raw_scores + mean[:, None])
        return torch.cat(parts, dim=1)

    def squared_error(self, rows: Tensor) -> Tensor:
        """Held-out squared error summed over presentations; alphas are chosen for each row.

        Parameters
        ----------
        rows : torch.Tensor [row, presentation]
            Presentations in `order`; each row centred about 0, which keeps
            rounding small.

        Returns
        -------
        torch.Tensor, float64 [row]
        """
        short = self.frame.shorten(rows)
        chosen = self.losses(short).argmin(-1)
        total = (rows.square().sum(1) - short.square().sum(1)).double()
        for outer in self.outer:
            fold = self.frame.fold(outer.fold)
            shrunk, mean = self._fit(outer, short, chosen[outer.fold])
            missed = torch.addr(short[:, fold], mean, self._ones[fold], alpha=-1) - shrunk @ outer.scores
            total += missed.square().sum(1)
        return total

    def _fit(self, outer: Outer, short: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
        train = torch.cat([short[:, self.frame.fold(f)] for f in outer.train], dim=1)
        return (train @ outer.project) * outer.shrinkage[chosen], train @ outer.average

    @property
    def operations(self) -> int:
        """Floating-point operations a row: products alone."""
        outer = sum(o.project.numel() + o.scores.numel() for o in self.outer)
        turns = sum(0 if turn is None else turn.numel() for turn in self.frame.turns)
        return self.losses.operations + 2 * (outer + turns)
