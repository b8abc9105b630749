"""Reads CED Spike2 .smr files (32 bit; "The Son data storage library", Cambridge Electronic Design).

A channel is a chain of blocks. Neo 0.14.6 drops events and spikes outside the
continuous channels' time, and counts blocks in 16 bits with a sign, so that a
channel of more than 32,767 blocks is empty.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evoalign.formats.neo_rawio.checked import mapped, refuse
from evoalign.formats.neo_rawio.contents import FIRST_ANALOG, Channel, Group, RecordingContents, neural_role
from evoalign.formats.neo_rawio.pieces import Piece, PieceReader, Quantised, steps_of
from evoalign.formats.plexon.contents import BlockReader
from evoalign.formats.plexon.runs import Runs, backward_step, channel_runs, group_channels
from evoalign.formats.plexon.streams import NOT_NEURAL, Continuous
from evoalign.formats.plexon.walk import Blocks

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
ADC_VOLTS = 6553.6  # counts for `scale` of 1
MICROVOLTS = {"uv": 1.0, "µv": 1.0, "microvolts": 1.0, "mv": 1e3, "v": 1e6, "volt": 1e6, "volts": 1e6}


@dataclass(frozen=True)
class Chain:
    """A channel's header, its number from 1, and its blocks: byte of the first item, items, first tick."""

    number: int
    head: np.void
    title: str
    byte: np.ndarray
    n: np.ndarray
    tick: np.ndarray


def smr_contents(path: Path, gap_tolerance_s: float) -> RecordingContents:
    """Read a .smr file; samples stay in the file.

    Codes of digital markers are words ('strobed'). Events, other markers and
    keys are single lines ('bit') with the number of their channel. Each
    waveform mark is an online spike; its code is the unit.

    Raises
    ------
    InputError
        It is no such file, or the chain of a channel's blocks is broken.
    """
    size = path.stat().st_size
    if size < CHANNELS_AT:
        raise refuse(SYSTEM, "the file is shorter than a header", path, 0)
    head = mapped(path, HEADER, 0, 1)[0]
    if head["copyright"] != b"(C) CED 87" or not 1 <= head["systemID"] <= BIG:
        raise refuse(
            SYSTEM, "the file does not start as a 32-bit Spike2 file", path, 0, "export .smrx files as .smr"
        )
    n = int(head["channels"])
    if not 0 < n <= (size - CHANNELS_AT) // CHANNEL.itemsize:
        raise refuse(SYSTEM, f"{n} channels, more than fit in the file", path, 30)
    base = float(head["dTimeBase"]) if head["systemID"] >= 6 else 1e-6
    tick_s = float(head["usPerTime"]) * base
    if not (np.isfinite(tick_s) and 0 < tick_s < 1):
        raise refuse(SYSTEM, f"a clock of {tick_s:g} s", path, 20)
    heads = mapped(path, CHANNEL, CHANNELS_AT, n)
    contents = RecordingContents(metadata={"system_id": int(head["systemID"]), "units_of_channels": {}})
    waves: dict[float, list[Continuous]] = {}
    events: dict[str, int] = {}
    for place, channel in enumerate(heads):
        if not channel["kind"]:
            continue
        chain = _chain(path, size, place, channel, 512 if head["systemID"] == BIG else 1)
        if not len(chain.n):
            continue
        if channel["kind"] in (ADC, REAL_WAVE):
            divide = (
                int(channel["divide"]) * int(head["timePerADC"])
                if head["systemID"] < 6
                else int(channel["lChanDvd"])
            )
            _wave(contents, path, chain, divide, tick_s, gap_tolerance_s, waves)
        elif channel["kind"] in (ADC_MARK, REAL_MARK):
            _spikes(contents, path, chain, tick_s)
        elif channel["kind"] <= TEXT_MARK:
            events[f"{chain.number} {chain.title}".strip()] = chain.number
            _event(contents, path, chain, tick_s)
        else:
            raise refuse(SYSTEM, f"channel {chain.number} is of kind {channel['kind']}", path, _at(place))
    for rate, channels in waves.items():
        _group(contents, channels, rate, tick_s)
    contents.metadata["event_channels"] = events
    return contents


def _at(place: int) -> int:
    return CHANNELS_AT + place * CHANNEL.itemsize


