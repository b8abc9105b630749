"""Changes of light matched to presentations: which are whose, and where light and words disagree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evoalign.events.photodiode import Photodiode
from evoalign.events.settings import Events

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

LATEST_S = 2.0  # no display stalls for longer and goes on: later light is not that of a presentation
EARLIEST_S = 0.5  # words are not sent later than this after the light that they tell of
# A train: presentations at one pace, in which light that lags by a step looks like the next one's.
TRAIN_PACES, TRAIN_GAP_S = 2.0, 1.0
ONE_REFRESH_S = 0.02  # delays of one session differ by a refresh of the screen, whatever its lag
MIN_OFFSETS_SEEN = 0.5  # a square that changes at onsets alone has no changes at offsets to miss


@dataclass(frozen=True)
class Flashes:
    """What the photodiode saw of each presentation; arrays ``[presentation]``.

    Attributes
    ----------
    on_s, off_s : ndarray
        Change at its onset and at its offset, s; NaN without.
    late : ndarray of bool
        The change came later than `photodiode_max_delay_ms`, and before the next presentation.
    doubtful : ndarray of bool
        Stands between a presentation without its light and light without a
        presentation: one of them may be the other's, and so on for all between.
    """

    on_s: Floats
    off_s: Floats
    late: Flags
    doubtful: Flags

    @property
    def good(self) -> Flags:
        """Presentations whose change is surely their own, ``[presentation]``."""
        return np.isfinite(self.on_s) & ~self.late & ~self.doubtful


def find_flashes(
    photodiode: Photodiode | None,
    segment: Ints,
    on_s: Floats,
    off_s: Floats,
    end_s: Floats,
    settings: Events,
) -> Flashes:
    """Find the light of each presentation.

    The square under the diode may be light while an image is on, or dark, or
    change sides each time (so that a trial that breaks exchanges light and dark for
    all that follow): the reading that explains most presentations counts.

    Parameters
    ----------
    photodiode : Photodiode or None
    segment : ndarray
        int ``[presentation]``; -1 outside the recording.
    on_s, off_s : ndarray
        Expected times of the words, s, ``[presentation]``; NaN in `off_s` when the trial broke.
    end_s : ndarray
        End of each segment, s, ``[segment]``: light after it is not seen. Inf when unknown.
    settings : Events
        `photodiode_min_delay_ms` and `photodiode_max_delay_ms`.
    """
    if photodiode is None:
        nothing = np.full(len(on_s), np.nan)
        return Flashes(nothing, nothing, np.zeros(len(on_s), bool), np.zeros(len(on_s), bool))
    readings = [
        _find(changes, segment, on_s, off_s, end_s, settings, toggling)
        for changes, toggling in (
            (photodiode, False),
            (photodiode.swapped(), False),
            (photodiode.either_way(), True),
        )
    ]
    return max(readings, key=lambda flashes: _agreeing(flashes, on_s))


def _agreeing(flashes: Flashes, on_s: Floats) -> int:
    """Count the presentations whose light comes with the session's usual delay."""
    delay_s = (flashes.on_s - on_s)[flashes.good]
    return int((np.abs(delay_s - np.median(delay_s)) <= ONE_REFRESH_S).sum()) if len(delay_s) else 0


def _find(
    photodiode: Photodiode,
    segment: Ints,
    on_s: Floats,
    off_s: Floats,
    end_s: Floats,
    settings: Events,
    toggling: bool,
) -> Flashes:
    low, high = settings.photodiode_min_delay_ms / 1000, settings.photodiode_max_delay_ms / 1000
    axis = _Axis(photodiode, on_s)
    changes_on = axis.changes(photodiode.on_s, photodiode.on_segment)
    changes_off = axis.changes(photodiode.off_s, photodiode.off_segment)
    shift = axis.shift(segment)
    begin, finish = on_s + shift, off_s + shift
    following = np.append(begin[1:], np.inf)
    latest_end = np.where(np.isfinite(finish), finish, np.nan_to_num(following, nan=np.inf))
    # Outside the recording the next onset can have a smaller time.
    follows = following > begin
    until = np.where(follows, np.minimum(latest_end + high, following + low), latest_end + high)
    on = _first_from(changes_on, begin + low)
    on = np.where((segment >= 0) & (on <= until), on, np.nan)
    late = on > begin + high
    after_on = np.nextafter(on, np.inf)
    off = _first_from(changes_off, np.fmax(np.where(np.isnan(finish), begin, finish + low), after_on))
    stop = np.where(np.isnan(finish), until, finish + np.where(late, on - begin, 0) + high)
    off = np.where(np.isfinite(on) & (off <= stop), off, np.nan)
    expected = _Expected(begin, on, late, segment)
    if toggling and np.isfinite(off[np.isfinite(on) & np.isfinite(finish)]).mean() >= MIN_OFFSETS_SEEN:
        expected = expected.with_offsets(finish, off)
    # After a trial broke, any change could be the image's end: it explains nothing.
    explained = np.concatenate([on, off[np.isfinite(finish)]])
    unexplained = changes_on[~np.isin(changes_on, explained[np.isfinite(explained)])]
    ends = axis.ends(end_s)
    doubtful = expected.doubtful(unexplained, ends, low)
    return Flashes(on - shift, off - shift, late, doubtful)


