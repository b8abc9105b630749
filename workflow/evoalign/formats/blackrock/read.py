"""Blackrock recordings: one NEV and any NSx files of a Cerebus, as one `Recording`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign import tables
from evoalign.errors import InputError
from evoalign.formats.blackrock import layout
from evoalign.formats.blackrock.ccf import read_ccf
from evoalign.formats.blackrock.clock import (
    HINT,
    Clock,
    full_duration_s,
    packet_times,
    pieces_of_packets,
    pieces_of_runs,
    shared_clock,
)
from evoalign.formats.blackrock.nev import SERIAL_WORD, SPIKE, WORD, Nev, read_nev
from evoalign.formats.blackrock.nsx import ELECTRODE_GAIN_UV, Nsx, read_nsx
from evoalign.recordings.recording import Recording, channel_table, complete_channels, segment_table
from evoalign.recordings.stream import GAP_TOLERANCE_S, Stream
from evoalign.recordings.tables import CHANNELS, ONLINE_SPIKES, WORDS

BROADBAND_HZ = 20_000  # a neural signal at this rate or above holds spikes
MAX_START_DIFFERENCE_S = 5.0  # of the headers' start times of files of one recording
MAX_TOLD = 1_000  # pulses of stimulation in the descriptor
# What file names tell: nsp1 and nsp2 of two processors; -001 and -002 of parts.
PROCESSOR = re.compile(r"(?:nsp|hub)[-_ ]?(\d+)", re.IGNORECASE)
PART = re.compile(r"-(\d{3})$")
ROWS = "give the .nev and the .nsX of one processor and one part; others are rows of their own in the sheet"


def open_blackrock(
    files: Sequence[Path], gap_tolerance_s: float = GAP_TOLERANCE_S, most_bytes: int | None = None
) -> Recording:
    """Open a NEV, NSx files, or both of one recording; a ``.ccf`` may be among them.

    Parameters
    ----------
    files : sequence of Path
    gap_tolerance_s : float
        By which stamps of single samples (PTP) may jitter.
    most_bytes : int, optional
        Packets (of a NEV, or of single samples) up to this byte of a file are read; all by default.

    Raises
    ------
    InputError
        A file is damaged, or the files are not of one recording.
    """
    suffixes = [file.suffix.lower() for file in files]
    doubled = {s for s in suffixes if suffixes.count(s) > 1}
    if doubled:
        raise InputError(f"more than one file of the kind {', '.join(sorted(doubled))}", files[0], HINT)
    nev = next((read_nev(f, most_bytes) for f, s in zip(files, suffixes, strict=True) if s == ".nev"), None)
    # The fastest first: its time stamps show pauses and resets.
    nsx = sorted(
        (
            read_nsx(f, gap_tolerance_s, most_bytes)
            for f, s in zip(files, suffixes, strict=True)
            if s.startswith(".ns")
        ),
        key=lambda nsx_file: (-nsx_file.rate_hz, nsx_file.path.suffix != ".ns6", nsx_file.path.name),
    )
    if nev is None and not nsx:
        raise InputError("a .ccf by itself holds no recording", files[0], HINT)
    _check_pair(nev, nsx)
    nsx = [_scaled_by_nev(nsx_file, nev) for nsx_file in nsx]
    runs_of = [pieces_of_runs(nsx_file) for nsx_file in nsx]
    nev_pieces = pieces_of_packets(nev) if nev else np.empty(0, np.int64)
    clock = shared_clock(nev, nev_pieces, nsx, runs_of)
    streams = _streams(tuple(files), nsx, runs_of, clock, gap_tolerance_s)
    times = packet_times(nev, nev_pieces, clock)
    metadata = _metadata(files, nev, nsx, clock, times)
    names = {i: label for nsx_file in nsx for i, label in zip(nsx_file.ids, nsx_file.labels, strict=True)}
    names |= nev.labels if nev else {}
    analog = {int(i) for nsx_file in nsx for i, a in zip(nsx_file.ids, nsx_file.analog, strict=True) if a}
    channels = channel_table(list(streams.values()), names, dict.fromkeys(analog, "analog"))
    segments = segment_table(list(streams.values()))
    reference = next(iter(streams.values()), None)
    return Recording(
        format="blackrock",
        files=tuple(files),
        start=next((nsx_file.start for nsx_file in _headers(nev, nsx) if nsx_file.start), None),
        channels=_add_spike_channels(_without_scale(channels, nsx), nev),
        segments=segments,
        words=_words(nev, times, nev_pieces, reference),
        online_spikes=_online_spikes(nev, times),
        streams=streams,
        metadata=metadata,
        full_duration_s=full_duration_s(_headers(nev, nsx)),
    )


def _headers(nev: Nev | None, nsx: list[Nsx]) -> list[Nev | Nsx]:
    return [*nsx, *([nev] if nev else [])]


def _check_pair(nev: Nev | None, nsx: list[Nsx]) -> None:
    headers = _headers(nev, nsx)
    _check_names([header.path for header in headers])
    if nev:
        for nsx_file in nsx:
            _check_channels(nev, nsx_file)
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


def _check_names(paths: Sequence[Path]) -> None:
    """Raise an InputError when names tell of two processors, or of two parts of a recording."""
    for what, pattern in (("processors", PROCESSOR), ("parts", PART)):
        named = {match[1].lstrip("0") for path in paths if (match := pattern.search(path.stem))}
        if len(named) > 1:
            names = ", ".join(path.name for path in paths)
            raise InputError(f"the names are of {len(named)} {what}: {names}", paths[0], ROWS)


def _check_channels(nev: Nev, nsx: Nsx) -> None:
    """Raise an InputError when a .nev and a .nsX list other electrodes, or label most of them differently."""
    in_nev = {i for i in (*nev.labels, *nev.gain_uv) if i not in nev.analog}
    in_nsx = {i for i, analog in zip(nsx.ids, nsx.analog, strict=True) if not analog} - nev.analog
    where = f"{nev.path} and {nsx.path}"
    if in_nev and in_nsx and not in_nev & in_nsx:
        raise InputError("no electrode of one file is in the other: they are of two processors", where, ROWS)
    if nsx.version == "2.1":
        return  # it has no labels
    of_nsx = dict(zip(nsx.ids, nsx.labels, strict=True))
    shared = [i for i in sorted(in_nsx) if nev.labels.get(i) and of_nsx[i]]
    differ = [i for i in shared if nev.labels[i].lower() != of_nsx[i].lower()]
    if len(differ) > len(shared) / 2:
        i = differ[0]
        raise InputError(
            f"{len(differ)} of {len(shared)} electrodes have another label in the other file, as electrode "
            f"{i}: '{nev.labels[i]}' and '{of_nsx[i]}'",
            where,
            ROWS,
        )


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
            "kind": ["analog" if c in nev.analog else "neural" for c in missing],
            "stream": "",
            "sampling_rate_hz": float(nev.resolution_hz),
            "gain_uv": [nev.gain_uv.get(c, float("nan")) for c in missing],
        }
    )
    frames = [frame for frame in (channels, complete_channels(spike_only)) if not frame.empty]
    return tables.conform(pd.concat(frames).sort_values("channel"), CHANNELS)


def _scaled_by_nev(nsx: Nsx, nev: Nev | None) -> Nsx:
    """Take from the NEV which channels of an NSx 2.1, whose header has no scale, are analog inputs."""
    if nsx.version != "2.1" or nev is None:
        return nsx
    analog = nsx.analog | np.isin(nsx.ids, list(nev.analog))
    return replace(nsx, analog=analog, gain_uv=np.where(analog, layout.ANALOG_GAIN_UV, ELECTRODE_GAIN_UV))


def _no_voltage(nsx: list[Nsx]) -> dict[int, str]:
    """Return the unit of each channel that is no voltage."""
    return {
        i: unit
        for nsx_file in nsx
        for i, unit in zip(nsx_file.ids, nsx_file.units, strict=True)
        if unit.lower() not in layout.MICROVOLTS
    }


def _without_scale(channels: pd.DataFrame, nsx: list[Nsx]) -> pd.DataFrame:
    """Leave out microvolts a count of what is no voltage."""
    gain = channels["gain_uv"].mask(channels["channel"].isin(_no_voltage(nsx)))
    return channels.assign(gain_uv=gain)


def _metadata(
    files: Sequence[Path], nev: Nev | None, nsx: list[Nsx], clock: Clock, times: NDArray[np.float64]
) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "versions": {header.path.name: header.version for header in _headers(nev, nsx)},
        "clock_resets": len(clock.offset_s) - 1,
        "clock_offsets_s": list(clock.offset_s),
        "clock_origin_s": clock.origin_s,
    }
    if nev:
        metadata |= nev.metadata
        metadata["comments"] = [{"time_s": float(times[row]), "text": text} for row, text in nev.comments]
    if nev and nev.stimulation:
        metadata["stimulation_packets"] = len(nev.stimulation)
        first = nev.stimulation[:MAX_TOLD]
        metadata["stimulation"] = [[float(times[row]), electrode] for row, electrode in first]
    if units := _no_voltage(nsx):
        metadata["scale"] = {str(channel): f"in {unit}" for channel, unit in units.items()}
    for file in files:
        if file.suffix.lower() == ".ccf":
            metadata["configuration"] = read_ccf(file)
    return metadata
