"""What the operators of training sets are applied to: responses by fold, as short as loses nothing.

A training set's fit needs U'y of its responses y, with the eigenvectors U of
its centred kernel. U lies in the span of the columns of [1, Z] over the
training set. With an orthonormal basis Q of these columns over *all*
presentations, U = Q_train M, so that

    U'y = M' (sum over the training folds of Q_fold' y_fold):

the products Q_fold' y_fold are computed once and shared by all training sets,
and what an operator is applied to has as many numbers as [1, Z] has columns,
not as many as the training set has presentations. With more columns than
presentations there is nothing to win, and responses are taken as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from evoalign.analysis.encoding.decomposition import Decomposition, Design, decompose

# Largest growth of rounding by M, and largest part of U that M misses: beyond, the training set holds
# hardly anything of a direction of the others (a lone outlier), and responses are taken as they are.
GROWTH = 100.0
MISSED = 1e-9


@dataclass(frozen=True)
class TrainingSet:
    """Folds of a training set, and its eigenvectors as an operator.

    Attributes
    ----------
    folds : tuple of int
    summed : bool
        Apply the operator to the sum of the folds' products with the common
        basis, not to their coordinates side by side.
    project : torch.Tensor, float64 [input, rank]
        Inputs -> U'y.
    """

    folds: tuple[int, ...]
    summed: bool
    project: Tensor


@dataclass(frozen=True)
class FoldedRows:
    """Responses by fold.

    Attributes
    ----------
    rows : torch.Tensor [row, coordinate]
        As from `Design.shorten`.
    products : list of torch.Tensor [row, direction]
        With the common basis, of each fold; empty without one.
    """

    frame: Design
    rows: Tensor
    products: list[Tensor]

    def inputs(self, training: TrainingSet) -> Tensor:
        """What the operators of a training set are applied to, [row, input]."""
        if not training.summed:
            return torch.cat([self.rows[:, self.frame.fold(f)] for f in training.folds], dim=1)
        first, *later_folds = training.folds
        total = self.products[first]
        for fold in later_folds:
            total = total + self.products[fold]
        return total


class CommonBasis:
    """Orthonormal basis of [1, predictors] over all folds, where it is shorter than a training set.

    Parameters
    ----------
    frame : Design
    n_left_out : int
        Most folds that a training set leaves out.
    """

    def __init__(self, frame: Design, n_left_out: int) -> None:
        self.frame = frame
        lengths = sorted(b - a for a, b in zip(frame.bounds[:-1], frame.bounds[1:], strict=True))
        smallest = sum(lengths[: max(len(lengths) - n_left_out, 1)])
        self.vectors: Tensor | None = None
        if frame.features.shape[1] + 1 < smallest:
            columns = torch.cat([frame.ones[:, None], frame.features], dim=1)
            self.vectors = torch.linalg.qr(columns).Q

    @property
    def numbers(self) -> int:
        """Numbers of the basis."""
        return 0 if self.vectors is None else self.vectors.numel()

    def training_set(self, folds: Sequence[int], part: Decomposition) -> TrainingSet:
        """Bring a training set's eigenvectors to the basis, where that keeps them."""
        all_folds = tuple(folds)
        if self.vectors is not None:
            vectors = torch.cat([self.vectors[self.frame.fold(f)] for f in all_folds])
            project = torch.linalg.pinv(vectors, rtol=1e-10) @ part.vectors
            left_over = (
                (vectors @ project - part.vectors).abs().amax() if project.numel() else vectors.new_zeros(())
            )
            if left_over <= MISSED and (
                project.numel() == 0 or torch.linalg.matrix_norm(project, 2) <= GROWTH
            ):
                return TrainingSet(all_folds, True, project)
        return TrainingSet(all_folds, False, part.vectors)

    def fold(self, rows: Tensor) -> FoldedRows:
        """Multiply responses [row, coordinate] with the basis, fold by fold."""
        products = []
        if self.vectors is not None:
            vectors = self.vectors.to(rows.dtype)
            folds = [self.frame.fold(f) for f in range(len(self.frame.turns))]
            products = [rows[:, fold] @ vectors[fold] for fold in folds]
        return FoldedRows(self.frame, rows, products)


def decompose_folds(frame: Design, folds: Sequence[int]) -> Decomposition:
    """Decompose the training set made of some folds."""
    return decompose(
        torch.cat([frame.features[frame.fold(f)] for f in folds]),
        torch.cat([frame.ones[frame.fold(f)] for f in folds]),
    )


def averages(frame: Design, sets: Sequence[tuple[Sequence[int], Decomposition]]) -> Tensor:
    """Operator [coordinate, training set] whose product with rows is their mean over each training set."""
    means = frame.features.new_zeros(frame.bounds[-1], len(sets))
    for column, (folds, part) in enumerate(sets):
        at = torch.cat([torch.arange(frame.bounds[f], frame.bounds[f + 1]) for f in folds])
        means[at.to(means.device), column] = part.average
    return means
