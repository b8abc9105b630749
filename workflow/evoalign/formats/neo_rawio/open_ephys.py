"""Reads Open Ephys recordings in the binary format: structure.oebin, continuous.dat, .npy files.

Layout: "Binary format" in the documents of the Open Ephys GUI, versions 0.4 to
1.0. Neo 0.14.6 gives no spikes, takes each recording as gapless from its first
time stamp, and lets events of another clock stretch the recording by days.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evoalign.formats.neo_rawio.checked import counter_breaks, items, npy, refuse, slice_of, stretches
from evoalign.formats.neo_rawio.contents import FIRST_ANALOG, Channel, Group, RecordingContents, neural_role
from evoalign.formats.neo_rawio.lines import SETTLE_S, levels, rising_bits, settled_words
from evoalign.formats.neo_rawio.pieces import Piece, PieceReader, Table

SYSTEM = "Open Ephys"
ONE = "name one Record Node's folder, one experiment's, or one recording's"
AUX_FROM = FIRST_ANALOG + 1_000
MICROVOLTS = {"uV": 1.0, "µV": 1.0, "mV": 1e3, "V": 1e6}


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
    recordings = _recordings(path)
    structures = [_structure(folder) for folder in recordings]
    for folder in recordings:
        # Whole or refused, also those that nothing is taken from.
        for file in sorted(folder.rglob("*.npy")):
            npy(SYSTEM, file)
    streams = [
        [s for s in t["continuous"] if (f / "continuous" / _name(s)).is_dir()]
        for f, t in zip(recordings, structures, strict=True)
    ]
    names = [[_name(s) for s in streams_of] for streams_of in streams]
    if any(n != names[0] for n in names):
        raise refuse(
            SYSTEM, f"the recordings hold different streams: {names[0]}, then {names[1]}", path, hint=ONE
        )
    contents = RecordingContents(
        metadata={"gui_version": str(structures[0].get("GUI version", "")), "recordings": len(recordings)}
    )
    clocks = [_Clock(rate_of(s)) for s in streams[0]]
    counters = [[_counter(f, s) for f in recordings] for s in streams[0]]
    for clock, per_recording in zip(clocks, counters, strict=True):
        clock.origin = min((int(c[0]) for c in per_recording if len(c)), default=0)
    for place, stream in enumerate(streams[0]):
        _continuous(contents, recordings, stream, counters[place], clocks[place], place)
    main = _main_stream(streams[0])
    for folder, structure in zip(recordings, structures, strict=True):
        _events(contents, folder, structure, streams[0], clocks, main)
        _spikes(contents, folder, structure, clocks[main] if clocks else None)
    contents.metadata["first_sample_number"] = {n: c.origin for n, c in zip(names[0], clocks, strict=True)}
    return contents


class _Clock:
    """Sample numbers of a stream and their rate; its first sample is time 0."""

    def __init__(self, rate_hz: float) -> None:
        self.rate_hz = rate_hz
        self.origin = 0

    def seconds(self, number: np.ndarray) -> np.ndarray:
        """Return times of sample numbers."""
        return (number - self.origin) / self.rate_hz


def rate_of(stream: dict[str, Any]) -> float:
    """Return a stream's sampling rate as structure.oebin has it."""
    try:
        return float(stream["sample_rate"])
    except (KeyError, TypeError, ValueError):
        return float("nan")


def _recordings(path: Path) -> list[Path]:
    path = path.parent if path.name == "structure.oebin" else path
    found = (
        [path] if (path / "structure.oebin").is_file() else [f.parent for f in path.rglob("structure.oebin")]
    )
    if not found:
        raise refuse(SYSTEM, "no structure.oebin is in the folder", path, hint=ONE)
    parents = sorted({folder.parent for folder in found})
    if len(parents) > 1:
        several = ", ".join(p.relative_to(path).as_posix() for p in parents[:4])
        raise refuse(
            SYSTEM, f"{len(parents)} experiments with clocks of their own: {several}", path, hint=ONE
        )
    return sorted(found, key=_place)


def _place(folder: Path) -> tuple[int, str]:
    digits = re.search(r"(\d+)$", folder.name)
    return (int(digits[1]) if digits else 0, folder.name)


def _structure(folder: Path) -> dict[str, Any]:
    path = folder / "structure.oebin"
    try:
        structure = json.loads(path.read_text(encoding="utf-8"))
        parts = {key: structure.get(key) or [] for key in ("continuous", "events", "spikes")}
        if all(isinstance(one["folder_name"], str) for part in parts.values() for one in part):
            return {**structure, **parts}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise refuse(SYSTEM, "structure.oebin is no list of streams, events and spikes", path)


def _name(stream: dict[str, Any]) -> str:
    name = stream["folder_name"].strip("/")
    if ".." in name or name.startswith("/"):
        raise refuse(SYSTEM, f"a folder named {name[:40]!r} in structure.oebin", Path(name))
    return name


