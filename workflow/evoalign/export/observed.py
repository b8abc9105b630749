"""When a session was recorded: stretches of its fastest stream."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evoalign.nwb.contents import SessionContents


def observed_intervals(contents: SessionContents) -> NDArray[np.float64]:
    """Return start and end, in seconds, of each stretch that was recorded, ``[stretch, 2]``.

    They are the segments of the session's first stream. A session without
    samples has one, from 0, or its first event, to its last spike or event.
    """
    segments = contents.segments
    if len(segments):
        of_stream = segments[segments["stream"] == segments["stream"].iloc[0]].sort_values("start_s")
        start = of_stream["start_s"].to_numpy(np.float64)
        return np.stack(
            (start, start + (of_stream["n_samples"] / of_stream["sampling_rate_hz"]).to_numpy()), axis=1
        )
    times = np.concatenate(
        [
            contents.spikes["time_s"],
            contents.words["time_s"],
            contents.presentations["onset_s"].dropna(),
            contents.presentations["offset_s"].dropna(),
        ]
    )
    if not len(times):
        return np.array([[0.0, 0.0]])
    return np.array([[min(0.0, float(times.min())), float(times.max())]])


def stretch_of(intervals: NDArray[np.float64], times_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the stretch of each time: the last one that started before it, or the first."""
    return np.maximum(np.searchsorted(intervals[:, 0], times_s, side="right") - 1, 0)
