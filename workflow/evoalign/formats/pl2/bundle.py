"""Reads the bundles that `plexon2_export` writes; docs/plexon2_bundle.md describes the layout."""

from __future__ import annotations

import datetime as dt
import json
import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np

from evoalign.errors import InputError
from evoalign.files import sha256
from evoalign.formats.pl2.contents import Analog, PlexonEvents, continuous, word_of
from evoalign.formats.pl2.export import BUNDLE_FORMAT, BUNDLE_VERSION
from evoalign.formats.plexon.contents import Contents
from evoalign.formats.plexon.streams import Continuous
from evoalign.formats.plexon.walk import Blocks

AGAIN = "copy the bundle again, or export it again from the .pl2 file"


def verify(folder: Path) -> int:
    """Compare every file of a bundle with its checksum.

    Returns
    -------
    int
        Number of files.

    Raises
    ------
    InputError
        The folder is no bundle; or a file is missing, too many or changed.
    """
    return _verify(folder, _manifest(folder), checksums=True)


def bundle_contents(folder: Path, gap_tolerance_s: float) -> Contents:
    """Read what a bundle holds; samples are mapped, not read.

    Checksums are verified, but by a child process, whose parent has done so.

    Raises
    ------
    InputError
        As for `verify`; or its files contradict the manifest.
    """
    manifest = _manifest(folder)
    _verify(folder, manifest, checksums=multiprocessing.parent_process() is None)
    try:
        return _contents(folder, manifest, gap_tolerance_s)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        what = f"the manifest does not describe the bundle: {type(error).__name__} {error}"
        raise InputError(what, folder / "manifest.json", AGAIN) from error


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"no readable bundle: {error.strerror}", path, AGAIN) from None
    except ValueError as error:
        raise InputError(f"the manifest is no JSON: {error}", path, AGAIN) from None
    if not isinstance(manifest, dict) or manifest.get("format") != BUNDLE_FORMAT:
        raise InputError(f"no manifest of a {BUNDLE_FORMAT}", path, AGAIN)
    if manifest.get("version") != BUNDLE_VERSION:
        what = f"bundle version {manifest.get('version')} is unknown; {BUNDLE_VERSION} is read"
        raise InputError(what, path, "update this package")
    return manifest


def _verify(folder: Path, manifest: dict[str, Any], *, checksums: bool) -> int:
    files = manifest.get("files")
    if not isinstance(files, dict):
        raise InputError("the manifest lists no files", folder / "manifest.json", AGAIN)
    present_files = {file.name for file in folder.iterdir()} - {"manifest.json"}
    if present_files != set(files):
        unexpected = sorted(present_files ^ set(files))
        raise InputError(f"files missing or too many: {', '.join(unexpected)}", folder, AGAIN)
    for name, entry in files.items():
        file = folder / name
        if not isinstance(entry, dict) or file.stat().st_size != entry.get("bytes"):
            raise InputError("the file has not the size it was written with", file, AGAIN)
        if checksums and sha256(file) != entry.get("sha256"):
            raise InputError("the file has changed since it was written", file, AGAIN)
    return len(files)


def _load(folder: Path, name: str, dtype: type, ndim: int = 1) -> np.ndarray:
    file = folder / f"{name}.npy"
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"no readable array: {error}", file, AGAIN) from None
    if array.dtype != dtype or array.ndim != ndim:
        what = f"an array of {array.dtype} in {array.ndim} dimensions, not of {np.dtype(dtype)} in {ndim}"
        raise InputError(what, file, AGAIN)
    return array


def _contents(folder: Path, manifest: dict[str, Any], gap_tolerance_s: float) -> Contents:
    header = manifest["header"]
    clock_hz = float(header["TimestampFrequency"])
    if not 1 <= clock_hz <= 1e9:
        raise ValueError(f"time stamp frequency {clock_hz}")
    spikes = _spikes(folder, manifest)
    tick, word, source = _events(folder, manifest)
    return Contents(
        clock_hz=clock_hz,
        start=_start(header),
        continuous=_continuous(folder, manifest, clock_hz, gap_tolerance_s),
        spike_channels=[
            (int(c["Channel"]), str(c["Name"]), 1e6 * float(c["CoeffToConvertToUnits"]))
            for c in manifest["spikes"]
            if c["ChannelEnabled"] and c["ChannelRecordingEnabled"]
        ],
        spike_channel=spikes[0],
        spike_unit=spikes[1],
        spike_tick=spikes[2],
        word_tick=tick,
        word=word,
        word_source=source,
        metadata={
            "software": header["CreatorSoftwareName"],
            "software_version": header["CreatorSoftwareVersion"],
            "comment": header["CreatorComment"],
            "trodality": header["MaximumTrodality"],
            "event_channels": {
                c["Name"]: [c["Source"], c["Channel"]] for c in manifest["events"] if c["NumberOfEvents"]
            },
            "exported_from": manifest["source"],
        },
    )


