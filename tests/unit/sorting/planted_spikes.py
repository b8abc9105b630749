"""A small array with known spikes: two electrodes with two and one units, one without, one dead."""

from __future__ import annotations

import numpy as np
import pandas as pd
import spikeinterface as si

from evoalign import tables
from evoalign.recordings.tables import CHANNELS
from evoalign.sorting.result import SortingResult
from evoalign.sorting.settings import Sorting
from evoalign.sorting.sort import sort

RATE = 30_000.0
GAIN = 0.25


def wave(width_ms: float, bump: float, rate: float = RATE) -> np.ndarray:
    """Trough of -1 at sample 20 of 60, then a bump."""
    t = (np.arange(60) - 20) / rate * 1000
    return -np.exp(-0.5 * (t / width_ms) ** 2) + bump * np.exp(
        -0.5 * ((t - 3.5 * width_ms) / (2 * width_ms)) ** 2
    )


def train(rng: np.random.Generator, rate_hz: float, duration_s: float) -> np.ndarray:
    gaps = 2e-3 + rng.exponential(1 / rate_hz - 2e-3, int(3 * rate_hz * duration_s))
    times = np.cumsum(gaps)
    return np.round(times[(times > 0.02) & (times < duration_s - 0.02)] * RATE).astype(np.int64)


UNITS = ((0, 120.0, 0.09, 0.5), (0, 75.0, 0.16, 0.2), (1, 90.0, 0.12, 0.35))  # row, µV, width, bump


def make_truth(duration_s: float = 12.0, seed: int = 0) -> tuple[np.ndarray, list[np.ndarray]]:
    """Counts ``[sample, 4 channels]`` and the true samples of the three units; channel 4 is flat."""
    rng = np.random.default_rng(seed)
    n = round(duration_s * RATE)
    voltage = rng.normal(0, 9, (n, 4))
    trains = []
    for row, size, width, bump in UNITS:
        at = train(rng, 20.0, duration_s)
        for sample in at:
            voltage[sample - 20 : sample + 40, row] += size * wave(width, bump)
        trains.append(at)
    voltage[:, 3] = 5.0
    return np.round(voltage / GAIN).astype(np.int16), trains


def make_recording(counts: list[np.ndarray], starts: list[float] | None = None) -> si.NumpyRecording:
    ids = list(range(1, counts[0].shape[1] + 1))
    recording = si.NumpyRecording(counts, RATE, channel_ids=ids, t_starts=starts)
    recording.set_channel_gains(GAIN)
    recording.set_channel_offsets(0.0)
    return recording


def make_channels(n: int, array: str = "") -> pd.DataFrame:
    frame = pd.DataFrame({"channel": np.arange(1, n + 1)}).assign(
        name="",
        kind="neural",
        stream="broadband",
        sampling_rate_hz=RATE,
        gain_uv=GAIN,
        array=array,
        connector="",
        area="V4",
        x_um=np.arange(n) * 400.0,
        y_um=0.0,
    )
    return tables.conform(frame, CHANNELS)


def one_unit(seed: int, duration_s: float, size_uv: float) -> tuple[np.ndarray, np.ndarray]:
    """Voltage ``[sample, 1]``, µV, of a unit in white noise of 9 µV, and its samples."""
    rng = np.random.default_rng(seed)
    voltage = rng.normal(0, 9.0, (round(duration_s * RATE), 1))
    at = train(rng, 20.0, duration_s)
    for sample in at:
        voltage[sample - 20 : sample + 40, 0] += size_uv * wave(0.12, 0.35)
    return voltage, at


def sorted_units(voltage: np.ndarray) -> SortingResult:
    """Sort ``voltage [sample, 1]``, µV: units alone."""
    recording = make_recording([np.round(voltage / GAIN).astype(np.int16)])
    return sort(recording, make_channels(1), Sorting(multiunit=False, online=False), seed=0)