def _pascal(raw: bytes) -> str:
    return raw[1 : 1 + raw[0]].decode("latin-1").strip() if raw else ""


def _chain(path: Path, size: int, place: int, channel: np.void, unit: int) -> Chain:
    """Walk a channel's blocks from the first to the last, and hold each against its neighbour."""
    words = mapped(path, "u1")
    rows: list[tuple[int, int, int]] = []
    at, before = int(channel["firstBlock"]), -1
    item = _item(channel).itemsize
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
        if begin + n * item > size or (rows and int(block["startTime"]) < rows[-1][2]):
            raise refuse(SYSTEM, f"a block of channel {place + 1} is cut, or time runs backwards", path, byte)
        rows.append((begin, n, int(block["startTime"])))
        before, at = at, int(block["succBlock"])
        if len(rows) > size // BLOCK.itemsize:
            raise refuse(SYSTEM, f"the chain of channel {place + 1} has no end", path, byte)
    if len(rows) % 65_536 != int(channel["blocks"]) or (rows and before != int(channel["lastBlock"])):
        listed = int(channel["blocks"])
        raise refuse(
            SYSTEM, f"channel {place + 1} has {len(rows)} blocks, {listed} in its header", path, _at(place)
        )
    columns = np.array(rows, np.int64).reshape(-1, 3)
    return Chain(place + 1, channel, _pascal(bytes(channel["title"])), *columns.T)


def _item(channel: np.void) -> np.dtype:
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


def _marks(path: Path, chain: Chain) -> np.ndarray:
    """Return the items of events and markers."""
    dtype = _item(chain.head)
    parts = [
        np.array(mapped(path, dtype, int(b), int(n))) for b, n in zip(chain.byte, chain.n, strict=True) if n
    ]
    marks = np.concatenate(parts) if parts else np.empty(0, dtype)
    if len(marks) and (np.diff(marks["tick"].astype(np.int64)) < 0).any():
        raise refuse(SYSTEM, f"times of channel {chain.number} run backwards", path, int(chain.byte[0]))
    return marks


def _event(contents: RecordingContents, path: Path, chain: Chain, tick_s: float) -> None:
    marks = _marks(path, chain)
    time_s = marks["tick"].astype(np.int64) * tick_s
    kind = int(chain.head["kind"])
    # Spike2 keeps the digital inputs on channel 32 as markers of one byte.
    if kind == MARK and (chain.number == 32 or re.match(r"dig", chain.title, re.IGNORECASE)):
        code = marks["code"][:, 0].astype(np.int64)
        contents.add_words(time_s[code > 0], code[code > 0], "strobed")
        return
    if kind == EVENT_BOTH:
        # Levels: the header says whether the first edge rises.
        # `initLow` lies where waveforms have their scale.
        first_rises = bool(chain.head["scale"].tobytes()[0])
        time_s = time_s[0 if first_rises else 1 :: 2]
    contents.add_words(time_s, np.full(len(time_s), chain.number), "bit")
    if kind in (MARK, TEXT_MARK):
        codes = marks["code"][:, 0].tolist()
        listed = [[float(t), int(c)] for t, c in zip(time_s[:100], codes[:100], strict=True)]
        contents.metadata.setdefault("markers", {})[f"{chain.number} {chain.title}".strip()] = listed


def _spikes(contents: RecordingContents, path: Path, chain: Chain, tick_s: float) -> None:
    marks = _marks(path, chain)
    unit = marks["code"][:, 0].astype(np.int64)
    gain, _ = _scale(contents, chain)
    contents.spike_channels[chain.number] = (chain.title, gain, 1 / tick_s)
    contents.add_spikes(chain.number, unit, marks["tick"].astype(np.int64) * tick_s)


def _scale(contents: RecordingContents, chain: Chain) -> tuple[float, float]:
    """Return microvolts per count and offset; of what is no voltage, the file's unit, which is told."""
    unit = _pascal(bytes(chain.head["units"]))
    contents.metadata["units_of_channels"][chain.title] = unit
    microvolts = MICROVOLTS.get(unit.lower(), 1.0)
    if int(chain.head["kind"]) in (REAL_WAVE, REAL_MARK):
        return microvolts, 0.0
    return microvolts * float(chain.head["scale"]) / ADC_VOLTS, microvolts * float(chain.head["offset"])


