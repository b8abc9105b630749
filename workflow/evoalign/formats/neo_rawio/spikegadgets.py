"""Reads SpikeGadgets .rec files of Trodes: XML, then packets of equal length.

Layout: the Trodes manual, and `recordThread.cpp` of its source. Neo 0.14.6
ignores the packets' own counters, so that lost packets move all that comes
after, and gives no digital inputs. It says how channels lie in a packet, which
is taken from there.
"""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from evoalign.errors import InputError
from evoalign.formats.neo_rawio.checked import (
    AGAIN,
    chunks,
    counter_breaks,
    from_sample,
    items,
    refuse,
    stretches,
)
from evoalign.formats.neo_rawio.contents import FIRST_ANALOG, Channel, Group, RecordingContents, neural_role
from evoalign.formats.neo_rawio.lines import SETTLE_S, changes, settled_words
from evoalign.formats.neo_rawio.pieces import Piece, PieceReader

SYSTEM = "SpikeGadgets"
END = b"</Configuration>"
MOST_HEADER = 1 << 25
SYNC = 0x55
# Microvolts per count of the Intan chips in the headstages: what Trodes itself assumes for files
# whose header has no scale (12,780 µV over 16 bits).
UNSCALED_UV = 12_780 / 65_536


class _Packets:
    """A 16-bit column a channel, at its byte of the packet."""

    def __init__(self, packets: np.ndarray, byte: np.ndarray) -> None:
        self._packets, self._byte = packets, byte

    def read(self, start: int, stop: int, columns: Any) -> np.ndarray:
        """Return int16 [sample, column]."""
        byte = self._byte[list(columns)]
        rows = self._packets[start:stop]
        if len(byte) and bool((np.diff(byte) == 2).all()):
            return np.ascontiguousarray(rows[:, byte[0] : byte[-1] + 2]).view("<i2")
        pairs = np.stack((rows[:, byte], rows[:, byte + 1]), axis=-1)
        return pairs.reshape(len(rows), -1).view("<i2")


def spikegadgets_contents(path: Path) -> RecordingContents:
    """Read a .rec file; samples stay in the file.

    Raises
    ------
    InputError
        No configuration is at its start, a packet is cut or does not start as
        packets do, or counters run backwards.
    """
    root, size = _configuration(path)
    hardware, spikes = root.find("HardwareConfiguration"), root.find("SpikeConfiguration")
    if hardware is None or spikes is None:
        raise refuse(SYSTEM, "the configuration names no hardware or no channels", path, 0)
    rate = _number(path, hardware, "samplingRate")
    if not 100 <= rate <= 100_000:
        raise refuse(SYSTEM, f"a sampling rate of {rate:g} Hz", path, 0)
    listed = [
        (int(_number(path, chan, "hwChan")), trode)
        for trode in spikes
        for chan in trode.findall("SpikeChannel")
    ]
    offsets, counter_at = _devices(path, hardware)
    length = counter_at + 4 + 2 * len(listed)
    packets = items(SYSTEM, path, "u1", size, length).reshape(-1, length)
    if not len(packets):
        raise refuse(SYSTEM, "no samples are in the recording", path, size)
    _check_sync(path, packets, size)

    def counter(start: int, stop: int) -> np.ndarray:
        return np.ascontiguousarray(packets[start:stop, counter_at : counter_at + 4]).view("<u4")[:, 0]

    parts = stretches(counter_breaks(counter, len(packets)), len(packets))
    first = np.array([int(counter(a, a + 1)[0]) for a, _ in parts], np.int64)
    lengths = np.array([b - a for a, b in parts])
    if (first[1:] < first[:-1] + lengths[:-1]).any():
        run = int(np.flatnonzero(first[1:] < first[:-1] + lengths[:-1])[0]) + 1
        raise refuse(SYSTEM, "the packets' counter runs backwards", path, size + parts[run][0] * length)
    starts = (first - first[0]) / rate
    segments = tuple(zip(starts.tolist(), lengths.tolist(), strict=True))
    contents = RecordingContents(start=_start(root))
    _continuous(contents, path, spikes, listed, packets, counter_at + 4, segments, parts, rate)
    _analog(contents, hardware, offsets, packets, segments, parts, rate)
    _words(contents, hardware, offsets, packets, parts, starts, rate)
    contents.metadata |= {"first_packet_counter": int(first[0]), "packets": len(packets)}
    return contents


