"""Packets of Blackrock's processors on the network, protocol 4.1, little-endian and packed.

Names are those of the vendor's ``cbproto.h`` (CereLink): cbPKT_HEADER, cbPKT_SPK, cbPKT_DINP,
cbPKT_PROCINFO, cbPKT_CHANINFO, cbPKT_SYSINFO, cbPKT_SYSPROTOCOLMONITOR. A datagram holds
packets one after the other; `dlen` is the length of what follows a header, in 4 bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

CONFIGURATION = 0x8000  # chid of packets that are of no channel
HEARTBEAT, MONITOR, CONFIG_ALL_DONE = 0x00, 0x01, 0x08
SYSTEM, RUN_LEVEL = 0x10, 0x12
PROCESSOR, GROUP, CHANNEL = 0x21, 0x30, 0x40
SET_RUN_LEVEL, ASK_CONFIG = 0x92, 0x88  # what a client sends
RUNNING = 50  # run level

FRONT_END = 0x00000001 | 0x00000002 | 0x00000004 | 0x00000100  # exists, connected, isolated, analog input
ANALOG_INPUT = 0x00000001 | 0x00000002 | 0x00000100
DIGITAL_INPUT = 0x00000001 | 0x00000002 | 0x00000400
SERIAL_PORT = 0x00000020  # dinpcaps: a baud rate

HEADER = np.dtype(
    [
        ("time", "<u8"),
        ("chid", "<u2"),
        ("type", "<u2"),
        ("dlen", "<u2"),
        ("instrument", "u1"),
        ("reserved", "u1"),
    ]
)


def packet(*fields: tuple) -> np.dtype:
    """Return the dtype of a packet: header, then fields."""
    return np.dtype([("header", HEADER), *fields])


WAVE_POINTS = 48
SPIKE = packet(("fPattern", "<f4", 3), ("nPeak", "<i2"), ("nValley", "<i2"), ("wave", "<i2", WAVE_POINTS))
DIGITAL = packet(("valueRead", "<u4"), ("bitsChanged", "<u4"), ("eventType", "<u4"))
SYSINFO = packet(
    ("sysfreq", "<u4"),
    ("spikelen", "<u4"),
    ("spikepre", "<u4"),
    ("resetque", "<u4"),
    ("runlevel", "<u4"),
    ("runflags", "<u4"),
)
PROTOCOL_MONITOR = packet(("sentpkts", "<u4"), ("counter", "<u4"))
PROCINFO = packet(
    ("proc", "<u4"),
    ("idcode", "<u4"),
    ("ident", "S64"),
    ("chanbase", "<u4"),
    ("chancount", "<u4"),
    ("bankcount", "<u4"),
    ("groupcount", "<u4"),
    ("filtcount", "<u4"),
    ("sortcount", "<u4"),
    ("unitcount", "<u4"),
    ("hoopcount", "<u4"),
    ("sortmethod", "<u4"),
    ("version", "<u4"),
)
GROUP_HZ = {1: 500, 2: 1_000, 3: 2_000, 4: 10_000, 5: 30_000, 6: 30_000}  # 6: raw
_SCALING = [("digmin", "<i2"), ("digmax", "<i2"), ("anamin", "<i4"), ("anamax", "<i4"), ("anagain", "<i4")]
_SCALING_UNIT = np.dtype([*_SCALING, ("anaunit", "S8")])
_FILTER = np.dtype(
    [
        ("label", "S16"),
        *[(f"{kind}{part}", "<u4") for kind in ("hp", "lp") for part in ("freq", "order", "type")],
    ]
)
_UNIT_MAPPING = np.dtype(
    [
        ("nOverride", "<i2"),
        ("afOrigin", "<i2", 3),
        ("afShape", "<i2", (3, 3)),
        ("aPhi", "<i2"),
        ("bValid", "<u4"),
    ]
)
_HOOP = np.dtype([("valid", "<u2"), ("time", "<i2"), ("min", "<i2"), ("max", "<i2")])
CHANINFO = packet(
    *[(name, "<u4") for name in ("chan", "proc", "bank", "term", "chancaps", "doutcaps", "dinpcaps")],
    *[(name, "<u4") for name in ("aoutcaps", "ainpcaps", "spkcaps")],
    ("physcalin", _SCALING_UNIT),
    ("phyfiltin", _FILTER),
    ("physcalout", _SCALING_UNIT),
    ("phyfiltout", _FILTER),
    ("label", "S16"),
    ("userflags", "<u4"),
    ("position", "<i4", 4),
    ("scalin", _SCALING_UNIT),
    ("scalout", _SCALING_UNIT),
    *[(name, "<u4") for name in ("doutopts", "dinpopts", "aoutopts", "eopchar")],
    ("moninst", "<u2"),
    ("monchan", "<u2"),
    ("outvalue", "<i4"),
    ("trigtype", "u1"),
    ("reserved", "u1", 2),
    ("triginst", "u1"),
    ("trigchan", "<u2"),
    ("trigval", "<u2"),
    *[(name, "<u4") for name in ("ainpopts", "lncrate", "smpfilter", "smpgroup")],
    ("smpdispmin", "<i4"),
    ("smpdispmax", "<i4"),
    ("spkfilter", "<u4"),
    ("spkdispmax", "<i4"),
    ("lncdispmax", "<i4"),
    ("spkopts", "<u4"),
    ("spkthrlevel", "<i4"),
    ("spkthrlimit", "<i4"),
    ("spkgroup", "<u4"),
    ("amplrejpos", "<i2"),
    ("amplrejneg", "<i2"),
    ("refelecchan", "<u4"),
    ("unitmapping", _UNIT_MAPPING, 5),
    ("spkhoops", _HOOP, (5, 4)),
)


def group_info(group: int, channels: Sequence[int]) -> np.ndarray:
    """Return cbPKT_GROUPINFO, which names the channels of a sample group in the order of their samples."""
    listed = np.zeros(len(channels) + len(channels) % 2, "<u2")  # whole 4 bytes
    listed[: len(channels)] = channels
    fields = [("proc", "<u4"), ("group", "<u4"), ("label", "S16"), ("period", "<u4"), ("length", "<u4")]
    layout = packet(*fields, ("list", "<u2", len(listed)))
    period = 30_000 // GROUP_HZ[group]
    return make(layout, GROUP, proc=1, group=group, period=period, length=len(channels), list=listed)


def group_samples(group: int, ticks: np.ndarray, counts: np.ndarray) -> list[bytes]:
    """Return cbPKT_GROUP, one a sample: int16 counts ``[sample, channel]`` at their ticks ``[sample]``."""
    n_counts = counts.shape[1] + counts.shape[1] % 2
    samples = make(packet(("data", "<i2", n_counts)), group, 0, len(ticks))
    samples["data"][:, : counts.shape[1]] = counts
    samples["header"]["time"] = ticks
    return [row.tobytes() for row in samples]


def make(
    layout: np.dtype, kind: int, chid: int = CONFIGURATION, n_packets: int = 1, **fields: object
) -> np.ndarray:
    """Return packets of a layout with their headers filled in; other fields are 0 unless given.

    Parameters
    ----------
    layout : dtype
        One of this module's.
    kind : int
        Field `type`: of a spike its unit.
    chid : int
        Channel.
    n_packets : int
    **fields
        By name, a value or an array.
    """
    packets = np.zeros(n_packets, layout)
    packets["header"]["chid"], packets["header"]["type"] = chid, kind
    packets["header"]["dlen"] = (layout.itemsize - HEADER.itemsize) // 4
    for name, value in fields.items():
        packets[name] = value
    return packets
