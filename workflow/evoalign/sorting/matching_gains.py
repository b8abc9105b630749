"""Compiled step of template matching: where a spike gains enough, without looking at all of each template.

Most of a template's energy lies in a few samples around its extreme. What these explain of a stretch,
and at most what the others can (Cauchy and Schwarz), tells where no spike can be: there the rest of
the template is not looked at. What is left is computed as ever, so that nothing changes by this.
"""

from __future__ import annotations

import numpy as np

from evoalign.compiling import compiled
from evoalign.sorting.matching_steps import (
    BLOCK,
    BLOCKED,
    BOUND_SLACK,
    IN_BURST,
    TAPS,
    USUAL,
    best_scale,
    correlate,
    lowest_scales,
)

GROUP = 32  # samples that are left out, or looked at, together
RARE_SD = 3.0  # noise SDs of a core's projection, beyond which few groups are looked at


@compiled(fastmath=True)
def find_cores(waves, least):  # type: ignore[no-untyped-def]
    """Return first tap, taps and norm of the rest of each template's core, the shortest that will do."""
    n_units, _, length = waves.shape
    first, taps = np.zeros(n_units, np.int64), np.full(n_units, length)
    rest = np.zeros(n_units, np.float32)
    bound = np.sqrt(np.float32(length + 2 * GROUP))
    for k in range(n_units):
        energy = np.sum(waves[k, 0] ** 2)
        lowest = min(least[USUAL, k], least[IN_BURST, k])
        for n in range(TAPS, length, TAPS):
            best, at = np.float32(0), 0
            for start in range(length - n + 1):
                of_core = np.sum(waves[k, 0, start : start + n] ** 2)
                if of_core > best:
                    best, at = of_core, start
            norm = np.sqrt(max(energy - best, np.float32(0)))
            if lowest - norm * bound >= RARE_SD * np.sqrt(best):
                first[k], taps[k], rest[k] = at, n, norm
                break
    return first, taps, rest


@compiled(fastmath=True)
def find_gains(trace, begin, end, waves, cores, energy, precision, cost, least, before, high, state, gains, units):  # type: ignore[no-untyped-def]  # fmt: skip  # noqa: E501
    """Best unit at samples begin to end, gain -1 where none gains enough: a correlation, block by block."""
    core, taps, rest = cores
    length, lows = waves.shape[2], lowest_scales()
    projection, norms = np.empty(BLOCK, np.float32), np.empty(BLOCK // GROUP + length, np.float32)
    groups = np.empty(BLOCK // GROUP, np.int64)
    for start in range(begin, end, BLOCK):
        n = min(BLOCK, end - start)
        gains[start : start + n] = -1
        _norms(trace, start - before, n, length, norms)
        for k in range(len(waves)):
            lowest = min(least[USUAL, k], least[IN_BURST, k])
            tap = core[k]
            correlate(trace, start - before + tap, waves[k, 0, tap : tap + taps[k]], projection, n, taps[k])
            for g in range(_reaching(projection, n, lowest, rest[k], norms, groups)):
                first = groups[g]
                stop = min(first + GROUP, n)
                if taps[k] < length:
                    part = projection[first:stop]
                    correlate(trace, start + first - before, waves[k, 0], part, stop - first, length)
                for j in range(first, stop):
                    if projection[j] >= lowest and state[k, start + j] != BLOCKED:
                        s = state[k, start + j]
                        if projection[j] >= least[s, k]:
                            _, value = best_scale(projection[j], energy[k, 0], precision[s, k], lows[s], high)
                            value -= cost[s, k]
                            if value > gains[start + j]:
                                gains[start + j], units[start + j] = value, k


@compiled(fastmath=True)
def _norms(trace, start, n, length, norms):  # type: ignore[no-untyped-def]
    """Fill in the norm of all samples that templates look at which start within a group."""
    n_groups, n_beyond = -(-n // GROUP), -(-(length - 1) // GROUP)
    for group in range(n_groups + n_beyond):
        part, total = trace[start + group * GROUP : start + (group + 1) * GROUP], np.float32(0)
        for j in range(len(part)):
            total += part[j] * part[j]
        norms[group] = total
    for group in range(n_groups):
        for further in range(1, n_beyond + 1):
            norms[group] += norms[group + further]
        norms[group] = np.sqrt(norms[group])


@compiled(fastmath=True)
def _reaching(projection, n, lowest, rest, norms, groups):  # type: ignore[no-untyped-def]
    """Fill in the first samples of groups in which the rest may lift a projection to `lowest`; count them."""
    n_reaching, zero = 0, np.float32(0)
    for group in range(-(-n // GROUP)):
        beyond, part = rest * norms[group], projection[group * GROUP : min((group + 1) * GROUP, n)]
        limit = np.float32(lowest - beyond - BOUND_SLACK * (lowest + beyond))
        # A sum, and a length that the compiler does not know: else it takes one value after the other.
        total = zero
        for j in range(len(part)):
            excess = part[j] - limit
            total += excess if excess > zero else zero
        groups[n_reaching] = group * GROUP
        if total > zero:
            n_reaching += 1
    return n_reaching
