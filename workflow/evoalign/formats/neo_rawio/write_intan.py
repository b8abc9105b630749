"""Writes Intan RHD recordings, byte for byte as the recording controller does.

Layout: "RHD2000 Data File Formats" of Intan Technologies, version 3: one file
that holds all, in blocks of 128 samples, or a folder with one file a signal type.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

from evoalign.files import atomic_write
from evoalign.formats.neo_rawio.intan import AMPLIFIER_UV
from evoalign.formats.neo_rawio.intan_header import RHD
from evoalign.formats.neo_rawio.pulses import word_pulses

BLOCK = 128
ADC_MODE = 13  # +-10.24 V, 312.5 µV a count
ADC_UV = 312.5
GAIN_UV = AMPLIFIER_UV
NO_WORDS = pd.DataFrame({"time_s": [], "word": []})


def write_intan(
    path: str | PathLike[str],
    chunks: Iterable[np.ndarray],
    *,
    n_channels: int,
    analog: Sequence[str] = (),
    sampling_rate_hz: int = 30_000,
    words: pd.DataFrame = NO_WORDS,
    pauses: Sequence[tuple[int, int]] = (),
    version: tuple[int, int] = (3, 3),
) -> None:
    """Write a recording.

    Parameters
    ----------
    path : path
        A file that ends in ``.rhd``, or a folder; it appears whole or not at all.
    chunks : iterable of int16 array [sample, channel]
        Electrodes, then analog inputs, in counts of 0.195 and of 312.5 µV around 0.
    n_channels : int
        Electrodes among them: A-000, A-001, ..
    analog : sequence of str
        Names of the analog inputs.
    sampling_rate_hz : int
        Of all.
    words : DataFrame
        Columns time_s and word, 16 bits; each is a pulse on the digital inputs.
    pauses : sequence of (int, int)
        Sample before which the counter jumps, and by how many samples. In a
        file, at multiples of the block's size.
    version : (int, int)
        Of the format; blocks have 60 samples before version 2.
    """
    pulses = word_pulses(words, sampling_rate_hz)
    header = _header(sampling_rate_hz, n_channels, analog, version)
    with atomic_write(path) as partial:
        if Path(path).suffix == ".rhd":
            with partial.open("wb") as file:
                file.write(header)
                block = BLOCK if version[0] >= 2 else 60
                _write_blocks(file, chunks, n_channels, len(analog), pulses, pauses, block)
        else:
            partial.mkdir()
            (partial / "info.rhd").write_bytes(header)
            _write_folder(partial, chunks, n_channels, len(analog), pulses, pauses)


def _qstring(text: str) -> bytes:
    raw = text.encode("utf-16-le")
    return struct.pack("<I", len(raw)) + raw


def _header(rate_hz: int, n_channels: int, analog: Sequence[str], version: tuple[int, int]) -> bytes:
    parts = [struct.pack("<Ihhf", RHD, *version, rate_hz)]
    # DSP on; cutoffs and bandwidths as they are and as they were wished; no notch; impedance test.
    parts.append(struct.pack("<h6f", 1, 1.0, 0.1, 7_500.0, 1.0, 0.1, 7_500.0))
    parts.append(struct.pack("<h2f", 0, 1_000.0, 1_000.0))
    parts += [_qstring("")] * 3
    # Temperature sensors, then the board's mode, whose absence stands for mode 0.
    parts += [struct.pack("<h", 0)] if version >= (1, 1) else []
    parts += [struct.pack("<h", ADC_MODE)] if version >= (1, 3) else []
    parts += [_qstring("n/a")] if version[0] >= 2 else []
    groups = [
        ("Port A", "A", [(f"A-{c:03d}", f"A-{c:03d}", c, 0) for c in range(n_channels)]),
        ("Board ADC Inputs", "ADC", [(f"ANALOG-IN-{k}", name, k, 3) for k, name in enumerate(analog)]),
        (
            "Board Digital Inputs",
            "DIN",
            [(f"DIGITAL-IN-{k:02d}", f"DIGITAL-IN-{k:02d}", k, 4) for k in range(16)],
        ),
    ]
    parts.append(struct.pack("<h", len(groups)))
    for name, prefix, channels in groups:
        parts += [_qstring(name), _qstring(prefix)]
        parts.append(struct.pack("<hhh", 1, len(channels), sum(kind == 0 for *_, kind in channels)))
        for native, custom, order, kind in channels:
            parts += [_qstring(native), _qstring(custom)]
            parts.append(struct.pack("<10h2f", order, order, kind, 1, order, 0, 0, 0, 0, 0, 0.0, 0.0))
    return b"".join(parts)


def _counters(start: int, stop: int, pauses: Sequence[tuple[int, int]]) -> np.ndarray:
    """Return the sample counters of samples `start` to `stop`."""
    counter = np.arange(start, stop)
    jumps = sum((np.where(counter >= at, by, 0) for at, by in pauses), np.zeros(stop - start, np.int64))
    return (counter + jumps).astype("<i4")


def _levels(pulses: tuple[np.ndarray, np.ndarray], counter: np.ndarray) -> np.ndarray:
    """Return the digital port at samples of these counters."""
    return np.concatenate(([0], pulses[1]))[np.searchsorted(pulses[0], counter, side="right")].astype("<u2")


def _write_blocks(
    file: BinaryIO,
    chunks: Iterable[np.ndarray],
    n_channels: int,
    n_analog: int,
    pulses: tuple[np.ndarray, np.ndarray],
    pauses: Sequence[tuple[int, int]],
    block: int,
) -> None:
    layout = np.dtype(
        [("counter", "<i4", (block,)), ("amplifier", "<u2", (n_channels, block)),
         ("adc", "<u2", (n_analog, block)), ("digital", "<u2", (block,))]
    )  # fmt: skip
    at = 0
    for samples in _whole_blocks(chunks, block):
        n = len(samples) // block
        counter = _counters(at, at + n * block, pauses)
        blocks = np.zeros(n, layout)
        unsigned = (samples.astype(np.int32) + 32_768).astype("<u2").reshape(n, block, -1).transpose(0, 2, 1)
        blocks["counter"] = counter.reshape(n, block)
        blocks["amplifier"], blocks["adc"] = unsigned[:, :n_channels], unsigned[:, n_channels:]
        blocks["digital"] = _levels(pulses, counter).reshape(n, block)
        file.write(blocks.tobytes())
        at += n * block


def _whole_blocks(chunks: Iterable[np.ndarray], block: int) -> Iterator[np.ndarray]:
    """Yield samples in multiples of a block; the controller ends with a whole one, so a rest is dropped."""
    incomplete: np.ndarray | None = None
    for chunk in chunks:
        samples = chunk if incomplete is None else np.concatenate((incomplete, chunk))
        n = len(samples) // block * block
        incomplete = samples[n:]
        if n:
            yield samples[:n]


def _write_folder(
    folder: Path,
    chunks: Iterable[np.ndarray],
    n_channels: int,
    n_analog: int,
    pulses: tuple[np.ndarray, np.ndarray],
    pauses: Sequence[tuple[int, int]],
) -> None:
    at = 0
    with (
        (folder / "time.dat").open("wb") as time,
        (folder / "amplifier.dat").open("wb") as amplifier,
        (folder / "analogin.dat").open("wb") as board,
        (folder / "digitalin.dat").open("wb") as digital,
    ):
        for chunk in chunks:
            counter = _counters(at, at + len(chunk), pauses)
            time.write(counter.tobytes())
            amplifier.write(np.ascontiguousarray(chunk[:, :n_channels], "<i2").tobytes())
            board.write((chunk[:, n_channels:].astype(np.int32) + 32_768).astype("<u2").tobytes())
            digital.write(_levels(pulses, counter).tobytes())
            at += len(chunk)
    if not n_analog:
        (folder / "analogin.dat").unlink()
