"""Kinds of ground truth for sorters that are drawn spike by spike: shapes, sizes, hash and stress are ours.

`classical` follows the recipe of the sets that single-electrode sorters are commonly tried on (Quian
Quiroga et al. 2004: three shapes an electrode, other shapes at low amplitude as background, noise
relative to the trough); `utah` draws peaks as Utah arrays have them, most of them small; `variable`
lets each spike's size and width vary. The others stress a sorter: `inverted`, `bursting`, `rare` and `six`
have positive spikes, bursts, units of 0.2 Hz, six units an electrode; `drift` lets sizes change over
20 min; `rate_20` and `rate_40` are sampled at 20 and 40 kHz; `coarse` and `fine` have gains of 1 and 0.1 µV.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import spikeinterface as si
from scipy import signal

from evoalign.simulate import voltages
from sorting_truth import GAIN_UV, RATE_HZ, _FakeShape, _probe

Truth = tuple[si.BaseRecording, si.BaseSorting]
Waveform = Callable[[np.ndarray], np.ndarray]  # relative to its trough, of times in ms
N_ELECTRODES, DURATION_S = 16, 60.0
UTAH_NOISE_UV, UTAH_QUARTILES_UV = 10.0, (42.0, 52.0, 66.0)  # of the troughs of hand-sorted units
CLASSICAL_TROUGH_UV = 100.0
BEFORE_S, AFTER_S = 1e-3, 2.5e-3
N_FAR_SHAPES, FAR_HZ = 30, 40.0  # of the hash of an electrode, and spikes/s of each shape


class NoSource(Exception):
    """The file that a kind of truth is made of is not there."""


@dataclass(frozen=True)
class Sources:
    """Where kinds of truth are found that are not drawn on the spot.

    Attributes
    ----------
    folder : Path
        Files that a benchmark makes once.
    real : Path, optional
        A .nev file of a Utah array, or a folder of such.
    """

    folder: Path
    real: Path | None = None


@dataclass(frozen=True)
class Firing:
    """How units fire, and how their spikes differ from one another.

    Attributes
    ----------
    rates : tuple of float, or of pairs
        Bounds of the rate of all units, spikes/s, or of units in turn.
    size_sd, width_sd : float
        Of spikes relative to their unit's.
    signs : tuple of float
        Of units in turn.
    burst_decay : float
        A third of the spikes start bursts, in which each is this times as large as the one before; 0: none.
    drift : float
        Units in turn grow or shrink by this share from start to end.
    """

    rates: tuple[float, float] | tuple[tuple[float, float], ...]
    size_sd: float = 0.03
    width_sd: float = 0.0
    signs: tuple[float, ...] = (1.0,)
    burst_decay: float = 0.0
    drift: float = 0.0


VARIABLE = Firing((2.0, 20.0), size_sd=0.10, width_sd=0.08)


@dataclass(frozen=True)
class Layout:
    """Size of a recording, and how it is digitised."""

    n_electrodes: int = N_ELECTRODES
    duration_s: float = DURATION_S
    rate_hz: float = RATE_HZ
    gain_uv: float = GAIN_UV

    @property
    def n_samples(self) -> int:
        """Samples of a channel."""
        return round(self.duration_s * self.rate_hz)

    @property
    def time_ms(self) -> np.ndarray:
        """Samples of a waveform, ms from its trough."""
        return np.arange(-BEFORE_S, AFTER_S, 1 / self.rate_hz) * 1e3


LAYOUT = Layout()


def classical(seed: int, _: Sources) -> Truth:
    """Three shapes an electrode; noise of 5, 10, 15 and 20 % of the trough, each on a quarter of them."""
    rng, layout = np.random.default_rng([seed, 2]), Layout(rate_hz=24_000.0)
    level = np.array([0.05, 0.10, 0.15, 0.20])[np.arange(N_ELECTRODES) % 4] * CLASSICAL_TROUGH_UV
    units = [(row, CLASSICAL_TROUGH_UV * rng.uniform(0.9, 1.1)) for row in range(N_ELECTRODES) for _ in "abc"]
    far_hz = 0.5 * layout.rate_hz / N_FAR_SHAPES  # the recipe: a far spike at half of the samples
    voltage = np.stack([hash_of_far_cells(rng, sd, layout, far_hz=far_hz) for sd in level], axis=1)
    return with_units(voltage, units, rng, Firing((15.0, 25.0)), layout=layout)


def utah_units(rng: np.random.Generator) -> list[tuple[int, float]]:
    """One or two cells an electrode, most of them small: electrode and trough in µV of each."""
    quartiles = UTAH_QUARTILES_UV
    spread = np.log(quartiles[2] / quartiles[0]) / 1.349
    peaks = np.exp(rng.normal(np.log(quartiles[1]), spread, 2 * N_ELECTRODES))
    return [(i // 2, peak) for i, peak in enumerate(peaks) if i % 2 == 0 or rng.random() < 0.5]


def utah(seed: int, _: Sources) -> Truth:
    """One or two cells an electrode, most of them small, over the hash of far ones."""
    rng = np.random.default_rng([seed, 3])
    units = utah_units(rng)
    return with_units(utah_noise(rng), units, rng, Firing((2.0, 20.0)))


def variable(seed: int, _: Sources) -> Truth:
    """Large units whose spikes vary in size (10 %) and width (8 %)."""
    return _stress([seed, 4], VARIABLE)


def inverted(seed: int, _: Sources) -> Truth:
    """Large units, every second one of which has a positive peak where the others have their trough."""
    return _stress([seed, 5], Firing((2.0, 20.0), signs=(-1.0, 1.0)))


def bursting(seed: int, _: Sources) -> Truth:
    """Large units; a third of their spikes start bursts, in which each is 0.6 the size of the one before."""
    return _stress([seed, 6], Firing((2.0, 10.0), burst_decay=0.6))


def rare(seed: int, _: Sources) -> Truth:
    """Large units of 0.2 spikes a second, beside one of 10."""
    return _stress([seed, 7], Firing(((0.2, 0.2), (10.0, 10.0))))


def six(seed: int, _: Sources) -> Truth:
    """Six units on every electrode."""
    return _stress([seed, 8], Firing((2.0, 10.0)), n_units=6)


def drift(seed: int, _: Sources) -> Truth:
    """Large units on four electrodes, which grow or shrink by half within 20 min."""
    layout = Layout(n_electrodes=4, duration_s=1200.0)
    return _stress([seed, 9], Firing((2.0, 10.0), drift=0.5), layout=layout)


def rate_20(seed: int, _: Sources) -> Truth:
    """Large units, sampled at 20 kHz."""
    return _stress([seed, 10], Firing((2.0, 20.0)), layout=Layout(rate_hz=20_000.0))


def rate_40(seed: int, _: Sources) -> Truth:
    """Large units, sampled at 40 kHz."""
    return _stress([seed, 10], Firing((2.0, 20.0)), layout=Layout(rate_hz=40_000.0))


def coarse(seed: int, _: Sources) -> Truth:
    """Large units, a count of which is 1 µV."""
    return _stress([seed, 11], Firing((2.0, 20.0)), layout=Layout(gain_uv=1.0))


def fine(seed: int, _: Sources) -> Truth:
    """The same voltages as `coarse`, a count of which is 0.1 µV."""
    return _stress([seed, 11], Firing((2.0, 20.0)), layout=Layout(gain_uv=0.1))


def utah_noise(
    rng: np.random.Generator, shapes: list[Waveform] | None = None, far_hz: float = FAR_HZ
) -> np.ndarray:
    """Hash of 10 µV on every electrode ``[sample, electrode]``, of `shapes` where they are given."""
    hashes = [hash_of_far_cells(rng, UTAH_NOISE_UV, LAYOUT, shapes, far_hz) for _ in range(N_ELECTRODES)]
    return np.stack(hashes, axis=1)


def hash_of_far_cells(
    rng: np.random.Generator,
    sd_uv: float,
    layout: Layout = LAYOUT,
    shapes: list[Waveform] | None = None,
    far_hz: float = FAR_HZ,
) -> np.ndarray:
    """Many small spikes of random shapes, with SD `sd_uv` in all, as the recipe makes noise ``[sample]``."""
    n = layout.n_samples
    total = rng.normal(0, 0.5 * np.sqrt(far_hz / FAR_HZ), n)
    for _ in range(N_FAR_SHAPES):
        wave = (_FakeShape(rng) if shapes is None else shapes[rng.integers(len(shapes))])(layout.time_ms)
        at = rng.integers(0, n, round(far_hz * layout.duration_s))
        sizes = np.bincount(at, rng.exponential(1.0, len(at)), n)
        total += signal.oaconvolve(sizes, wave)[:n]
    return np.asarray(sd_uv * (total - total.mean()) / total.std())


def _stress(seed: list[int], firing: Firing, n_units: int = 2, layout: Layout = LAYOUT) -> Truth:
    """`n_units` cells an electrode, troughs of 70 to 160 µV, over the hash of far ones."""
    rng = np.random.default_rng(seed)
    units = [(i // n_units, rng.uniform(70, 160)) for i in range(n_units * layout.n_electrodes)]
    noise = [hash_of_far_cells(rng, UTAH_NOISE_UV, layout) for _ in range(layout.n_electrodes)]
    return with_units(np.stack(noise, axis=1), units, rng, firing, layout=layout)


def with_units(
    voltage: np.ndarray,
    units: list[tuple[int, float]],
    rng: np.random.Generator,
    firing: Firing,
    draw_shape: Callable[[np.random.Generator], Callable[[], Waveform]] | None = None,
    layout: Layout = LAYOUT,
) -> Truth:
    """Add units ``(electrode, trough in µV)`` to ``voltage [sample, electrode]``; return both.

    `draw_shape` gives for each unit a function that gives the shape of each of its spikes.
    """
    time_ms, before = layout.time_ms, round(BEFORE_S * layout.rate_hz)
    samples, labels = [], []
    for label, (row, trough) in enumerate(units):
        shape_of_spike = (draw_shape or _constant_shape)(rng)
        at, sizes = _spikes(label, firing, rng, layout)
        widths = np.exp(rng.normal(0, firing.width_sd, len(at))) if firing.width_sd else np.ones(len(at))
        sizes = sizes * rng.normal(1, firing.size_sd, len(at)) * firing.signs[label % len(firing.signs)]
        jitter_ms = rng.uniform(-0.5, 0.5, len(at)) * 1e3 / layout.rate_hz
        for sample, width, size, late in zip(at, widths, sizes, jitter_ms, strict=True):
            stop = sample - before + len(time_ms)
            voltage[sample - before : stop, row] += trough * size * shape_of_spike()((time_ms - late) / width)
        samples.append(at)
        labels.append(np.full(len(at), label))
    sorting = si.NumpySorting.from_samples_and_labels(
        [np.concatenate(samples)], [np.concatenate(labels)], layout.rate_hz
    )
    return recorded(np.rint(voltage / layout.gain_uv).astype(np.int16), layout), sorting


def _constant_shape(rng: np.random.Generator) -> Callable[[], Waveform]:
    shape: Waveform = voltages.random_shape(rng) if rng.random() < 0.5 else _FakeShape(rng)
    return lambda: shape


def _spikes(
    label: int, firing: Firing, rng: np.random.Generator, layout: Layout
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a unit's spikes: sample of each trough, and size relative to the unit's ``[spike]``."""
    rates = firing.rates
    low, high = rates[label % len(rates)] if isinstance(rates[0], tuple) else rates
    gaps = 2e-3 + rng.exponential(1 / rng.uniform(low, high), round(3 * high * layout.duration_s))
    times, sizes = np.cumsum(gaps), np.ones(len(gaps))
    if firing.burst_decay:
        times, sizes = _with_bursts(times, firing.burst_decay, rng)
    at = np.rint(times * layout.rate_hz).astype(np.int64)
    inside = (at > round(BEFORE_S * layout.rate_hz)) & (at < layout.n_samples - len(layout.time_ms))
    grown = firing.drift * (-1) ** label * (times[inside] / layout.duration_s - 0.5)
    return at[inside], sizes[inside] * (1 + grown)


