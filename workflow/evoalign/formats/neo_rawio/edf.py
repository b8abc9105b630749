"""European Data Format: EDF, and EDF+ with annotations and pauses (Kemp et al. 1992, 2003).

Neo 0.14.6 divides a signal's range by one step too many (a status channel of
0 and 1 comes out at half its size), takes annotations without a duration for
epochs, and reads no file with pauses.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evoalign.formats.neo_rawio.checked import mapped, refuse
from evoalign.formats.neo_rawio.contents import (
    FIRST_ANALOG,
    Channel,
    Group,
    RecordingContents,
    numbers_by_name,
    role_of,
)
from evoalign.formats.neo_rawio.pieces import Piece, PieceReader
from evoalign.formats.units import MICROVOLTS

SYSTEM = "EDF"
ANNOTATIONS = "EDF Annotations"
MAX_SIGNALS = 10_000
MAX_MESSAGES = 1_000  # told in the descriptor
# Fields of a signal's header and their bytes; each stands for all signals before the next one.
FIELDS = {"label": 16, "transducer": 80, "unit": 8, "physical_min": 8, "physical_max": 8,
          "digital_min": 8, "digital_max": 8, "filter": 80, "n": 8, "reserved": 32}  # fmt: skip
# Onset, duration, texts of a time-stamped annotation list.
ANNOTATION = re.compile(rb"([+-]\d+(?:\.\d*)?)(?:\x15(\d+(?:\.\d*)?))?\x14(?:([^\x00]*)\x14)?\x00")


@dataclass(frozen=True)
class Header:
    """What an EDF header says; signals' fields by name."""

    kind: str
    start: dt.datetime | None
    record_s: float
    fields: dict[str, list[str]]
    n: tuple[int, ...]  # samples a record, of each signal
    records: np.ndarray  # int16 [record, sample of all signals]


class _Signals:
    """Samples of some signals of one rate, each in its place of every record."""

    def __init__(self, records: np.ndarray, places: Sequence[int], n: int) -> None:
        self._records, self._places, self._n = records, list(places), n

    def read(self, start: int, stop: int, columns: Sequence[int]) -> np.ndarray:
        """Return int16 [sample, column]; only the records that hold these samples are read."""
        first, last = start // self._n, -(-stop // self._n)
        out = np.empty((stop - start, len(columns)), np.int16)
        begin = start - first * self._n
        for row, column in enumerate(columns):
            place = self._places[column]
            part = np.array(self._records[first:last, place : place + self._n]).ravel()
            out[:, row] = part[begin : begin + stop - start]
        return out


def edf_contents(path: Path, gap_tolerance_s: float) -> RecordingContents:
    """Read an EDF or EDF+ file; samples stay in it.

    A record that does not follow the one before it, by its annotation of time,
    starts a new segment. Annotations of whole numbers are words ('strobed');
    of any other text each gets a number ('bit'), which the descriptor names.

    Raises
    ------
    InputError
        A field of the header is no number, sizes do not add up, or a record
        of an EDF+ file has no time.
    """
    head = _header(path)
    contents = RecordingContents(start=head.start, metadata={"kind": head.kind})
    onset_s = _annotations(contents, head, path)
    starts = np.flatnonzero(np.diff(onset_s, prepend=-np.inf) - head.record_s > gap_tolerance_s)
    backwards = np.flatnonzero(np.diff(onset_s) - head.record_s < -gap_tolerance_s)
    if len(backwards):
        raise refuse(SYSTEM, f"record {int(backwards[0]) + 2} starts before the one ahead of it ends", path)
    edges = [*starts.tolist(), len(onset_s)]
    runs = [(float(onset_s[a]), a, b - a) for a, b in itertools.pairwise(edges)]
    if not runs:
        return contents
    places = np.concatenate(([0], np.cumsum(head.n)))
    members: dict[tuple[str, int], list[int]] = {}
    for signal, label in enumerate(head.fields["label"]):
        if label != ANNOTATIONS:
            role = role_of(label, head.fields["unit"][signal], head.n[signal] / head.record_s)
            members.setdefault((role, head.n[signal]), []).append(signal)
    for (role, n), signals in members.items():
        labels = [head.fields["label"][signal] for signal in signals]
        numbers = numbers_by_name(labels, [signal + 1 for signal in signals])
        samples = _Signals(head.records, [int(places[s]) for s in signals], n)
        contents.groups.append(
            Group(
                role,
                n / head.record_s,
                tuple(
                    _channel(contents, head, signal, number + (FIRST_ANALOG if role == "analog" else 0), path)
                    for signal, number in zip(signals, numbers, strict=True)
                ),
                tuple((start, count * n) for start, _, count in runs),
                PieceReader([[Piece(samples, first * n, count * n)] for _, first, count in runs]),
            )
        )
    return contents


