"""Held-out losses of all alphas for many targets, from predictions of a few basis functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from evoalign.analysis.encoding.decomposition import AlphaBasis, Decomposition, Design, alpha_basis
from evoalign.analysis.encoding.products import products
from evoalign.analysis.encoding.training import (
    CommonBasis,
    FoldedRows,
    TrainingSet,
    averages,
    decompose_folds,
)

EXACT = 1e-13  # of the alpha basis, in float64
SINGLE = 1e-5  # the same in float32: alphas are those of float64 in 99.9 % of fits, at the least cost

Task = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class _Held:
    """One held-out fold of a training set: responses -> its basis predictions."""

    fold: int
    predict: Tensor  # [input, basis x coordinate]
    slot: int  # table of losses that it adds to
    weight: float  # 1 / (presentations x folds of the slot)


@dataclass(frozen=True)
class _Entry:
    """One training set and the folds that it predicts."""

    training: TrainingSet
    held: tuple[_Held, ...]


class Losses:
    """Held-out losses of all alphas for many targets.

    Parameters
    ----------
    frame : Design
        Predictors.
    common : CommonBasis
        Of the same predictors.
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
        common: CommonBasis,
        tasks: Sequence[Task],
        alphas: Tensor,
        dtype: torch.dtype,
        tolerance: float,
        parts: Sequence[Decomposition] | None = None,
    ) -> None:
        self.frame, self.common = frame, common
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
            self._entry(common.training_set(train, part), held, scale, functions, task, dtype)
            for train, part, held, scale, functions, task in zip(
                trains, self.parts, scores, scales, basis.functions, tasks, strict=True
            )
        ]
        self._averages = averages(frame, list(zip(trains, self.parts, strict=True))).to(dtype)
        self._of_terms = _of_terms(basis).to(dtype)

    def _entry(
        self,
        training: TrainingSet,
        scores: Sequence[Tensor],
        scale: Tensor,
        functions: Tensor,
        task: Task,
        dtype: torch.dtype,
    ) -> _Entry:
        safe = torch.where(scale > 0, scale, 1.0)
        predict = [
            (training.project @ (functions[:, None, :] * (score / safe)[None]).flatten(0, 1).T).to(dtype)
            for score in scores
        ]
        raw = torch.tensor(self.frame.raw_bounds).diff().tolist()
        in_slot = max(len(self.frame.turns) - 1, 1) if self.n_slots > 1 else len(self.frame.turns)
        held = [
            _Held(fold, operator.contiguous(), slot, 1 / (raw[fold] * in_slot))
            for operator, fold, slot in zip(predict, *task, strict=True)
        ]
        return _Entry(training, tuple(held))

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
        return self.of(self.common.fold(rows))

    def of(self, folded: FoldedRows) -> Tensor:
        """The same for rows that are folded already."""
        rows = folded.rows
        sums = products(self.frame, rows, self.n_slots, self.size)
        means = (rows @ self._averages).T.contiguous()
        memory = rows.new_empty(len(rows) * self.widest)  # one for all folds, so that it stays in the cache
        for entry, mean in zip(self.entries, means, strict=True):
            inputs = folded.inputs(entry.training)
            for held in entry.held:
                width = held.predict.shape[1]
                predicted = memory[: len(rows) * width].view(len(rows), width)
                torch.mm(inputs, held.predict, out=predicted)
                sums.add(held.slot, held.weight, held.fold, mean, predicted)
        return sums.terms() @ self._of_terms

    @property
    def widest(self) -> int:
        """Most predictions of a row that are held at a time."""
        return max(held.predict.shape[1] for entry in self.entries for held in entry.held)

    @property
    def operations(self) -> int:
        """Floating-point operations a row, without the products of the common basis."""
        n_terms = len(self._of_terms)
        total = self.n_slots * self._of_terms.numel() + self._averages.numel()
        for held in (held for entry in self.entries for held in entry.held):
            total += held.predict.numel() + n_terms * held.predict.shape[1] // self.size
        return 2 * total


def _of_terms(basis: AlphaBasis) -> Tensor:
    """Losses of alphas from the sums of products, float64 [term, alpha]."""
    first, second = torch.triu_indices(basis.size, basis.size, device=basis.weights.device)
    squares = basis.weights[:, first] * basis.weights[:, second]
    squares[:, first != second] *= 2
    return torch.cat([squares, -2 * basis.weights], dim=1).T.contiguous()


def smallest(losses: Tensor) -> Tensor:
    """Places of the smallest values along the last axis, the first of equal ones, int64.

    On a processor torch's own takes six times as long as numpy's (measured, float32 and float64).
    """
    if losses.device.type != "cpu":
        return losses.argmin(-1)
    return torch.from_numpy(losses.numpy().argmin(-1))