def _configuration(path: Path) -> tuple[ElementTree.Element, int]:
    with path.open("rb") as file:
        content = file.read(MOST_HEADER)
    end = content.find(END)
    if end < 0:
        raise refuse(SYSTEM, "no configuration ends in the file", path, 0)
    newline = content.find(b"\n", end)
    size = newline + 1 if 0 <= newline - end <= len(END) + 2 else end + len(END)
    text = content[: end + len(END)]
    if b"<!ENTITY" in text or b"<!DOCTYPE" in text:
        raise refuse(SYSTEM, "the configuration defines entities", path, 0)
    try:
        return ElementTree.fromstring(text), size
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise InputError(f"{SYSTEM}: the configuration cannot be read: {error}", path, AGAIN) from error


def _number(path: Path, element: ElementTree.Element, key: str) -> float:
    try:
        value = float(element.attrib[key])
    except (KeyError, ValueError):
        value = float("nan")
    if not 0 <= value < 2**31:
        raise refuse(SYSTEM, f"{element.tag} has {key}='{element.attrib.get(key, '')[:30]}'", path, 0)
    return value


def _devices(path: Path, hardware: ElementTree.Element) -> tuple[dict[str, int], int]:
    """Return the byte where each device starts in a packet, and where the counter does."""
    at, offsets = 1, {}
    for device in hardware:
        if "numBytes" in device.attrib and device.attrib.get("available", "1") != "0":
            offsets[device.attrib.get("name", "")] = at
            at += int(_number(path, device, "numBytes"))
    if at > 1 << 16:
        raise refuse(SYSTEM, f"devices of {at} bytes a packet", path, 0)
    return offsets, at


def _check_sync(path: Path, packets: np.ndarray, size: int) -> None:
    for start, stop in chunks(len(packets)):
        wrong = np.flatnonzero(packets[start:stop, 0] != SYNC)
        if wrong.size:
            at = size + (start + int(wrong[0])) * packets.shape[1]
            raise refuse(SYSTEM, f"a packet does not start with {SYNC:#x}", path, at)


def _continuous(
    contents: RecordingContents,
    path: Path,
    spikes: ElementTree.Element,
    listed: list[tuple[int, ElementTree.Element]],
    packets: np.ndarray,
    begin: int,
    segments: tuple[tuple[float, int], ...],
    parts: list[tuple[int, int]],
    rate: float,
) -> None:
    if not listed:
        return
    trode_of = dict(listed)
    order = _order(path, spikes, sorted(trode_of))
    scales = [trode_of[hw].attrib.get("spikeScalingToUv") for hw in order]
    scaled = all(scale is not None for scale in scales)
    if not scaled:
        contents.metadata["scale"] = (
            f"the file has none; {UNSCALED_UV:.6f} µV a count is taken, that of the headstages' Intan chips"
        )
    channels = []
    for hw, scale in zip(order, scales, strict=True):
        try:
            gain = float(scale) if scaled and scale is not None else UNSCALED_UV
        except ValueError:
            gain = float("nan")
        channels.append(Channel(hw + 1, f"trode{trode_of[hw].attrib.get('id', '')}chan{hw}", gain))
    samples = _Packets(packets, begin + 2 * np.arange(len(order)))
    reader = PieceReader([[Piece(samples, a, b - a)] for a, b in parts])
    contents.groups.append(Group(neural_role(rate), rate, tuple(channels), segments, reader))