class _Axis:
    """One axis of time on which segments follow each other, also when their clocks start anew."""

    def __init__(self, photodiode: Photodiode, on_s: Floats) -> None:
        times = np.concatenate([photodiode.on_s, photodiode.off_s, on_s])
        finite = times[np.isfinite(times)]
        overlaps = any(
            segments is not None and bool((np.diff(changes) < 0).any())
            for changes, segments in (
                (photodiode.on_s, photodiode.on_segment),
                (photodiode.off_s, photodiode.off_segment),
            )
        )
        self._stride = float(np.ptp(finite)) + 10 * LATEST_S if overlaps and len(finite) else 0.0

    def shift(self, segment: Ints) -> Floats:
        return self._stride * np.maximum(segment, 0)

    def changes(self, times: Floats, segments: Ints | None) -> Floats:
        return np.sort(times if segments is None else times + self.shift(segments))

    def ends(self, end_s: Floats) -> Floats:
        ends = end_s + self.shift(np.arange(len(end_s)))
        return np.sort(ends[np.isfinite(ends)])


def _first_from(changes: Floats, start: Floats) -> Floats:
    """Return the first change at or after each start, ``[presentation]``; inf without."""
    padded = np.append(changes, np.inf)
    return padded[np.searchsorted(changes, np.nan_to_num(start, nan=np.inf))]


class _Expected:
    """Changes that words announce, in the order of time: when, whose, and whether they were seen."""

    def __init__(self, begin: Floats, on: Floats, late: Flags, segment: Ints) -> None:
        self._n = len(begin)
        self._recorded = segment >= 0
        rows = np.flatnonzero(self._recorded & np.isfinite(begin))
        self._begin, self._rows = begin, rows
        self._time, self._row = begin[rows], rows
        self._missing = (np.isnan(on) | late)[rows]

    def with_offsets(self, finish: Floats, off: Floats) -> _Expected:
        rows = np.flatnonzero(self._recorded & np.isfinite(finish))
        self._time = np.concatenate([self._time, finish[rows]])
        self._row = np.concatenate([self._row, rows])
        self._missing = np.concatenate([self._missing, np.isnan(off[rows])])
        return self

    def doubtful(self, unexplained: Floats, ends: Floats, low: float) -> Flags:
        """Mark presentations from one without its light to light without presentation, either way."""
        order = np.argsort(self._time, kind="stable")
        time, row = self._time[order] + low, self._row[order]
        missing = np.flatnonzero(self._missing[order])
        train = self._trains()[order]
        marks = np.zeros(len(time) + 1, np.int64)
        for first, last in (
            _to_the_next(missing, time, train, np.union1d(unexplained, ends)),
            _from_the_last(missing, time, train, unexplained),
        ):
            np.add.at(marks, first, 1)
            np.add.at(marks, last, -1)
        flags = np.zeros(self._n, bool)
        flags[row[np.cumsum(marks[:-1]) > 0]] = True
        return flags

    def _trains(self) -> Ints:
        """Number of the train of each announced change."""
        steps = np.diff(self._begin[self._rows])
        longest = min(TRAIN_PACES * float(np.median(steps)), TRAIN_GAP_S) if len(steps) else 0.0
        train_of_row = np.zeros(self._n, np.int64)
        train_of_row[self._rows[1:]] = np.cumsum((steps > longest) | (steps < 0))
        return train_of_row[self._row]


def _to_the_next(missing: Ints, time: Floats, train: Ints, unexplained: Floats) -> tuple[Ints, Ints]:
    """Ranges ``[first, last)`` of announced changes from the missing ones to the next unexplained change."""
    padded = np.append(unexplained, np.inf)
    change = padded[np.searchsorted(unexplained, time[missing])]
    last = np.searchsorted(time, change, side="right") - 1
    in_train = (train[last] == train[missing]) & (change - time[last] <= LATEST_S)
    near = in_train | (change - time[missing] <= LATEST_S)
    return missing[near], last[near] + 1


def _from_the_last(missing: Ints, time: Floats, train: Ints, unexplained: Floats) -> tuple[Ints, Ints]:
    """Ranges ``[first, last)`` of announced changes from the last unexplained change to the missing ones."""
    padded = np.append(-np.inf, unexplained)
    change = padded[np.searchsorted(unexplained, time[missing])]
    first = np.searchsorted(time, change, side="right")
    in_train = (train[first] == train[missing]) & (time[first] - change <= EARLIEST_S)
    near = in_train | (time[missing] - change <= EARLIEST_S)
    return first[near], missing[near] + 1