def _header(path: Path) -> Header:
    with path.open("rb") as file:
        fixed = file.read(256)
        if len(fixed) < 256 or fixed[:8].strip() != b"0":
            raise refuse(SYSTEM, f"the file starts with {fixed[:8]!r}, not with version 0", path, 0)
        n_signals = _whole(fixed[252:256], "number of signals", path, 252)
        if not 0 < n_signals <= MAX_SIGNALS:
            raise refuse(SYSTEM, f"the file has {n_signals} signals", path, 252)
        rest = file.read(256 * n_signals)
    header_bytes = 256 * (n_signals + 1)
    stated_bytes = _whole(fixed[184:192], "size of the header", path, 184)
    if stated_bytes != header_bytes or len(rest) + 256 != header_bytes:
        raise refuse(
            SYSTEM,
            f"a header of {stated_bytes} bytes for {n_signals} signals, which take {header_bytes}",
            path,
            184,
        )
    fields, at = {}, 0
    for name, size in FIELDS.items():
        fields[name] = [_text(rest[at + k * size : at + (k + 1) * size]) for k in range(n_signals)]
        at += size * n_signals
    n = tuple(_whole(value.encode("latin-1"), "number of samples", path, 184) for value in fields["n"])
    record_s = _number(fixed[244:252], "duration of a record", path, 244)
    sampled = any(label != ANNOTATIONS for label in fields["label"])
    if min(n) <= 0 or not (0 < record_s < 1e6 or (record_s == 0 and not sampled)):
        raise refuse(SYSTEM, f"records of {record_s:g} s with {min(n)} samples of a signal", path, 244)
    return Header(
        _text(fixed[192:236])[:5] or "EDF", _start(fixed), record_s, fields, n,
        _records(path, header_bytes, sum(n), _whole(fixed[236:244], "number of records", path, 236)),
    )  # fmt: skip


def _records(path: Path, begin: int, width: int, told: int) -> np.ndarray:
    """Map the records; -1 of them says that the file was never closed."""
    count, cut_bytes = divmod(path.stat().st_size - begin, 2 * width)
    if cut_bytes or (told != -1 and told != count):
        raise refuse(
            SYSTEM,
            f"the header tells of {told} records; {count} of {2 * width} bytes and {cut_bytes} bytes follow",
            path,
            236,
        )
    return mapped(path, "<i2", begin, count * width).reshape(count, width)


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("latin-1").strip()


def _number(raw: bytes, what: str, path: Path, at: int) -> float:
    text = _text(raw)
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", text):
        raise refuse(SYSTEM, f"the {what} is '{text}', no number", path, at)
    return float(text)


def _whole(raw: bytes, what: str, path: Path, at: int) -> int:
    number = _number(raw, what, path, at)
    if not (abs(number) < 1e12 and number == int(number)):
        raise refuse(SYSTEM, f"the {what} is {number:g}", path, at)
    return int(number)


def _start(fixed: bytes) -> dt.datetime | None:
    """Return the local time of the start; of two digits of a year, 85 and more are of the 20th century."""
    digits = re.fullmatch(r"(\d\d).(\d\d).(\d\d)(\d\d).(\d\d).(\d\d)", _text(fixed[168:184]))
    if not digits:
        return None
    day, month, year, hour, minute, second = map(int, digits.groups())
    try:
        return dt.datetime(year + (1900 if year >= 85 else 2000), month, day, hour, minute, second)
    except ValueError:
        return None


def _channel(contents: RecordingContents, head: Header, signal: int, number: int, path: Path) -> Channel:
    label, unit = head.fields["label"][signal], head.fields["unit"][signal]
    at = 256 + (16 + 80 + 8) * len(head.n) + 8 * signal
    low, high, first, last = (
        _number(head.fields[name][signal].encode("latin-1"), name.replace("_", " "), path, at)
        for name in ("physical_min", "physical_max", "digital_min", "digital_max")
    )
    if not (first < last and low != high):
        raise refuse(SYSTEM, f"signal {label}: an empty range of values", path, at)
    scale = MICROVOLTS.get(unit.lower())
    if scale is None:
        contents.metadata.setdefault("scale", {})[label] = f"in {unit}" if unit else "the file has no unit"
    gain = (high - low) / (last - first)
    offset = low - first * gain
    return Channel(number, label, gain * (scale or 1.0), offset * (scale or 1.0))


def _annotations(contents: RecordingContents, head: Header, path: Path) -> np.ndarray:
    """Add annotations as words; return the time of each record in seconds from the start."""
    onset_s = np.arange(len(head.records)) * head.record_s
    columns = [k for k, label in enumerate(head.fields["label"]) if label == ANNOTATIONS]
    if not head.kind.startswith("EDF+") or not columns:
        return onset_s
    places = np.concatenate(([0], np.cumsum(head.n)))
    annotations: list[tuple[float, str]] = []
    for record, row in enumerate(head.records):
        for rank, column in enumerate(columns):
            content = row[places[column] : places[column + 1]].tobytes()
            lists = ANNOTATION.findall(content)
            if rank == 0:
                # The first list of the first such signal tells the record's time.
                if not ANNOTATION.match(content):
                    raise refuse(SYSTEM, f"record {record + 1} has no annotation of its time", path)
                onset_s[record] = float(lists[0][0])
            annotations += [
                (float(onset), text.strip())
                for onset, _, texts in lists
                for text in texts.decode("utf-8", "replace").split("\x14")
                if text.strip()
            ]
    numbers: dict[str, int] = {}
    for source, whole in (("strobed", True), ("bit", False)):
        chosen = [(time, text) for time, text in annotations if bool(re.fullmatch(r"\d{1,9}", text)) is whole]
        words = [int(text) if whole else numbers.setdefault(text, len(numbers) + 1) for _, text in chosen]
        contents.add_words(np.array([time for time, _ in chosen]), np.array(words, np.int64), source)
    if numbers:
        contents.metadata["event_channels"] = dict(list(numbers.items())[:MAX_MESSAGES])
    if not np.isfinite(onset_s).all():
        raise refuse(SYSTEM, "the time of a record is no number", path)
    return onset_s
