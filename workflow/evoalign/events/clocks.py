"""The clocks of a recording's segments: offset, drift and residual drift relative to the log's clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from evoalign.events.offset_histogram import LinearClock, estimate_clock, matched_words

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MIN_SHARE = 0.5  # of a segment's image words must meet an event under its clock
SURE_SHARE, SURE_WORDS = 0.9, 20  # of at least 20 words, 90 % must fit a neighbour's clock to accept it
MIN_WORDS = 4  # that a separate clock needs
RESIDUAL_DRIFT_WORDS = 101  # width of the running median: follows temperature, not jitter
MIN_RESIDUAL_DRIFT_WORDS = 31
MAX_DRIFT_SE = 2e-5  # a drift with a larger standard error is not used
# A step between two segments of more than this, and this many jitters, is an unnoticed reset.
STEP_S, STEP_JITTERS, STEP_WORDS = 0.001, 6.0, 50
TRIM = 4.0  # robust standard deviations
MAD_TO_SD = 1.4826


@dataclass(frozen=True)
class EventSeries:
    """Events of the log and words of the recording, each in its own order.

    Attributes
    ----------
    event_s, event_word : ndarray ``[event]``
        Log time, rising, and the word that was sent for each event.
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
        """Return time and value of a segment's image words, ``[word]``."""
        image_words = self.inside & (self.segment == segment)
        return self.word_s[image_words], self.word[image_words]


@dataclass(frozen=True)
class SegmentClocks:
    """Clock of each segment of a recording.

    Attributes
    ----------
    clocks : list of LinearClock
    of_segment : ndarray of int ``[segment]``
        Index of each segment's clock; -1 when it has none.
    ambiguous : tuple of (int, int)
        Words matched by the best and by the next best clock of the first
        segment, when the two cannot be distinguished.
    """

    clocks: list[LinearClock]
    of_segment: Ints
    ambiguous: tuple[int, int] | None = None


def find_clocks(series: EventSeries, n_segments: int, max_drift: float) -> SegmentClocks:
    """Assign a clock to each segment: its neighbour's, or a new one after a reset.

    Parameters
    ----------
    series : EventSeries
    n_segments : int
        Segments of the recording, in order; some may hold no words.
    max_drift : float
        Greatest relative difference in rate of the two clocks.
    """
    segment_clocks = SegmentClocks([], np.full(n_segments, -1, np.int64))
    sizes = np.bincount(series.segment[series.inside], minlength=n_segments)
    for segment in np.argsort(-sizes, kind="stable").tolist():
        if segment_clocks.of_segment[segment] >= 0 or sizes[segment] == 0:
            continue
        segment_clocks = _estimate_own_clock(series, segment_clocks, segment, max_drift)
        if segment_clocks.of_segment[segment] >= 0:
            _extend_to_neighbours(series, segment_clocks, segment)
    return segment_clocks


def _estimate_own_clock(
    series: EventSeries, segment_clocks: SegmentClocks, segment: int, max_drift: float
) -> SegmentClocks:
    """Estimate the clock of a segment that no neighbour's clock fits."""
    low, high = _events_between(series, segment_clocks, segment)
    event_s, event_word = series.event_s[low:high], series.event_word[low:high]
    word_s, word = series.words_of(segment)
    drift = segment_clocks.clocks[0].drift if segment_clocks.clocks else None
    estimate = estimate_clock(event_s, event_word, word_s, word, max_drift, drift)
    if segment_clocks.clocks:
        needed = max(MIN_WORDS, MIN_SHARE * len(word))
    else:
        # The recording may hold other tasks' words besides the log's, and a log may be short.
        needed = max(min(MIN_WORDS, len(event_s)), MIN_SHARE * min(len(word), len(event_s)))
    if estimate is None or estimate.matched < needed:
        return segment_clocks
    complete = estimate.matched == len(word) == len(event_s)
    if estimate.runner_up >= estimate.matched - 2 and not complete and len(word) > MIN_WORDS:
        return replace(
            segment_clocks, ambiguous=segment_clocks.ambiguous or (estimate.matched, estimate.runner_up)
        )
    segment_clocks.of_segment[segment] = len(segment_clocks.clocks)
    segment_clocks.clocks.append(estimate.clock)
    return segment_clocks


