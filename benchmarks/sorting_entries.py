"""What is tried on the kinds of ground truth: our sorter, its peers, and our matching with true templates.

`chain` is what twenty lines give: band-pass, threshold, five principal components, isosplit6. `wave_clus`
is the method of wave_clus (Chaure et al. 2018): Haar wavelets, those coefficients that are least normal,
superparamagnetic clustering by `spclustering` (`pip install --no-deps spclustering==0.8.0`). `ceiling` is no
sorter: it matches, as ours does, with templates averaged over the true spikes. Other names are
SpikeInterface's sorters, which see the whole array at once.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import spikeinterface as si
from isosplit6 import isosplit6
from scipy import signal, stats
from scipy.interpolate import CubicSpline
from spikeinterface.sorters import installed_sorters

from evoalign.sorting.bad_channels import find_bad_channels
from evoalign.sorting.clustering import templates_of
from evoalign.sorting.detect_and_match import match_and_measure
from evoalign.sorting.electrode import WhitenedElectrodes, learn_noise
from evoalign.sorting.settings import DEFAULT_SORTER, Sorting
from evoalign.sorting.templates import Templates
from evoalign.sorting.traces import Traces
from evoalign.sorting.whitening import whiten
from sorting import channels_of, sort_with

LEAST_SPIKES = 30  # of a unit of `chain`
# wave_clus' own names and values: threshold in SDs, samples of a spike, wavelet coefficients, spikes of the
# smallest cluster, reach of a class in its SDs.
STDMIN, W_PRE, W_POST, N_INPUTS, MIN_CLUS, TEMPLATE_SDNUM = 5.0, 20, 44, 10, 20, 3.0


def why_missing(entry: str) -> str:
    """Return what an entry needs that is not installed; '' where nothing."""
    if entry == "wave_clus" and importlib.util.find_spec("spclustering") is None:
        return "pip install --no-deps spclustering==0.8.0"
    if entry in BY_ELECTRODE or entry in (DEFAULT_SORTER, "ceiling") or entry in installed_sorters():
        return ""
    return "SpikeInterface finds no such sorter installed"


def find(entry: str, recording: si.BaseRecording, truth: si.BaseSorting, jobs: int) -> si.BaseSorting:
    """Return the spikes that an entry finds."""
    if entry == "ceiling":
        return ceiling(recording, truth)
    if entry in BY_ELECTRODE:
        return _each_electrode(recording, BY_ELECTRODE[entry])
    if entry == DEFAULT_SORTER:
        return sort_with(recording, entry, "per-electrode", jobs)
    with tempfile.TemporaryDirectory() as folder:
        # Other sorters refuse recordings that lie in memory alone.
        saved = recording.save(folder=Path(folder) / "saved", n_jobs=1, progress_bar=False, verbose=False)
        return sort_with(saved, entry, "array", jobs)


def _each_electrode(
    recording: si.BaseRecording, sort: Callable[[np.ndarray, float], tuple[np.ndarray, np.ndarray]]
) -> si.BaseSorting:
    """Run a function of an electrode's voltage, µV, and rate, Hz, that gives samples and labels of spikes."""
    rate_hz = float(recording.get_sampling_frequency())
    samples, labels = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for row, trace in enumerate(recording.get_traces(return_in_uV=True).T):
        at, label = sort(trace, rate_hz)
        samples.append(at)
        labels.append(100_000 * row + label)
    return si.NumpySorting.from_samples_and_labels(
        [np.concatenate(samples)], [np.concatenate(labels)], rate_hz
    )


