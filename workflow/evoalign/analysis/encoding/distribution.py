"""How the estimate of a linear share is distributed for each true share, and intervals from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from evoalign.analysis.encoding.variance import LinearKernel, most_likely_shares

Floats = NDArray[np.float64]

N_SIMULATED = 81  # true shares of a distribution: closer together than the estimate's own spread


@dataclass(frozen=True)
class ShareDistribution:
    """Distribution of the estimate for each true share, by simulation of the kernel's own model.

    It depends on the kernel alone: the same for all units and windows.

    Attributes
    ----------
    share : numpy.ndarray, float64 [share]
        True shares from 0, rising.
    estimate : numpy.ndarray, float64 [share, draw]
        Estimates, sorted along draws.
    """

    share: Floats
    estimate: Floats

    def sd(self, share: ArrayLike) -> Floats:
        """Standard deviation of the estimate where the share is so large; shape of `share`."""
        return np.interp(np.asarray(share, dtype=np.float64), self.share, self.estimate.std(1))

    def quantiles(self, estimate: ArrayLike, levels: ArrayLike) -> Floats:
        """Quantiles of the confidence distribution of the share, from its estimate.

        The level of a share is the chance of a larger estimate than the one
        that was made; two quantiles are the ends of the interval that holds
        each share whose estimates do not make this one extreme.

        Parameters
        ----------
        estimate : array_like [target]
            NaN gives NaN.
        levels : array_like [level]

        Returns
        -------
        numpy.ndarray, float64 [target, level]
            0 to 1.
        """
        values = np.asarray(estimate, dtype=np.float64)
        n = self.estimate.shape[1]
        above = np.empty((len(values), len(self.share)))
        for column, draws in enumerate(self.estimate):
            below = np.interp(values, draws, (np.arange(n) + 0.5) / n, left=0.0, right=1.0)
            above[:, column] = 1 - below
        above = np.maximum.accumulate(above, axis=1)
        interpolated = np.stack([np.interp(np.asarray(levels), row, self.share, left=0.0) for row in above])
        return np.where(np.isnan(values)[:, None], np.nan, interpolated)

    def draw(self, share: ArrayLike, uniform: Floats) -> Floats:
        """Estimates that a share may give.

        Parameters
        ----------
        share : array_like [target]
        uniform : numpy.ndarray, float64 [target, draw]
            Numbers between 0 and 1.

        Returns
        -------
        numpy.ndarray, float64 [target, draw]
        """
        values = np.clip(np.nan_to_num(np.asarray(share, dtype=np.float64)), 0, self.share[-1])
        upper = np.clip(np.searchsorted(self.share, values), 1, len(self.share) - 1)
        first, last = self.share[upper - 1], self.share[upper]
        part = ((values - first) / (last - first))[:, None]
        at = (uniform * self.estimate.shape[1]).astype(np.int64)
        low, high = (np.take_along_axis(self.estimate[k], at, axis=1) for k in (upper - 1, upper))
        return (1 - part) * low + part * high


def share_distribution(
    kernel: LinearKernel, n_draws: int, generator: np.random.Generator
) -> ShareDistribution:
    """Simulate the estimate for shares from 0 to nearly 1.

    The weights point into a random direction of latent space; the linear
    part has exactly the share, over these presentations, and the noise varies
    as normal noise does. So the interval speaks of the share in the
    presentations that were made.

    Parameters
    ----------
    kernel : LinearKernel
    n_draws : int
    generator : numpy.random.Generator
    """
    share = np.linspace(0, 0.99, N_SIMULATED) ** 2
    rank = len(kernel.values)
    if rank == 0 or kernel.freedom < 2:
        return ShareDistribution(share, np.full((len(share), n_draws), np.nan))
    device = kernel.values.device
    linear = torch.from_numpy(generator.standard_normal((n_draws, rank))).to(device) * kernel.values.sqrt()
    linear *= (kernel.freedom / linear.square().sum(1, keepdim=True)).sqrt()
    noise = torch.from_numpy(generator.standard_normal((n_draws, rank))).to(device)
    noise = _with_exact_moments(noise, linear)
    outside = np.zeros(n_draws)
    if kernel.freedom > rank:
        outside = generator.chisquare(kernel.freedom - rank, n_draws)
        outside *= (kernel.freedom - rank) / outside.mean()
    left = torch.from_numpy(outside).to(device)
    terms = linear.square(), noise.square(), 2 * linear * noise
    distributions = list(most_likely_shares(terms, left, share.tolist(), kernel))
    return ShareDistribution(share, torch.stack(distributions).sort(1).values.cpu().numpy())


def _with_exact_moments(noise: Tensor, linear: Tensor) -> Tensor:
    """Draws [draw, rank] with unit mean square in each direction, and no product with the linear part.

    All units and windows share one simulation: what its mean is off by would
    be a lead of one space in every window.
    """
    noise = noise - linear * ((noise * linear).sum(0) / linear.square().sum(0))
    return noise / noise.square().mean(0).sqrt()