def _events_between(series: EventSeries, segment_clocks: SegmentClocks, segment: int) -> tuple[int, int]:
    """Range of events between those of the nearest segments that already have a clock."""
    low, high = 0, len(series.event_s)
    with_clock = np.flatnonzero(segment_clocks.of_segment >= 0)
    for neighbour in with_clock.tolist():
        word_s, _ = series.words_of(neighbour)
        if not len(word_s):
            continue
        log_s = segment_clocks.clocks[int(segment_clocks.of_segment[neighbour])].log_time(word_s[[0, -1]])
        if neighbour < segment:
            low = max(low, int(np.searchsorted(series.event_s, log_s[1], side="right")))
        else:
            high = min(high, int(np.searchsorted(series.event_s, log_s[0], side="left")))
    return low, max(low, high)


def _extend_to_neighbours(series: EventSeries, segment_clocks: SegmentClocks, segment: int) -> None:
    """Assign a segment's clock to the segments before and after, as far as it fits."""
    for step in (-1, 1):
        neighbour = segment + step
        while 0 <= neighbour < len(segment_clocks.of_segment) and segment_clocks.of_segment[neighbour] < 0:
            word_s, word = series.words_of(neighbour)
            clock = segment_clocks.clocks[int(segment_clocks.of_segment[segment])]
            if len(word_s):
                low, high = _events_between(series, segment_clocks, neighbour)
                event_s, event_word = series.event_s[low:high], series.event_word[low:high]
                matched = matched_words(clock, event_s, event_word, word_s, word)
                first_event, last_event = np.searchsorted(event_s, clock.log_time(word_s[[0, -1]]))
                possible = min(len(word_s), last_event - first_event + 1)
                needed_share = SURE_SHARE if possible >= SURE_WORDS else MIN_SHARE
                if matched < needed_share * possible:
                    break
            segment_clocks.of_segment[neighbour] = segment_clocks.of_segment[segment]
            neighbour += step


@dataclass(frozen=True)
class ClockFit:
    """Linear clocks fitted to matched pairs, with one drift: a reset does not change the crystals.

    Attributes
    ----------
    clocks : list of LinearClock
    sd_s : float
        Robust standard deviation of the words around their clock.
    residual_drift : list of (ndarray, ndarray)
        Log times and slow deviation from the linear fit, s, ``[pair]``, for each clock.
    """

    clocks: list[LinearClock]
    sd_s: float
    residual_drift: list[tuple[Floats, Floats]]

    def linear_times(self, clock: Ints, log_s: Floats) -> Floats:
        """Return recording times of log times by the linear fit; all arrays ``[word]``."""
        offset = np.array([linear_clock.offset_s for linear_clock in self.clocks])[clock]
        drift = np.array([linear_clock.drift for linear_clock in self.clocks])[clock]
        return offset + log_s + drift * log_s

    def recording_time(self, clock: int, log_s: Floats) -> Floats:
        """Return the recording time of log times by linear fit and residual drift, ``[word]``."""
        linear_s = self.clocks[clock].recording_time(log_s)
        drift_log_s, drift_s = self.residual_drift[clock]
        return linear_s + np.interp(log_s, drift_log_s, drift_s) if len(drift_log_s) else linear_s


