"""Units of one electrode, two by two, by their spikes over the whole recording.

Some thousand clustered spikes leave open what all spikes decide: pieces of
one unit share its refractory period, a cluster of collided spikes
coincides with the spikes of another unit more often than by chance, and what a
template leaves of each of its spikes, as the end of long ones, makes a cluster
that accompanies them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from scipy.stats import poisson

from evoalign.sorting.bursts import follow, neighbours
from evoalign.sorting.clustering import MIXTURE_COUNT
from evoalign.sorting.coincidences import UPPER, accompanying, coincidences
from evoalign.sorting.detect_and_match import CollectedSpikes
from evoalign.sorting.detection import extreme_uv
from evoalign.sorting.doubtful import MAX_OWN
from evoalign.sorting.templates import Templates
from evoalign.sorting.waveforms import UnitKey, WaveSums

MIN_COSINE = 0.95  # cosine of the mean waveforms of pieces of one unit; a burst's small spikes keep the shape
MAX_SHARED = 0.35  # coincidences of two pieces relative to those expected; some spikes are mistaken
P_PIECES = 0.002  # of so few coincidences, were the two independent; an array has a hundred such pairs
# A piece is no smaller than this, relative to another: a unit's spikes vary or drift, and what follows in
# bursts is told by that. Of a spike and another half as large close behind it, matching loses most.
MIN_PIECE_SIZE = 0.65
INDEPENDENT = 0.7  # coincidences of two units relative to those expected: of collided spikes some are lost
# Intervals up to so many refractory periods count too, where both keep one of that length. Those of most
# cells last longer than what is asked of a unit, and the longer, the surer are two told from one.
LONGER = (2.0, 3.0)
# Of templates nearer than this, in noise SDs, noise alone mistakes each fiftieth spike for one of the other:
# what clustering told apart there is more likely one unit's, and less of coincidences will do.
NEAR_SD, P_NEAR = 4.0, 0.1
MIN_FOLLOWING = 0.5  # of a burst's small spikes come soon after a larger one
MIN_EXCESS = 2.0  # coincidences of collided spikes relative to those expected: surely more than this
P_COLLIDED = 0.001
# What a template leaves of a spike lies within this of it: a template's length. Most of a cluster of such
# spikes accompanies larger ones (0.9 and more on MEArec's cells), of units next to none beyond chance.
LEFT_S, MAX_ACCOMPANYING = 2e-3, 0.5


def join_pieces(
    units: dict[UnitKey, CollectedSpikes],
    waves: WaveSums,
    templates: list[Templates | None],
    recorded_s: float,
    rate_hz: float,
    refractory_s: float,
) -> dict[UnitKey, CollectedSpikes]:
    """Join the pieces of one unit.

    Parameters
    ----------
    units : dict of UnitKey to CollectedSpikes
        Of template matching; sizes relative to the templates.
    waves : WaveSums
        Of these units; those of joined ones are joined.
    templates : list of Templates or None
        Of each electrode.
    recorded_s : float
        Recorded time, without pauses.
    rate_hz : float
        Samples a second.
    refractory_s : float
        Spikes of one unit are further apart.

    Returns
    -------
    dict of UnitKey to CollectedSpikes
        The units that remain, each by the first of its pieces.
    """
    joined: dict[UnitKey, CollectedSpikes] = {}
    for row, of_row in _by_row(units).items():
        pairs = _Pairs(of_row, waves, recorded_s, rate_hz, refractory_s, templates[row])
        joined |= pairs.join_pieces()
    return {key: joined[key] for key in units if key in joined}


def without_followers(
    units: dict[UnitKey, CollectedSpikes],
    waves: WaveSums,
    recorded_s: float,
    rate_hz: float,
    refractory_s: float,
) -> dict[UnitKey, CollectedSpikes]:
    """Leave clusters of collided spikes out, and what templates leave of the spikes of others.

    Parameters and what is returned as of `join_pieces`.
    """
    standing: dict[UnitKey, CollectedSpikes] = {}
    for of_row in _by_row(units).values():
        standing |= _Pairs(of_row, waves, recorded_s, rate_hz, refractory_s).without_followers()
    return {key: units[key] for key in units if key in standing}


def _by_row(units: dict[UnitKey, CollectedSpikes]) -> dict[int, dict[UnitKey, CollectedSpikes]]:
    """Units of each electrode."""
    by_row: dict[int, dict[UnitKey, CollectedSpikes]] = {}
    for key, spikes in units.items():
        by_row.setdefault(key[1], {})[key] = spikes
    return by_row


class _Pairs:
    """Units of one electrode; `near_s` is the refractory period, around which coincidences are counted."""

    def __init__(
        self,
        units: dict[UnitKey, CollectedSpikes],
        waves: WaveSums,
        recorded_s: float,
        rate_hz: float,
        near_s: float,
        templates: Templates | None = None,
    ) -> None:
        self._units, self._waves, self._templates = units, waves, templates
        self._recorded_s, self._rate_hz, self._near_s = recorded_s, rate_hz, near_s
        self._times_s = {key: self._times(key) for key in units}

    def _times(self, key: UnitKey) -> np.ndarray:
        return self._units[key].times_s(self._recorded_s, self._rate_hz)

    def _coincidences(self, first: UnitKey, second: UnitKey, upper: float = UPPER) -> tuple[int, float]:
        times = self._times_s[first], self._times_s[second]
        return coincidences(*times, self._near_s, self._recorded_s, upper)

    def join_pieces(self) -> dict[UnitKey, CollectedSpikes]:
        """Join pairs that are one unit, those most alike first."""
        while True:
            candidates = [
                (similarity, pair)
                for pair in combinations(sorted(self._units), 2)
                if self._are_one(*pair, similarity := self._likeness(*pair))
            ]
            if not candidates:
                return self._units
            _, (first, second) = max(candidates)
            self._join(first, second)

    def _likeness(self, first: UnitKey, second: UnitKey) -> float:
        waves = [self._waves.mean_sd(key)[0] for key in (first, second)]
        norm = np.prod([np.linalg.norm(wave) for wave in waves])
        return float(waves[0] @ waves[1] / norm) if all(map(len, waves)) and norm else 0.0

    def _are_one(self, first: UnitKey, second: UnitKey, likeness: float) -> bool:
        is_near, is_like = self._are_near(first, second), likeness >= MIN_COSINE
        if (is_near or is_like) and self._are_pieces(first, second, P_NEAR if is_near else P_PIECES):
            return True
        return is_like and self._are_of_bursts(first, second)

    def _are_near(self, first: UnitKey, second: UnitKey) -> bool:
        """Say whether noise alone mistakes many spikes of one for the other's."""
        if self._templates is None:
            return False
        difference = self._templates.waves[first[2], 0] - self._templates.waves[second[2], 0]
        return float(np.linalg.norm(difference)) < NEAR_SD

    def _are_pieces(self, first: UnitKey, second: UnitKey, p: float) -> bool:
        """Say whether two share their refractory period, as spikes of one unit and of about one size do."""
        small, large = sorted(self._size(key) for key in (first, second))
        if small < MIN_PIECE_SIZE * large:
            return False
        for upper in self._uppers(first, second):
            counted, expected = self._coincidences(first, second, upper)
            if counted <= MAX_SHARED * expected and poisson.cdf(counted, INDEPENDENT * expected) < p:
                return True
        return False

    def _uppers(self, first: UnitKey, second: UnitKey) -> Iterator[float]:
        """Give the ends of intervals that count, refractory periods: longer ones where both units keep it."""
        yield UPPER
        for upper in LONGER:
            counted, expected = np.sum(
                [self._coincidences(key, key, upper) for key in (first, second)], axis=0
            )
            if counted <= MAX_OWN * expected:
                yield upper

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

    def without_followers(self) -> dict[UnitKey, CollectedSpikes]:
        """Units whose spikes stand on their own."""
        return {
            key: spikes
            for key, spikes in self._units.items()
            if not self._is_collided(key) and not self._is_left_of_others(key)
        }

    def _is_collided(self, key: UnitKey) -> bool:
        for partner in self._units:
            # Coincidences are rarer than the spikes that coincide.
            if self._units[key].n < MIXTURE_COUNT * self._units[partner].n:
                counted, expected = self._coincidences(key, partner)
                if poisson.sf(counted - 1, MIN_EXCESS * expected) < P_COLLIDED:
                    return True
        return False

    def _is_left_of_others(self, key: UnitKey) -> bool:
        """Say whether most of a unit's spikes accompany larger units' spikes."""
        larger = [times for other, times in self._times_s.items() if self._size(other) > self._size(key)]
        if not larger:
            return False
        theirs = np.sort(np.concatenate(larger))
        return accompanying(self._times_s[key], theirs, LEFT_S, self._recorded_s) > MAX_ACCOMPANYING
