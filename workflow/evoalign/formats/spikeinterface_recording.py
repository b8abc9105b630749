"""A stream as a recording of SpikeInterface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from spikeinterface.core import BaseRecording, BaseRecordingSegment

from evoalign.formats.opening import open_recording
from evoalign.recordings.stream import GAP_TOLERANCE_S, Stream


def stream_recording(stream: Stream, channels: Sequence[int] | None = None) -> BaseRecording:
    """Return a stream as a lazy SpikeInterface recording.

    Channel ids are the vendor's channel numbers, each segment keeps its
    start, and the object can be rebuilt in another process from the names
    of its files.

    Parameters
    ----------
    stream : Stream
        Of `open_recording`.
    channels : sequence of int, optional
        Vendor's channel numbers; all by default.
    """
    return StreamRecording(
        [str(file) for file in stream.files],
        stream.name,
        None if channels is None else [int(c) for c in channels],
        stream=stream,
        gap_tolerance_s=stream.gap_tolerance_s,
    )


class StreamRecording(BaseRecording):
    """SpikeInterface recording over a `Stream`; see `stream_recording`."""

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
