"""Kinds of ground truth for sorters whose whole recordings a generator makes.

`ours` is that of `sorting_truth`, `hum` the same with mains hum; `generator`, `loud_generator` and
`faint_generator` are SpikeInterface's own (`generate_ground_truth_recording`, contacts 400 µm apart), at
three noises; `mearec` and `loud_mearec` are MEArec's, from files that `sorting_mearec.py` makes in an
environment of its own.
"""

from __future__ import annotations

import numpy as np
import spikeinterface as si
from spikeinterface.core.generate import generate_ground_truth_recording, generate_templates

from sorting_drawn import DURATION_S, N_ELECTRODES, NoSource, Sources, Truth, recorded
from sorting_truth import GAIN_UV, RATE_HZ, Case, _probe, make_truth


def ours(seed: int, sources: Sources) -> Truth:
    """Our own generator, at 9 µV."""
    case = Case(N_ELECTRODES, 2 * N_ELECTRODES, 9.0, DURATION_S, seed=seed)
    return make_truth(case, sources.folder)[:2]


def hum(seed: int, sources: Sources) -> Truth:
    """`ours` with 300 µV of 50 Hz on every electrode, each at a phase of its own."""
    recording, sorting = ours(seed, sources)
    samples = np.arange(recording.get_num_samples())[:, None] / RATE_HZ
    phase = np.random.default_rng(seed).uniform(0, 0.5, recording.get_num_channels())
    added = 300 / GAIN_UV * np.sin(2 * np.pi * 50 * samples + phase)
    return recorded(recording.get_traces() + np.rint(added).astype(np.int16)), sorting


def generator(seed: int, _: Sources, noise_uv: float = 5.0) -> Truth:
    """SpikeInterface's generator at its own noise; two cells a contact, within 20 µm, 5 to 40 µm deep."""
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


def loud_generator(seed: int, sources: Sources) -> Truth:
    """`generator` at three times the noise."""
    return generator(seed, sources, noise_uv=15.0)


def faint_generator(seed: int, sources: Sources) -> Truth:
    """`generator` at more than five times the noise, in which most of its cells drown."""
    return generator(seed, sources, noise_uv=27.0)


def mearec(seed: int, sources: Sources, noise_uv: float = 15.0) -> Truth:
    """MEArec's cell models, two at each contact, troughs of 50 to 300 µV."""
    file = sources.folder / f"mearec-{noise_uv:g}uv-s{seed}.npz"
    if not file.exists():
        raise NoSource(f"{file} is needed: sorting_mearec.py makes it, and says how")
    made = np.load(file)
    sorting = si.NumpySorting.from_samples_and_labels([made["samples"]], [made["labels"]], float(RATE_HZ))
    return recorded(made["counts"]), sorting


def loud_mearec(seed: int, sources: Sources) -> Truth:
    """The cells and spikes of `mearec`, at 20 µV."""
    return mearec(seed, sources, noise_uv=20.0)
