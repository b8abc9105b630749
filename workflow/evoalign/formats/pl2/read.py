"""Reads Plexon .pl2 files without Plexon's library, and bundles exported by means of it."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evoalign import tables
from evoalign.errors import InputError
from evoalign.formats.pl2 import layout as pl2
from evoalign.formats.pl2.bundle import bundle_contents
from evoalign.formats.pl2.contents import Analog, PlexonEvents, continuous, word_of
from evoalign.formats.pl2.file import EXPORT, Pl2File, last_tick, read_pl2, refuse
from evoalign.formats.pl2.walk import Blocks2
from evoalign.formats.plexon.contents import Contents, build
from evoalign.formats.plexon.raw_bytes import as_words, text
from evoalign.formats.plexon.streams import Continuous
from evoalign.formats.plexon.walk import Blocks
from evoalign.recordings.recording import Recording
from evoalign.recordings.stream import GAP_TOLERANCE_S
from evoalign.recordings.tables import ONLINE_SPIKES


def open_pl2(
    path: str | PathLike[str], gap_tolerance_s: float = GAP_TOLERANCE_S, most_bytes: int | None = None
) -> Recording:
    """Open a Plexon .pl2 file.

    Streams and words are named as by `evoalign.formats.plx.read.open_plx`;
    for the words of other events see `contents.word_of`.

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
        Samples stay in the file until they are asked for.

    Raises
    ------
    InputError
        The file is missing, cut or damaged, or its totals contradict each
        other: with the byte, and the advice to export it.
    """
    file = read_pl2(Path(path), most_bytes)
    channel, unit, tick = _spikes(file)
    word_tick, word, source = _events(file)
    contents = Contents(
        clock_hz=file.clock_hz,
        start=file.start,
        continuous=_continuous(file, gap_tolerance_s),
        spike_channels=[
            (int(h["Channel"]), text(h["Name"]), 1e6 * float(h["CoeffToConvertToUnits"]))
            for h in file.spike_headers
            if h["ChannelEnabled"] and h["ChannelRecordingEnabled"]
        ],
        spike_channel=channel,
        spike_unit=unit,
        spike_tick=tick,
        word_tick=word_tick,
        word=word,
        word_source=source,
        metadata=_metadata(file),
    )
    return build("plexon2", [file.path], contents, gap_tolerance_s, file.full_duration_s)


def open_bundle(path: str | PathLike[str], gap_tolerance_s: float = GAP_TOLERANCE_S) -> Recording:
    """Open a bundle that `plexon2_export` made of a .pl2 file; see docs/plexon2_bundle.md.

    Raises
    ------
    InputError
        The folder is no bundle, a file of it is missing or not as its checksum says.
    """
    folder = Path(path)
    return build("plexon2", [folder], bundle_contents(folder, gap_tolerance_s), gap_tolerance_s)


def spike_waveforms(path: str | PathLike[str], channel: int) -> tuple[pd.DataFrame, np.ndarray, float]:
    """Read the waveforms of a channel's spikes from a .pl2 file.

    Parameters
    ----------
    path : path
        A .pl2 file.
    channel : int
        Spike channel, from 1.

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
        As for `open_pl2`; or the file has no such channel.
    """
    file = read_pl2(Path(path))
    rows = np.flatnonzero(file.spike_headers["Channel"] == channel)
    if not rows.size:
        raise InputError(f"no spike channel {channel}", path, "name a channel of the file")
    head = file.spike_headers[rows[0]]
    blocks = file.rows(pl2.SPIKE_BLOCK)
    spike_blocks = blocks.take(np.flatnonzero(blocks.channel == channel))
    stamps = [file.stamps(spike_blocks, block) for block in range(spike_blocks.n.size)]
    tick = np.concatenate([t for t, _ in stamps] or [np.empty(0, np.uint64)]).astype(np.int64)
    unit = np.concatenate([u for _, u in stamps] or [np.empty(0, np.uint16)])
    none = np.empty((0, int(head["SamplesPerSpike"])), np.int16)
    waveforms = np.concatenate(
        [file.waveforms(spike_blocks, block) for block in range(spike_blocks.n.size)] or [none]
    )
    order = np.argsort(tick, kind="stable")
    frame = {"channel": channel, "unit": unit[order], "time_s": tick[order] / file.clock_hz}
    gain = 1e6 * float(head["CoeffToConvertToUnits"])
    return tables.conform(pd.DataFrame(frame), ONLINE_SPIKES), waveforms[order], gain


def _continuous(file: Pl2File, gap_tolerance_s: float) -> list[Continuous]:
    blocks = file.rows(pl2.ANALOG_BLOCK)
    samples = as_words(file.content, np.int16)
    channels = []
    for row, head in enumerate(file.analog_headers):
        channel_blocks = blocks.take(
            np.flatnonzero((blocks.source == head["Source"]) & (blocks.channel == head["Channel"]))
        )
        if not channel_blocks.n.size:
            continue
        analog = Analog(
            name=text(head["Name"]),
            source_name=text(head["SourceName"]),
            units=text(head["Units"]),
            source=int(head["Source"]),
            channel=int(head["Channel"]),
            rate_hz=float(head["SamplesPerSecond"]),
            coefficient=float(head["CoeffToConvertToUnits"]),
        )
        where = f"{file.path}, byte {2 * int(channel_blocks.word[0]) - 16}"
        plain = Blocks(
            channel_blocks.word,
            channel_blocks.tick,
            channel_blocks.channel,
            channel_blocks.channel,
            channel_blocks.n,
        )
        channels.append(
            continuous(analog, plain, samples, file.clock_hz, row + 1, where, EXPORT, gap_tolerance_s)
        )
    return channels


def _spikes(file: Pl2File) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return channel, unit and tick of all spikes."""
    blocks = file.rows(pl2.SPIKE_BLOCK)
    stamps = [_checked_stamps(file, blocks, block) for block in range(blocks.n.size)]
    channel = np.repeat(blocks.channel, blocks.n)
    unit = np.concatenate([u for _, u in stamps] or [np.empty(0, np.uint16)]).astype(np.int64)
    tick = np.concatenate([t for t, _ in stamps] or [np.empty(0, np.int64)])
    return channel.astype(np.int64), unit, tick


