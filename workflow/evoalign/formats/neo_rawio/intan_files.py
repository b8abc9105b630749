"""Where Intan's samples lie: whole files, one file a signal type, one file a channel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evoalign.formats.neo_rawio.checked import items, refuse, slice_of
from evoalign.formats.neo_rawio.intan_header import IntanChannel, IntanHeader
from evoalign.formats.neo_rawio.pieces import BlockSamples, Samples, Table


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


def info_file(folder: Path) -> Path:
    """Return the header of a folder."""
    for name in ("info.rhd", "info.rhs"):
        if (folder / name).is_file():
            return folder / name
    raise refuse("Intan", "no info.rhd or info.rhs is in the folder", folder)


def whole_file(path: Path, header: IntanHeader) -> IntanPart:
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


def folder_part(folder: Path, header: IntanHeader) -> IntanPart:
    """Lay out a folder with one file a signal type, or one a channel."""
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