def _start(header: dict[str, Any]) -> dt.datetime | None:
    tm = header["CreatorDateTime"]
    try:
        day = dt.datetime(tm["tm_year"] + 1900, tm["tm_mon"] + 1, tm["tm_mday"])
        at = dt.timedelta(hours=tm["tm_hour"], minutes=tm["tm_min"], seconds=tm["tm_sec"])
        return day + at + dt.timedelta(milliseconds=header["CreatorDateTimeMilliseconds"])
    except (ValueError, OverflowError):
        return None


def _continuous(
    folder: Path, manifest: dict[str, Any], clock_hz: float, gap_tolerance_s: float
) -> list[Continuous]:
    channels = []
    for index, c in enumerate(manifest["analog"]):
        if not c["NumberOfValues"]:
            continue
        samples = _load(folder, f"analog_{index:03d}", np.int16)
        fragments = np.array(_load(folder, f"analog_{index:03d}_fragments", np.int64, 2))
        n = fragments[:, 1]
        if fragments.shape[1] != 2 or (n < 0).any() or not n.sum() == samples.size == c["NumberOfValues"]:
            raise ValueError(f"fragments of {c['Name']} do not make up its samples")
        head = Analog(
            name=c["Name"],
            source_name="",
            units=c["Units"],
            source=c["Source"],
            channel=c["Channel"],
            rate_hz=float(c["SamplesPerSecond"]),
            coefficient=float(c["CoeffToConvertToUnits"]),
        )
        channel_numbers = np.full(n.size, c["Channel"], np.int32)
        blocks = Blocks(np.cumsum(n) - n, fragments[:, 0], channel_numbers, channel_numbers, n)
        where = str(folder / f"analog_{index:03d}.npy")
        channels.append(continuous(head, blocks, samples, clock_hz, index + 1, where, AGAIN, gap_tolerance_s))
    return channels


def _spikes(folder: Path, manifest: dict[str, Any]) -> list[np.ndarray]:
    """Return channel, unit and tick of all spikes."""
    columns: list[list[np.ndarray]] = [[np.empty(0, np.int64)] for _ in range(3)]
    for index, c in enumerate(manifest["spikes"]):
        if c["NumberOfSpikes"]:
            tick = _load(folder, f"spikes_{index:03d}_ticks", np.int64)
            unit = _load(folder, f"spikes_{index:03d}_units", np.uint16)
            if not tick.size == unit.size == c["NumberOfSpikes"]:
                raise ValueError(f"spikes of {c['Name']} are {tick.size}")
            for column_parts, column in zip(
                columns, (np.full(tick.size, c["Channel"]), unit, tick), strict=True
            ):
                column_parts.append(np.asarray(column, np.int64))
    return [np.concatenate(column_parts) for column_parts in columns]


def _events(folder: Path, manifest: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return tick, word and source of all events."""
    events = PlexonEvents.none()
    for index, c in enumerate(manifest["events"]):
        if c["NumberOfEvents"]:
            tick = _load(folder, f"events_{index:03d}_ticks", np.int64)
            value = _load(folder, f"events_{index:03d}_values", np.uint16)
            if not tick.size == value.size == c["NumberOfEvents"]:
                raise ValueError(f"events of {c['Name']} are {tick.size}")
            events.add(tick, *word_of(c["Name"], c["Source"], c["Channel"], value))
    tick = _load(folder, "start_stop_ticks", np.int64)
    value = _load(folder, "start_stop_values", np.uint16)
    if tick.size != value.size:
        raise ValueError("starts and stops do not fit their times")
    events.add_start_stop(tick, value, folder, AGAIN)
    return events.joined()
