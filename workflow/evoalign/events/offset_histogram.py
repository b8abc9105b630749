"""First estimate of the relation of two clocks, from the histogram of offsets between equal words.

The log's clock and the recording's clock differ by an offset that can be
anything, by a rate within some hundred ppm, and the recording starts a new
clock after a reset. Each pair of an event of the log and a word of equal value
counts for the offset between them: true pairs agree, others scatter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evoalign.events.matching import pairs_within

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

BIN_S = 0.005  # of the histogram of offsets; jitter of words within some bins still makes a peak
AGREE_S = 0.02  # of a chunk's offset with a linear clock through others
CHUNK_WORDS, CHUNK_S = 80, 60.0  # short enough that 500 ppm of drift keep a peak within bins
N_CHUNKS, N_PEAKS, N_CANDIDATES, N_ENDS = 12, 5, 8, 5
COARSE_S = 0.025  # pairs that count for a clock of this estimate


@dataclass(frozen=True)
class LinearClock:
    """Recording time = offset_s + (1 + drift) x log time."""

    offset_s: float
    drift: float

    def recording_time(self, log_s: Floats) -> Floats:
        """Return recording times of log times, s, both ``[time]``."""
        return self.offset_s + log_s + self.drift * log_s

    def log_time(self, recording_s: Floats) -> Floats:
        """Return log times of recording times, s, both ``[time]``."""
        return (recording_s - self.offset_s) / (1 + self.drift)


@dataclass(frozen=True)
class ClockEstimate:
    """An estimated clock: number of words that it matches, and that the next best clock matches."""

    clock: LinearClock
    matched: int
    runner_up: int


def matched_words(clock: LinearClock, event_s: Floats, event_word: Ints, word_s: Floats, word: Ints) -> int:
    """Count the words and the events that have a match under a clock, and return the smaller count.

    `event_s` and `event_word` are ``[event]``, `word_s` and `word` ``[word]``.
    """
    event, index = pairs_within(event_s, event_word, clock.log_time(word_s), word, COARSE_S)
    return min(len(np.unique(event)), len(np.unique(index)))


def estimate_clock(
    event_s: Floats,
    event_word: Ints,
    word_s: Floats,
    word: Ints,
    max_drift: float,
    drift: float | None = None,
) -> ClockEstimate | None:
    """Find the clock under which the most words meet an event of equal value.

    Parameters
    ----------
    event_s, event_word : ndarray
        Log time, s, and word of each event, ``[event]``.
    word_s, word : ndarray
        Recording time, s, and value of each word of one clock, ``[word]``.
    max_drift : float
        Greatest relative difference in rate.
    drift : float, optional
        Rate that is known from other pieces of the recording.

    Returns
    -------
    ClockEstimate or None
        None without any pair.
    """
    if not len(event_s) or not len(word_s):
        return None
    peaks = [
        chunk_peaks
        for chunk in _chunks(word_s)
        if (chunk_peaks := _peaks(event_s, event_word, word_s[chunk], word[chunk]))
    ]
    candidates = _candidates(peaks, max_drift, drift) + _end_candidates(
        event_s, event_word, word_s, word, drift or 0.0
    )
    if not candidates:
        return None
    counts = [matched_words(candidate, event_s, event_word, word_s, word) for candidate in candidates]
    best = int(np.argmax(counts))
    middle = float(np.mean(event_s[[0, -1]]))
    middle_recorded_s = candidates[best].recording_time(np.array([middle]))[0]
    other_counts = [
        count
        for candidate, count in zip(candidates, counts, strict=True)
        if abs(candidate.recording_time(np.array([middle]))[0] - middle_recorded_s) > 2 * COARSE_S
    ]
    return ClockEstimate(candidates[best], counts[best], max(other_counts, default=0))


def _chunks(word_s: Floats) -> list[slice]:
    """Stretches of consecutive words, spread over the recording."""
    starts = np.unique(np.linspace(0, max(len(word_s) - CHUNK_WORDS, 0), N_CHUNKS).astype(int))
    return [
        slice(
            start,
            min(start + CHUNK_WORDS, int(np.searchsorted(word_s, word_s[start] + CHUNK_S, side="right"))),
        )
        for start in starts
    ]


def _peaks(event_s: Floats, event_word: Ints, word_s: Floats, word: Ints) -> list[tuple[float, float, int]]:
    """Highest peaks of a chunk's offset histogram: log time of the chunk, s; offset, s; count."""
    offsets = np.concatenate(
        [np.subtract.outer(word_s[word == w], event_s[event_word == w]).ravel() for w in np.unique(word)]
    )
    if not len(offsets):
        return []
    low = offsets.min()
    histogram = np.bincount(((offsets - low) / BIN_S).astype(np.int64))
    # True offsets can straddle the border of two bins.
    smooth = np.convolve(histogram, np.ones(3, np.int64), mode="same")
    peaks = []
    for _ in range(N_PEAKS):
        at = int(np.argmax(smooth))
        if smooth[at] == 0:
            break
        centre = low + (at + 0.5) * BIN_S
        peak_offsets = offsets[np.abs(offsets - centre) <= 1.5 * BIN_S]
        offset = float(np.median(peak_offsets)) if len(peak_offsets) else float(centre)
        peaks.append((float(word_s.mean()) - offset, offset, int(smooth[at])))
        smooth[max(at - 4, 0) : at + 5] = 0
    return peaks


