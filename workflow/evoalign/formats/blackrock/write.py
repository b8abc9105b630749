"""Writes Blackrock's NEV and NSx files, byte for byte as the vendor's specification has them.

NEV 2.1 to 3.0; NSx 2.1 to 3.0, 3.0 also with a time stamp a sample (PTP).
Samples are streamed; only one chunk of them is in memory.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike
from typing import BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign.errors import InputError
from evoalign.files import atomic_write
from evoalign.formats.blackrock import layout
from evoalign.formats.blackrock.nev import PARALLEL, SERIAL

VERSIONS = {"2.1": (2, 1), "2.2": (2, 2), "2.3": (2, 3), "3.0": (3, 0)}
APPLICATION = b"evoalign simulate"
NO_SPIKES = pd.DataFrame({"channel": [], "unit": [], "time_s": []})
NO_WORDS = pd.DataFrame({"time_s": [], "word": [], "source": []})
WAVEFORM_POINTS = 48  # Central's default: 1.6 ms at 30 kHz
# An input's range in counts and millivolts or microvolts: electrodes +-8191 µV, analog inputs +-5 V.
DIGITAL_LIMIT = 32_764
FIRST_ANALOG, ANALOG_LIMIT = 129, 32_767
PTP_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
PTP_HZ = 1_000_000_000

Pauses = Sequence[tuple[int, int]]


def write_nev(
    path: str | PathLike[str],
    *,
    channels: Sequence[int] = (),
    spikes: pd.DataFrame = NO_SPIKES,
    words: pd.DataFrame = NO_WORDS,
    comments: Sequence[tuple[float, str]] = (),
    start: dt.datetime | None = None,
    sampling_rate_hz: int = 30_000,
    version: str = "2.3",
    waveforms: NDArray[np.int16] | None = None,
    waveform_gain_uv: float = 0.25,
    resets_s: Sequence[float] = (),
    resolution_hz: int | None = None,
) -> None:
    """Write a NEV file: packets of spikes, event words and comments in the order of time.

    Parameters
    ----------
    path : path
        Where to write; the file appears whole or not at all.
    channels : sequence of int
        Electrodes that get headers, from 1.
    spikes : DataFrame
        Columns channel, unit, time_s; any order.
    words : DataFrame
        Columns time_s, word, source; sources 'digital' and 'serial'.
    comments : sequence of (float, str)
        Time in seconds and text.
    start : datetime, optional
        Time origin in the header (UTC); 2000-01-01 by default.
    sampling_rate_hz : int
        Of the waveforms, and of the time stamps.
    version : str
        '2.1', '2.2', '2.3' or '3.0': from 3.0 on time stamps are 8 bytes wide.
    waveforms : int16 array [spike, point], optional
        One a row of `spikes`; zeros by default.
    waveform_gain_uv : float
        Microvolts per count of the waveforms, in whole nanovolts.
    resets_s : sequence of float
        Times of the recording at which the clock starts again at 0.
    resolution_hz : int, optional
        Of the time stamps, where it is not the sampling rate; 1e9 makes PTP
        stamps, which count from 1970.

    Raises
    ------
    InputError
        Unknown version or source.
    """
    major, _ = _version(version)
    resolution = resolution_hz or sampling_rate_hz
    points = WAVEFORM_POINTS if waveforms is None else waveforms.shape[1]
    dtype = layout.nev_packet(_packet_bytes(points, major), wide=major >= 3)
    timed_packets = [
        _spike_packets(spikes, waveforms, dtype),
        _word_packets(words, dtype),
        _comment_packets(comments, dtype),
    ]
    packets = np.concatenate([packet for _, packet in timed_packets])
    times = np.concatenate([time for time, _ in timed_packets])
    order = np.argsort(times, kind="stable")
    origin = _origin(start, resolution)
    packets["timestamp"] = origin + np.rint(_since_reset(times, resets_s) * resolution).astype(np.uint64)
    headers = _nev_headers(channels, waveform_gain_uv, points)
    basic = np.zeros(1, layout.NEV_BASIC)
    basic["file_type_id"] = layout.NEV_MAGIC[1 if major >= 3 else 0]
    basic["ver_major"], basic["ver_minor"] = _version(version)
    basic["additional_flags"] = 1  # all waveforms are 16 bits wide
    basic["bytes_in_headers"] = layout.NEV_BASIC.itemsize + layout.NEV_EXTENDED.itemsize * len(headers)
    basic["bytes_in_data_packets"] = dtype.itemsize
    basic["time_resolution_of_time_stamps"] = resolution
    basic["time_resolution_of_samples"] = sampling_rate_hz
    basic["time_origin"] = _systemtime(start)
    basic["application"] = APPLICATION
    basic["number_of_extended_headers"] = len(headers)
    with atomic_write(path) as partial, partial.open("wb") as stream:
        stream.write(basic.tobytes() + headers.tobytes() + packets[order].tobytes())


def write_nsx(
    path: str | PathLike[str],
    chunks: Iterable[NDArray[np.int16]],
    *,
    channel_ids: Sequence[int],
    labels: Sequence[str] = (),
    gain_uv: float | Sequence[float] = 0.25,
    sampling_rate_hz: int = 30_000,
    start: dt.datetime | None = None,
    version: str = "2.3",
    pauses: Pauses = (),
    resets: Sequence[int] = (),
    first_tick: int = 0,
    ptp: bool = False,
) -> None:
    """Write an NSx file.

    Parameters
    ----------
    path : path
        Where to write; the file appears whole or not at all.
    chunks : iterable of int16 array [sample, channel]
        The recording, piece by piece; taken one after the other.
    channel_ids, labels : sequence of int, of str
        Electrode ids (analog inputs from 129) and their labels.
    gain_uv : float or sequence of float
        Microvolts per count: stored as the range of values that it gives.
    sampling_rate_hz : int
        A whole divisor of 30 kHz.
    start : datetime, optional
        Time origin in the header (UTC); 2.1 has none.
    version : str
        '2.1' (one block, neither stamps nor scale), '2.2', '2.3' or '3.0'.
    pauses : sequence of (int, int)
        Sample before which the recording pauses, and for how many samples: a
        new data block with its true stamp.
    resets : sequence of int
        Samples at which the clock starts again at 0, as with synchronised
        systems: a new data block.
    first_tick : int
        Time stamp of the first sample, in ticks of 30 kHz.
    ptp : bool
        A packet a sample, stamped in nanoseconds since 1970 (3.0 alone).

    Raises
    ------
    InputError
        Unknown version, a rate that does not divide 30 kHz, or what the
        version cannot hold.
    """
    major, minor = _version(version)
    period, remainder = divmod(layout.CLOCK_HZ, sampling_rate_hz)
    if remainder:
        raise InputError(f"{sampling_rate_hz} Hz is no divisor of 30 kHz", path)
    if (version == "2.1" and (pauses or resets or first_tick)) or (ptp and version != "3.0"):
        raise InputError(f"NSx {version} holds no such time stamps", path)
    with atomic_write(path) as partial, partial.open("wb") as stream:
        if version == "2.1":
            basic = np.zeros(1, layout.NSX_BASIC_21)
            basic["file_type_id"], basic["label"] = layout.NSX_MAGIC_21, b"evoalign"
            basic["period"], basic["channel_count"] = period, len(channel_ids)
            stream.write(basic.tobytes() + np.asarray(channel_ids, "<u4").tobytes())
            for chunk in chunks:
                stream.write(np.ascontiguousarray(chunk, "<i2").tobytes())
            return
        channels = _nsx_channels(channel_ids, labels, gain_uv)
        basic = np.zeros(1, layout.NSX_BASIC)
        basic["file_type_id"] = layout.NSX_MAGIC[1 if major >= 3 else 0]
        basic["ver_major"], basic["ver_minor"] = major, minor
        basic["bytes_in_headers"] = layout.NSX_BASIC.itemsize + channels.nbytes
        basic["label"], basic["comment"] = b"evoalign", APPLICATION
        basic["period"] = period
        basic["time_resolution_of_time_stamps"] = PTP_HZ if ptp else layout.CLOCK_HZ
        basic["time_origin"] = _systemtime(start)
        basic["channel_count"] = len(channel_ids)
        stream.write(basic.tobytes() + channels.tobytes())
        pieces = _pieces(chunks, pauses, resets)
        if ptp:
            _write_ptp(stream, pieces, period, _origin(start, PTP_HZ), first_tick)
        else:
            _write_blocks(stream, pieces, period, major >= 3, first_tick)


def _version(version: str) -> tuple[int, int]:
    if version not in VERSIONS:
        raise InputError(f"version {version} is not written", hint=f"one of {', '.join(VERSIONS)}")
    return VERSIONS[version]


def _packet_bytes(points: int, major: int) -> int:
    # Stamp, id, unit, reserved, then the waveform; whole words of four bytes.
    head = (8 if major >= 3 else 4) + 4
    return -(-(head + 2 * points) // 4) * 4


def _systemtime(start: dt.datetime | None) -> tuple[int, ...]:
    day = start or dt.datetime(2000, 1, 1)
    weekday = day.isoweekday() % 7  # SYSTEMTIME counts from Sunday
    milliseconds = day.microsecond // 1000
    return (day.year, day.month, weekday, day.day, day.hour, day.minute, day.second, milliseconds)


def _origin(start: dt.datetime | None, resolution_hz: int) -> np.uint64:
    """Stamp of time 0: PTP counts from 1970, the vendor's own clock from the start."""
    if resolution_hz != PTP_HZ:
        return np.uint64(0)
    since = (start or dt.datetime(2000, 1, 1, tzinfo=dt.UTC)) - PTP_EPOCH
    return np.uint64(since // dt.timedelta(microseconds=1) * 1000)


def _since_reset(times: NDArray[np.float64], resets_s: Sequence[float]) -> NDArray[np.float64]:
    starts = np.array([0.0, *resets_s])
    return times - starts[np.searchsorted(starts, times, side="right") - 1]


def _nev_headers(channels: Sequence[int], gain_uv: float, points: int) -> NDArray[np.void]:
    rows = np.zeros(2 * len(channels), layout.NEV_EXTENDED)
    wave, label = np.zeros(len(channels), layout.NEUEVWAV), np.zeros(len(channels), layout.NEUEVLBL)
    wave["electrode_id"] = label["electrode_id"] = channels
    index = np.arange(len(channels))
    wave["physical_connector"], wave["connector_pin"] = 1 + index // 32, 1 + index % 32
    wave["digitization_factor"] = round(1000 * gain_uv)
    wave["bytes_per_waveform"], wave["spike_width"] = 2, points
    label["label"] = [f"chan{channel}".encode() for channel in channels]
    for at, (name, content) in enumerate(((b"NEUEVWAV", wave), (b"NEUEVLBL", label))):
        rows["packet_id"][at * len(channels) : (at + 1) * len(channels)] = name
        rows["content"][at * len(channels) : (at + 1) * len(channels)] = content.view("V24")
    return rows


Packets = tuple[NDArray[np.float64], NDArray[np.void]]


def _spike_packets(spikes: pd.DataFrame, waveforms: NDArray[np.int16] | None, dtype: np.dtype) -> Packets:
    packets = np.zeros(len(spikes), dtype)
    packets["packet_id"], packets["reason"] = spikes["channel"], spikes["unit"]
    if waveforms is not None:
        # The waveform fills the packet from the byte after the reserved one.
        first = dtype.fields["reserved"][1] + 1  # type: ignore[index]
        raw = packets.view(np.uint8).reshape(len(spikes), dtype.itemsize)
        raw[:, first : first + 2 * waveforms.shape[1]] = np.ascontiguousarray(waveforms, "<i2").view(np.uint8)
    return spikes["time_s"].to_numpy(np.float64), packets


def _word_packets(words: pd.DataFrame, dtype: np.dtype) -> Packets:
    reasons = {"digital": PARALLEL, "serial": SERIAL}
    unknown = set(words["source"]) - set(reasons)
    if unknown:
        raise InputError(f"Blackrock files hold no words of source {sorted(unknown)}")
    packets = np.zeros(len(words), dtype)
    packets["packet_id"] = layout.DIGITAL_PACKET
    packets["reason"] = [reasons[source] for source in words["source"]]
    packets["digital_input"] = words["word"]
    return words["time_s"].to_numpy(np.float64), packets


def _comment_packets(comments: Sequence[tuple[float, str]], dtype: np.dtype) -> Packets:
    packets = np.zeros(len(comments), dtype)
    packets["packet_id"] = layout.COMMENT_PACKET
    packets["text"] = [text.encode("latin-1") for _, text in comments]
    return np.array([time for time, _ in comments], np.float64), packets


def _nsx_channels(
    channel_ids: Sequence[int], labels: Sequence[str], gain_uv: float | Sequence[float]
) -> NDArray[np.void]:
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


def _pieces(chunks: Iterable[NDArray[np.int16]], pauses: Pauses, resets: Sequence[int]) -> Iterator[Piece]:
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


def _write_blocks(
    stream: BinaryIO, pieces: Iterator[Piece], period: int, wide: bool, first_tick: int
) -> None:
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


def _write_ptp(
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
