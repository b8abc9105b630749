"""Raw voltages without artefacts, as a SpikeInterface recording: what other sorters see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import spikeinterface as si
from spikeinterface.preprocessing.basepreprocessor import BasePreprocessor, BasePreprocessorSegment

from evoalign.sorting.traces import Traces


def without_artefacts(traces: Traces) -> si.BaseRecording:
    """Return the recording of `traces`, lazily, with a line over each blanked stretch.

    Zeros would be a step in raw voltages, at which a sorter's own band-pass
    rings; SpikeInterface's `silence_periods` has nothing else, and silences
    all channels.
    """
    if not traces.blanked:
        return traces.recording
    rows = {channels.tobytes(): channels for _, channels in traces.blanked}
    index_of = {key: index for index, key in enumerate(rows)}
    periods = [
        (period.segment, period.start, period.stop, index_of[channels.tobytes()])
        for period, channels in traces.blanked
    ]
    return InterpolatedRecording(traces.recording, periods, [channels.tolist() for channels in rows.values()])


class InterpolatedRecording(BasePreprocessor):
    """A recording with lines over some stretches of some channels.

    Parameters
    ----------
    recording : BaseRecording
        Raw voltages.
    periods : sequence of (int, int, int, int)
        Segment, first and end sample, and which of `rows`.
    rows : sequence of sequences of int
        Channels that stretches have in common.
    """

    def __init__(
        self,
        recording: si.BaseRecording,
        periods: Sequence[Sequence[int]],
        rows: Sequence[Sequence[int]],
    ) -> None:
        BasePreprocessor.__init__(self, recording)
        for index, segment in enumerate(recording.segments):
            of_segment = [
                (start, stop, np.asarray(rows[row_set]))
                for period_segment, start, stop, row_set in periods
                if period_segment == index
            ]
            self.add_recording_segment(
                _InterpolatedSegment(segment, of_segment, recording.get_num_channels())
            )
        self._kwargs = {
            "recording": recording,
            "periods": [[int(value) for value in period] for period in periods],
            "rows": [[int(row) for row in row_set] for row_set in rows],
        }


class _InterpolatedSegment(BasePreprocessorSegment):
    def __init__(self, parent: Any, periods: list[tuple[int, int, np.ndarray]], n_channels: int) -> None:
        BasePreprocessorSegment.__init__(self, parent)
        self._periods = periods
        self._channels = np.arange(n_channels)

    def get_traces(self, start_frame: int, end_frame: int, channel_indices: Any) -> np.ndarray:
        """Return raw values ``[sample, channel]`` of the recording's dtype."""
        parent = self.parent_recording_segment
        values: np.ndarray = parent.get_traces(start_frame, end_frame, channel_indices)
        overlapping = [(a, b, rows) for a, b, rows in self._periods if a < end_frame and b > start_frame]
        if not overlapping:
            return values
        values = np.array(values)
        channels = self._channels[slice(None) if channel_indices is None else channel_indices]
        for start, stop, rows in overlapping:
            columns = np.flatnonzero(np.isin(channels, rows))
            first, last = max(start, start_frame), min(stop, end_frame)
            line = self._line(start, stop, channels[columns])[first - start : last - start]
            values[first - start_frame : last - start_frame, columns] = line
        return values

    def _line(self, start: int, stop: int, rows: np.ndarray) -> np.ndarray:
        """Values ``[sample, row]`` between those before and after; what has no neighbour takes the other."""
        parent, n = self.parent_recording_segment, self.get_num_samples()
        neighbours = [
            parent.get_traces(sample, sample + 1, rows)[0] for sample in (start - 1, stop) if 0 <= sample < n
        ]
        if not neighbours:
            return np.zeros((stop - start, len(rows)))
        fraction = np.linspace(0, 1, stop - start)[:, None]
        return np.asarray(
            np.rint(neighbours[0] + (neighbours[-1].astype(np.float64) - neighbours[0]) * fraction)
        )
