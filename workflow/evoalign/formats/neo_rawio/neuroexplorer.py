"""Reads NeuroExplorer .nex files ("NexFile.h" of Nex Technologies).

Neo 0.14.6 takes a continuous variable of several fragments as gapless from the
first one's time stamp, and gives of a marker only its first field.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np

from evoalign.formats.neo_rawio.checked import mapped, refuse
from evoalign.formats.neo_rawio.contents import FIRST_ANALOG, Channel, Group, RecordingContents, neural_role
from evoalign.formats.neo_rawio.pieces import Piece, PieceReader, Table

SYSTEM = "NeuroExplorer"
HEADER = np.dtype(
    [("MagicNumber", "S4"), ("NexFileVersion", "<i4"), ("Comment", "S256"), ("Frequency", "<f8"),
     ("Beg", "<i4"),
     ("End", "<i4"), ("NumVars", "<i4"), ("NextFileHeader", "<i4"), ("Padding", "S256")]
)  # fmt: skip
VARIABLE = np.dtype(
    [("Type", "<i4"), ("Version", "<i4"), ("Name", "S64"), ("DataOffset", "<u4"), ("Count", "<i4"),
     ("WireNumber", "<i4"), ("UnitNumber", "<i4"), ("Gain", "<i4"), ("Filter", "<i4"), ("XPos", "<f8"),
     ("YPos", "<f8"), ("WFrequency", "<f8"), ("ADtoMV", "<f8"), ("NPointsWave", "<i4"), ("NMarkers", "<i4"),
     ("MarkerLength", "<i4"), ("MVOfffset", "<f8"), ("PrethresholdTimeInSeconds", "<f8"), ("Padding", "S52")]
)  # fmt: skip
NEURON, EVENT, INTERVAL, WAVEFORM, POPULATION, CONTINUOUS, MARKER = range(7)
LETTERS = re.compile(r"^(?:[A-Za-z_]*?)(\d+)([a-z]?)(?:_wf)?$")


def nex_contents(path: Path) -> RecordingContents:
    """Read a .nex file; samples stay in the file.

    Neurons are online units: `Neuron04b` is unit 2 of channel 4. Values of
    markers are words ('strobed'); events are single lines ('bit') in the order
    of the file, named in the descriptor; intervals are told there.

    Raises
    ------
    InputError
        A variable lies outside the file, or its numbers cannot be.
    """
    size = path.stat().st_size
    head = mapped(path, HEADER, 0, 1) if size >= HEADER.itemsize else np.empty(0, HEADER)
    if not len(head) or head[0]["MagicNumber"] != b"NEX1":
        raise refuse(SYSTEM, "the file does not start with NEX1", path, 0)
    head = head[0]
    clock = float(head["Frequency"])
    n = int(head["NumVars"])
    if not (np.isfinite(clock) and 0 < clock <= 1e9):
        raise refuse(SYSTEM, f"a clock of {clock:g} Hz", path, 264)
    if not 0 <= n <= (size - HEADER.itemsize) // VARIABLE.itemsize:
        raise refuse(SYSTEM, f"{n} variables, more than fit in the file", path, 280)
    variables = np.array(mapped(path, VARIABLE, HEADER.itemsize, n)) if n else np.empty(0, VARIABLE)
    contents = RecordingContents(
        metadata={"version": int(head["NexFileVersion"]), "comment": _text(head["Comment"])}
    )
    reader = _Variables(path, size, clock)
    units: dict[int, set[int]] = {}
    events: dict[str, int] = {}
    for rank, variable in enumerate(variables):
        kind, name = int(variable["Type"]), _text(variable["Name"])
        if int(variable["Count"]) < 0 or int(variable["NPointsWave"]) < 0:
            raise refuse(SYSTEM, f"variable {name[:30]}: a count below 0", path, _at(rank))
        if kind in (NEURON, WAVEFORM):
            _unit(contents, reader, variable, rank, name, kind, variables, units)
        elif kind == EVENT:
            events[name] = len(events) + 1
            times = reader.ticks(variable, rank) / clock
            contents.add_words(times, np.full(len(times), events[name]), "bit")
        elif kind == MARKER:
            _marker(contents, reader, variable, rank, name)
        elif kind == CONTINUOUS:
            _continuous(contents, reader, variable, rank, name)
        elif kind in (INTERVAL, POPULATION):
            contents.metadata.setdefault("variables_left_out", {})[name] = int(variable["Count"])
        else:
            raise refuse(SYSTEM, f"variable {name[:30]} is of type {kind}", path, _at(rank))
    contents.metadata |= {
        "event_channels": events,
        "time_range_s": [int(head["Beg"]) / clock, int(head["End"]) / clock],
    }
    return contents


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("latin-1").strip()


def _at(rank: int) -> int:
    return HEADER.itemsize + rank * VARIABLE.itemsize


class _Variables:
    """Takes the data of variables, inside the file."""

    def __init__(self, path: Path, size: int, clock: float) -> None:
        self.path, self.size, self.clock = path, size, clock

    def take(self, variable: np.void, rank: int, dtype: str, skip: int, count: int) -> np.ndarray:
        at = int(variable["DataOffset"]) + skip
        if at + count * np.dtype(dtype).itemsize > self.size:
            raise refuse(
                SYSTEM, f"variable {_text(variable['Name'])[:30]} lies outside the file", self.path, _at(rank)
            )
        return mapped(self.path, dtype, at, count)

    def ticks(self, variable: np.void, rank: int) -> np.ndarray:
        return np.array(self.take(variable, rank, "<i4", 0, int(variable["Count"])), np.int64)


def _unit(
    contents: RecordingContents,
    reader: _Variables,
    variable: np.void,
    rank: int,
    name: str,
    kind: int,
    variables: np.ndarray,
    units: dict[int, set[int]],
) -> None:
    """Add a neuron; waveforms that repeat a neuron's times are left to it."""
    if kind == WAVEFORM:
        plain = name.removesuffix("_wf")
        if any(int(v["Type"]) == NEURON and _text(v["Name"]) in (plain, name) for v in variables):
            contents.metadata.setdefault("waveforms_of_neurons", []).append(name)
            return
        reader.take(
            variable,
            rank,
            "<i2",
            4 * int(variable["Count"]),
            int(variable["Count"]) * int(variable["NPointsWave"]),
        )
    match = LETTERS.match(name)
    if match and 0 < int(match[1]) < FIRST_ANALOG:
        channel, unit = int(match[1]), ord(match[2]) - ord("a") + 1 if match[2] else 0
    else:
        channel, unit = (
            (int(variable["WireNumber"]) + 1, int(variable["UnitNumber"]))
            if variable["Version"] >= 101
            else (rank + 1, 1)
        )
        channel = channel if 0 < channel < FIRST_ANALOG else rank + 1
    while unit in units.get(channel, ()):
        unit += 1
    units.setdefault(channel, set()).add(unit)
    gain = 1e3 * float(variable["ADtoMV"]) if kind == WAVEFORM else float("nan")
    contents.spike_channels.setdefault(channel, (name, gain, reader.clock))
    contents.add_spikes(channel, unit, reader.ticks(variable, rank) / reader.clock)
    contents.metadata.setdefault("units", {})[name] = [channel, unit]


