"""Turn tables into the arrays to align: events of the log, words of the recording, bounds of segments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign.errors import InputError
from evoalign.events.clocks import EventSeries
from evoalign.events.event_codes import after_fixation, trial_blocks
from evoalign.events.settings import Events

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# Sources that carry words, the first that holds any counts.
SOURCES = (("digital", "strobed"), ("serial",), ("bit",))
CONTIGUOUS_S = 0.02  # shorter gaps between segments are lost packets, not pauses
OUT_OF_ORDER_S = 1.0  # words that are written late, not a clock that was reset
_EXPORT = "record or export the file again, or leave the session out"


@dataclass(frozen=True)
class AlignmentInput:
    """Arrays that the alignment works on.

    Attributes
    ----------
    series : EventSeries
        Onsets and offsets of the log as events, and the words.
    presentation, is_offset : ndarray ``[event]``
        Row of the log and kind of each event.
    start_s, end_s : ndarray ``[segment]``
        Recorded span of each segment, gaps of lost packets closed.
    exact : bool
        The span is taken from the recording's segments, not only from its words.
    block : ndarray of int ``[word]``
        Block of each word's trial, as the rig sent it; -1 where it did not.
    """

    series: EventSeries
    presentation: Ints
    is_offset: NDArray[np.bool_]
    start_s: Floats
    end_s: Floats
    exact: bool
    block: Ints


def prepare(
    log: pd.DataFrame, words: pd.DataFrame, settings: Events, segments: pd.DataFrame | None
) -> AlignmentInput:
    """Check the tables and turn them into arrays.

    Raises
    ------
    InputError
        Time runs backwards in the log or within a segment of the recording,
        or the recording has no words.
    """
    event_s, event_word, presentation, is_offset = _events(log)
    time_s, word, segment = words_in_order(words_of_images(words), settings)
    inside = after_fixation(word, settings)
    block = trial_blocks(word, settings)
    expected = np.isin(word, event_word)
    if not (inside & expected).any():
        # A rig without the word of fixation: better all words than none.
        inside = np.ones(len(word), bool)
    start_s, end_s, exact = _bounds(time_s, segment, segments)
    series = EventSeries(
        event_s, event_word, time_s[expected], word[expected], segment[expected], inside[expected]
    )
    return AlignmentInput(series, presentation, is_offset, start_s, end_s, exact, block[expected])


def _events(log: pd.DataFrame) -> tuple[Floats, Ints, Ints, NDArray[np.bool_]]:
    onset, offset = log["onset_s"].to_numpy(np.float64), log["offset_s"].to_numpy(np.float64)
    backward_rows = np.flatnonzero(~(np.diff(onset) > 0))
    if len(backward_rows) or not np.isfinite(onset).all():
        at = int(backward_rows[0]) + 1 if len(backward_rows) else 0
        raise InputError(
            f"time runs backwards in the log: onset {onset[at]:.6f} s of presentation {at} is not later "
            f"than the one before",
            "log, column onset_s",
            "give the log of one session, in the order of showing",
        )
    has_offset = np.isfinite(offset) & (log["offset_word"].to_numpy() >= 0)
    n = len(log)
    time = np.concatenate([onset, offset[has_offset]])
    word = np.concatenate(
        [log["onset_word"].to_numpy(np.int64), log["offset_word"].to_numpy(np.int64)[has_offset]]
    )
    row = np.concatenate([np.arange(n), np.flatnonzero(has_offset)])
    is_offset = np.arange(len(time)) >= n
    order = np.lexsort((is_offset, time))
    return time[order], word[order], row[order], is_offset[order]


def words_of_images(words: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `WORDS` of the first source that carries words.

    Raises
    ------
    InputError
        No source does.
    """
    for sources in SOURCES:
        source_words = words[words["source"].isin(sources)]
        if len(source_words):
            return source_words
    sources_held = ", ".join(sorted(words["source"].unique())) or "nothing"
    raise InputError(
        f"the recording holds no event words (found: {sources_held})",
        "words",
        "check that the digital inputs were recorded, or leave the log of this session out",
    )


def words_in_order(words: pd.DataFrame, settings: Events) -> tuple[Floats, Ints, Ints]:
    """Return time (s), masked value and segment of each word that was sent, ``[word]``, by time.

    Raises
    ------
    InputError
        Time runs backwards within a segment.
    """
    segment = words["segment"].to_numpy(np.int64)
    time_s = words["time_s"].to_numpy(np.float64)
    order = np.argsort(segment, kind="stable")
    steps_back = -np.diff(time_s[order])[np.diff(segment[order]) == 0]
    if 0 < steps_back.max(initial=0) <= OUT_OF_ORDER_S:
        order = np.lexsort((time_s, segment))
    segment, time_s = segment[order], time_s[order]
    raw_word = words["word"].to_numpy(np.int64)[order]
    word = raw_word & settings.word_mask
    backward_rows = np.flatnonzero((np.diff(time_s) < 0) & (np.diff(segment) == 0))
    if len(backward_rows) or not np.isfinite(time_s).all():
        at = int(backward_rows[0]) if len(backward_rows) else int(np.flatnonzero(~np.isfinite(time_s))[0])
        later = time_s[min(at + 1, len(time_s) - 1)]
        raise InputError(
            f"time runs backwards without a reset of the clock: {later:.6f} s after {time_s[at]:.6f} s",
            f"words, segment {segment[at]}, {len(backward_rows)} places",
            _EXPORT,
        )
    if len(segment) and segment[0] < 0:
        raise InputError(f"segment {segment[0]} is no segment", "words", _EXPORT)
    # The rig's input falls back to 0 between words on some systems.
    sent = (word != 0) & ~_of_another_line(raw_word, word, segment)
    return time_s[sent], word[sent], segment[sent]


def _of_another_line(raw_word: Ints, word: Ints, segment: Ints) -> NDArray[np.bool_]:
    """Return which words were written because a line outside the mask changed, ``[word]``.

    The word's own lines hold what they held, and the whole input does not: a
    camera or a voice key, and no word. An input that is the same as before
    altogether was strobed again (9, 9, 9), and is one.
    """
    alike = (np.diff(word) == 0) & (np.diff(segment) == 0)
    return np.concatenate([[False], alike & (np.diff(raw_word) != 0)])[: len(word)]


def _bounds(time_s: Floats, segment: Ints, segments: pd.DataFrame | None) -> tuple[Floats, Floats, bool]:
    n = int(segment.max(initial=0)) + 1
    if segments is not None and len(segments):
        first_stream = segments[segments["stream"] == segments["stream"].iloc[0]]
        if len(first_stream) >= n:
            start = first_stream["start_s"].to_numpy(np.float64)
            end = start + first_stream["n_samples"].to_numpy() / first_stream["sampling_rate_hz"].to_numpy(
                np.float64
            )
            return *_without_small_gaps(start, end), True
    start, end = np.full(n, np.nan), np.full(n, np.nan)
    np.fmin.at(start, segment, time_s)
    np.fmax.at(end, segment, time_s)
    return start, end, False


def _without_small_gaps(start: Floats, end: Floats) -> tuple[Floats, Floats]:
    start, end = start.copy(), end.copy()
    for at in range(len(start) - 1):
        if 0 <= start[at + 1] - end[at] <= CONTIGUOUS_S:
            start[at + 1] = start[at]
    for at in range(len(start) - 2, -1, -1):
        if start[at + 1] == start[at]:
            end[at] = end[at + 1]
    return start, end
