"""Reads Intan .rhd and .rhs recordings: whole files, one file a signal type, one file a channel.

The layouts follow "RHD2000 Data File Formats" and "RHS2000 Data File Formats"
of Intan Technologies. Neo 0.14.6 gives the auxiliary inputs of folders a
quarter of their rate, refuses recordings with gaps, and gives no event words.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evoalign.formats.neo_rawio.checked import counter_breaks, from_sample, refuse, stretches
from evoalign.formats.neo_rawio.contents import FIRST_ANALOG, Channel, Group, RecordingContents, neural_role
from evoalign.formats.neo_rawio.intan_files import IntanPart, folder_part, info_file, whole_file
from evoalign.formats.neo_rawio.intan_header import (
    IntanHeader,
    adc_scale,
    electrode_number,
    read_header,
)
from evoalign.formats.neo_rawio.lines import SETTLE_S, changes, settled_words
from evoalign.formats.neo_rawio.pieces import Piece, PieceReader

AMPLIFIER_UV = 0.195
AUXILIARY_UV = 37.4  # on 0 to 2.45 V
# What is counted from where: an auxiliary input is input 1001 and up.
AUXILIARY_FROM = FIRST_ANALOG + 1_000
DATE = re.compile(r"(?<!\d)(\d{6})_(\d{6})(?!\d)")


def intan_contents(files: Sequence[Path]) -> RecordingContents:
    """Read an Intan recording; samples stay in the files.

    Parameters
    ----------
    files : sequence of path
        One folder with ``info.rhd`` or ``info.rhs``, or the ``.rhd``/``.rhs``
        files of one recording, in any order.

    Raises
    ------
    InputError
        Sizes, counters or headers do not fit each other: with the file and byte.
    """
    if len(files) == 1 and files[0].is_dir():
        header = read_header(info_file(files[0]))
        parts = [folder_part(files[0], header)]
    else:
        headers = [read_header(file) for file in files]
        header = headers[0]
        for other, file in zip(headers, files, strict=True):
            if (other.system, other.rate_hz, other.channels) != (
                header.system,
                header.rate_hz,
                header.channels,
            ):
                raise refuse(header.system, "rate or channels differ from the first file's", file)
        parts = [whole_file(file, h) for file, h in zip(files, headers, strict=True)]
    if not any(part.n for part in parts):
        raise refuse(header.system, "no samples are in the recording", files[0])
    parts = sorted((p for p in parts if p.n), key=lambda part: int(part.counter(0, 1)[0]))
    return _contents(files, header, parts)


def _contents(files: Sequence[Path], header: IntanHeader, parts: list[IntanPart]) -> RecordingContents:
    runs = [run for part in parts for run in _runs_of(part)]
    origin = runs[0][0]
    contents = RecordingContents(start=_start(files))
    rate = header.rate_hz
    starts: list[float] = []
    joined: list[list[tuple[IntanPart, int, int]]] = []
    expected = origin - 1
    for counter, part, first, n in runs:
        if joined and counter < expected:
            what = f"time runs backwards: sample {counter} after {expected - 1}"
            raise refuse(header.system, what, files[0])
        if joined and counter == expected:
            joined[-1].append((part, first, n))
        else:
            starts.append((counter - origin) / rate)
            joined.append([(part, first, n)])
        expected = counter + n
    for kind, role in (("amplifier", neural_role(rate)), ("auxiliary", "analog"), ("adc", "analog")):
        if not header.n(kind):
            continue
        every = parts[0].auxiliary_every if kind == "auxiliary" else 1
        pieces = [
            [Piece(p.signals[kind], first // every, n // every) for p, first, n in run] for run in joined
        ]
        lengths = [sum(piece.n for piece in run) for run in pieces]
        segments = tuple(zip(starts, lengths, strict=True))
        group = Group(role, rate / every, _channels_of(header, kind), segments, PieceReader(pieces))
        contents.groups.append(group)
    short = 0
    for counter, part, first, n in runs:
        if part.lines is None:
            continue
        sample, level = changes(from_sample(part.lines, first), n)
        at, word, lost = settled_words(sample, level, SETTLE_S * rate)
        contents.add_words((at + counter - origin) / rate, word, "digital")
        short += lost
    contents.metadata = _metadata(header, origin, short)
    return contents


def _runs_of(part: IntanPart) -> list[tuple[int, IntanPart, int, int]]:
    """Return (counter, part, first sample, samples) of each stretch whose counter counts by one."""
    if part.block_counters is not None:
        size = part.n // len(part.block_counters)
        breaks = (np.flatnonzero(np.diff(part.block_counters.astype(np.int64)) != size) + 1) * size
    else:
        breaks = counter_breaks(part.counter, part.n)
    return [(int(part.counter(a, a + 1)[0]), part, a, b - a) for a, b in stretches(breaks, part.n)]


def _channels_of(header: IntanHeader, kind: str) -> tuple[Channel, ...]:
    found = []
    for place, channel in enumerate(header.channels[kind]):
        name = channel.name or channel.native
        if kind == "amplifier":
            found.append(Channel(electrode_number(channel, place), name, AMPLIFIER_UV))
        elif kind == "auxiliary":
            found.append(Channel(AUXILIARY_FROM + place + 1, name, AUXILIARY_UV, AUXILIARY_UV * 32_768))
        else:
            gain, offset = adc_scale(header)
            found.append(Channel(FIRST_ANALOG + channel.order + 1, name, gain, offset))
    return tuple(found)


def _start(files: Sequence[Path]) -> dt.datetime | None:
    """Return the date in the name that the recording program gives: local time without a zone."""
    for file in sorted(files):
        match = DATE.search(file.stem if file.suffix else file.name)
        if match:
            try:
                return dt.datetime.strptime("".join(match.groups()), "%y%m%d%H%M%S")
            except ValueError:
                continue
    return None


def _metadata(header: IntanHeader, origin: int, short: int) -> dict[str, Any]:
    left_out = {k: header.n(k) for k in ("supply", "dac", "digital_out") if header.n(k)}
    return {
        "system": header.system,
        "version": ".".join(map(str, header.version)),
        "notes": [note for note in header.notes if note],
        "first_sample_counter": origin,
        "digital_inputs": [c.native for c in header.channels["digital_in"]],
        "short_pulses": short,
        "channels_left_out": left_out,
    }
