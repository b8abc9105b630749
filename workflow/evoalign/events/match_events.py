"""Match the events of the log to the recorded event codes, and fit the clocks to the matched pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evoalign.events.clocks import ClockFit, EventSeries, SegmentClocks, fit_clocks, split_clocks
from evoalign.events.matching import maximum_weight_alignment, pairs_within
from evoalign.events.series import AlignmentInput
from evoalign.events.settings import Events

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

ROUNDS = 4
MIN_LAG_WORDS = 5
COARSE_S = 0.025  # least first tolerance; later rounds use the measured jitter of the words
JITTERS, FLOOR_S = 8.0, 0.001  # later tolerance: 8 robust standard deviations plus 1 ms
ECHO_JITTERS, ECHO_FLOOR_S = (
    4.0,
    1e-4,
)  # among words this close, the first counts: a doubled word comes after it


@dataclass(frozen=True)
class MatchedEvents:
    """Result of the matching.

    Attributes
    ----------
    word : ndarray of int ``[event]``
        Index of the event code matched to each event; -1 without.
    segment_clocks, fit : SegmentClocks, ClockFit
        Clock of each segment, and the fit of all clocks.
    offset_lag_s : float
        Median delay of offset codes relative to onset codes, s.
    """

    word: Ints
    segment_clocks: SegmentClocks
    fit: ClockFit
    offset_lag_s: float


def match_events(inputs: AlignmentInput, segment_clocks: SegmentClocks, settings: Events) -> MatchedEvents:
    """Alternate alignment and clock fit; the tolerance narrows as the fit improves.

    Parameters
    ----------
    inputs : AlignmentInput
        Events, words and bounds of segments.
    segment_clocks : SegmentClocks
        First estimate of the clocks.
    settings : Events
        `max_residual_ms` sets the first tolerance.
    """
    series = inputs.series
    fit = ClockFit(segment_clocks.clocks, 0.0, [(np.empty(0), np.empty(0))] * len(segment_clocks.clocks))
    coarse = max(COARSE_S, 2.5 * settings.max_residual_ms / 1000)
    tolerance, lag = coarse, 0.0
    partner = np.full(len(series.event_s), -1, np.int64)
    for round_number in range(ROUNDS):
        previous_partner = partner
        partner = _align_events(inputs, segment_clocks, fit, lag, tolerance)
        matched_events = np.flatnonzero(partner >= 0)
        lag = _offset_lag(inputs, partner, matched_events, fit, segment_clocks, lag)
        log_s, word_s = (
            series.event_s[matched_events] + lag * inputs.is_offset[matched_events],
            series.word_s[partner[matched_events]],
        )
        segment = series.segment[partner[matched_events]]
        fit = fit_clocks(segment_clocks.clocks, segment_clocks.of_segment[segment], log_s, word_s)
        if round_number == 0:
            segment_clocks = split_clocks(
                segment_clocks, segment, word_s - fit.linear_times(segment_clocks.of_segment[segment], log_s)
            )
            fit = fit_clocks(segment_clocks.clocks, segment_clocks.of_segment[segment], log_s, word_s)
        tolerance = float(np.clip(JITTERS * fit.sd_s + FLOOR_S, 2 * FLOOR_S, coarse))
        if (partner == previous_partner).all():
            break
    return MatchedEvents(partner, segment_clocks, fit, lag)


def _align_events(
    inputs: AlignmentInput, segment_clocks: SegmentClocks, fit: ClockFit, lag: float, tolerance_s: float
) -> Ints:
    """Return the index of each event's word in the best alignment, ``[event]``; -1 without."""
    series = inputs.series
    clock = segment_clocks.of_segment[series.segment]
    usable = np.flatnonzero(clock >= 0)
    log_s = _on_log_clock(series, fit, clock, usable)
    expected_s = series.event_s + lag * inputs.is_offset
    event, index = pairs_within(expected_s, series.event_word, log_s, series.word[usable], tolerance_s)
    weight = _weights(event, log_s[index] - expected_s[event], tolerance_s, fit.sd_s)
    aligned_pairs = maximum_weight_alignment(event, index, weight)
    partner = np.full(len(series.event_s), -1, np.int64)
    partner[event[aligned_pairs]] = usable[index[aligned_pairs]]
    return partner


def _on_log_clock(series: EventSeries, fit: ClockFit, clock: Ints, usable: Ints) -> Floats:
    """Return the log times of words, corrected for the residual drift of their clock."""
    log_s = np.empty(len(usable))
    for k, linear_clock in enumerate(fit.clocks):
        of_clock = clock[usable] == k
        linear_s = linear_clock.log_time(series.word_s[usable[of_clock]])
        drift_log_s, drift_s = fit.residual_drift[k]
        log_s[of_clock] = (
            linear_s - np.interp(linear_s, drift_log_s, drift_s) if len(drift_log_s) else linear_s
        )
    return log_s


def _weights(event: Ints, residual_s: Floats, tolerance_s: float, sd_s: float) -> Floats:
    """Return the weight of each pair: one more matched event outweighs any better match."""
    weight = 1 + 0.2 * (1 - np.abs(residual_s) / tolerance_s)
    if sd_s > 0:
        # A doubled word is an echo: of equally good ones the first is the rig's own.
        close = np.flatnonzero(np.abs(residual_s) <= ECHO_JITTERS * sd_s + ECHO_FLOOR_S)
        _, first_of_event = np.unique(event[close], return_index=True)
        weight[close[first_of_event]] += 0.2
    return weight


def _offset_lag(
    inputs: AlignmentInput,
    partner: Ints,
    matched_events: Ints,
    fit: ClockFit,
    segment_clocks: SegmentClocks,
    lag: float,
) -> float:
    """Return the median delay of offset words relative to onset words, s."""
    series = inputs.series
    clock = segment_clocks.of_segment[series.segment[partner[matched_events]]]
    residual = series.word_s[partner[matched_events]] - fit.linear_times(
        clock, series.event_s[matched_events]
    )
    is_offset = inputs.is_offset[matched_events]
    if min(is_offset.sum(), (~is_offset).sum()) < MIN_LAG_WORDS:
        return lag
    return float(np.median(residual[is_offset]) - np.median(residual[~is_offset]))
