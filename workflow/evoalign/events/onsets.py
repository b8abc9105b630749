"""Onset and offset times of presentations, their source, and why some are not valid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign.events.clocks import ClockFit, SegmentClocks
from evoalign.events.flashes import Flashes, find_flashes
from evoalign.events.photodiode import Photodiode
from evoalign.events.series import AlignmentInput
from evoalign.events.settings import Events

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MIN_DELAYS = 20  # measured delays of fewer presentations are no better than the configured one
NO_WORD = "no word and no photodiode"
BROKEN = "the trial broke while the image was shown"
PAUSE = "inside a pause of the recording"
BEFORE, AFTER = "before the recording", "after the recording"
NO_CLOCK = "in a piece of the recording with too few words for its clock"
UNEXPLAINED = "light changed at a time that no presentation explains: it may be this one's"
CUT = "the recording ends too soon after the onset"


@dataclass(frozen=True)
class PresentationTimes:
    """Times and validity of each presentation; arrays ``[presentation]``.

    Attributes
    ----------
    onset_s, offset_s : ndarray
        Best estimates, s on the recording's clock.
    word_s : ndarray
        Time of the onset word; NaN without.
    linear_fit_s : ndarray
        Time of the onset by the linear clock fit.
    source : ndarray of str
        'photodiode', 'word' or 'log'.
    reason : ndarray of str
        Why the presentation is not valid; '' otherwise.
    delay_ms : ndarray
        Photodiode minus word; NaN where one is missing, or the light may be another's.
    sure_light : ndarray of bool
        The onset is that of a change of light that is surely the presentation's own.
    in_pause, outside : ndarray of bool
        Lost in a pause; before the first or after the last word.
    photodiode_share : float
        Of presentations with a word, those with a flash in time; 1 without photodiode.
    """

    onset_s: Floats
    offset_s: Floats
    word_s: Floats
    linear_fit_s: Floats
    source: NDArray[np.object_]
    reason: NDArray[np.object_]
    delay_ms: Floats
    sure_light: Flags
    in_pause: Flags
    outside: Flags
    photodiode_share: float


def place_onsets(
    log: pd.DataFrame,
    inputs: AlignmentInput,
    segment_clocks: SegmentClocks,
    partner: Ints,
    fit: ClockFit,
    offset_lag_s: float,
    settings: Events,
    photodiode: Photodiode | None,
) -> PresentationTimes:
    """Return onset, offset, source and reason against validity of each presentation of the log.

    Parameters
    ----------
    log : pandas.DataFrame
        `LOG`.
    inputs : AlignmentInput
        Events, words and bounds of segments.
    segment_clocks, fit : SegmentClocks, ClockFit
        Clocks of the segments, and their fit.
    partner : ndarray
        int ``[event]``, index of each event's word, -1 without.
    offset_lag_s : float
        How much later than onsets offset words come after their log times.
    settings : Events
        Delays.
    photodiode : Photodiode or None
    """
    places = _Places(log, inputs, segment_clocks, partner, fit, offset_lag_s)
    segment, reason = places.segments()
    on_word, off_word = places.words(False), places.words(True)
    on_expected = np.where(np.isfinite(on_word), on_word, places.expected(segment, False))
    off_expected = np.where(np.isfinite(off_word), off_word, places.expected(segment, True))
    end_s = inputs.end_s if inputs.exact else np.full_like(inputs.end_s, np.inf)
    flash = find_flashes(photodiode, segment, on_expected, off_expected, end_s, settings)
    has_word, has_flash = np.isfinite(on_word), np.isfinite(flash.on_s)
    delay_s = np.where(flash.good, flash.on_s - on_word, np.nan)
    measured_delay_s = delay_s[np.isfinite(delay_s)]
    delay = (
        float(np.median(measured_delay_s))
        if len(measured_delay_s) >= MIN_DELAYS
        else settings.display_delay_ms / 1000
    )
    onset = np.where(has_flash, flash.on_s, on_expected + delay)
    # Without a flash at its end, the image is taken to have been on as long as asked for.
    offset = np.where(np.isfinite(flash.off_s), flash.off_s, off_expected + (onset - on_expected))
    source = np.where(has_flash, "photodiode", np.where(has_word, "word", "log")).astype(object)
    _add_reasons(reason, log, inputs, segment, onset, has_word | np.isfinite(off_word), flash, settings)
    outside = np.isin(reason, (BEFORE, AFTER))
    in_pause = (segment < 0) & ~outside
    share = 1.0
    if photodiode is not None:
        share = float((has_flash & ~flash.late)[has_word].mean()) if has_word.any() else 0.0
    return PresentationTimes(
        onset,
        offset,
        on_word,
        places.linear_fit(segment),
        source,
        reason,
        1000 * delay_s,
        flash.good,
        in_pause,
        outside,
        share,
    )


class _Places:
    """Find the segment and the expected times of presentations from neighbouring events."""

    def __init__(
        self,
        log: pd.DataFrame,
        inputs: AlignmentInput,
        segment_clocks: SegmentClocks,
        partner: Ints,
        fit: ClockFit,
        offset_lag_s: float,
    ) -> None:
        self._n = len(log)
        self._log_s = {False: log["onset_s"].to_numpy(np.float64), True: log["offset_s"].to_numpy(np.float64)}
        self._inputs, self._segment_clocks, self._partner, self._fit = inputs, segment_clocks, partner, fit
        self._lag = {False: 0.0, True: offset_lag_s}

    def words(self, offsets: bool) -> Floats:
        """Time of the matched onset or offset word, ``[presentation]``."""
        times = np.full(self._n, np.nan)
        matched = (self._inputs.is_offset == offsets) & (self._partner >= 0)
        times[self._inputs.presentation[matched]] = self._inputs.series.word_s[self._partner[matched]]
        return times

    def segments(self) -> tuple[Ints, NDArray[np.object_]]:
        """Segment of each presentation, and why it has none."""
        has_word = self._partner >= 0
        event_segment = np.where(has_word, self._inputs.series.segment[np.maximum(self._partner, 0)], -1)
        index = np.arange(len(event_segment))
        before = np.maximum.accumulate(np.where(has_word, index, -1))
        after = np.minimum.accumulate(np.where(has_word, index, len(event_segment))[::-1])[::-1]
        onset_event = np.full(self._n, -1, np.int64)
        onset_event[self._inputs.presentation[~self._inputs.is_offset]] = index[~self._inputs.is_offset]
        left = np.where(before[onset_event] >= 0, event_segment[np.maximum(before[onset_event], 0)], -1)
        right = np.where(
            after[onset_event] < len(event_segment),
            event_segment[np.minimum(after[onset_event], len(event_segment) - 1)],
            -1,
        )
        segment = np.where(left == right, left, -1)
        reason = np.full(self._n, "", object)
        for row in np.flatnonzero(left != right):
            segment[row], reason[row] = self._between(int(left[row]), int(right[row]), int(row))
        return segment, reason

    def _between(self, left: int, right: int, row: int) -> tuple[int, str]:
        """Choose among the segments of the words before and after a presentation without word."""
        start, end = self._inputs.start_s, self._inputs.end_s
        for segment in {left, right} - {-1}:
            time = self._time(segment, self._log_s[False][[row]])[0]
            if start[segment] <= time <= end[segment]:
                return segment, ""
        if left < 0 or right < 0:
            return -1, BEFORE if left < 0 else AFTER
        skipped = self._segment_clocks.of_segment[left + 1 : right]
        return -1, NO_CLOCK if (skipped < 0).any() else PAUSE

    def _time(self, segment: int, log_s: Floats) -> Floats:
        return self._fit.recording_time(int(self._segment_clocks.of_segment[segment]), log_s)

    def expected(self, segment: Ints, offsets: bool) -> Floats:
        """Expected time of the word, ``[presentation]``; without a segment, by the clock before."""
        clock = self._clock(segment)
        log_s = self._log_s[offsets] + self._lag[offsets]
        times = np.full(self._n, np.nan)
        for k in np.unique(clock):
            times[clock == k] = self._fit.recording_time(int(k), log_s[clock == k])
        return times

    def linear_fit(self, segment: Ints) -> Floats:
        """Onset by the linear clock fit, ``[presentation]``."""
        return self._fit.linear_times(self._clock(segment), self._log_s[False])

    def _clock(self, segment: Ints) -> Ints:
        index = np.maximum.accumulate(np.where(segment >= 0, np.arange(self._n), -1))
        first_segment = segment[segment >= 0][0] if (segment >= 0).any() else 0
        filled = np.where(index >= 0, segment[np.maximum(index, 0)], first_segment)
        return np.maximum(self._segment_clocks.of_segment[filled], 0)


def _add_reasons(
    reason: NDArray[np.object_],
    log: pd.DataFrame,
    inputs: AlignmentInput,
    segment: Ints,
    onset: Floats,
    has_word: Flags,
    flash: Flashes,
    settings: Events,
) -> None:
    """Enter the reasons why presentations are not valid; the first reason stays."""
    broken = ~np.isfinite(log["offset_s"].to_numpy(np.float64))
    without_time = ~has_word & ~np.isfinite(flash.on_s)
    end = inputs.end_s[np.maximum(segment, 0)]
    # Words alone do not show how long the recording lasted after them.
    ends_too_soon = (onset + settings.recorded_ms / 1000 > end) & inputs.exact
    late_reason = f"photodiode later than {settings.photodiode_max_delay_ms:g} ms after the word"
    of_log = log["reason"].to_numpy(object)
    reason[reason == ""] = of_log[reason == ""]
    for applies, text in (
        (broken, BROKEN),
        (without_time, NO_WORD),
        (flash.late, late_reason),
        (flash.doubtful, UNEXPLAINED),
        (ends_too_soon, CUT),
    ):
        reason[applies & (reason == "")] = text
