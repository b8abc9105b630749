"""Voltages of single electrodes: spikes, background and noise, a second at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import signal

PHASES = 8  # sub-sample positions of a spike
BEFORE_MS, AFTER_MS = 0.8, 1.8  # a waveform's extent around its trough
CHUNK_S = 1.0

HASH_HZ = 200.0  # spikes of far cells, all together, on an electrode
HASH_UV = 9.0  # mean of their exponentially distributed sizes
N_FAR = 6  # shapes of far cells
FIELD_UV, FIELD_CORNER_HZ = 30.0, 8.0  # field potential: 1/f above the corner
HUM_UV, HUM_HZ = 3.0, 60.0

PHOTODIODE_HIGH, PHOTODIODE_LOW, PHOTODIODE_NOISE = 12_000.0, 800.0, 60.0  # counts
PHOTODIODE_RISE_S = 1e-3


@dataclass(frozen=True)
class Shape:
    """An extracellular waveform: a trough between a small and a broad positive bump.

    Times in ms from the trough, sizes relative to it.
    """

    trough_ms: float
    bump_ms: float
    bump_delay_ms: float
    bump: float
    early_bump: float

    def __call__(self, time_ms: np.ndarray) -> np.ndarray:
        """Return the waveform at the given times; exactly -1 at time 0."""

        def wave(t: np.ndarray) -> np.ndarray:
            trough = -np.exp(-0.5 * (t / self.trough_ms) ** 2)
            late = self.bump * np.exp(-0.5 * ((t - self.bump_delay_ms) / self.bump_ms) ** 2)
            early = self.early_bump * np.exp(-0.5 * ((t + 3 * self.trough_ms) / self.trough_ms) ** 2)
            return trough + late + early

        taper = signal.windows.tukey(len(time_ms), 0.2)
        return taper * wave(time_ms) / -float(wave(np.zeros(1))[0])


def random_shape(rng: np.random.Generator) -> Shape:
    """Draw a waveform between a narrow and a broad cell's."""
    width = rng.uniform(0.07, 0.16)
    return Shape(
        trough_ms=width,
        bump_ms=rng.uniform(1.8, 2.6) * width,
        bump_delay_ms=rng.uniform(3.0, 4.2) * width,
        bump=rng.uniform(0.2, 0.55),
        early_bump=rng.uniform(0.0, 0.2),
    )


def templates(shapes: list[Shape], sampling_rate_hz: float) -> np.ndarray:
    """Return waveforms at all sub-sample positions, float32 ``[shape, phase, sample]``.

    Phase p holds the waveform of a spike p/8 samples after its sample.
    """
    before = round(BEFORE_MS * 1e-3 * sampling_rate_hz)
    after = round(AFTER_MS * 1e-3 * sampling_rate_hz)
    samples = np.arange(-before, after)
    phases = np.arange(PHASES)[:, None] / PHASES
    times = (samples - phases) * 1000 / sampling_rate_hz
    return np.stack([[shape(t) for t in times] for shape in shapes]).astype(np.float32)


