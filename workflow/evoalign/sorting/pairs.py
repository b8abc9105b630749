"""Units of one electrode, two by two, by their spikes over the whole recording.

What some thousand clustered spikes leave open, all spikes can tell: pieces of
one unit share its refractory period, and a cluster of collided spikes stands
beside the spikes of another unit more often than chance has it.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy.stats import poisson

from evoalign.sorting.clustering import MIXTURE_COUNT, coincidences
from evoalign.sorting.passes import Spikes
from evoalign.sorting.waveforms import Key, WaveSums

ALIKE = 0.95  # cosine of the mean waveforms of pieces of one unit; a burst's small spikes keep the shape
MAX_SHARED = 0.35  # coincidences of two pieces relative to those expected; some spikes are mistaken
P_PIECES = 0.01  # of so few coincidences, were the two independent
MIN_EXCESS = 2.0  # coincidences of collided spikes relative to those expected: surely more than this
P_COLLIDED = 0.001


def settle(
    units: dict[Key, Spikes], waves: WaveSums, recorded_s: float, rate_hz: float, refractory_s: float
) -> dict[Key, Spikes]:
    """Join the pieces of one unit, and leave clusters of collided spikes out.

    Parameters
    ----------
    units : dict of Key to Spikes
        Of template matching; sizes relative to the templates.
    waves : WaveSums
        Of these units; those of joined ones are joined.
    recorded_s : float
        Recorded time, without pauses.
    rate_hz : float
        Samples a second.
    refractory_s : float
        Spikes of one unit are further apart.

    Returns
    -------
    dict of Key to Spikes
        The units that remain.
    """
    by_row: dict[int, list[Key]] = {}
    for key in units:
        by_row.setdefault(key[1], []).append(key)
    settled: dict[Key, Spikes] = {}
    for keys in by_row.values():
        pairs = _Pairs({key: units[key] for key in keys}, waves, recorded_s, rate_hz, refractory_s)
        pairs.join_pieces()
        settled |= pairs.without_collided()
    return {key: settled[key] for key in units if key in settled}


class _Pairs:
    """Units of one electrode; `near_s` is the refractory period, around which coincidences are counted."""

    def __init__(
        self, units: dict[Key, Spikes], waves: WaveSums, recorded_s: float, rate_hz: float, near_s: float
    ) -> None:
        self._units, self._waves = units, waves
        self._recorded_s, self._rate_hz, self._near_s = recorded_s, rate_hz, near_s
        self._times_s = {key: self._times(key) for key in units}

    def _times(self, key: Key) -> np.ndarray:
        segment, sample, _ = self._units[key].joined()
        # Segments so far apart that no spikes of two of them coincide.
        return np.sort(segment * (self._recorded_s + 1.0) + sample / self._rate_hz)

    def _coincidences(self, first: Key, second: Key) -> tuple[int, float]:
        times = self._times_s[first], self._times_s[second]
        return coincidences(*times, self._near_s, self._recorded_s)

    def join_pieces(self) -> None:
        """Join pairs that are one unit, those most alike first."""
        while True:
            found = [
                (alike, pair)
                for pair in combinations(sorted(self._units), 2)
                if (alike := self._likeness(*pair)) >= ALIKE and self._are_pieces(*pair)
            ]
            if not found:
                return
            _, (first, second) = max(found)
            self._join(first, second)

    def _likeness(self, first: Key, second: Key) -> float:
        waves = [self._waves.mean_sd(key)[0] for key in (first, second)]
        norm = np.prod([np.linalg.norm(wave) for wave in waves])
        return float(waves[0] @ waves[1] / norm) if all(map(len, waves)) and norm else 0.0

    def _are_pieces(self, first: Key, second: Key) -> bool:
        counted, expected = self._coincidences(first, second)
        return counted <= MAX_SHARED * expected and poisson.cdf(counted, expected) < P_PIECES

    def _trough(self, key: Key) -> float:
        return float(self._waves.mean_sd(key)[0].min())

    def _join(self, kept: Key, other: Key) -> None:
        troughs = {key: self._trough(key) for key in (kept, other)}
        self._waves.join_units(kept, other)
        joined = Spikes()
        for key, trough in troughs.items():
            joined.take(self._units.pop(key), trough / self._trough(kept))
        self._units[kept] = joined
        self._times_s[kept] = self._times(kept)

    def without_collided(self) -> dict[Key, Spikes]:
        """Units whose spikes stand on their own."""
        return {key: spikes for key, spikes in self._units.items() if not self._is_collided(key)}

    def _is_collided(self, key: Key) -> bool:
        for other in self._units:
            # Coincidences are rarer than the spikes that coincide.
            if self._units[key].n < MIXTURE_COUNT * self._units[other].n:
                counted, expected = self._coincidences(key, other)
                if poisson.sf(counted - 1, MIN_EXCESS * expected) < P_COLLIDED:
                    return True
        return False
