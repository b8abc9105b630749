"""Reads the headers and the block index of a .plx file, and holds them against each other."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evoalign.errors import InputError
from evoalign.formats.plexon.raw_bytes import as_words, map_bytes
from evoalign.formats.plexon.walk import BAD_TIME, BAD_TYPE, CUT, DONE, Blocks, walk
from evoalign.formats.plx import layout as plx

AGAIN = (
    "copy the file again from the acquisition PC; if it is cut there too, repair it with Plexon's PlexUtil"
)


@dataclass(frozen=True)
class PlxFile:
    """A .plx file: its headers, and where its blocks lie.

    Attributes
    ----------
    path : Path
    content : uint8 array [byte]
        Memory map of the file.
    header : FILE_HEADER record
    spike_headers, event_headers, slow_headers : arrays of CHAN_HEADER, EVENT_HEADER, SLOW_HEADER
    spikes, events, continuous : Blocks
    counted : bool
        The header's counts were filled in (they are not after a crash).
    whole : bool
        All blocks were walked, not those of the beginning only.
    """

    path: Path
    content: np.ndarray
    header: np.void
    spike_headers: np.ndarray
    event_headers: np.ndarray
    slow_headers: np.ndarray
    spikes: Blocks
    events: Blocks
    continuous: Blocks
    counted: bool
    whole: bool = True

    @property
    def clock_hz(self) -> float:
        """Rate of the time stamps."""
        return float(self.header["ADFrequency"])

    @property
    def full_duration_s(self) -> float | None:
        """Seconds that the header tells, NaN where it tells none; None when all blocks were walked."""
        if self.whole:
            return None
        return float(self.header["LastTimestamp"]) / self.clock_hz or float("nan")

    @property
    def start(self) -> dt.datetime | None:
        """Start of the recording as the header gives it: local time, without a zone."""
        fields = ("Year", "Month", "Day", "Hour", "Minute", "Second")
        try:
            return dt.datetime(*(int(self.header[field]) for field in fields))  # type: ignore[arg-type]
        except (ValueError, OverflowError):
            return None


def read_plx(path: Path, most_bytes: int | None = None) -> PlxFile:
    """Read the headers of a .plx file and walk its blocks.

    Parameters
    ----------
    path : Path
        The file.
    most_bytes : int, optional
        Only the blocks before this byte are walked; what the header counts is then not compared.

    Returns
    -------
    PlxFile

    Raises
    ------
    InputError
        With the byte: the file is missing, cut, of another kind, or its
        headers, blocks and counts contradict each other.
    """
    content = map_bytes(path)
    header = _file_header(content, path)
    at = plx.FILE_HEADER.itemsize
    tables = []
    for field, dtype in (
        ("NumDSPChannels", plx.CHAN_HEADER),
        ("NumEventChannels", plx.EVENT_HEADER),
        ("NumSlowChannels", plx.SLOW_HEADER),
    ):
        n = int(header[field])
        if n < 0 or n * dtype.itemsize > content.size - at:
            what = f"{field} is {n}: more channel headers than the file holds"
            raise InputError(what, _byte(path, plx.place(field)), AGAIN)
        tables.append(np.frombuffer(content, dtype, n, at))
        at += n * dtype.itemsize
    if not len(tables[0]) and not len(tables[2]):
        raise InputError("the file has no spike and no continuous channels", path, "record it again")
    for table in (tables[0], tables[2]):  # OmniPlex 1.1.9 repeats channels among the headers of events
        _check_unique(table, path)
    whole = most_bytes is None or most_bytes >= content.size
    walked = content if whole else content[: max(at, most_bytes or 0)]
    blocks, ended, end = walk(as_words(walked), at // 2)
    if whole or end != CUT:  # the beginning may end within a block
        _check_end(walked, ended, end, path)
    dsp, event, slow = tables
    counted = bool(header["TSCounts"].any() or header["EVCounts"].any())
    file = PlxFile(path, content, header, dsp, event, slow, blocks[1], blocks[4], blocks[5], counted, whole)
    _check_channels(file)
    if whole:
        _check_counts(file)
    return file


def _byte(path: Path, at: int) -> str:
    return f"{path}, byte {at}"


def _file_header(content: np.ndarray, path: Path) -> np.void:
    if content.size < plx.FILE_HEADER.itemsize:
        what = f"the file has {content.size} bytes; the header alone takes {plx.FILE_HEADER.itemsize}"
        raise InputError(what, _byte(path, content.size), AGAIN)
    header = np.frombuffer(content, plx.FILE_HEADER, 1)[0]
    if header["MagicNumber"] != plx.MAGIC:
        what = f"no .plx file: it starts with 0x{int(header['MagicNumber']):08x}, not with 'PLEX'"
        raise InputError(what, _byte(path, 0), "name a Plexon .plx file")
    if int(header["Version"]) not in plx.VERSIONS:
        what = f".plx version {int(header['Version'])} is unknown; versions 100 to 107 are read"
        raise InputError(what, _byte(path, 4), "save the file as version 107 with Plexon's PlexUtil")
    if header["ADFrequency"] <= 0:
        what = f"the time stamp rate is {int(header['ADFrequency'])} Hz"
        raise InputError(what, _byte(path, plx.place("ADFrequency")), AGAIN)
    return header


def _check_unique(table: np.ndarray, path: Path) -> None:
    channels = table["Channel"]
    if np.unique(channels).size != channels.size:
        values, counts = np.unique(channels, return_counts=True)
        double = int(values[counts > 1][0])
        raise InputError(f"channel {double} has two headers of one kind", path, AGAIN)


def _check_end(content: np.ndarray, ended: int, end: int, path: Path) -> None:
    """Refuse a walk that did not end with the file's last byte."""
    if end == DONE and content.size % 2 == 0:
        return
    left = content.size - 2 * ended
    what = {
        CUT: f"the last block is cut: {left} bytes are left",
        BAD_TYPE: f"no block starts here, {left} bytes before the end",
        BAD_TIME: "a time stamp has more than 40 bits",
        DONE: "one byte is left after the last block",
    }[end]
    raise InputError(what, _byte(path, 2 * ended), AGAIN)


