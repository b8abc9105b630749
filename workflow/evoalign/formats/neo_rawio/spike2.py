"""Reads CED Spike2 .smr files (32 bit; "The Son data storage library", Cambridge Electronic Design).

A channel is a chain of blocks. Neo 0.14.6 drops events and spikes outside the
continuous channels' time, and counts blocks in 16 bits with a sign, so that a
channel of more than 32,767 blocks is empty.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from evoalign.formats.neo_rawio.checked import mapped, refuse
from evoalign.formats.neo_rawio.contents import FIRST_ANALOG, Channel, Group, RecordingContents, neural_role
from evoalign.formats.neo_rawio.pieces import Piece, PieceReader, Quantised, steps_of
from evoalign.formats.neo_rawio.spike2_layout import (
    ADC,
    ADC_MARK,
    BIG,
    CHANNEL,
    CHANNELS_AT,
    EVENT_BOTH,
    HEADER,
    MARK,
    REAL_MARK,
    REAL_WAVE,
    SYSTEM,
    TEXT_MARK,
    Chain,
    chain_of,
    channel_at,
    marks_of,
    pascal,
)
from evoalign.formats.plexon.contents import BlockReader
from evoalign.formats.plexon.runs import Runs, backward_step, channel_runs, group_channels
from evoalign.formats.plexon.streams import NOT_NEURAL, Continuous
from evoalign.formats.plexon.walk import Blocks

ADC_VOLTS = 6553.6  # counts for `scale` of 1
MICROVOLTS = {"uv": 1.0, "µv": 1.0, "microvolts": 1.0, "mv": 1e3, "v": 1e6, "volt": 1e6, "volts": 1e6}


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
        chain = chain_of(path, size, place, channel, 512 if head["systemID"] == BIG else 1)
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
            raise refuse(
                SYSTEM, f"channel {chain.number} is of kind {channel['kind']}", path, channel_at(place)
            )
    for rate, channels in waves.items():
        _group(contents, channels, rate, tick_s)
    contents.metadata["event_channels"] = events
    return contents


def _event(contents: RecordingContents, path: Path, chain: Chain, tick_s: float) -> None:
    marks = marks_of(path, chain)
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
    marks = marks_of(path, chain)
    unit = marks["code"][:, 0].astype(np.int64)
    gain, _ = _scale(contents, chain)
    contents.spike_channels[chain.number] = (chain.title, gain, 1 / tick_s)
    contents.add_spikes(chain.number, unit, marks["tick"].astype(np.int64) * tick_s)


def _scale(contents: RecordingContents, chain: Chain) -> tuple[float, float]:
    """Return microvolts per count and offset; of what is no voltage, the file's unit, which is told."""
    unit = pascal(bytes(chain.head["units"]))
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
            channel_at(chain.number - 1),
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
