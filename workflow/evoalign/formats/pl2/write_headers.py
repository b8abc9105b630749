"""Headers and footer records of the .pl2 files that `evoalign.formats.pl2.write` writes."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from evoalign.errors import InputError
from evoalign.formats.pl2 import layout as pl2

SOURCES = {"WB": pl2.WIDEBAND, "SPKC": pl2.SPIKE_BAND, "FP": pl2.FIELD, "AI": 13}
N_BITS = 32


def file_header(tables: Sequence[np.ndarray], clock_hz: int, start: dt.datetime | None) -> np.ndarray:
    """Return a FILE_HEADER array ``[1]``, without the places and totals known at the end."""
    header = np.zeros(1, pl2.FILE_HEADER)
    start = start or dt.datetime(2000, 1, 1)
    header["Version"][0, 0] = pl2.VERSION_BYTE
    header["CreatorSoftwareName"], header["CreatorSoftwareVersion"] = b"evoalign.simulate", b"1"
    header["CreatorDateTime"] = [start.second, start.minute, start.hour, start.day, start.month - 1,
                                 start.year - 1900, (start.weekday() + 1) % 7, start.timetuple().tm_yday - 1,
                                 0, start.microsecond // 1000]  # fmt: skip
    header["TimestampFrequency"] = clock_hz
    spikes, analog, events = tables
    header["NumberOfChannelHeaders"] = sum(map(len, tables))
    header["TotalNumberOfSpikeChannels"] = header["NumberOfRecordedSpikeChannels"] = len(spikes)
    header["TotalNumberOfAnalogChannels"] = header["NumberOfRecordedAnalogChannels"] = len(analog)
    header["NumberOfDigitalChannels"] = len(events)
    header["MinimumTrodality"] = header["MaximumTrodality"] = 1
    return header


def spike_headers(channels: Sequence[int], gain_uv: float, points: int, rate_hz: float) -> np.ndarray:
    """Return the SPIKE_HEADER array ``[channel]``, without counts."""
    table = np.zeros(len(channels), pl2.SPIKE_HEADER)
    rows = [(f"SPK{channel:02d}", pl2.SPIKES, channel) for channel in channels]
    _name(table, pl2.SPIKE_TAG, rows, "SPK")
    table["Units"], table["SamplesPerSecond"], table["CoeffToConvertToUnits"] = (
        b"Volts",
        rate_hz,
        gain_uv * 1e-6,
    )
    table["SamplesPerSpike"], table["PreThresholdSamples"] = points, min(8, points)
    table["SourceTrodality"] = table["OneBasedChannelInTrode"] = 1
    table["OneBasedTrode"] = channels
    return table


def analog_headers(groups: Iterable[tuple[Sequence[str], float | Sequence[float], int]]) -> np.ndarray:
    """Return the ANALOG_HEADER array ``[channel]`` of all groups.

    Raises
    ------
    InputError
        A name that is not WB, SPKC, FP or AI and a number.
    """
    rows, gains, rates = [], [], []
    for names, gain_uv, rate in groups:
        for name in names:
            match = re.fullmatch(r"(WB|SPKC|FP|AI)0*([1-9]\d*)", name)
            if not match:
                raise InputError(f"'{name}' is no name of a channel", "", "use WB01, SPKC01, FP01, AI01, ..")
            rows.append((name, SOURCES[match[1]], int(match[2])))
            rates.append(rate)
        gains += np.broadcast_to(np.asarray(gain_uv, float), (len(names),)).tolist()
    table = np.zeros(len(rows), pl2.ANALOG_HEADER)
    _name(table, pl2.ANALOG_TAG, rows, "")
    for row, (name, _, _) in zip(table, rows, strict=True):
        row["SourceName"] = name.rstrip("0123456789").encode()
    table["Units"], table["SamplesPerSecond"] = b"Volts", rates
    table["CoeffToConvertToUnits"] = np.array(gains) * 1e-6
    table["SourceTrodality"] = table["OneBasedChannelInTrode"] = 1
    table["OneBasedTrode"] = table["Channel"]
    return table


def event_headers() -> np.ndarray:
    """Return the EVENT_HEADER array ``[channel]`` of an OmniPlex: 32 bits, strobed words, RSTART, RSTOP."""
    bits = [(f"EVT{bit:02d}", pl2.SINGLE_BIT, bit) for bit in range(1, N_BITS + 1)]
    other_events = [(name, pl2.OTHER_EVENTS, n) for n, name in enumerate(("Strobed", "RSTART", "RSTOP"), 1)]
    table = np.zeros(len(bits) + len(other_events), pl2.EVENT_HEADER)
    _name(table, pl2.EVENT_TAG, bits + other_events, "")
    table["SourceName"] = np.where(table["Source"] == pl2.SINGLE_BIT, b"Single-bit events", b"Other events")
    return table


def event_sources(words: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return source, channel and value of each word, ``[word]``; source and channel 0 for start and stop.

    Raises
    ------
    InputError
        A source that .pl2 files do not have, or a number out of range.
    """
    source, word = words["source"].to_numpy(object), words["word"].to_numpy(np.int64)
    unknown = set(source) - {"strobed", "bit", "start", "stop"}
    if unknown:
        raise InputError(
            f".pl2 files have no words of source {sorted(unknown)}",
            "",
            "use 'strobed', 'bit', 'start', 'stop'",
        )
    bit, strobed = source == "bit", source == "strobed"
    if ((word < 1) | (word > N_BITS))[bit].any() or ((word < 0) | (word > 0xFFFF))[strobed].any():
        raise InputError("a bit outside 1 to 32, or a word outside 0 to 65535", "", "correct the words")
    source_of_word = np.where(bit, pl2.SINGLE_BIT, np.where(strobed, pl2.OTHER_EVENTS, 0))
    channel = np.where(bit, word, np.where(strobed, pl2.STROBED_CHANNEL, 0))
    return source_of_word, channel, np.where(strobed, word, 0)


def footer_record(key: tuple[int, int, int], blocks: Sequence[tuple[int, int, int]]) -> bytes:
    """Return the footer record of a channel's blocks: (byte, first tick, contents) each."""
    tag = {block: tag for tag, block in pl2.FOOTER_OF.items()}[key[0]]
    offset, tick, n = (np.array(column, np.int64) for column in zip(*blocks, strict=True))
    head = np.array((tag, key[1], 9 * len(blocks), key[2], 1, int(n.sum())), pl2.FOOTER_HEAD)
    return (
        head.tobytes()
        + offset.astype("<u8").tobytes()
        + tick.astype("<u8").tobytes()
        + n.astype("<u2").tobytes()
    )


def padded(content: bytes) -> bytes:
    """Return `content` filled with zeros to a multiple of 16 bytes."""
    return content + bytes(-len(content) % 16)


def _name(table: np.ndarray, tag: int, rows: Sequence[tuple[str, int, int]], source_name: str) -> None:
    table["Tag"], table["Words"] = tag, (table.dtype.itemsize - 16) // 2
    for row, (name, source, channel) in zip(table, rows, strict=True):
        row["Name"], row["Source"], row["Channel"] = name.encode(), source, channel
        row["TagSource"], row["TagChannel"] = source, channel
        row["SourceName"] = source_name.encode()
    table["ChannelEnabled"] = table["ChannelRecordingEnabled"] = 1