def _check_channels(file: PlxFile) -> None:
    """Refuse blocks of channels that have no header, and units beyond z."""
    special = [plx.STROBED, plx.START, plx.STOP]
    with_header = (
        ("spike", file.spikes, file.spike_headers["Channel"]),
        ("event", file.events, np.append(file.event_headers["Channel"], special)),
        ("continuous", file.continuous, file.slow_headers["Channel"]),
    )
    of_events = file.event_headers["Channel"]
    repeated = np.unique(of_events).size < of_events.size  # their numbers say nothing then
    for name, blocks, channels in with_header:
        if name == "event" and repeated:
            continue
        without_header = np.flatnonzero(~np.isin(blocks.channel, channels))
        if without_header.size:
            what = f"a {name} block of channel {blocks.channel[without_header[0]]}, which has no header"
            raise InputError(what, _byte(file.path, 2 * int(blocks.word[without_header[0]]) - 16), AGAIN)
    sorted_far = np.flatnonzero(file.spikes.unit > plx.MAX_UNIT)
    if sorted_far.size:
        what = f"a spike of unit {file.spikes.unit[sorted_far[0]]}; units go from 0 to {plx.MAX_UNIT}"
        raise InputError(what, _byte(file.path, 2 * int(file.spikes.word[sorted_far[0]]) - 16), AGAIN)


def _check_counts(file: PlxFile) -> None:
    """Compare the header's counts with the blocks.

    A table of counts that is all zero was never written (a crash, or a
    converter that leaves it out) and is not compared.
    """
    in_header = file.header["TSCounts"][: plx.LAST_COUNTED_CHANNEL + 1]
    spikes = np.zeros(in_header.shape, np.int64)
    channel, unit = file.spikes.channel, file.spikes.unit
    counted = (channel >= 0) & (channel <= plx.LAST_COUNTED_CHANNEL) & (unit < plx.COUNTED_UNITS)
    np.add.at(spikes, (channel[counted], unit[counted]), 1)
    at = plx.place("TSCounts")
    _compare("spikes of (channel, unit)", in_header, spikes, at, file.path)

    in_header = file.header["EVCounts"]
    at = plx.place("EVCounts")
    channel = file.events.channel
    events = np.bincount(channel[(channel >= 0) & (channel < plx.FIRST_SLOW_COUNT)], minlength=300)
    _compare("events of channel", in_header[:300], events, at, file.path)

    channel = file.continuous.channel
    counted = (channel >= 0) & (channel <= plx.LAST_COUNTED_SLOW)
    samples = np.zeros(plx.LAST_COUNTED_SLOW + 1, np.int64)
    np.add.at(samples, channel[counted], file.continuous.values[counted])
    _compare("samples of continuous channel", in_header[300:], samples, at + 1200, file.path)


def _compare(counted_name: str, in_header: np.ndarray, in_blocks: np.ndarray, at: int, path: Path) -> None:
    # Counts are 32 bits wide and wrap in very long files.
    mismatches = np.flatnonzero((in_header != in_blocks.astype(np.int32)).ravel())
    if not mismatches.size or not in_header.any():
        return
    index = np.unravel_index(mismatches[0], in_header.shape)
    entry = ", ".join(str(int(i)) for i in index)
    what = f"the header counts {in_header[index]} {counted_name} {entry}, the blocks hold {in_blocks[index]}"
    raise InputError(what, _byte(path, at + 4 * int(mismatches[0])), AGAIN)
