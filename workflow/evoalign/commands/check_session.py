"""One session: each file that its row names, and whether they belong together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from evoalign import storage
from evoalign.commands.check_files import tell_nwb
from evoalign.commands.findings import Findings
from evoalign.commands.text import ranges, seconds
from evoalign.errors import InputError
from evoalign.events.align import Alignment, align
from evoalign.events.align_session import find_photodiode
from evoalign.events.latent_codes import attach_latents, check_images, read_codes
from evoalign.events.log import read_log
from evoalign.events.photodiode import Photodiode
from evoalign.events.recorded_images import recorded_images
from evoalign.formats.opening import open_recording
from evoalign.recordings.array_map import apply_array_map, read_array_map
from evoalign.recordings.recording import Recording, segment_table
from evoalign.recordings.stream import Stream
from evoalign.sheet import Session
from evoalign.study import Config

MOST_BYTES = 256_000_000  # of a file without an index
BEGINNING_S = 300.0  # of a recording: its words are held against the log
FEWEST_IMAGES = 50  # with fewer, words may fit the log of another session (docs/commands.md)


def session_findings(row: Session, config: Config, whole: bool = False) -> Findings:
    """Check a session as far as its files tell, before they are sorted.

    Parameters
    ----------
    row : Session
        Its row of the sample sheet.
    config : Config
        The study's settings.
    whole : bool
        Recordings are read, and held against the log, from end to end; else their first minutes.
    """
    findings = Findings()
    remote = [file for file in row.files if storage.is_url(file)]
    missing = [file for file in row.files if not storage.is_url(file) and not Path(file).exists()]
    if remote:
        findings.note(f"not looked at, for they lie in object storage: {', '.join(remote)}")
        return findings
    if missing:
        findings.note(f"the demo makes these files first: {', '.join(missing)}")
        return findings
    if row.nwb:
        _check_nwb(row, config, findings)
        return findings
    log = _checked_log(row, config, findings)
    if row.raw:
        tolerance_ms = config.recordings.gap_tolerance_ms
        opened = findings.result(lambda: open_recording(row.raw, tolerance_ms, None if whole else MOST_BYTES))
        if opened is not None:
            recording = opened if whole else beginning(opened)
            _check_recording(row, recording, opened, findings)
            if log is not None:
                looked_at_all = opened.full_duration_s is None and _is_all(recording, opened)
                _check_words(row, recording, log, config, findings, looked_at_all)
    return findings


def beginning(recording: Recording, length_s: float = BEGINNING_S) -> Recording:
    """Return the first minutes of a recording, counted from its first sample or word."""
    starts = pd.concat([recording.segments["start_s"], recording.words["time_s"]])
    if starts.empty:
        return recording
    end_s = float(starts.min()) + length_s
    streams = {name: _until(stream, end_s) for name, stream in recording.streams.items()}
    return replace(
        recording,
        streams=streams,
        segments=segment_table(list(streams.values())),
        words=recording.words[recording.words["time_s"] < end_s],
        online_spikes=recording.online_spikes[recording.online_spikes["time_s"] < end_s],
    )


def _is_all(recording: Recording, opened: Recording) -> bool:
    """Whether a beginning has all words and samples of the recording."""
    return len(recording.words) == len(opened.words) and recording.duration_s == opened.duration_s


def _until(stream: Stream, end_s: float) -> Stream:
    cut = [
        (start_s, min(n, max(0, round((end_s - start_s) * stream.sampling_rate_hz))))
        for start_s, n in stream.segments
    ]
    return replace(stream, segments=tuple((start_s, n) for start_s, n in cut if n))


def _check_nwb(row: Session, config: Config, findings: Findings) -> None:
    from evoalign.nwb.read import read_nwb

    contents = findings.result(lambda: read_nwb(row.nwb, config.nwb, row))
    if contents is None:
        return
    tell_nwb(contents, findings)
    if not contents.units["preferred"].any():
        findings.note(
            "no unit is marked as preferred: column preferred of the sample sheet says which one is"
        )


def _checked_log(row: Session, config: Config, findings: Findings) -> pd.DataFrame | None:
    """Read the log, and hold latents and images against it."""
    if not row.log:
        findings.note("no log: the session is sorted and packaged, not analysed")
        return None
    log = findings.result(lambda: read_log(row.log, config.events, row.spaces, alone=not row.raw))
    if log is None:
        return None
    blocks = log.loc[log["block"] >= 0, "block"].nunique()
    findings.ok(f"log: {len(log)} presentations of {log['image'].nunique()} images, {blocks or 'no'} blocks")
    if row.latents:
        attached = findings.result(lambda: attach_latents(log, read_codes(row.latents)))
        if attached is not None:
            findings.ok(f"latents: of {int((attached['latent_row'] >= 0).sum())} presentations")
    if row.images:
        with findings.caught():
            check_images(log, row.images)
            findings.ok("images: all of the log are there")
    if len(row.spaces) < log["thread"].max() + 1 and not (log["space"] != "").any():
        findings.note("column spaces does not say which space each thread searched")
    return log


def _check_recording(row: Session, recording: Recording, opened: Recording, findings: Findings) -> None:
    length = opened.full_duration_s or opened.duration_s
    n_neural = int((recording.channels["kind"] == "neural").sum())
    findings.ok(f"recording: {recording.format}, {seconds(length)}, {n_neural} neural channels")
    if "broadband" not in recording.streams:
        findings.note("no voltages at 20 kHz or more: only units of the rig are analysed, none is sorted")
    channels = recording.channels
    if row.arrays:
        array_map = findings.result(lambda: read_array_map(row.arrays))
        if array_map is not None:
            mapped = findings.result(lambda: apply_array_map(recording.channels, array_map, row.arrays))
            if mapped is not None:
                channels = mapped
                _check_map(channels, findings)
    else:
        findings.note("no array map: areas are unknown, and the session is pooled without one")
    _check_preferred(row, channels, recording, findings)


def _check_map(channels: pd.DataFrame, findings: Findings) -> None:
    neural = channels[channels["kind"] == "neural"]
    without_area = neural.loc[neural["area"] == "", "channel"].tolist()
    if len(neural) and len(without_area) == len(neural):
        findings.note("array map: it gives no recorded channel an area")
    elif without_area:
        findings.note(f"array map: no area for the recorded channels {ranges(without_area)}")
    else:
        findings.ok(f"array map: {', '.join(neural['area'].unique())}")


def _check_preferred(row: Session, channels: pd.DataFrame, recording: Recording, findings: Findings) -> None:
    channel, unit = row.preferred_channel, row.preferred_unit
    if channel < 0:
        findings.note("no preferred unit: the session counts in no pooled analysis (column preferred)")
        return
    of_channel = channels[(channels["channel"] == channel) & (channels["kind"] == "neural")]
    where = "sample sheet, column preferred"
    if of_channel.empty:
        neural = channels.loc[channels["kind"] == "neural", "channel"].tolist()
        findings.fail(
            InputError(f"there is no neural channel {channel}", where, f"channels: {ranges(neural)}")
        )
        return
    spikes = recording.online_spikes
    units = spikes.loc[spikes["channel"] == channel, "unit"]
    if unit > 0 and len(spikes) and unit not in set(units):
        letters = [f"{channel}{chr(ord('a') + n - 1)}" for n in sorted(set(units)) if 0 < n <= 26]
        findings.note(
            f"preferred: no spike of {row.preferred} in the beginning; units of that channel: "
            f"{', '.join(letters) or 'none'}"
        )
        return
    area = str(of_channel["area"].iloc[0])
    findings.ok(f"preferred: {row.preferred}, {area or 'area unknown'}")


def _check_words(
    row: Session,
    recording: Recording,
    log: pd.DataFrame,
    config: Config,
    findings: Findings,
    looked_at_all: bool,
) -> None:
    """Hold the words of the recording, or of its first minutes, against the log."""
    if log.empty:
        return
    images = findings.result(lambda: recorded_images(recording.words, config.events))
    photodiode = _photodiode(row, recording, config, findings)
    if images is None:
        return
    if looked_at_all:
        _check_all_words(recording, log, config, photodiode, findings)
        return
    if len(images) < FEWEST_IMAGES:
        findings.note(
            f"words: only {len(images)} of images in the first minutes, too few to compare with the log; "
            "--whole compares all"
        )
        return
    # Of the log's end nothing can be in the first minutes: how many match is judged below.
    settings = config.events.model_copy(update={"min_matched": 0.0})
    aligned = findings.result(
        lambda: align(log, recording.words, settings, photodiode, segments=recording.segments)
    )
    if aligned is None:
        return
    report = aligned.report.iloc[0]
    clock_s = log["onset_s"] * (1 + report["drift_ppm"] / 1e6) + report["offset_s"]
    expected = clock_s.between(images["onset_s"].iloc[0] - 1e-3, images["onset_s"].iloc[-1] + 1e-3)
    matched = aligned.presentations["word_s"].notna() & expected
    share = matched.sum() / max(expected.sum(), 1)
    text = f"words: {matched.sum()} of {expected.sum()} presentations match one ({share:.1%})"
    if share < config.events.min_matched:
        hint = "give the log of the same session; events.min_matched says how many must match"
        findings.fail(InputError(text, f"{row.raw[0]} and {row.log}", hint))
        return
    _tell_alignment(text, aligned, expected, findings)


def _check_all_words(
    recording: Recording, log: pd.DataFrame, config: Config, photodiode: Photodiode | None, findings: Findings
) -> None:
    """Hold all words of a recording against the log, as a run does."""
    aligned = findings.result(
        lambda: align(log, recording.words, config.events, photodiode, segments=recording.segments)
    )
    if aligned is None:
        return
    n_matched = int(aligned.presentations["word_s"].notna().sum())
    text = f"words: {n_matched} of {len(log)} presentations match one ({n_matched / len(log):.1%})"
    _tell_alignment(text, aligned, pd.Series(True, index=log.index), findings)


def _tell_alignment(text: str, aligned: Alignment, expected: pd.Series, findings: Findings) -> None:
    """Say how exactly words, and light where there is a photodiode, follow the log."""
    report = aligned.report.iloc[0]
    findings.ok(
        f"{text}, off by {report['residual_median_ms']:.2f} ms (median); clocks differ by "
        f"{report['drift_ppm']:.0f} ppm"
    )
    if np.isfinite(report["delay_median_ms"]):
        share = np.mean(aligned.presentations.loc[expected, "onset_source"] == "photodiode")
        findings.ok(
            f"photodiode: onsets of {share:.1%} of these, {report['delay_median_ms']:.1f} ms after the word"
        )


def _photodiode(row: Session, recording: Recording, config: Config, findings: Findings) -> Photodiode | None:
    if not row.photodiode:
        findings.note("no photodiode: onsets are those of words plus events.display_delay_ms")
        return None
    return findings.result(lambda: find_photodiode(recording, row.photodiode, config.events))
