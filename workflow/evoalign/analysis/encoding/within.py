"""What varies within blocks: rows less their block means and, where asked, less a trend over each block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor


@dataclass(frozen=True)
class WithinBlocks:
    """Items (presentations, or images within blocks) and the block effects that are taken out.

    Attributes
    ----------
    block : torch.Tensor, int64 [item]
        From 0.
    position : torch.Tensor, float64 [item], or None
        Place in the block's order of display, of mean 0 and unit length in
        each block: its product with a row is the row's trend. None: only
        means are taken out.
    """

    block: Tensor
    position: Tensor | None

    @property
    def freedom(self) -> int:
        """Items less the block effects that are taken out."""
        effects = len(self.block.unique())
        if self.position is not None:
            effects += len(self.block[self.position != 0].unique())
        return len(self.block) - effects

    def means(self, rows: Tensor) -> Tensor:
        """Block means of rows [row, item], at each item."""
        return group_means(rows, self.block)[:, self.block]

    def trend(self, rows: Tensor) -> Tensor:
        """Linear trend of rows [row, item] over the order of display in each block; 0 when none is kept."""
        if self.position is None:
            return torch.zeros_like(rows)
        slope = rows.new_zeros(len(rows), int(self.block.max()) + 1)
        slope.index_add_(1, self.block, rows * self.position)
        return slope[:, self.block] * self.position

    def residual(self, rows: Tensor) -> Tensor:
        """Rows [row, item] less block means and trends."""
        return rows - self.means(rows) - self.trend(rows)


def within_blocks(
    blocks: ArrayLike, device: torch.device | str = "cpu", order: ArrayLike | None = None
) -> WithinBlocks:
    """Block effects of items.

    Parameters
    ----------
    blocks : array_like of int [item]
    device : torch.device or str
    order : array_like [item], optional
        Times or ranks of display; given, a linear trend over each block is
        taken out too.
    """
    _, block = np.unique(np.asarray(blocks), return_inverse=True)
    position = None if order is None else torch.from_numpy(_positions(block, np.asarray(order))).to(device)
    return WithinBlocks(torch.from_numpy(block).to(device), position)


def _positions(block: np.ndarray, order: np.ndarray) -> np.ndarray:
    positions = np.zeros(len(block))
    for number in range(block.max() + 1):
        items = np.flatnonzero(block == number)
        rank = np.argsort(np.argsort(order[items], kind="stable"), kind="stable") - (len(items) - 1) / 2
        length = np.linalg.norm(rank)
        positions[items] = rank / length if length > 0 else 0.0
    return positions


def group_means(rows: Tensor, group: Tensor) -> Tensor:
    """Means [row, group] of rows [row, item] over the items of each group, numbered from 0."""
    n = int(group.max()) + 1
    count = torch.bincount(group, minlength=n).to(rows.dtype)
    return rows.new_zeros(len(rows), n).index_add_(1, group, rows) / count
