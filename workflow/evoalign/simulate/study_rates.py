"""Planted firing rates of the simulated study: the truth that the analysis should find."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evoalign.simulate.study_design import ExperimentDesign

Floats = NDArray[np.float64]

# (first ms, last ms, effect): texture minus object over their mean. docs/methods.md section 4, expected.
EFFECTS = {
    "V1": ((40, 110, 0.5),),
    "V4": ((50, 110, 0.5),),
    "IT": ((50, 90, 0.5), (110, 200, -0.5)),
}
LATENCY_MS = {"V1": 40.0, "V4": 48.0, "IT": 55.0}
# Blocks to 63 % of the rise, of the texture and the object thread.
TIME_CONSTANTS = {"V1": (3.0, 3.0), "V4": (3.0, 5.0), "IT": (4.0, 6.0)}
START_GAIN = 0.35  # of founders, as a share of the full response
IMAGE_SD = 0.3  # of log response over images of a block


@dataclass(frozen=True)
class Truth:
    """Expected responses of one experiment's preferred unit.

    Attributes
    ----------
    rates : numpy.ndarray, float64 [thread, block, ms]
        Mean over images of a block, spikes/s, without smoothing.
    reference : numpy.ndarray, float64 [ms]
        The same for natural references.
    baseline : float
        Spikes/s, part of the rates.
    start_ms : int
        Left edge of the first ms.
    """

    rates: Floats
    reference: Floats
    baseline: float
    start_ms: int


def effect(area: str, time_ms: ArrayLike) -> Floats:
    """Planted effect at each time: (texture - object) / mean of the two, [ms]."""
    time = np.asarray(time_ms, dtype=np.float64)
    size_at = np.zeros_like(time)
    for first, last, size in EFFECTS[area]:
        size_at[(time >= first) & (time < last)] = size
    return size_at


def draw_truth(design: ExperimentDesign, start_ms: int, stop_ms: int, null: bool = False) -> Truth:
    """Draw the expected responses of an experiment.

    Parameters
    ----------
    design : ExperimentDesign
        Its seed decides baseline, strength and decay.
    start_ms, stop_ms : int
        Range of the rates, from image onset.
    null : bool
        Plant no difference between the threads: both have one law, and rise
        together or not at all.
    """
    rng = np.random.default_rng([design.seed, 1])
    span = (start_ms, stop_ms)
    return rates_of(design.area, design.n_blocks, span, rng, rises=design.rises, null=null)


def rates_of(
    area: str,
    n_blocks: int,
    span_ms: tuple[int, int],
    rng: np.random.Generator,
    *,
    rises: tuple[bool, bool] = (True, True),
    null: bool = False,
) -> Truth:
    """Draw baseline, strength and decay of a unit, and its rates in both threads.

    Parameters
    ----------
    area : {'V1', 'V4', 'IT'}
    n_blocks : int
    span_ms : tuple of int
        Range of the rates, from image onset.
    rng : numpy.random.Generator
    rises : tuple of bool
        Whether each thread's evolution rises.
    null : bool
        As in `draw_truth`.
    """
    time = np.arange(*span_ms, dtype=np.float64) + 0.5
    baseline = float(rng.lognormal(np.log(6.0), 0.5))
    strength = float(rng.lognormal(np.log(45.0), 0.4))
    envelope = _envelope(time, LATENCY_MS[area], float(rng.uniform(80, 160)))
    planted = np.zeros_like(time) if null else effect(area, time)
    blocks = np.arange(n_blocks)
    rates = np.empty((2, n_blocks, len(time)))
    for thread, sign in enumerate((0.5, -0.5)):
        law = 0 if null else thread
        rise = (1 - START_GAIN) * (1 - np.exp(-blocks / TIME_CONSTANTS[area][law])) * rises[law]
        rates[thread] = baseline + strength * (START_GAIN + rise)[:, None] * envelope * (1 + sign * planted)
    return Truth(rates, baseline + 0.5 * strength * envelope, baseline, span_ms[0])


def _envelope(time: Floats, latency: float, decay: float) -> Floats:
    """Rise within some ms of the latency to 1, and fall to a sustained half."""
    since = np.maximum(time - latency, 0.0)
    return (1 - np.exp(-since / 8.0)) * (0.5 + 0.5 * np.exp(-since / decay))
