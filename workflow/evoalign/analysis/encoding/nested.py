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

from evoalign.analysis.encoding.decomposition import Decomposition, design
from evoalign.analysis.encoding.folds import Folds
from evoalign.analysis.encoding.losses import EXACT, SINGLE, Losses, smallest
from evoalign.analysis.encoding.training import (
    CommonBasis,
    FoldedRows,
    TrainingSet,
    averages,
    decompose_folds,
)


@dataclass(frozen=True)
class Outer:
    """Prediction of one held-out fold from the others, for any alpha."""

    fold: int
    training: TrainingSet
    project: Tensor  # [input, rank]
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
        self.common = CommonBasis(self.frame, n_left_out=2)
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
        self.losses = Losses(self.frame, self.common, tasks, self.alphas, dtype, tolerance, pairs)
        given_singles = [None] * self.n_folds if singles is None else singles
        self.outer = [self._outer(fold, given_singles[fold]) for fold in range(self.n_folds)]
        sets = [(outer.training.folds, outer.part) for outer in self.outer]
        self._averages = averages(self.frame, sets).to(dtype)
        self._ones = self.frame.ones.to(dtype)

    def to(self, dtype: torch.dtype) -> Plan:
        """The same plan with operators of another precision, from the same decompositions."""
        moved = copy(self)
        moved._build(dtype, self.losses.parts, [outer.part for outer in self.outer])
        return moved

    def _outer(self, fold: int, part: Decomposition | None) -> Outer:
        frame, held = self.frame, self.frame.fold(fold)
        train = tuple(f for f in range(self.n_folds) if f != fold)
        part = decompose_folds(frame, train) if part is None else part
        raw = part.scores(self.features[frame.raw_bounds[fold] : frame.raw_bounds[fold + 1]])
        scale = raw.square().mean(0).sqrt()
        safe = torch.where(scale > 0, scale, 1.0)
        short = part.scores(frame.features[held], frame.ones[held])
        training = self.common.training_set(train, part)
        return Outer(
            fold,
            training,
            training.project.to(self.dtype).contiguous(),
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
        return smallest(self.losses.of(self._folded(rows)))

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
        folded = self._folded(rows)
        means = folded.rows @ self._averages
        parts = []
        for outer in self.outer:
            shrunk = self._shrunk(outer, folded, chosen[outer.fold])
            parts.append(shrunk @ outer.raw_scores + means[:, outer.fold, None])
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
        folded = self._folded(rows)
        short = folded.rows
        chosen = smallest(self.losses.of(folded))
        means = short @ self._averages
        total = (rows.square().sum(1) - short.square().sum(1)).double()
        for outer in self.outer:
            fold = self.frame.fold(outer.fold)
            missed = torch.addr(short[:, fold], means[:, outer.fold], self._ones[fold], alpha=-1)
            missed.addmm_(self._shrunk(outer, folded, chosen[outer.fold]), outer.scores, alpha=-1)
            total += missed.square().sum(1)
        return total

    def _folded(self, rows: Tensor) -> FoldedRows:
        return self.common.fold(self.frame.shorten(rows))

    def _shrunk(self, outer: Outer, folded: FoldedRows, chosen: Tensor) -> Tensor:
        """Shrunk coordinates [row, rank] of the responses on a training set's eigenvectors."""
        return (folded.inputs(outer.training) @ outer.project).mul_(outer.shrinkage[chosen])

    @property
    def operations(self) -> int:
        """Floating-point operations a row: products alone."""
        outer = sum(o.project.numel() + o.scores.numel() for o in self.outer)
        turns = sum(0 if turn is None else turn.numel() for turn in self.frame.turns)
        shared = turns + self.common.numbers + self._averages.numel()
        return self.losses.operations + 2 * (outer + shared)
