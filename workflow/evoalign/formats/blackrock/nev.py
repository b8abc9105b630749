"""NEV files: online spikes, event words and comments (Blackrock, 2.1 to 3.0)."""

from __future__ import annotations

import datetime as dt
import re
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
        By electrode id, of electrodes and analog inputs.
    analog : frozenset of int
        Ids of analog inputs.
    comments : list of (int, str)
        Packet and text; a comment that was written twice is there once.
    stimulation : list of (int, int)
        Packet and electrode of Ripple's stimulation.
    whole : bool
        All packets were read, not those of the beginning only.
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
    analog: frozenset[int] = frozenset()
    comments: list[tuple[int, str]] = field(default_factory=list)
    stimulation: list[tuple[int, int]] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    whole: bool = True


SPIKE, WORD, SERIAL_WORD = 1, 2, 3
MAX_COMMENTS = 1_000  # told in the descriptor
TWICE_S = 0.01  # the same text again within this time is the same comment: Gemini writes two packets
UTF_16 = 1  # a comment's character set


def read_nev(path: Path, most_bytes: int | None = None) -> Nev:
    """Read a NEV file without the waveforms.

    Parameters
    ----------
    path : Path
        The file.
    most_bytes : int, optional
        Packets up to this byte are read; all by default.

    Raises
    ------
    InputError
        Wrong magic, unknown version, truncated, or a header that does not add up.
    """
    basic = _basic_header(path)
    labels, gains, analog, metadata = _extended_headers(path, basic)
    packets, whole = _packets(path, basic, most_bytes)
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
    }
    resolution = int(basic["time_resolution_of_time_stamps"])
    return Nev(
        path=path,
        version=f"{basic['ver_major']}.{basic['ver_minor']}",
        resolution_hz=resolution,
        start=layout.start_time(basic["time_origin"]),
        ticks=packets["timestamp"][keep].astype(np.uint64),
        kind=kind[keep],
        channel=np.where(kind == SPIKE, ids, 0)[keep].astype(np.int64),
        unit=np.where(kind == SPIKE, reason, 0)[keep].astype(np.int64),
        word=words[keep].astype(np.int64),
        labels=labels,
        gain_uv=gains,
        analog=analog,
        comments=_comments(packets[keep], resolution),
        stimulation=_stimulation(packets[keep]),
        metadata=metadata,
        whole=whole,
    )


def _basic_header(path: Path) -> np.void:
    size = path.stat().st_size
    need = layout.NEV_BASIC.itemsize
    if size < need:
        raise InputError(f"the file ends in its header: {size} of {need} bytes", f"{path}, byte {size}", HINT)
    basic = np.fromfile(path, layout.NEV_BASIC, count=1)[0]
    if basic["file_type_id"] not in layout.NEV_MAGIC:
        raise InputError(
            f"no NEV file: it starts with {bytes(basic['file_type_id'])!r}", f"{path}, byte 0", HINT
        )
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


def _extended_headers(
    path: Path, basic: np.void
) -> tuple[dict[int, str], dict[int, float], frozenset[int], dict[str, Any]]:
    """Return labels and gains by id, ids of analog inputs, and what else is told."""
    rows = np.fromfile(
        path,
        layout.NEV_EXTENDED,
        count=int(basic["number_of_extended_headers"]),
        offset=layout.NEV_BASIC.itemsize,
    )
    labels: dict[int, str] = {}
    gains: dict[int, float] = {}
    analog: set[int] = set()
    metadata: dict[str, Any] = {}
    for packet_id, content in zip(rows["packet_id"], rows["content"], strict=True):
        raw = content.tobytes()
        if packet_id == b"NEUEVWAV":
            wave = np.frombuffer(raw, layout.NEUEVWAV)[0]
            factor = int(wave["digitization_factor"])
            if factor == layout.WRAPPED_ANALOG_FACTOR:
                factor = layout.ANALOG_FACTOR
                analog.add(int(wave["electrode_id"]))
            gains[int(wave["electrode_id"])] = factor / 1000
        elif packet_id == b"NEUEVLBL":
            label = np.frombuffer(raw, layout.NEUEVLBL)[0]
            labels[int(label["electrode_id"])] = layout.text(label["label"])
        elif packet_id == b"DIGLABEL":
            label = np.frombuffer(raw, layout.DIGLABEL)[0]
            metadata.setdefault("digital_inputs", []).append(layout.text(label["label"]))
        elif packet_id in (b"ARRAYNME", b"MAPFILE"):
            metadata[packet_id.decode().lower()] = layout.text(raw)
    analog |= {i for i, label in labels.items() if layout.is_analog_label(label)}
    analog |= {i for i in (*labels, *gains) if i >= layout.FIRST_ANALOG_GEMINI}
    electrodes = {i for i in (*labels, *gains) if i <= layout.LAST_SPIKE_PACKET}
    listed = electrodes | analog  # ids of stimulation are no channels
    labels = {i: label for i, label in labels.items() if i in listed}
    gains = {i: gain for i, gain in gains.items() if i in listed}
    return labels, gains, frozenset(analog), metadata


def _packets(path: Path, basic: np.void, most_bytes: int | None) -> tuple[np.ndarray, bool]:
    """Return the packets, and whether they are all."""
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
        return np.empty(0, dtype), True
    most = n if most_bytes is None else max(1, (most_bytes - start) // length)
    return np.memmap(path, dtype, mode="r", offset=start, shape=(min(n, most),)), most >= n


def _comments(packets: np.ndarray, resolution_hz: int) -> list[tuple[int, str]]:
    """Return packet and text of each comment, the first of two equal ones at one time."""
    last_tick: dict[str, int] = {}
    comments: list[tuple[int, str]] = []
    for row in np.flatnonzero(packets["packet_id"] == layout.COMMENT_PACKET).tolist():
        text, tick = _comment_text(packets[row]), int(packets["timestamp"][row])
        if abs(tick - last_tick.get(text, -(1 << 62))) > TWICE_S * resolution_hz:
            comments.append((row, text))
        last_tick[text] = tick
        if len(comments) == MAX_COMMENTS:
            break
    return comments


def _comment_text(packet: np.void) -> str:
    """Return the text up to its first zero or control character; what follows is left from other packets."""
    raw = packet["text"]
    if packet["charset"] == UTF_16:
        text = (raw + b"\0" * (len(raw) % 2)).decode("utf-16-le", "replace")
    else:
        text = raw.decode("latin-1")
    return re.split(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", text, maxsplit=1)[0].strip()


def _stimulation(packets: np.ndarray) -> list[tuple[int, int]]:
    ids = packets["packet_id"]
    rows = np.flatnonzero((ids >= layout.FIRST_STIMULATION_PACKET) & (ids <= layout.LAST_STIMULATION_PACKET))
    electrodes = ids[rows].astype(int) - layout.LAST_SPIKE_PACKET
    return list(zip(rows.tolist(), electrodes.tolist(), strict=True))
