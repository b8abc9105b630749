"""Headers of the .plx files that `evoalign.formats.plx.write` writes."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from evoalign.errors import InputError
from evoalign.formats.plx import layout as plx

EVENT_NAMES = {plx.STROBED: "Strobed", plx.START: "Start", plx.STOP: "Stop"}
FIXED_EVENTS = {"strobed": plx.STROBED, "start": plx.START, "stop": plx.STOP}
SlowGroup = tuple[Sequence[str], float | Sequence[float], int]


def file_header(
    version: int, clock_hz: int, start: dt.datetime | None, points: int, pre_threshold: int
) -> np.ndarray:
    """Return a FILE_HEADER array ``[1]``, with all counts 0."""
    header = np.zeros(1, plx.FILE_HEADER)
    start = start or dt.datetime(2000, 1, 1)
    header["MagicNumber"], header["Version"] = plx.MAGIC, version
    header["ADFrequency"] = header["WaveformFreq"] = clock_hz
    header["NumPointsWave"], header["NumPointsPreThr"] = points, pre_threshold
    for field in ("Year", "Month", "Day", "Hour", "Minute", "Second"):
        header[field] = getattr(start, field.lower())
    if version >= 103:
        bits, spike_mv = (16, 5000) if version >= 106 else (12, 3000)
        header["Trodalness"] = header["DataTrodalness"] = 1
        header["BitsPerSpikeSample"] = header["BitsPerSlowSample"] = bits
        header["SpikeMaxMagnitudeMV"], header["SlowMaxMagnitudeMV"] = spike_mv, 5000
    if version >= 105:
        header["SpikePreAmpGain"] = 1
    if version >= 106:
        header["AcquiringSoftware"] = b"evoalign.simulate"
    return header


def spike_headers(header: np.ndarray, channels: Sequence[int], gain_uv: float) -> np.ndarray:
    """Return the CHAN_HEADER array ``[channel]`` of DSP channels; `header` as of `file_header`."""
    table = np.zeros(len(channels), plx.CHAN_HEADER)
    gain = _gain(plx.spike_gain_uv(header[0], 1), gain_uv)
    for row, channel in zip(table, channels, strict=True):
        row["Name"] = row["SIGName"] = f"SPK{channel:03d}".encode()
        row["Channel"] = row["SIG"] = channel
        row["Gain"] = gain
        if header["Version"][0] >= 106:
            row["SrcId"], row["ChanId"] = 6, channel
    return table


def slow_headers(header: np.ndarray, groups: Iterable[SlowGroup]) -> np.ndarray:
    """Return the SLOW_HEADER array ``[channel]``; channels are numbered from 0 through all groups."""
    rows = []
    for names, gain_uv, rate in groups:
        gains = np.broadcast_to(np.asarray(gain_uv, float), (len(names),))
        rows += [(name, float(gain), rate) for name, gain in zip(names, gains, strict=True)]
    table = np.zeros(len(rows), plx.SLOW_HEADER)
    for channel, (row, (name, gain, rate)) in enumerate(zip(table, rows, strict=True)):
        row["Name"], row["Channel"], row["ADFreq"] = name.encode(), channel, rate
        row["Gain"] = _gain(plx.slow_gain_uv(header[0], 1, 1), gain)
        row["PreAmpGain"] = row["Enabled"] = 1
        neural = re.fullmatch(r"(?:WB|SPKC|FP)0*([1-9]\d*)", name)
        if header["Version"][0] >= 104 and neural:
            row["SpikeChannel"] = int(neural[1])
    return table


def event_channels(words: pd.DataFrame) -> np.ndarray:
    """Return the event channel of each word, int64 ``[word]``.

    Raises
    ------
    InputError
        A source that .plx files do not have, or a bit outside 1 to 256.
    """
    source = words["source"].to_numpy(object)
    unknown = set(source) - {*FIXED_EVENTS, "bit"}
    if unknown:
        raise InputError(
            f".plx files have no words of source {sorted(unknown)}",
            "",
            "use 'strobed', 'bit', 'start' or 'stop'",
        )
    word = words["word"].to_numpy(np.int64)
    bits = word[source == "bit"]
    if bits.size and not (bits.min() >= 1 and bits.max() < plx.STROBED):
        raise InputError("a bit outside 1 to 256", "", "number single-bit inputs from 1")
    return np.array([FIXED_EVENTS.get(s, w) for s, w in zip(source, word, strict=True)], np.int64)


def event_headers(channels: np.ndarray) -> np.ndarray:
    """Return the EVENT_HEADER array ``[channel]``: 16 bits, the three fixed channels, and `channels`."""
    numbers = sorted({*range(1, 17), *EVENT_NAMES, *(int(c) for c in channels)})
    table = np.zeros(len(numbers), plx.EVENT_HEADER)
    for row, channel in zip(table, numbers, strict=True):
        row["Name"] = EVENT_NAMES.get(channel, f"EVT{channel:02d}").encode()
        row["Channel"] = channel
    return table


def _gain(one_uv: float, gain_uv: float) -> int:
    """Return the integer gain that makes `one_uv` (microvolts per count at gain 1) nearest to `gain_uv`."""
    if not gain_uv > 0:
        raise InputError(f"gain_uv is {gain_uv}", "", "give microvolts per count, more than 0")
    return max(1, round(one_uv / gain_uv))