def _with_bursts(
    times_s: np.ndarray, decay: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Let a third of the spikes start bursts of two to four; return times and relative sizes."""
    followers = np.where(rng.random(len(times_s)) < 1 / 3, rng.integers(1, 4, len(times_s)), 0)
    place = np.arange(4)
    gaps = np.cumsum(rng.uniform(2.5e-3, 5e-3, (len(times_s), 4)), axis=1) * (place > 0)
    taken = place <= followers[:, None]
    times, sizes = (times_s[:, None] + gaps)[taken], np.broadcast_to(decay**place, taken.shape)[taken]
    order = np.argsort(times)
    times, sizes = times[order], sizes[order]
    kept = np.diff(times, prepend=-1.0) >= 2e-3
    return times[kept], sizes[kept]


def recorded(counts: np.ndarray, layout: Layout = LAYOUT) -> si.BaseRecording:
    """Make a recording of ``counts [sample, electrode]``, channel ids from 1."""
    channel_ids = np.arange(1, counts.shape[1] + 1)
    recording = si.NumpyRecording([counts], float(layout.rate_hz), channel_ids=channel_ids)
    recording.set_channel_gains(layout.gain_uv)
    recording.set_channel_offsets(0.0)
    recording.set_probe(_probe(counts.shape[1]))
    return recording
