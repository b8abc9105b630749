"""Neuralynx' files: the text header and the layout of records."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from evoalign.formats.neo_rawio.checked import refuse

SYSTEM = "Neuralynx"
HEADER = 16_384
MAGIC = b"########"
SUFFIXES = (".ncs", ".nse", ".nst", ".ntt", ".nev")
MICROSECONDS = 1e6
RECORD = 512  # samples of a .ncs record
NCS = np.dtype(
    [("qwTimeStamp", "<u8"), ("dwChannelNumber", "<u4"), ("dwSampleFreq", "<u4"),
     ("dwNumValidSamples", "<u4"),
     ("snSamples", "<i2", (RECORD,))]
)  # fmt: skip
NEV = np.dtype(
    [("nstx", "<i2"), ("npkt_id", "<i2"), ("npkt_data_size", "<i2"), ("qwTimeStamp", "<u8"),
     ("nevent_id", "<i2"),
     ("nttl", "<i2"), ("ncrc", "<i2"), ("ndummy1", "<i2"), ("ndummy2", "<i2"), ("dnExtra", "<i4", (8,)),
     ("EventString", "S128")]
)  # fmt: skip
WIRES = {".nse": 1, ".nst": 2, ".ntt": 4}


@dataclass
class NlxHeader:
    """Lines of the text header."""

    values: dict[str, str] = field(default_factory=dict)
    opened: dt.datetime | None = None

    def numbers(self, key: str) -> list[float]:
        """Return the numbers of a line; empty where there are none."""
        try:
            return [float(part) for part in self.values.get(key, "").split()]
        except ValueError:
            return []


def is_neuralynx(path: Path) -> bool:
    """Return whether a file starts as Neuralynx's do; Blackrock's .nev has the same suffix."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def read_header(path: Path) -> NlxHeader:
    """Read the text header of 16 kB."""
    with path.open("rb") as file:
        content = file.read(HEADER)
    if len(content) < HEADER or not content.startswith(MAGIC):
        raise refuse(SYSTEM, "the file does not start with a header of 16,384 bytes", path, 0)
    header = NlxHeader()
    for line in content.split(b"\0")[0].decode("latin-1").splitlines():
        match = re.match(r"\s*-(\S+)\s+(.*?)\s*$", line)
        if match:
            header.values.setdefault(match[1], match[2])
        when = re.search(r"(?:Opened.*?|-TimeCreated\s+)(\d+)/(\d+)/(\d+)\D+?(\d+):(\d+):(\d+)", line)
        if when and header.opened is None:
            header.opened = _date([int(part) for part in when.groups()])
    return header


def _date(parts: list[int]) -> dt.datetime | None:
    # '-TimeCreated 2019/06/28 17:36:27' and '## Time Opened (m/d/y): 11/28/2016 .. 21:50:33.212'
    year, month, day = parts[:3] if parts[0] > 31 else (parts[2], parts[0], parts[1])
    try:
        return dt.datetime(year, month, day, parts[3], parts[4], parts[5])
    except ValueError:
        return None


def program(header: NlxHeader) -> str:
    """Return the version of the acquisition program."""
    return header.values.get("CheetahRev") or header.values.get("ApplicationName", "").strip('"')


def sign(header: NlxHeader) -> float:
    """Return -1 where the header says that the input is inverted."""
    return -1.0 if header.values.get("InputInverted", "").lower() == "true" else 1.0


def spike_record(header: NlxHeader, path: Path) -> np.dtype:
    """Return the layout of a record of a file of spikes."""
    wires = WIRES[path.suffix.lower()]
    lengths = header.numbers("WaveformLength")
    points = int(lengths[0]) if lengths else 32
    if not 1 <= points <= 1024:
        raise refuse(SYSTEM, f"waveforms of {points} points", path, 0)
    size = header.numbers("RecordSize")
    record = np.dtype(
        [("qwTimeStamp", "<u8"), ("dwScNumber", "<u4"), ("dwCellNumber", "<u4"), ("dnParams", "<u4", (8,)),
         ("snData", "<i2", (points, wires))]
    )  # fmt: skip
    if size and int(size[0]) != record.itemsize:
        raise refuse(SYSTEM, f"records of {int(size[0])} bytes, {record.itemsize} are expected", path, 0)
    return record