class SimulatedElectrodes:
    """Generates the session's voltages, bounded in memory.

    Parameters
    ----------
    spikes : DataFrame
        True spikes: columns unit, time_s, size (relative to the unit's own).
    units : DataFrame
        Columns unit, channel (from 1), amplitude_uv; rising in unit from 0.
    shapes : list of Shape
        One a unit.
    n_electrodes : int
        Channels 1 .. n.
    duration_s : float
        Length.
    sampling_rate_hz : int
        Of the recording.
    noise_uv : float
        SD of the white noise.
    seed : sequence of int
        Of everything drawn here.
    """

    def __init__(
        self,
        spikes: pd.DataFrame,
        units: pd.DataFrame,
        shapes: list[Shape],
        *,
        n_electrodes: int,
        duration_s: float,
        sampling_rate_hz: int,
        noise_uv: float,
        seed: list[int],
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self._rate = sampling_rate_hz
        self._n = n_electrodes
        self._n_samples = round(duration_s * sampling_rate_hz)
        self._noise_uv = noise_uv
        far = [random_shape(self._rng) for _ in range(N_FAR)]
        self._templates = templates(shapes + far, sampling_rate_hz)
        self._before = round(BEFORE_MS * 1e-3 * sampling_rate_hz)
        unit = spikes["unit"].to_numpy()
        size = units["amplitude_uv"].to_numpy()[unit] * spikes["size"].to_numpy()
        unit_spikes = (spikes["time_s"].to_numpy(), unit, units["channel"].to_numpy()[unit] - 1, size)
        background = self._background(duration_s, len(shapes))
        time, shape, row, size = (np.concatenate(pair) for pair in zip(unit_spikes, background, strict=True))
        order = np.argsort(time, kind="stable")
        position = np.rint(time[order] * sampling_rate_hz * PHASES).astype(np.int64)
        self._sample, self._phase = np.divmod(position, PHASES)
        self._shape, self._row = shape[order], row[order]
        self._size = size[order].astype(np.float32)
        self._gain = self._rng.uniform(0.6, 1.0, n_electrodes).astype(np.float32)  # of the shared field

    def _background(self, duration_s: float, first: int) -> tuple[np.ndarray, ...]:
        """Draw the spikes of far cells: time, shape, electrode, size."""
        n = self._rng.poisson(HASH_HZ * duration_s * self._n)
        return (
            self._rng.uniform(0, duration_s, n),
            first + self._rng.integers(0, N_FAR, n),
            self._rng.integers(0, self._n, n),
            np.minimum(self._rng.exponential(HASH_UV, n), 3 * HASH_UV),
        )

    def chunks(self, gain_uv: float) -> Iterator[np.ndarray]:
        """Yield int16 counts ``[sample, channel]`` of `gain_uv` microvolts, a second each."""
        step = round(CHUNK_S * self._rate)
        pole = np.exp(-2 * np.pi * FIELD_CORNER_HZ / self._rate)
        drive = np.float32(FIELD_UV * np.sqrt(1 - pole**2) / np.sqrt(2))
        filter_b, filter_a = np.array([drive], np.float32), np.array([1, -pole], np.float32)
        state = np.zeros((self._n + 1, 1), np.float32)
        for start in range(0, self._n_samples, step):
            stop = min(start + step, self._n_samples)
            white = self._rng.standard_normal((self._n + 1, stop - start), dtype=np.float32)
            # Own field potential on each electrode from its noise, and one that all share.
            field, state = signal.lfilter(filter_b, filter_a, white, axis=1, zi=state)
            voltage = white[:-1] * np.float32(self._noise_uv)
            voltage += field[:-1]
            time = np.arange(start, stop) / self._rate
            shared = field[-1] + (HUM_UV * np.sin(2 * np.pi * HUM_HZ * time)).astype(np.float32)
            voltage += self._gain[:, None] * shared
            self._add_spikes(voltage, start, stop)
            counts = np.rint(voltage.T / np.float32(gain_uv))
            yield np.clip(counts, -32_000, 32_000).astype(np.int16)

    def _add_spikes(self, voltage: np.ndarray, start: int, stop: int) -> None:
        length = self._templates.shape[2]
        # A spike near a border is added to both chunks; each keeps its own samples.
        first, last = np.searchsorted(self._sample, [start - length, stop + length])
        in_chunk = slice(first, last)
        begin = self._sample[in_chunk] - self._before - start + length
        inside = (begin >= 0) & (begin < stop - start + length)
        begin = begin[inside]
        row = self._row[in_chunk][inside]
        waves = self._templates[self._shape[in_chunk][inside], self._phase[in_chunk][inside]]
        waves = waves * self._size[in_chunk][inside][:, None]
        padded = np.zeros((self._n, stop - start + 2 * length), np.float32)
        index = (row * padded.shape[1] + begin)[:, None] + np.arange(length)
        np.add.at(padded.reshape(-1), index.reshape(-1), waves.reshape(-1))
        voltage += padded[:, length:-length]


def photodiode_chunks(
    onsets: np.ndarray, offsets: np.ndarray, duration_s: float, sampling_rate_hz: int, seed: list[int]
) -> Iterator[np.ndarray]:
    """Yield the photodiode's int16 counts ``[sample, 1]``, a second each.

    Parameters
    ----------
    onsets, offsets : ndarray
        When light really changed, s: the signal starts to move then and is
        through after 1 ms.
    duration_s : float
        Length.
    sampling_rate_hz : int
        Of the channel.
    seed : list of int
        Of its noise.
    """
    rng = np.random.default_rng(seed)
    corners = np.stack([onsets, onsets + PHOTODIODE_RISE_S, offsets, offsets + PHOTODIODE_RISE_S], axis=1)
    levels = np.tile([PHOTODIODE_LOW, PHOTODIODE_HIGH, PHOTODIODE_HIGH, PHOTODIODE_LOW], len(onsets))
    n_samples = round(duration_s * sampling_rate_hz)
    step = round(CHUNK_S * sampling_rate_hz)
    for start in range(0, n_samples, step):
        time = np.arange(start, min(start + step, n_samples)) / sampling_rate_hz
        level = np.interp(time, corners.ravel(), levels, left=PHOTODIODE_LOW, right=PHOTODIODE_LOW)
        noisy = level + rng.normal(0, PHOTODIODE_NOISE, len(time))
        yield np.rint(noisy).astype(np.int16)[:, None]
