"""Reads Intan .rhd and .rhs recordings: whole files, one file a signal type, one file a channel.

The layouts follow "RHD2000 Data File Formats" and "RHS2000 Data File Formats"
of Intan Technologies. Neo 0.14.6 gives the auxiliary inputs of folders a
quarter of their rate, refuses recordings with gaps, and gives no event words.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evoalign.formats.neo_rawio.checked import counter_breaks, from_sample, items, refuse, slice_of, stretches
from evoalign.formats.neo_rawio.contents import FIRST_ANALOG, Channel, Group, RecordingContents, neural_role
from evoalign.formats.neo_rawio.intan_header import (
    IntanChannel,
    IntanHeader,
    adc_scale,
    electrode_number,
    read_header,
)
from evoalign.formats.neo_rawio.lines import SETTLE_S, changes, settled_words
from evoalign.formats.neo_rawio.pieces import BlockSamples, Piece, PieceReader, Samples, Table

AMPLIFIER_UV = 0.195
AUXILIARY_UV = 37.4  # on 0 to 2.45 V
# What is counted from where: an auxiliary input is input 1001 and up.
AUXILIARY_FROM = FIRST_ANALOG + 1_000
DATE = re.compile(r"(?<!\d)(\d{6})_(\d{6})(?!\d)")


@dataclass
class IntanPart:
    """One file that holds all, or one folder: counter, signals and lines by their own numbering.

    Attributes
    ----------
    n : int
        Samples of the amplifiers.
    counter : callable
        (start, stop) -> sample counters.
    signals : dict of str to Samples
        'amplifier', 'auxiliary', 'adc'.
    auxiliary_every : int
        Amplifier samples for each sample of the auxiliary inputs.
    lines : callable or None
        (start, stop) -> levels of the digital inputs.
    block_counters : array or None
        Counter of the first sample of each block, where samples lie in blocks: it breaks only there.
    """

    n: int
    counter: Callable[[int, int], np.ndarray]
    signals: dict[str, Samples]
    auxiliary_every: int
    lines: Callable[[int, int], np.ndarray] | None
    block_counters: np.ndarray | None = None


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
        header = read_header(_info(files[0]))
        parts = [_folder(files[0], header)]
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
        parts = [_whole_file(file, h) for file, h in zip(files, headers, strict=True)]
    if not any(part.n for part in parts):
        raise refuse(header.system, "no samples are in the recording", files[0])
    parts = sorted((p for p in parts if p.n), key=lambda part: int(part.counter(0, 1)[0]))
    return _contents(files, header, parts)


def _info(folder: Path) -> Path:
    for name in ("info.rhd", "info.rhs"):
        if (folder / name).is_file():
            return folder / name
    raise refuse("Intan", "no info.rhd or info.rhs is in the folder", folder)


def _whole_file(path: Path, header: IntanHeader) -> IntanPart:
    """Lay out the blocks of a file that holds header and data."""
    n, rhs = header.block, header.system == "Intan RHS"
    fields: list[tuple[str, str, tuple[int, ...]]] = [("counter", "<i4", (n,))]
    fields.append(("amplifier", "<u2", (header.n("amplifier"), n)))
    if rhs:
        fields += [("dc", "<u2", (header.n("amplifier"), n))] if header.dc_saved else []
        fields.append(("stimulation", "<u2", (header.n("amplifier"), n)))
    else:
        fields.append(("auxiliary", "<u2", (header.n("auxiliary"), n // 4)))
        fields.append(("supply", "<u2", (header.n("supply"),)))
        fields.append(("temperature", "<i2", (header.temperatures,)))
    fields.append(("adc", "<u2", (header.n("adc"), n)))
    fields += [("dac", "<u2", (header.n("dac"), n))] if rhs else []
    fields += [(kind, "<u2", (n,)) for kind in ("digital_in", "digital_out") if header.n(kind)]
    block = np.dtype(fields)
    blocks = items(header.system, path, block, header.size)
    lines = None
    if header.n("digital_in"):
        lines = _flat(blocks["digital_in"], n)
    signals: dict[str, Samples] = {k: BlockSamples(blocks[k]) for k in ("amplifier", "adc") if header.n(k)}
    if header.n("auxiliary"):
        signals["auxiliary"] = BlockSamples(blocks["auxiliary"])
    if len(blocks):
        _check_counters(path, header, blocks["counter"], block.itemsize)
    return IntanPart(len(blocks) * n, _flat(blocks["counter"], n), signals, 4, lines, blocks["counter"][:, 0])


def _check_counters(path: Path, header: IntanHeader, counter: np.ndarray, size: int) -> None:
    # The system numbers the samples of a block one by one: first and last say it of all.
    wrong = np.flatnonzero(counter[:, -1] - counter[:, 0] != counter.shape[1] - 1)
    if wrong.size:
        at = header.size + int(wrong[0]) * size
        raise refuse(header.system, "sample counters of a block do not follow each other", path, at)


def _flat(blocks: np.ndarray, size: int) -> Callable[[int, int], np.ndarray]:
    """Return a reader of [block, sample] by sample."""

    def part(start: int, stop: int) -> np.ndarray:
        first, last = start // size, -(-stop // size)
        return blocks[first:last].reshape(-1)[start - first * size : stop - first * size]

    return part


def _folder(folder: Path, header: IntanHeader) -> IntanPart:
    time = items(header.system, folder / "time.dat", "<i4")
    by_type = {"amplifier": "amplifier.dat", "auxiliary": "auxiliary.dat", "adc": "analogin.dat"}
    signals: dict[str, Samples] = {}
    one_a_type = any((folder / name).is_file() for name in [*by_type.values(), "digitalin.dat"])
    for kind, name in by_type.items():
        channels = header.channels.get(kind, [])
        dtype = "<i2" if kind == "amplifier" else "<u2"
        if channels and one_a_type:
            table = items(header.system, folder / name, dtype, columns=len(channels)).reshape(
                -1, len(channels)
            )
            _same_length(header, folder / name, len(table), len(time))
            signals[kind] = Table(table)
        elif channels:
            signals[kind] = _one_a_channel(folder, header, kind, dtype, len(time))
    lines: Callable[[int, int], np.ndarray] | None = None
    if header.n("digital_in") and one_a_type:
        port = items(header.system, folder / "digitalin.dat", "<u2")
        _same_length(header, folder / "digitalin.dat", len(port), len(time))
        lines = slice_of(port)
    elif header.n("digital_in"):
        lines = _line_files(folder, header, len(time))
    return IntanPart(len(time), slice_of(time), signals, 1, lines)


def _same_length(header: IntanHeader, path: Path, n: int, wanted: int) -> None:
    if n != wanted:
        raise refuse(header.system, f"{n} samples, but time.dat has {wanted}", path)


def _line_files(folder: Path, header: IntanHeader, n: int) -> Callable[[int, int], np.ndarray]:
    lines = []
    for channel in header.channels["digital_in"]:
        path = _channel_file(folder, header, channel, "digital_in")
        lines.append((items(header.system, path, "<u2"), channel.order))
        _same_length(header, path, len(lines[-1][0]), n)

    def part(start: int, stop: int) -> np.ndarray:
        total = np.zeros(stop - start, np.uint32)
        for line, bit in lines:
            total |= (line[start:stop] != 0).astype(np.uint32) << np.uint32(min(bit, 31))
        return total

    return part


class _ChannelFiles:
    """One file a channel."""

    def __init__(self, arrays: Sequence[np.ndarray]) -> None:
        self._arrays = arrays

    def read(self, start: int, stop: int, columns: Sequence[int]) -> np.ndarray:
        out = np.empty((stop - start, len(columns)), np.int16)
        for place, column in enumerate(columns):
            out[:, place] = Table(self._arrays[column][:, None]).read(start, stop, [0])[:, 0]
        return out


def _one_a_channel(folder: Path, header: IntanHeader, kind: str, dtype: str, n: int) -> Samples:
    arrays = []
    for channel in header.channels[kind]:
        path = _channel_file(folder, header, channel, kind)
        arrays.append(items(header.system, path, dtype))
        _same_length(header, path, len(arrays[-1]), n)
    return _ChannelFiles(arrays)


def _channel_file(folder: Path, header: IntanHeader, channel: IntanChannel, kind: str) -> Path:
    prefix = {"amplifier": ["amp"], "auxiliary": ["aux"], "adc": ["board"], "digital_in": ["board"]}[kind]
    names = [f"{p}-{channel.native}.dat" for p in prefix]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise refuse(header.system, f"channel {channel.native} has no file", folder / names[0])


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