def chain(trace: np.ndarray, rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """300 to 6,000 Hz, troughs beyond 4.5 noise SDs, five principal components, isosplit6: no matching."""
    band = signal.butter(3, (300.0, 6000.0), "bandpass", fs=rate_hz, output="sos")
    trace = signal.sosfiltfilt(band, trace)
    noise_sd = 1.4826 * np.median(np.abs(trace))
    troughs = signal.find_peaks(-trace, height=4.5 * noise_sd, distance=round(0.5e-3 * rate_hz))[0]
    window = np.arange(-round(0.7e-3 * rate_hz), round(1.1e-3 * rate_hz))
    troughs = troughs[(troughs > -window[0]) & (troughs < len(trace) - window[-1])]
    waves = trace[troughs[:, None] + window]
    waves = waves - waves.mean(axis=0)
    _, axes = np.linalg.eigh(waves.T @ waves)
    labels = isosplit6(np.ascontiguousarray(waves @ axes[:, -5:]))
    kept = np.isin(labels, np.flatnonzero(np.bincount(labels) >= LEAST_SPIKES))
    return troughs[kept], labels[kept]


def wave_clus(trace: np.ndarray, rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Threshold 5 SDs in 300 to 3,000 Hz, wavelets, superparamagnetic clusters, the rest by nearest class."""
    import spclustering.spc as spc

    # spclustering 0.8.0 asks NumPy for a name that NumPy 2 does not have any more.
    vars(np).setdefault("NaN", np.nan)
    band = signal.ellip(2, 0.1, 40, (300.0, 3000.0), "bandpass", fs=rate_hz, output="sos")
    trace = signal.sosfiltfilt(band, trace)
    limit = STDMIN * np.median(np.abs(trace)) / 0.6745
    troughs = signal.find_peaks(-trace, height=limit, distance=round(1.5e-3 * rate_hz))[0]
    troughs = troughs[(troughs > W_PRE + 2) & (troughs < len(trace) - W_POST - 2)]
    if len(troughs) <= MIN_CLUS:
        return troughs[:0], troughs[:0]
    waves = _interpolated(trace, troughs)
    features = _least_normal(haar(waves))
    labels = spc.SPC().fit(features, min_clus=MIN_CLUS)
    labels = forced(labels, waves)
    return troughs[labels > 0], labels[labels > 0]


def _interpolated(trace: np.ndarray, troughs: np.ndarray) -> np.ndarray:
    """Return waveforms ``[spike, sample]``, aligned to their troughs by a fifth of a sample."""
    wide = trace[troughs[:, None] + np.arange(-W_PRE - 2, W_POST + 2)]
    n = wide.shape[1]
    fine = CubicSpline(np.arange(n), wide, axis=1)(np.arange(0, n - 1, 0.2))
    middle = 5 * (W_PRE + 2)
    shift = np.argmin(fine[:, middle - 5 : middle + 6], axis=1) - 5
    picked = middle + shift[:, None] + 5 * np.arange(-W_PRE, W_POST)
    return np.take_along_axis(fine, picked, axis=1)


def haar(waves: np.ndarray) -> np.ndarray:
    """Return the Haar wavelet coefficients of four levels, ``[spike, coefficient]``."""
    details, smooth = [], waves
    for _ in range(4):
        even, odd = smooth[:, ::2], smooth[:, 1::2]
        details.append((even - odd) / np.sqrt(2))
        smooth = (even + odd) / np.sqrt(2)
    return np.concatenate([smooth, *details[::-1]], axis=1)


def _least_normal(coefficients: np.ndarray) -> np.ndarray:
    """Return the coefficients whose distributions, without outliers, are farthest from normal ones."""
    distance = np.zeros(coefficients.shape[1])
    for column, values in enumerate(coefficients.T):
        inner = values[np.abs(values - values.mean()) < 3 * values.std()]
        if len(inner) > 10 and inner.std() > 0:
            distance[column] = stats.kstest(inner, "norm", (inner.mean(), inner.std())).statistic
    return coefficients[:, np.argsort(-distance)[:N_INPUTS]]


def forced(labels: np.ndarray, waves: np.ndarray) -> np.ndarray:
    """Give spikes of no class (0) to the nearest class, where they lie in its reach."""
    names = np.unique(labels[labels > 0])
    if not len(names):
        return labels
    rest = np.flatnonzero(labels == 0)
    centre = np.stack([waves[labels == name].mean(axis=0) for name in names])
    reach = np.array([np.sqrt(waves[labels == name].var(axis=0).sum()) for name in names])
    distance = np.linalg.norm(waves[rest][:, None] - centre, axis=2)
    nearest = np.argmin(distance, axis=1)
    inside = distance[np.arange(len(rest)), nearest] < TEMPLATE_SDNUM * reach[nearest]
    labels = labels.copy()
    labels[rest[inside]] = names[nearest[inside]]
    return labels


BY_ELECTRODE = {"chain": chain, "wave_clus": wave_clus}


def ceiling(recording: si.BaseRecording, truth: si.BaseSorting) -> si.BaseSorting:
    """Match as our sorter does, with each unit's template averaged over its true spikes."""
    channels = channels_of(recording)
    traces = Traces(recording, channels, Sorting(multiunit=False, online=False))
    noise_uv = find_bad_channels(traces)["noise_uv"].to_numpy()
    electrodes = learn_noise(traces, np.ones(len(noise_uv), dtype=bool), noise_uv)
    spikes = truth.to_spike_vector()
    waves = _true_waves(electrodes, spikes["sample_index"])
    templates = [
        _true_templates(electrodes, spikes["unit_index"], waves, row) for row in range(len(noise_uv))
    ]
    known: list[dict] = [{} for _ in traces.chunks()]
    matched, _ = match_and_measure(electrodes, templates, known, 1)
    samples, labels = [np.zeros(0)], [np.zeros(0, dtype=np.int64)]
    for (_, row, unit), train in matched.items():
        at = train.joined()[1]
        samples.append(at)
        labels.append(np.full(len(at), 1000 * row + unit))
    at = np.rint(np.concatenate(samples)).astype(np.int64)
    return si.NumpySorting.from_samples_and_labels([at], [np.concatenate(labels)], traces.rate_hz)


def _true_waves(electrodes: WhitenedElectrodes, samples: np.ndarray) -> np.ndarray:
    """Whitened waveforms of every electrode at ``samples [spike]``: ``[electrode, spike, sample]``."""
    waves = np.zeros((len(electrodes.rows), len(samples), electrodes.length), np.float32)
    window, margin = np.arange(-electrodes.before, electrodes.length - electrodes.before), electrodes.margin
    for chunk in electrodes.traces.chunks():
        filtered = electrodes.traces.filtered(chunk, margin)[electrodes.rows]
        white = np.stack([whiten(*of_row) for of_row in zip(filtered, electrodes.kernels, strict=True)])
        inside = np.flatnonzero((samples >= chunk.start) & (samples < chunk.stop))
        waves[:, inside] = white[:, (samples[inside] - chunk.start + margin)[:, None] + window]
    return waves


def _true_templates(
    electrodes: WhitenedElectrodes, units: np.ndarray, waves: np.ndarray, row: int
) -> Templates | None:
    """Templates of the units ``[spike]`` that are largest on electrode `row`."""
    mean = {unit: waves[:, units == unit].mean(axis=1) for unit in np.unique(units)}
    on_row = [unit for unit, of_rows in mean.items() if np.argmax(np.sum(of_rows**2, axis=1)) == row]
    if not on_row:
        return None
    member = np.isin(units, on_row)
    return templates_of(units[member], waves[row, member], electrodes.before)
