"""Recorded time: when spikes of a unit would have been seen, had there been any.

Silence is a count of 0; time that is not recorded (a pause, a file that ends
early, blanked voltage, an interval outside a file's observation) has no count.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Intervals = NDArray[np.float64]  # [interval, 2], s, rising, not touching

FAR_S = 1e10
USUAL = 0.99  # share of the silences between events of the rig that a silence at an end may be as long as
ONLINE = "online"
VOLTAGE = ("broadband", "highpass")  # streams from which spikes are sorted
# Times are compared to a nanosecond, below which large times are rounded: what is recorded, and in which
# bin, does not depend on when the clock began.
CLOCK_DIGITS = 9
CLOCK_S = 10.0**-CLOCK_DIGITS


class RecordedTime:
    """Stretches of the recording's clock during which voltages were saved.

    Parameters
    ----------
    spans : sequence of (float, float)
        First and last time of each segment, s, in order.
    """

    def __init__(self, spans: list[tuple[float, float]]) -> None:
        self._starts = np.array([start for start, _ in spans], dtype=float)
        lengths = np.array([round(stop - start, CLOCK_DIGITS) for start, stop in spans], dtype=float)
        self._lengths = lengths
        self._before = np.concatenate([[0.0], np.cumsum(lengths)[:-1]]) if len(spans) else np.zeros(0)
        self.duration_s = float(lengths.sum())

    @classmethod
    def of_segments(cls, segments: pd.DataFrame, *more_times_s: pd.Series) -> RecordedTime:
        """Return when the fastest stream, that of the voltages, was recorded.

        Parameters
        ----------
        segments : DataFrame
            `SEGMENTS`.
        *more_times_s : Series
            Times of words and spikes: of a recording without streams, from the first to the last.
        """
        if segments.empty:
            times = pd.concat([pd.Series(dtype=float), *more_times_s]).dropna()
            return cls([(float(times.min()), float(times.max()))] if len(times) else [])
        fastest = segments[segments["sampling_rate_hz"] == segments["sampling_rate_hz"].max()]
        stream = fastest[fastest["stream"] == fastest["stream"].iloc[0]].sort_values("segment")
        stops = stream["start_s"] + stream["n_samples"] / stream["sampling_rate_hz"]
        return cls(list(zip(stream["start_s"], stops, strict=True)))

    @property
    def span_s(self) -> tuple[float, float]:
        """First and last recorded time on the recording's clock, s; (0, 0) when there is none."""
        if not len(self._starts):
            return 0.0, 0.0
        return float(self._starts[0]), float(self._starts[-1] + self._lengths[-1])

    def without_pauses(self, times_s: np.ndarray) -> np.ndarray:
        """Return the recorded time, s, before each of ``times_s [spike]``; times in pauses are left out."""
        segment = np.searchsorted(self._starts, times_s + CLOCK_S, side="right") - 1
        times_s, segment = times_s[segment >= 0], segment[segment >= 0]
        since = np.round(times_s - self._starts[segment], CLOCK_DIGITS)
        is_recorded = since <= self._lengths[segment] + CLOCK_S
        return since[is_recorded] + self._before[segment[is_recorded]]


def missing_times(
    units: pd.DataFrame,
    channels: pd.DataFrame,
    segments: pd.DataFrame,
    artefacts: pd.DataFrame,
    spikes: pd.DataFrame,
    words: pd.DataFrame,
) -> dict[int, Intervals]:
    """Return when each unit was not recorded.

    Parameters
    ----------
    units, channels, segments, artefacts, spikes, words : pandas.DataFrame
        `UNITS`, `CHANNELS`, `SEGMENTS`, `ARTEFACTS`, `SPIKES`, `WORDS` of a session.

    Returns
    -------
    dict of int to ndarray, float64 [interval, 2]
        Unit number -> intervals on the recording's clock, s. Units that come
        from voltage miss what lies outside the segments of their channel's
        stream, and what was blanked on their channel or its array or
        connector. The rig's own units miss what lies before the first and
        after the last spike or word of the rig by more than it is often
        silent: a file that was cut. Units
        whose voltage no table tells of (another lab's) miss nothing.
    """
    electrode = channels.drop_duplicates("channel").set_index("channel")
    outside = {str(stream): complement(_spans(part)) for stream, part in segments.groupby("stream")}
    of_rig = complement(_span_of_rig(units, spikes, words))
    missing: dict[int, Intervals] = {}
    for number, kind, channel in zip(units["unit"], units["kind"], units["channel"], strict=True):
        if kind == ONLINE:
            missing[int(number)] = of_rig
            continue
        stream = str(electrode["stream"].get(channel, ""))
        parts = [
            outside.get(_voltage_stream(stream, outside), _none()),
            _blanked(artefacts, channel, electrode),
        ]
        missing[int(number)] = joined(np.concatenate(parts))
    return missing


