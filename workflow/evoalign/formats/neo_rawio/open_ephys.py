"""Reads Open Ephys recordings in the binary format: structure.oebin, continuous.dat, .npy files.

Layout: "Binary format" in the documents of the Open Ephys GUI, versions 0.4 to
1.0. Neo 0.14.6 gives no spikes, takes each recording as gapless from its first
time stamp, and lets events of another clock stretch the recording by days.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evoalign.formats.neo_rawio.checked import counter_breaks, items, npy, refuse, slice_of, stretches
from evoalign.formats.neo_rawio.contents import (
    FIRST_ANALOG,
    Channel,
    Group,
    RecordingContents,
    neural_role,
    numbers_by_name,
)
from evoalign.formats.neo_rawio.open_ephys_events import add_events, add_spikes
from evoalign.formats.neo_rawio.open_ephys_structure import (
    ONE,
    SYSTEM,
    Clock,
    folder_name,
    main_stream,
    rate_of,
    read_structure,
    recordings_of,
)
from evoalign.formats.neo_rawio.pieces import Piece, PieceReader, Table
from evoalign.formats.units import MICROVOLTS

AUX_FROM = FIRST_ANALOG + 1_000


def open_ephys_contents(path: Path) -> RecordingContents:
    """Read one experiment; samples stay in the files.

    Recordings of one experiment count samples on from each other, so each is a
    segment at its true time.

    Parameters
    ----------
    path : path
        A folder of a Record Node, an experiment or a recording, or its structure.oebin.

    Raises
    ------
    InputError
        Several Record Nodes or experiments, whose clocks are not one; or files
        that do not fit each other or structure.oebin.
    """
    recordings = recordings_of(path)
    structures = [read_structure(folder) for folder in recordings]
    for folder in recordings:
        # Whole or refused, also those that nothing is taken from.
        for file in sorted(folder.rglob("*.npy")):
            npy(SYSTEM, file)
    streams = [
        [s for s in t["continuous"] if (f / "continuous" / folder_name(s)).is_dir()]
        for f, t in zip(recordings, structures, strict=True)
    ]
    names = [[folder_name(s) for s in streams_of] for streams_of in streams]
    if any(n != names[0] for n in names):
        raise refuse(
            SYSTEM, f"the recordings hold different streams: {names[0]}, then {names[1]}", path, hint=ONE
        )
    contents = RecordingContents(
        metadata={"gui_version": str(structures[0].get("GUI version", "")), "recordings": len(recordings)}
    )
    clocks = [Clock(rate_of(s)) for s in streams[0]]
    counters = [[_counter(f, s) for f in recordings] for s in streams[0]]
    for clock, per_recording in zip(clocks, counters, strict=True):
        clock.origin = min((int(c[0]) for c in per_recording if len(c)), default=0)
    for place, stream in enumerate(streams[0]):
        _continuous(contents, recordings, stream, counters[place], clocks[place], place)
    main = main_stream(streams[0])
    for folder, structure in zip(recordings, structures, strict=True):
        add_events(contents, folder, structure, streams[0], clocks, main)
        add_spikes(contents, folder, structure, clocks[main] if clocks else None)
    contents.metadata["first_sample_number"] = {n: c.origin for n, c in zip(names[0], clocks, strict=True)}
    return contents


def _counter(folder: Path, stream: dict[str, Any]) -> np.ndarray:
    """Return the stream's sample numbers: `sample_numbers.npy`, before version 0.6 `timestamps.npy`."""
    place = folder / "continuous" / folder_name(stream)
    path = place / "sample_numbers.npy"
    path = path if path.is_file() else place / "timestamps.npy"
    numbers = npy(SYSTEM, path)
    if numbers.dtype.kind not in "iu" or numbers.ndim != 1:
        raise refuse(SYSTEM, f"sample numbers are {numbers.dtype} of {numbers.ndim} dimensions", path)
    return numbers


def _continuous(
    contents: RecordingContents,
    recordings: Sequence[Path],
    stream: dict[str, Any],
    counters: Sequence[np.ndarray],
    clock: Clock,
    place: int,
) -> None:
    listed = stream.get("channels")
    if not isinstance(listed, list) or not all(isinstance(c, dict) for c in listed) or not listed:
        raise refuse(
            SYSTEM, f"stream {folder_name(stream)} has no channels", recordings[0] / "structure.oebin"
        )
    runs = []
    for folder, counter in zip(recordings, counters, strict=True):
        path = folder / "continuous" / folder_name(stream) / "continuous.dat"
        table = items(SYSTEM, path, "<i2", columns=len(listed)).reshape(-1, len(listed))
        if len(table) != len(counter):
            raise refuse(
                SYSTEM,
                f"{len(table)} samples of {len(listed)} channels, but {len(counter)} sample numbers",
                path,
            )
        parts = stretches(counter_breaks(slice_of(counter), len(counter)), len(counter))
        runs += [(int(counter[a]), table, a, b - a) for a, b in parts]
    if not runs:
        return
    starts = tuple(((c - clock.origin) / clock.rate_hz, n) for c, _, _, n in runs)
    by_role: dict[str, list[int]] = {}
    for column, channel in enumerate(listed):
        by_role.setdefault(_role(channel, stream, clock.rate_hz), []).append(column)
    by_role.pop("sync", None)
    for role, columns in by_role.items():
        names = [str(listed[c].get("channel_name", "")) for c in columns]
        numbers = numbers_by_name(names, range(1, len(columns) + 1))
        channels = tuple(
            _channel(listed[c], role, number, place) for c, number in zip(columns, numbers, strict=True)
        )
        pieces = [[Piece(Table(table, columns), first, n)] for _, table, first, n in runs]
        contents.groups.append(Group(role, clock.rate_hz, channels, starts, PieceReader(pieces)))


def _role(channel: dict[str, Any], stream: dict[str, Any], rate_hz: float) -> str:
    """Return what a channel carries: by its description and unit, as it may be renamed, else by its name.

    Headstages are in uV, inputs of the board in V, a headstage's accelerometer in mV.
    """
    name, about, unit = (str(channel.get(key, "")) for key in ("channel_name", "description", "units"))
    if "SYNC" in name.upper():
        return "sync"
    if re.match(r"headstage", about, re.IGNORECASE):
        return neural_role(rate_hz)
    inputs = re.match(r"(adc|aux)", about, re.IGNORECASE) or re.match(
        r"(ADC|AUX|A_AUX|AI)", name, re.IGNORECASE
    )
    if inputs or unit.lower() in ("v", "mv", "volts") or "ADC" in folder_name(stream).upper():
        return "analog"
    return neural_role(rate_hz)


def _channel(header: dict[str, Any], role: str, number: int, place: int) -> Channel:
    name = str(header.get("channel_name", ""))
    if role == "analog":
        number += AUX_FROM if "AUX" in name.upper() else FIRST_ANALOG
    # Two probes number their channels alike: those of the second stream are 100001 and up.
    number += 100_000 * place
    unit = str(header.get("units", "")) or ("V" if "ADC" in name.upper() else "uV")
    try:
        gain = float(header["bit_volts"]) * MICROVOLTS[unit.lower()]
    except (KeyError, TypeError, ValueError):
        gain = float("nan")
    return Channel(number, name, gain)