def split_clocks(segment_clocks: SegmentClocks, segment: Ints, residual_s: Floats) -> SegmentClocks:
    """Give a new clock to segments that a neighbour's clock fitted by chance.

    A clock that starts anew can come to lie within the tolerance of the one
    before; the words around the pause then show a step.

    Parameters
    ----------
    segment_clocks : SegmentClocks
    segment : ndarray
        int ``[pair]``, segment of each matched word, rising.
    residual_s : ndarray
        Word minus clock fit, ``[pair]``.
    """
    clocks, of_segment = list(segment_clocks.clocks), segment_clocks.of_segment.copy()
    residuals = {int(s): residual_s[segment == s] for s in np.unique(segment)}
    inner = np.concatenate(
        [segment_residual_s - np.median(segment_residual_s) for segment_residual_s in residuals.values()]
        or [np.empty(0)]
    )
    sd = MAD_TO_SD * float(np.median(np.abs(inner))) if len(inner) else 0.0
    numbers = [s for s in residuals if len(residuals[s]) >= MIN_WORDS]
    for before, after in pairwise(numbers):
        if of_segment[before] != of_segment[after]:
            continue
        left, right = residuals[before][-STEP_WORDS:], residuals[after][:STEP_WORDS]
        step = float(np.median(right) - np.median(left))
        if abs(step) <= STEP_S + STEP_JITTERS * sd / np.sqrt(min(len(left), len(right))):
            continue
        shared_clock = of_segment[after]
        later = np.arange(len(of_segment)) >= after
        of_segment[later & (of_segment == shared_clock)] = len(clocks)
        clocks.append(replace(clocks[shared_clock], offset_s=clocks[shared_clock].offset_s + step))
    return replace(segment_clocks, clocks=clocks, of_segment=of_segment)


def fit_clocks(estimates: list[LinearClock], clock: Ints, log_s: Floats, word_s: Floats) -> ClockFit:
    """Fit offsets of the clocks and their common drift by trimmed least squares.

    Parameters
    ----------
    estimates : list of LinearClock
        First estimates; kept where a clock has no pair.
    clock : ndarray
        int ``[pair]``, clock of each pair.
    log_s, word_s : ndarray
        Log time and recording time of the pairs, s, ``[pair]``.

    Notes
    -----
    Starts from medians, so up to half of a clock's pairs may be wrong; then
    pairs beyond 4 robust standard deviations are left out, until the choice
    stays.
    """
    drift = estimates[0].drift if estimates else 0.0
    difference = word_s - log_s
    n = len(estimates)
    offsets = np.array([estimate.offset_s for estimate in estimates])
    clocks_with_pairs = np.unique(clock)
    for k in clocks_with_pairs:
        offsets[k] = np.median((difference - drift * log_s)[clock == k])
    used = np.zeros(len(clock), bool)
    sd = 0.0
    for _ in range(20):
        residual = difference - offsets[clock] - drift * log_s
        sd = MAD_TO_SD * float(np.median(np.abs(residual))) if len(residual) else 0.0
        close_pairs = np.abs(residual) <= TRIM * sd + 1e-4
        if (close_pairs == used).all():
            break
        used = close_pairs
        count = np.maximum(np.bincount(clock[used], minlength=n), 1)
        mean_log = np.bincount(clock[used], log_s[used], n) / count
        mean_difference = np.bincount(clock[used], difference[used], n) / count
        centred = log_s[used] - mean_log[clock[used]]
        spread = float(centred @ centred)
        # Too short a piece does not determine the drift: then it is set to 0.
        if spread > 0 and sd <= MAX_DRIFT_SE * np.sqrt(spread):
            drift = float(centred @ (difference[used] - mean_difference[clock[used]])) / spread
        else:
            drift = 0.0
        has_pairs = np.bincount(clock[used], minlength=n) > 0
        offsets = np.where(has_pairs, mean_difference - drift * mean_log, offsets)
    clocks = [LinearClock(float(offset), drift) for offset in offsets]
    residual = difference - offsets[clock] - drift * log_s
    residual_drift = [_residual_drift(log_s[clock == k], residual[clock == k]) for k in range(n)]
    return ClockFit(clocks, sd, residual_drift)


def _residual_drift(log_s: Floats, residual_s: Floats) -> tuple[Floats, Floats]:
    """Running median of a clock's residuals, ``[pair]``; empty for few pairs."""
    if len(log_s) < MIN_RESIDUAL_DRIFT_WORDS:
        return np.empty(0), np.empty(0)
    order = np.argsort(log_s, kind="stable")
    size = min(RESIDUAL_DRIFT_WORDS, len(log_s) // 2 * 2 - 1)
    from scipy.ndimage import median_filter  # takes as long to load as a recording to open

    return log_s[order], median_filter(residual_s[order], size=size, mode="nearest")