def _order(path: Path, spikes: ElementTree.Element, saved: list[int]) -> list[int]:
    """Return the hardware channels in the order of their bytes: chips take turns, channel by channel.

    Where channels do not fill whole chips, and on Neuropixels probes, they
    ascend (neo's SpikeGadgetsRawIO, which cites `recordThread.cpp`).
    """
    per_chip = spikes.attrib.get("chanPerChip", "32")
    n = int(per_chip) if per_chip.isascii() and per_chip.isdigit() else 0
    if spikes.attrib.get("device", "intan") not in ("intan", "neuropixels1", "neuropixels2"):
        raise refuse(SYSTEM, f"device {spikes.attrib['device'][:30]} is unknown", path, 0)
    if len(set(saved)) != len(saved):
        raise refuse(SYSTEM, "two channels have one hardware number", path, 0)
    if spikes.attrib.get("device", "intan") != "intan" or n < 1 or len(saved) % n:
        return saved
    return sorted(saved, key=lambda hw: (hw % n, hw // n))


def _digital_lines(
    hardware: ElementTree.Element, offsets: dict[str, int], width: int
) -> list[tuple[int, int, int]]:
    """Return (line from 0, byte, bit) of the digital inputs: the ECU's, else the MCU's."""
    for device in sorted(hardware, key=lambda d: d.attrib.get("name", "") != "ECU"):
        at = offsets.get(device.attrib.get("name", ""))
        lines = []
        for channel in device if at is not None else ():
            match = re.search(r"Din(\d+)$", channel.attrib.get("id", ""))
            byte, bit = channel.attrib.get("startByte", ""), channel.attrib.get("bit", "")
            if match and byte.isdigit() and bit.isdigit() and at is not None:
                place = (int(match[1]) - 1, at + int(byte), int(bit))
                if 0 <= place[0] < 62 and place[1] < width and place[2] < 8:
                    lines.append(place)
        if lines:
            return lines
    return []


def _words(
    contents: RecordingContents,
    hardware: ElementTree.Element,
    offsets: dict[str, int],
    packets: np.ndarray,
    parts: list[tuple[int, int]],
    starts: np.ndarray,
    rate: float,
) -> None:
    lines = _digital_lines(hardware, offsets, packets.shape[1])
    short = 0

    def level(start: int, stop: int) -> np.ndarray:
        total = np.zeros(stop - start, np.int64)
        for line, byte, bit in lines:
            total |= ((packets[start:stop, byte] >> np.uint8(bit)) & np.uint8(1)).astype(np.int64) << line
        return total

    for rank, (a, b) in enumerate(parts):
        if lines:
            sample, shown = changes(from_sample(level, a), b - a)
            at, word, lost = settled_words(sample, shown, SETTLE_S * rate)
            contents.add_words(starts[rank] + at / rate, word, "digital")
            short += lost
    contents.metadata |= {"digital_inputs": len(lines), "short_pulses": short}


def _analog(
    contents: RecordingContents,
    hardware: ElementTree.Element,
    offsets: dict[str, int],
    packets: np.ndarray,
    segments: tuple[tuple[float, int], ...],
    parts: list[tuple[int, int]],
    rate: float,
) -> None:
    """Add the ECU's analog inputs; interleaved sensors of the headstage are left out."""
    channels, byte, left_out = [], [], []
    for device in hardware:
        at = offsets.get(device.attrib.get("name", ""))
        for channel in device if at is not None else ():
            if channel.attrib.get("dataType") != "analog" or at is None:
                continue
            name, start = channel.attrib.get("id", ""), channel.attrib.get("startByte", "")
            match = re.search(r"(\d+)$", name)
            if "interleavedDataIDByte" in channel.attrib or not start.isdigit() or not match:
                left_out.append(name)
                continue
            if at + int(start) + 1 >= packets.shape[1]:
                raise InputError(f"{SYSTEM}: input {name[:30]} lies outside the packet", "", AGAIN)
            # +-10 V over 16 bits, as the ECU's manual says.
            channels.append(Channel(FIRST_ANALOG + int(match[1]), name, 20e6 / 65_536))
            byte.append(at + int(start))
    if channels:
        reader = PieceReader([[Piece(_Packets(packets, np.array(byte)), a, b - a)] for a, b in parts])
        contents.groups.append(Group("analog", rate, tuple(channels), segments, reader))
    if left_out:
        contents.metadata["inputs_left_out"] = left_out


def _start(root: ElementTree.Element) -> dt.datetime | None:
    configuration = root.find("GlobalConfiguration")
    created = "" if configuration is None else configuration.attrib.get("systemTimeAtCreation", "")
    if created.isascii() and created.isdigit() and 0 < int(created) < 1 << 43:
        return dt.datetime.fromtimestamp(int(created) / 1000, dt.UTC)
    return None