def _candidates(
    peaks: list[list[tuple[float, float, int]]], max_drift: float, drift: float | None
) -> list[LinearClock]:
    """Linear clocks through the peaks of one or two chunks that most pairs of all chunks agree with."""
    flat = [peak for chunk in peaks for peak in chunk]
    candidates = {LinearClock(offset - (drift or 0.0) * time, drift or 0.0) for time, offset, _ in flat}
    for i, chunk in enumerate(peaks):
        for later_chunk in peaks[i + 1 :]:
            for time, offset, _ in chunk:
                for time_2, offset_2, _ in later_chunk:
                    slope = (offset_2 - offset) / (time_2 - time) if time_2 - time > CHUNK_S else np.inf
                    if abs(slope) <= max_drift:
                        candidates.add(LinearClock(offset - slope * time, slope))
    ordered = sorted(
        candidates,
        key=lambda candidate: (-_agreeing_pairs(candidate, peaks), candidate.offset_s, candidate.drift),
    )
    return _distinct(ordered)


def _agreeing_pairs(candidate: LinearClock, peaks: list[list[tuple[float, float, int]]]) -> int:
    return sum(
        max(
            (
                n
                for time, offset, n in chunk
                if abs(candidate.offset_s + candidate.drift * time - offset) <= AGREE_S
            ),
            default=0,
        )
        for chunk in peaks
    )


def _distinct(candidates: list[LinearClock]) -> list[LinearClock]:
    chosen: list[LinearClock] = []
    for candidate in candidates:
        alike = any(
            abs(candidate.offset_s - chosen_clock.offset_s) < AGREE_S
            and abs(candidate.drift - chosen_clock.drift) < 1e-5
            for chosen_clock in chosen
        )
        if not alike:
            chosen.append(candidate)
        if len(chosen) == N_CANDIDATES:
            break
    return chosen


def _end_candidates(
    event_s: Floats, event_word: Ints, word_s: Floats, word: Ints, drift: float
) -> list[LinearClock]:
    """Clocks that map first words to first events, or last to last.

    A perfectly periodic task has no single peak in the histogram: only its ends decide.
    """
    clocks = []
    for events, words in (
        (slice(0, N_ENDS), slice(0, N_ENDS)),
        (slice(-N_ENDS, None), slice(-N_ENDS, None)),
    ):
        for time, value in zip(event_s[events], event_word[events], strict=True):
            for recorded_s in word_s[words][word[words] == value]:
                clocks.append(LinearClock(float(recorded_s - time - drift * time), drift))
    return clocks
