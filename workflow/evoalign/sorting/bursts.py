"""Bursts: spikes of a unit that follow one another within 10 ms, each smaller than the one before."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom

BURST_S = 10e-3  # in which a burst's next spike follows
SMALLER = 0.8  # a burst's small spikes are below this, relative to the unit's median spike
P_FOLLOWING = 0.001  # of so many more after than before, were the order a matter of chance


def neighbours(times_s: np.ndarray, of_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count the rising times ``of_s`` within `BURST_S` before and after each of ``times_s [spike]``."""
    edges = np.searchsorted(of_s, times_s[:, None] + np.array([-BURST_S, 0.0, BURST_S]))
    return edges[:, 1] - edges[:, 0], edges[:, 2] - edges[:, 1]


def follow(n_following: int, n_preceding: int) -> bool:
    """Say whether more follow than precede; of independent spikes, or those of one input, as many do."""
    return bool(binom.sf(n_following - 1, n_following + n_preceding, 0.5) < P_FOLLOWING)


def bursting(labels: np.ndarray, n_templates: int, size_uv: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """Mark units after whose spikes smaller ones come more often than before them.

    Parameters
    ----------
    labels : ndarray ``[spike]``
        Unit from 0, negative for none.
    n_templates : int
        Of the units, in the order of their labels, and of the background after them, which has no bursts.
    size_uv, times_s : ndarray ``[spike]``
        Sizes, and times that rise.

    Returns
    -------
    ndarray, bool ``[template]``
    """
    is_bursting = np.zeros(n_templates, dtype=bool)
    for index, name in enumerate(np.unique(labels[labels >= 0])):
        member = labels == name
        smaller = times_s[(size_uv < SMALLER * np.median(size_uv[member])) & ~member]
        preceding, following = neighbours(times_s[member], smaller)
        is_bursting[index] = follow(int(following.sum()), int(preceding.sum()))
    return is_bursting
