"""The truth beside a simulated session. Tests read it; no rule of the pipeline may."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from evoalign import tables
from evoalign.simulate.experiment import Evolved
from evoalign.simulate.population import Population
from evoalign.simulate.settings import Demo
from evoalign.simulate.tables import TRUE_PRESENTATIONS, TRUE_UNITS
from evoalign.simulate.ventral_stream import crossover_ms
from evoalign.sorting.tables import SPIKES

CONVERGED_BLOCKS = 2  # at the end of the session
WINDOW_MS = 200


def write_truth(
    folder: Path, area: str, vendor: str, settings: Demo, seed: int, evolved: Evolved, people: Population
) -> None:
    """Write spikes, units and presentations (Parquet), what was planted (JSON) and the preferred images."""
    folder.mkdir(parents=True)
    tables.write(people.spikes[["unit", "time_s"]], SPIKES, folder / "spikes.parquet")
    tables.write(people.units, TRUE_UNITS, folder / "units.parquet")
    tables.write(true_presentations(evolved), TRUE_PRESENTATIONS, folder / "presentations.parquet")
    unit = evolved.subject.unit
    Image.fromarray(unit.preferred_texture).save(folder / "preferred_texture.png", compress_level=6)
    Image.fromarray(unit.preferred_object).save(folder / "preferred_object.png", compress_level=6)
    planted = {
        "area": area,
        "vendor": vendor,
        "seed": seed,
        "settings": settings.model_dump(),
        "preferred_unit": int(people.units.loc[people.units["preferred"], "unit"].iloc[0]),
        "duration_s": evolved.rig.duration_s,
        "log_clock": {"offset_s": evolved.clock.offset_s, "drift_ppm": evolved.clock.drift_ppm},
        **planted_facts(evolved),
    }
    text = json.dumps(planted, indent=1, sort_keys=True, ensure_ascii=False)
    (folder / "truth.json").write_text(text + "\n", encoding="utf-8")


def true_presentations(evolved: Evolved) -> pd.DataFrame:
    """Return `TRUE_PRESENTATIONS`."""
    frame = pd.DataFrame(
        {
            "presentation": np.arange(len(evolved.rig.onsets)),
            "image": [image.name for image in evolved.subject.shown],
            "onset_s": evolved.rig.onsets,
            "offset_s": evolved.rig.offsets,
            "texture_match": evolved.subject.matches[0],
            "object_match": evolved.subject.matches[1],
        }
    )
    return tables.conform(frame, TRUE_PRESENTATIONS)


def planted_facts(evolved: Evolved) -> dict[str, object]:
    """Return the preferred unit's kernels and weights, and the planted crossover.

    The crossover is that of the mean planted rates to the images shown in the
    last two blocks, references left out: it follows from the kernels and from
    what the evolution arrived at.
    """
    unit = evolved.subject.unit
    early, late = unit.kernels()
    means = [_converged(evolved, thread) for thread in (0, 1)]
    rates = [unit.base_hz + t * early[:WINDOW_MS] + o * late[:WINDOW_MS] for t, o in means]
    return {
        "tuned": unit.tuned,
        "base_hz": unit.base_hz,
        "gain_hz": unit.gain_hz,
        "w_texture": unit.tuning.w_texture,
        "w_object": unit.tuning.w_object,
        "latency_ms": unit.tuning.latency_ms,
        "object_latency_ms": unit.tuning.object_latency_ms,
        "kernel_texture_hz": early.tolist(),
        "kernel_object_hz": late.tolist(),
        "converged_matches": {f"thread{i}": {"texture": t, "object": o} for i, (t, o) in enumerate(means)},
        "converged_rates_hz": {f"thread{i}": rate.tolist() for i, rate in enumerate(rates)},
        "crossover_ms": crossover_ms(*rates),
    }


def _converged(evolved: Evolved, thread: int) -> tuple[float, float]:
    """Return the mean T and O of a thread's images in the last two blocks."""
    images = evolved.subject.shown
    first_block = max(image.block for image in images) - CONVERGED_BLOCKS
    rows = [
        i for i, s in enumerate(images) if s.thread == thread and not s.reference and s.block > first_block
    ]
    texture, figure = evolved.subject.matches[:, rows].mean(axis=1)
    return float(texture), float(figure)
