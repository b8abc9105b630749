"""The clocks of a recording's segments: found, fitted, and followed where they wander."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from evoalign.events.votes import Clock, guess_clock, matched_words

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MIN_SHARE = 0.5  # of a segment's image words must meet an event under its clock
SURE_SHARE, SURE_WORDS = 0.9, 20  # with so many of so many, a neighbour's clock is the segment's own
MIN_WORDS = 4  # a clock of its own needs so many
WANDER_WORDS = 101  # running median over so many words follows temperature, not jitter
MIN_WANDER_WORDS = 31
MAX_DRIFT_SE = 2e-5  # a rate that is known worse is not used
STEP_S, STEP_JITTERS, STEP_WORDS = 0.001, 6.0, 50  # between the ends of two segments: a reset that hid itself
TRIM = 4.0  # robust standard deviations
MAD_TO_SD = 1.4826


@dataclass(frozen=True)
class Series:
    """What is aligned: events of the log and words of the recording, each in its order.

    Attributes
    ----------
    event_s, event_word : ndarray ``[event]``
        Log time, rising, and the word that each event expects.
    word_s, word, segment : ndarray ``[word]``
        Recording time, value, and segment from 0, in the order of recording.
    inside : ndarray of bool ``[word]``
        After the trial's word of fixation: an image word, not a number of the head.
    """

    event_s: Floats
    event_word: Ints
    word_s: Floats
    word: Ints
    segment: Ints
    inside: NDArray[np.bool_]

    def words_of(self, segment: int) -> tuple[Floats, Ints]:
        """Time and value of a segment's image words."""
        chosen = self.inside & (self.segment == segment)
        return self.word_s[chosen], self.word[chosen]


@dataclass(frozen=True)
class Found:
    """Clocks of the segments.

    Attributes
    ----------
    clocks : list of Clock
    of_segment : ndarray of int ``[segment]``
        Index of each segment's clock; -1 when it has none.
    ambiguous : tuple of (int, int)
        Words matched by the best and by the next best clock of the first
        segment that was looked at, when the two cannot be told apart.
    """

    clocks: list[Clock]
    of_segment: Ints
    ambiguous: tuple[int, int] | None = None


def find_clocks(series: Series, n_segments: int, max_drift: float) -> Found:
    """Give each segment a clock: its neighbour's, or one of its own after a reset.

    Parameters
    ----------
    series : Series
    n_segments : int
        Segments of the recording, in order; some may hold no words.
    max_drift : float
        Greatest relative difference in rate of the two clocks.
    """
    found = Found([], np.full(n_segments, -1, np.int64))
    sizes = np.bincount(series.segment[series.inside], minlength=n_segments)
    for segment in np.argsort(-sizes, kind="stable").tolist():
        if found.of_segment[segment] >= 0 or sizes[segment] == 0:
            continue
        found = _open(series, found, segment, max_drift)
        if found.of_segment[segment] >= 0:
            _spread(series, found, segment)
    return found


def _open(series: Series, found: Found, segment: int, max_drift: float) -> Found:
    """Find the clock of a segment that no neighbour's clock fits."""
    low, high = _between(series, found, segment)
    event_s, event_word = series.event_s[low:high], series.event_word[low:high]
    word_s, word = series.words_of(segment)
    drift = found.clocks[0].drift if found.clocks else None
    guess = guess_clock(event_s, event_word, word_s, word, max_drift, drift)
    if found.clocks:
        needed = max(MIN_WORDS, MIN_SHARE * len(word))
    else:
        # The recording may hold other tasks' words besides the log's, and a log may be short.
        needed = max(min(MIN_WORDS, len(event_s)), MIN_SHARE * min(len(word), len(event_s)))
    if guess is None or guess.matched < needed:
        return found
    complete = guess.matched == len(word) == len(event_s)
    if guess.runner_up >= guess.matched - 2 and not complete and len(word) > MIN_WORDS:
        return replace(found, ambiguous=found.ambiguous or (guess.matched, guess.runner_up))
    found.of_segment[segment] = len(found.clocks)
    found.clocks.append(guess.clock)
    return found


def _between(series: Series, found: Found, segment: int) -> tuple[int, int]:
    """Events that lie between those of the segments around that have a clock already."""
    low, high = 0, len(series.event_s)
    known = np.flatnonzero(found.of_segment >= 0)
    for other in known.tolist():
        word_s, _ = series.words_of(other)
        if not len(word_s):
            continue
        log_s = found.clocks[int(found.of_segment[other])].log_time(word_s[[0, -1]])
        if other < segment:
            low = max(low, int(np.searchsorted(series.event_s, log_s[1], side="right")))
        else:
            high = min(high, int(np.searchsorted(series.event_s, log_s[0], side="left")))
    return low, max(low, high)


def _spread(series: Series, found: Found, segment: int) -> None:
    """Carry a clock on to the segments before and after, as far as it fits."""
    for step in (-1, 1):
        other = segment + step
        while 0 <= other < len(found.of_segment) and found.of_segment[other] < 0:
            word_s, word = series.words_of(other)
            clock = found.clocks[int(found.of_segment[segment])]
            if len(word_s):
                low, high = _between(series, found, other)
                event_s, event_word = series.event_s[low:high], series.event_word[low:high]
                matched = matched_words(clock, event_s, event_word, word_s, word)
                first, last = np.searchsorted(event_s, clock.log_time(word_s[[0, -1]]))
                possible = min(len(word_s), last - first + 1)
                sure = SURE_SHARE if possible >= SURE_WORDS else MIN_SHARE
                if matched < sure * possible:
                    break
            found.of_segment[other] = found.of_segment[segment]
            other += step


