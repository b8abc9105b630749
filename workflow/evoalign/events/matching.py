"""Sequence alignment in time: pairs of events and words, and their maximum-weight alignment."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def pairs_within(
    event_s: Floats, event_word: Ints, word_s: Floats, word: Ints, tolerance_s: float
) -> tuple[Ints, Ints]:
    """Return all pairs of an event and a word of equal value within a tolerance.

    Parameters
    ----------
    event_s, event_word : ndarray
        Time, s, and word that was sent for each event, ``[event]``.
    word_s, word : ndarray
        Time on the same clock, s, and value of each word, ``[word]``.
    tolerance_s : float
        Greatest distance in time, s.

    Returns
    -------
    event, index : ndarray
        int ``[pair]``: indices of events and words, sorted by event, then word.
    """
    if not len(event_s) or not len(word_s):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    low = min(event_s.min(), word_s.min())
    # Values are laid one after the other on one axis, so that one search serves all of them.
    stride = max(event_s.max(), word_s.max()) - low + 3 * tolerance_s + 1
    value_index = np.unique(np.concatenate([event_word, word]), return_inverse=True)[1]
    event_key = event_s - low + stride * value_index[: len(event_s)]
    word_key = word_s - low + stride * value_index[len(event_s) :]
    order = np.argsort(word_key, kind="stable")
    sorted_key = word_key[order]
    first_match = np.searchsorted(sorted_key, event_key - tolerance_s, side="left")
    end_match = np.searchsorted(sorted_key, event_key + tolerance_s, side="right")
    count = end_match - first_match
    event = np.repeat(np.arange(len(event_s)), count)
    within = np.arange(len(event)) - np.repeat(np.cumsum(count) - count, count)
    matched_word = order[np.repeat(first_match, count) + within]
    by_event = np.lexsort((matched_word, event))
    return event[by_event], matched_word[by_event]


def maximum_weight_alignment(left: Ints, right: Ints, weight: Floats) -> Ints:
    """Return the pairs of the maximum-weight alignment of two sequences.

    No element is matched twice, no two matches cross, and the sum of weights
    is the greatest possible. Pairs are
    taken in the order of `left`; the frontier holds, for each end on the right,
    the best weight so far (Fredman 1975, for weights), so that the cost is
    O(n log n) without a band.

    Parameters
    ----------
    left, right : ndarray
        int ``[pair]``, positions in the two sequences.
    weight : ndarray
        float ``[pair]``, positive.

    Returns
    -------
    ndarray
        int ``[chosen pair]``, indices of the chosen pairs, in the order of `left`.
    """
    # Within equal `left` from right to left: so no chain can take two of them.
    order = np.lexsort((-right, left))
    ends: list[int] = []
    best: list[float] = []
    tips: list[int] = []
    before = np.full(len(left), -1, np.int64)
    for pair, end, gain in zip(order.tolist(), right[order].tolist(), weight[order].tolist(), strict=True):
        at = bisect_left(ends, end)
        total = gain + (best[at - 1] if at else 0.0)
        if at < len(ends) and ends[at] == end and best[at] >= total:
            continue
        before[pair] = tips[at - 1] if at else -1
        stop = at
        while stop < len(ends) and best[stop] <= total:
            stop += 1
        ends[at:stop], best[at:stop], tips[at:stop] = [end], [total], [pair]
    chain = []
    tip = tips[-1] if tips else -1
    while tip >= 0:
        chain.append(tip)
        tip = int(before[tip])
    return np.array(chain[::-1], np.int64)
