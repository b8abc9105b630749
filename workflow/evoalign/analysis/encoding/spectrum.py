"""Share of a unit's explained variance along each Hessian eigenvector."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from evoalign.analysis.encoding.decomposition import decompose
from evoalign.analysis.encoding.folds import Folds


def explained_by_rank(coordinates: Tensor, targets: Tensor, folds: Folds, alphas: Tensor) -> Tensor:
    """Held-out covariance of responses with each direction's part of the prediction.

    The prediction is a sum over directions of coordinate x weight. The
    covariance of that part with the held-out responses, over the variance of
    the responses, adds up over directions to cov(y, prediction) / var(y).

    Parameters
    ----------
    coordinates : torch.Tensor, float64 [presentation, direction]
        Latents on the Hessian eigenvectors, by falling eigenvalue.
    targets : torch.Tensor, float64 [target, presentation]
    folds : Folds
    alphas : torch.Tensor, float64 [target, fold]
        Chosen by `nested_cv` for the full latent.

    Returns
    -------
    torch.Tensor, float64 [target, direction]
        NaN for targets without variance.
    """
    centred = targets - targets.mean(1, keepdim=True)
    total = centred.square().sum(1, keepdim=True)
    explained = targets.new_zeros(len(targets), coordinates.shape[1])
    for fold, (train, held) in enumerate(folds.split()):
        part = decompose(coordinates[torch.from_numpy(train)])
        dual = (centred[:, train] @ part.vectors) / (part.values + alphas[:, fold, None])
        # The prediction's mean over a fold belongs to no direction: centre within the fold.
        z = coordinates[torch.from_numpy(held)]
        y = centred[:, held]
        explained += (dual @ part.back.T) * ((y - y.mean(1, keepdim=True)) @ (z - z.mean(0)))
    return explained / torch.where(total > 0, total, torch.nan)


def rank_bins(n: int, bins: int) -> list[tuple[int, int]]:
    """Half-open runs of eigenvalue rank from 0, evenly spaced in log rank, together all n.

    Examples
    --------
    >>> rank_bins(16, 4)
    [(0, 1), (1, 3), (3, 7), (7, 16)]
    """
    edges = torch.logspace(0, torch.log10(torch.tensor(n + 1.0)).item(), bins + 1, dtype=torch.float64)
    inner = sorted({round(float(edge)) - 1 for edge in edges} | {0, n})
    inner = [edge for edge in inner if 0 <= edge <= n]
    return list(itertools.pairwise(inner))