@dataclass(frozen=True)
class Fit:
    """Clocks fitted to matched pairs, one drift for all: the crystals stay the same after a reset.

    Attributes
    ----------
    clocks : list of Clock
    sd_s : float
        Robust standard deviation of the words around their clock.
    wander : list of (ndarray, ndarray)
        Log times and slow deviation from the line, s, of each clock.
    """

    clocks: list[Clock]
    sd_s: float
    wander: list[tuple[Floats, Floats]]

    def lines(self, clock: Ints, log_s: Floats) -> Floats:
        """Return the straight fit's time of each word of a clock, ``[word]``."""
        offset = np.array([each.offset_s for each in self.clocks])[clock]
        drift = np.array([each.drift for each in self.clocks])[clock]
        return offset + log_s + drift * log_s

    def recording_time(self, clock: int, log_s: Floats) -> Floats:
        """Return the best estimate of a word's time: the line and its slow deviation."""
        line = self.clocks[clock].recording_time(log_s)
        times, deviation = self.wander[clock]
        return line + np.interp(log_s, times, deviation) if len(times) else line


def split_clocks(found: Found, segment: Ints, residual_s: Floats) -> Found:
    """Give segments of their own clock that a neighbour's clock fitted by chance.

    A clock that starts anew can come to lie within the tolerance of the one
    before; the words around the pause then show a step.

    Parameters
    ----------
    found : Found
    segment : ndarray
        int ``[pair]``, segment of each matched word, rising.
    residual_s : ndarray
        Word minus clock fit, ``[pair]``.
    """
    clocks, of_segment = list(found.clocks), found.of_segment.copy()
    parts = {int(s): residual_s[segment == s] for s in np.unique(segment)}
    inner = np.concatenate([part - np.median(part) for part in parts.values()] or [np.empty(0)])
    sd = MAD_TO_SD * float(np.median(np.abs(inner))) if len(inner) else 0.0
    numbers = [s for s in parts if len(parts[s]) >= MIN_WORDS]
    for before, after in pairwise(numbers):
        if of_segment[before] != of_segment[after]:
            continue
        left, right = parts[before][-STEP_WORDS:], parts[after][:STEP_WORDS]
        step = float(np.median(right) - np.median(left))
        if abs(step) <= STEP_S + STEP_JITTERS * sd / np.sqrt(min(len(left), len(right))):
            continue
        old = of_segment[after]
        later = np.arange(len(of_segment)) >= after
        of_segment[later & (of_segment == old)] = len(clocks)
        clocks.append(replace(clocks[old], offset_s=clocks[old].offset_s + step))
    return replace(found, clocks=clocks, of_segment=of_segment)


def fit_clocks(found: list[Clock], clock: Ints, log_s: Floats, word_s: Floats) -> Fit:
    """Fit offsets of the clocks and their common drift by trimmed least squares.

    Parameters
    ----------
    found : list of Clock
        First guesses; kept where a clock has no pair.
    clock : ndarray
        int ``[pair]``, clock of each pair.
    log_s, word_s : ndarray
        Log time and recording time of the pairs.

    Notes
    -----
    Starts from medians, so up to half of a clock's pairs may be wrong; then
    pairs beyond 4 robust standard deviations are left out, until the choice
    stays.
    """
    drift = found[0].drift if found else 0.0
    difference = word_s - log_s
    n = len(found)
    offsets = np.array([each.offset_s for each in found])
    present = np.unique(clock)
    for each in present:
        offsets[each] = np.median((difference - drift * log_s)[clock == each])
    kept = np.zeros(len(clock), bool)
    sd = 0.0
    for _ in range(20):
        residual = difference - offsets[clock] - drift * log_s
        sd = MAD_TO_SD * float(np.median(np.abs(residual))) if len(residual) else 0.0
        chosen = np.abs(residual) <= TRIM * sd + 1e-4
        if (chosen == kept).all():
            break
        kept = chosen
        count = np.maximum(np.bincount(clock[kept], minlength=n), 1)
        mean_log = np.bincount(clock[kept], log_s[kept], n) / count
        mean_difference = np.bincount(clock[kept], difference[kept], n) / count
        centred = log_s[kept] - mean_log[clock[kept]]
        spread = float(centred @ centred)
        # Too short a piece tells no rate: then the clocks are taken to run alike.
        if spread > 0 and sd <= MAX_DRIFT_SE * np.sqrt(spread):
            drift = float(centred @ (difference[kept] - mean_difference[clock[kept]])) / spread
        else:
            drift = 0.0
        has_pairs = np.bincount(clock[kept], minlength=n) > 0
        offsets = np.where(has_pairs, mean_difference - drift * mean_log, offsets)
    clocks = [Clock(float(offset), drift) for offset in offsets]
    residual = difference - offsets[clock] - drift * log_s
    wander = [_wander(log_s[clock == k], residual[clock == k]) for k in range(n)]
    return Fit(clocks, sd, wander)


def _wander(log_s: Floats, residual_s: Floats) -> tuple[Floats, Floats]:
    """Slow deviation of a clock from its line; nothing for few pairs."""
    if len(log_s) < MIN_WANDER_WORDS:
        return np.empty(0), np.empty(0)
    order = np.argsort(log_s, kind="stable")
    size = min(WANDER_WORDS, len(log_s) // 2 * 2 - 1)
    return log_s[order], median_filter(residual_s[order], size=size, mode="nearest")
