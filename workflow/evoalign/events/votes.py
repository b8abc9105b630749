"""First guess of the relation of two clocks, from votes of equal words.

The log's clock and the recording's clock differ by an offset that can be
anything, by a rate within some hundred ppm, and the recording starts a new
clock after a reset. Each pair of an event of the log and a word of equal value
votes for the offset between them: true pairs agree, others scatter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evoalign.events.matching import pairs_within

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

BIN_S = 0.005  # of the histogram of offsets; jitter of words within some bins still makes a peak
AGREE_S = 0.02  # of a chunk's offset with a line through others
CHUNK_WORDS, CHUNK_S = 80, 60.0  # short enough that 500 ppm of drift keep a peak within bins
N_CHUNKS, N_PEAKS, N_LINES, N_ENDS = 12, 5, 8, 5
COARSE_S = 0.025  # pairs that count for a clock of this guess


@dataclass(frozen=True)
class Clock:
    """Recording time = offset_s + (1 + drift) x log time."""

    offset_s: float
    drift: float

    def recording_time(self, log_s: Floats) -> Floats:
        """Return the recording's time of log times."""
        return self.offset_s + log_s + self.drift * log_s

    def log_time(self, recording_s: Floats) -> Floats:
        """Return the log's time of recording times."""
        return (recording_s - self.offset_s) / (1 + self.drift)


@dataclass(frozen=True)
class Guess:
    """A clock with its evidence: words that it matches, and those of the next best clock."""

    clock: Clock
    matched: int
    runner_up: int


def matched_words(clock: Clock, event_s: Floats, event_word: Ints, word_s: Floats, word: Ints) -> int:
    """Count words and events that find a partner under a clock: the smaller of the two."""
    event, index = pairs_within(event_s, event_word, clock.log_time(word_s), word, COARSE_S)
    return min(len(np.unique(event)), len(np.unique(index)))


def guess_clock(
    event_s: Floats,
    event_word: Ints,
    word_s: Floats,
    word: Ints,
    max_drift: float,
    drift: float | None = None,
) -> Guess | None:
    """Find the clock under which the most words meet an event of equal value.

    Parameters
    ----------
    event_s, event_word : ndarray
        Log time and expected word of each event, ``[event]``.
    word_s, word : ndarray
        Recording time and value of each word of one clock, ``[word]``.
    max_drift : float
        Greatest relative difference in rate.
    drift : float, optional
        Rate that is known from other pieces of the recording.

    Returns
    -------
    Guess or None
        None without any pair.
    """
    if not len(event_s) or not len(word_s):
        return None
    peaks = [
        found
        for chunk in _chunks(word_s)
        if (found := _peaks(event_s, event_word, word_s[chunk], word[chunk]))
    ]
    lines = _lines(peaks, max_drift, drift) + _ends(event_s, event_word, word_s, word, drift or 0.0)
    if not lines:
        return None
    counts = [matched_words(line, event_s, event_word, word_s, word) for line in lines]
    best = int(np.argmax(counts))
    middle = float(np.mean(event_s[[0, -1]]))
    place = lines[best].recording_time(np.array([middle]))[0]
    others = [
        count
        for line, count in zip(lines, counts, strict=True)
        if abs(line.recording_time(np.array([middle]))[0] - place) > 2 * COARSE_S
    ]
    return Guess(lines[best], counts[best], max(others, default=0))


def _chunks(word_s: Floats) -> list[slice]:
    """Runs of words that are near in time, spread over the recording."""
    starts = np.unique(np.linspace(0, max(len(word_s) - CHUNK_WORDS, 0), N_CHUNKS).astype(int))
    return [
        slice(
            start,
            min(start + CHUNK_WORDS, int(np.searchsorted(word_s, word_s[start] + CHUNK_S, side="right"))),
        )
        for start in starts
    ]


def _peaks(event_s: Floats, event_word: Ints, word_s: Floats, word: Ints) -> list[tuple[float, float, int]]:
    """Highest peaks of a chunk's votes: log time of the chunk, offset, votes."""
    votes = np.concatenate(
        [np.subtract.outer(word_s[word == w], event_s[event_word == w]).ravel() for w in np.unique(word)]
    )
    if not len(votes):
        return []
    low = votes.min()
    histogram = np.bincount(((votes - low) / BIN_S).astype(np.int64))
    # True offsets can straddle the border of two bins.
    smooth = np.convolve(histogram, np.ones(3, np.int64), mode="same")
    peaks = []
    for _ in range(N_PEAKS):
        at = int(np.argmax(smooth))
        if smooth[at] == 0:
            break
        centre = low + (at + 0.5) * BIN_S
        near = votes[np.abs(votes - centre) <= 1.5 * BIN_S]
        offset = float(np.median(near)) if len(near) else float(centre)
        peaks.append((float(word_s.mean()) - offset, offset, int(smooth[at])))
        smooth[max(at - 4, 0) : at + 5] = 0
    return peaks


def _lines(peaks: list[list[tuple[float, float, int]]], max_drift: float, drift: float | None) -> list[Clock]:
    """Lines through the peaks of one or two chunks on which the most votes of all chunks lie."""
    flat = [peak for chunk in peaks for peak in chunk]
    lines = {Clock(offset - (drift or 0.0) * time, drift or 0.0) for time, offset, _ in flat}
    for i, chunk in enumerate(peaks):
        for other in peaks[i + 1 :]:
            for time, offset, _ in chunk:
                for time_2, offset_2, _ in other:
                    slope = (offset_2 - offset) / (time_2 - time) if time_2 - time > CHUNK_S else np.inf
                    if abs(slope) <= max_drift:
                        lines.add(Clock(offset - slope * time, slope))
    ordered = sorted(lines, key=lambda line: (-_support(line, peaks), line.offset_s, line.drift))
    return _distinct(ordered)


def _support(line: Clock, peaks: list[list[tuple[float, float, int]]]) -> int:
    return sum(
        max(
            (n for time, offset, n in chunk if abs(line.offset_s + line.drift * time - offset) <= AGREE_S),
            default=0,
        )
        for chunk in peaks
    )


def _distinct(lines: list[Clock]) -> list[Clock]:
    chosen: list[Clock] = []
    for line in lines:
        alike = any(
            abs(line.offset_s - other.offset_s) < AGREE_S and abs(line.drift - other.drift) < 1e-5
            for other in chosen
        )
        if not alike:
            chosen.append(line)
        if len(chosen) == N_LINES:
            break
    return chosen


def _ends(event_s: Floats, event_word: Ints, word_s: Floats, word: Ints, drift: float) -> list[Clock]:
    """Clocks that bring first words to first events, or last to last.

    A perfectly periodic task has no peak of votes, only ends.
    """
    clocks = []
    for events, words in (
        (slice(0, N_ENDS), slice(0, N_ENDS)),
        (slice(-N_ENDS, None), slice(-N_ENDS, None)),
    ):
        for time, value in zip(event_s[events], event_word[events], strict=True):
            for found in word_s[words][word[words] == value]:
                clocks.append(Clock(float(found - time - drift * time), drift))
    return clocks
