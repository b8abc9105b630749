"""What raw files hold, as lines of text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from evoalign import tables
from evoalign.commands.inspect_spikes import Spiking, response_lines, unit_lines
from evoalign.commands.text import counted, megabytes, ranges, seconds, table
from evoalign.errors import InputError
from evoalign.events.recorded_images import most_frequent_word, recorded_images
from evoalign.events.settings import Events
from evoalign.formats.opening import BLACKROCK_SUFFIXES, open_recording
from evoalign.recordings.recording import Recording
from evoalign.sorting.tables import SPIKES, UNITS
from evoalign.study import Config

MOST_GAPS, MOST_WORDS, MOST_IMAGES, MOST_ANALOG = 8, 6, 5, 20  # that are listed


def recording_lines(
    files: Sequence[Path], config: Config, most_bytes: int | None, unit: str
) -> tuple[list[str], Spiking]:
    """Open raw files and say what they hold.

    Parameters
    ----------
    files : sequence of Path
    config : Config
        Event words, window of the PSTH.
    most_bytes : int or None
        See `open_recording`.
    unit : str
        Of the PSTH: channel and letter; '' = the busiest.

    Returns
    -------
    lines : list of str
    spiking : Spiking
        Online units around images, or around the most frequent word.

    Raises
    ------
    InputError
        As for `open_recording`; or there is no such unit.
    """
    recording = open_recording(files, config.recordings.gap_tolerance_ms, most_bytes)
    images = images_of(recording, config.events)
    spiking = online_spiking(recording, images)
    lines = [
        *_head(recording, files),
        *_streams(recording),
        _channels(recording.channels),
        *_gaps(recording),
        *_words(recording.words),
        *unit_lines(spiking),
        *_images(images, config.events),
        *response_lines(spiking, unit, config.figures.raster_ms, config.figures.raster_bin_ms),
    ]
    return lines, spiking


def images_of(recording: Recording, settings: Events) -> pd.DataFrame:
    """Return `recorded_images`; none where the recording has no words."""
    try:
        return recorded_images(recording.words, settings)
    except InputError:
        return pd.DataFrame({"word": [], "onset_s": [], "offset_s": []})


def online_spiking(recording: Recording, images: pd.DataFrame) -> Spiking:
    """Return the rig's own units around images, or without any around the most frequent word."""
    groups = recording.online_spikes.groupby(["channel", "unit"], sort=True)
    numbers = groups.ngroup().to_numpy() if len(recording.online_spikes) else np.empty(0, np.int64)
    counts = groups.size().reset_index(name="n_spikes")
    units = tables.empty(UNITS).reindex(range(len(counts)))
    units = units.assign(
        unit=range(len(counts)), channel=counts["channel"], vendor_unit=counts["unit"],
        n_spikes=counts["n_spikes"], kind="online", preferred=False, label="",
    )  # fmt: skip
    spikes = tables.empty(SPIKES).reindex(range(len(numbers))).assign(
        unit=numbers, time_s=recording.online_spikes["time_s"].to_numpy()
    )  # fmt: skip
    event_s, event = images["onset_s"].to_numpy(np.float64), "image onset"
    if not len(images) and (frequent := most_frequent_word(recording.words)):
        event, event_s = f"word {frequent[0]}", frequent[1]
    return Spiking(recording.files[0].name, units, spikes, event_s, event, recording.duration_s)


def _head(recording: Recording, files: Sequence[Path]) -> list[str]:
    start = (
        "start unknown" if recording.start is None else f"started {recording.start.isoformat(' ', 'seconds')}"
    )
    zone = "" if recording.start is None or recording.start.tzinfo else " (zone of the rig)"
    size = sum(f.stat().st_size for file in files for f in ([file] if file.is_file() else _inside(file)))
    lines = [
        f"{' + '.join(file.name for file in files)}: {recording.format}, {start}{zone}, {megabytes(size)}"
    ]
    full_s = recording.full_duration_s
    if full_s is None:
        lines += [f"Duration: {seconds(recording.duration_s)}"]
    else:
        total = f"{seconds(full_s)}" if np.isfinite(full_s) else "not told by the header"
        lines += [
            f"Duration: {total}; words, spikes and images below are of the beginning "
            f"({_read_s(recording)}): --whole reads all, --mb more"
        ]
    lines += [f"Beside it, and not looked at: {', '.join(left)}" for left in [_left_out(files)] if left]
    return lines


