"""The default sorter: every electrode by itself, chunk by chunk.

Three passes over the recording: noise (a few seconds of it), clusters (the
threshold crossings of all or, of a long recording, evenly spread chunks) and
template matching (all of it). Units live on one electrode each, as on arrays
with contacts 400 µm apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from evoalign.sorting.bad_channels import N_STRETCHES
from evoalign.sorting.blended import with_blended_units
from evoalign.sorting.bursts import bursting
from evoalign.sorting.clustering import BACKGROUND, cluster, is_mixture, split, templates_of
from evoalign.sorting.detection import extremes, one_sign
from evoalign.sorting.doubtful import doubtful_clusters
from evoalign.sorting.evidence import without_explained
from evoalign.sorting.hash import without_hash
from evoalign.sorting.hidden import with_hidden_units
from evoalign.sorting.matching import match
from evoalign.sorting.merging import merge
from evoalign.sorting.parallel import run
from evoalign.sorting.settings import Sorting
from evoalign.sorting.templates import Templates, shifted
from evoalign.sorting.traces import Chunk, Traces
from evoalign.sorting.twins import with_twins
from evoalign.sorting.waveforms import time_axis_ms
from evoalign.sorting.whitening import WINDOW, blocks_of, whiten, whitening_kernels

BEFORE_MS, AFTER_MS = 0.7, 1.1  # of a template
DEAD_MS = 0.5  # between two detected spikes of one sign


@dataclass(frozen=True)
class Crossings:
    """Threshold crossings of one chunk.

    Attributes
    ----------
    chunk : Chunk
        The stretch.
    row, sample, size_uv : ndarray
        Electrode, extreme in samples of the segment and its size, µV, ``[crossing]``.
    is_positive : ndarray
        bool ``[crossing]``: the extreme is a peak, not a trough.
    picked : ndarray
        bool ``[crossing]``: those with a waveform.
    waves : ndarray
        float32 ``[picked crossing, sample]``: whitened waveforms.
    """

    chunk: Chunk
    row: np.ndarray
    sample: np.ndarray
    size_uv: np.ndarray
    is_positive: np.ndarray
    picked: np.ndarray
    waves: np.ndarray


@dataclass(frozen=True)
class WhitenedElectrodes:
    """The electrodes that are sorted, with their detection thresholds and whitening filters.

    Attributes
    ----------
    traces : Traces
        The recording.
    rows : ndarray
        Rows of the channels that are sorted ``[electrode]``.
    threshold_uv : ndarray
        Detection threshold, µV ``[electrode]``.
    kernels : ndarray
        ``[electrode, tap]``, see `whitening_kernels`.
    """

    traces: Traces
    rows: np.ndarray
    threshold_uv: np.ndarray
    kernels: np.ndarray

    @property
    def before(self) -> int:
        """Samples of a template before the trough."""
        return round(BEFORE_MS * 1e-3 * self.traces.rate_hz)

    @property
    def length(self) -> int:
        """Samples of a template."""
        return self.before + round(AFTER_MS * 1e-3 * self.traces.rate_hz)

    @property
    def dead(self) -> int:
        """Samples between two detected spikes of one sign."""
        return round(DEAD_MS * 1e-3 * self.traces.rate_hz)

    @property
    def margin(self) -> int:
        """Samples around a chunk that its spikes and their waveforms need."""
        return WINDOW // 2 + 2 * max(self.length, len(time_axis_ms(self.traces.rate_hz)))


def learn_noise(
    traces: Traces, good: np.ndarray, noise_uv: np.ndarray, n_jobs: int = 1
) -> WhitenedElectrodes:
    """Make whitening filters and detection thresholds of the good channels.

    Parameters
    ----------
    traces : Traces
        The recording.
    good : ndarray, bool ``[channel]``
        Channels to sort.
    noise_uv : ndarray, float ``[channel]``
        Noise SD.
    n_jobs : int
        Threads.
    """
    rows = np.flatnonzero(good)
    stretches = traces.samples(N_STRETCHES)
    filtered = list(run(_filtered_rows, (traces, rows), stretches, n_jobs, "whitening"))
    values = np.concatenate(filtered, axis=1)
    threshold = traces.settings.detect_threshold * noise_uv[rows]
    return WhitenedElectrodes(traces, rows, threshold, whitening_kernels(values, noise_uv[rows], n_jobs))


def _filtered_rows(traces: Traces, rows: np.ndarray, stretch: Chunk) -> np.ndarray:
    return traces.filtered(stretch)[rows]


def detect(electrodes: WhitenedElectrodes, max_waves: int, chunk: Chunk) -> Crossings:
    """Find the threshold crossings of a chunk; cut out up to `max_waves` in a row of each electrode."""
    margin, reach = electrodes.margin, electrodes.length - electrodes.before
    values = electrodes.traces.filtered(chunk, margin)
    samples, sizes = [np.zeros(0, dtype=np.int64)], [np.zeros(0, np.float32)]
    signs, picked, waves = [np.zeros(0, bool)], [np.zeros(0, bool)], [_no_waves(electrodes)]
    for row, channel in enumerate(electrodes.rows):
        trace = values[channel]
        at, is_peak = extremes(trace, electrodes.threshold_uv[row], electrodes.dead, reach)
        inside = (at >= margin) & (at < len(trace) - margin)
        samples.append(at[inside])
        signs.append(is_peak[inside])
        sizes.append(np.abs(trace[samples[-1]]))
        picked.append(_run(len(samples[-1]), max_waves))
        waves.append(_waves(electrodes, row, trace, samples[-1][picked[-1]], signs[-1][picked[-1]]))
    row_of = np.repeat(np.arange(len(electrodes.rows)), [len(at) for at in samples[1:]])
    sample, is_positive, size_uv = (np.concatenate(columns) for columns in (samples, signs, sizes))
    of_chunk = sample - margin + chunk.start, size_uv, is_positive
    return Crossings(chunk, row_of, *of_chunk, np.concatenate(picked), np.concatenate(waves))


def _waves(
    electrodes: WhitenedElectrodes, row: int, trace: np.ndarray, sample: np.ndarray, is_positive: np.ndarray
) -> np.ndarray:
    """Whitened waveforms of an electrode's extremes, aligned between samples, ``[spike, sample]``."""
    if not len(sample):
        return _no_waves(electrodes)
    # Two samples more on each side: the shift spoils the ends.
    first, last = -electrodes.before - 2, electrodes.length - electrodes.before + 2
    white = whiten(trace, electrodes.kernels[row], blocks_of(sample, -first, last, len(trace)))
    wide = white[sample[:, None] + np.arange(first, last)]
    sign = np.where(is_positive, -1, 1)[:, None]
    offset = _vertex(sign * trace[sample[:, None] + np.arange(-1, 2)])
    return shifted(wide, -offset)[:, 2:-2].astype(np.float32)


