"""Share of a unit's variance that is linear in a space's latents, by restricted maximum likelihood.

The responses y of one unit and window to n presentations in B blocks follow

    y = block means + Z w + e,    w ~ N(0, g I),    e ~ N(0, s I),

with the latents Z. Block means are fixed effects: in a closed loop latents
and rates both drift over blocks, and drift of any other cause would count as
explained by the latents. With Zc the latents less their block means, an
eigendecomposition Zc Zc' = U diag(k) U', k scaled to a mean of 1 over the
n - B degrees of freedom, turns the likelihood of share = g / (g + s) into sums
over eigenvectors, so that a target costs one product with U and one with a
table of the shares that are tried.

Held-out R2 with few presentations for many latents measures these two numbers;
this share does not depend on them (docs/methods.md section 6).

References
----------
Patterson and Thompson 1971 (restricted likelihood); Yang et al. 2010 (the
linear kernel as a variance component); Schweiger et al. 2016 (intervals from
the estimate's own distribution).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from evoalign.analysis.encoding.losses import smallest
from evoalign.analysis.encoding.within import WithinBlocks, group_means, within_blocks

Floats = NDArray[np.float64]

LARGEST = 0.999  # of the shares that are tried
N_TRIED = 160  # shares that are tried before the best is refined by a parabola
MARGIN = 0.98  # of the way to the negative share at which the likelihood ends
RANK_TOLERANCE = 1e-10  # eigenvalues below this share of the largest are rounding


@dataclass(frozen=True)
class LinearKernel:
    """Decomposed linear kernel of a thread's latents within blocks.

    Attributes
    ----------
    within : WithinBlocks
        Block effects over presentations.
    cell : torch.Tensor, int64 [presentation]
        Image within a block: presentations of one image are averaged first,
        so that what they share beyond the latents is not taken for linear.
    cells : WithinBlocks
        Block effects over cells.
    vectors : torch.Tensor, float64 [cell, rank]
        U.
    values : torch.Tensor, float64 [rank]
        k, falling; their sum is `freedom`.
    freedom : int
        Cells less block effects.
    """

    within: WithinBlocks
    cell: Tensor
    cells: WithinBlocks
    vectors: Tensor
    values: Tensor
    freedom: int

    @property
    def tried(self) -> Tensor:
        """Shares at which the likelihood is computed, float64 [share], rising.

        Below 0 as far as all variances stay positive: so the estimate of a
        unit without any linear part is 0 on average, and means over units
        are not pushed upwards.
        """
        if len(self.values) == 0:
            return self.values.new_zeros(1)
        ratio = -MARGIN / self.values[0]
        lowest = ratio / (1 + ratio) if ratio > -0.5 else ratio.new_tensor(-1.0)
        steps = torch.linspace(0, 1, N_TRIED, dtype=torch.float64, device=self.values.device)
        below = lowest * (1 - steps[:: N_TRIED // 32])
        # Closer together near 0, where few directions make the estimate sharp.
        return torch.unique(torch.cat([below, LARGEST * steps**2]))


def linear_kernel(
    latents: Tensor, blocks: ArrayLike, images: ArrayLike, order: ArrayLike | None = None
) -> LinearKernel:
    """Decompose the kernel of latents within blocks.

    Parameters
    ----------
    latents : torch.Tensor, float64 [presentation, latent]
    blocks : array_like of int [presentation]
    images : array_like [presentation]
        Names; presentations of one image in one block count as one.
    order : array_like [presentation], optional
        Times or ranks of display; given, trends over blocks are fixed effects too.
    """
    _, block = np.unique(np.asarray(blocks), return_inverse=True)
    _, image = np.unique(np.asarray(images, dtype=str), return_inverse=True)
    _, first, cell = np.unique(block * (image.max() + 1) + image, return_index=True, return_inverse=True)
    device = latents.device
    row_order = None if order is None else np.asarray(order)
    cells = within_blocks(block[first], device, None if row_order is None else row_order[first])
    centred = cells.residual(latents[torch.from_numpy(first).to(device)].T).T
    if centred.shape[1] <= centred.shape[0]:
        vectors, singular, _ = torch.linalg.svd(centred, full_matrices=False)
        values = singular.square()
    else:
        values, vectors = torch.linalg.eigh(centred @ centred.T)
        values, vectors = values.flip(0), vectors.flip(1)
    # Centring leaves rounding of the latents' own size where they do not vary within blocks.
    size = torch.maximum(values[0], (1e-6 * latents).square().sum())
    values, vectors = values[values > RANK_TOLERANCE * size], vectors[:, values > RANK_TOLERANCE * size]
    return LinearKernel(
        within_blocks(block, device, row_order),
        torch.from_numpy(cell).to(device),
        cells,
        vectors,
        values * (cells.freedom / values.sum()) if len(values) else values,
        cells.freedom,
    )


def linear_share(kernel: LinearKernel, targets: Tensor) -> Tensor:
    """Share of single-presentation variance within blocks that is linear in the latents.

    Parameters
    ----------
    kernel : LinearKernel
    targets : torch.Tensor, float64 [target, presentation]

    Returns
    -------
    torch.Tensor, float64 [target]
        Unbiased about 0, so slightly negative at times, as an adjusted R2 is;
        NaN for a target that does not vary within blocks, or holds NaN, and
        for latents that do not vary.
    """
    if len(kernel.values) == 0 or kernel.freedom < 2:
        return targets.new_full((len(targets),), torch.nan)
    single = kernel.within.residual(targets)
    means = kernel.cells.residual(group_means(single, kernel.cell))
    squares = means.square().sum(1)
    projected = (means @ kernel.vectors).square()
    left = (squares - projected.sum(1)).clamp(min=0)
    share = most_likely_share(projected, left, kernel)
    # The mean over an image's presentations varies less than they do.
    variance = single.square().sum(1) / kernel.within.freedom
    varies = variance > 1e-18 * targets.square().mean(1)
    return share * squares / kernel.freedom / torch.where(varies, variance, torch.nan)


def noise_correlation(kernel: LinearKernel, targets: Tensor, shape: tuple[int, int]) -> Floats:
    """Correlation of the estimates' noise between the windows of a unit.

    An estimate is a sum of squares of responses: its noise correlates as the
    square of the responses' own correlation within blocks.

    Parameters
    ----------
    kernel : LinearKernel
    targets : torch.Tensor, float64 [unit x window, presentation]
    shape : tuple of int
        Units and windows.

    Returns
    -------
    numpy.ndarray, float64 [unit, window, window]
        Ones on the diagonal; 0 beside them where a response does not vary.
    """
    rows = kernel.within.residual(targets).view(*shape, -1)
    rows = torch.nn.functional.normalize(rows.nan_to_num(0.0), dim=-1)
    squared = (rows @ rows.mT).square().cpu().numpy()
    diagonal = np.arange(shape[1])
    squared[:, diagonal, diagonal] = 1.0
    return squared


def most_likely_share(projected: Tensor, left: Tensor, kernel: LinearKernel) -> Tensor:
    """Share of the largest restricted likelihood.

    Parameters
    ----------
    projected : torch.Tensor, float64 [target, rank]
        Squares of the projections on the eigenvectors.
    left : torch.Tensor, float64 [target]
        Squares outside of them.
    """
    share = kernel.tried
    if len(share) < 3:
        return left.new_zeros(len(left))
    spread = _spread(share, kernel)
    residual = projected @ (1 / spread).T + left[:, None]
    loss = kernel.freedom * residual.clamp(min=torch.finfo(left.dtype).tiny).log() + spread.log().sum(1)
    at = _about_smallest(loss)
    return _vertex(share[at], -loss.gather(1, at))


def most_likely_shares(
    terms: tuple[Tensor, Tensor, Tensor], left: Tensor, true: Sequence[float], kernel: LinearKernel
) -> Iterator[Tensor]:
    """Shares of the largest restricted likelihood of mixtures of a linear part and noise.

    For a true share h the square of a projection is h a + (1 - h) b + (h (1 - h))^1/2 c: so are the
    residuals, and three products serve all true shares. The likelihood is largest where
    residual x |spread|^(1 / freedom) is smallest, for which no logarithm is needed.

    Parameters
    ----------
    terms : tuple of torch.Tensor, float64 [draw, rank]
        Square of the linear part, square of the noise, twice their product, on the eigenvectors.
    left : torch.Tensor, float64 [draw]
        Squares of the noise outside of them.
    true : sequence of float
        True shares h.
    kernel : LinearKernel

    Yields
    ------
    torch.Tensor, float64 [draw]
        Of each true share.
    """
    share = kernel.tried
    spread = _spread(share, kernel)
    scale = (spread.log().sum(1) / kernel.freedom).exp()
    linear, noise, mixed = (term @ (scale[:, None] / spread).T for term in terms)
    noise += left[:, None] * scale
    residual = torch.empty_like(noise)
    for h in true:
        torch.mul(noise, 1 - h, out=residual)
        residual.add_(linear, alpha=h).add_(mixed, alpha=(h * (1 - h)) ** 0.5)
        at = _about_smallest(residual)
        yield _vertex(share[at], -residual.gather(1, at).clamp(min=torch.finfo(left.dtype).tiny).log())


def _spread(share: Tensor, kernel: LinearKernel) -> Tensor:
    """Variance on each eigenvector over that of the noise [share, rank]."""
    return 1 + (share / (1 - share))[:, None] * kernel.values


def _about_smallest(loss: Tensor) -> Tensor:
    """Places [target, 3] of the smallest of the losses [target, share] and of those beside it."""
    best = smallest(loss).clamp(1, loss.shape[1] - 2)
    return best[:, None] + torch.arange(-1, 2, device=best.device)


def _vertex(x: Tensor, y: Tensor) -> Tensor:
    """Place of the largest value of parabolas through three points [target, 3], inside them."""
    a, b, c = x.unbind(1)
    left, right = (b - a) * (y[:, 1] - y[:, 2]), (b - c) * (y[:, 1] - y[:, 0])
    shift = 0.5 * ((b - a) * left - (b - c) * right) / (left - right)
    place = torch.where((left - right).abs() > 0, b - shift, b)
    place = torch.minimum(torch.maximum(place, a), c)
    # At an end of the shares that are tried the likelihood may still rise.
    return torch.where(y[:, 0] > y[:, 1], a, torch.where(y[:, 2] > y[:, 1], c, place))
