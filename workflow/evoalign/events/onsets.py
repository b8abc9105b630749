"""Times of presentations from words, photodiode and clock fit, and whether to trust them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign.events.clocks import Fit, Found
from evoalign.events.photodiode import Photodiode
from evoalign.events.series import Aligned
from evoalign.study import Events

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MIN_DELAYS = 20  # measured delays of fewer presentations are no better than the configured one
NO_WORD = "no word and no photodiode"
BROKEN = "the trial broke while the image was shown"
PAUSE = "inside a pause of the recording"
BEFORE, AFTER = "before the recording", "after the recording"
NO_CLOCK = "in a piece of the recording with too few words for its clock"
CUT = "the recording ends too soon after the onset"


@dataclass(frozen=True)
class Placed:
    """What is known of each presentation; arrays ``[presentation]``.

    Attributes
    ----------
    onset_s, offset_s : ndarray
        Best estimates, s on the recording's clock.
    word_s : ndarray
        Time of the onset word; NaN without.
    line_s : ndarray
        Time of the onset by the straight clock fit.
    source : ndarray of str
        'photodiode', 'word' or 'log'.
    reason : ndarray of str
        Why not to trust it; '' otherwise.
    delay_ms : ndarray
        Photodiode minus word; NaN where one is missing.
    in_pause, outside : ndarray of bool
        Lost in a pause; before the first or after the last word.
    photodiode_share : float
        Of presentations with a word, those with a flash; 1 without photodiode.
    """

    onset_s: Floats
    offset_s: Floats
    word_s: Floats
    line_s: Floats
    source: NDArray[np.object_]
    reason: NDArray[np.object_]
    delay_ms: Floats
    in_pause: Flags
    outside: Flags
    photodiode_share: float


def place_onsets(
    log: pd.DataFrame,
    ready: Aligned,
    found: Found,
    partner: Ints,
    fit: Fit,
    offset_lag_s: float,
    settings: Events,
    photodiode: Photodiode | None,
) -> Placed:
    """Give each presentation of the log its onset, offset, source and reason.

    Parameters
    ----------
    log : pandas.DataFrame
        `tables.LOG`.
    ready : Aligned
        Events, words and bounds of segments.
    found, fit : Found, Fit
        Clocks of the segments, and their fit.
    partner : ndarray
        int ``[event]``, index of each event's word, -1 without.
    offset_lag_s : float
        How much later than onsets offset words come after their log times.
    settings : study.Events
        Delays.
    photodiode : Photodiode or None
    """
    places = _Places(log, ready, found, partner, fit, offset_lag_s)
    segment, reason = places.segments()
    on_word, off_word = places.words(False), places.words(True)
    on_expected = np.where(np.isfinite(on_word), on_word, places.expected(segment, False))
    off_expected = np.where(np.isfinite(off_word), off_word, places.expected(segment, True))
    flash = _flashes(photodiode, segment, on_expected, off_expected, settings)
    has_word, has_flash = np.isfinite(on_word), np.isfinite(flash.on_s)
    delay_s = np.where(flash.late, np.nan, flash.on_s - on_word)
    known = delay_s[np.isfinite(delay_s)]
    delay = float(np.median(known)) if len(known) >= MIN_DELAYS else settings.display_delay_ms / 1000
    onset = np.where(has_flash, flash.on_s, on_expected + delay)
    # Without a flash at its end, the image is taken to have been on as long as asked for.
    offset = np.where(np.isfinite(flash.off_s), flash.off_s, off_expected + (onset - on_expected))
    source = np.where(has_flash, "photodiode", np.where(has_word, "word", "log")).astype(object)
    _add_reasons(reason, log, ready, segment, onset, has_word | np.isfinite(off_word), flash, settings)
    outside = np.isin(reason, (BEFORE, AFTER))
    in_pause = (segment < 0) & ~outside
    share = 1.0
    if photodiode is not None:
        share = float((has_flash & ~flash.late)[has_word].mean()) if has_word.any() else 0.0
    return Placed(
        onset, offset, on_word, places.line(segment), source, reason, 1000 * delay_s, in_pause, outside, share
    )


class _Places:
    """Finds segment and expected times of presentations from the events around them."""

    def __init__(
        self, log: pd.DataFrame, ready: Aligned, found: Found, partner: Ints, fit: Fit, offset_lag_s: float
    ) -> None:
        self._n = len(log)
        self._log_s = {False: log["onset_s"].to_numpy(np.float64), True: log["offset_s"].to_numpy(np.float64)}
        self._ready, self._found, self._partner, self._fit = ready, found, partner, fit
        self._lag = {False: 0.0, True: offset_lag_s}

    def words(self, offsets: bool) -> Floats:
        """Time of the matched onset or offset word, ``[presentation]``."""
        times = np.full(self._n, np.nan)
        chosen = (self._ready.is_offset == offsets) & (self._partner >= 0)
        times[self._ready.presentation[chosen]] = self._ready.series.word_s[self._partner[chosen]]
        return times

    def segments(self) -> tuple[Ints, NDArray[np.object_]]:
        """Segment of each presentation, and why it has none."""
        has_word = self._partner >= 0
        own = np.where(has_word, self._ready.series.segment[np.maximum(self._partner, 0)], -1)
        index = np.arange(len(own))
        before = np.maximum.accumulate(np.where(has_word, index, -1))
        after = np.minimum.accumulate(np.where(has_word, index, len(own))[::-1])[::-1]
        at = np.full(self._n, -1, np.int64)
        at[self._ready.presentation[~self._ready.is_offset]] = index[~self._ready.is_offset]
        left = np.where(before[at] >= 0, own[np.maximum(before[at], 0)], -1)
        right = np.where(after[at] < len(own), own[np.minimum(after[at], len(own) - 1)], -1)
        segment = np.where(left == right, left, -1)
        reason = np.full(self._n, "", object)
        for row in np.flatnonzero(left != right):
            segment[row], reason[row] = self._between(int(left[row]), int(right[row]), int(row))
        return segment, reason

    def _between(self, left: int, right: int, row: int) -> tuple[int, str]:
        """Choose among the segments of the words before and after a presentation without word."""
        start, end = self._ready.start_s, self._ready.end_s
        for segment in {left, right} - {-1}:
            time = self._time(segment, self._log_s[False][[row]])[0]
            if start[segment] <= time <= end[segment]:
                return segment, ""
        if left < 0 or right < 0:
            return -1, BEFORE if left < 0 else AFTER
        skipped = self._found.of_segment[left + 1 : right]
        return -1, NO_CLOCK if (skipped < 0).any() else PAUSE

    def _time(self, segment: int, log_s: Floats) -> Floats:
        return self._fit.recording_time(int(self._found.of_segment[segment]), log_s)

    def expected(self, segment: Ints, offsets: bool) -> Floats:
        """When the word should come, ``[presentation]``; by the clock before for those without a segment."""
        clock = self._clock(segment)
        log_s = self._log_s[offsets] + self._lag[offsets]
        times = np.full(self._n, np.nan)
        for k in np.unique(clock):
            times[clock == k] = self._fit.recording_time(int(k), log_s[clock == k])
        return times

    def line(self, segment: Ints) -> Floats:
        """Onset by the straight clock fit, ``[presentation]``."""
        return self._fit.lines(self._clock(segment), self._log_s[False])

    def _clock(self, segment: Ints) -> Ints:
        index = np.maximum.accumulate(np.where(segment >= 0, np.arange(self._n), -1))
        first = segment[segment >= 0][0] if (segment >= 0).any() else 0
        filled = np.where(index >= 0, segment[np.maximum(index, 0)], first)
        return np.maximum(self._found.of_segment[filled], 0)


@dataclass(frozen=True)
class _Flashes:
    on_s: Floats
    off_s: Floats
    late: Flags


def _flashes(
    photodiode: Photodiode | None, segment: Ints, on_s: Floats, off_s: Floats, settings: Events
) -> _Flashes:
    n = len(on_s)
    nothing = _Flashes(np.full(n, np.nan), np.full(n, np.nan), np.zeros(n, bool))
    if photodiode is None:
        return nothing
    upright = _find_flashes(photodiode, segment, on_s, off_s, settings)
    swapped = _find_flashes(photodiode.swapped(), segment, on_s, off_s, settings)
    # The square under the diode may be dark while the image is on.
    seen = [np.isfinite(f.on_s[~f.late]).sum() for f in (upright, swapped)]
    return upright if seen[0] >= seen[1] else swapped


def _find_flashes(
    photodiode: Photodiode, segment: Ints, on_s: Floats, off_s: Floats, settings: Events
) -> _Flashes:
    low, high = settings.photodiode_min_delay_ms / 1000, settings.photodiode_max_delay_ms / 1000
    following = np.append(on_s[1:], np.inf)
    last = np.where(np.isfinite(off_s), off_s, np.nan_to_num(following, nan=np.inf))
    # After a reset the next onset can have a smaller time.
    follows = following > on_s
    until = np.where(follows, np.minimum(last + high, following + low), last + high)
    in_segment = segment >= 0
    on = _first_from(photodiode.on_s, photodiode.on_segment, on_s + low, segment)
    on = np.where(in_segment & (on <= until), on, np.nan)
    late = on > on_s + high
    off = _first_from(
        photodiode.off_s,
        photodiode.off_segment,
        np.fmax(np.where(np.isnan(off_s), on_s, off_s + low), on),
        segment,
    )
    stop = np.where(np.isnan(off_s), until, off_s + np.where(late, on - on_s, 0) + high)
    off = np.where(np.isfinite(on) & (off <= stop), off, np.nan)
    return _Flashes(on, off, late)


def _first_from(times: Floats, segments: Ints | None, start: Floats, segment: Ints) -> Floats:
    """First change at or after each start; inf when there is none."""
    found = np.full(len(start), np.inf)
    if segments is None or not (np.diff(times) < 0).any():
        groups = [(np.ones(len(times), bool), np.ones(len(start), bool))]
    else:
        groups = [(segments == s, segment == s) for s in np.unique(segments)]
    for those, rows in groups:
        own = np.append(times[those], np.inf)
        found[rows] = own[np.searchsorted(own, np.nan_to_num(start[rows], nan=np.inf))]
    return found


def _add_reasons(
    reason: NDArray[np.object_],
    log: pd.DataFrame,
    ready: Aligned,
    segment: Ints,
    onset: Floats,
    has_word: Flags,
    flash: _Flashes,
    settings: Events,
) -> None:
    """Write why presentations are not to be trusted; the first reason stays."""
    broken = ~np.isfinite(log["offset_s"].to_numpy(np.float64))
    lost = ~has_word & ~np.isfinite(flash.on_s)
    end = ready.end_s[np.maximum(segment, 0)]
    # Words alone do not tell how long recording went on after them.
    cut = (onset + settings.recorded_ms / 1000 > end) & ready.exact
    late = f"photodiode later than {settings.photodiode_max_delay_ms:g} ms after the word"
    for wrong, text in ((broken, BROKEN), (lost, NO_WORD), (flash.late, late), (cut, CUT)):
        reason[wrong & (reason == "")] = text
