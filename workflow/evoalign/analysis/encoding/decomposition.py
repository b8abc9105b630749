"""Eigendecomposition of a training set's centred kernel, and the short basis of all alphas."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Design:
    """Predictors sorted by fold, each fold shortened where that loses nothing.

    A fold's responses y enter ridge only through their products with the
    columns of [1, Z]. When a fold has more presentations than these columns,
    an orthonormal basis Q of them turns its n presentations into as many
    coordinates as there are columns: Z -> Q'Z, y -> Q'y, 1 -> Q'1. All
    products stay as they are, so fits and predictions do too.

    Attributes
    ----------
    features, ones : torch.Tensor, float64 [coordinate, feature] and [coordinate]
    bounds : list of int
        First coordinate of each fold, and the end.
    raw_bounds : list of int
        First presentation of each fold, and the end.
    turns : tuple of (torch.Tensor or None)
        Q [presentation, coordinate] of each fold; None = as it is.
    """

    features: Tensor
    ones: Tensor
    bounds: list[int]
    raw_bounds: list[int]
    turns: tuple[Tensor | None, ...]

    def fold(self, index: int) -> slice:
        """Coordinates of a fold."""
        return slice(self.bounds[index], self.bounds[index + 1])

    def shorten(self, rows: Tensor) -> Tensor:
        """Bring responses [row, presentation] to [row, coordinate]."""
        if all(turn is None for turn in self.turns):
            return rows
        short = rows.new_empty(len(rows), self.bounds[-1])
        for index, turn in enumerate(self.turns):
            part = rows[:, self.raw_bounds[index] : self.raw_bounds[index + 1]]
            short[:, self.fold(index)] = part if turn is None else part @ turn.to(rows.dtype)
        return short


def design(features: Tensor, raw_bounds: list[int]) -> Design:
    """Shorten the folds of predictors [presentation, feature] that are sorted by fold."""
    parts, ones, turns = [], [], []
    for first, last in itertools.pairwise(raw_bounds):
        fold, ones_column, turn = features[first:last], features.new_ones(last - first), None
        if len(fold) > fold.shape[1] + 1:
            turn, _ = torch.linalg.qr(torch.cat([ones_column[:, None], fold], dim=1))
            fold, ones_column = turn.T @ fold, turn.T @ ones_column
        parts.append(fold)
        ones.append(ones_column)
        turns.append(turn)
    bounds = [0, *torch.tensor([len(part) for part in parts]).cumsum(0).tolist()]
    return Design(torch.cat(parts), torch.cat(ones), bounds, list(raw_bounds), tuple(turns))


@dataclass(frozen=True)
class Decomposition:
    """Ridge on one training set, ready for any response and any alpha.

    With the centred training predictors Zc = U s V', the prediction for
    held-out predictors z is, with c = U' y,

        mean(y) + (z - mean) (Zc' U) diag(1 / (s^2 + alpha)) c.

    The intercept is free of penalty: predictors and responses are centred on
    the training set, and U is orthogonal to constants.

    Attributes
    ----------
    vectors : torch.Tensor, float64 [train, rank]
        U.
    values : torch.Tensor, float64 [rank]
        s^2, falling.
    back : torch.Tensor, float64 [feature, rank]
        Zc' U, which brings held-out predictors to the eigenvectors.
    mean : torch.Tensor, float64 [feature]
        Of the training predictors.
    average : torch.Tensor, float64 [train]
        Product with responses gives their mean.
    """

    vectors: Tensor
    values: Tensor
    back: Tensor
    mean: Tensor
    average: Tensor

    def scores(self, held_out: Tensor, ones: Tensor | None = None) -> Tensor:
        """(z - mean) Zc' U of held-out predictors [held-out, feature], as [held-out, rank]."""
        ones_column = held_out.new_ones(len(held_out)) if ones is None else ones
        return (held_out - ones_column[:, None] * self.mean) @ self.back


def decompose(train: Tensor, ones: Tensor | None = None) -> Decomposition:
    """Decompose the centred kernel of training predictors, in float64.

    Parameters
    ----------
    train : torch.Tensor, float64 [train, feature]
        With fewer features than presentations the thin SVD of the predictors
        gives the same decomposition for less, and to smaller eigenvalues.
    ones : torch.Tensor, float64 [train], optional
        The constant predictor in shortened coordinates; ones when not given.
    """
    ones_column = train.new_ones(len(train)) if ones is None else ones
    average = ones_column / (ones_column @ ones_column)
    mean = average @ train
    centred = train - ones_column[:, None] * mean
    epsilon = torch.finfo(train.dtype).eps * max(train.shape)
    if train.shape[1] <= train.shape[0]:
        vectors, singular, _ = torch.linalg.svd(centred, full_matrices=False)
        values, floor = singular.square(), epsilon**2
    else:
        values, vectors = torch.linalg.eigh(centred @ centred.T)
        values, vectors, floor = values.flip(0), vectors.flip(1), epsilon
    # Below lies what rounding leaves of directions that centring or collinear predictors removed.
    keep = values > floor * values[:1].clamp(min=torch.finfo(train.dtype).tiny)
    vectors, values = vectors[:, keep], values[keep]
    return Decomposition(vectors, values, centred.T @ vectors, mean, average)


@dataclass(frozen=True)
class AlphaBasis:
    """Shrinkage 1 / (value + alpha) of all alphas as sums of a few functions of the eigenvalue.

    Attributes
    ----------
    weights : torch.Tensor, float64 [alpha, basis]
        V of shrinkage[alpha, k] = scale[k] / (value[k] + alpha) = (V W)[alpha, k].
    functions : tuple of torch.Tensor, float64 [basis, rank]
        W, for each training set.
    """

    weights: Tensor
    functions: tuple[Tensor, ...]

    @property
    def size(self) -> int:
        """Number of basis functions."""
        return self.weights.shape[1]


def alpha_basis(
    values: Sequence[Tensor], scales: Sequence[Tensor], alphas: Tensor, tolerance: float
) -> AlphaBasis:
    """Find the basis by an SVD of the shrinkages of all training sets together.

    In log alpha the shrinkage is a smooth sigmoid that is only shifted by the
    eigenvalue, so a hundred alphas span a dozen functions to six digits:
    held-out predictions are computed for these and the alphas' losses follow
    from their products.

    Parameters
    ----------
    values : sequence of torch.Tensor, float64 [rank]
        Eigenvalues of each training set.
    scales : sequence of torch.Tensor, float64 [rank]
        Root mean square of the held-out scores on each eigenvector.
    alphas : torch.Tensor, float64 [alpha]
    tolerance : float
        Largest error of a shrinkage, relative to 1 or to the alpha's largest
        one, whichever is more.
    """
    sizes = [len(v) for v in values]
    shrinkage = torch.cat(list(scales))[None] / (torch.cat(list(values))[None] + alphas[:, None])
    if shrinkage.shape[1] == 0:  # constant predictors: nothing but the mean is ever predicted
        return AlphaBasis(shrinkage.new_zeros(len(alphas), 1), tuple(v.new_zeros(1, 0) for v in values))
    row = shrinkage.amax(1, keepdim=True).clamp(min=1.0)
    u, s, vh = torch.linalg.svd(shrinkage / row, full_matrices=False)
    size = len(s)
    for fewer in range(1, size):
        if s[fewer] > tolerance * shrinkage.numel() ** 0.5:  # no entry of the error could be larger
            continue
        if (shrinkage / row - (u[:, :fewer] * s[:fewer]) @ vh[:fewer]).abs().max() <= tolerance:
            size = fewer
            break
    weights = row * u[:, :size] * s[:size]
    return AlphaBasis(weights, torch.split(vh[:size], sizes, dim=1))