def _marker(contents: RecordingContents, reader: _Variables, variable: np.void, rank: int, name: str) -> None:
    """Add the markers whose values are whole numbers as words; the first field that holds them."""
    n, length = int(variable["Count"]), int(variable["MarkerLength"])
    if not (0 < length <= 1024 and 0 <= int(variable["NMarkers"]) <= 64):
        raise refuse(
            SYSTEM,
            f"marker {name[:30]}: {variable['NMarkers']} fields of {length} bytes",
            reader.path,
            _at(rank),
        )
    times = reader.ticks(variable, rank) / reader.clock
    for field in range(int(variable["NMarkers"])):
        begin = 4 * n + field * (64 + n * length)
        values = [_text(v) for v in reader.take(variable, rank, f"S{length}", begin + 64, n).tolist()]
        if values and all(re.fullmatch(r"\d{1,9}", v) for v in values):
            contents.add_words(times, np.array([int(v) for v in values]), "strobed")
            return
    contents.metadata.setdefault("variables_left_out", {})[name] = n


def _continuous(
    contents: RecordingContents, reader: _Variables, variable: np.void, rank: int, name: str
) -> None:
    fragments, n = int(variable["Count"]), int(variable["NPointsWave"])
    if not n or not fragments:
        contents.metadata.setdefault("variables_left_out", {})[name] = 0
        return
    tick = reader.ticks(variable, rank)
    first = np.array(reader.take(variable, rank, "<i4", 4 * fragments, fragments), np.int64)
    samples = reader.take(variable, rank, "<i2", 8 * fragments, n)
    if first[0] != 0 or (np.diff(first) <= 0).any() or first[-1] >= n:
        raise refuse(SYSTEM, f"fragments of {name[:30]} do not follow each other", reader.path, _at(rank))
    rate = float(variable["WFrequency"])
    if not (np.isfinite(rate) and 0 < rate <= 1e7):
        raise refuse(SYSTEM, f"a sampling rate of {rate:g} Hz of {name[:30]}", reader.path, _at(rank))
    edges = np.append(first, n)
    starts: list[float] = []
    pieces: list[list[Piece]] = []
    lengths: list[int] = []
    table = Table(samples[:, None])
    for fragment, (a, b) in enumerate(pairwise(edges.tolist())):
        start = tick[fragment] / reader.clock
        # A fragment that goes on where the one before ended, to half a sample, is no gap.
        if starts and abs(start - starts[-1] - lengths[-1] / rate) <= 0.5 / rate:
            pieces[-1].append(Piece(table, a, b - a))
            lengths[-1] += b - a
        else:
            starts.append(start)
            pieces.append([Piece(table, a, b - a)])
            lengths.append(b - a)
    digits = re.search(r"(\d+)\D*$", name)
    number = int(digits[1]) if digits and 0 < int(digits[1]) < FIRST_ANALOG else rank + 1
    role = neural_role(rate) if re.match(r"(FP|LFP|AD|WB|SPKC?|CSC|CH)\d", name, re.IGNORECASE) else "analog"
    channel = Channel(
        number + (FIRST_ANALOG if role == "analog" else 0),
        name,
        1e3 * float(variable["ADtoMV"]),
        1e3 * float(variable["MVOfffset"]),
    )
    group = Group(role, rate, (channel,), tuple(zip(starts, lengths, strict=True)), PieceReader(pieces))
    contents.groups.append(group)
