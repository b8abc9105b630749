"""NSx files: continuous samples (Blackrock, 2.1 to 3.0, blocks, pauses and PTP)."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evoalign.errors import InputError
from evoalign.recordings import blackrock_layout as layout

MEND = "copy the file again from the acquisition computer, or export it again"
MAX_CHANNELS = 10_000
ANALOG_ID = 129  # up to here electrodes; 10241 on Gemini systems
ANALOG_ID_GEMINI = 10_241
ANALOG_LABELS = ("ainp", "analog", "audio")
MAX_BLOCKS = 100_000  # pauses of a recording; more is a damaged file
GAP_PERIODS = 1.5  # one-sample packets further apart than this are a gap


class Run(NamedTuple):
    """Samples without a gap: first time stamp, their number, and where they lie."""

    tick: int
    n: int
    offset: int  # byte of the first sample (blocks) or of the first packet (PTP)


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
    gain_uv: NDArray[np.float64]
    offset_uv: NDArray[np.float64]
    runs: tuple[Run, ...]
    packet_bytes: int = 0  # of one-sample packets; 0: blocks
    measured_hz: float = 0.0  # rate by PTP stamps; 0: not measured

    def read(self, run: int, start: int, stop: int, columns: Sequence[int]) -> NDArray[np.int16]:
        """Return counts, int16 ``[sample, column]``, of a run; opens the file for this read only."""
        n_channels, first = len(self.ids), self.runs[run].offset
        step = self.packet_bytes or 2 * n_channels
        with self.path.open("rb") as stream:
            stream.seek(first + start * step)
            raw = np.fromfile(stream, np.uint8, count=(stop - start) * step)
        if self.packet_bytes:
            head = self.packet_bytes - 2 * n_channels
            raw = np.ascontiguousarray(raw.reshape(-1, step)[:, head:])
        samples = raw.view("<i2").reshape(stop - start, n_channels)
        if list(columns) == list(range(n_channels)):
            return samples
        return np.ascontiguousarray(samples[:, list(columns)])


def read_nsx(path: Path) -> Nsx:
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
        raise InputError(f"no NSx file: it starts with {magic!r}", f"{path}, byte 0", MEND)
    return _read_22(path)


def _header(path: Path, dtype: np.dtype, count: int = 1, offset: int = 0) -> np.ndarray:
    need = offset + count * dtype.itemsize
    size = path.stat().st_size
    if size < need:
        raise InputError(f"the file ends in its header: {size} of {need} bytes", f"{path}, byte {size}", MEND)
    return np.fromfile(path, dtype, count=count, offset=offset)


def _check(path: Path, basic: np.void, at_channels: int, at_period: int) -> int:
    n = int(basic["channel_count"])
    if not 0 < n <= MAX_CHANNELS:
        raise InputError(f"the file has {n} channels", f"{path}, byte {at_channels}", MEND)
    if not 0 < int(basic["period"]) <= layout.CLOCK_HZ * 60:
        raise InputError(
            f"the sampling period is {basic['period']} ticks of 30 kHz", f"{path}, byte {at_period}", MEND
        )
    return n


def _read_21(path: Path) -> Nsx:
    basic = _header(path, layout.NSX_BASIC_21)[0]
    n = _check(path, basic, 28, 24)
    ids = _header(path, np.dtype("<u4"), n, layout.NSX_BASIC_21.itemsize)
    first = layout.NSX_BASIC_21.itemsize + 4 * n
    samples, rest = divmod(path.stat().st_size - first, 2 * n)
    if rest:
        raise InputError(
            f"the last sample is cut: {rest} of {2 * n} bytes", f"{path}, byte {path.stat().st_size}", MEND
        )
    return Nsx(
        path=path,
        version="2.1",
        rate_hz=layout.CLOCK_HZ / int(basic["period"]),
        resolution_hz=layout.CLOCK_HZ,
        start=None,
        ids=tuple(int(i) for i in ids),
        labels=tuple(f"chan{i}" for i in ids),
        analog=ids >= ANALOG_ID,
        # The header has no scale; 0.25 uV per count is Blackrock's for electrodes.
        gain_uv=np.full(n, 0.25),
        offset_uv=np.zeros(n),
        runs=(Run(0, samples, first),) if samples else (),
    )


def _read_22(path: Path) -> Nsx:
    basic = _header(path, layout.NSX_BASIC)[0]
    version = (int(basic["ver_major"]), int(basic["ver_minor"]))
    if version not in {(2, 2), (2, 3), (3, 0)}:
        raise InputError(
            f"NSx version {version[0]}.{version[1]} is not known", f"{path}, byte 8", "2.1 to 3.0 are read"
        )
    n = _check(path, basic, 310, 286)
    resolution = int(basic["time_resolution_of_time_stamps"])
    if resolution == 0:
        raise InputError("the resolution of time stamps is 0 Hz", f"{path}, byte 290", MEND)
    first = layout.NSX_BASIC.itemsize + n * layout.NSX_EXTENDED.itemsize
    if int(basic["bytes_in_headers"]) != first:
        raise InputError(
            f"the header says {basic['bytes_in_headers']} bytes of headers; its {n} channels make {first}",
            f"{path}, byte 10",
            MEND,
        )
    channels = _header(path, layout.NSX_EXTENDED, n, layout.NSX_BASIC.itemsize)
    if not (channels["type"] == b"CC").all():
        bad = int(np.argmax(channels["type"] != b"CC"))
        at = layout.NSX_BASIC.itemsize + bad * layout.NSX_EXTENDED.itemsize
        raise InputError("a channel's header does not start with 'CC'", f"{path}, byte {at}", MEND)
    gain, offset = _scale(path, channels)
    rate_hz = layout.CLOCK_HZ / int(basic["period"])
    runs, packet_bytes, measured = _find_runs(path, first, n, version[0] >= 3, resolution, rate_hz)
    return Nsx(
        path=path,
        version=f"{version[0]}.{version[1]}",
        rate_hz=rate_hz,
        resolution_hz=resolution,
        start=layout.start_time(basic["time_origin"]),
        ids=tuple(int(i) for i in channels["electrode_id"]),
        labels=tuple(layout.text(label) for label in channels["electrode_label"]),
        analog=_is_analog(channels),
        gain_uv=gain,
        offset_uv=offset,
        runs=runs,
        packet_bytes=packet_bytes,
        measured_hz=measured,
    )


def _scale(path: Path, channels: np.ndarray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    digital = channels["maximum_digital_value"].astype(float) - channels["minimum_digital_value"]
    analog = channels["maximum_analog_value"].astype(float) - channels["minimum_analog_value"]
    if (digital <= 0).any() or (analog <= 0).any():
        bad = int(np.argmax((digital <= 0) | (analog <= 0)))
        at = layout.NSX_BASIC.itemsize + bad * layout.NSX_EXTENDED.itemsize + 22
        raise InputError(
            f"channel {channels['electrode_id'][bad]} has an empty range of values",
            f"{path}, byte {at}",
            MEND,
        )
    millivolts = np.array([layout.text(u).lower() == "mv" for u in channels["units"]])
    unit_uv = np.where(millivolts, 1000.0, 1.0)
    gain = analog / digital * unit_uv
    return gain, channels["minimum_analog_value"] * unit_uv - channels["minimum_digital_value"] * gain


def _is_analog(channels: np.ndarray) -> NDArray[np.bool_]:
    labels = [layout.text(label).lower() for label in channels["electrode_label"]]
    named = np.array([label.startswith(ANALOG_LABELS) for label in labels])
    millivolts = np.array([layout.text(u).lower() == "mv" for u in channels["units"]])
    ids = channels["electrode_id"]
    return named | (ids >= ANALOG_ID_GEMINI) | (millivolts & (ids >= ANALOG_ID))


def _find_runs(
    path: Path, first: int, n_channels: int, wide: bool, resolution: int, rate_hz: float
) -> tuple[tuple[Run, ...], int, float]:
    """Return runs, bytes of a one-sample packet (0: blocks), rate by PTP stamps (0: none)."""
    packet = np.dtype([*layout.nsx_block(wide).descr, ("samples", "<i2", (n_channels,))])
    n, rest = divmod(path.stat().st_size - first, packet.itemsize)
    if wide and n > 1 and not rest:
        packets = np.memmap(path, packet, mode="r", offset=first, shape=(n,))
        # Two are looked at before all: a file of blocks is not paged through.
        if all(
            ((part["header"] == 1) & (part["number_of_data_points"] == 1)).all()
            for part in (packets[:2], packets)
        ):
            ticks = packets["timestamp"].astype(np.int64)
            runs, measured = _ptp_runs(ticks, first, packet.itemsize, resolution, rate_hz)
            return runs, packet.itemsize, measured
    return _block_runs(path, first, n_channels, layout.nsx_block(wide)), 0, 0.0


def _block_runs(path: Path, first: int, n_channels: int, head: np.dtype) -> tuple[Run, ...]:
    size = path.stat().st_size
    runs: list[Run] = []
    at = first
    with path.open("rb") as stream:
        while at < size:
            if size - at < head.itemsize:
                raise InputError("the file ends in a data block's header", f"{path}, byte {at}", MEND)
            stream.seek(at)
            block = np.fromfile(stream, head, count=1)[0]
            if block["header"] != 1:
                raise InputError(
                    f"a data block starts with {block['header']} in place of 1", f"{path}, byte {at}", MEND
                )
            if len(runs) > MAX_BLOCKS:
                raise InputError(f"more than {MAX_BLOCKS} data blocks", f"{path}, byte {at}", MEND)
            n = int(block["number_of_data_points"])
            start = at + head.itemsize
            at = start + 2 * n_channels * n
            if at > size:
                raise InputError(
                    f"the file is truncated: its last block has "
                    f"{(size - start) // (2 * n_channels)} of {n} samples",
                    f"{path}, byte {size}",
                    MEND,
                )
            if n == 0 and at < size:
                raise InputError(
                    "a data block without samples is followed by more", f"{path}, byte {at}", MEND
                )
            if n:
                runs.append(Run(int(block["timestamp"]), n, start))
    return tuple(runs)


def _ptp_runs(
    ticks: NDArray[np.int64], first: int, packet_bytes: int, resolution: int, rate_hz: float
) -> tuple[tuple[Run, ...], float]:
    period = resolution / rate_hz
    steps = np.diff(ticks)
    cuts = np.flatnonzero((steps > GAP_PERIODS * period) | (steps <= 0)) + 1
    edges = [0, *cuts.tolist(), len(ticks)]
    runs = tuple(Run(int(ticks[a]), b - a, first + a * packet_bytes) for a, b in itertools.pairwise(edges))
    longest = max(range(len(runs)), key=lambda i: runs[i].n)
    a, b = edges[longest], edges[longest + 1]
    # The samples' clock against PTP: told only by a run of some length.
    measured = (b - a - 1) * resolution / (ticks[b - 1] - ticks[a]) if b - a > rate_hz else rate_hz
    return runs, float(measured)
