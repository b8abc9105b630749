"""One interface to a recording, whatever rig wrote it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evoalign import tables
from evoalign.recordings.stream import Stream
from evoalign.recordings.tables import CHANNELS, ONLINE_SPIKES, SEGMENTS, WORDS


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
    full_duration_s : float, optional
        Where only the beginning was opened: seconds of all that the files hold, NaN when they do not
        tell. None: all was opened.
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
    full_duration_s: float | None = None

    @property
    def duration_s(self) -> float:
        """Seconds from the first to the last sample, word or spike, whatever time the clock began at."""
        starts = self.segments["start_s"]
        ends = starts + self.segments["n_samples"] / self.segments["sampling_rate_hz"]
        times = pd.concat([starts, ends, self.words["time_s"], self.online_spikes["time_s"]]).dropna()
        # A microsecond is below any clock's step: the rest is rounding of large times.
        return round(float(times.max() - times.min()), 6) if len(times) else 0.0

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


def channel_table(
    streams: Sequence[Stream],
    names: Mapping[int, str],
    kinds: Mapping[int, str] | None = None,
    spike_channels: Mapping[int, tuple[str, float, float]] | None = None,
) -> pd.DataFrame:
    """Return `CHANNELS` of the channels of streams and of those with spikes only, without area and place.

    Parameters
    ----------
    streams : sequence of Stream
        Each channel is listed under the first stream that holds it.
    names : mapping of int to str
        Label of each channel.
    kinds : mapping of int to str, optional
        'neural' or 'analog' of each channel; by the names of the streams when not given.
    spike_channels : mapping of int to (str, float, float), optional
        Label, microvolts per count and rate in Hz of channels with spikes, which may have no samples.
    """
    rows: dict[int, tuple[Any, ...]] = {}
    for stream in streams:
        by_stream = "analog" if stream.name.startswith("analog") else "neural"
        for channel, gain in zip(stream.channels, stream.gain_uv.tolist(), strict=True):
            kind = by_stream if kinds is None else kinds.get(channel, "neural")
            row = (channel, names.get(channel, ""), kind, stream.name, stream.sampling_rate_hz, gain)
            rows.setdefault(channel, row)
    for channel, (name, gain, rate_hz) in (spike_channels or {}).items():
        rows.setdefault(channel, (channel, name, "neural", "", rate_hz, gain))
    columns = ["channel", "name", "kind", "stream", "sampling_rate_hz", "gain_uv"]
    return complete_channels(pd.DataFrame([rows[c] for c in sorted(rows)], columns=columns))


def complete_channels(frame: pd.DataFrame) -> pd.DataFrame:
    """Add unknown array, connector, area and place to rows of channels."""
    if frame.empty:
        return tables.empty(CHANNELS)
    unknown: dict[str, Any] = {
        "array": "",
        "connector": "",
        "area": "",
        "x_um": float("nan"),
        "y_um": float("nan"),
    }
    return tables.conform(frame.assign(**unknown), CHANNELS)


def segment_table(streams: Sequence[Stream]) -> pd.DataFrame:
    """Return `SEGMENTS` of streams."""
    rows = [
        (stream.name, index, start_s, n_samples, stream.sampling_rate_hz)
        for stream in streams
        for index, (start_s, n_samples) in enumerate(stream.segments)
    ]
    return tables.conform(pd.DataFrame(rows, columns=SEGMENTS.names), SEGMENTS)


def word_table(
    time_s: np.ndarray, word: np.ndarray, source: np.ndarray | Sequence[str], segments: pd.DataFrame
) -> pd.DataFrame:
    """Return `WORDS` in the order of time, each in the segment of the first stream that it follows.

    Parameters
    ----------
    time_s, word, source : array [word]
    segments : pandas.DataFrame
        `SEGMENTS` of the recording.
    """
    order = np.argsort(time_s, kind="stable")
    first_stream = segments[segments["stream"] == segments["stream"].iloc[0]] if len(segments) else segments
    segment = np.searchsorted(first_stream["start_s"].to_numpy(), time_s[order], side="right") - 1
    frame = {
        "time_s": time_s[order],
        "word": word[order],
        "source": np.asarray(source, object)[order],
        "segment": np.maximum(segment, 0),
    }
    return tables.conform(pd.DataFrame(frame), WORDS)


def spike_table(channel: np.ndarray, unit: np.ndarray, time_s: np.ndarray) -> pd.DataFrame:
    """Return `ONLINE_SPIKES` in the order of time, then of channel; arrays ``[spike]``."""
    order = np.lexsort((channel, time_s))
    frame = {"channel": channel[order], "unit": unit[order], "time_s": time_s[order]}
    return tables.conform(pd.DataFrame(frame), ONLINE_SPIKES)
