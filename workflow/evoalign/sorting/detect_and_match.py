"""Detection and matching: threshold crossings, then template matching and mean waveforms.

Each is one pass over the recording, chunk by chunk.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from evoalign.sorting.detection import extreme_uv
from evoalign.sorting.electrode import (
    Crossings,
    Matches,
    WhitenedElectrodes,
    detect,
    find_templates,
    match_chunk,
)
from evoalign.sorting.isosplit import end_children
from evoalign.sorting.parallel import run
from evoalign.sorting.result import UnitSpikes
from evoalign.sorting.templates import Templates
from evoalign.sorting.traces import Chunk
from evoalign.sorting.waveforms import BEFORE_MS, UnitKey, WaveSums, time_axis_ms

MAX_WAVES = 12_000  # of one electrode that are clustered
CLUSTER_S = 1200.0  # time looked at for clusters, spread over a longer recording


@dataclass
class CollectedSpikes:
    """Spikes of one unit as they come in: segment, sample and size of each."""

    segment: list[np.ndarray] = field(default_factory=list)
    sample: list[np.ndarray] = field(default_factory=list)
    size: list[np.ndarray] = field(default_factory=list)

    def add(self, segment: int, sample: np.ndarray, size: np.ndarray) -> None:
        """Append the spikes of a chunk."""
        self.segment.append(np.full(len(sample), segment, dtype=np.int32))
        self.sample.append(sample)
        self.size.append(size.astype(np.float32))

    def take(self, other: CollectedSpikes, scale: float) -> None:
        """Append another unit's spikes, their sizes times `scale`."""
        self.segment += other.segment
        self.sample += other.sample
        self.size += [(size * scale).astype(np.float32) for size in other.size]

    @property
    def n(self) -> int:
        """Spikes so far."""
        return sum(len(samples) for samples in self.sample)

    def joined(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return segment, sample and size of all spikes."""
        return np.concatenate(self.segment), np.concatenate(self.sample), np.concatenate(self.size)

    def times_s(self, recorded_s: float, rate_hz: float) -> np.ndarray:
        """Return the rising times of all spikes, s, segments so far apart that no two spikes coincide."""
        segment, sample, _ = self.joined()
        return np.asarray(np.sort(segment * (recorded_s + 1.0) + sample / rate_hz))


def crossings(
    electrodes: WhitenedElectrodes, with_waves: bool, n_jobs: int
) -> tuple[list[Crossings], list[Templates | None]]:
    """Find all threshold crossings and, from them, the templates of each electrode.

    Parameters
    ----------
    electrodes : WhitenedElectrodes
        From `learn_noise`.
    with_waves : bool
        Keep waveforms and make templates; False: the crossings alone.
    n_jobs : int
        Threads.

    Returns
    -------
    crossings : list of Crossings
        One a chunk, without waveforms.
    templates : list of Templates or None
        One an electrode, None where it has no unit; [] without waveforms.
    """
    chunks = electrodes.traces.chunks()
    recorded_s = sum(c.stop - c.start for c in chunks) / electrodes.traces.rate_hz
    n_clustered = (
        max(1, round(len(chunks) * min(1.0, CLUSTER_S / max(recorded_s, 1e-9)))) if with_waves else 0
    )
    clustered = set(np.linspace(0, len(chunks) - 1, n_clustered).round().astype(int).tolist())
    waves_per_chunk = -(-MAX_WAVES // max(n_clustered, 1))
    pieces = [(waves_per_chunk if index in clustered else 0, chunk) for index, chunk in enumerate(chunks)]
    crossed = list(run(_detect, (electrodes,), pieces, n_jobs, "threshold crossings"))
    if not with_waves:
        return crossed, []
    templates = _all_templates(electrodes, crossed, n_jobs)
    without_waves = [replace(crossings, waves=crossings.waves[:0]) for crossings in crossed]
    return without_waves, templates


def _detect(electrodes: WhitenedElectrodes, piece: tuple[int, Chunk]) -> Crossings:
    return detect(electrodes, *piece)


def _all_templates(
    electrodes: WhitenedElectrodes, crossed: list[Crossings], n_jobs: int
) -> list[Templates | None]:
    """Templates of each electrode; the longest first, so that none is left to one thread at the end."""
    n_rows = len(electrodes.rows)
    n_spikes = sum(np.bincount(crossings.row, minlength=n_rows) for crossings in crossed)
    rows = np.argsort(-n_spikes, kind="stable").tolist()
    found = dict(
        zip(rows, run(_find_templates, (electrodes, crossed), rows, n_jobs, "clusters"), strict=True)
    )
    end_children()
    return [found[row] for row in range(n_rows)]


def _find_templates(electrodes: WhitenedElectrodes, crossed: list[Crossings], row: int) -> Templates | None:
    of_row = _crossings_of_row(electrodes, crossed, row)
    templates = find_templates(electrodes, electrodes.threshold_uv[row], *of_row)
    n_all = sum(int(np.count_nonzero(crossings.row == row)) for crossings in crossed)
    if templates is None or n_all == len(of_row[0]):
        return templates
    # Matching is to find as many in the whole recording as there are clustered in a part of it.
    return replace(templates, n_spikes=templates.n_spikes * (n_all / len(of_row[0])))


def _crossings_of_row(
    electrodes: WhitenedElectrodes, crossed: list[Crossings], row: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Waveforms ``[spike, sample]``, sizes, times and signs ``[spike]`` of an electrode's picked crossings.

    Times count only the stretches from which crossings were picked.
    """
    waves, sizes, times, signs, before = [], [], [], [], 0.0
    for crossings in crossed:
        of_row = crossings.row == row
        picked_on_row = of_row[crossings.picked]
        sample = crossings.sample[crossings.picked][picked_on_row]
        start, duration = crossings.chunk.start, float(crossings.chunk.stop - crossings.chunk.start)
        n = np.count_nonzero(of_row)
        if len(sample) < n:
            # Picked crossings follow one another: they took their share of the chunk.
            start, last = sample[[0, -1]] if len(sample) else (start, start)
            duration = max(duration * (len(sample) / n), last - start + 1.0)
        waves.append(crossings.waves[picked_on_row])
        sizes.append(crossings.size_uv[crossings.picked][picked_on_row])
        signs.append(crossings.is_positive[crossings.picked][picked_on_row])
        times.append((sample - start + before) / electrodes.traces.rate_hz)
        before += duration
    return np.concatenate(waves), np.concatenate(sizes), np.concatenate(times), np.concatenate(signs)


def by_chunk(chunks: list[Chunk], spikes: dict[UnitKey, CollectedSpikes]) -> list[dict[UnitKey, np.ndarray]]:
    """Return the spikes in each chunk: trough samples ``[spike]`` by unit."""
    samples_in: list[dict[UnitKey, np.ndarray]] = [{} for _ in chunks]
    for key, of_unit in spikes.items():
        segment, sample, _ = of_unit.joined()
        order = np.lexsort((sample, segment))
        segment, sample = segment[order], np.rint(sample[order]).astype(np.int64)
        ends = np.searchsorted(segment, np.arange(segment.max(initial=0) + 2))
        for index, chunk in enumerate(chunks):
            if chunk.segment + 1 >= len(ends):
                continue
            in_segment = sample[ends[chunk.segment] : ends[chunk.segment + 1]]
            first, last = np.searchsorted(in_segment, [chunk.start, chunk.stop])
            if last > first:
                samples_in[index][key] = in_segment[first:last]
    return samples_in


def match_and_measure(
    electrodes: WhitenedElectrodes,
    templates: list[Templates | None],
    known_samples: list[dict[UnitKey, np.ndarray]],
    n_jobs: int,
) -> tuple[dict[UnitKey, CollectedSpikes], WaveSums]:
    """Match templates over the recording, and sum up the waveforms of all units.

    Parameters
    ----------
    electrodes : WhitenedElectrodes
        From `learn_noise`.
    templates : list of Templates or None
        Of each electrode; [] when another sorter found the units.
    known_samples : list of dict
        For each chunk, the trough samples ``[spike]`` of units found by other means.
    n_jobs : int
        Threads.

    Returns
    -------
    matched : dict of UnitKey to CollectedSpikes
        UnitKey ('sorted', row, unit); the size is relative to the template.
    waves : WaveSums
        By UnitKey, of matched and known units.
    """
    matched: dict[UnitKey, CollectedSpikes] = {}
    waves = WaveSums(len(time_axis_ms(electrodes.traces.rate_hz)))
    pieces = list(zip(electrodes.traces.chunks(), known_samples, strict=True))
    for matches, sums in run(_match_chunk, (electrodes, templates), pieces, n_jobs, "template matching"):
        waves.join(sums)
        for key in sorted(set(zip(matches.row.tolist(), matches.unit.tolist(), strict=True))):
            of_unit = (matches.row == key[0]) & (matches.unit == key[1])
            spikes = matched.setdefault(("sorted", *key), CollectedSpikes())
            spikes.add(matches.chunk.segment, matches.position[of_unit], matches.scale[of_unit])
    return matched, waves


def _match_chunk(
    electrodes: WhitenedElectrodes,
    templates: list[Templates | None],
    piece: tuple[Chunk, dict[UnitKey, np.ndarray]],
) -> tuple[Matches, WaveSums]:
    chunk, known_samples = piece
    values, channels = electrodes.traces.filtered(chunk, electrodes.margin), electrodes.rows
    matches = match_chunk(electrodes, templates, chunk, values)
    rate_hz = electrodes.traces.rate_hz
    sums, before = WaveSums(len(time_axis_ms(rate_hz))), round(BEFORE_MS * 1e-3 * rate_hz)
    shift = electrodes.margin - chunk.start
    for key in sorted(set(zip(matches.row.tolist(), matches.unit.tolist(), strict=True))):
        of_unit = (matches.row == key[0]) & (matches.unit == key[1])
        troughs = np.rint(matches.position[of_unit]).astype(np.int64)
        sums.add(("sorted", *key), values[channels[key[0]]], troughs + shift, before)
    for known_key, samples in known_samples.items():
        sums.add(known_key, values[channels[known_key[1]]], samples + shift, before)
    return matches, sums


def unit_spikes(
    electrodes: WhitenedElectrodes, spikes: dict[UnitKey, CollectedSpikes], waves: WaveSums, dead_s: float
) -> list[UnitSpikes]:
    """Turn collected spikes into units, with times in s on the recording's clock and sizes in µV.

    Of two spikes of a unit closer than `dead_s`, which a border between
    chunks can make, the first is kept.
    """
    starts = np.array([start for start, _ in electrodes.traces.spans])
    units = []
    for key, collected in spikes.items():
        segment, sample, size = collected.joined()
        times = starts[segment] + sample / electrodes.traces.rate_hz
        order = np.argsort(times, kind="stable")
        times, size = times[order], size[order]
        is_kept = np.diff(times, prepend=-np.inf) >= dead_s
        mean, sd = waves.mean_sd(key)
        if key[0] == "sorted":
            size = size * abs(extreme_uv(mean)) if len(mean) else size * np.nan
        units.append(
            UnitSpikes(
                key[0],
                int(electrodes.traces.channel_ids[electrodes.rows[key[1]]]),
                times[is_kept],
                size[is_kept & np.isfinite(size)].astype(np.float64),  # other sorters tell none
                mean,
                sd,
            )
        )
    return units