def _no_waves(electrodes: WhitenedElectrodes) -> np.ndarray:
    return np.zeros((0, electrodes.length), np.float32)


def _run(n: int, max_marked: int) -> np.ndarray:
    """Mark at most `max_marked` of `n` things in a row, in their middle.

    Every other one, say, would leave out all coincidences of two units, which then look like one.
    """
    first = max(n - max_marked, 0) // 2
    return (np.arange(n) >= first) & (np.arange(n) < first + max_marked)


def _vertex(samples: np.ndarray) -> np.ndarray:
    """Sub-sample position of the minimum of the parabola through three samples ``[spike, 3]``."""
    left, middle, right = samples.T
    curvature = left - 2 * middle + right
    return np.clip((left - right) / (2 * np.where(curvature > 0, curvature, np.inf)), -0.5, 0.5)


def find_templates(
    electrodes: WhitenedElectrodes,
    threshold_uv: float,
    waves: np.ndarray,
    size_uv: np.ndarray,
    times_s: np.ndarray,
    is_positive: np.ndarray,
) -> Templates | None:
    """Make the templates of one electrode from its threshold crossings; None without units.

    Parameters
    ----------
    electrodes : WhitenedElectrodes
        From `learn_noise`.
    threshold_uv : float
        The electrode's detection threshold.
    waves : ndarray
        Whitened waveforms ``[spike, sample]``.
    size_uv, times_s : ndarray
        Size and time of the extreme of each, ``[spike]``.
    is_positive : ndarray, bool ``[spike]``
        The extreme is a peak.
    """
    labels, pieces = np.full(len(waves), -1), np.full(len(waves), -1)
    settings, excess = electrodes.traces.settings, size_uv - threshold_uv
    for sign in (False, True):
        of_sign = np.flatnonzero(is_positive == sign)
        first = pieces.max(initial=-1) + 1
        named = _clusters(settings, waves[of_sign], excess[of_sign], times_s[of_sign], are_troughs=not sign)
        labels[of_sign], pieces[of_sign] = (np.where(names >= 0, names + first, names) for names in named)
    labels = one_sign(labels, waves, is_positive)
    # The hash is of many shapes and sizes: each piece of it explains some.
    of_hash = (labels == BACKGROUND) & (pieces >= 0)
    labels = np.where(of_hash, BACKGROUND - pieces, labels)
    doubtful = doubtful_clusters(labels, waves, is_positive, times_s, settings.refractory_ms * 1e-3)
    if not doubtful:
        labels, doubtful = with_hidden_units(labels, waves, excess, is_positive, settings.min_spikes)
    if not doubtful and not np.any(labels >= 0):
        return None
    templates = templates_of(labels, waves, electrodes.before, doubtful)
    templates = replace(templates, bursts=bursting(labels, len(templates.waves), size_uv, times_s))
    return templates.only(np.flatnonzero(~is_mixture(templates, electrodes.dead)))


