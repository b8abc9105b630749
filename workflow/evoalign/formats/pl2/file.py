"""Reads headers, blocks and footer of a .pl2 file, and holds their totals against each other.

Plexon has published no layout of the format: what is known of it is in
`plexon2_layout`, and whatever does not add up by it is refused with the advice
to export the file with Plexon's own library.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evoalign.errors import InputError
from evoalign.formats.pl2 import layout as pl2
from evoalign.formats.pl2.footer import check_footer
from evoalign.formats.pl2.walk import BAD_LENGTH, BAD_TYPE, CUT, DONE, Blocks2, walk
from evoalign.formats.plexon.raw_bytes import as_words, map_bytes

EXPORT = (
    "copy the file again; if it stays so, run `python -m evoalign.formats.pl2 export FILE.pl2` "
    "on the acquisition PC and read the bundle that it writes"
)


@dataclass(frozen=True)
class Pl2File:
    """A .pl2 file: its headers, and where its blocks lie.

    Attributes
    ----------
    path : Path
    content : uint8 array [byte]
        Memory map of the file.
    header : FILE_HEADER record
    spike_headers, analog_headers, event_headers : arrays of SPIKE_HEADER, ANALOG_HEADER, EVENT_HEADER
    blocks : Blocks2
        All data blocks.
    finished : bool
        The file has a footer (it has none after a crash).
    whole : bool
        All blocks were walked, not those of the beginning only.
    """

    path: Path
    content: np.ndarray
    header: np.void
    spike_headers: np.ndarray
    analog_headers: np.ndarray
    event_headers: np.ndarray
    blocks: Blocks2
    finished: bool
    whole: bool = True

    @property
    def clock_hz(self) -> float:
        """Rate of the time stamps."""
        return float(self.header["TimestampFrequency"])

    @property
    def full_duration_s(self) -> float | None:
        """Seconds that the header tells, NaN where it tells none; None when all blocks were walked."""
        if self.whole:
            return None
        return int(self.header["DurationOfRecording"]) / self.clock_hz or float("nan")

    @property
    def start(self) -> dt.datetime | None:
        """Start of the recording as the header gives it: local time, without a zone."""
        s, m, h, day, month, year, _, _, _, ms = (int(v) for v in self.header["CreatorDateTime"])
        try:
            return dt.datetime(year + 1900, month + 1, day, h, m, s, 1000 * ms)
        except (ValueError, OverflowError):
            return None

    def rows(self, kind: int) -> Blocks2:
        """Return the blocks of one type."""
        return self.blocks.take(np.flatnonzero(self.blocks.kind == kind))

    def stamps(self, blocks: Blocks2, block: int) -> tuple[np.ndarray, np.ndarray]:
        """Return time stamps (uint64 [n]) and units or values (uint16 [n]) of a block."""
        at, n = 2 * int(blocks.word[block]), int(blocks.n[block])
        return self.content[at : at + 8 * n].view("<u8"), self.content[at + 8 * n : at + 10 * n].view("<u2")

    def waveforms(self, blocks: Blocks2, block: int) -> np.ndarray:
        """Return the waveforms (int16 [spike, point]) of a spike block."""
        n, points = int(blocks.n[block]), int(blocks.points[block])
        at = 2 * int(blocks.word[block]) + 10 * n
        return self.content[at : at + 2 * n * points].view("<i2").reshape(n, points)


def read_pl2(path: Path, most_bytes: int | None = None) -> Pl2File:
    """Read the headers of a .pl2 file, walk its blocks and check them against its footer.

    Parameters
    ----------
    path : Path
        The file.
    most_bytes : int, optional
        Only the blocks before this byte are walked; totals and footer are then not compared.

    Returns
    -------
    Pl2File

    Raises
    ------
    InputError
        With the byte: the file is missing, cut, of another kind, or its
        totals contradict each other.
    """
    content = map_bytes(path)
    header = _file_header(content, path)
    spikes, analog, events = _channel_headers(content, header, path)
    finished = bool(header["StartOfFooter"])
    end = int(header["EndOfDataBlocks"]) if finished else content.size
    first = int(header["FirstDataBlock"])
    whole = most_bytes is None or most_bytes >= end
    walked = end if whole else max(first, most_bytes or 0)
    blocks, at, ended = walk(as_words(content), first // 2, walked // 2)
    if ended != DONE and (whole or ended != CUT):  # the beginning may end within a block
        what = {
            CUT: f"the last block is cut: {end - 2 * at} bytes are left",
            BAD_TYPE: f"0x{int(content[2 * at]):02x} is no known block type",
            BAD_LENGTH: "the lengths in this block's header contradict each other",
        }[ended]
        raise refuse(what, path, 2 * at)
    file = Pl2File(path, content, header, spikes, analog, events, blocks, finished, whole)
    _check_blocks(file)
    if not whole:
        return file
    if finished:
        check_footer(content, int(header["StartOfFooter"]), blocks, path, EXPORT)
    _check_units(file)
    return file


def last_tick(header: np.void) -> int:
    """Return the largest time stamp that may be: a second after the end, or a year without an end."""
    clock = float(header["TimestampFrequency"])
    duration = int(header["DurationOfRecording"])
    year = int(366 * 86_400 * clock)
    return min(duration + int(clock), year) if duration else year


def refuse(what: str, path: Path, at: int) -> InputError:
    """Return the error for bytes that do not add up."""
    return InputError(what, f"{path}, byte {at}", EXPORT)


def _file_header(content: np.ndarray, path: Path) -> np.void:
    if content.size < pl2.FILE_HEADER.itemsize:
        what = f"the file has {content.size} bytes; the header alone takes {pl2.FILE_HEADER.itemsize}"
        raise refuse(what, path, content.size)
    header = np.frombuffer(content, pl2.FILE_HEADER, 1)[0]
    if header["Version"][0] != pl2.VERSION_BYTE or not bytes(header["CreatorSoftwareName"]):
        what = f"no .pl2 file: it starts with byte {int(header['Version'][0])}, not with {pl2.VERSION_BYTE}"
        raise InputError(what, f"{path}, byte 0", "name a Plexon .pl2 file")
    rate = float(header["TimestampFrequency"])
    if not 1 <= rate <= 1e9:
        raise refuse(f"the time stamp rate is {rate} Hz", path, pl2.place("TimestampFrequency"))
    marks = ["EndOfHeader", "FirstDataBlock", "EndOfDataBlocks", "StartOfFooter"]
    if not header["StartOfFooter"] and not header["EndOfDataBlocks"]:
        marks = marks[:2]  # never closed: neither was written
    previous_mark = pl2.HEADERS_START
    for mark in marks:
        value = int(header[mark])
        if value % 16 or not previous_mark <= value <= content.size:
            what = f"{mark} is {value}; the file has {content.size} bytes"
            raise refuse(f"{what}: it is cut, or its header is damaged", path, pl2.place(mark))
        previous_mark = value
    return header


def _channel_headers(content: np.ndarray, header: np.void, path: Path) -> tuple[np.ndarray, ...]:
    headers: dict[int, list[np.ndarray]] = {tag: [] for tag in pl2.HEADER_OF}
    at, end = pl2.HEADERS_START, int(header["EndOfHeader"])
    while at < end:
        dtype = pl2.HEADER_OF.get(int(content[at]))
        if dtype is None or at + dtype.itemsize > end:
            raise refuse(f"0x{int(content[at]):02x} starts no channel header", path, at)
        channel = np.frombuffer(content, dtype, 1, at)
        if 16 + 2 * int(channel["Words"][0]) != dtype.itemsize:
            raise refuse("the length of this channel header is not the known one", path, at)
        if (
            channel["TagSource"][0] != channel["Source"][0]
            or channel["TagChannel"][0] != channel["Channel"][0]
        ):
            raise refuse("this channel header names two channels", path, at)
        headers[int(content[at])].append(channel)
        at += dtype.itemsize
    tables = tuple(
        np.concatenate(headers[tag]) if headers[tag] else np.empty(0, pl2.HEADER_OF[tag])
        for tag in (pl2.SPIKE_TAG, pl2.ANALOG_TAG, pl2.EVENT_TAG)
    )
    _check_totals(header, tables, path)
    return tables


def _check_totals(header: np.void, tables: tuple[np.ndarray, ...], path: Path) -> None:
    spikes, analog, events = tables
    if not len(spikes) and not len(analog):
        raise InputError("the file has no spike and no continuous channels", path, "record it again")
    totals = {
        "NumberOfChannelHeaders": len(spikes) + len(analog) + len(events),
        "TotalNumberOfSpikeChannels": len(spikes),
        "NumberOfRecordedSpikeChannels": int((spikes["ChannelRecordingEnabled"] != 0).sum()),
        "TotalNumberOfAnalogChannels": len(analog),
        "NumberOfRecordedAnalogChannels": int((analog["ChannelRecordingEnabled"] != 0).sum()),
        "NumberOfDigitalChannels": len(events),
    }
    for field, counted in totals.items():
        if int(header[field]) != counted:
            what = f"{field} is {int(header[field])}, the channel headers make it {counted}"
            raise refuse(what, path, pl2.place(field))
    for table in tables:
        keys = table["Source"].astype(np.int64) << 32 | table["Channel"]
        if np.unique(keys).size != keys.size:
            raise refuse("two channel headers name the same channel", path, pl2.HEADERS_START)


def _check_blocks(file: Pl2File) -> None:
    """Refuse blocks of channels that have no header, or that contradict it."""
    blocks = file.blocks
    key = blocks.source.astype(np.int64) << 32 | blocks.channel
    tables = (
        (pl2.SPIKE_BLOCK, file.spike_headers),
        (pl2.ANALOG_BLOCK, file.analog_headers),
        (pl2.EVENT_BLOCK, file.event_headers),
    )
    for kind, table in tables:
        with_header = table["Source"].astype(np.int64) << 32 | table["Channel"]
        without_header = np.flatnonzero((blocks.kind == kind) & ~np.isin(key, with_header))
        if without_header.size:
            at = without_header[0]
            what = f"a block of source {blocks.source[at]}, channel {blocks.channel[at]}, which has no header"
            raise refuse(what, file.path, 2 * int(blocks.word[at]) - 16)
    points = {
        int(k): int(p)
        for k, p in zip(
            file.spike_headers["Source"].astype(np.int64) << 32 | file.spike_headers["Channel"],
            file.spike_headers["SamplesPerSpike"],
            strict=True,
        )
    }
    late_blocks = np.flatnonzero((blocks.tick < 0) | (blocks.tick > last_tick(file.header)))
    if late_blocks.size:
        what = f"time stamp {blocks.tick[late_blocks[0]]} lies outside the recording"
        raise refuse(what, file.path, 2 * int(blocks.word[late_blocks[0]]) - 16)
    for at in np.flatnonzero(blocks.kind == pl2.SPIKE_BLOCK):
        if points[int(key[at])] != blocks.points[at]:
            what = (
                f"waveforms of {blocks.points[at]} points; the channel's header says {points[int(key[at])]}"
            )
            raise refuse(what, file.path, 2 * int(blocks.word[at]) - 16)


def _check_units(file: Pl2File) -> None:
    """Compare the header's spike counts, unit by unit, with the blocks."""
    blocks = file.rows(pl2.SPIKE_BLOCK)
    for row, head in enumerate(file.spike_headers):
        in_header = head["UnitCounts"].astype(np.int64)
        channel_blocks = np.flatnonzero(
            (blocks.source == head["Source"]) & (blocks.channel == head["Channel"])
        )
        units = [file.stamps(blocks, int(block))[1] for block in channel_blocks]
        in_blocks = np.bincount(np.concatenate(units), minlength=256) if units else np.zeros(256, np.int64)
        if in_blocks.size > 256:
            at = 2 * int(blocks.word[channel_blocks[0]])
            raise refuse(f"a spike of unit {in_blocks.size - 1}; the format has 0 to 255", file.path, at)
        mismatches = np.flatnonzero(in_header != in_blocks)
        if mismatches.size and (file.finished or in_header.any()):
            unit = int(mismatches[0])
            what = f"the header counts {in_header[unit]} spikes of unit {unit} on channel {head['Channel']}"
            what += f", the blocks hold {in_blocks[unit]}"
            raise refuse(
                what, file.path, pl2.HEADERS_START + row * pl2.SPIKE_HEADER.itemsize + 160 + 8 * unit
            )
