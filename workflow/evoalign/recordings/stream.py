"""A continuous stream of a recording, read when asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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
