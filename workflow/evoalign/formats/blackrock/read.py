"""Blackrock recordings: one NEV and any NSx files of a Cerebus, as one `Recording`."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign import tables
from evoalign.errors import InputError
from evoalign.formats.blackrock.ccf import read_ccf
from evoalign.formats.blackrock.clock import (
    HINT,
    Clock,
    packet_times,
    pieces_of_packets,
    pieces_of_runs,
    shared_clock,
)
from evoalign.formats.blackrock.nev import SERIAL_WORD, SPIKE, WORD, Nev, read_nev
from evoalign.formats.blackrock.nsx import Nsx, read_nsx
from evoalign.recordings.recording import Recording, channel_table, complete_channels, segment_table
from evoalign.recordings.stream import GAP_TOLERANCE_S, Stream
from evoalign.recordings.tables import CHANNELS, ONLINE_SPIKES, WORDS

BROADBAND_HZ = 20_000  # a neural signal at this rate or above holds spikes
MAX_START_DIFFERENCE_S = 5.0  # of the headers' start times of files of one recording


def open_blackrock(files: Sequence[Path], gap_tolerance_s: float = GAP_TOLERANCE_S) -> Recording:
    """Open a NEV, NSx files, or both of one recording; a ``.ccf`` may be among them.

    Raises
    ------
    InputError
        A file is damaged, or the files are not of one recording.
    """
    suffixes = [file.suffix.lower() for file in files]
    doubled = {s for s in suffixes if suffixes.count(s) > 1}
    if doubled:
        raise InputError(f"more than one file of the kind {', '.join(sorted(doubled))}", files[0], HINT)
    nev = next((read_nev(f) for f, s in zip(files, suffixes, strict=True) if s == ".nev"), None)
    # The fastest first: its time stamps show pauses and resets.
    nsx = sorted(
        (read_nsx(f, gap_tolerance_s) for f, s in zip(files, suffixes, strict=True) if s.startswith(".ns")),
        key=lambda nsx_file: (-nsx_file.rate_hz, nsx_file.path.suffix != ".ns6", nsx_file.path.name),
    )
    if nev is None and not nsx:
        raise InputError("a .ccf by itself holds no recording", files[0], HINT)
    _check_pair(nev, nsx)
    runs_of = [pieces_of_runs(nsx_file) for nsx_file in nsx]
    nev_pieces = pieces_of_packets(nev) if nev else np.empty(0, np.int64)
    clock = shared_clock(nev, nev_pieces, nsx, runs_of)
    streams = _streams(tuple(files), nsx, runs_of, clock, gap_tolerance_s)
    metadata = _metadata(files, nev, nsx, clock)
    names = {i: label for nsx_file in nsx for i, label in zip(nsx_file.ids, nsx_file.labels, strict=True)}
    names |= nev.labels if nev else {}
    analog = {int(i) for nsx_file in nsx for i, a in zip(nsx_file.ids, nsx_file.analog, strict=True) if a}
    channels = channel_table(list(streams.values()), names, dict.fromkeys(analog, "analog"))
    segments = segment_table(list(streams.values()))
    times = packet_times(nev, nev_pieces, clock)
    reference = next(iter(streams.values()), None)
    return Recording(
        format="blackrock",
        files=tuple(files),
        start=next((nsx_file.start for nsx_file in _headers(nev, nsx) if nsx_file.start), None),
        channels=_add_spike_channels(channels, nev),
        segments=segments,
        words=_words(nev, times, nev_pieces, reference),
        online_spikes=_online_spikes(nev, times),
        streams=streams,
        metadata=metadata,
    )


def _headers(nev: Nev | None, nsx: list[Nsx]) -> list[Nev | Nsx]:
    return [*nsx, *([nev] if nev else [])]


def _check_pair(nev: Nev | None, nsx: list[Nsx]) -> None:
    headers = _headers(nev, nsx)
    for file, next_file in itertools.pairwise(headers):
        where = f"{file.path} and {next_file.path}"
        if file.resolution_hz != next_file.resolution_hz:
            raise InputError(
                f"time stamps count {file.resolution_hz} Hz in one file, "
                f"{next_file.resolution_hz} in the other",
                where,
                HINT,
            )
        if file.start and next_file.start:
            difference_s = abs((file.start - next_file.start).total_seconds())
            if difference_s > MAX_START_DIFFERENCE_S:
                raise InputError(f"the files started {difference_s:.1f} s apart", where, HINT)


def _streams(
    files: tuple[Path, ...], nsx: list[Nsx], runs_of: list[Any], clock: Clock, gap_tolerance_s: float
) -> dict[str, Stream]:
    streams: dict[str, Stream] = {}
    for file, pieces in zip(nsx, runs_of, strict=True):
        rate = file.measured_hz or file.rate_hz
        segments = tuple(
            (run.tick / file.resolution_hz - clock.origin_s + clock.offset_s[piece], run.n)
            for run, piece in zip(file.runs, pieces, strict=True)
        )
        fast = "broadband" if file.rate_hz >= BROADBAND_HZ else "field"
        for role, members in ((fast, ~file.analog), ("analog", file.analog)):
            columns = np.flatnonzero(members)
            if not len(columns):
                continue
            name = role if role not in streams else f"{role}_{file.rate_hz:g}"
            name = name if name not in streams else f"{name}_{file.path.suffix[1:]}"
            streams[name] = Stream(
                name=name,
                sampling_rate_hz=rate,
                channels=tuple(file.ids[c] for c in columns),
                gain_uv=file.gain_uv[columns],
                offset_uv=file.offset_uv[columns],
                segments=segments,
                reader=_reader(file, columns),
                files=files,
                gap_tolerance_s=gap_tolerance_s,
            )
    return streams


def _reader(nsx: Nsx, columns: NDArray[np.int64]) -> Any:
    def read(segment: int, start: int, stop: int, selected: Sequence[int]) -> NDArray[np.int16]:
        return nsx.read(segment, start, stop, [int(columns[c]) for c in selected])

    return read


def _words(
    nev: Nev | None, times: NDArray[np.float64], pieces: NDArray[np.int64], reference: Stream | None
) -> pd.DataFrame:
    if nev is None:
        return tables.empty(WORDS)
    rows = np.flatnonzero((nev.kind == WORD) | (nev.kind == SERIAL_WORD))
    time_s = times[rows]
    if reference is None:
        segment = pieces[rows]
    else:
        starts = np.array([start for start, _ in reference.segments])
        segment = np.clip(np.searchsorted(starts, time_s, side="right") - 1, 0, None)
    frame = pd.DataFrame(
        {
            "time_s": time_s,
            "word": nev.word[rows],
            "source": np.where(nev.kind[rows] == WORD, "digital", "serial"),
            "segment": segment,
        }
    )
    return tables.conform(frame.sort_values("time_s", kind="stable"), WORDS)


def _online_spikes(nev: Nev | None, times: NDArray[np.float64]) -> pd.DataFrame:
    if nev is None:
        return tables.empty(ONLINE_SPIKES)
    rows = nev.kind == SPIKE
    frame = pd.DataFrame({"channel": nev.channel[rows], "unit": nev.unit[rows], "time_s": times[rows]})
    return tables.conform(frame.sort_values(["time_s", "channel"], kind="stable"), ONLINE_SPIKES)


def _add_spike_channels(channels: pd.DataFrame, nev: Nev | None) -> pd.DataFrame:
    """Add channels of which only spikes were saved."""
    if nev is None:
        return channels
    with_samples = set(channels["channel"])
    with_spikes = {int(c) for c in np.unique(nev.channel[nev.kind == SPIKE])}
    missing = sorted((set(nev.labels) | set(nev.gain_uv) | with_spikes) - with_samples)
    if not missing:
        return channels
    spike_only = pd.DataFrame(
        {
            "channel": missing,
            "name": [nev.labels.get(c, f"chan{c}") for c in missing],
            "kind": "neural",
            "stream": "",
            "sampling_rate_hz": float(nev.resolution_hz),
            "gain_uv": [nev.gain_uv.get(c, float("nan")) for c in missing],
        }
    )
    frames = [frame for frame in (channels, complete_channels(spike_only)) if not frame.empty]
    return tables.conform(pd.concat(frames).sort_values("channel"), CHANNELS)


def _metadata(files: Sequence[Path], nev: Nev | None, nsx: list[Nsx], clock: Clock) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "versions": {header.path.name: header.version for header in _headers(nev, nsx)},
        "clock_resets": len(clock.offset_s) - 1,
        "clock_offsets_s": list(clock.offset_s),
        "clock_origin_s": clock.origin_s,
    }
    metadata |= nev.metadata if nev else {}
    for file in files:
        if file.suffix.lower() == ".ccf":
            metadata["configuration"] = read_ccf(file)
    return metadata
