"""Median over channels, by a network of comparisons that is the same for every sample (Batcher 1968)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from evoalign.compiling import compiled
from evoalign.sorting.parallel import run

HALF = 1 << 15  # bins of the upper 16 bits of negative int32
BLOCK = 128  # samples that go through the network together: those of 96 channels stay in the cache


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
    return median(np.abs(np.asarray(values, np.float32)))


def median(values: np.ndarray) -> float:
    """Return the median of ``values [n]``, float32: to the bit that of numpy, by counting."""
    if len(values) == 0 or np.isnan(values).any():
        return float("nan")
    middle = np.array(_middle(_in_order(np.ascontiguousarray(values, np.float32).view(np.int32))), np.int32)
    return float(_in_order(middle).view(np.float32).mean())


def _in_order(bits: np.ndarray) -> np.ndarray:
    """Turn bits of float32, as int32, into integers in the order of the numbers, and these back into bits."""
    return bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))


def medians_of_rows(values: np.ndarray, n_jobs: int = 1) -> np.ndarray:
    """Return the median of each row of float32 ``values [channel, sample]``, as `median`; in threads."""
    return np.array(list(run(median, (), list(values), n_jobs, "medians")), np.float32)


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


@compiled()
def _middle(values):  # type: ignore[no-untyped-def]
    """Return the two int32 values in the middle; of an odd number, the one twice."""
    counts = np.zeros(1 << 16, np.int64)
    for value in values:
        counts[(value >> 16) + HALF] += 1
    low, rank_low = _bin_at((len(values) - 1) // 2, counts)
    high, rank_high = _bin_at(len(values) // 2, counts)
    counts[:] = 0
    for value in values:
        if (value >> 16) + HALF == low:
            counts[value & 0xFFFF] += 1
    first = ((low - HALF) << 16) | _bin_at(rank_low, counts)[0]
    if high == low:
        return first, ((high - HALF) << 16) | _bin_at(rank_high, counts)[0]
    # The upper one is then the smallest of the next bin that holds any.
    second = 0xFFFF
    for value in values:
        if (value >> 16) + HALF == high:
            second = min(second, value & 0xFFFF)
    return first, ((high - HALF) << 16) | second


@compiled()
def _bin_at(rank, counts):  # type: ignore[no-untyped-def]
    """Return the bin that holds the value of this rank, from 0, and its rank there."""
    at = 0
    while rank >= counts[at]:
        rank -= counts[at]
        at += 1
    return at, rank


@compiled()
def _take_medians(values, rows, network, medians):  # type: ignore[no-untyped-def]
    """Fill in the medians over `rows`, and take them off these rows."""
    n, n_samples = len(rows), values.shape[1]
    block = np.empty((n, BLOCK), np.float32)
    for start in range(0, n_samples, BLOCK):
        width = min(BLOCK, n_samples - start)
        for i in range(n):
            block[i, :width] = values[rows[i], start : start + width]
        for c in range(len(network)):
            _compare(block[network[c, 0]], block[network[c, 1]])
        low, high, part = block[(n - 1) // 2], block[n // 2], medians[start : start + width]
        for j in range(width):
            part[j] = (low[j] + high[j]) / np.float32(2)
        for i in range(n):
            row = values[rows[i]][start : start + width]
            for j in range(width):
                row[j] -= part[j]


@compiled()
def _compare(low, high):  # type: ignore[no-untyped-def]
    """Leave the smaller of each two values in `low`; written so that many are compared at once."""
    for j in range(len(low)):
        a, b = low[j], high[j]
        is_turned = b < a
        low[j] = b if is_turned else a
        high[j] = a if is_turned else b
