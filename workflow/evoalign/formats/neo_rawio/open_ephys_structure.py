"""Folders and structure.oebin of an Open Ephys recording, and its clocks."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evoalign.formats.neo_rawio.checked import refuse

SYSTEM = "Open Ephys"
ONE = "name one Record Node's folder, one experiment's, or one recording's"


class Clock:
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


def recordings_of(path: Path) -> list[Path]:
    """Return the folders of the recordings of one experiment, in the order of their numbers."""
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


def read_structure(folder: Path) -> dict[str, Any]:
    """Read structure.oebin: its lists of streams, events and spikes."""
    path = folder / "structure.oebin"
    try:
        structure = json.loads(path.read_text(encoding="utf-8"))
        parts = {key: structure.get(key) or [] for key in ("continuous", "events", "spikes")}
        if all(isinstance(one["folder_name"], str) for part in parts.values() for one in part):
            return {**structure, **parts}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise refuse(SYSTEM, "structure.oebin is no list of streams, events and spikes", path)


def folder_name(stream: dict[str, Any]) -> str:
    """Return the folder of a stream, events or spikes; it lies in the recording."""
    name = stream["folder_name"].strip("/")
    if ".." in name or name.startswith("/"):
        raise refuse(SYSTEM, f"a folder named {name[:40]!r} in structure.oebin", Path(name))
    return name


def main_stream(streams: Sequence[dict[str, Any]]) -> int:
    """Return the stream on whose clock words and spikes lie: the fastest."""
    return max(range(len(streams)), key=lambda place: rate_of(streams[place]), default=0)


def source_of(folder_name: str) -> str:
    """Return the processor or stream, as `Rhythm_FPGA-100.0`, of an event folder."""
    return folder_name.split("/")[0]
