"""Ground truth of several generators, for sorters: what holds on one need not hold on another.

    python benchmarks/sorting_kinds.py                       # our sorter on every kind, three seeds each
    python benchmarks/sorting_kinds.py --kinds generator --seeds 0 1 --sorters electrode chain tridesclous2

Every kind is a recording of electrodes that do not share cells, and its true spikes. `ours` is that of
`sorting_truth`; `generator` is SpikeInterface's own (`generate_ground_truth_recording`, contacts 400 µm
apart), at two noises; `classical` follows the recipe of the sets that single-electrode sorters are
commonly tried on (Quian Quiroga et al. 2004: three shapes an electrode, other shapes at low amplitude
as background, noise relative to the trough); `utah` draws peaks as Utah arrays have them, most of them
small; `variable` lets each spike's size and width vary; `hum` adds mains hum to `ours`; `inverted`,
`bursting`, `rare` and `six` have positive spikes, bursts, units of 0.2 Hz, six units an electrode.
`chain` is what twenty lines give: band-pass, threshold, five principal components, isosplit6.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import spikeinterface as si
from isosplit6 import isosplit6
from scipy import signal
from spikeinterface.comparison import compare_sorter_to_ground_truth
from spikeinterface.core.generate import generate_ground_truth_recording, generate_templates

from evoalign.simulate import voltages
from sorting import WELL, sort_with
from sorting_truth import GAIN_UV, RATE_HZ, Case, _FakeShape, _probe, make_truth

Truth = tuple[si.BaseRecording, si.BaseSorting]
Rates = tuple[float, float] | tuple[tuple[float, float], ...]  # of all units, or of units in turn
N_ELECTRODES, DURATION_S = 16, 60.0
UTAH_NOISE_UV, UTAH_QUARTILES_UV = 10.0, (42.0, 52.0, 66.0)  # of the troughs of hand-sorted units
CLASSICAL_TROUGH_UV = 100.0
BEFORE_S, AFTER_S = 1e-3, 2.5e-3


def ours(seed: int, folder: Path) -> Truth:
    """Our own generator, at 9 µV."""
    case = Case(N_ELECTRODES, 2 * N_ELECTRODES, 9.0, DURATION_S, seed=seed)
    return make_truth(case, folder)[:2]


def hum(seed: int, folder: Path) -> Truth:
    """`ours` with 300 µV of 50 Hz on every electrode, each at a phase of its own."""
    recording, sorting = ours(seed, folder)
    samples = np.arange(recording.get_num_samples())[:, None] / RATE_HZ
    phase = np.random.default_rng(seed).uniform(0, 0.5, recording.get_num_channels())
    added = 300 / GAIN_UV * np.sin(2 * np.pi * 50 * samples + phase)
    return _recorded(recording.get_traces() + np.rint(added).astype(np.int16), GAIN_UV), sorting


def generator(seed: int, _: Path, noise_uv: float = 9.0) -> Truth:
    """SpikeInterface's generator: two cells within 20 µm (x, y) of each electrode, 5 to 40 µm deep."""
    rng = np.random.default_rng([seed, 1])
    probe = _probe(N_ELECTRODES)
    beside = np.repeat(probe.contact_positions, 2, axis=0)
    cells = np.column_stack([beside + rng.uniform(-20, 20, beside.shape), rng.uniform(5, 40, len(beside))])
    templates = generate_templates(probe.contact_positions, cells, float(RATE_HZ), 1.0, 3.0, seed=seed)
    recording, sorting = generate_ground_truth_recording(
        durations=[DURATION_S],
        sampling_frequency=float(RATE_HZ),
        num_channels=N_ELECTRODES,
        num_units=len(cells),
        probe=probe,
        templates=templates.astype(np.float32),
        generate_sorting_kwargs={
            "firing_rates": rng.uniform(2, 20, len(cells)).tolist(),
            "refractory_period_ms": 2.0,
        },
        noise_kwargs={"noise_levels": noise_uv, "strategy": "on_the_fly"},
        seed=seed,
    )
    # Made as it is read, it can be read no more once what its `select_segments` gave is gone (0.105.3).
    return recording.save(format="memory", n_jobs=1, progress_bar=False, verbose=False), sorting


def loud_generator(seed: int, _: Path) -> Truth:
    """`generator` at three times the noise."""
    return generator(seed, _, noise_uv=27.0)


def classical(seed: int, _: Path) -> Truth:
    """Three shapes an electrode; noise of 5, 10, 15 and 20 % of the trough, each on a quarter of them."""
    rng = np.random.default_rng([seed, 2])
    level = np.array([0.05, 0.10, 0.15, 0.20])[np.arange(N_ELECTRODES) % 4] * CLASSICAL_TROUGH_UV
    units = [(row, CLASSICAL_TROUGH_UV * rng.uniform(0.9, 1.1)) for row in range(N_ELECTRODES) for _ in "abc"]
    voltage = np.stack([_background(rng, sd) for sd in level], axis=1)
    return _with_units(voltage, units, rng, rates=(15.0, 25.0))