def _clusters(
    settings: Sorting, waves: np.ndarray, excess: np.ndarray, times_s: np.ndarray, are_troughs: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Label spikes of one sign by unit or `BACKGROUND`, and by the piece that they lay in before."""
    # Split first: a unit can hide in the cluster of the hash.
    pieces = split(cluster(waves, settings.min_spikes), waves, settings.min_spikes)
    refractory_s = settings.refractory_ms * 1e-3
    clusters = merge(pieces, waves, times_s, excess, refractory_s)
    labels = without_hash(clusters, waves, excess)
    if are_troughs:  # a unit of peaks is rare: it must stand apart
        labels = with_blended_units(labels, clusters, pieces, waves, excess, times_s, refractory_s)
    by_piece = np.where((labels == BACKGROUND) & (pieces >= 0), BACKGROUND - pieces, labels)
    labels = np.where(labels >= 0, without_explained(by_piece, waves), labels)
    return with_twins(labels, pieces, waves, settings.min_spikes)


@dataclass(frozen=True)
class Matches:
    """Spikes of one chunk.

    Attributes
    ----------
    chunk : Chunk
        The stretch.
    row, unit : ndarray, int64 ``[spike]``
        Electrode, and unit on that electrode.
    position : ndarray, float64 ``[spike]``
        Trough in samples of the segment.
    scale : ndarray, float32 ``[spike]``
        Size relative to the unit's template.
    """

    chunk: Chunk
    row: np.ndarray
    unit: np.ndarray
    position: np.ndarray
    scale: np.ndarray


def match_chunk(
    electrodes: WhitenedElectrodes, templates_of: list[Templates | None], chunk: Chunk, values: np.ndarray
) -> Matches:
    """Explain a chunk of all electrodes by their templates.

    Parameters
    ----------
    electrodes : WhitenedElectrodes
        From `learn_noise`.
    templates_of : list of Templates or None
        Of each electrode.
    chunk : Chunk
        The stretch.
    values : ndarray
        Its filtered voltages ``[channel, sample]``, with `electrodes.margin` on both sides.
    """
    margin, likelihood_threshold = electrodes.margin, electrodes.traces.settings.match_gain
    columns = [(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0))]
    for row, templates in enumerate(templates_of):
        if templates is None:
            continue
        white = whiten(values[electrodes.rows[row]], electrodes.kernels[row])
        position, unit, scale, _ = match(white, templates, likelihood_threshold, electrodes.dead)
        in_chunk = (position >= margin) & (position < values.shape[1] - margin)
        samples = position[in_chunk] - margin + chunk.start
        columns.append((np.full(len(samples), row), unit[in_chunk], samples, scale[in_chunk]))
    row_, unit_, position_, scale_ = (np.concatenate(column) for column in zip(*columns, strict=True))
    return Matches(chunk, row_.astype(np.int64), unit_.astype(np.int64), position_, scale_)
