"""Spikes of two units that lie near each other, against those expected by chance."""

from __future__ import annotations

import numpy as np

UPPER = 1.5  # refractory periods: longer intervals are not near
MIN_EXPECTED = 4.0  # coincidences, below which a gap in a correlogram says nothing


def coincidence(first_s: np.ndarray, second_s: np.ndarray, refractory_s: float) -> float:
    """Return coincidences of two spike trains over those expected of independent ones.

    The spike times ``[spike]`` rise, in s.
    Counted are intervals from half to one and a half refractory period: the
    detector's own dead time leaves out shorter ones. NaN when too few are expected.
    """
    if len(first_s) == 0 or len(second_s) == 0:
        return np.nan
    duration = max(first_s[-1], second_s[-1]) - min(first_s[0], second_s[0])
    counted, expected = coincidences(first_s, second_s, refractory_s, max(duration, 1.5 * refractory_s))
    return counted / expected if expected >= MIN_EXPECTED else np.nan


def accompanying(first_s: np.ndarray, second_s: np.ndarray, within_s: float, duration_s: float) -> float:
    """Return the share of spikes of one rising train that lie near any of another's, beyond chance.

    0 where as many do as of independent trains, 1 where all do.
    """
    first, last = np.searchsorted(second_s, first_s[:, None] + np.array([-within_s, within_s])).T
    by_chance = 1 - np.exp(-len(second_s) * 2 * within_s / duration_s)
    return float((np.mean(last > first) - by_chance) / (1 - by_chance))


def coincidences(
    first_s: np.ndarray, second_s: np.ndarray, refractory_s: float, duration_s: float, upper: float = UPPER
) -> tuple[int, float]:
    """Return how many intervals of two rising trains are near the refractory period, and how many by chance.

    Near is from half of it to `upper` times it, in either order.
    """
    lower, upper = 0.5 * refractory_s, upper * refractory_s
    edges = np.searchsorted(second_s, first_s[:, None] + np.array([-upper, -lower, lower, upper]))
    counted = np.sum(edges[:, 1] - edges[:, 0]) + np.sum(edges[:, 3] - edges[:, 2])
    return int(counted), len(first_s) * len(second_s) * 2 * (upper - lower) / duration_s
