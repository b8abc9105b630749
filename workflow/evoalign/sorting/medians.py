"""Median over channels, by a network of comparisons that is the same for every sample (Batcher 1968)."""

from __future__ import annotations

from functools import lru_cache

import numba
import numpy as np

BLOCK = 256  # samples that go through the network together, in the cache


def median_over_channels(values: np.ndarray) -> np.ndarray:
    """Return the median of ``values [channel, sample]``, float32 ``[sample]``: to the bit that of numpy."""
    return np.asarray(_medians(np.ascontiguousarray(values, np.float32), _network(len(values))))


@lru_cache(maxsize=64)
def _network(n: int) -> np.ndarray:
    """Comparisons ``[comparison, 2]`` after which the middle of `n` values is in its place.

    Batcher's odd-even merge sort, without those that touch no value or do not change the middle.
    """
    comparisons = []
    size = 1 << max(n - 1, 1).bit_length()
    half = 1
    while half < size:
        step = half
        while step >= 1:
            for start in range(step % half, size - step, 2 * step):
                for i in range(min(step, size - start - step)):
                    low, high = start + i, start + i + step
                    if low // (2 * half) == high // (2 * half) and high < n:
                        comparisons.append((low, high))
            step //= 2
        half *= 2
    needed, kept = {(n - 1) // 2, n // 2}, []
    for low, high in reversed(comparisons):
        if low in needed or high in needed:
            needed |= {low, high}
            kept.append((low, high))
    return np.array(kept[::-1], np.int64).reshape(-1, 2)


@numba.njit(cache=True, nogil=True)
def _medians(values, network):  # type: ignore[no-untyped-def]
    n, n_samples = values.shape
    medians = np.empty(n_samples, np.float32)
    block = np.empty((n, BLOCK), np.float32)
    for start in range(0, n_samples, BLOCK):
        width = min(BLOCK, n_samples - start)
        for channel in range(n):
            block[channel, :width] = values[channel, start : start + width]
        for c in range(len(network)):
            low, high = block[network[c, 0]], block[network[c, 1]]
            for j in range(BLOCK):
                a, b = low[j], high[j]
                low[j], high[j] = (b, a) if b < a else (a, b)
        for j in range(width):
            medians[start + j] = (block[(n - 1) // 2, j] + block[n // 2, j]) / np.float32(2)
    return medians