def _counter(folder: Path, stream: dict[str, Any]) -> np.ndarray:
    """Return the stream's sample numbers: `sample_numbers.npy`, before version 0.6 `timestamps.npy`."""
    place = folder / "continuous" / _name(stream)
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
    clock: _Clock,
    place: int,
) -> None:
    structures = stream.get("channels")
    if not isinstance(structures, list) or not all(isinstance(c, dict) for c in structures) or not structures:
        raise refuse(SYSTEM, f"stream {_name(stream)} has no channels", recordings[0] / "structure.oebin")
    runs = []
    for folder, counter in zip(recordings, counters, strict=True):
        path = folder / "continuous" / _name(stream) / "continuous.dat"
        table = items(SYSTEM, path, "<i2", columns=len(structures)).reshape(-1, len(structures))
        if len(table) != len(counter):
            raise refuse(
                SYSTEM,
                f"{len(table)} samples of {len(structures)} channels, but {len(counter)} sample numbers",
                path,
            )
        parts = stretches(counter_breaks(slice_of(counter), len(counter)), len(counter))
        runs += [(int(counter[a]), table, a, b - a) for a, b in parts]
    if not runs:
        return
    starts = tuple(((c - clock.origin) / clock.rate_hz, n) for c, _, _, n in runs)
    by_role: dict[str, list[int]] = {}
    for column, channel in enumerate(structures):
        by_role.setdefault(_role(str(channel.get("channel_name", "")), stream, clock.rate_hz), []).append(
            column
        )
    by_role.pop("sync", None)
    for role, columns in by_role.items():
        channels = tuple(_channel(structures[c], role, rank, place) for rank, c in enumerate(columns))
        pieces = [[Piece(Table(table, columns), first, n)] for _, table, first, n in runs]
        contents.groups.append(Group(role, clock.rate_hz, channels, starts, PieceReader(pieces)))


def _role(name: str, stream: dict[str, Any], rate_hz: float) -> str:
    """Return what a channel carries, by the name that the GUI gives it."""
    if "SYNC" in name.upper():
        return "sync"
    if re.match(r"(ADC|AUX|A_AUX|AI)", name, re.IGNORECASE) or "ADC" in _name(stream).upper():
        return "analog"
    return neural_role(rate_hz)


def _channel(structures: dict[str, Any], role: str, rank: int, place: int) -> Channel:
    name = str(structures.get("channel_name", ""))
    digits = re.search(r"(\d+)$", name)
    number = int(digits[1]) if digits and 0 < int(digits[1]) < 1_000 else rank + 1
    if role == "analog":
        number += AUX_FROM if "AUX" in name.upper() else FIRST_ANALOG
    # Two probes number their channels alike: those of the second stream are 100001 and up.
    number += 100_000 * place
    unit = str(structures.get("units", "")) or ("V" if "ADC" in name.upper() else "uV")
    try:
        gain = float(structures["bit_volts"]) * MICROVOLTS[unit]
    except (KeyError, TypeError, ValueError):
        gain = float("nan")
    return Channel(number, name, gain)


def _main_stream(streams: Sequence[dict[str, Any]]) -> int:
    """Return the stream on whose clock words and spikes lie: the fastest."""
    return max(range(len(streams)), key=lambda place: rate_of(streams[place]), default=0)


def _source(folder_name: str) -> str:
    """Return the processor or stream, as `Rhythm_FPGA-100.0`, of an event folder."""
    return folder_name.split("/")[0]


def _events(
    contents: RecordingContents,
    folder: Path,
    structure: dict[str, Any],
    streams: Sequence[dict[str, Any]],
    clocks: Sequence[_Clock],
    main: int,
) -> None:
    by_source = {_source(_name(s)): clock for s, clock in zip(streams, clocks, strict=True)}
    first_choice = _source(_name(streams[main])) if streams else ""
    folders = [e for e in structure["events"] if (folder / "events" / _name(e)).is_dir()]
    ttl = [
        e
        for e in folders
        if (folder / "events" / _name(e) / "timestamps.npy").is_file() and _is_ttl(folder, e)
    ]
    words_from = next((e for e in ttl if _source(_name(e)) == first_choice), ttl[0] if ttl else None)
    for event in folders:
        if event not in ttl:
            contents.metadata.setdefault("events_left_out", []).append(_name(event))
            continue
        source = _source(_name(event))
        clock = by_source.get(source)
        if clock is None:
            clock = clocks[main] if clocks else _Clock(rate_of(event))
            if rate_of(event) != clock.rate_hz:
                contents.metadata.setdefault("events_left_out", []).append(_name(event))
                continue
        _ttl(contents, folder / "events" / _name(event), clock, event is words_from)


def _is_ttl(folder: Path, event: dict[str, Any]) -> bool:
    place = folder / "events" / _name(event)
    return (place / "states.npy").is_file() or (place / "channel_states.npy").is_file()


