"""Ridge regression of many targets: nested scores, alphas, weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evoalign.analysis.encoding.decomposition import decompose, design
from evoalign.analysis.encoding.folds import Folds
from evoalign.analysis.encoding.kernels import features_of
from evoalign.analysis.encoding.losses import EXACT, Losses
from evoalign.analysis.encoding.nested import Plan
from evoalign.analysis.encoding.training import CommonBasis

Floats = NDArray[np.float64]

ALPHAS = tuple(np.logspace(-3, 12, 100).tolist())  # of the study's code


def log_alphas(log10: tuple[float, float], n: int) -> Tensor:
    """Log-spaced alphas, float64 [n]."""
    return torch.logspace(log10[0], log10[1], n, dtype=torch.float64)


def shortened(latents: Tensor) -> Tensor:
    """Predictors with the same linear kernel and at most as many columns as rows."""
    if latents.shape[1] <= latents.shape[0]:
        return latents
    # Centring first changes no prediction, and keeps a large mean from using up the digits.
    centred = latents - latents.mean(0)
    return features_of(centred @ centred.T)


@dataclass(frozen=True)
class Nested:
    """Nested cross-validation of targets, float64.

    Attributes
    ----------
    predicted : torch.Tensor [target, presentation]
        Held-out predictions.
    alphas : torch.Tensor [target, fold]
        Chosen inside each outer fold.
    r2 : torch.Tensor [target]
        1 - squared error / squared deviation from the mean, over all
        held-out presentations together; NaN without variance.
    r : torch.Tensor [target]
        Pearson correlation of responses and held-out predictions; NaN when
        either does not vary.
    """

    predicted: Tensor
    alphas: Tensor
    r2: Tensor
    r: Tensor


def nested_cv(plan: Plan, targets: Tensor, rows: int = 1024) -> Nested:
    """Score targets with a float64 plan.

    Parameters
    ----------
    plan : Plan
    targets : torch.Tensor, float64 [target, presentation]
        In the order of the presentations.
    rows : int
        Targets that are computed at a time; changes no result.
    """
    inverse = torch.argsort(plan.order)
    predicted, alphas = torch.empty_like(targets), targets.new_empty(len(targets), plan.n_folds)
    for first in range(0, len(targets), rows):
        ordered = targets[first : first + rows][:, plan.order]
        mean = ordered.mean(1, keepdim=True)
        chosen = plan.choose(ordered - mean)
        predicted[first : first + rows] = (plan.predict(ordered - mean, chosen) + mean)[:, inverse]
        alphas[first : first + rows] = plan.alphas[chosen].T
    r2, r = agreement(targets, predicted)
    return Nested(predicted, alphas, r2, r)


def agreement(targets: Tensor, predicted: Tensor) -> tuple[Tensor, Tensor]:
    """R2 and Pearson r of predictions, each [target]; see `Nested`."""
    y = targets - targets.mean(1, keepdim=True)
    z = predicted - predicted.mean(1, keepdim=True)
    total = y.square().sum(1)
    varies = total > 0
    r2 = 1 - (targets - predicted).square().sum(1) / torch.where(varies, total, torch.nan)
    # Alphas of 1e12 leave predictions that vary by rounding only: those are constant.
    moved = z.square().sum(1) > 1e-24 * (total + targets.square().sum(1))
    r = (y * z).sum(1) / torch.where(varies & moved, (total * z.square().sum(1)).sqrt(), torch.nan)
    return r2, r


def _sorted_design(features: Tensor, folds: Folds) -> tuple[Tensor, list[int]]:
    label = torch.from_numpy(folds.label).to(features.device)
    bounds = [0, *torch.bincount(label, minlength=folds.n_folds).cumsum(0).tolist()]
    return torch.argsort(label, stable=True), bounds


def cross_validated_alphas(features: Tensor, targets: Tensor, folds: Folds, alphas: Tensor) -> Tensor:
    """Best alpha of each target by one level of cross-validation.

    Parameters
    ----------
    features : torch.Tensor, float64 [presentation, feature]
    targets : torch.Tensor, float64 [target, presentation]
    folds : Folds
    alphas : torch.Tensor, float64 [alpha]

    Returns
    -------
    torch.Tensor, int64 [target]
        Index of the alpha with the smallest mean over folds of the mean
        squared error, as ``GridSearchCV(scoring="neg_mean_squared_error")``.
    """
    order, bounds = _sorted_design(features, folds)
    frame = design(features[order], bounds)
    tasks = [((fold,), (0,)) for fold in range(folds.n_folds)]
    losses = Losses(frame, CommonBasis(frame, n_left_out=1), tasks, alphas, torch.float64, EXACT)
    centred = targets - targets.mean(1, keepdim=True)
    return losses(frame.shorten(centred[:, order]))[0].argmin(-1)


def weights(latents: Tensor, targets: Tensor, folds: Folds, alphas: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weight vectors of a fit to all presentations.

    Parameters
    ----------
    latents : torch.Tensor, float64 [presentation, latent]
    targets : torch.Tensor, float64 [target, presentation]
    folds, alphas
        For the choice of each target's alpha.

    Returns
    -------
    coefficients : torch.Tensor [target, latent]
        Change of the response per unit of a latent.
    intercept : torch.Tensor [target]
    alpha : torch.Tensor [target]
    """
    chosen = alphas[cross_validated_alphas(shortened(latents), targets, folds, alphas)]
    part = decompose(latents)
    dual = (targets @ part.vectors) / (part.values + chosen[:, None])
    coefficients = dual @ part.back.T
    return coefficients, targets.mean(1) - coefficients @ part.mean, chosen
