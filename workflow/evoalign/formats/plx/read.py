"""Reads Plexon .plx files, versions 100 to 107.

The headers follow Plexon's `PlexonFiles.h`. Blocks are walked by ourselves:
the last block of each continuous channel, blocks of any length, gaps and first
time stamps are kept, and gains follow the rules of each version.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evoalign import tables
from evoalign.errors import InputError
from evoalign.formats.plexon.contents import Contents, build
from evoalign.formats.plexon.raw_bytes import as_words, text
from evoalign.formats.plexon.runs import backward_step, channel_runs
from evoalign.formats.plexon.streams import Continuous, named_role, number_of, role_of
from evoalign.formats.plx import layout as plx
from evoalign.formats.plx.file import AGAIN, PlxFile, read_plx
from evoalign.recordings.recording import Recording
from evoalign.recordings.stream import GAP_TOLERANCE_S
from evoalign.recordings.tables import ONLINE_SPIKES

SOURCE_OF = {plx.STROBED: "strobed", plx.START: "start", plx.STOP: "stop"}


def open_plx(
    path: str | PathLike[str], gap_tolerance_s: float = GAP_TOLERANCE_S, most_bytes: int | None = None
) -> Recording:
    """Open a Plexon .plx file.

    Continuous channels become streams by the signal they carry (see
    `evoalign.formats.plexon.streams.role_of`): 'broadband', 'highpass' (the
    continuous spike band, where a wider one was saved too), 'field' and
    'analog'. Strobed words have the source 'strobed'; single-bit and keyboard
    events the source 'bit' and the number of the event channel.

    Parameters
    ----------
    path : path
        The file.
    gap_tolerance_s : float
        A block further off its run starts a new segment.
    most_bytes : int, optional
        Blocks are walked up to this byte only; all by default.

    Returns
    -------
    Recording
        Samples stay in the file until they are asked for. In memory are 32
        bytes a spike and 16 bytes a continuous block.

    Raises
    ------
    InputError
        The file is missing, cut or damaged: with the byte.
    """
    file = read_plx(Path(path), most_bytes)
    tick, word, source = _events(file)
    continuous, channels_without_samples = _continuous(file, gap_tolerance_s)
    contents = Contents(
        clock_hz=file.clock_hz,
        start=file.start,
        continuous=continuous,
        spike_channels=[
            (int(h["Channel"]), text(h["Name"]), plx.spike_gain_uv(file.header, int(h["Gain"])))
            for h in file.spike_headers
        ],
        spike_channel=file.spikes.channel,
        spike_unit=file.spikes.unit,
        spike_tick=file.spikes.tick,
        word_tick=tick,
        word=word,
        word_source=source,
        metadata=_metadata(file, channels_without_samples),
    )
    return build("plexon", [file.path], contents, gap_tolerance_s, file.full_duration_s)


def spike_waveforms(path: str | PathLike[str], channel: int) -> tuple[pd.DataFrame, np.ndarray, float]:
    """Read the waveforms of a channel's spikes.

    Parameters
    ----------
    path : path
        A .plx file.
    channel : int
        DSP channel, from 1.

    Returns
    -------
    spikes : DataFrame
        `ONLINE_SPIKES`, in the order of time.
    waveforms : int16 array [spike, point]
        One a row of `spikes`.
    gain_uv : float
        Microvolts per count.

    Raises
    ------
    InputError
        As for `open_plx`; the file has no such channel, or its waveforms differ in length.
    """
    file = read_plx(Path(path))
    rows = np.flatnonzero(file.spike_headers["Channel"] == channel)
    if not rows.size:
        raise InputError(f"no spike channel {channel}", path, "name a channel of the file")
    spikes = file.spikes.take(np.flatnonzero(file.spikes.channel == channel))
    spikes = spikes.take(np.argsort(spikes.tick, kind="stable"))
    points = np.unique(spikes.values)
    if points.size > 1:
        what = f"waveforms of channel {channel} have {points.tolist()} points"
        raise InputError(what, path, "take the spikes without waveforms")
    n = int(points[0]) if points.size else 0
    waveforms = as_words(file.content, np.int16)[spikes.word[:, None] + np.arange(n)]
    frame = {"channel": spikes.channel, "unit": spikes.unit, "time_s": spikes.tick / file.clock_hz}
    gain = plx.spike_gain_uv(file.header, int(file.spike_headers["Gain"][rows[0]]))
    return tables.conform(pd.DataFrame(frame), ONLINE_SPIKES), waveforms, gain


def _continuous(file: PlxFile, gap_tolerance_s: float) -> tuple[list[Continuous], list[str]]:
    """Return the continuous channels, and the names of enabled ones without samples."""
    samples = as_words(file.content, np.int16)
    order = np.argsort(file.continuous.channel, kind="stable")
    sorted_channel = file.continuous.channel[order]
    channels, without_samples = [], []
    for row, head in enumerate(file.slow_headers):
        first, last = np.searchsorted(sorted_channel, [head["Channel"], head["Channel"] + 1])
        blocks = file.continuous.take(order[first:last])
        name, rate = text(head["Name"]), float(head["ADFreq"])
        if not blocks.values.any():
            without_samples += [name] if head["Enabled"] else []
            continue
        at = 2 * int(blocks.word[0]) - 16
        if rate <= 0:
            raise InputError(
                f"channel {name}: the sampling rate is {rate:g} Hz", f"{file.path}, byte {at}", AGAIN
            )
        gain = plx.slow_gain_uv(file.header, int(head["Gain"]), int(head["PreAmpGain"]))
        if not np.isfinite(gain):
            raise InputError(f"channel {name}: a gain or range of 0", f"{file.path}, byte {at}", AGAIN)
        sample_ticks, tolerance = file.clock_hz / rate, gap_tolerance_s * file.clock_hz
        runs = channel_runs(blocks, sample_ticks, tolerance)
        backward_run = backward_step(runs, sample_ticks, tolerance)
        if backward_run >= 0:
            block = int(np.searchsorted(runs.first, runs.sample[backward_run], side="right")) - 1
            where = f"{file.path}, byte {2 * int(blocks.word[block]) - 16}"
            raise InputError(f"channel {name}: time runs backwards", where, AGAIN)
        linked = int(head["SpikeChannel"]) if file.header["Version"] >= 104 else 0
        role = "analog" if _of_own_source(file, head, name) else role_of(name, rate, linked)
        number = number_of(name, role, row + 1, linked)
        channels.append(Continuous(role, number, name, rate, gain, runs, samples))
    return channels, without_samples


def _of_own_source(file: PlxFile, head: np.void, name: str) -> bool:
    """Return whether an `AD` channel beside OmniPlex's neural ones comes from another source: an input.

    The older MAP system calls its neural channels so, and has no others.
    """
    if file.header["Version"] < 106 or named_role(name) != "neural":
        return False
    neural = {
        int(other["SrcId"])
        for other in file.slow_headers
        if named_role(text(other["Name"])) in ("broadband", "highpass", "field")
    }
    return bool(neural) and int(head["SrcId"]) not in neural


def _events(file: PlxFile) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return tick, word and source of each event."""
    channel = file.events.channel
    source = np.full(channel.size, "bit", object)
    word = channel.astype(np.int64)
    for number, name in SOURCE_OF.items():
        source[channel == number] = name
    word[channel == plx.STROBED] = file.events.unit[channel == plx.STROBED]
    word[(channel == plx.START) | (channel == plx.STOP)] = 0
    return file.events.tick, word, source


def _metadata(file: PlxFile, channels_without_samples: list[str]) -> dict[str, Any]:
    channels_with_events = set(file.events.channel.tolist())
    return {
        "version": int(file.header["Version"]),
        "comment": text(file.header["Comment"]),
        "software": text(file.header["AcquiringSoftware"]) if file.header["Version"] >= 106 else "",
        "counts_in_header": file.counted,
        "channels_without_samples": channels_without_samples,
        "event_channels": {
            text(h["Name"]): int(h["Channel"])
            for h in file.event_headers
            if h["Channel"] in channels_with_events
        },
    }
