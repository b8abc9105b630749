"""Kinds of ground truth for sorters with the shapes of real spikes: a Utah array's own, from its .nev file.

`real` gives every spike of a unit the unit's mean waveform, `real_variable` waveforms that differ as the
unit's own do. Peaks are those of Utah arrays (`sorting_drawn.utah`), and the hash of far cells has real
shapes too. Nothing of the files is kept: they are read each time, from the path that a user gives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from neo.rawio import BlackrockRawIO
from scipy.interpolate import CubicSpline

from sorting_drawn import Firing, NoSource, Sources, Truth, Waveform, utah_noise, utah_units, with_units

LEAST_SPIKES, LEAST_SNR = 50, 3.0  # of a unit whose shape is taken; SNR: trough of the mean in SDs around it
N_VARYING = 3  # principal components in which a unit's spikes differ by more than noise
FAR_HZ = (
    400.0  # spikes/s of each of 30 shapes of the hash: so many that it is nearly normal, as real noise is
)
EDGE = 4  # samples at both ends in which a waveform is brought to zero


@dataclass(frozen=True)
class RealUnit:
    """A sorted unit of a real recording.

    Attributes
    ----------
    time_ms : ndarray
        ``[sample]``, from the trough.
    mean : ndarray
        ``[sample]``, its trough is -1.
    varying : ndarray
        ``[spike, sample]``: by what each of its spikes differs from the mean, without what is noise.
    """

    time_ms: np.ndarray
    mean: np.ndarray
    varying: np.ndarray


def real(seed: int, sources: Sources) -> Truth:
    """Mean waveforms of real units, at the peaks of Utah arrays, over the hash of far ones."""
    return _with_real_units([seed, 12], sources, _mean_shape)


def real_variable(seed: int, sources: Sources) -> Truth:
    """As `real`, and each spike differs from the mean as one of the unit's own does."""
    return _with_real_units([seed, 13], sources, _varying_shape)


def _with_real_units(
    seed: list[int], sources: Sources, shape_of_spike: Callable[..., Callable[[], Waveform]]
) -> Truth:
    rng, real_units = np.random.default_rng(seed), read_units(sources.real)
    peaks = utah_units(rng)
    noise = utah_noise(rng, [_waveform(unit.time_ms, unit.mean) for unit in real_units], FAR_HZ)

    def draw(rng: np.random.Generator) -> Callable[[], Waveform]:
        return shape_of_spike(real_units[rng.integers(len(real_units))], rng)

    return with_units(noise, peaks, rng, Firing((2.0, 20.0)), draw)


def _mean_shape(unit: RealUnit, _: np.random.Generator) -> Callable[[], Waveform]:
    shape = _waveform(unit.time_ms, unit.mean)
    return lambda: shape


def _varying_shape(unit: RealUnit, rng: np.random.Generator) -> Callable[[], Waveform]:
    return lambda: _waveform(unit.time_ms, unit.mean + unit.varying[rng.integers(len(unit.varying))])


def _waveform(time_ms: np.ndarray, wave: np.ndarray) -> Waveform:
    """Return a waveform as a function of the time in ms; zero where it was not recorded."""
    spline = CubicSpline(time_ms, wave)
    return lambda t: np.where((t >= time_ms[0]) & (t <= time_ms[-1]), spline(t), 0.0)


@lru_cache
def read_units(path: Path | None) -> list[RealUnit]:
    """Read the units of a .nev file, or of a folder of such, that have enough spikes and stand out of noise.

    Raises
    ------
    NoSource
        There is no file, or no such unit in it.
    """
    if path is None or not path.exists():
        raise NoSource(f"--real FILE.nev, of a Utah array, is needed; given: {path}")
    files = sorted(path.rglob("*.nev")) if path.is_dir() else [path]
    units = [unit for file in files for unit in _units_of_file(file)]
    if not units:
        raise NoSource(f"no sorted unit of {LEAST_SPIKES} spikes and SNR {LEAST_SNR} in {path}")
    return units


def _units_of_file(file: Path) -> list[RealUnit]:
    reader = BlackrockRawIO(str(file.with_suffix("")))
    reader.parse_header()
    units = []
    for index, channel in enumerate(reader.header["spike_channels"]):
        if channel["name"].rpartition("#")[2] in ("0", "255"):  # neo's 'ch1#0': unsorted; noise
            continue
        waves = np.concatenate(
            [
                reader.get_spike_raw_waveforms(0, segment, index, None, None)[:, 0]
                for segment in range(reader.segment_count(0))
                if reader.spike_count(0, segment, index)
            ]
            or [np.zeros((0, 1))]
        )
        unit = _unit(waves * float(channel["wf_gain"]), float(channel["wf_sampling_rate"]))
        units += [unit] if unit else []
    return units


def _unit(waves: np.ndarray, rate_hz: float) -> RealUnit | None:
    """Make a unit of its waveforms ``[spike, sample]``; None where there are few or they are mostly noise."""
    if len(waves) < LEAST_SPIKES:
        return None
    trough = int(np.argmin(waves.mean(axis=0)))
    aligned, time_ms = _aligned(waves - waves[:, :EDGE].mean(axis=1, keepdims=True), trough, rate_hz)
    if len(aligned) < LEAST_SPIKES:
        return None
    taper = np.ones(len(time_ms))
    taper[:EDGE] = np.sin(np.linspace(0, np.pi / 2, EDGE)) ** 2
    taper[-EDGE:] = taper[:EDGE][::-1]
    mean = np.median(aligned, axis=0) * taper
    size = -mean[np.argmin(np.abs(time_ms))]
    noise_sd = 1.4826 * np.median(np.abs(aligned[:, :EDGE]))
    if size < LEAST_SNR * noise_sd:
        return None
    return RealUnit(time_ms, mean / size, _varying(aligned * taper - mean) / size)


def _aligned(waves: np.ndarray, trough: int, rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Shift each waveform so that its trough lies at time 0; return them and their times in ms."""
    near = waves[:, trough - 3 : trough + 4]
    at = trough - 3 + np.argmin(near, axis=1)
    inside = (at > trough - 3) & (at < trough + 3)
    waves, at = waves[inside], at[inside]
    rows = np.arange(len(waves))
    left, middle, right = waves[rows, at - 1], waves[rows, at], waves[rows, at + 1]
    vertex = at + (left - right) / (2 * np.maximum(left - 2 * middle + right, 1e-9))
    samples = np.arange(3 - trough, waves.shape[1] - trough - 3)
    aligned = [
        CubicSpline(np.arange(waves.shape[1]), wave)(samples + v)
        for wave, v in zip(waves, vertex, strict=True)
    ]
    return np.array(aligned), samples / rate_hz * 1e3


def _varying(rest: np.ndarray) -> np.ndarray:
    """Leave of ``rest [spike, sample]`` the first components, less the variance that noise has in them.

    Noise has in each the variance of the components after them, for which the median of all stands.
    """
    _, sd, axes = np.linalg.svd(rest - rest.mean(axis=0), full_matrices=False)
    variance = sd**2 / len(rest)
    share = np.sqrt(np.clip(1 - np.median(variance) / variance[:N_VARYING], 0, 1))
    return np.asarray(rest @ axes[:N_VARYING].T * share @ axes[:N_VARYING])