def _read_s(recording: Recording) -> str:
    times = pd.concat([recording.words["time_s"], recording.online_spikes["time_s"]])
    return f"up to {seconds(float(times.max()))}" if len(times) else "no word and no spike"


def _inside(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]


def _left_out(files: Sequence[Path]) -> list[str]:
    """Names of Blackrock's files of the same recording that were not named."""
    first = files[0]
    if first.suffix.lower() not in BLACKROCK_SUFFIXES:
        return []
    named = {file.name for file in files}
    return sorted(
        file.name
        for file in first.parent.iterdir()
        if file.stem == first.stem and file.suffix.lower() in BLACKROCK_SUFFIXES and file.name not in named
    )


def _streams(recording: Recording) -> list[str]:
    rows = [
        (stream.name, len(stream.channels), f"{stream.sampling_rate_hz:g} Hz", len(stream.segments),
         stream.n_samples, seconds(stream.n_samples / stream.sampling_rate_hz))
        for stream in recording.streams.values()
    ]  # fmt: skip
    if not rows:
        return ["Streams: none, no continuous data"]
    return ["Streams", *table(("stream", "channels", "rate", "segments", "samples", "length"), rows)]


def _channels(channels: pd.DataFrame) -> str:
    neural = channels.loc[channels["kind"] == "neural", "channel"].tolist()
    analog = channels[channels["kind"] == "analog"]
    names = [
        f"{name or 'unnamed'} ({number})"
        for name, number in zip(analog["name"], analog["channel"], strict=True)
    ]
    listed = ", ".join(names[:MOST_ANALOG]) + (", .." if len(names) > MOST_ANALOG else "")
    inputs = f"; {counted(len(names), 'analog input')}: {listed}" if names else "; no analog input"
    return f"Channels: {len(neural)} neural" + (f" ({ranges(neural)})" if neural else "") + inputs


def _gaps(recording: Recording) -> list[str]:
    gaps = []
    for stream in recording.streams.values():
        ends = [start_s + n / stream.sampling_rate_hz for start_s, n in stream.segments]
        starts = [start_s for start_s, _ in stream.segments]
        gaps += [
            (stream.name, end_s, next_s - end_s) for end_s, next_s in zip(ends, starts[1:], strict=False)
        ]
    if not recording.streams:
        return []
    lines = [
        f"  {name}: after {end_s:.3f} s nothing for {1000 * gap_s:,.3f} ms"
        for name, end_s, gap_s in gaps[:MOST_GAPS]
    ]
    more = [f"  and {len(gaps) - MOST_GAPS} more"] if len(gaps) > MOST_GAPS else []
    return [f"Gaps: {len(gaps) or 'none'}", *lines, *more]


def _words(words: pd.DataFrame) -> list[str]:
    if words.empty:
        return ["Event words: none"]
    rows = []
    for source, of_source in words.groupby("source", sort=True):
        counts = of_source["word"].value_counts()
        frequent = ", ".join(f"{word} ({n}x)" for word, n in counts[:MOST_WORDS].items())
        rows.append((str(source), len(of_source), len(counts), frequent))
    return ["Event words", *table(("source", "words", "values", "most frequent"), rows)]


def _images(images: pd.DataFrame, settings: Events) -> list[str]:
    first_word, last_word = settings.onset_words
    if images.empty:
        return [f"Images: none, no word from {first_word} to {last_word} (events.onset_words)"]
    shown_ms = 1000 * (images["offset_s"] - images["onset_s"]).median()
    length = f", shown for {shown_ms:.0f} ms (median)" if np.isfinite(shown_ms) else ""
    rows = [
        (
            int(row["word"]),
            f"{row['onset_s']:.4f}",
            "" if np.isnan(row["offset_s"]) else f"{row['offset_s']:.4f}",
        )
        for _, row in images[:MOST_IMAGES].iterrows()
    ]
    return [
        f"Images by their words, not by light: {len(images)}{length}; the first:",
        *table(("word", "on (s)", "off (s)"), rows),
    ]
