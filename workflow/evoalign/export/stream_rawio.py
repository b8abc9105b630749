"""A stream as a reader of `neo.rawio`, so that neo's signals are read when asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
from neo.rawio.baserawio import (
    BaseRawIO,
    _event_channel_dtype,
    _signal_buffer_dtype,
    _signal_channel_dtype,
    _signal_stream_dtype,
    _spike_channel_dtype,
)
from numpy.typing import NDArray

from evoalign.recordings.stream import Stream


class StreamRawIO(BaseRawIO):
    """Serves one `Stream`: a block with a segment for each of its stretches."""

    rawmode = "one-file"

    def __init__(self, stream: Stream) -> None:
        BaseRawIO.__init__(self)
        self.stream = stream
        self.parse_header()

    def _source_name(self) -> str:
        return str(self.stream.files[0]) if self.stream.files else self.stream.name

    def _parse_header(self) -> None:
        stream = self.stream
        channels = [
            (str(number), str(number), stream.sampling_rate_hz, "int16", "uV", gain, offset, "0", "")
            for number, gain, offset in zip(stream.channels, stream.gain_uv, stream.offset_uv, strict=True)
        ]
        self.header = {
            "nb_block": 1,
            "nb_segment": [len(stream.segments)],
            "signal_buffers": np.array([], _signal_buffer_dtype),
            "signal_streams": np.array([(stream.name, "0", "")], _signal_stream_dtype),
            "signal_channels": np.array(channels, _signal_channel_dtype),
            "spike_channels": np.array([], _spike_channel_dtype),
            "event_channels": np.array([], _event_channel_dtype),
        }
        self._generate_minimal_annotations()

    def _segment_t_start(self, block_index: int, seg_index: int) -> float:  # noqa: ARG002 - neo's signature
        return float(self.stream.segments[seg_index][0])

    def _segment_t_stop(self, block_index: int, seg_index: int) -> float:  # noqa: ARG002
        start, n = self.stream.segments[seg_index]
        return float(start) + n / self.stream.sampling_rate_hz

    def _get_signal_size(self, block_index: int, seg_index: int, stream_index: int) -> int:  # noqa: ARG002
        return int(self.stream.segments[seg_index][1])

    def _get_signal_t_start(self, block_index: int, seg_index: int, stream_index: int) -> float:  # noqa: ARG002
        return float(self.stream.segments[seg_index][0])

    def _get_analogsignal_chunk(
        self,
        block_index: int,  # noqa: ARG002
        seg_index: int,
        i_start: int | None,
        i_stop: int | None,
        stream_index: int,  # noqa: ARG002
        channel_indexes: Any,
    ) -> NDArray[np.int16]:
        n = self.stream.segments[seg_index][1]
        columns = np.arange(len(self.stream.channels))
        chosen = columns if channel_indexes is None else columns[channel_indexes]
        numbers = [self.stream.channels[int(column)] for column in np.atleast_1d(chosen)]
        return self.stream.read(seg_index, i_start or 0, n if i_stop is None else i_stop, numbers)
