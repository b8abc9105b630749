"""Channel headers and blocks of samples of an NSx file that is written."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from evoalign.formats.blackrock import layout
from evoalign.formats.blackrock.write_packets import PTP_HZ

# An input's range in counts and millivolts or microvolts: electrodes +-8191 µV, analog inputs +-5 V.
DIGITAL_LIMIT = 32_764
FIRST_ANALOG, ANALOG_LIMIT = 129, 32_767
Pauses = Sequence[tuple[int, int]]


def nsx_channels(
    channel_ids: Sequence[int], labels: Sequence[str], gain_uv: float | Sequence[float]
) -> NDArray[np.void]:
    """Return the extended headers of the channels: electrodes in microvolts, analog inputs in millivolts."""
    rows = np.zeros(len(channel_ids), layout.NSX_EXTENDED)
    ids = np.asarray(channel_ids)
    rows["type"], rows["electrode_id"] = b"CC", ids
    rows["electrode_label"] = [label.encode() for label in labels or [f"chan{i}" for i in channel_ids]]
    index = np.arange(len(ids))
    rows["physical_connector"], rows["connector_pin"] = 1 + index // 32, 1 + index % 32
    for row, gain in zip(rows, np.broadcast_to(np.asarray(gain_uv, float), len(ids)), strict=True):
        analog = row["electrode_id"] >= FIRST_ANALOG
        digital = ANALOG_LIMIT if analog else DIGITAL_LIMIT
        row["units"] = b"mV" if analog else b"uV"
        limit = round(digital * float(gain) / (1000 if analog else 1))
        row["minimum_digital_value"], row["maximum_digital_value"] = -digital, digital
        row["minimum_analog_value"], row["maximum_analog_value"] = -limit, limit
    rows["high_freq_corner"], rows["low_freq_corner"] = 300, 7_500_000  # mHz
    rows["high_freq_order"] = rows["low_freq_order"] = 1
    rows["high_filter_type"] = rows["low_filter_type"] = 1
    return rows


# (samples, stamp steps to add before them, the clock starts again, a new block starts)
Piece = tuple[NDArray[np.int16], int, bool, bool]


def cut_pieces(chunks: Iterable[NDArray[np.int16]], pauses: Pauses, resets: Sequence[int]) -> Iterator[Piece]:
    """Cut chunks where the recording pauses or its clock starts again."""
    lengths = dict(pauses)
    cuts = sorted({*lengths, *resets})
    at = 0
    for chunk in chunks:
        inside = [cut - at for cut in cuts if at <= cut < at + len(chunk)]
        edges = sorted({0, *inside, len(chunk)})
        for first, last in itertools.pairwise(edges):
            sample = at + first
            starts_block = sample == 0 or sample in lengths or sample in resets
            yield chunk[first:last], lengths.get(sample, 0), sample in resets, starts_block
        at += len(chunk)


def write_blocks(stream: BinaryIO, pieces: Iterator[Piece], period: int, wide: bool, first_tick: int) -> None:
    """Write data blocks; a block's length is filled in when it has ended."""
    head = np.zeros(1, layout.nsx_block(wide))
    head["header"] = 1
    tick, at, n = first_tick, -1, 0

    def finish() -> None:
        if at >= 0:
            head["number_of_data_points"] = n
            stream.seek(at)
            stream.write(head.tobytes())
            stream.seek(0, 2)

    for samples, pause, reset, starts_block in pieces:
        tick = 0 if reset else tick + pause * period
        if starts_block:
            finish()
            at, n = stream.tell(), 0
            head["timestamp"] = tick
            stream.write(head.tobytes())
        stream.write(np.ascontiguousarray(samples, "<i2").tobytes())
        n += len(samples)
        tick += len(samples) * period
    finish()


def write_ptp(
    stream: BinaryIO, pieces: Iterator[Piece], period: int, origin: np.uint64, first_tick: int
) -> None:
    """Write one packet a sample, each with its own stamp in nanoseconds."""
    sample = first_tick // period
    for samples, pause, reset, _ in pieces:
        sample = 0 if reset else sample + pause
        packet = np.dtype([*layout.nsx_block(True).descr, ("samples", "<i2", (samples.shape[1],))])
        rows = np.zeros(len(samples), packet)
        rows["header"], rows["number_of_data_points"] = 1, 1
        index = sample + np.arange(len(samples), dtype=np.int64)
        rows["timestamp"] = origin + (index * (period * PTP_HZ) // layout.CLOCK_HZ).astype(np.uint64)
        rows["samples"] = samples
        stream.write(rows.tobytes())
        sample += len(samples)
