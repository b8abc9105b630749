"""All units of a simulated session: the preferred one, and its neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from evoalign import tables
from evoalign.simulate.experiment import Evolved
from evoalign.simulate.settings import Demo
from evoalign.simulate.spiketrains import (
    SORTABLE_UV,
    ceiling_hz,
    driven_rate,
    sort_online,
    spike_train,
    with_bursts,
)
from evoalign.simulate.subject import random_unit
from evoalign.simulate.tables import TRUE_UNITS
from evoalign.simulate.ventral_stream import ModelUnit
from evoalign.simulate.voltages import Shape, random_shape

AMPLITUDES_UV = (60.0, 180.0)
PREFERRED_UV = (145.0, 175.0)  # well isolated: far above its neighbour
BESIDE_PREFERRED_UV = (60.0, 75.0)
APART = 1.35  # ratio of sizes of two units on one electrode, at least
BURSTING, BURST_SHARE = 0.25, (0.1, 0.35)  # share of units that burst; of their spikes that start one
SIZE_SD = 0.05  # variation of a unit's spikes, relative
_IMAGES_AT_ONCE = 64


@dataclass(frozen=True)
class Population:
    """Every unit of a session and its spikes.

    Attributes
    ----------
    units : DataFrame
        `TRUE_UNITS`.
    spikes : DataFrame
        Columns unit, time_s, size (relative to the unit's amplitude), by time.
    online : DataFrame
        `ONLINE_SPIKES`: the spikes as the rig saved them.
    shapes : list of Shape
        Waveform of each unit.
    """

    units: pd.DataFrame
    spikes: pd.DataFrame
    online: pd.DataFrame
    shapes: list[Shape]


def populate(evolved: Evolved, area: str, settings: Demo, preferred_channel: int, seed: int) -> Population:
    """Draw one to three units for every electrode, and the spikes of every unit.

    Parameters
    ----------
    evolved : Evolved
        The finished evolution, with the preferred unit's spikes.
    area : str
        'V1', 'V4' or 'IT': all electrodes are in one area.
    settings : Demo
        Number of electrodes.
    preferred_channel : int
        Electrode of the preferred unit.
    seed : int
        Of the session.
    """
    rng = np.random.default_rng([seed, 5])
    rows: list[dict[str, object]] = []
    models: list[ModelUnit] = []
    for channel in range(1, settings.n_electrodes + 1):
        sizes = _sizes(channel == preferred_channel, rng)
        for rank, size in enumerate(sizes):
            preferred = channel == preferred_channel and rank == 0
            neighbour = random_unit(area, evolved.screen, rng, evolved.subject.unit.tuned)
            models.append(evolved.subject.unit if preferred else neighbour)
            bursts = not preferred and rng.random() < BURSTING
            rows.append(
                {
                    "channel": channel,
                    "online_unit": rank + 1 if size >= SORTABLE_UV else 0,
                    "preferred": preferred,
                    "amplitude_uv": size,
                    "burst_share": rng.uniform(*BURST_SHARE) if bursts else 0.0,
                }
            )
    spikes = _all_spikes(evolved, models, rows, rng)
    units = _describe(models, rows, spikes)
    shapes = [random_shape(rng) for _ in models]
    online = sort_online(spikes, units, evolved.rig.duration_s, np.random.default_rng([seed, 6]))
    return Population(units, spikes, online, shapes)


def _sizes(preferred: bool, rng: np.random.Generator) -> np.ndarray:
    """Draw the amplitudes of an electrode's units, falling, µV."""
    if preferred:
        return np.array([rng.uniform(*PREFERRED_UV), rng.uniform(*BESIDE_PREFERRED_UV)])
    n = int(rng.integers(1, 4))
    while True:
        sizes = np.sort(rng.uniform(*AMPLITUDES_UV, n))[::-1]
        if (sizes[:-1] >= APART * sizes[1:]).all():
            return sizes


def _all_spikes(
    evolved: Evolved, models: list[ModelUnit], rows: list[dict[str, object]], rng: np.random.Generator
) -> pd.DataFrame:
    subject, duration_s = evolved.subject, evolved.rig.duration_s
    onsets = np.array(evolved.rig.onsets)
    matches = _matches(evolved, models)
    unit_spikes = []
    for number, (model, row) in enumerate(zip(models, rows, strict=True)):
        times = subject.spikes
        if not row["preferred"]:
            times = _neighbour(model, onsets, matches[number], duration_s, rng)
        times, sizes = with_bursts(times, float(row["burst_share"]), rng)  # type: ignore[arg-type]
        sizes = sizes * rng.normal(1, SIZE_SD, len(times))
        unit_spikes.append(pd.DataFrame({"unit": number, "time_s": times, "size": sizes}))
    spikes = pd.concat(unit_spikes).query("0.01 < time_s < @duration_s - 0.01")  # whole waveforms only
    return spikes.sort_values(["time_s", "unit"], kind="stable", ignore_index=True)


def _neighbour(
    model: ModelUnit, onsets: np.ndarray, matches: np.ndarray, duration_s: float, rng: np.random.Generator
) -> np.ndarray:
    kernels = np.stack(model.kernels())
    return spike_train(
        lambda times: driven_rate(times, onsets, matches, kernels, model.base_hz),
        ceiling_hz(kernels, model.base_hz),
        0.0,
        duration_s,
        rng,
    )


def _matches(evolved: Evolved, models: list[ModelUnit]) -> np.ndarray:
    """Return T and O of every unit for every presentation, ``[unit, 2, presentation]``."""
    images = evolved.subject.shown
    # Of equal images the last one shown stands for all.
    last = {image.name: place for place, image in enumerate(images)}
    rows = {name: row for row, name in enumerate(last)}
    places = list(last.values())
    matches = np.empty((len(models), 2, len(places)))
    for start in range(0, len(places), _IMAGES_AT_ONCE):
        some = places[start : start + _IMAGES_AT_ONCE]
        statistics = evolved.subject.statistics[some]
        coarse = np.stack([evolved.subject.figures[place] for place in some])
        for row, model in zip(matches, models, strict=True):
            row[0, start : start + len(some)] = model.texture_match(statistics)
            row[1, start : start + len(some)] = model.object_match(coarse)
    return matches[:, :, [rows[image.name] for image in images]]


def _describe(models: list[ModelUnit], rows: list[dict[str, object]], spikes: pd.DataFrame) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    frame["unit"] = np.arange(len(models))
    for name in ("base_hz", "gain_hz"):
        frame[name] = [float(getattr(model, name)) for model in models]
    for name in ("w_texture", "w_object", "latency_ms", "object_latency_ms"):
        frame[name] = [float(getattr(model.tuning, name)) for model in models]
    frame["n_spikes"] = np.bincount(spikes["unit"], minlength=len(models))
    return tables.conform(frame, TRUE_UNITS)
