"""Event words meet the stimulus log: presentations on the recording's clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign import tables
from evoalign.errors import InputError
from evoalign.events.clocks import Fit, Found, Series, find_clocks, fit_clocks, split_clocks
from evoalign.events.matching import heaviest_chain, pairs_within
from evoalign.events.onsets import Placed, place_onsets
from evoalign.events.photodiode import Photodiode
from evoalign.events.series import Aligned, prepare
from evoalign.study import Events

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

ROUNDS = 4
MIN_LAG_WORDS = 5
COARSE_S = 0.025  # first tolerance at least; later rounds take the words' own jitter
JITTERS, FLOOR_S = 8.0, 0.001  # later tolerance: so many robust standard deviations, and this on top
ECHO_JITTERS, ECHO_FLOOR_S = 4.0, 1e-4  # of several good words the first counts: doubles come after


@dataclass(frozen=True)
class Alignment:
    """Presentations on the recording's clock, and how well that went.

    Attributes
    ----------
    presentations : pandas.DataFrame
        `tables.PRESENTATIONS`, a row for each row of the log.
    report : pandas.DataFrame
        `tables.ALIGNMENT`, one row.
    """

    presentations: pd.DataFrame
    report: pd.DataFrame


@dataclass(frozen=True)
class Matched:
    """Index of each event's word, -1 without; clocks and fit; how much later offset words come."""

    word: Ints
    found: Found
    fit: Fit
    offset_lag_s: float


def align(
    log: pd.DataFrame,
    words: pd.DataFrame,
    settings: Events,
    photodiode: Photodiode | None = None,
    *,
    session: str = "",
    segments: pd.DataFrame | None = None,
) -> Alignment:
    """Match event words to the presentations of a stimulus log, and time the presentations.

    The clocks' offset is found from votes of equal words, for each piece of the
    recording between resets; words and events within a tolerance are then
    aligned by the heaviest chain of pairs (an optimal sequence alignment), and
    offsets and drift fitted robustly, in turns. Dropped, doubled and spurious
    words, pauses and resets are survived; presentations that cannot be trusted
    stay in the table with ``valid`` False and the reason.

    Onsets are, in this order: the photodiode's; the word's time plus the
    display delay (the median measured by the photodiode where there is one,
    else `display_delay_ms`); the clock fit's plus the same delay, for a
    presentation whose onset word is lost but whose offset word is there.

    Parameters
    ----------
    log : pandas.DataFrame
        `tables.LOG`; NaN in `offset_s` means that the trial broke while the
        image was shown.
    words : pandas.DataFrame
        `tables.WORDS`; within a segment in the order of time.
    settings : study.Events
        Words, delays and limits.
    photodiode : Photodiode, optional
        Of `photodiode_crossings`. Light and dark may be exchanged.
    session : str
        Name for the report.
    segments : pandas.DataFrame, optional
        `tables.SEGMENTS`: tells exactly when was recorded; without it, the
        first and last word of each segment do.

    Returns
    -------
    Alignment

    Raises
    ------
    InputError
        With the numbers: nothing or too little matches, the words fit the log
        at two places, the clock fit's residuals are too large, time runs
        backwards without a reset, or the photodiode does not follow the words.
    """
    if log.empty:
        return Alignment(tables.empty(tables.PRESENTATIONS), _empty_report(session))
    ready = prepare(log, words, settings, segments)
    found = find_clocks(ready.series, len(ready.start_s), settings.max_drift_ppm * 1e-6)
    if not found.clocks:
        raise _nothing(ready, found)
    matched = _match(ready, found, settings)
    placed = place_onsets(
        log, ready, matched.found, matched.word, matched.fit, matched.offset_lag_s, settings, photodiode
    )
    residual_s = placed.word_s - placed.line_s
    _check(placed, residual_s, settings)
    presentations = _presentations(log, placed, residual_s)
    report = _report(session, presentations, placed, residual_s, ready, matched, settings)
    return Alignment(presentations, report)


