"""The passes over a recording: threshold crossings, then template matching and mean waveforms."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from evoalign.sorting.electrode import (
    Crossings,
    Electrodes,
    Matches,
    detect,
    find_templates,
    match_chunk,
)
from evoalign.sorting.isosplit import end_children
from evoalign.sorting.matching import Templates
from evoalign.sorting.parallel import run
from evoalign.sorting.result import Train
from evoalign.sorting.traces import Chunk
from evoalign.sorting.waveforms import BEFORE_MS, Key, WaveSums, time_axis_ms

MAX_WAVES = 12_000  # of one electrode that are clustered
CLUSTER_S = 1200.0  # time looked at for clusters, spread over a longer recording


@dataclass
class Spikes:
    """Spikes of one unit as they come in: segment, sample and size of each."""

    segment: list[np.ndarray] = field(default_factory=list)
    sample: list[np.ndarray] = field(default_factory=list)
    size: list[np.ndarray] = field(default_factory=list)

    def add(self, segment: int, sample: np.ndarray, size: np.ndarray) -> None:
        """Append the spikes of a chunk."""
        self.segment.append(np.full(len(sample), segment, dtype=np.int32))
        self.sample.append(sample)
        self.size.append(size.astype(np.float32))

    def take(self, other: Spikes, scale: float) -> None:
        """Append another unit's spikes, their sizes times `scale`."""
        self.segment += other.segment
        self.sample += other.sample
        self.size += [(size * scale).astype(np.float32) for size in other.size]

    @property
    def n(self) -> int:
        """Spikes so far."""
        return sum(len(part) for part in self.sample)

    def joined(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return segment, sample and size of all spikes."""
        return np.concatenate(self.segment), np.concatenate(self.sample), np.concatenate(self.size)


def crossings(
    electrodes: Electrodes, with_waves: bool, n_jobs: int
) -> tuple[list[Crossings], list[Templates | None]]:
    """Find all threshold crossings and, from them, the templates of each electrode."""
    chunks = electrodes.traces.chunks()
    recorded_s = sum(c.stop - c.start for c in chunks) / electrodes.traces.rate_hz
    n_looked = max(1, round(len(chunks) * min(1.0, CLUSTER_S / max(recorded_s, 1e-9)))) if with_waves else 0
    looked = set(np.linspace(0, len(chunks) - 1, n_looked).round().astype(int).tolist())
    most = -(-MAX_WAVES // max(n_looked, 1))
    pieces = [(most if index in looked else 0, chunk) for index, chunk in enumerate(chunks)]
    found = list(run(_detect, (electrodes,), pieces, n_jobs, "threshold crossings"))
    if not with_waves:
        return found, []
    rows = range(len(electrodes.rows))
    templates = list(run(_find_templates, (electrodes, found), rows, n_jobs, "clusters"))
    end_children()
    light = [Crossings(c.chunk, c.row, c.sample, c.size_uv, c.picked, c.waves[:0]) for c in found]
    return light, templates


def _detect(electrodes: Electrodes, piece: tuple[int, Chunk]) -> Crossings:
    return detect(electrodes, *piece)


def _find_templates(electrodes: Electrodes, found: list[Crossings], row: int) -> Templates | None:
    return find_templates(electrodes, electrodes.threshold_uv[row], *_of_row(electrodes, found, row))


def _of_row(
    electrodes: Electrodes, found: list[Crossings], row: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Waveforms, sizes and times of one electrode's picked crossings; the clock stands where none is."""
    waves, sizes, times, before = [], [], [], 0.0
    for part in found:
        of_row = part.row == row
        mine = of_row[part.picked]
        sample = part.sample[part.picked][mine]
        start, took = part.chunk.start, float(part.chunk.stop - part.chunk.start)
        n = np.count_nonzero(of_row)
        if len(sample) < n:
            # Picked crossings follow one another: they took their share of the chunk.
            start, last = sample[[0, -1]] if len(sample) else (start, start)
            took = max(took * (len(sample) / n), last - start + 1.0)
        waves.append(part.waves[mine])
        sizes.append(part.size_uv[part.picked][mine])
        times.append((sample - start + before) / electrodes.traces.rate_hz)
        before += took
    return np.concatenate(waves), np.concatenate(sizes), np.concatenate(times)


def by_chunk(chunks: list[Chunk], spikes: dict[Key, Spikes]) -> list[dict[Key, np.ndarray]]:
    """Deal spikes out to the chunks that hold them: for each chunk, trough samples by Key."""
    dealt: list[dict[Key, np.ndarray]] = [{} for _ in chunks]
    for key, of_unit in spikes.items():
        segment, sample, _ = of_unit.joined()
        order = np.lexsort((sample, segment))
        segment, sample = segment[order], np.rint(sample[order]).astype(np.int64)
        ends = np.searchsorted(segment, np.arange(segment.max(initial=0) + 2))
        for index, chunk in enumerate(chunks):
            if chunk.segment + 1 >= len(ends):
                continue
            within = sample[ends[chunk.segment] : ends[chunk.segment + 1]]
            first, last = np.searchsorted(within, [chunk.start, chunk.stop])
            if last > first:
                dealt[index][key] = within[first:last]
    return dealt


def match_and_measure(
    electrodes: Electrodes,
    templates: list[Templates | None],
    known: list[dict[Key, np.ndarray]],
    n_jobs: int,
) -> tuple[dict[Key, Spikes], WaveSums]:
    """Match templates over the recording, and sum up the waveforms of all units.

    Parameters
    ----------
    electrodes : Electrodes
        From `learn_noise`.
    templates : list of Templates or None
        Of each electrode; [] when another sorter found the units.
    known : list of dict
        For each chunk, the trough samples of units that are known already.
    n_jobs : int
        Threads.

    Returns
    -------
    matched : dict of Key to Spikes
        Key ('sorted', row, unit); the size is relative to the template.
    waves : WaveSums
        By Key, of matched and known units.
    """
    matched: dict[Key, Spikes] = {}
    waves = WaveSums(len(time_axis_ms(electrodes.traces.rate_hz)))
    pieces = list(zip(electrodes.traces.chunks(), known, strict=True))
    for found, sums in run(_match_chunk, (electrodes, templates), pieces, n_jobs, "template matching"):
        waves.join(sums)
        for key in sorted(set(zip(found.row.tolist(), found.unit.tolist(), strict=True))):
            mine = (found.row == key[0]) & (found.unit == key[1])
            spikes = matched.setdefault(("sorted", *key), Spikes())
            spikes.add(found.chunk.segment, found.position[mine], found.scale[mine])
    return matched, waves


def _match_chunk(
    electrodes: Electrodes, templates: list[Templates | None], piece: tuple[Chunk, dict[Key, np.ndarray]]
) -> tuple[Matches, WaveSums]:
    chunk, known = piece
    values = electrodes.traces.filtered(chunk, electrodes.margin)[electrodes.rows]
    matches = match_chunk(electrodes, templates, chunk, values)
    rate_hz = electrodes.traces.rate_hz
    sums, before = WaveSums(len(time_axis_ms(rate_hz))), round(BEFORE_MS * 1e-3 * rate_hz)
    shift = electrodes.margin - chunk.start
    for key in sorted(set(zip(matches.row.tolist(), matches.unit.tolist(), strict=True))):
        mine = (matches.row == key[0]) & (matches.unit == key[1])
        at = np.rint(matches.position[mine]).astype(np.int64)
        sums.add(("sorted", *key), values[key[0]], at + shift, before)
    for key_, samples in known.items():
        sums.add(key_, values[key_[1]], samples + shift, before)
    return matches, sums


def trains(electrodes: Electrodes, spikes: dict[Key, Spikes], waves: WaveSums, dead_s: float) -> list[Train]:
    """Turn collected spikes into trains, in seconds on the recording's clock and µV.

    Of two spikes of a unit closer than `dead_s`, which a border between
    chunks can make, the first is kept.
    """
    starts = np.array([start for start, _ in electrodes.traces.spans])
    made = []
    for key, of_unit in spikes.items():
        segment, sample, size = of_unit.joined()
        times = starts[segment] + sample / electrodes.traces.rate_hz
        order = np.argsort(times, kind="stable")
        times, size = times[order], size[order]
        kept = np.diff(times, prepend=-np.inf) >= dead_s
        mean, sd = waves.mean_sd(key)
        if key[0] == "sorted":
            size = size * -mean.min() if len(mean) else size * np.nan
        made.append(
            Train(
                key[0],
                int(electrodes.traces.channel_ids[electrodes.rows[key[1]]]),
                times[kept],
                size[kept].astype(np.float64),
                mean,
                sd,
            )
        )
    return made
