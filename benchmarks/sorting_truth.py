"""Seeded ground truth for sorters: arrays of single electrodes with known spikes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import probeinterface
import spikeinterface as si
from spikeinterface.core.generate import generate_single_fake_waveform

from evoalign.simulate import voltages

RATE_HZ = 30_000
GAIN_UV = 0.25
PITCH_UM = 400.0  # of a Utah array
REFRACTORY_S = 2e-3
DRIFT = 0.25  # relative change of a drifting unit's amplitude over the recording


@dataclass(frozen=True)
class Case:
    """One synthetic recording.

    Attributes
    ----------
    n_electrodes, n_units : int
        Units are dealt at random, at most 3 an electrode, some electrodes have none.
    noise_uv : float
        SD of the white noise, over the whole band; hash of far cells comes on top.
    duration_s : float
        Length.
    peaks_uv : tuple of float
        Range of the units' troughs.
    bursting, drifting, synchronous : float
        Shares of units that burst, whose amplitude drifts, and of spikes that
        an electrode's second unit fires within 0.5 ms of the first one's.
    seed : int
        Of everything.
    """

    n_electrodes: int = 32
    n_units: int = 64
    noise_uv: float = 9.0
    duration_s: float = 120.0
    peaks_uv: tuple[float, float] = (55.0, 180.0)
    bursting: float = 0.25
    drifting: float = 0.25
    synchronous: float = 0.05
    seed: int = 0

    @property
    def name(self) -> str:
        """Unique in the benchmark."""
        hard = f"{self.bursting:g}-{self.drifting:g}-{self.synchronous:g}"
        size = f"{self.n_electrodes}x{self.duration_s:g}s-{self.n_units}u"
        return f"{size}-{self.noise_uv:g}uv-{hard}-s{self.seed}"


class _FakeShape:
    """SpikeInterface's single-channel waveform, as a shape of `voltages`."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._seed_facts = {
            "depolarization_ms": rng.uniform(0.09, 0.14),
            "repolarization_ms": rng.uniform(0.5, 0.8),
            "recovery_ms": rng.uniform(1.0, 1.5),
            "positive_amplitude": rng.uniform(0.1, 0.25),
            "smooth_ms": rng.uniform(0.03, 0.07),
        }
        fine = generate_single_fake_waveform(
            sampling_frequency=1_000_000.0,
            ms_before=0.9,
            ms_after=3.0,
            negative_amplitude=-1,
            dtype="float64",
            **self._seed_facts,
        )
        self._wave = fine / -fine.min()
        self._time_ms = (np.arange(len(fine)) - np.argmin(fine)) / 1000

    def __call__(self, time_ms: np.ndarray) -> np.ndarray:
        return np.interp(time_ms, self._time_ms, self._wave, left=0, right=0)


def make_truth(case: Case, folder: Path) -> tuple[si.BaseRecording, si.NumpySorting, pd.DataFrame]:
    """Write (once) and open a case.

    Returns
    -------
    recording : BaseRecording
        Raw voltages, int16, channel ids from 1, one electrode every 400 µm.
    sorting : NumpySorting
        The true spikes.
    units : DataFrame
        unit, channel, amplitude_uv, rate_hz, bursting, drifting.
    """
    rng = np.random.default_rng([case.seed, case.n_electrodes, case.n_units])
    units = _units(case, rng)
    shapes: list[Any] = [  # all are functions of the time
        voltages.random_shape(rng) if rng.random() < 0.5 else _FakeShape(rng) for _ in range(case.n_units)
    ]
    spikes = _spikes(case, units, rng)
    file = folder / f"{case.name}.bin"
    if not file.exists():
        electrodes = voltages.SimulatedElectrodes(
            spikes,
            units,
            shapes,
            n_electrodes=case.n_electrodes,
            duration_s=case.duration_s,
            sampling_rate_hz=RATE_HZ,
            noise_uv=case.noise_uv,
            seed=[case.seed, 1],
        )
        folder.mkdir(parents=True, exist_ok=True)
        with file.with_suffix(".part").open("wb") as stream:
            for chunk in electrodes.chunks(GAIN_UV):
                stream.write(np.ascontiguousarray(chunk).tobytes())
        file.with_suffix(".part").rename(file)
    recording = si.read_binary(
        file,
        sampling_frequency=RATE_HZ,
        dtype="int16",
        num_channels=case.n_electrodes,
        channel_ids=np.arange(1, case.n_electrodes + 1),
        gain_to_uV=GAIN_UV,
        offset_to_uV=0.0,
    )
    recording.set_probe(_probe(case.n_electrodes))
    samples = np.rint(spikes["time_s"].to_numpy() * RATE_HZ).astype(np.int64)
    sorting = si.NumpySorting.from_samples_and_labels([samples], [spikes["unit"].to_numpy()], RATE_HZ)
    return recording, sorting, units


def _units(case: Case, rng: np.random.Generator) -> pd.DataFrame:
    channel = np.sort(rng.permutation(np.repeat(np.arange(1, case.n_electrodes + 1), 3))[: case.n_units])
    return pd.DataFrame(
        {
            "unit": np.arange(case.n_units),
            "channel": channel,
            "amplitude_uv": rng.uniform(*case.peaks_uv, case.n_units),
            "rate_hz": np.exp(rng.uniform(np.log(2), np.log(25), case.n_units)),
            "bursting": rng.random(case.n_units) < case.bursting,
            "drift": np.where(
                rng.random(case.n_units) < case.drifting, DRIFT * rng.choice([-1, 1], case.n_units), 0.0
            ),
        }
    )


def _spikes(case: Case, units: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    trains: dict[int, np.ndarray] = {}
    frames = []
    row: Any
    for row in units.itertuples():
        n = rng.poisson(row.rate_hz * case.duration_s)
        times = np.sort(rng.uniform(0.01, case.duration_s - 0.01, n))
        size = rng.normal(1, 0.03, n)
        leader = trains.get(row.channel)
        if leader is not None and n and len(leader):
            follow = rng.random(n) < case.synchronous
            times[follow] = rng.choice(leader, follow.sum()) + rng.uniform(-5e-4, 5e-4, follow.sum())
        if row.bursting:
            starts = rng.random(n) < 0.25
            extra = starts[:, None] & (np.arange(3) < rng.integers(1, 4, n)[:, None])
            late = times[:, None] + rng.uniform(2.5e-3, 5e-3, (n, 3)).cumsum(axis=1)
            times = np.concatenate([times, late[extra]])
            drop = 0.88 ** np.broadcast_to(np.arange(1, 4), extra.shape)[extra]
            size = np.concatenate([size, drop])
        order = np.argsort(times, kind="stable")
        times, size = times[order], size[order]
        kept = np.concatenate([[True], np.diff(times) >= REFRACTORY_S])
        kept &= (times > 0.01) & (times < case.duration_s - 0.01)
        times, size = times[kept], size[kept]
        size = size * (1 + row.drift * (times / case.duration_s - 0.5) * 2)
        trains[row.channel] = times
        frames.append(pd.DataFrame({"unit": row.unit, "time_s": times, "size": size}))
    return pd.concat(frames).sort_values("time_s", kind="stable", ignore_index=True)


def _probe(n: int) -> probeinterface.Probe:
    side = int(np.ceil(np.sqrt(n)))
    position = np.stack(np.divmod(np.arange(n), side), axis=1) * PITCH_UM
    probe = probeinterface.Probe(ndim=2, si_units="um")
    probe.set_contacts(position, shapes="circle", shape_params={"radius": 7.5})
    probe.set_device_channel_indices(np.arange(n))
    return probe
