"""Median over channels, by a network of comparisons that is the same for every sample (Batcher 1968)."""

from __future__ import annotations

from functools import lru_cache

import numba
import numpy as np

from evoalign.sorting.parallel import run

INFINITE = 0x7F800000  # bits of float32; those of NaN lie above
BLOCK = 256  # samples that go through the network together, in the cache


def median_over_channels(values: np.ndarray) -> np.ndarray:
    """Return the median of ``values [channel, sample]``, float32 ``[sample]``: to the bit that of numpy."""
    values = np.array(values, np.float32, order="C")
    medians = np.empty(values.shape[1], np.float32)
    _take_medians(values, np.arange(len(values)), _network(len(values)), medians)
    return medians


def take_median(values: np.ndarray, rows: np.ndarray) -> None:
    """Take the median over channels ``rows [n]`` off these channels, in place.

    ``values [channel, sample]`` are float32 and contiguous.
    """
    _take_medians(values, rows, _network(len(rows)), np.empty(values.shape[1], np.float32))


def median_of_sizes(values: np.ndarray) -> float:
    """Return the median of the absolute values of ``values [n]``, float32: to the bit that of numpy."""
    bits = np.abs(np.asarray(values, np.float32)).view(np.uint32)
    if len(bits) == 0 or bits.max() > INFINITE:
        return float("nan")
    middle = [_bits_at((len(bits) - 1) // 2, bits), _bits_at(len(bits) // 2, bits)]
    return float(np.array(middle, np.uint32).view(np.float32).mean())


def medians_of_rows(values: np.ndarray, n_jobs: int = 1) -> np.ndarray:
    """Return the median of each row of ``values [channel, sample]``, to the bit that of numpy; in threads."""
    return np.array(list(run(np.median, (), list(values), n_jobs, "medians")), values.dtype)


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
    needed, comparisons_needed = {(n - 1) // 2, n // 2}, []
    for low, high in reversed(comparisons):
        if low in needed or high in needed:
            needed |= {low, high}
            comparisons_needed.append((low, high))
    return np.array(comparisons_needed[::-1], np.int64).reshape(-1, 2)


@numba.njit(cache=True, nogil=True)
def _bits_at(rank, bits):  # type: ignore[no-untyped-def]
    """Return the value of this rank, from 0; bits of positive float32 are in the order of the numbers."""
    counts = np.zeros(1 << 16, np.int64)
    for value in bits:
        counts[value >> 16] += 1
    high = 0
    while rank >= counts[high]:
        rank -= counts[high]
        high += 1
    counts[:] = 0
    for value in bits:
        if value >> 16 == high:
            counts[value & 0xFFFF] += 1
    low = 0
    while rank >= counts[low]:
        rank -= counts[low]
        low += 1
    return (high << 16) | low


@numba.njit(cache=True, nogil=True)
def _take_medians(values, rows, network, medians):  # type: ignore[no-untyped-def]
    """Fill in the medians over `rows`, and take them off these rows."""
    n, n_samples = len(rows), values.shape[1]
    block = np.empty((n, BLOCK), np.float32)
    for start in range(0, n_samples, BLOCK):
        width = min(BLOCK, n_samples - start)
        for i in range(n):
            block[i, :width] = values[rows[i], start : start + width]
        for c in range(len(network)):
            low, high = block[network[c, 0]], block[network[c, 1]]
            for j in range(BLOCK):
                a, b = low[j], high[j]
                low[j], high[j] = (b, a) if b < a else (a, b)
        for j in range(width):
            medians[start + j] = (block[(n - 1) // 2, j] + block[n // 2, j]) / np.float32(2)
        for i in range(n):
            for j in range(width):
                values[rows[i], start + j] -= medians[start + j]
