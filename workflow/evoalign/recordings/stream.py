"""A continuous stream of a recording: lazy reads, and its face to SpikeInterface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spikeinterface.core import BaseRecording, BaseRecordingSegment

GAP_TOLERANCE_S = 0.001  # stamps may lie this far off their run before a gap is seen

# (segment, first sample, end sample, columns) -> int16 [sample, column]
Reader = Callable[[int, int, int, Sequence[int]], NDArray[np.int16]]


@dataclass(frozen=True)
class Stream:
    """Channels of one kind and one sampling rate.

    Attributes
    ----------
    name : str
        'broadband' (neural, 20 kHz and more), 'field' (neural, slower) or
        'analog'; further rates carry theirs, as 'analog_1000'.
    sampling_rate_hz : float
        Nominal sampling rate.
    channels : tuple of int
        Vendor's channel numbers, in the order of the columns.
    gain_uv, offset_uv : ndarray, float64 [channel]
        Microvolts = counts x gain + offset.
    segments : tuple of (float, int)
        Start in seconds on the recording's clock and number of samples; a
        pause or a clock reset starts a new one.
    reader : callable
        Reads samples of a segment from the files.
    files : tuple of pathlib.Path
        The files of the recording that the stream belongs to.
    gap_tolerance_s : float
        As it was given to `open_recording`.
    """

    name: str
    sampling_rate_hz: float
    channels: tuple[int, ...]
    gain_uv: NDArray[np.float64]
    offset_uv: NDArray[np.float64]
    segments: tuple[tuple[float, int], ...]
    reader: Reader = field(repr=False, compare=False)
    files: tuple[Path, ...] = ()
    gap_tolerance_s: float = GAP_TOLERANCE_S

    @property
    def n_samples(self) -> int:
        """Samples of all segments together."""
        return sum(n for _, n in self.segments)

    def read(
        self, segment: int, start: int, stop: int, channels: Sequence[int] | None = None
    ) -> NDArray[np.int16]:
        """Return counts, int16 ``[sample, channel]``; only these samples are read.

        Parameters
        ----------
        segment : int
            Index into `segments`.
        start, stop : int
            Sample range in the segment, cut to what there is.
        channels : sequence of int, optional
            Vendor's channel numbers; all by default.

        Raises
        ------
        KeyError
            A channel is not in the stream.
        """
        n = self.segments[segment][1]
        start, stop = max(0, start), min(n, stop)
        columns = range(len(self.channels)) if channels is None else [self._column(c) for c in channels]
        if stop <= start:
            return np.empty((0, len(columns)), np.int16)
        return self.reader(segment, start, stop, columns)

    def _column(self, channel: int) -> int:
        try:
            return self.channels.index(channel)
        except ValueError:
            raise KeyError(f"channel {channel} is not in stream '{self.name}'") from None

    def to_spikeinterface(self, channels: Sequence[int] | None = None) -> BaseRecording:
        """Return the stream as a lazy SpikeInterface recording.

        Channel ids are the vendor's channel numbers, each segment keeps its
        start, and the object can be rebuilt in another process from the names
        of its files.
        """
        return StreamRecording(
            [str(file) for file in self.files],
            self.name,
            None if channels is None else [int(c) for c in channels],
            stream=self,
            gap_tolerance_s=self.gap_tolerance_s,
        )


class StreamRecording(BaseRecording):
    """SpikeInterface recording over a `Stream`; see `Stream.to_spikeinterface`."""

    def __init__(
        self,
        files: list[str],
        stream_name: str,
        channels: list[int] | None = None,
        stream: Stream | None = None,
        gap_tolerance_s: float = GAP_TOLERANCE_S,
    ) -> None:
        if stream is None:
            # In another process only the names are known.
            from evoalign.recordings.recording import open_recording

            stream = open_recording(files, 1000 * gap_tolerance_s).streams[stream_name]
        channel_ids = list(stream.channels) if channels is None else channels
        columns = [stream._column(channel) for channel in channel_ids]
        BaseRecording.__init__(
            self, sampling_frequency=stream.sampling_rate_hz, channel_ids=channel_ids, dtype="int16"
        )
        for segment, (start_s, n_samples) in enumerate(stream.segments):
            recording_segment = _StreamSegment(stream, segment, columns, n_samples, start_s)
            self.add_recording_segment(recording_segment)
        self.set_channel_gains(stream.gain_uv[columns])
        self.set_channel_offsets(stream.offset_uv[columns])
        self._kwargs = {
            "files": files,
            "stream_name": stream_name,
            "channels": channels,
            "gap_tolerance_s": gap_tolerance_s,
        }


class _StreamSegment(BaseRecordingSegment):
    def __init__(
        self, stream: Stream, segment: int, columns: list[int], n_samples: int, start_s: float
    ) -> None:
        super().__init__(sampling_frequency=stream.sampling_rate_hz, t_start=start_s)
        self._stream, self._segment, self._columns, self._n = stream, segment, columns, n_samples

    def get_num_samples(self) -> int:
        return self._n

    def get_traces(
        self, start_frame: int | None = None, end_frame: int | None = None, channel_indices: Any = None
    ) -> NDArray[np.int16]:
        start = 0 if start_frame is None else int(start_frame)
        stop = self._n if end_frame is None else int(end_frame)
        columns = self._columns if channel_indices is None else np.asarray(self._columns)[channel_indices]
        return self._stream.reader(self._segment, start, stop, [int(c) for c in np.atleast_1d(columns)])