def _wave(
    contents: RecordingContents,
    path: Path,
    chain: Chain,
    divide: int,
    tick_s: float,
    gap_tolerance_s: float,
    waves: dict[float, list[Continuous]],
) -> None:
    if divide <= 0:
        raise refuse(
            SYSTEM,
            f"channel {chain.number} has a sampling interval of {divide} ticks",
            path,
            _at(chain.number - 1),
        )
    rate = 1 / (divide * tick_s)
    none = np.zeros(len(chain.n), np.int32)
    word = chain.byte // 2
    if int(chain.head["kind"]) == REAL_WAVE:
        word = chain.byte // 4
    blocks = Blocks(word, chain.tick, none, none, chain.n)
    tolerance = gap_tolerance_s / tick_s
    runs = channel_runs(blocks, divide, tolerance)
    wrong = backward_step(runs, divide, tolerance)
    if wrong >= 0:
        raise refuse(SYSTEM, f"time of channel {chain.number} runs backwards", path, int(chain.byte[0]))
    name, (gain, offset) = chain.title, _scale(contents, chain)
    voltage = contents.metadata["units_of_channels"][name].lower() in MICROVOLTS
    neural = (
        voltage
        and not NOT_NEURAL.search(name)
        and (rate >= 20_000 or re.match(r"(LFP|EEG|FP)", name, re.IGNORECASE))
    )
    role = neural_role(rate) if neural else "analog"
    number = chain.number + (FIRST_ANALOG if role == "analog" else 0)
    if int(chain.head["kind"]) == REAL_WAVE:
        _real_wave(contents, path, chain, runs, Channel(number, name, gain, offset), role, rate, tick_s)
        return
    contents.metadata.setdefault("offset_uv", {})[number] = offset
    samples = mapped(path, "<i2", 0, path.stat().st_size // 2)
    waves.setdefault(rate, []).append(Continuous(role, number, name, rate, gain, runs, samples))


def _real_wave(
    contents: RecordingContents,
    path: Path,
    chain: Chain,
    runs: Runs,
    channel: Channel,
    role: str,
    rate: float,
    tick_s: float,
) -> None:
    """Add a floating-point channel in steps of its own."""
    parts = [
        mapped(path, "<f4", int(b), int(n))[:, None] for b, n in zip(chain.byte, chain.n, strict=True) if n
    ]
    step = steps_of(parts)
    if step is None:
        raise refuse(
            SYSTEM, f"channel {chain.number} holds values that are no numbers", path, int(chain.byte[0])
        )
    table = [Piece(Quantised(part, step), 0, len(part)) for part in parts]
    ends = np.cumsum([0, *[piece.n for piece in table]])
    segments, pieces = [], []
    for tick, first, n in zip(runs.tick.tolist(), runs.sample.tolist(), runs.length.tolist(), strict=True):
        a, b = np.searchsorted(ends, [first, first + n])
        pieces.append(table[int(a) : int(b)])
        segments.append((tick * tick_s, n))
    contents.metadata.setdefault("floating_point_in_steps_of_uv", {})[channel.name] = float(
        step[0] * channel.gain_uv
    )
    scaled = Channel(channel.number, channel.name, float(step[0]) * channel.gain_uv)
    contents.groups.append(Group(role, rate, (scaled,), tuple(segments), PieceReader(pieces)))


def _group(contents: RecordingContents, channels: list[Continuous], rate: float, tick_s: float) -> None:
    """Put channels of one rate into groups of one role that share segments."""
    offsets = contents.metadata.pop("offset_uv", {})
    for role in {c.role for c in channels}:
        members_of_role = [c for c in channels if c.role == role]
        for group in group_channels([c.runs for c in members_of_role], 1 / (rate * tick_s)):
            members = [members_of_role[place] for place in group.members]
            starts = (group.tick * tick_s).tolist()
            contents.groups.append(
                Group(
                    role,
                    rate,
                    tuple(Channel(c.number, c.name, c.gain_uv, offsets.get(c.number, 0.0)) for c in members),
                    tuple(zip(starts, group.length.tolist(), strict=True)),
                    BlockReader(members, group.sample),
                )
            )
            if group.lost:
                contents.metadata.setdefault("samples_outside_shared_segments", {})[f"{role}_{rate:g}"] = (
                    group.lost
                )
    contents.metadata["offset_uv"] = offsets
