"""Headers and packets of a NEV file that is written: spikes, words, comments."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign.errors import InputError
from evoalign.formats.blackrock import layout
from evoalign.formats.blackrock.nev import PARALLEL, SERIAL

PTP_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
PTP_HZ = 1_000_000_000


def packet_bytes(points: int, major: int) -> int:
    """Return the length of a data packet with a waveform of `points`."""
    # Stamp, id, unit, reserved, then the waveform; whole words of four bytes.
    head = (8 if major >= 3 else 4) + 4
    return -(-(head + 2 * points) // 4) * 4


def systemtime(start: dt.datetime | None) -> tuple[int, ...]:
    """Return a date as the header holds it; 2000-01-01 where there is none."""
    day = start or dt.datetime(2000, 1, 1)
    weekday = day.isoweekday() % 7  # SYSTEMTIME counts from Sunday
    milliseconds = day.microsecond // 1000
    return (day.year, day.month, weekday, day.day, day.hour, day.minute, day.second, milliseconds)


def first_stamp(start: dt.datetime | None, resolution_hz: int) -> np.uint64:
    """Stamp of time 0: PTP counts from 1970, the vendor's own clock from the start."""
    if resolution_hz != PTP_HZ:
        return np.uint64(0)
    since = (start or dt.datetime(2000, 1, 1, tzinfo=dt.UTC)) - PTP_EPOCH
    return np.uint64(since // dt.timedelta(microseconds=1) * 1000)


def since_reset(times: NDArray[np.float64], resets_s: Sequence[float]) -> NDArray[np.float64]:
    """Return times since the last reset of the clock."""
    starts = np.array([0.0, *resets_s])
    return times - starts[np.searchsorted(starts, times, side="right") - 1]


def nev_headers(channels: Sequence[int], gain_uv: float, points: int) -> NDArray[np.void]:
    """Return the extended headers of channels: scale of waveforms and label of each."""
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


def spike_packets(spikes: pd.DataFrame, waveforms: NDArray[np.int16] | None, dtype: np.dtype) -> Packets:
    """Return times and packets of spikes."""
    packets = np.zeros(len(spikes), dtype)
    packets["packet_id"], packets["reason"] = spikes["channel"], spikes["unit"]
    if waveforms is not None:
        # The waveform fills the packet from the byte after the reserved one.
        first = dtype.fields["reserved"][1] + 1  # type: ignore[index]
        raw = packets.view(np.uint8).reshape(len(spikes), dtype.itemsize)
        raw[:, first : first + 2 * waveforms.shape[1]] = np.ascontiguousarray(waveforms, "<i2").view(np.uint8)
    return spikes["time_s"].to_numpy(np.float64), packets


def word_packets(words: pd.DataFrame, dtype: np.dtype) -> Packets:
    """Return times and packets of event words."""
    reasons = {"digital": PARALLEL, "serial": SERIAL}
    unknown = set(words["source"]) - set(reasons)
    if unknown:
        raise InputError(f"Blackrock files hold no words of source {sorted(unknown)}")
    packets = np.zeros(len(words), dtype)
    packets["packet_id"] = layout.DIGITAL_PACKET
    packets["reason"] = [reasons[source] for source in words["source"]]
    packets["digital_input"] = words["word"]
    return words["time_s"].to_numpy(np.float64), packets


def comment_packets(comments: Sequence[tuple[float, str]], dtype: np.dtype) -> Packets:
    """Return times and packets of comments."""
    packets = np.zeros(len(comments), dtype)
    packets["packet_id"] = layout.COMMENT_PACKET
    packets["text"] = [text.encode("latin-1") for _, text in comments]
    return np.array([time for time, _ in comments], np.float64), packets