def _nothing(ready: Aligned, found: Found) -> InputError:
    n_events, n_words = int((~ready.is_offset).sum()), len(ready.series.word_s)
    if found.ambiguous:
        best, other = found.ambiguous
        return InputError(
            f"the words fit the log at two places: {best} match at one, {other} at another",
            "words and log",
            "the task is periodic and words are missing: give the log of this recording alone",
        )
    return InputError(
        f"no clock brings the words to the log: {n_events} presentations, {n_words} words of their values",
        "words and log",
        "give the log of the same day and session; check events.onset_words and events.word_mask",
    )


def _match(ready: Aligned, found: Found, settings: Events) -> Matched:
    """Align and fit in turns: the better the fit, the narrower the tolerance."""
    series = ready.series
    fit = Fit(found.clocks, 0.0, [(np.empty(0), np.empty(0))] * len(found.clocks))
    coarse = max(COARSE_S, 2.5 * settings.max_residual_ms / 1000)
    tolerance, lag = coarse, 0.0
    partner = np.full(len(series.event_s), -1, np.int64)
    for turn in range(ROUNDS):
        before = partner
        partner = _chain(ready, found, fit, lag, tolerance)
        both = np.flatnonzero(partner >= 0)
        lag = _lag(ready, partner, both, fit, found, lag)
        log_s, word_s = series.event_s[both] + lag * ready.is_offset[both], series.word_s[partner[both]]
        segment = series.segment[partner[both]]
        fit = fit_clocks(found.clocks, found.of_segment[segment], log_s, word_s)
        if turn == 0:
            found = split_clocks(found, segment, word_s - fit.lines(found.of_segment[segment], log_s))
            fit = fit_clocks(found.clocks, found.of_segment[segment], log_s, word_s)
        tolerance = float(np.clip(JITTERS * fit.sd_s + FLOOR_S, 2 * FLOOR_S, coarse))
        if (partner == before).all():
            break
    return Matched(partner, found, fit, lag)


def _chain(ready: Aligned, found: Found, fit: Fit, lag: float, tolerance_s: float) -> Ints:
    """Word of each event in the best alignment under the clocks' fit, -1 without."""
    series = ready.series
    clock = found.of_segment[series.segment]
    usable = np.flatnonzero(clock >= 0)
    log_s = _on_log_clock(series, fit, clock, usable)
    expected_s = series.event_s + lag * ready.is_offset
    event, index = pairs_within(expected_s, series.event_word, log_s, series.word[usable], tolerance_s)
    weight = _weights(event, log_s[index] - expected_s[event], tolerance_s, fit.sd_s)
    chain = heaviest_chain(event, index, weight)
    partner = np.full(len(series.event_s), -1, np.int64)
    partner[event[chain]] = usable[index[chain]]
    return partner


def _on_log_clock(series: Series, fit: Fit, clock: Ints, usable: Ints) -> Floats:
    """Log times of words, with the slow deviation of their clock taken off."""
    log_s = np.empty(len(usable))
    for k, line in enumerate(fit.clocks):
        own = clock[usable] == k
        straight = line.log_time(series.word_s[usable[own]])
        times, deviation = fit.wander[k]
        log_s[own] = straight - np.interp(straight, times, deviation) if len(times) else straight
    return log_s


def _weights(event: Ints, residual_s: Floats, tolerance_s: float, sd_s: float) -> Floats:
    """Matching one more event always counts more than matching it better."""
    weight = 1 + 0.2 * (1 - np.abs(residual_s) / tolerance_s)
    if sd_s > 0:
        # A doubled word is an echo: of equally good ones the first is the rig's own.
        good = np.flatnonzero(np.abs(residual_s) <= ECHO_JITTERS * sd_s + ECHO_FLOOR_S)
        _, first = np.unique(event[good], return_index=True)
        weight[good[first]] += 0.2
    return weight


def _lag(ready: Aligned, partner: Ints, both: Ints, fit: Fit, found: Found, lag: float) -> float:
    """How much later offset words come after their log times than onset words do."""
    series = ready.series
    clock = found.of_segment[series.segment[partner[both]]]
    residual = series.word_s[partner[both]] - fit.lines(clock, series.event_s[both])
    off = ready.is_offset[both]
    if min(off.sum(), (~off).sum()) < MIN_LAG_WORDS:
        return lag
    return float(np.median(residual[off]) - np.median(residual[~off]))


