"""Recordings read by a class of `neo.rawio`, held against what neo does not check.

Neo's word is taken for where samples lie and for the header. Held against the
files are: sizes (no more samples than there are bytes), the ends of each
segment (the last sample can be read), times (on one clock, in order), gains
and units. What does not add up is refused.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from evoalign.errors import InputError
from evoalign.formats.neo_rawio.checked import refuse
from evoalign.formats.neo_rawio.contents import (
    FIRST_ANALOG,
    Channel,
    Group,
    RecordingContents,
    numbers_by_name,
    role_of,
)
from evoalign.formats.neo_rawio.pieces import signed, steps_of
from evoalign.formats.units import MICROVOLTS

PART = 100_000  # samples read together where all are looked at
OUTSIDE_S = 5.0  # an event may lie this far outside the samples; further off it is on another clock


def neo_contents(system: str, make: Callable[[], Any], path: Path) -> RecordingContents:
    """Read a recording through neo; samples stay in the files.

    Parameters
    ----------
    system : str
        Name of the format.
    make : callable
        Returns neo's reader.
    path : path
        File or folder, for messages and for its size.

    Raises
    ------
    InputError
        Neo cannot read it, or what it says does not add up.
    """
    raw = _ask(system, path, "open it", lambda: _parsed(make))
    header = raw.header
    if raw.block_count() != 1:
        raise refuse(system, f"{raw.block_count()} recordings in one place", path, hint="name one of them")
    contents = RecordingContents(metadata={"read_by": f"neo.rawio.{type(raw).__name__}"})
    needed = 0
    for place in range(len(header["signal_streams"])):
        needed += _stream(contents, system, raw, place, path)
    size = (
        sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
        if path.is_dir()
        else path.stat().st_size
    )
    if path.is_file():
        size = max(size, sum(f.stat().st_size for f in path.parent.glob(f"{path.stem}*") if f.is_file()))
    if needed > size:
        raise refuse(system, f"neo finds samples of {needed:,} bytes in {size:,} bytes of files", path)
    for place in range(len(header["spike_channels"])):
        _spikes(contents, system, raw, place, path)
    for place in range(len(header["event_channels"])):
        _events(contents, system, raw, place, path)
    _one_clock(contents, system, path)
    return contents


def _parsed(make: Callable[[], Any]) -> Any:
    logging.getLogger("neo").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw = make()
        raw.parse_header()
    return raw


def _ask(system: str, path: Path, what: str, question: Callable[[], Any]) -> Any:
    """Return neo's answer; any failure of its is an InputError that quotes it."""
    try:
        return question()
    except InputError:
        raise
    except Exception as error:  # neo raises all kinds of errors on a damaged file
        message = str(error).strip().splitlines()[:1] or [""]
        raise refuse(system, f"neo cannot {what}: {type(error).__name__} {message[0][:120]}", path) from error


class _NeoReader:
    """Reads chunks of a stream from neo; see `evoalign.recordings.stream.Reader`."""

    def __init__(self, raw: Any, place: int, columns: Sequence[int], step: np.ndarray | None) -> None:
        self._raw, self._place, self._columns, self._step = raw, place, np.asarray(columns), step

    def values(self, segment: int, start: int, stop: int, columns: Sequence[int]) -> np.ndarray:
        """Return what neo returns, of these columns."""
        return self._raw.get_analogsignal_chunk(
            block_index=0, seg_index=segment, i_start=start, i_stop=stop, stream_index=self._place,
            channel_indexes=self._columns[list(columns)],
        )  # fmt: skip

    def __call__(self, segment: int, start: int, stop: int, columns: Sequence[int]) -> np.ndarray:
        """Return int16 [sample, column]."""
        counts = self.values(segment, start, stop, columns)
        if self._step is not None:
            return np.rint(counts / self._step[list(columns)]).astype(np.int16)
        return signed(counts)


def _stream(contents: RecordingContents, system: str, raw: Any, place: int, path: Path) -> int:
    """Add a stream's channels; return the bytes that its samples take."""
    stream = raw.header["signal_streams"][place]
    headers = raw.header["signal_channels"]
    headers = headers[headers["stream_id"] == stream["id"]]
    if not len(headers):
        return 0
    rate, dtype = float(headers["sampling_rate"][0]), np.dtype(str(headers["dtype"][0]))
    segments = []
    for segment in range(raw.segment_count(0)):
        n = int(_ask(system, path, "count samples", partial(raw.get_signal_size, 0, segment, place)))
        start = float(_ask(system, path, "time samples", partial(raw.get_signal_t_start, 0, segment, place)))
        segments.append((start, n))
    by_role: dict[str, list[int]] = {}
    for column, channel in enumerate(headers):
        role = role_of(str(channel["name"]), str(channel["units"]), rate)
        by_role.setdefault(role, []).append(column)
    for role, columns in by_role.items():
        plain = _NeoReader(raw, place, columns, None)
        everyone = range(len(columns))
        for segment, (_, n) in enumerate(segments):
            if n:
                last = _ask(
                    system,
                    path,
                    "read the last sample",
                    partial(plain.values, segment, n - 1, n, everyone),
                )
                if last.shape != (1, len(columns)):
                    raise refuse(system, f"neo counts {n} samples and ends before", path)
        step = None if dtype in (np.int16, np.uint16) else _steps(system, path, plain, segments, len(columns))
        if step is not None:
            names = (str(headers[column]["name"]) for column in columns)
            contents.metadata.setdefault("in_steps_of", {}).update(zip(names, step.tolist(), strict=True))
        ids = [_with_a_number(headers[column]) for column in columns]
        numbers = numbers_by_name(ids, [column + 1 for column in columns])
        channels = tuple(
            _channel(
                contents, headers[column], role, number, dtype, None if step is None else float(step[rank])
            )
            for rank, (column, number) in enumerate(zip(columns, numbers, strict=True))
        )
        reader = _NeoReader(raw, place, columns, step)
        contents.groups.append(Group(role, rate, channels, tuple(segments), reader))
    return sum(n for _, n in segments) * len(headers) * dtype.itemsize


