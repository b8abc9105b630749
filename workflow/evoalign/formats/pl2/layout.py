"""Byte layout of Plexon .pl2 files, found on a real file of OmniPlex 1.22.

Plexon publishes no specification. Field names follow Plexon's
`PL2FileReader.h`, whose structures come from these headers. All numbers are
little-endian; headers, blocks and footer records start on 16-byte boundaries.
"""

from __future__ import annotations

import numpy as np

VERSION_BYTE = 254  # the first byte of the file
HEADERS_START = 0x480

# Channel headers: tag in byte 0
SPIKE_TAG, ANALOG_TAG, EVENT_TAG = 0xD5, 0xD4, 0xD6
# Data blocks: type in byte 0, source in byte 1
SPIKE_BLOCK, ANALOG_BLOCK, EVENT_BLOCK, START_STOP_BLOCK = 0x31, 0x42, 0x5A, 0x59
# Footer records: tag in byte 0, and the blocks that they list
FOOTER_OF = {0xDE: SPIKE_BLOCK, 0xDD: ANALOG_BLOCK, 0xDF: EVENT_BLOCK, 0xE0: START_STOP_BLOCK}

# Sources, as OmniPlex numbers them; analog inputs are 12 or 13 by its version.
WIDEBAND, SPIKE_BAND, SPIKES, FIELD, KEYBOARD, SINGLE_BIT, OTHER_EVENTS = 3, 4, 6, 7, 8, 9, 10
STROBED_CHANNEL = 1  # of OTHER_EVENTS
START_VALUE, STOP_VALUE = 1, 0  # in start/stop blocks


def _record(size: int, fields: list[tuple[str, object, int]]) -> np.dtype:
    names, formats, offsets = zip(*fields, strict=True)
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": size})


FILE_HEADER = _record(
    HEADERS_START,
    [
        ("Version", ("u1", (3,)), 0x00),
        ("EndOfHeader", "<u8", 0x20),
        ("FirstDataBlock", "<u8", 0x28),
        ("EndOfDataBlocks", "<u8", 0x30),
        ("StartOfFooter", "<u8", 0x38),
        ("StartRecordingTime", "<u8", 0x40),
        ("DurationOfRecording", "<u8", 0x48),
        ("CreatorComment", "S256", 0xE0),
        ("CreatorSoftwareName", "S64", 0x1E0),
        ("CreatorSoftwareVersion", "S16", 0x220),
        # sec min hour mday month year-1900 wday yday dst ms
        ("CreatorDateTime", ("<u4", (10,)), 0x230),
        ("TimestampFrequency", "<f8", 0x258),
        ("NumberOfChannelHeaders", "<u4", 0x260),
        ("TotalNumberOfSpikeChannels", "<u4", 0x264),
        ("NumberOfRecordedSpikeChannels", "<u4", 0x268),
        ("TotalNumberOfAnalogChannels", "<u4", 0x26C),
        ("NumberOfRecordedAnalogChannels", "<u4", 0x270),
        ("NumberOfDigitalChannels", "<u4", 0x274),
        ("MinimumTrodality", "<u4", 0x278),
        ("MaximumTrodality", "<u4", 0x27C),
        ("NumberOfNonOmniPlexSources", "<u4", 0x280),
    ],
)

_CHANNEL: list[tuple[str, object, int]] = [
    ("Tag", "u1", 0),
    ("TagSource", "u1", 1),
    ("Words", "<u2", 2),  # half of the header's length less 16 bytes
    ("TagChannel", "<u2", 4),
    ("Name", "S64", 16),
    ("Source", "<u4", 80),
    ("Channel", "<u4", 84),  # from 1, within the source
    ("ChannelEnabled", "<u4", 88),
    ("ChannelRecordingEnabled", "<u4", 92),
]
_SAMPLED: list[tuple[str, object, int]] = [
    ("Units", "S16", 96),
    ("SamplesPerSecond", "<f8", 112),
    ("CoeffToConvertToUnits", "<f8", 120),
]

SPIKE_HEADER = _record(
    2592,
    [
        *_CHANNEL,
        *_SAMPLED,
        ("SamplesPerSpike", "<u4", 128),
        ("Threshold", "<i4", 132),
        ("PreThresholdSamples", "<u4", 136),
        ("SortEnabled", "<u4", 140),
        ("SortMethod", "<u4", 144),
        ("NumberOfUnits", "<u4", 148),
        ("SortRangeStart", "<u4", 152),
        ("SortRangeEnd", "<u4", 156),
        ("UnitCounts", ("<u8", (256,)), 160),
        ("SourceTrodality", "<u4", 2208),
        ("OneBasedTrode", "<u2", 2212),
        ("OneBasedChannelInTrode", "<u2", 2214),
        ("SourceName", "S64", 2232),
    ],
)

ANALOG_HEADER = _record(
    512,
    [
        *_CHANNEL,
        *_SAMPLED,
        ("SourceTrodality", "<u4", 128),
        ("OneBasedTrode", "<u2", 132),
        ("OneBasedChannelInTrode", "<u2", 134),
        ("SourceName", "S64", 152),
    ],
)

EVENT_HEADER = _record(368, [*_CHANNEL, ("SourceName", "S64", 112)])

HEADER_OF = {SPIKE_TAG: SPIKE_HEADER, ANALOG_TAG: ANALOG_HEADER, EVENT_TAG: EVENT_HEADER}

# The 16 bytes at the start of a data block. Words: 16-bit words of payload.
ANALOG_HEAD = np.dtype(
    [("Type", "u1"), ("Source", "u1"), ("Words", "<u2"), ("Channel", "<u2"), ("N", "<u2"), ("Tick", "<u8")]
)  # payload: i16[N]
SPIKE_HEAD = np.dtype(
    [("Type", "u1"), ("Source", "u1"), ("Words", "<u2"), ("Channel", "<u2"), ("Points", "<u2"), ("N", "<u8")]
)  # payload: u64[N] ticks, u16[N] units, i16[N][Points]
EVENT_HEAD = np.dtype(
    [("Type", "u1"), ("Source", "u1"), ("Words", "<u2"), ("Channel", "<u2"), ("N", "<u8"), ("Zero", "<u2")]
)  # also start/stop; payload: u64[N] ticks, u16[N] values

# The 16 bytes at the start of a footer record; then u64[k] byte offsets of the
# channel's blocks, u64[k] their first ticks, u16[k] their counts: 18 k bytes = 2 x Words.
FOOTER_HEAD = np.dtype(
    [("Tag", "u1"), ("Source", "u1"), ("Words", "<u2"), ("Channel", "<u2"), ("One", "<u2"), ("Total", "<u8")]
)


def place(field: str) -> int:
    """Return the byte at which a field of the file header starts."""
    fields = FILE_HEADER.fields
    assert fields is not None
    return fields[field][1]