def is_recorded(missing: Intervals, starts_s: ArrayLike, stops_s: ArrayLike, max_missing: float) -> Flags:
    """Tell whether windows were recorded but for at most a share of them.

    Parameters
    ----------
    missing : ndarray, float64 [interval, 2]
        Of `missing_times`.
    starts_s, stops_s : array_like, float [window]
    max_missing : float
        Largest share of a window that may be missing.

    Returns
    -------
    ndarray, bool [window]
        False for a window whose time is unknown (NaN).
    """
    starts, stops = (np.asarray(times, np.float64) for times in (starts_s, stops_s))
    known = np.isfinite(starts) & np.isfinite(stops)
    if not len(missing):
        return known
    first, last = (np.where(known, times, missing[0, 0]) for times in (starts, stops))
    lost = _missing_before(missing, last) - _missing_before(missing, first)
    # Windows lie some 1e-10 s off where times are hours: a sample is 3e-5 s.
    return np.asarray(known & (lost <= max_missing * (last - first) + 1e-9))


def _missing_before(missing: Intervals, times_s: Floats) -> Floats:
    """Time that is missing before each time, s."""
    lengths = np.concatenate(([0.0], np.cumsum(missing[:, 1] - missing[:, 0])))
    at = np.searchsorted(missing[:, 0], times_s, side="right")
    inside = np.where(at > 0, np.minimum(times_s, missing[at - 1, 1]) - missing[at - 1, 0], 0.0)
    return np.where(at > 0, lengths[at - 1] + inside, 0.0)


def joined(intervals: ArrayLike) -> Intervals:
    """Join intervals that touch or overlap, ``[interval, 2]``, in the order of time."""
    spans = np.asarray(intervals, np.float64).reshape(-1, 2)
    merged: list[list[float]] = []
    for start, stop in spans[np.argsort(spans[:, 0], kind="stable")].tolist():
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], stop)
        else:
            merged.append([start, stop])
    return np.array(merged, np.float64).reshape(-1, 2)


def complement(intervals: Intervals) -> Intervals:
    """Return all time outside of joined intervals; its ends are some hundred years away."""
    edges = np.concatenate(([-FAR_S], intervals.ravel(), [FAR_S]))
    return edges.reshape(-1, 2)


def _none() -> Intervals:
    return np.empty((0, 2))


def _spans(segments: pd.DataFrame) -> Intervals:
    start = segments["start_s"].to_numpy(np.float64)
    length = segments["n_samples"].to_numpy(np.float64) / segments["sampling_rate_hz"].to_numpy(np.float64)
    return joined(np.stack([start, start + length], axis=1))


def _voltage_stream(stream: str, streams: Iterable[str]) -> str:
    """Stream that a channel's spikes were sorted from: its own, or where that is unknown the wideband one."""
    if stream.startswith(VOLTAGE):
        return stream
    return next((name for name in VOLTAGE if name in streams), "")


def _blanked(artefacts: pd.DataFrame, channel: int, electrode: pd.DataFrame) -> Intervals:
    """Return what was blanked on an electrode, or on what shares a reference with it."""
    if artefacts.empty:
        return _none()
    groups = {""} | {str(electrode[name].get(channel, "")) for name in ("array", "connector")}
    common = (artefacts["channel"] < 0) & artefacts["group"].isin(groups)
    hit = artefacts[common | (artefacts["channel"] == channel)]
    return hit[["start_s", "stop_s"]].to_numpy(np.float64)


def _span_of_rig(units: pd.DataFrame, spikes: pd.DataFrame, words: pd.DataFrame) -> Intervals:
    """From the first to the last spike or word of the rig itself, and as long as it is often silent."""
    online = units.loc[units["kind"] == ONLINE, "unit"]
    times = np.concatenate(
        [
            spikes.loc[spikes["unit"].isin(online), "time_s"].to_numpy(np.float64),
            words["time_s"].to_numpy(np.float64),
        ]
    )
    if not len(times):
        return _none()
    silence_s = float(np.quantile(np.diff(np.sort(times)), USUAL)) if len(times) > 1 else 0.0
    return np.array([[times.min() - silence_s, times.max() + silence_s]])
