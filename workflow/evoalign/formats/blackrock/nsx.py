"""NSx files: continuous samples (Blackrock, 2.1 to 3.0, blocks, pauses and PTP)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evoalign.errors import InputError
from evoalign.formats.blackrock import layout
from evoalign.formats.blackrock.runs import HINT, Run, find_runs
from evoalign.recordings.stream import GAP_TOLERANCE_S

MAX_CHANNELS = 10_000
ANALOG_ID = 129  # up to here electrodes; 10241 on Gemini systems
ELECTRODE_GAIN_UV = 0.25
ANALOG_RANGE_UV = 1e6  # no electrode is recorded in a range of a volt


@dataclass(frozen=True)
class Nsx:
    """Header of an NSx file and where its samples lie."""

    path: Path
    version: str
    rate_hz: float  # as the header says
    resolution_hz: int
    start: dt.datetime | None
    ids: tuple[int, ...]
    labels: tuple[str, ...]
    analog: NDArray[np.bool_]
    units: tuple[str, ...]
    gain_uv: NDArray[np.float64]
    offset_uv: NDArray[np.float64]
    runs: tuple[Run, ...]
    packet_bytes: int = 0  # of one-sample packets; 0: blocks
    measured_hz: float = 0.0  # rate by PTP stamps; 0: not measured
    whole: bool = True  # all samples were found, not those of the beginning only

    def read(self, run: int, start: int, stop: int, columns: Sequence[int]) -> NDArray[np.int16]:
        """Return counts, int16 ``[sample, column]``, of a run; opens the file for this read only."""
        n_channels = len(self.ids)
        step = self.packet_bytes or 2 * n_channels
        byte_blocks, at = [], 0
        with self.path.open("rb") as stream:
            for n, offset in self.runs[run].blocks:
                first, last = max(start - at, 0), min(stop - at, n)
                if first < last:
                    stream.seek(offset + first * step)
                    byte_blocks.append(np.fromfile(stream, np.uint8, count=(last - first) * step))
                at += n
        raw = (
            byte_blocks[0] if len(byte_blocks) == 1 else np.concatenate([np.empty(0, np.uint8), *byte_blocks])
        )
        if self.packet_bytes:
            head = self.packet_bytes - 2 * n_channels
            raw = np.ascontiguousarray(raw.reshape(-1, step)[:, head:])
        samples = raw.view("<i2").reshape(stop - start, n_channels)
        if list(columns) == list(range(n_channels)):
            return samples
        return np.ascontiguousarray(samples[:, list(columns)])


def read_nsx(path: Path, gap_tolerance_s: float = GAP_TOLERANCE_S, most_bytes: int | None = None) -> Nsx:
    """Read an NSx file's headers and find its runs of samples; no sample is read.

    Raises
    ------
    InputError
        Wrong magic, unknown version, zero channels, rate 0, truncated, or a
        header that does not add up.
    """
    with path.open("rb") as stream:
        magic = stream.read(8)
    if magic == layout.NSX_MAGIC_21:
        return _read_21(path)
    if magic not in layout.NSX_MAGIC:
        raise InputError(f"no NSx file: it starts with {bytes(magic)!r}", f"{path}, byte 0", HINT)
    return _read_22(path, gap_tolerance_s, most_bytes)


def _header(path: Path, dtype: np.dtype, count: int = 1, offset: int = 0) -> np.ndarray:
    need = offset + count * dtype.itemsize
    size = path.stat().st_size
    if size < need:
        raise InputError(f"the file ends in its header: {size} of {need} bytes", f"{path}, byte {size}", HINT)
    return np.fromfile(path, dtype, count=count, offset=offset)


def _check(path: Path, basic: np.void, at_channels: int, at_period: int) -> int:
    n = int(basic["channel_count"])
    if not 0 < n <= MAX_CHANNELS:
        raise InputError(f"the file has {n} channels", f"{path}, byte {at_channels}", HINT)
    if not 0 < int(basic["period"]) <= layout.CLOCK_HZ * 60:
        raise InputError(
            f"the sampling period is {basic['period']} ticks of 30 kHz", f"{path}, byte {at_period}", HINT
        )
    return n


def _read_21(path: Path) -> Nsx:
    basic = _header(path, layout.NSX_BASIC_21)[0]
    n = _check(path, basic, 28, 24)
    ids = _header(path, np.dtype("<u4"), n, layout.NSX_BASIC_21.itemsize)
    data_start = layout.NSX_BASIC_21.itemsize + 4 * n
    samples, cut_bytes = divmod(path.stat().st_size - data_start, 2 * n)
    if cut_bytes:
        raise InputError(
            f"the last sample is cut: {cut_bytes} of {2 * n} bytes",
            f"{path}, byte {path.stat().st_size}",
            HINT,
        )
    analog = ids >= ANALOG_ID
    return Nsx(
        path=path,
        version="2.1",
        rate_hz=layout.CLOCK_HZ / int(basic["period"]),
        resolution_hz=layout.CLOCK_HZ,
        start=None,
        ids=tuple(int(i) for i in ids),
        labels=tuple(f"chan{i}" for i in ids),
        analog=analog,
        units=("",) * n,
        # The header has no scale: these are Blackrock's for electrodes and for inputs of +-5 V.
        gain_uv=np.where(analog, layout.ANALOG_GAIN_UV, ELECTRODE_GAIN_UV),
        offset_uv=np.zeros(n),
        runs=(Run(0, samples, ((samples, data_start),)),) if samples else (),
    )


def _read_22(path: Path, gap_tolerance_s: float, most_bytes: int | None) -> Nsx:
    basic = _header(path, layout.NSX_BASIC)[0]
    version = (int(basic["ver_major"]), int(basic["ver_minor"]))
    if version not in {(2, 2), (2, 3), (3, 0)}:
        raise InputError(
            f"NSx version {version[0]}.{version[1]} is not known", f"{path}, byte 8", "2.1 to 3.0 are read"
        )
    n = _check(path, basic, 310, 286)
    resolution = int(basic["time_resolution_of_time_stamps"])
    if resolution == 0:
        raise InputError("the resolution of time stamps is 0 Hz", f"{path}, byte 290", HINT)
    header_bytes = layout.NSX_BASIC.itemsize + n * layout.NSX_EXTENDED.itemsize
    if int(basic["bytes_in_headers"]) != header_bytes:
        raise InputError(
            f"the header says {basic['bytes_in_headers']} bytes of headers; "
            f"its {n} channels make {header_bytes}",
            f"{path}, byte 10",
            HINT,
        )
    channels = _header(path, layout.NSX_EXTENDED, n, layout.NSX_BASIC.itemsize)
    if not (channels["type"] == b"CC").all():
        wrong_row = int(np.argmax(channels["type"] != b"CC"))
        at = layout.NSX_BASIC.itemsize + wrong_row * layout.NSX_EXTENDED.itemsize
        raise InputError("a channel's header does not start with 'CC'", f"{path}, byte {at}", HINT)
    gain, offset = _scale(path, channels)
    rate_hz = layout.CLOCK_HZ / int(basic["period"])
    runs, packet_bytes, measured = find_runs(
        path, header_bytes, n, version[0] >= 3, resolution, rate_hz, gap_tolerance_s, most_bytes
    )
    return Nsx(
        path=path,
        version=f"{version[0]}.{version[1]}",
        rate_hz=rate_hz,
        resolution_hz=resolution,
        start=layout.start_time(basic["time_origin"]),
        ids=tuple(int(i) for i in channels["electrode_id"]),
        labels=tuple(layout.text(label) for label in channels["electrode_label"]),
        analog=_is_analog(channels),
        units=tuple(layout.text(unit) for unit in channels["units"]),
        gain_uv=gain,
        offset_uv=offset,
        runs=runs,
        packet_bytes=packet_bytes,
        measured_hz=measured,
        whole=not packet_bytes or most_bytes is None or most_bytes >= path.stat().st_size,
    )


def _scale(path: Path, channels: np.ndarray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    digital = channels["maximum_digital_value"].astype(float) - channels["minimum_digital_value"]
    analog = channels["maximum_analog_value"].astype(float) - channels["minimum_analog_value"]
    if (digital <= 0).any() or (analog <= 0).any():
        wrong_row = int(np.argmax((digital <= 0) | (analog <= 0)))
        at = layout.NSX_BASIC.itemsize + wrong_row * layout.NSX_EXTENDED.itemsize + 22
        raise InputError(
            f"channel {channels['electrode_id'][wrong_row]} has an empty range of values",
            f"{path}, byte {at}",
            HINT,
        )
    # Of what is no voltage, one of its unit: the descriptor tells which.
    unit_uv = np.array([layout.MICROVOLTS.get(layout.text(u).lower(), 1.0) for u in channels["units"]])
    gain = analog / digital * unit_uv
    return gain, channels["minimum_analog_value"] * unit_uv - channels["minimum_digital_value"] * gain


def _is_analog(channels: np.ndarray) -> NDArray[np.bool_]:
    """Tell analog inputs, renamed ones too: by label, id, range, or a unit that is no voltage."""
    labelled = np.array([layout.is_analog_label(layout.text(label)) for label in channels["electrode_label"]])
    units = [layout.text(unit).lower() for unit in channels["units"]]
    unit_uv = np.array([layout.MICROVOLTS.get(unit, np.inf) for unit in units])
    largest = np.maximum(np.abs(channels["maximum_analog_value"].astype(float)), 1.0)
    ids = channels["electrode_id"]
    return (
        labelled
        | (ids >= layout.FIRST_ANALOG_GEMINI)
        | ((unit_uv >= layout.MICROVOLTS["mv"]) & (ids >= ANALOG_ID))
        | (unit_uv * largest >= ANALOG_RANGE_UV)
    )
