"""Stretches in which an electrode cannot be read: stimulation, chewing, movement, saturation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evoalign import tables
from evoalign.compiling import compiled
from evoalign.sorting.bad_channels import MAD_TO_SD, N_STRETCHES, extremes_of
from evoalign.sorting.medians import medians_of_rows
from evoalign.sorting.parallel import run
from evoalign.sorting.tables import ARTEFACTS
from evoalign.sorting.traces import Chunk, Traces

COMMON, SATURATED = "common", "saturated"
LAG_S = 0.5e-3  # of the second difference: a band-pass around 1 kHz that costs two subtractions
STEP_S = 0.5e-3  # electrodes that are hit within two of these are hit at once
MAX_INSPECTED = 16  # electrodes of a group: the share of so many that are hit is the share of all
THINNED = 4  # of the sampled values, one in so many gives medians: within 0.5 % of those of all
TURNED = 64  # samples, or steps, that are turned from [sample, channel] to [channel, sample] together
RAIL_SDS = 5.0  # an amplifier's limit lies at least so far from the median


@dataclass(frozen=True)
class ReferenceGroup:
    """Electrodes that share a reference, and with it their artefacts.

    Attributes
    ----------
    name : str
        Array or connector; '' when all electrodes are one group.
    rows : ndarray of int
        Rows of its channels ``[channel]``.
    inspected : ndarray of int
        Rows in which artefacts are looked for ``[inspected]``.
    limit : ndarray
        Second difference above which each of these is hit, counts ``[inspected]``.
    """

    name: str
    rows: np.ndarray
    inspected: np.ndarray
    limit: np.ndarray


@dataclass(frozen=True)
class Artefact:
    """An artefact.

    Attributes
    ----------
    reason : str
        `COMMON` or `SATURATED`.
    group : str
        Group that has it in common; '' of a single channel.
    channel : int
        The vendor's number of the single channel; -1 of a group.
    rows : ndarray of int
        Rows of the channels that it blanks ``[channel]``.
    period : Chunk
        When.
    """

    reason: str
    group: str
    channel: int
    rows: np.ndarray
    period: Chunk


def find_artefacts(traces: Traces, n_jobs: int = 1) -> list[Artefact]:
    """Find artefacts that electrodes have in common, and saturated stretches of single ones.

    An artefact is common when ``sorting.artefact_share`` of the electrodes of a
    group exceed ``sorting.artefact_threshold`` in the second difference of the
    voltage within a millisecond: spikes hit an electrode each, stimulation and
    muscles hit all. Groups of fewer than ``sorting.reference_min_channels``
    electrodes are skipped: there the two look the same. A voltage that
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
    list of Artefact
        By time, with ``sorting.blank_pad_ms`` on both sides; stretches that
        touch are one.
    """
    stretches = traces.samples(N_STRETCHES)
    if not stretches:
        return []
    sampled = np.concatenate(list(run(traces.raw, (), stretches, n_jobs, "artefacts")))
    thinned = _turned(sampled[::THINNED].astype(np.float32))
    centre = medians_of_rows(thinned, n_jobs)
    spread = MAD_TO_SD * medians_of_rows(np.abs(thinned - centre[:, None]), n_jobs)
    groups = _groups(traces, sampled, n_jobs)
    chunks = traces.chunks()
    periods_of: dict[tuple[str, str, int], tuple[np.ndarray, list[Chunk]]] = {}
    for artefacts in run(
        _artefacts_of_chunk, (traces, groups, centre, RAIL_SDS * spread), chunks, n_jobs, "artefacts"
    ):
        for artefact in artefacts:
            key = (artefact.reason, artefact.group, artefact.channel)
            periods_of.setdefault(key, (artefact.rows, []))[1].append(artefact.period)
    padded = [
        Artefact(*key, rows, period)
        for key, (rows, periods) in periods_of.items()
        for period in _padded(traces, periods)
    ]
    return sorted(padded, key=lambda hit: (hit.period.segment, hit.period.start, hit.channel, hit.group))


def blank(traces: Traces, artefacts: Iterable[Artefact]) -> None:
    """Blank artefacts from now on, those of the reasons that the config names."""
    is_blanked = _is_blanked(traces)
    traces.blank([(artefact.period, artefact.rows) for artefact in artefacts if is_blanked[artefact.reason]])


def artefact_table(
    traces: Traces, artefacts: Iterable[Artefact], bad_channels: Iterable[int]
) -> pd.DataFrame:
    """Return `ARTEFACTS`, without the electrodes that are left out altogether."""
    starts, left_out = [start for start, _ in traces.spans], set(bad_channels)
    rows = [
        (
            artefact.reason,
            artefact.group,
            artefact.channel,
            starts[artefact.period.segment] + artefact.period.start / traces.rate_hz,
            starts[artefact.period.segment] + artefact.period.stop / traces.rate_hz,
        )
        for artefact in artefacts
        if artefact.channel not in left_out
    ]
    frame = pd.DataFrame(rows, columns=ARTEFACTS.names) if rows else tables.empty(ARTEFACTS)
    return tables.conform(frame, ARTEFACTS)


def from_table(traces: Traces, artefacts: pd.DataFrame) -> list[Artefact]:
    """Return the artefacts of `artefact_table` again, for traces of the same recording."""
    starts = np.array([start for start, _ in traces.spans])
    times = artefacts[["start_s", "stop_s"]].to_numpy(np.float64)
    listed = []
    for row, (start_s, stop_s) in enumerate(times):
        segment = int(np.searchsorted(starts, start_s + 1e-9, side="right")) - 1
        first, end = (round((time - starts[segment]) * traces.rate_hz) for time in (start_s, stop_s))
        reason, group, channel = (artefacts[name].iloc[row] for name in ("reason", "group", "channel"))
        single_row = np.flatnonzero(traces.channel_ids == channel)
        rows = traces.artefact_groups.get(group, single_row) if reason == COMMON else single_row
        listed.append(Artefact(reason, group, int(channel), rows, Chunk(segment, first, end)))
    return listed


def blanked_share(traces: Traces, artefacts: Iterable[Artefact]) -> np.ndarray:
    """Return the share of the recorded time in which each channel is blanked, ``[channel]``."""
    is_blanked = _is_blanked(traces)
    blanked = np.zeros(len(traces.channel_ids))
    blanked_until: dict[tuple[int, int], int] = {}
    for artefact in artefacts:
        for row in artefact.rows.tolist() if is_blanked[artefact.reason] else []:
            # By time, so that a stretch which a channel has in two ways counts once.
            previous_stop = blanked_until.get((artefact.period.segment, row), 0)
            blanked[row] += max(artefact.period.stop - max(artefact.period.start, previous_stop), 0)
            blanked_until[artefact.period.segment, row] = max(artefact.period.stop, previous_stop)
    segments = range(traces.recording.get_num_segments())
    return blanked / max(sum(traces.recording.get_num_samples(s) for s in segments), 1)


def _is_blanked(traces: Traces) -> dict[str, bool]:
    return {COMMON: traces.settings.blank_artefacts, SATURATED: traces.settings.blank_saturated}


def _groups(traces: Traces, sampled: np.ndarray, n_jobs: int) -> list[ReferenceGroup]:
    settings = traces.settings
    lag = _samples(LAG_S, traces)
    if len(sampled) <= 2 * lag:
        return []
    noise = MAD_TO_SD * medians_of_rows(np.abs(_second_difference(sampled, lag, THINNED)), n_jobs)
    groups = []
    for name, rows in traces.artefact_groups.items():
        varying = rows[noise[rows] > 0]
        if len(varying) < settings.reference_min_channels:
            continue
        inspected = varying[
            np.linspace(0, len(varying) - 1, min(len(varying), MAX_INSPECTED)).round().astype(int)
        ]
        groups.append(ReferenceGroup(name, rows, inspected, settings.artefact_threshold * noise[inspected]))
    return groups


def _second_difference(raw: np.ndarray, lag: int, step: int) -> np.ndarray:
    """Second difference over `lag` samples of ``raw [sample, channel]``, ``[channel, sample]``.

    Of each `step`-th sample, from the one after the first `lag` to the one before the last.
    """
    before, at, after = (
        part[::step].astype(np.float32) for part in (raw[: -2 * lag], raw[lag:-lag], raw[2 * lag :])
    )
    return _turned(before + after - 2 * at)


def _turned(values: np.ndarray) -> np.ndarray:
    """Turn ``values [sample, channel]`` to contiguous ``[channel, sample]``; numpy alone leaves the cache."""
    turned = np.empty(values.shape[::-1], values.dtype)
    for start in range(0, len(values), TURNED):
        turned[:, start : start + TURNED] = values[start : start + TURNED].T
    return turned


def _samples(seconds: float, traces: Traces) -> int:
    return max(1, round(seconds * traces.rate_hz))


def _artefacts_of_chunk(
    traces: Traces, groups: list[ReferenceGroup], centre: np.ndarray, rail: np.ndarray, chunk: Chunk
) -> list[Artefact]:
    step, lag = _samples(STEP_S, traces), _samples(LAG_S, traces)
    raw = np.ascontiguousarray(traces.raw(chunk, step + lag))
    raw = raw if raw.dtype in (np.int16, np.float32) else raw.astype(np.float32)
    artefacts = []
    for group in groups:
        hit_in_step = np.zeros((-(-(len(raw) - 2 * lag) // step), len(group.inspected)), dtype=bool)
        _mark_hits(raw, group.inspected, group.limit.astype(np.float32), lag, step, hit_in_step)
        for start, stop in _at_once(hit_in_step, step, traces.settings.artefact_share):
            # The first step lies before the chunk.
            period = _within(chunk, chunk.start + start - step, chunk.start + stop - step)
            artefacts.append(Artefact(COMMON, group.name, -1, group.rows, period))
    inner = raw[step + lag : len(raw) - step - lag]
    shortest = _samples(traces.settings.saturated_ms * 1e-3, traces)
    for row, start, stop in _at_limit(inner, centre, rail, shortest):
        period = Chunk(chunk.segment, chunk.start + start, chunk.start + stop)
        artefacts.append(Artefact(SATURATED, "", int(traces.channel_ids[row]), np.array([row]), period))
    return [artefact for artefact in artefacts if artefact.period.stop > artefact.period.start]


def _within(chunk: Chunk, start: int, stop: int) -> Chunk:
    return Chunk(chunk.segment, max(start, chunk.start), min(stop, chunk.stop))


@compiled()
def _mark_hits(raw, inspected, limit, lag, step, hit_in_step):  # type: ignore[no-untyped-def]
    """Mark steps ``hit_in_step [step, channel]`` in which a channel's second difference exceeds its limit."""
    block = np.empty(TURNED * step + 2 * lag, np.float32)
    for begin in range(0, len(raw) - 2 * lag, TURNED * step):
        part = raw[begin : begin + TURNED * step + 2 * lag]
        trace = block[: len(part)]
        for c in range(len(inspected)):
            channel = inspected[c]
            for t in range(len(part)):
                trace[t] = part[t, channel]
            if not _exceeds(trace, lag, limit[c]):
                continue
            for t in range(lag, len(trace) - lag):
                if abs(trace[t - lag] + trace[t + lag] - np.float32(2) * trace[t]) > limit[c]:
                    hit_in_step[(begin + t - lag) // step, c] = True


@compiled(fastmath={"reassoc", "nnan"})
def _exceeds(trace, lag, limit):  # type: ignore[no-untyped-def]
    """Say whether any second difference exceeds the limit: by a sum, in which many are looked at together."""
    n = len(trace) - 2 * lag
    before, at, after = trace[:n], trace[lag : lag + n], trace[2 * lag :]
    total = zero = np.float32(0)
    for t in range(n):
        excess = abs(before[t] + after[t] - np.float32(2) * at[t]) - limit
        total += excess if excess > zero else zero
    return total > zero


def _at_once(hit_in_step: np.ndarray, step: int, share: float) -> Iterator[tuple[int, int]]:
    """Stretches, in samples, in which enough channels of ``[step, channel]`` are hit within two steps."""
    n = len(hit_in_step)
    is_common = (hit_in_step[:-1] | hit_in_step[1:]).mean(axis=1) >= share
    is_artefact = np.zeros(n, dtype=bool)
    is_artefact[:-1] |= is_common
    is_artefact[1:] |= is_common
    for start, stop in _runs(is_artefact):
        yield start * step, stop * step


def _at_limit(
    raw: np.ndarray, centre: np.ndarray, rail: np.ndarray, shortest: int
) -> Iterator[tuple[int, int, int]]:
    """Runs (row, start, stop) of at least `shortest` samples at a channel's far extreme."""
    if len(raw) == 0:
        return
    low, high = extremes_of(raw)
    counts = np.zeros((2, raw.shape[1]), np.int32)
    _count_extremes(raw, high, low, counts)
    for extreme, direction, n in ((high, 1, counts[0]), (low, -1, counts[1])):
        for row in np.flatnonzero((direction * (extreme - centre) > rail) & (n >= shortest)):
            is_extreme = np.asarray(raw[:, row] == extreme[row])
            for start, stop in _runs(is_extreme):
                if stop - start >= shortest:
                    yield int(row), start, stop


@compiled()
def _count_extremes(raw, high, low, counts):  # type: ignore[no-untyped-def]
    """Count the samples at each channel's largest, and at its smallest value."""
    for t in range(len(raw)):
        for channel in range(raw.shape[1]):
            counts[0, channel] += raw[t, channel] == high[channel]
            counts[1, channel] += raw[t, channel] == low[channel]


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _padded(traces: Traces, periods: list[Chunk]) -> list[Chunk]:
    """Widen stretches by the pad and join those that touch."""
    pad = round(traces.settings.blank_pad_ms * 1e-3 * traces.rate_hz)
    merged: list[Chunk] = []
    for period in sorted(periods, key=lambda p: (p.segment, p.start)):
        segment_end = traces.recording.get_num_samples(period.segment)
        start, stop = max(period.start - pad, 0), min(period.stop + pad, segment_end)
        if merged and merged[-1].segment == period.segment and merged[-1].stop >= start:
            merged[-1] = Chunk(period.segment, merged[-1].start, max(stop, merged[-1].stop))
        else:
            merged.append(Chunk(period.segment, start, stop))
    return merged
