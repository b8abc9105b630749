"""One interface to a recording, whatever rig wrote it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from evoalign import tables
from evoalign.errors import InputError
from evoalign.recordings.stream import GAP_TOLERANCE_S, Stream

BLACKROCK_SUFFIXES = (".nev", ".ns1", ".ns2", ".ns3", ".ns4", ".ns5", ".ns6", ".ccf")
SINGLE_FILE = (".plx", ".pl2", ".pl2bundle")


@dataclass
class Recording:
    """Contents of a recording; continuous data stay in their files until read.

    Attributes
    ----------
    format : str
        'blackrock', 'plexon' (.plx) or 'plexon2' (.pl2).
    files : tuple of pathlib.Path
        The files it was opened from.
    start : datetime.datetime or None
        Start in UTC, from the header.
    channels, segments, words, online_spikes : pandas.DataFrame
        As in `evoalign.tables`; times in seconds on the recording's clock.
    streams : dict of str to Stream
        Continuous streams by name.
    metadata : dict
        Further metadata of the header, fit for JSON; ``facts`` in the descriptor.
    """

    format: str
    files: tuple[Path, ...]
    start: dt.datetime | None
    channels: pd.DataFrame
    segments: pd.DataFrame
    words: pd.DataFrame
    online_spikes: pd.DataFrame
    streams: dict[str, Stream]
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def duration_s(self) -> float:
        """Seconds from time 0 to the last sample, word or spike."""
        ends = self.segments["start_s"] + self.segments["n_samples"] / self.segments["sampling_rate_hz"]
        last_times = [ends.max(), self.words["time_s"].max(), self.online_spikes["time_s"].max()]
        finite_times = [float(time) for time in last_times if pd.notna(time)]
        return max(finite_times, default=0.0)

    def descriptor(self) -> dict[str, Any]:
        """Return what was found, ready for JSON."""
        return {
            "format": self.format,
            "files": [file.name for file in self.files],
            "start": None if self.start is None else self.start.isoformat(),
            "duration_s": self.duration_s,
            "streams": {
                name: {
                    "channels": len(stream.channels),
                    "sampling_rate_hz": stream.sampling_rate_hz,
                    "segments": len(stream.segments),
                    "samples": stream.n_samples,
                }
                for name, stream in self.streams.items()
            },
            "channels": len(self.channels),
            "words": {str(k): int(v) for k, v in self.words["source"].value_counts().sort_index().items()},
            "online_spikes": len(self.online_spikes),
            "facts": self.metadata,
        }


def open_recording(
    paths: Sequence[str | PathLike[str]] | str | PathLike[str],
    gap_tolerance_ms: float = 1000 * GAP_TOLERANCE_S,
) -> Recording:
    """Open the raw files of one recording; continuous data are read when asked for.

    Parameters
    ----------
    paths : path or sequence of paths
        One ``.plx``, ``.pl2`` or ``.pl2bundle`` folder, or the files of
        one Blackrock recording: ``.nev``, ``.ns1`` to ``.ns6``, ``.ccf``.
    gap_tolerance_ms : float
        Deviations of time stamps up to this size are jitter, larger ones gaps.
        Plexon: stamps of blocks. Blackrock: stamps of single samples (PTP); a
        deviation that later stamps do not undo is a gap, however small.

    Returns
    -------
    Recording

    Raises
    ------
    InputError
        A file is missing, unreadable, damaged, of an unknown format, or does
        not belong to the others.
    """
    files = tuple(Path(p) for p in ([paths] if isinstance(paths, str | PathLike) else paths))
    if not files:
        raise InputError("no raw files are given")
    for file in files:
        check_readable(file)
    suffixes = {file.suffix.lower() for file in files}
    # Readers build a `Recording`, so they import this module and not the other way round.
    from evoalign.recordings import blackrock, plexon, plexon2

    openers: dict[str, Callable[..., Recording]] = {
        ".plx": plexon.open_plx,
        ".pl2": plexon2.open_pl2,
        ".pl2bundle": plexon2.open_bundle,
    }
    if suffixes <= set(BLACKROCK_SUFFIXES):
        return blackrock.open_blackrock(files, gap_tolerance_ms / 1000)
    if len(files) == 1 and (opener := openers.get(files[0].suffix.lower())):
        return opener(files[0], gap_tolerance_ms / 1000)
    names = ", ".join(file.name for file in files)
    raise InputError(
        f"no reader takes these files together: {names}",
        files[0],
        f"give one of {', '.join(SINGLE_FILE)}, or Blackrock's files of one recording",
    )


def check_readable(file: Path) -> None:
    """Raise an InputError unless `file` is there and may be read."""
    try:
        # Both raise where a folder on the way may not be entered.
        if not file.exists():
            raise InputError("file does not exist", file, "correct the path")
        if file.is_dir():
            if file.suffix.lower() not in SINGLE_FILE:
                raise InputError("this is a folder, not a raw file", file)
            return
        with file.open("rb"):
            pass
    except OSError as error:
        raise InputError(f"file cannot be read: {error.strerror}", file, "check its permissions") from error


def channel_table(streams: Sequence[Stream], names: dict[int, str], kinds: dict[int, str]) -> pd.DataFrame:
    """Return `tables.CHANNELS` of the channels of streams, without area and place.

    Parameters
    ----------
    streams : sequence of Stream
        Each channel is listed under the first stream that holds it.
    names, kinds : dict of int to str
        Label and 'neural' or 'analog' of each channel.
    """
    rows: dict[int, dict[str, Any]] = {}
    for stream in streams:
        for column, channel in enumerate(stream.channels):
            rows.setdefault(
                channel,
                {
                    "channel": channel,
                    "name": names.get(channel, ""),
                    "kind": kinds.get(channel, "neural"),
                    "stream": stream.name,
                    "sampling_rate_hz": stream.sampling_rate_hz,
                    "gain_uv": float(stream.gain_uv[column]),
                },
            )
    return complete_channels(pd.DataFrame([rows[c] for c in sorted(rows)]))


def complete_channels(frame: pd.DataFrame) -> pd.DataFrame:
    """Add unknown array, connector, area and place to rows of channels."""
    if frame.empty:
        return tables.empty(tables.CHANNELS)
    unknown: dict[str, Any] = {
        "array": "",
        "connector": "",
        "area": "",
        "x_um": float("nan"),
        "y_um": float("nan"),
    }
    return tables.conform(frame.assign(**unknown), tables.CHANNELS)


def segment_table(streams: Sequence[Stream]) -> pd.DataFrame:
    """Return `tables.SEGMENTS` of streams."""
    rows = [
        (stream.name, index, start_s, n_samples, stream.sampling_rate_hz)
        for stream in streams
        for index, (start_s, n_samples) in enumerate(stream.segments)
    ]
    return tables.conform(pd.DataFrame(rows, columns=tables.SEGMENTS.names), tables.SEGMENTS)
