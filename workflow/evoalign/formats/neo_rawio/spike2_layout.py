"""Spike2's .smr files: headers, and channels as chains of blocks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evoalign.formats.neo_rawio.checked import mapped, refuse

SYSTEM = "Spike2"
HEADER = np.dtype(
    [("systemID", "<i2"), ("copyright", "S10"), ("creator", "S8"), ("usPerTime", "<i2"),
     ("timePerADC", "<i2"),
     ("fileState", "<i2"), ("firstData", "<i4"), ("channels", "<i2"), ("chanSize", "<i2"),
     ("extraData", "<i2"),
     ("bufferSz", "<i2"), ("osFormat", "<i2"), ("maxFTime", "<i4"), ("dTimeBase", "<f8"),
     ("timeDateHundredths", "u1"), ("timeDate", "u1", (5,)), ("timeDateYear", "<i2")]
)  # fmt: skip
CHANNEL = np.dtype(
    [("delSize", "<i2"), ("nextDelBlock", "<i4"), ("firstBlock", "<i4"), ("lastBlock", "<i4"),
     ("blocks", "<u2"),
     ("nExtra", "<u2"), ("preTrig", "<i2"), ("free0", "<i2"), ("phySz", "<u2"), ("maxData", "<i2"),
     ("comment", "S72"), ("maxChanTime", "<i4"), ("lChanDvd", "<i4"), ("phyChan", "<i2"),
     ("title", "S10"),
     ("idealRate", "<f4"), ("kind", "u1"), ("pad", "u1"), ("scale", "<f4"), ("offset", "<f4"),
     ("units", "S6"),
     ("divide", "<i2")]
)  # fmt: skip
BLOCK = np.dtype(
    [("predBlock", "<i4"), ("succBlock", "<i4"), ("startTime", "<i4"), ("endTime", "<i4"),
     ("chanNumber", "<u2"),
     ("items", "<u2")]
)  # fmt: skip
ADC, EVENT_FALL, EVENT_RISE, EVENT_BOTH, MARK, ADC_MARK, REAL_MARK, TEXT_MARK, REAL_WAVE = range(1, 10)
CHANNELS_AT, BIG = 512, 9


@dataclass(frozen=True)
class Chain:
    """A channel's header, its number from 1, and its blocks: byte of the first item, items, first tick."""

    number: int
    head: np.void
    title: str
    byte: np.ndarray
    n: np.ndarray
    tick: np.ndarray


def channel_at(place: int) -> int:
    """Return the byte at which a channel's header starts; places from 0."""
    return CHANNELS_AT + place * CHANNEL.itemsize


def pascal(raw: bytes) -> str:
    """Return a text that starts with its length."""
    return raw[1 : 1 + raw[0]].decode("latin-1").strip() if raw else ""


def chain_of(path: Path, size: int, place: int, channel: np.void, unit: int) -> Chain:
    """Walk a channel's blocks from the first to the last, and hold each against its neighbour."""
    words = mapped(path, "u1")
    rows: list[tuple[int, int, int]] = []
    at, before = int(channel["firstBlock"]), -1
    item_bytes = item_of(channel).itemsize
    while at != -1 and at * unit > 0:
        byte = at * unit
        if byte % 2 or byte + BLOCK.itemsize > size:
            raise refuse(SYSTEM, f"a block of channel {place + 1} lies outside the file", path, byte)
        block = np.frombuffer(words[byte : byte + BLOCK.itemsize].tobytes(), BLOCK)[0]
        n = int(block["items"])
        begin = byte + BLOCK.itemsize
        # The upper byte of the channel's number holds the level at the start of the block.
        if int(block["chanNumber"]) & 0xFF != (place + 1) & 0xFF or int(block["predBlock"]) != before:
            raise refuse(SYSTEM, f"the chain of channel {place + 1} is broken", path, byte)
        if begin + n * item_bytes > size or (rows and int(block["startTime"]) < rows[-1][2]):
            raise refuse(SYSTEM, f"a block of channel {place + 1} is cut, or time runs backwards", path, byte)
        rows.append((begin, n, int(block["startTime"])))
        before, at = at, int(block["succBlock"])
        if len(rows) > size // BLOCK.itemsize:
            raise refuse(SYSTEM, f"the chain of channel {place + 1} has no end", path, byte)
    if len(rows) % 65_536 != int(channel["blocks"]) or (rows and before != int(channel["lastBlock"])):
        listed = int(channel["blocks"])
        raise refuse(
            SYSTEM,
            f"channel {place + 1} has {len(rows)} blocks, {listed} in its header",
            path,
            channel_at(place),
        )
    columns = np.array(rows, np.int64).reshape(-1, 3)
    return Chain(place + 1, channel, pascal(bytes(channel["title"])), *columns.T)


def item_of(channel: np.void) -> np.dtype:
    """Return the layout of one item of a channel."""
    extra = int(channel["nExtra"])
    by_kind: dict[int, list[tuple]] = {
        ADC: [("value", "<i2")],
        REAL_WAVE: [("value", "<f4")],
        MARK: [("tick", "<i4"), ("code", "u1", (4,))],
    }
    for kind in (EVENT_FALL, EVENT_RISE, EVENT_BOTH):
        by_kind[kind] = [("tick", "<i4")]
    for kind in (ADC_MARK, REAL_MARK, TEXT_MARK):
        by_kind[kind] = [*by_kind[MARK], ("more", f"V{extra}")] if extra else by_kind[MARK]
    return np.dtype(by_kind.get(int(channel["kind"]), [("tick", "<i4")]))


def marks_of(path: Path, chain: Chain) -> np.ndarray:
    """Return the items of events and markers."""
    dtype = item_of(chain.head)
    parts = [
        np.array(mapped(path, dtype, int(b), int(n))) for b, n in zip(chain.byte, chain.n, strict=True) if n
    ]
    marks = np.concatenate(parts) if parts else np.empty(0, dtype)
    if len(marks) and (np.diff(marks["tick"].astype(np.int64)) < 0).any():
        raise refuse(SYSTEM, f"times of channel {chain.number} run backwards", path, int(chain.byte[0]))
    return marks
