"""Align the stimulus log with the recorded event codes ("words")."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign import tables
from evoalign.errors import InputError
from evoalign.events.clocks import SegmentClocks, find_clocks
from evoalign.events.contradictions import hold_against_words
from evoalign.events.match_events import MatchedEvents, match_events
from evoalign.events.onsets import PresentationTimes, place_onsets
from evoalign.events.photodiode import Photodiode
from evoalign.events.series import AlignmentInput, prepare
from evoalign.events.settings import Events
from evoalign.events.tables import ALIGNMENT, PRESENTATIONS

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Alignment:
    """Presentations on the recording's clock, and how well that went.

    Attributes
    ----------
    presentations : pandas.DataFrame
        `PRESENTATIONS`, a row for each row of the log.
    report : pandas.DataFrame
        `ALIGNMENT`, one row.
    """

    presentations: pd.DataFrame
    report: pd.DataFrame


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

    For each piece of the recording between resets, the offset between the two
    clocks is estimated from a histogram of offsets between equal words. Words
    and events within a tolerance are then paired by a maximum-weight sequence
    alignment, and offsets and drift are fitted robustly; both steps alternate.
    Dropped, doubled and spurious words, pauses and resets are tolerated;
    presentations that cannot be trusted stay in the table with ``valid`` False
    and the reason.

    Onsets are, in this order: the photodiode's; the word's time plus the
    display delay (the median measured by the photodiode where there is one,
    else `display_delay_ms`); the clock fit's plus the same delay, for a
    presentation whose onset word is lost but whose offset word is there.

    Parameters
    ----------
    log : pandas.DataFrame
        `LOG`; NaN in `offset_s` means that the trial broke while the
        image was shown.
    words : pandas.DataFrame
        `WORDS`; within a segment in the order of time.
    settings : Events
        Words, delays and limits.
    photodiode : Photodiode, optional
        Of `photodiode_crossings`. Light and dark may be exchanged.
    session : str
        Name for the report.
    segments : pandas.DataFrame, optional
        `SEGMENTS`, the exact recorded spans; without it, each segment
        is taken to last from its first to its last word.

    Returns
    -------
    Alignment

    Raises
    ------
    InputError
        With the numbers: nothing or too little matches, the words fit the log
        at two places, the clock fit's residuals are too large, time runs
        backwards without a reset, the photodiode does not follow the words, or
        the words tell of other blocks.
    """
    if log.empty:
        return Alignment(tables.empty(PRESENTATIONS), _empty_report(session))
    inputs = prepare(log, words, settings, segments)
    segment_clocks = find_clocks(inputs.series, len(inputs.start_s), settings.max_drift_ppm * 1e-6)
    if not segment_clocks.clocks:
        raise _no_clock_error(inputs, segment_clocks, words, settings)
    matched = match_events(inputs, segment_clocks, settings)
    times = place_onsets(
        log,
        inputs,
        matched.segment_clocks,
        matched.word,
        matched.fit,
        matched.offset_lag_s,
        settings,
        photodiode,
    )
    residual_s = times.word_s - times.linear_fit_s
    _check_quality(times, residual_s, settings)
    hold_against_words(
        log["block"].to_numpy(np.int64), _sent_blocks(inputs, matched.word), settings.word_mask
    )
    presentations = _presentations(log, times, residual_s)
    report = _report(session, presentations, times, residual_s, inputs, matched, settings)
    return Alignment(presentations, report)


def _sent_blocks(inputs: AlignmentInput, partner: Ints) -> Ints:
    """Block of each presentation by the words of the rig, ``[presentation]``; -1 where they do not tell."""
    blocks = np.full(int((~inputs.is_offset).sum()), -1, np.int64)
    matched_onsets = np.flatnonzero((partner >= 0) & ~inputs.is_offset)
    blocks[inputs.presentation[matched_onsets]] = inputs.block[partner[matched_onsets]]
    return blocks


def _no_clock_error(
    inputs: AlignmentInput, segment_clocks: SegmentClocks, words: pd.DataFrame, settings: Events
) -> InputError:
    n_events, n_words = int((~inputs.is_offset).sum()), len(inputs.series.word_s)
    other_lines = _other_lines(inputs, words, settings)
    if segment_clocks.ambiguous:
        best, runner_up = segment_clocks.ambiguous
        return InputError(
            f"the words fit the log at two places: {best} match at one, {runner_up} at another",
            "words and log",
            other_lines or "the task is periodic and words are missing: give the log of this recording alone",
        )
    return InputError(
        f"no clock brings the words to the log: {n_events} presentations, {n_words} words of their values",
        "words and log",
        other_lines
        or "give the log of the same day and session; check events.onset_words and events.word_mask",
    )


