"""Products of held-out predictions with each other and with the responses, summed over folds.

For each row and table of losses (slot) the sums over held-out coordinates of
p_f p_g and p_f w, with the predictions p_f of basis function f and the
responses w less their training mean: a few numbers from many short vectors.
Libraries of matrix products lose most of their speed on matrices of 6 x 6, so
on a processor a compiled loop takes each row's predictions while they are in
the cache; elsewhere batched products do it.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from evoalign.analysis.encoding.decomposition import Design
from evoalign.compiling import compiled

MOST_THREADS = 4  # the loop runs on one thread, and batched products on all


class Products(Protocol):
    """Sums of products, to which held-out folds are added."""

    def add(self, slot: int, weight: float, fold: int, mean: Tensor, predicted: Tensor) -> None:
        """Add a held-out fold.

        Parameters
        ----------
        slot : int
        weight : float
        fold : int
            The held-out one.
        mean : torch.Tensor [row]
            Of the responses over the training set.
        predicted : torch.Tensor [row, basis function x coordinate], contiguous
        """

    def terms(self) -> Tensor:
        """Sums [slot, row, term]: pairs of functions (`torch.triu_indices`), then functions."""


def products(frame: Design, rows: Tensor, n_slots: int, size: int) -> Products:
    """Empty sums for rows [row, coordinate] and so many slots and basis functions."""
    loop = rows.device.type == "cpu" and rows.dtype == torch.float32
    if loop and torch.get_num_threads() <= MOST_THREADS:
        return CompiledProducts(frame, rows, n_slots, size)
    return BatchedProducts(frame, rows, n_slots, size)


class BatchedProducts:
    """Sums by batched matrix products, on any device."""

    def __init__(self, frame: Design, rows: Tensor, n_slots: int, size: int) -> None:
        self._frame, self._rows, self._size = frame, rows, size
        self._ones = frame.ones.to(rows.dtype)
        self._linear = rows.new_zeros(n_slots, len(rows), size, 1)
        self._square = rows.new_zeros(n_slots, len(rows), size, size)

    def add(self, slot: int, weight: float, fold: int, mean: Tensor, predicted: Tensor) -> None:
        """See `Products.add`."""
        held = self._frame.fold(fold)
        by_alpha = predicted.unflatten(1, (self._size, held.stop - held.start))
        centred = torch.addr(self._rows[:, held], mean, self._ones[held], alpha=-1)
        self._linear[slot].baddbmm_(by_alpha, centred[..., None], alpha=weight)
        self._square[slot].baddbmm_(by_alpha, by_alpha.mT, alpha=weight)

    def terms(self) -> Tensor:
        """See `Products.terms`."""
        upper = torch.triu_indices(self._size, self._size, device=self._rows.device)
        square = self._square.flatten(2).index_select(2, upper[0] * self._size + upper[1])
        return torch.cat([square, self._linear[..., 0]], dim=2)


class CompiledProducts:
    """Sums by a compiled loop: rows in float32, on the processor."""

    def __init__(self, frame: Design, rows: Tensor, n_slots: int, size: int) -> None:
        self._frame, self._size = frame, size
        self._rows = rows.contiguous().numpy()
        self._ones = frame.ones.to(rows.dtype).numpy()
        self._terms = rows.new_zeros(n_slots, len(rows), size * (size + 1) // 2 + size)

    def add(self, slot: int, weight: float, fold: int, mean: Tensor, predicted: Tensor) -> None:
        """See `Products.add`."""
        held = self._frame.fold(fold)
        _add(
            predicted.unflatten(1, (self._size, -1)).numpy(), self._rows, held.start, self._ones[held],
            mean.numpy(), np.float32(weight), self._size, self._terms[slot].numpy(),
        )  # fmt: skip

    def terms(self) -> Tensor:
        """See `Products.terms`."""
        return self._terms


@compiled(fastmath=True)
def _add(predicted, rows, first, ones, mean, weight, size, terms):  # type: ignore[no-untyped-def]
    """Add the products of one held-out fold to terms [row, term]."""
    target = np.empty(len(ones), np.float32)
    for row in range(len(rows)):
        for t in range(len(ones)):
            target[t] = rows[row, first + t] - mean[row] * ones[t]
        prediction, energy, term = predicted[row], terms[row], 0
        for f in range(size):
            for g in range(f, size - 2, 3):  # three at a time: each number of f is loaded once for them
                products = _dots(prediction[f], prediction[g], prediction[g + 1], prediction[g + 2])
                for k in range(3):
                    energy[term + k] += weight * products[k]
                term += 3
            for g in range(size - (size - f) % 3, size):
                energy[term] += weight * _dot(prediction[f], prediction[g])
                term += 1
        for f in range(size):
            energy[term + f] += weight * _dot(prediction[f], target)


@compiled(fastmath=True)
def _dot(a, b):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    for t in range(len(a)):
        total += a[t] * b[t]
    return total


@compiled(fastmath=True)
def _dots(a, b, c, d):  # type: ignore[no-untyped-def]
    first, second, third = np.float32(0), np.float32(0), np.float32(0)
    for t in range(len(a)):
        first += a[t] * b[t]
        second += a[t] * c[t]
        third += a[t] * d[t]
    return first, second, third
