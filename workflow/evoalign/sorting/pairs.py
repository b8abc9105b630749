"""Units of one electrode, two by two, by their spikes over the whole recording.

Some thousand clustered spikes leave open what all spikes decide: pieces of
one unit share its refractory period, and a cluster of collided spikes
coincides with the spikes of another unit more often than by chance.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy.stats import poisson

from evoalign.sorting.bursts import follow, neighbours
from evoalign.sorting.clustering import MIXTURE_COUNT
from evoalign.sorting.coincidences import coincidences
from evoalign.sorting.detect_and_match import CollectedSpikes
from evoalign.sorting.detection import extreme_uv
from evoalign.sorting.merging import MIN_BURST_SIZE
from evoalign.sorting.waveforms import UnitKey, WaveSums

MIN_COSINE = 0.95  # cosine of the mean waveforms of pieces of one unit; a burst's small spikes keep the shape
MAX_SHARED = 0.35  # coincidences of two pieces relative to those expected; some spikes are mistaken
P_PIECES = 0.01  # of so few coincidences, were the two independent
MIN_FOLLOWING = 0.5  # of a burst's small spikes come soon after a larger one
MIN_EXCESS = 2.0  # coincidences of collided spikes relative to those expected: surely more than this
P_COLLIDED = 0.001


def settle(
    units: dict[UnitKey, CollectedSpikes],
    waves: WaveSums,
    recorded_s: float,
    rate_hz: float,
    refractory_s: float,
) -> dict[UnitKey, CollectedSpikes]:
    """Join the pieces of one unit, and leave clusters of collided spikes out.

    Parameters
    ----------
    units : dict of UnitKey to CollectedSpikes
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
    dict of UnitKey to CollectedSpikes
        The units that remain.
    """
    by_row: dict[int, list[UnitKey]] = {}
    for key in units:
        by_row.setdefault(key[1], []).append(key)
    settled: dict[UnitKey, CollectedSpikes] = {}
    for keys in by_row.values():
        pairs = _Pairs({key: units[key] for key in keys}, waves, recorded_s, rate_hz, refractory_s)
        pairs.join_pieces()
        settled |= pairs.without_collided()
    return {key: settled[key] for key in units if key in settled}


class _Pairs:
    """Units of one electrode; `near_s` is the refractory period, around which coincidences are counted."""

    def __init__(
        self,
        units: dict[UnitKey, CollectedSpikes],
        waves: WaveSums,
        recorded_s: float,
        rate_hz: float,
        near_s: float,
    ) -> None:
        self._units, self._waves = units, waves
        self._recorded_s, self._rate_hz, self._near_s = recorded_s, rate_hz, near_s
        self._times_s = {key: self._times(key) for key in units}

    def _times(self, key: UnitKey) -> np.ndarray:
        return self._units[key].times_s(self._recorded_s, self._rate_hz)

    def _coincidences(self, first: UnitKey, second: UnitKey) -> tuple[int, float]:
        times = self._times_s[first], self._times_s[second]
        return coincidences(*times, self._near_s, self._recorded_s)

    def join_pieces(self) -> None:
        """Join pairs that are one unit, those most alike first."""
        while True:
            candidates = [
                (similarity, pair)
                for pair in combinations(sorted(self._units), 2)
                if (similarity := self._likeness(*pair)) >= MIN_COSINE
                and (self._are_pieces(*pair) or self._are_of_bursts(*pair))
            ]
            if not candidates:
                return
            _, (first, second) = max(candidates)
            self._join(first, second)

    def _likeness(self, first: UnitKey, second: UnitKey) -> float:
        waves = [self._waves.mean_sd(key)[0] for key in (first, second)]
        norm = np.prod([np.linalg.norm(wave) for wave in waves])
        return float(waves[0] @ waves[1] / norm) if all(map(len, waves)) and norm else 0.0

    def _are_pieces(self, first: UnitKey, second: UnitKey) -> bool:
        """Say whether two share their refractory period, as spikes of one unit and of about one size do.

        Many small spikes within a millisecond of a much larger one are missed: that tells nothing.
        """
        small, large = sorted(self._size(key) for key in (first, second))
        if small < MIN_BURST_SIZE * large:
            return False
        counted, expected = self._coincidences(first, second)
        return counted <= MAX_SHARED * expected and poisson.cdf(counted, expected) < P_PIECES

    def _are_of_bursts(self, first: UnitKey, second: UnitKey) -> bool:
        """Say whether most of the smaller spikes follow larger ones: those of a unit's bursts."""
        small, large = sorted((first, second), key=self._size)
        times, leaders = self._times_s[small], self._times_s[large]
        n_leading, n_later = neighbours(times, leaders)
        return bool(np.mean(n_leading > 0) > MIN_FOLLOWING) and follow(
            int(n_leading.sum()), int(n_later.sum())
        )

    def _size(self, key: UnitKey) -> float:
        return abs(extreme_uv(self._waves.mean_sd(key)[0]))

    def _join(self, first: UnitKey, second: UnitKey) -> None:
        sizes = {key: self._size(key) for key in (first, second)}
        self._waves.join_units(first, second)
        merged = CollectedSpikes()
        for key, size in sizes.items():
            merged.take(self._units.pop(key), size / self._size(first))
        self._units[first] = merged
        self._times_s[first] = self._times(first)

    def without_collided(self) -> dict[UnitKey, CollectedSpikes]:
        """Units whose spikes stand on their own."""
        return {key: spikes for key, spikes in self._units.items() if not self._is_collided(key)}

    def _is_collided(self, key: UnitKey) -> bool:
        for partner in self._units:
            # Coincidences are rarer than the spikes that coincide.
            if self._units[key].n < MIXTURE_COUNT * self._units[partner].n:
                counted, expected = self._coincidences(key, partner)
                if poisson.sf(counted - 1, MIN_EXCESS * expected) < P_COLLIDED:
                    return True
        return False