def _events(file: Pl2File) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return tick, word and source of all events."""
    names = {(int(h["Source"]), int(h["Channel"])): text(h["Name"]) for h in file.event_headers}
    events = PlexonEvents.none()
    blocks = file.rows(pl2.EVENT_BLOCK)
    for block in range(blocks.n.size):
        tick, value = _checked_stamps(file, blocks, block)
        source, channel = int(blocks.source[block]), int(blocks.channel[block])
        events.add(tick, *word_of(names[source, channel], source, channel, value))
    blocks = file.rows(pl2.START_STOP_BLOCK)
    for block in range(blocks.n.size):
        where = f"{file.path}, byte {2 * int(blocks.word[block]) - 16}"
        events.add_start_stop(*_checked_stamps(file, blocks, block), where, EXPORT)
    return events.joined()


def _checked_stamps(file: Pl2File, blocks: Blocks2, block: int) -> tuple[np.ndarray, np.ndarray]:
    tick, value = file.stamps(blocks, block)
    late_stamps = np.flatnonzero(tick > last_tick(file.header))
    if late_stamps.size:
        at = 2 * int(blocks.word[block]) + 8 * int(late_stamps[0])
        raise refuse(f"time stamp {tick[late_stamps[0]]} lies outside the recording", file.path, at)
    return tick.astype(np.int64), value


def _metadata(file: Pl2File) -> dict[str, Any]:
    blocks = file.rows(pl2.EVENT_BLOCK)
    channels_with_blocks = set(zip(blocks.source.tolist(), blocks.channel.tolist(), strict=True))
    heads = [(text(h["Name"]), int(h["Source"]), int(h["Channel"])) for h in file.event_headers]
    return {
        "software": text(file.header["CreatorSoftwareName"]),
        "software_version": text(file.header["CreatorSoftwareVersion"]),
        "comment": text(file.header["CreatorComment"]),
        "trodality": int(file.header["MaximumTrodality"]),
        "event_channels": {name: list(key) for name, *key in heads if tuple(key) in channels_with_blocks},
        "footer": file.finished,
    }
