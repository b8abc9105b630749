"""Byte layout of Plexon .plx files, versions 100 to 107.

Names are those of Plexon's `PlexonFiles.h` (PLX offline SDK). All numbers are
little-endian. A file is one `PL_FileHeader`, the channel headers
(`PL_ChanHeader`, `PL_EventHeader`, `PL_SlowChannelHeader`), then data blocks
until its end: a `PL_DataBlockHeader` each, followed by
NumberOfWaveforms x NumberOfWordsInWaveform int16 values.
"""

from __future__ import annotations

import numpy as np

MAGIC = 0x58454C50  # "PLEX"
VERSIONS = range(100, 108)

# Block types
SPIKE, EVENT, CONTINUOUS = 1, 4, 5
# Event channels with a meaning of their own
STROBED, START, STOP = 257, 258, 259

# TSCounts and WFCounts: [channel 0..129][unit 0..4]; EVCounts: events below 300, then slow channels.
LAST_COUNTED_CHANNEL, COUNTED_UNITS = 128, 5
FIRST_SLOW_COUNT, LAST_COUNTED_SLOW = 300, 211
MAX_UNIT = 26  # a .. z

FILE_HEADER = np.dtype(
    [
        ("MagicNumber", "<u4"),
        ("Version", "<i4"),
        ("Comment", "S128"),
        ("ADFrequency", "<i4"),  # of the time stamps
        ("NumDSPChannels", "<i4"),
        ("NumEventChannels", "<i4"),
        ("NumSlowChannels", "<i4"),
        ("NumPointsWave", "<i4"),
        ("NumPointsPreThr", "<i4"),
        ("Year", "<i4"),
        ("Month", "<i4"),
        ("Day", "<i4"),
        ("Hour", "<i4"),
        ("Minute", "<i4"),
        ("Second", "<i4"),
        ("FastRead", "<i4"),
        ("WaveformFreq", "<i4"),
        ("LastTimestamp", "<f8"),
        # version >= 103
        ("Trodalness", "u1"),
        ("DataTrodalness", "u1"),
        ("BitsPerSpikeSample", "u1"),
        ("BitsPerSlowSample", "u1"),
        ("SpikeMaxMagnitudeMV", "<u2"),
        ("SlowMaxMagnitudeMV", "<u2"),
        # version >= 105
        ("SpikePreAmpGain", "<u2"),
        # version >= 106
        ("AcquiringSoftware", "S18"),
        ("ProcessingSoftware", "S18"),
        ("Padding", "S10"),
        # all versions
        ("TSCounts", "<i4", (130, 5)),
        ("WFCounts", "<i4", (130, 5)),
        ("EVCounts", "<i4", (512,)),
    ]
)

CHAN_HEADER = np.dtype(
    [
        ("Name", "S32"),
        ("SIGName", "S32"),
        ("Channel", "<i4"),  # from 1
        ("WFRate", "<i4"),
        ("SIG", "<i4"),
        ("Ref", "<i4"),
        ("Gain", "<i4"),
        ("Filter", "<i4"),
        ("Threshold", "<i4"),
        ("Method", "<i4"),
        ("NUnits", "<i4"),
        ("Template", "<i2", (5, 64)),
        ("Fit", "<i4", (5,)),
        ("SortWidth", "<i4"),
        ("Boxes", "<i2", (5, 2, 4)),
        ("SortBeg", "<i4"),
        ("Comment", "S128"),  # version >= 105
        ("SrcId", "u1"),  # version >= 106
        ("reserved", "u1"),
        ("ChanId", "<u2"),
        ("Padding", "<i4", (10,)),
    ]
)

EVENT_HEADER = np.dtype(
    [
        ("Name", "S32"),
        ("Channel", "<i4"),
        ("Comment", "S128"),  # version >= 105
        ("SrcId", "u1"),  # version >= 106
        ("reserved", "u1"),
        ("ChanId", "<u2"),
        ("Padding", "<i4", (32,)),
    ]
)

SLOW_HEADER = np.dtype(
    [
        ("Name", "S32"),
        ("Channel", "<i4"),  # from 0
        ("ADFreq", "<i4"),
        ("Gain", "<i4"),
        ("Enabled", "<i4"),
        ("PreAmpGain", "<i4"),
        ("SpikeChannel", "<i4"),  # version >= 104; <= 0: none
        ("Comment", "S128"),  # version >= 105
        ("SrcId", "u1"),  # version >= 106
        ("reserved", "u1"),
        ("ChanId", "<u2"),
        ("Padding", "<i4", (27,)),
    ]
)

BLOCK_HEADER = np.dtype(
    [
        ("Type", "<u2"),
        ("UpperByteOf5ByteTimestamp", "<u2"),
        ("TimeStamp", "<u4"),
        ("Channel", "<i2"),
        ("Unit", "<u2"),
        ("NumberOfWaveforms", "<u2"),
        ("NumberOfWordsInWaveform", "<u2"),
    ]
)


def place(field: str) -> int:
    """Return the byte at which a field of the file header starts."""
    fields = FILE_HEADER.fields
    assert fields is not None
    return fields[field][1]


def spike_gain_uv(header: np.void, gain: int) -> float:
    """Return microvolts per count of spike waveforms, by the rules of `PlexonFiles.h`.

    Parameters
    ----------
    header : FILE_HEADER
        The file's header.
    gain : int
        `Gain` of the channel's header.

    Returns
    -------
    float
        NaN when the header holds a gain or range of 0.
    """
    version = int(header["Version"])
    if version < 103:
        full_scale, steps, preamp = 3000.0, 2048.0, 1000.0
    else:
        full_scale = float(header["SpikeMaxMagnitudeMV"])
        steps = 0.5 * 2.0 ** int(header["BitsPerSpikeSample"])
        preamp = float(header["SpikePreAmpGain"]) if version >= 105 else 1000.0
    return _microvolts(full_scale, steps * gain * preamp)


def slow_gain_uv(header: np.void, gain: int, preamp: int) -> float:
    """Return microvolts per count of a continuous channel, by the rules of `PlexonFiles.h`.

    Parameters
    ----------
    header : FILE_HEADER
        The file's header.
    gain, preamp : int
        `Gain` and `PreAmpGain` of the channel's header.

    Returns
    -------
    float
        NaN when the header holds a gain or range of 0.
    """
    version = int(header["Version"])
    if version <= 102:
        factor = 1000 if version <= 101 else preamp
        return _microvolts(5000.0, 2048.0 * gain * factor)
    steps = 0.5 * 2.0 ** int(header["BitsPerSlowSample"])
    return _microvolts(float(header["SlowMaxMagnitudeMV"]), steps * gain * preamp)


def _microvolts(millivolts: float, counts: float) -> float:
    return millivolts * 1000.0 / counts if millivolts > 0 and counts > 0 else float("nan")