def utah(seed: int, _: Path, variable: bool = False) -> Truth:
    """One or two cells an electrode, most of them small, over the hash of far ones."""
    rng = np.random.default_rng([seed, 3])
    peaks = np.exp(rng.normal(np.log(UTAH_QUARTILES_UV[1]), np.log(66 / 42) / 1.349, 2 * N_ELECTRODES))
    units = [(i // 2, peak) for i, peak in enumerate(peaks) if i % 2 == 0 or rng.random() < 0.5]
    voltage = np.stack([_background(rng, UTAH_NOISE_UV) for _ in range(N_ELECTRODES)], axis=1)
    return _with_units(voltage, units, rng, rates=(2.0, 20.0), variable=variable)


def variable(seed: int, _: Path) -> Truth:
    """Large units whose spikes vary in size (10 %) and width (8 %)."""
    rng = np.random.default_rng([seed, 4])
    units = [(i // 2, rng.uniform(70, 160)) for i in range(2 * N_ELECTRODES)]
    voltage = np.stack([_background(rng, UTAH_NOISE_UV) for _ in range(N_ELECTRODES)], axis=1)
    return _with_units(voltage, units, rng, rates=(2.0, 20.0), variable=True)


def inverted(seed: int, _: Path) -> Truth:
    """Large units, every second one of which has a positive peak where the others have their trough."""
    return _stress([seed, 5], rates=(2.0, 20.0), signs=(-1.0, 1.0))


def bursting(seed: int, _: Path) -> Truth:
    """Large units; a third of their spikes start bursts, in which each is 0.6 the size of the one before."""
    return _stress([seed, 6], rates=(2.0, 10.0), burst_decay=0.6)


def rare(seed: int, _: Path) -> Truth:
    """Large units of 0.2 spikes a second, beside one of 10."""
    return _stress([seed, 7], rates=((0.2, 0.2), (10.0, 10.0)))


def six(seed: int, _: Path) -> Truth:
    """Six units on every electrode."""
    return _stress([seed, 8], rates=(2.0, 10.0), n_units=6)


MAIN_KINDS = (ours, hum, generator, loud_generator, classical, utah, variable)
STRESS_KINDS = (inverted, bursting, rare, six)
KINDS: dict[str, Callable[[int, Path], Truth]] = {
    kind.__name__: kind for kinds in (MAIN_KINDS, STRESS_KINDS) for kind in kinds
}


def _background(rng: np.random.Generator, sd_uv: float) -> np.ndarray:
    """Many small spikes of random shapes, with SD `sd_uv` in all, as the recipe makes noise ``[sample]``."""
    n = round(DURATION_S * RATE_HZ)
    total = rng.normal(0, 0.5, n)
    time_ms = np.arange(-BEFORE_S, AFTER_S, 1 / RATE_HZ) * 1e3
    for _ in range(30):
        wave = _FakeShape(rng)(time_ms)
        at = rng.integers(0, n, round(40 * DURATION_S))
        spikes = rng.exponential(1.0, len(at))[:, None] * wave
        samples = at[:, None] + np.arange(len(wave))
        total += np.bincount(samples.ravel(), spikes.ravel(), n + len(wave))[:n]
    return np.asarray(sd_uv * (total - total.mean()) / total.std())


def _stress(seed: list[int], rates: Rates, n_units: int = 2, **firing: object) -> Truth:
    """`n_units` cells an electrode, troughs of 70 to 160 µV, over the hash of far ones."""
    rng = np.random.default_rng(seed)
    units = [(i // n_units, rng.uniform(70, 160)) for i in range(n_units * N_ELECTRODES)]
    voltage = np.stack([_background(rng, UTAH_NOISE_UV) for _ in range(N_ELECTRODES)], axis=1)
    return _with_units(voltage, units, rng, rates, **firing)  # type: ignore[arg-type]


def _with_units(
    voltage: np.ndarray,
    units: list[tuple[int, float]],
    rng: np.random.Generator,
    rates: Rates,
    variable: bool = False,
    signs: tuple[float, ...] = (1.0,),
    burst_decay: float = 0.0,
) -> Truth:
    """Add units ``(electrode, trough in µV)`` to ``voltage [sample, electrode]``; return both.

    Units take turns with `signs`, and with `rates` where these are pairs of bounds, spikes/s.
    """
    n = len(voltage)
    fine_ms = np.arange(-BEFORE_S, AFTER_S, 1 / RATE_HZ) * 1e3
    before = round(BEFORE_S * RATE_HZ)
    samples, labels = [], []
    for label, (row, trough) in enumerate(units):
        shape = voltages.random_shape(rng) if rng.random() < 0.5 else _FakeShape(rng)
        bounds = rates[label % len(rates)] if isinstance(rates[0], tuple) else rates
        gaps = 2e-3 + rng.exponential(1 / rng.uniform(*bounds), round(3 * bounds[1] * DURATION_S))
        times, first_sizes = np.cumsum(gaps), np.ones(len(gaps))
        if burst_decay:
            times, first_sizes = _with_bursts(times, burst_decay, rng)
        at = np.rint(times * RATE_HZ).astype(np.int64)
        inside = (at > before) & (at < n - len(fine_ms))
        at, first_sizes = at[inside], first_sizes[inside]
        widths = np.exp(rng.normal(0, 0.08, len(at))) if variable else np.ones(len(at))
        sizes = rng.normal(1, 0.10 if variable else 0.03, len(at)) * first_sizes * signs[label % len(signs)]
        jitter_ms = rng.uniform(-0.5, 0.5, len(at)) * 1e3 / RATE_HZ
        for sample, width, size, late in zip(at, widths, sizes, jitter_ms, strict=True):
            stop = sample - before + len(fine_ms)
            voltage[sample - before : stop, row] += trough * size * shape((fine_ms - late) / width)
        samples.append(at)
        labels.append(np.full(len(at), label))
    sorting = si.NumpySorting.from_samples_and_labels(
        [np.concatenate(samples)], [np.concatenate(labels)], RATE_HZ
    )
    return _recorded(np.rint(voltage / GAIN_UV).astype(np.int16), GAIN_UV), sorting


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


def _recorded(counts: np.ndarray, gain_uv: float) -> si.BaseRecording:
    recording = si.NumpyRecording([counts], float(RATE_HZ), channel_ids=np.arange(1, counts.shape[1] + 1))
    recording.set_channel_gains(gain_uv)
    recording.set_channel_offsets(0.0)
    recording.set_probe(_probe(counts.shape[1]))
    return recording


def chain(recording: si.BaseRecording, least_spikes: int = 30) -> si.BaseSorting:
    """300 to 6,000 Hz, troughs beyond 4.5 noise SDs, five principal components, isosplit6: no matching."""
    band = signal.butter(3, (300.0, 6000.0), "bandpass", fs=RATE_HZ, output="sos")
    voltage = signal.sosfiltfilt(band, recording.get_traces(return_in_uV=True), axis=0)
    samples, labels = [], []
    for row, trace in enumerate(voltage.T):
        noise_sd = 1.4826 * np.median(np.abs(trace))
        troughs = signal.find_peaks(-trace, height=4.5 * noise_sd, distance=round(0.5e-3 * RATE_HZ))[0]
        window = np.arange(-round(0.7e-3 * RATE_HZ), round(1.1e-3 * RATE_HZ))
        troughs = troughs[(troughs > -window[0]) & (troughs < len(trace) - window[-1])]
        waves = trace[troughs[:, None] + window]
        waves = waves - waves.mean(axis=0)
        _, axes = np.linalg.eigh(waves.T @ waves)
        cluster = isosplit6(np.ascontiguousarray(waves @ axes[:, -5:]))
        for name, n_spikes in zip(*np.unique(cluster, return_counts=True), strict=True):
            if n_spikes >= least_spikes:
                samples.append(troughs[cluster == name])
                labels.append(np.full(n_spikes, 1000 * row + name))
    return si.NumpySorting.from_samples_and_labels(
        [np.concatenate(samples)], [np.concatenate(labels)], RATE_HZ
    )


def judge(truth: si.BaseSorting, found: si.BaseSorting) -> dict[str, object]:
    compared = compare_sorter_to_ground_truth(truth, found, exhaustive_gt=True, delta_time=0.4)
    accuracy = compared.get_performance()["accuracy"].astype(float)
    return {
        "accuracy": round(accuracy.mean(), 4),
        "found": f"{int((accuracy > WELL).sum())}/{len(accuracy)}",
        "false_units": len(compared.get_false_positive_units()) + len(compared.get_redundant_units()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--sorters", nargs="+", default=["electrode"])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("benchmarks/data"))
    args = parser.parse_args()
    rows = []
    for kind in args.kinds:
        for seed in args.seeds:
            recording, truth = KINDS[kind](seed, args.folder)
            for sorter in args.sorters:
                start = time.process_time()
                found = (
                    chain(recording)
                    if sorter == "chain"
                    else sort_with(recording, sorter, "per-electrode", args.jobs)
                )
                row = {"kind": kind, "seed": seed, "sorter": sorter, **judge(truth, found)}
                rows.append(row | {"cpu_s": round(time.process_time() - start, 1)})
                print(*rows[-1].values(), flush=True)
    print("\n" + pd.DataFrame(rows).to_markdown(index=False))


if __name__ == "__main__":
    main()
