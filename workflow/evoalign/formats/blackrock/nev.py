"""NEV files: online spikes, event words and comments (Blackrock, 2.1 to 3.0)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoalign.errors import InputError
from evoalign.formats.blackrock import layout

HINT = "copy the file again from the acquisition computer, or export it again"
PARALLEL, SERIAL = 0x01, 0x80  # bits of a digital packet's insertion reason


@dataclass(frozen=True)
class Nev:
    """A NEV file as arrays, packets in the order of the file.

    Attributes
    ----------
    ticks : uint64 array [packet]
        Time stamps in units of ``1 / resolution_hz``.
    kind : uint8 array [packet]
        0 other, 1 spike, 2 parallel word, 3 serial word.
    channel, unit : int64 arrays [packet]
        Of spikes; else 0.
    word : int64 array [packet]
        Of words; else 0.
    labels, gain_uv : dict
        By electrode id.
    """

    path: Path
    version: str
    resolution_hz: int
    start: dt.datetime | None
    ticks: NDArray[np.uint64]
    kind: NDArray[np.uint8]
    channel: NDArray[np.int64]
    unit: NDArray[np.int64]
    word: NDArray[np.int64]
    labels: dict[int, str] = field(default_factory=dict)
    gain_uv: dict[int, float] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


SPIKE, WORD, SERIAL_WORD = 1, 2, 3


def read_nev(path: Path) -> Nev:
    """Read a NEV file without the waveforms.

    Raises
    ------
    InputError
        Wrong magic, unknown version, truncated, or a header that does not add up.
    """
    basic = _basic_header(path)
    labels, gains, metadata = _extended_headers(path, basic)
    packets = _packets(path, basic)
    ids, reason = packets["packet_id"], packets["reason"]
    is_spike = (ids >= layout.FIRST_SPIKE_PACKET) & (ids <= layout.LAST_SPIKE_PACKET)
    # A stamp of all ones marks the continuation of the packet before it (2.1, 2.2).
    continued = packets["timestamp"] == np.iinfo(packets.dtype["timestamp"]).max
    digital = (ids == layout.DIGITAL_PACKET) & ~continued
    kind = np.zeros(len(packets), np.uint8)
    kind[is_spike & ~continued] = SPIKE
    kind[digital & ((reason & PARALLEL) > 0)] = WORD
    kind[digital & ((reason & SERIAL) > 0)] = SERIAL_WORD
    keep = ~continued
    words = np.where(kind >= WORD, packets["digital_input"], 0)
    metadata |= {
        "nev_packets": len(packets),
        "application": layout.text(basic["application"].tobytes()),
        "comments": _comments(packets, ids, int(basic["time_resolution_of_time_stamps"])),
    }
    return Nev(
        path=path,
        version=f"{basic['ver_major']}.{basic['ver_minor']}",
        resolution_hz=int(basic["time_resolution_of_time_stamps"]),
        start=layout.start_time(basic["time_origin"]),
        ticks=packets["timestamp"][keep].astype(np.uint64),
        kind=kind[keep],
        channel=np.where(kind == SPIKE, ids, 0)[keep].astype(np.int64),
        unit=np.where(kind == SPIKE, reason, 0)[keep].astype(np.int64),
        word=words[keep].astype(np.int64),
        labels=labels,
        gain_uv=gains,
        metadata=metadata,
    )


def _basic_header(path: Path) -> np.void:
    size = path.stat().st_size
    need = layout.NEV_BASIC.itemsize
    if size < need:
        raise InputError(f"the file ends in its header: {size} of {need} bytes", f"{path}, byte {size}", HINT)
    basic = np.fromfile(path, layout.NEV_BASIC, count=1)[0]
    if basic["file_type_id"] not in layout.NEV_MAGIC:
        raise InputError(f"no NEV file: it starts with {basic['file_type_id']!r}", f"{path}, byte 0", HINT)
    version = (int(basic["ver_major"]), int(basic["ver_minor"]))
    if version not in {(2, 1), (2, 2), (2, 3), (3, 0)}:
        raise InputError(
            f"NEV version {version[0]}.{version[1]} is not known", f"{path}, byte 8", "2.1 to 3.0 are read"
        )
    if basic["time_resolution_of_time_stamps"] == 0:
        raise InputError("the resolution of time stamps is 0 Hz", f"{path}, byte 20", HINT)
    headers = need + layout.NEV_EXTENDED.itemsize * int(basic["number_of_extended_headers"])
    if int(basic["bytes_in_headers"]) != headers or headers > size:
        raise InputError(
            f"the header says {basic['bytes_in_headers']} bytes of headers; its "
            f"{basic['number_of_extended_headers']} extended headers make {headers}, the file has {size}",
            f"{path}, byte 12",
            HINT,
        )
    return basic


def _extended_headers(path: Path, basic: np.void) -> tuple[dict[int, str], dict[int, float], dict[str, Any]]:
    rows = np.fromfile(
        path,
        layout.NEV_EXTENDED,
        count=int(basic["number_of_extended_headers"]),
        offset=layout.NEV_BASIC.itemsize,
    )
    labels: dict[int, str] = {}
    gains: dict[int, float] = {}
    metadata: dict[str, Any] = {}
    for packet_id, content in zip(rows["packet_id"], rows["content"], strict=True):
        raw = content.tobytes()
        if packet_id == b"NEUEVWAV":
            wave = np.frombuffer(raw, layout.NEUEVWAV)[0]
            gains[int(wave["electrode_id"])] = float(wave["digitization_factor"]) / 1000
        elif packet_id == b"NEUEVLBL":
            label = np.frombuffer(raw, layout.NEUEVLBL)[0]
            labels[int(label["electrode_id"])] = layout.text(label["label"])
        elif packet_id == b"DIGLABEL":
            label = np.frombuffer(raw, layout.DIGLABEL)[0]
            metadata.setdefault("digital_inputs", []).append(layout.text(label["label"]))
        elif packet_id in (b"ARRAYNME", b"MAPFILE"):
            metadata[packet_id.decode().lower()] = layout.text(raw)
    return labels, gains, metadata


def _packets(path: Path, basic: np.void) -> np.ndarray:
    wide = int(basic["ver_major"]) >= 3
    length = int(basic["bytes_in_data_packets"])
    start = int(basic["bytes_in_headers"])
    if length < 20 or length > 4096 or length % 4:
        raise InputError(f"a data packet has {length} bytes", f"{path}, byte 16", HINT)
    n, cut_bytes = divmod(path.stat().st_size - start, length)
    if cut_bytes:
        raise InputError(
            f"the last data packet is cut: {cut_bytes} of {length} bytes",
            f"{path}, byte {start + n * length}",
            HINT,
        )
    dtype = layout.nev_packet(length, wide)
    if n == 0:
        return np.empty(0, dtype)
    return np.memmap(path, dtype, mode="r", offset=start, shape=(n,))


def _comments(packets: np.ndarray, ids: np.ndarray, resolution_hz: int) -> list[dict[str, Any]]:
    # The text ends at its first zero; what trails it is left from the packet before.
    return [
        {"time_s": int(packet["timestamp"]) / resolution_hz, "text": layout.text(packet["text"])}
        for packet in packets[ids == layout.COMMENT_PACKET][:1000]
    ]
