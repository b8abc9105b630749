"""Writes Blackrock's NEV and NSx files, byte for byte as the vendor's specification has them.

NEV 2.1 to 3.0; NSx 2.1 to 3.0, 3.0 also with a time stamp a sample (PTP).
Samples are streamed; only one chunk of them is in memory.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from os import PathLike

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign.errors import InputError
from evoalign.files import atomic_write
from evoalign.formats.blackrock import layout
from evoalign.formats.blackrock.write_packets import (
    PTP_HZ,
    comment_packets,
    first_stamp,
    nev_headers,
    packet_bytes,
    since_reset,
    spike_packets,
    systemtime,
    word_packets,
)
from evoalign.formats.blackrock.write_samples import Pauses, cut_pieces, nsx_channels, write_blocks, write_ptp

VERSIONS = {"2.1": (2, 1), "2.2": (2, 2), "2.3": (2, 3), "3.0": (3, 0)}
APPLICATION = b"evoalign simulate"
NO_SPIKES = pd.DataFrame({"channel": [], "unit": [], "time_s": []})
NO_WORDS = pd.DataFrame({"time_s": [], "word": [], "source": []})
WAVEFORM_POINTS = 48  # Central's default: 1.6 ms at 30 kHz


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
    dtype = layout.nev_packet(packet_bytes(points, major), wide=major >= 3)
    timed_packets = [
        spike_packets(spikes, waveforms, dtype),
        word_packets(words, dtype),
        comment_packets(comments, dtype),
    ]
    times = np.concatenate([time for time, _ in timed_packets])
    order = np.argsort(times, kind="stable")
    # As whole packets of bytes: numpy copies field by field, and so leaves out the bytes between two fields,
    # which hold the second point of a waveform.
    in_bytes = np.concatenate([packet.view(f"V{dtype.itemsize}") for _, packet in timed_packets])
    packets = in_bytes[order].view(dtype)
    origin = first_stamp(start, resolution)
    ticks = np.rint(since_reset(times[order], resets_s) * resolution)
    packets["timestamp"] = origin + ticks.astype(np.uint64)
    headers = nev_headers(channels, waveform_gain_uv, points)
    basic = np.zeros(1, layout.NEV_BASIC)
    basic["file_type_id"] = layout.NEV_MAGIC[1 if major >= 3 else 0]
    basic["ver_major"], basic["ver_minor"] = _version(version)
    basic["additional_flags"] = 1  # all waveforms are 16 bits wide
    basic["bytes_in_headers"] = layout.NEV_BASIC.itemsize + layout.NEV_EXTENDED.itemsize * len(headers)
    basic["bytes_in_data_packets"] = dtype.itemsize
    basic["time_resolution_of_time_stamps"] = resolution
    basic["time_resolution_of_samples"] = sampling_rate_hz
    basic["time_origin"] = systemtime(start)
    basic["application"] = APPLICATION
    basic["number_of_extended_headers"] = len(headers)
    with atomic_write(path) as partial, partial.open("wb") as stream:
        stream.write(basic.tobytes() + headers.tobytes() + packets.tobytes())


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
        channels = nsx_channels(channel_ids, labels, gain_uv)
        basic = np.zeros(1, layout.NSX_BASIC)
        basic["file_type_id"] = layout.NSX_MAGIC[1 if major >= 3 else 0]
        basic["ver_major"], basic["ver_minor"] = major, minor
        basic["bytes_in_headers"] = layout.NSX_BASIC.itemsize + channels.nbytes
        basic["label"], basic["comment"] = b"evoalign", APPLICATION
        basic["period"] = period
        basic["time_resolution_of_time_stamps"] = PTP_HZ if ptp else layout.CLOCK_HZ
        basic["time_origin"] = systemtime(start)
        basic["channel_count"] = len(channel_ids)
        stream.write(basic.tobytes() + channels.tobytes())
        samples = cut_pieces(chunks, pauses, resets)
        if ptp:
            write_ptp(stream, samples, period, first_stamp(start, PTP_HZ), first_tick)
        else:
            write_blocks(stream, samples, period, major >= 3, first_tick)


def _version(version: str) -> tuple[int, int]:
    if version not in VERSIONS:
        raise InputError(f"version {version} is not written", hint=f"one of {', '.join(VERSIONS)}")
    return VERSIONS[version]