def _check(placed: Placed, residual_s: Floats, settings: Events) -> None:
    matched = np.isfinite(placed.word_s)
    recordable = ~placed.in_pause
    share = matched.sum() / max(recordable.sum(), 1)
    if share < settings.min_matched:
        outside = int(placed.outside.sum())
        lost = f", {outside} of them before or after the recording" if outside else ""
        raise InputError(
            f"only {matched.sum()} of {recordable.sum()} presentations match an event word "
            f"({share:.1%}; at least {settings.min_matched:.1%}){lost}",
            "words and log",
            "give the log of the same session; lower events.min_matched if the rest is right",
        )
    worst = 1000 * float(np.percentile(np.abs(residual_s[matched]), 99))
    if worst > settings.max_residual_ms:
        raise InputError(
            f"words lie off the clock fit: the 99th percentile is {worst:.2f} ms, "
            f"the limit {settings.max_residual_ms:g} ms ({matched.sum()} words)",
            "words and log",
            "give the log of the same session; raise events.max_residual_ms if the log's times are coarse",
        )
    if placed.photodiode_share < 0.5:
        raise InputError(
            f"the photodiode follows only {placed.photodiode_share:.1%} of the words within "
            f"{settings.photodiode_min_delay_ms:g} to {settings.photodiode_max_delay_ms:g} ms",
            "photodiode",
            "correct the column photodiode in sessions.tsv, or leave it empty",
        )


def _presentations(log: pd.DataFrame, placed: Placed, residual_s: Floats) -> pd.DataFrame:
    same = ["presentation", "trial", "image", "block", "thread", "space", "latent_row", "reference"]
    repeat = log.groupby("image").cumcount().where(log["image"] != "", 0)
    frame = log[same].assign(
        repeat=repeat.astype("int64"),
        onset_s=placed.onset_s,
        offset_s=placed.offset_s,
        onset_source=placed.source,
        word_s=placed.word_s,
        log_s=log["onset_s"],
        residual_ms=1000 * residual_s,
        valid=placed.reason == "",
        reason=placed.reason,
    )
    return tables.conform(frame, tables.PRESENTATIONS)


def _report(
    session: str,
    presentations: pd.DataFrame,
    placed: Placed,
    residual_s: Floats,
    ready: Aligned,
    matched: Matched,
    settings: Events,
) -> pd.DataFrame:
    has_word = np.isfinite(placed.word_s)
    # After a reset there are several clocks: the report tells the first one's offset.
    of_segment = matched.found.of_segment
    first_clock = int(of_segment[of_segment >= 0][0])
    residual_ms = 1000 * np.abs(residual_s[has_word])
    delay_ms = placed.delay_ms[np.isfinite(placed.delay_ms)]
    row = {
        "session": session,
        "n_presentations": len(presentations),
        "n_valid": int(presentations["valid"].sum()),
        "matched": int(has_word.sum()),
        "missing": int((~has_word).sum()),
        "extra": _extra(ready, matched.word, settings),
        "offset_s": matched.fit.clocks[first_clock].offset_s,
        "drift_ppm": 1e6 * matched.fit.clocks[0].drift,
        "residual_median_ms": float(np.median(residual_ms)),
        "residual_p99_ms": float(np.percentile(residual_ms, 99)),
        "photodiode_fraction": float((placed.source == "photodiode").mean()),
        "delay_median_ms": float(np.median(delay_ms)) if len(delay_ms) else np.nan,
        "delay_p99_ms": float(np.percentile(delay_ms, 99)) if len(delay_ms) else np.nan,
    }
    return tables.conform(pd.DataFrame([row]), tables.ALIGNMENT)


def _extra(ready: Aligned, partner: Ints, settings: Events) -> int:
    """Onset words after fixation that belong to no presentation."""
    first, last = settings.onset_words
    series = ready.series
    image_word = series.inside & (series.word >= first) & (series.word <= last)
    image_word[partner[partner >= 0]] = False
    return int(image_word.sum())


def _empty_report(session: str) -> pd.DataFrame:
    row: dict[str, object] = {
        name: np.nan if tables.ALIGNMENT.field(name).type == tables.FLOAT else 0
        for name in tables.ALIGNMENT.names
    }
    row |= {"session": session, "photodiode_fraction": 0.0}
    return tables.conform(pd.DataFrame([row]), tables.ALIGNMENT)
