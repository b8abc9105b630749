"""Event words and spikes of an Open Ephys recording."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evoalign.formats.neo_rawio.checked import npy, refuse
from evoalign.formats.neo_rawio.contents import RecordingContents
from evoalign.formats.neo_rawio.lines import SETTLE_S, levels, rising_bits, settled_words
from evoalign.formats.neo_rawio.open_ephys_structure import SYSTEM, Clock, folder_name, rate_of, source_of


def add_events(
    contents: RecordingContents,
    folder: Path,
    structure: dict[str, Any],
    streams: Sequence[dict[str, Any]],
    clocks: Sequence[Clock],
    main: int,
) -> None:
    """Add words of the fastest stream, and single lines of others; name what is on another clock."""
    by_source = {source_of(folder_name(s)): clock for s, clock in zip(streams, clocks, strict=True)}
    first_choice = source_of(folder_name(streams[main])) if streams else ""
    folders = [e for e in structure["events"] if (folder / "events" / folder_name(e)).is_dir()]
    ttl = [
        e
        for e in folders
        if (folder / "events" / folder_name(e) / "timestamps.npy").is_file() and _is_ttl(folder, e)
    ]
    words_from = next((e for e in ttl if source_of(folder_name(e)) == first_choice), ttl[0] if ttl else None)
    for event in folders:
        if event not in ttl:
            contents.metadata.setdefault("events_left_out", []).append(folder_name(event))
            continue
        source = source_of(folder_name(event))
        clock = by_source.get(source)
        if clock is None:
            clock = clocks[main] if clocks else Clock(rate_of(event))
            if rate_of(event) != clock.rate_hz:
                contents.metadata.setdefault("events_left_out", []).append(folder_name(event))
                continue
        _ttl(contents, folder / "events" / folder_name(event), clock, event is words_from)


def _is_ttl(folder: Path, event: dict[str, Any]) -> bool:
    place = folder / "events" / folder_name(event)
    return (place / "states.npy").is_file() or (place / "channel_states.npy").is_file()


def _ttl(contents: RecordingContents, place: Path, clock: Clock, is_words: bool) -> None:
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
        full_words = npy(SYSTEM, place / name)
        if full_words.ndim == 2 and full_words.dtype == np.uint8:
            full_words = (full_words.astype(np.int64) << (8 * np.arange(full_words.shape[1]))).sum(axis=1)
        if full_words.ndim != 1 or len(full_words) != len(number):
            raise refuse(SYSTEM, f"{len(full_words)} full words for {len(number)} edges", place / name)
        used = np.bitwise_or.reduce(level) if len(level) else 0
        full_words = full_words.astype(np.int64)
        order = np.argsort(number, kind="stable")
        # Edges of one sample: the system may have written them in any order, so their last word is compared.
        last = np.append(np.diff(tick[1:]) > 0, True) if len(tick) > 1 else np.empty(0, bool)
        differ = (
            np.flatnonzero(((full_words[order] ^ level[1:]) & used)[last]) if len(number) else np.empty(0)
        )
        if differ.size:
            raise refuse(SYSTEM, f"{differ.size} full words differ from the edges of the lines", place / name)


def add_spikes(
    contents: RecordingContents, folder: Path, structure: dict[str, Any], clock: Clock | None
) -> None:
    """Add the spikes of all electrodes with their clusters."""
    for group in structure["spikes"]:
        place = folder / "spikes" / folder_name(group)
        if not place.is_dir():
            continue
        new = place / "sample_numbers.npy"
        number = npy(SYSTEM, new if new.is_file() else place / "spike_times.npy")
        electrode = _spike_column(
            place, ("electrode_indices.npy", "spike_electrode_indices.npy"), len(number)
        )
        cluster = _spike_column(place, ("clusters.npy", "spike_clusters.npy"), len(number))
        group_clock = clock if clock is not None else Clock(rate_of(group))
        channels = _electrodes(group, place, int(electrode.max(initial=0)))
        index = np.clip(electrode - 1, 0, None)
        if len(number):
            contents.add_spikes(
                np.array([n for n, _ in channels])[index],
                cluster,
                group_clock.seconds(number.astype(np.int64)),
            )
        for n, label in channels:
            contents.spike_channels[n] = (label, _spike_gain(contents, n), group_clock.rate_hz)


def _spike_column(place: Path, names: Sequence[str], n: int) -> np.ndarray:
    path = next((place / name for name in names if (place / name).is_file()), place / names[0])
    column = npy(SYSTEM, path)
    if column.shape != (n,) or column.dtype.kind not in "iu":
        raise refuse(SYSTEM, f"{column.shape} values for {n} spikes", path)
    return column.astype(np.int64)


def _electrodes(group: dict[str, Any], place: Path, most: int) -> list[tuple[int, str]]:
    """Return channel number and name of each electrode: the number of its first wire."""
    structures = group.get("channels") or group.get("electrodes") or [group]
    numbered = []
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
        numbered.append((number, str(name)))
    if most > len(numbered) or len({n for n, _ in numbered}) != len(numbered):
        raise refuse(
            SYSTEM, f"spikes of electrode {most}, and {len(numbered)} electrodes in structure.oebin", place
        )
    return numbered


def _spike_gain(contents: RecordingContents, number: int) -> float:
    for group in contents.groups:
        for channel in group.channels:
            if channel.number == number:
                return channel.gain_uv
    return float("nan")