def _other_lines(inputs: AlignmentInput, words: pd.DataFrame, settings: Events) -> str:
    """Say that another line than the word's own changes beside it; '' when none does."""
    word = words.loc[words["source"].isin(("digital", "strobed")), "word"].to_numpy(np.int64)
    sent = inputs.series.event_word[~inputs.is_offset]
    code_bits = (1 << int(inputs.series.event_word.max(initial=1)).bit_length()) - 1
    above = word & settings.word_mask & ~code_bits
    n_onsets = int((np.isin(word & code_bits, sent) & (above != 0)).sum())
    if not n_onsets:
        return ""
    lines = [str(bit) for bit in range(32) if ((above >> bit) & 1).any()]
    return (
        f"{n_onsets} words have an image's value in their lower bits and other lines that are high "
        f"(bit {', '.join(lines)}): set events.word_mask to the bits of the words, as 255 for 8 bits"
    )


def _check_quality(times: PresentationTimes, residual_s: Floats, settings: Events) -> None:
    matched = np.isfinite(times.word_s)
    recordable = ~times.in_pause
    share = matched.sum() / max(recordable.sum(), 1)
    if share < settings.min_matched or not matched.any():
        outside = int(times.outside.sum())
        outside_text = f", {outside} of them before or after the recording" if outside else ""
        raise InputError(
            f"only {matched.sum()} of {recordable.sum()} presentations match an event word "
            f"({share:.1%}; at least {settings.min_matched:.1%}){outside_text}",
            "words and log",
            "the log shows more than was recorded: give all parts of the recording, or lower "
            "events.min_matched to keep what there is"
            if 2 * outside > recordable.sum() - matched.sum()
            else "give the log of the same session; lower events.min_matched if the rest is right",
        )
    residual_p99_ms = 1000 * float(np.percentile(np.abs(residual_s[matched]), 99))
    if residual_p99_ms > settings.max_residual_ms:
        raise InputError(
            f"words lie off the clock fit: the 99th percentile is {residual_p99_ms:.2f} ms, "
            f"the limit {settings.max_residual_ms:g} ms ({matched.sum()} words)",
            "words and log",
            "give the log of the same session; raise events.max_residual_ms if the log's times are coarse",
        )
    if times.photodiode_share < 0.5:
        raise InputError(
            f"the photodiode follows only {times.photodiode_share:.1%} of the words within "
            f"{settings.photodiode_min_delay_ms:g} to {settings.photodiode_max_delay_ms:g} ms",
            "photodiode",
            "correct the column photodiode in sessions.tsv, or leave it empty; "
            "raise events.photodiode_max_delay_ms if the screen is slower",
        )


def _presentations(log: pd.DataFrame, times: PresentationTimes, residual_s: Floats) -> pd.DataFrame:
    log_columns = ["presentation", "trial", "image", "block", "thread", "space", "latent_row", "reference"]
    repeat = log.groupby("image").cumcount().where(log["image"] != "", 0)
    frame = log[log_columns].assign(
        repeat=repeat.astype("int64"),
        onset_s=times.onset_s,
        offset_s=times.offset_s,
        onset_source=times.source,
        word_s=times.word_s,
        log_s=log["onset_s"],
        residual_ms=1000 * residual_s,
        valid=times.reason == "",
        reason=times.reason,
    )
    return tables.conform(frame, PRESENTATIONS)


def _report(
    session: str,
    presentations: pd.DataFrame,
    times: PresentationTimes,
    residual_s: Floats,
    inputs: AlignmentInput,
    matched: MatchedEvents,
    settings: Events,
) -> pd.DataFrame:
    has_word = np.isfinite(times.word_s)
    # After a reset there are several clocks: the report holds the offset of the first.
    of_segment = matched.segment_clocks.of_segment
    first_clock = int(of_segment[of_segment >= 0][0])
    residual_ms = 1000 * np.abs(residual_s[has_word])
    delay_ms = times.delay_ms[np.isfinite(times.delay_ms)]
    row = {
        "session": session,
        "n_presentations": len(presentations),
        "n_valid": int(presentations["valid"].sum()),
        "matched": int(has_word.sum()),
        "missing": int((~has_word).sum()),
        "extra": _count_extra(inputs, matched.word, settings),
        "offset_s": matched.fit.clocks[first_clock].offset_s,
        "drift_ppm": 1e6 * matched.fit.clocks[0].drift,
        "residual_median_ms": float(np.median(residual_ms)),
        "residual_p99_ms": float(np.percentile(residual_ms, 99)),
        "photodiode_fraction": float(times.sure_light.mean()),
        "delay_median_ms": float(np.median(delay_ms)) if len(delay_ms) else np.nan,
        "delay_p99_ms": float(np.percentile(delay_ms, 99)) if len(delay_ms) else np.nan,
    }
    return tables.conform(pd.DataFrame([row]), ALIGNMENT)


def _count_extra(inputs: AlignmentInput, partner: Ints, settings: Events) -> int:
    """Count onset words after fixation that belong to no presentation."""
    first_word, last_word = settings.onset_words
    series = inputs.series
    image_word = series.inside & (series.word >= first_word) & (series.word <= last_word)
    image_word[partner[partner >= 0]] = False
    return int(image_word.sum())


def _empty_report(session: str) -> pd.DataFrame:
    row: dict[str, object] = {
        name: np.nan if ALIGNMENT.field(name).type == tables.FLOAT else 0 for name in ALIGNMENT.names
    }
    row |= {"session": session, "photodiode_fraction": 0.0}
    return tables.conform(pd.DataFrame([row]), ALIGNMENT)