def _steps(
    system: str, path: Path, reader: _NeoReader, segments: Sequence[tuple[float, int]], n_columns: int
) -> np.ndarray:
    """Return the step of each column of samples wider than 16 bits: all are looked at."""
    parts = (
        reader.values(segment, start, min(start + PART, n), range(n_columns))
        for segment, (_, n) in enumerate(segments)
        for start in range(0, n, PART)
    )
    step = _ask(system, path, "read samples", lambda: steps_of(parts))
    if step is None:
        raise refuse(system, "samples that are no numbers, or none", path)
    return step


def _with_a_number(header: np.void) -> str:
    """Id of a channel where it holds a number, else its name."""
    return str(header["id"]) if re.search(r"\d", str(header["id"])) else str(header["name"])


def _channel(
    contents: RecordingContents, header: np.void, role: str, number: int, dtype: np.dtype, step: float | None
) -> Channel:
    name, unit = str(header["name"]), str(header["units"])
    scale = MICROVOLTS.get(unit.lower())
    if scale is None:
        meaning = f"in {unit}" if unit else "the file has none; a count is taken as 1 µV"
        contents.metadata.setdefault("scale", {})[name] = meaning
        scale = 1.0
    gain, offset = float(header["gain"]) * scale, float(header["offset"]) * scale
    if dtype == np.uint16:
        offset += 32_768 * gain
    return Channel(number + (FIRST_ANALOG if role == "analog" else 0), name, gain * (step or 1.0), offset)


def _spikes(contents: RecordingContents, system: str, raw: Any, place: int, path: Path) -> None:
    header = raw.header["spike_channels"][place]
    numbers = re.findall(r"\d+", f"{header['id']}") or re.findall(r"\d+", f"{header['name']}")
    channel = int(numbers[0]) if numbers and 0 < int(numbers[0]) < FIRST_ANALOG else place + 1
    unit = int(numbers[1]) if len(numbers) > 1 and int(numbers[1]) < 1_000 else 0
    for segment in range(raw.segment_count(0)):

        def ask(segment: int = segment) -> tuple[np.ndarray, int]:
            stamps = raw.get_spike_timestamps(0, segment, place)
            return raw.rescale_spike_timestamp(stamps, "float64"), raw.spike_count(0, segment, place)

        times, n = _ask(system, path, "read spikes", ask)
        if len(times) != n:
            raise refuse(system, f"neo counts {n} spikes of {header['name']} and gives {len(times)}", path)
        contents.add_spikes(channel, unit, np.asarray(times, float))
    gain = float(header["wf_gain"]) * MICROVOLTS.get(str(header["wf_units"]).lower(), float("nan"))
    contents.spike_channels.setdefault(
        channel, (str(header["name"]), gain, float(header["wf_sampling_rate"]))
    )


def _events(contents: RecordingContents, system: str, raw: Any, place: int, path: Path) -> None:
    """Add whole numbers as words; events of other texts as single lines."""
    header = raw.header["event_channels"][place]
    if header["type"] not in (b"event", "event"):
        contents.metadata.setdefault("events_left_out", []).append(str(header["name"]))
        return
    for segment in range(raw.segment_count(0)):

        def ask(segment: int = segment) -> tuple[np.ndarray, Any, int]:
            stamps, _, labels = raw.get_event_timestamps(0, segment, place)
            times = raw.rescale_event_timestamp(stamps, dtype="float64", event_channel_index=place)
            return np.asarray(times, float), labels, raw.event_count(0, segment, place)

        times, labels, n = _ask(system, path, "read events", ask)
        if len(times) != n:
            raise refuse(system, f"neo counts {n} events of {header['name']} and gives {len(times)}", path)
        texts = [str(label) for label in labels]
        if texts and all(re.fullmatch(r"\d{1,9}(\.0*)?", text) for text in texts):
            contents.add_words(times, np.array([int(float(text)) for text in texts]), "strobed")
        elif texts:
            contents.add_words(times, np.full(len(times), place + 1), "bit")
            contents.metadata.setdefault("event_channels", {})[str(header["name"])] = place + 1


def _one_clock(contents: RecordingContents, system: str, path: Path) -> None:
    """Raise an InputError when events or spikes lie far outside the samples."""
    if not contents.groups:
        return
    begin = min(start for g in contents.groups for start, _ in g.segments) - OUTSIDE_S
    end = max(start + n / g.rate_hz for g in contents.groups for start, n in g.segments) + OUTSIDE_S
    for what, times in (("events", contents.word_s), ("spikes", contents.spike_s)):
        outside = int(np.count_nonzero((times < begin) | (times > end)))
        if outside:
            raise refuse(
                system,
                f"{outside} {what} lie more than {OUTSIDE_S:g} s outside the samples: on another clock",
                path,
            )
