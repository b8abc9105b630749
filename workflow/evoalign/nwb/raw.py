"""Continuous data in the file: streamed in chunks, never whole in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from hdmf.data_utils import AbstractDataChunkIterator, DataChunk
from numpy.typing import NDArray
from pynwb import NWBFile, TimeSeries
from pynwb.ecephys import ElectricalSeries

from evoalign.nwb.columns import Pack
from evoalign.nwb.contents import SessionContents
from evoalign.nwb.settings import Nwb
from evoalign.recordings.stream import Stream

V_PER_UV = 1e-6


class StreamChunks(AbstractDataChunkIterator):
    """A segment of a stream, row of chunks by row of chunks.

    Parameters
    ----------
    stream : Stream
        Where to read.
    segment : int
        Which of its segments.
    channels : list of int
        Columns of the array, by the vendor's channel numbers.
    chunk : (int, int)
        Samples and channels in a chunk of the file.
    """

    def __init__(self, stream: Stream, segment: int, channels: list[int], chunk: tuple[int, int]) -> None:
        self._stream, self._segment, self._channels = stream, segment, channels
        self._shape = (stream.segments[segment][1], len(channels))
        self._chunk = (min(chunk[0], self._shape[0]), min(chunk[1], self._shape[1]))
        self._pieces = self._read()

    def _read(self) -> Iterator[DataChunk]:
        n, width = self._shape
        for start in range(0, n, self._chunk[0]):
            stop = min(start + self._chunk[0], n)
            piece = self._stream.read(self._segment, start, stop, self._channels)
            yield DataChunk(data=piece, selection=(slice(start, stop), slice(0, width)))

    def __iter__(self) -> StreamChunks:
        return self

    def __next__(self) -> DataChunk:
        return next(self._pieces)

    def recommended_chunk_shape(self) -> tuple[int, int]:
        """Samples and channels in a chunk."""
        return self._chunk

    def recommended_data_shape(self) -> tuple[int, int]:
        """Samples and channels of the segment."""
        return self._shape

    @property
    def dtype(self) -> np.dtype:
        """Counts are 16 bit."""
        return np.dtype(np.int16)

    @property
    def maxshape(self) -> tuple[int, int]:
        """Samples and channels of the segment: it does not grow."""
        return self._shape


def add_streams(nwb: NWBFile, contents: SessionContents, settings: Nwb, pack: Pack) -> None:
    """Add each segment of the streams as acquired data: counts, with their conversion to volts."""
    if settings.raw != "embed":
        return
    row_of = {int(c): row for row, c in enumerate(nwb.electrodes.id[:])} if nwb.electrodes else {}
    chunk = (settings.chunk_samples, settings.chunk_channels)
    for name in sorted(contents.streams):
        stream = contents.streams[name]
        neural = [c for c in stream.channels if c in row_of]
        analog = [c for c in stream.channels if c not in row_of]
        for segment, (start_s, n) in enumerate(stream.segments):
            label = name if len(stream.segments) == 1 else f"{name}_segment{segment}"
            if n and neural:
                chunks = StreamChunks(stream, segment, neural, chunk)
                rows = [row_of[c] for c in neural]
                nwb.add_acquisition(_electrical(nwb, label, pack(chunks), rows, stream, neural, start_s))
            for channel in analog if n else []:
                chunks = StreamChunks(stream, segment, [channel], chunk)
                nwb.add_acquisition(_analog(f"{label}_{channel}", pack(chunks), stream, channel, start_s))


def _gains(stream: Stream, channels: list[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    columns = [stream.channels.index(c) for c in channels]
    return np.asarray(stream.gain_uv)[columns] * V_PER_UV, np.asarray(stream.offset_uv)[columns] * V_PER_UV


def _electrical(
    nwb: NWBFile, name: str, data: Any, rows: list[int], stream: Stream, channels: list[int], start_s: float
) -> ElectricalSeries:
    gain, offset = _gains(stream, channels)
    one_gain = bool((gain == gain[0]).all())
    return ElectricalSeries(
        name=name,
        description=f"stream '{stream.name}' as recorded, in counts",
        data=data,
        electrodes=nwb.create_electrode_table_region(region=rows, description="electrodes of the stream"),
        rate=float(stream.sampling_rate_hz),
        starting_time=float(start_s),
        conversion=float(gain[0]) if one_gain else 1.0,
        channel_conversion=None if one_gain else gain,
        offset=float(offset[0]),
    )


def _analog(name: str, data: Any, stream: Stream, channel: int, start_s: float) -> TimeSeries:
    gain, offset = _gains(stream, [channel])
    return TimeSeries(
        name=name,
        description=f"analog channel {channel} of stream '{stream.name}' as recorded, in counts",
        data=data,
        unit="volts",
        rate=float(stream.sampling_rate_hz),
        starting_time=float(start_s),
        conversion=float(gain[0]),
        offset=float(offset[0]),
    )