def _ttl(contents: RecordingContents, place: Path, clock: _Clock, is_words: bool) -> None:
    """Add the words, or the single lines, of a folder of edges."""
    new = place / "sample_numbers.npy"
    number = npy(SYSTEM, new if new.is_file() else place / "timestamps.npy")
    state = npy(SYSTEM, place / ("states.npy" if (place / "states.npy").is_file() else "channel_states.npy"))
    if (
        number.dtype.kind not in "iu"
        or state.dtype.kind not in "iu"
        or number.shape != state.shape
        or number.ndim != 1
    ):
        raise refuse(SYSTEM, f"{len(state)} states and {len(number)} sample numbers of edges", place)
    state = state.astype(np.int64)
    line = np.abs(state) - 1
    if len(state) and (line.min() < 0 or line.max() >= 62):
        raise refuse(SYSTEM, f"an edge of line {line.max() + 1}, or of none", place)
    tick, level = levels(number.astype(np.int64), line, state > 0)
    _against_full_words(place, number, tick, level)
    if is_words:
        at, word, short = settled_words(tick, level, SETTLE_S * clock.rate_hz)
        contents.add_words(clock.seconds(at), word, "digital")
        contents.metadata["short_pulses"] = short
    else:
        at, bit = rising_bits(tick, level)
        contents.add_words(clock.seconds(at), bit, "bit")


def _against_full_words(place: Path, number: np.ndarray, tick: np.ndarray, level: np.ndarray) -> None:
    """Hold the levels against the words that the system kept beside the edges, on lines with edges."""
    for name in ("full_words.npy", "full_word.npy"):
        if not (place / name).is_file():
            continue
        kept = npy(SYSTEM, place / name)
        if kept.ndim == 2 and kept.dtype == np.uint8:
            kept = (kept.astype(np.int64) << (8 * np.arange(kept.shape[1]))).sum(axis=1)
        if kept.ndim != 1 or len(kept) != len(number):
            raise refuse(SYSTEM, f"{len(kept)} full words for {len(number)} edges", place / name)
        used = np.bitwise_or.reduce(level) if len(level) else 0
        kept = kept.astype(np.int64)
        order = np.argsort(number, kind="stable")
        # Edges of one sample: the system may have written them in any order, so their last word is compared.
        last = np.append(np.diff(tick[1:]) > 0, True) if len(tick) > 1 else np.empty(0, bool)
        differ = np.flatnonzero(((kept[order] ^ level[1:]) & used)[last]) if len(number) else np.empty(0)
        if differ.size:
            raise refuse(SYSTEM, f"{differ.size} full words differ from the edges of the lines", place / name)


def _spikes(
    contents: RecordingContents, folder: Path, structure: dict[str, Any], clock: _Clock | None
) -> None:
    for group in structure["spikes"]:
        place = folder / "spikes" / _name(group)
        if not place.is_dir():
            continue
        new = place / "sample_numbers.npy"
        number = npy(SYSTEM, new if new.is_file() else place / "spike_times.npy")
        electrode = _spike_column(
            place, ("electrode_indices.npy", "spike_electrode_indices.npy"), len(number)
        )
        cluster = _spike_column(place, ("clusters.npy", "spike_clusters.npy"), len(number))
        own = clock if clock is not None else _Clock(rate_of(group))
        channels = _electrodes(group, place, int(electrode.max(initial=0)))
        index = np.clip(electrode - 1, 0, None)
        if len(number):
            contents.add_spikes(
                np.array([n for n, _ in channels])[index], cluster, own.seconds(number.astype(np.int64))
            )
        for n, label in channels:
            contents.spike_channels[n] = (label, _spike_gain(contents, n), own.rate_hz)


def _spike_column(place: Path, names: Sequence[str], n: int) -> np.ndarray:
    path = next((place / name for name in names if (place / name).is_file()), place / names[0])
    column = npy(SYSTEM, path)
    if column.shape != (n,) or column.dtype.kind not in "iu":
        raise refuse(SYSTEM, f"{column.shape} values for {n} spikes", path)
    return column.astype(np.int64)


def _electrodes(group: dict[str, Any], place: Path, most: int) -> list[tuple[int, str]]:
    """Return channel number and name of each electrode: the number of its first wire."""
    structures = group.get("channels") or group.get("electrodes") or [group]
    found = []
    for rank, electrode in enumerate(structures if isinstance(structures, list) else []):
        wires: Any = electrode.get("source_channel_info") if isinstance(electrode, dict) else None
        try:
            number = int(wires[0]["source_processor_channel"]) + 1
        except (TypeError, KeyError, IndexError, ValueError):
            number = rank + 1
        name = (
            electrode.get("channel_name") or electrode.get("name") or ""
            if isinstance(electrode, dict)
            else ""
        )
        found.append((number, str(name)))
    if most > len(found) or len({n for n, _ in found}) != len(found):
        raise refuse(
            SYSTEM, f"spikes of electrode {most}, and {len(found)} electrodes in structure.oebin", place
        )
    return found


def _spike_gain(contents: RecordingContents, number: int) -> float:
    for group in contents.groups:
        for channel in group.channels:
            if channel.number == number:
                return channel.gain_uv
    return float("nan")
