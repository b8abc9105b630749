"""Stretches in which an electrode cannot be read: stimulation, chewing, movement, saturation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evoalign import tables
from evoalign.sorting.bad_channels import MAD_TO_SD, N_STRETCHES
from evoalign.sorting.parallel import run
from evoalign.sorting.traces import Chunk, Traces

COMMON, SATURATED = "common", "saturated"
LAG_S = 0.5e-3  # of the second difference: a band-pass around 1 kHz that costs two subtractions
STEP_S = 0.5e-3  # electrodes that are hit within two of these are hit at once
MAX_LOOKED = 16  # electrodes of a group: the share of so many that are hit is the share of all
RAIL_SDS = 5.0  # an amplifier's limit lies at least so far from the median


@dataclass(frozen=True)
class Group:
    """Electrodes that share a reference, and with it their artefacts.

    Attributes
    ----------
    name : str
        Array or connector; '' when all electrodes are one group.
    rows : ndarray
        Channels ``[n]``.
    looked : ndarray
        Those in which artefacts are looked for.
    limit : ndarray
        Size of a second difference that hits each of these, in counts.
    """

    name: str
    rows: np.ndarray
    looked: np.ndarray
    limit: np.ndarray


@dataclass(frozen=True)
class Found:
    """An artefact: why, in which group or channel, which rows it blanks, and when."""

    reason: str
    group: str
    channel: int
    rows: np.ndarray
    period: Chunk


def find_artefacts(traces: Traces, n_jobs: int = 1) -> list[Found]:
    """Find artefacts that electrodes have in common, and saturated stretches of single ones.

    An artefact is common when ``sorting.artefact_share`` of the electrodes of a
    group exceed ``sorting.artefact_threshold`` in the second difference of the
    voltage within a millisecond: spikes hit an electrode each, stimulation and
    muscles hit all. Groups of fewer than ``sorting.reference_min_channels``
    electrodes cannot tell the two apart and are passed over. A voltage that
    stays at its largest or smallest value for ``sorting.saturated_ms`` is
    saturated, whatever the amplifier's range.

    Parameters
    ----------
    traces : Traces
        The recording; raw values are read, once, chunk by chunk.
    n_jobs : int
        Threads.

    Returns
    -------
    list of Found
        By time, with ``sorting.blank_pad_ms`` on both sides; stretches that
        touch are one.
    """
    stretches = traces.samples(N_STRETCHES)
    if not stretches:
        return []
    sampled = np.concatenate([traces.raw(stretch) for stretch in stretches]).astype(np.float32)
    centre = np.median(sampled, axis=0)
    spread = MAD_TO_SD * np.median(np.abs(sampled - centre), axis=0)
    groups = _groups(traces, sampled)
    pieces = traces.chunks()
    found: dict[tuple[str, str, int], tuple[np.ndarray, list[Chunk]]] = {}
    for parts in run(_of_chunk, (traces, groups, centre, RAIL_SDS * spread), pieces, n_jobs, "artefacts"):
        for part in parts:
            key = (part.reason, part.group, part.channel)
            found.setdefault(key, (part.rows, []))[1].append(part.period)
    joined = [
        Found(*key, rows, period)
        for key, (rows, periods) in found.items()
        for period in _padded(traces, periods)
    ]
    return sorted(joined, key=lambda f: (f.period.segment, f.period.start, f.channel, f.group))


def blank(traces: Traces, found: Iterable[Found]) -> None:
    """Blank artefacts from now on, those of the reasons that the config names."""
    wanted = _wanted(traces)
    traces.blank([(one.period, one.rows) for one in found if wanted[one.reason]])


def artefact_table(traces: Traces, found: Iterable[Found], left_out: Iterable[int]) -> pd.DataFrame:
    """Return `tables.ARTEFACTS`, without the electrodes that are left out altogether."""
    starts, bad = [start for start, _ in traces.spans], set(left_out)
    rows = [
        (
            one.reason,
            one.group,
            one.channel,
            starts[one.period.segment] + one.period.start / traces.rate_hz,
            starts[one.period.segment] + one.period.stop / traces.rate_hz,
        )
        for one in found
        if one.channel not in bad
    ]
    frame = pd.DataFrame(rows, columns=tables.ARTEFACTS.names) if rows else tables.empty(tables.ARTEFACTS)
    return tables.conform(frame, tables.ARTEFACTS)


def from_table(traces: Traces, artefacts: pd.DataFrame) -> list[Found]:
    """Return the artefacts of `artefact_table` again, for traces of the same recording."""
    starts = np.array([start for start, _ in traces.spans])
    times = artefacts[["start_s", "stop_s"]].to_numpy(np.float64)
    found = []
    for row, (start_s, stop_s) in enumerate(times):
        segment = int(np.searchsorted(starts, start_s + 1e-9, side="right")) - 1
        first, end = (round((time - starts[segment]) * traces.rate_hz) for time in (start_s, stop_s))
        reason, group, channel = (artefacts[name].iloc[row] for name in ("reason", "group", "channel"))
        alone = np.flatnonzero(traces.channel_ids == channel)
        rows = traces.hit_together.get(group, alone) if reason == COMMON else alone
        found.append(Found(reason, group, int(channel), rows, Chunk(segment, first, end)))
    return found


def blanked_share(traces: Traces, found: Iterable[Found]) -> np.ndarray:
    """Return the share of the recorded time in which each channel is blanked, ``[channel]``."""
    wanted = _wanted(traces)
    blanked = np.zeros(len(traces.channel_ids))
    until: dict[tuple[int, int], int] = {}
    for one in found:
        for row in one.rows.tolist() if wanted[one.reason] else []:
            # By time, so that a stretch which a channel has in two ways counts once.
            last = until.get((one.period.segment, row), 0)
            blanked[row] += max(one.period.stop - max(one.period.start, last), 0)
            until[one.period.segment, row] = max(one.period.stop, last)
    segments = range(traces.recording.get_num_segments())
    return blanked / max(sum(traces.recording.get_num_samples(s) for s in segments), 1)


def _wanted(traces: Traces) -> dict[str, bool]:
    return {COMMON: traces.settings.blank_artefacts, SATURATED: traces.settings.blank_saturated}


def _groups(traces: Traces, sampled: np.ndarray) -> list[Group]:
    settings = traces.settings
    lag = _samples(LAG_S, traces)
    if len(sampled) <= 2 * lag:
        return []
    noise = MAD_TO_SD * np.median(np.abs(_second_difference(sampled, lag)), axis=0)
    made = []
    for name, rows in traces.hit_together.items():
        alive = rows[noise[rows] > 0]
        if len(alive) < settings.reference_min_channels:
            continue
        looked = alive[np.linspace(0, len(alive) - 1, min(len(alive), MAX_LOOKED)).round().astype(int)]
        made.append(Group(name, rows, looked, settings.artefact_threshold * noise[looked]))
    return made


def _second_difference(raw: np.ndarray, lag: int) -> np.ndarray:
    """Second difference over `lag` samples, ``[sample, channel]``: `lag` fewer samples on both sides."""
    return raw[: -2 * lag] + raw[2 * lag :] - 2 * raw[lag:-lag]


def _samples(seconds: float, traces: Traces) -> int:
    return max(1, round(seconds * traces.rate_hz))


def _of_chunk(
    traces: Traces, groups: list[Group], centre: np.ndarray, rail: np.ndarray, chunk: Chunk
) -> list[Found]:
    step, lag = _samples(STEP_S, traces), _samples(LAG_S, traces)
    raw = traces.raw(chunk, step + lag)
    parts = []
    for group in groups:
        bent = _second_difference(raw[:, group.looked].astype(np.float32), lag)
        hits = np.abs(bent) > group.limit
        for start, stop in _at_once(hits, step, traces.settings.artefact_share):
            # The first step lies before the chunk.
            period = _within(chunk, chunk.start + start - step, chunk.start + stop - step)
            parts.append(Found(COMMON, group.name, -1, group.rows, period))
    own = raw[step + lag : len(raw) - step - lag]
    shortest = _samples(traces.settings.saturated_ms * 1e-3, traces)
    for row, start, stop in _at_limit(own, centre, rail, shortest):
        period = Chunk(chunk.segment, chunk.start + start, chunk.start + stop)
        parts.append(Found(SATURATED, "", int(traces.channel_ids[row]), np.array([row]), period))
    return [part for part in parts if part.period.stop > part.period.start]


def _within(chunk: Chunk, start: int, stop: int) -> Chunk:
    return Chunk(chunk.segment, max(start, chunk.start), min(stop, chunk.stop))


def _at_once(hits: np.ndarray, step: int, share: float) -> Iterator[tuple[int, int]]:
    """Stretches of ``hits [sample, channel]`` in which enough channels are hit within two steps."""
    n = -(-len(hits) // step)
    padded = np.zeros((n * step, hits.shape[1]), dtype=bool)
    padded[: len(hits)] = hits
    of_step = np.asarray(padded.reshape(n, step, -1).any(axis=1))
    enough = (of_step[:-1] | of_step[1:]).mean(axis=1) >= share
    marked = np.zeros(n, dtype=bool)
    marked[:-1] |= enough
    marked[1:] |= enough
    for start, stop in _runs(marked):
        yield start * step, stop * step


def _at_limit(
    raw: np.ndarray, centre: np.ndarray, rail: np.ndarray, shortest: int
) -> Iterator[tuple[int, int, int]]:
    """Runs (row, start, stop) of at least `shortest` samples at a channel's far extreme."""
    if len(raw) == 0:
        return
    for extreme, out in ((raw.max(axis=0), 1), (raw.min(axis=0), -1)):
        at = np.asarray(raw == extreme)
        far = out * (extreme - centre) > rail
        for row in np.flatnonzero(far & (at.sum(axis=0) >= shortest)):
            for start, stop in _runs(at[:, row]):
                if stop - start >= shortest:
                    yield int(row), start, stop


def _runs(marked: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(marked.astype(np.int8), prepend=0, append=0))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _padded(traces: Traces, periods: list[Chunk]) -> list[Chunk]:
    """Widen stretches by the pad and join those that touch."""
    pad = round(traces.settings.blank_pad_ms * 1e-3 * traces.rate_hz)
    made: list[Chunk] = []
    for one in sorted(periods, key=lambda p: (p.segment, p.start)):
        last = traces.recording.get_num_samples(one.segment)
        start, stop = max(one.start - pad, 0), min(one.stop + pad, last)
        if made and made[-1].segment == one.segment and made[-1].stop >= start:
            made[-1] = Chunk(one.segment, made[-1].start, max(stop, made[-1].stop))
        else:
            made.append(Chunk(one.segment, start, stop))
    return made
