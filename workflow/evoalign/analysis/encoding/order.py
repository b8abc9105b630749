"""Whether a thread's latents depend on the order in which images were shown within blocks.

The permutation test takes presentations of a block for exchangeable. They
are not when latents follow the order of display and responses drift within
blocks: then it finds too much (docs/methods.md section 6 has the rates).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from evoalign.analysis.encoding.permutation import permutations
from evoalign.analysis.encoding.within import within_blocks


@dataclass(frozen=True)
class OrderDependence:
    """How latents depend on the order of display within blocks.

    Attributes
    ----------
    position_share : float
        Share of the latents' variance within blocks that a linear trend over
        each block explains.
    position_p : float
        Permutation p of it, presentations shuffled within blocks.
    neighbour_correlation : float
        Correlation of the latents of images shown one after the other.
    neighbour_p : float
        Permutation p of it.
    """

    position_share: float
    position_p: float
    neighbour_correlation: float
    neighbour_p: float


def order_dependence(latents: Tensor, blocks: NDArray, n_permutations: int, seed: int) -> OrderDependence:
    """Measure the dependence of latents on the order of display within blocks.

    Parameters
    ----------
    latents : torch.Tensor, float64 [presentation, latent]
        Presentations in the order of display.
    blocks : numpy.ndarray of int [presentation]
    n_permutations, seed : int

    Returns
    -------
    OrderDependence
        NaN where latents do not vary within blocks or a block shows one image.
    """
    effects = within_blocks(blocks, order=np.arange(len(blocks)))
    centred = latents.cpu() - effects.means(latents.cpu().T).T
    total = float(centred.square().sum())
    block = effects.block.numpy()
    pairs = len(block) - len(np.unique(block))
    if total <= 1e-18 * float(latents.square().sum()) or pairs == 0 or effects.position is None:
        return OrderDependence(np.nan, np.nan, np.nan, np.nan)
    shuffled = permutations(block, 0, n_permutations, seed)
    orders = np.concatenate([np.arange(len(block))[None], shuffled])
    trend, neighbours = np.zeros((2, len(orders)))
    for number in range(block.max() + 1):
        in_block = np.flatnonzero(block == number)
        kernel = (centred[in_block] @ centred[in_block].T).numpy()
        position = effects.position.numpy()[in_block]
        # Which of the block's presentations comes to each place.
        local = np.searchsorted(in_block, orders[:, in_block])
        placed = np.empty(local.shape)
        np.put_along_axis(placed, local, np.broadcast_to(position, local.shape), axis=1)
        trend += ((placed @ kernel) * placed).sum(1)
        neighbours += kernel[local[:, :-1], local[:, 1:]].sum(1)
    correlation = neighbours / total * len(block) / pairs
    p = [float((values >= values[0] - 1e-12 * total).mean()) for values in (trend, np.abs(neighbours))]
    return OrderDependence(float(trend[0] / total), p[0], float(correlation[0]), p[1])
