"""What a bad electrode does to the answers of a block, and what is done about it: docs/loop.md."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evoalign.loop.scoring import Scores

Floats = NDArray[np.float64]

EARLIER_BLOCKS = 5  # whose median the baseline is held against
LARGEST_FACTOR = 2.0  # by which a baseline may differ from it
LARGEST_DEVIATION = 5.0  # in standard errors of spike counts: both must be passed


@dataclass(frozen=True)
class BlockRates:
    """What the preferred unit answered in a block.

    Attributes
    ----------
    rates : dict of str to float
        Mean evoked rate of each image that has a presentation which counts, spikes/s.
    baseline_hz, baseline_sem_hz : float
        Mean rate before the answer over the presentations that count, and its standard error.
    n_presentations : int
        That count.
    n_artefacts : int
        That were left out since no neuron fires like that.
    """

    rates: dict[str, float]
    baseline_hz: float
    baseline_sem_hz: float
    n_presentations: int
    n_artefacts: int


def block_rates(names: Sequence[str], scores: Scores, artefact_hz: float) -> BlockRates:
    """Return a block's rates by image; presentations without a rate and artefacts do not count.

    Parameters
    ----------
    names : sequence of str
        Image of each presentation of the block.
    scores : Scores
        Of these presentations.
    artefact_hz : float
        Rate, evoked or before the answer, that only an artefact reaches; 0 = none does.
    """
    is_valid = ~np.isnan(scores.evoked_hz)
    highest = np.fmax(scores.evoked_hz, scores.baseline_hz)
    is_artefact = is_valid & (highest >= artefact_hz) if artefact_hz else np.zeros_like(is_valid)
    counts = is_valid & ~is_artefact
    by_image: dict[str, list[float]] = {}
    for i in np.flatnonzero(counts).tolist():
        by_image.setdefault(names[i], []).append(float(scores.evoked_hz[i]))
    baseline = scores.baseline_hz[counts]
    n = len(baseline)
    return BlockRates(
        {name: float(np.mean(by_image[name])) for name in sorted(by_image)},
        float(baseline.mean()) if n else 0.0,
        float(baseline.std(ddof=1) / math.sqrt(n)) if n > 1 else 0.0,
        n,
        int(is_artefact.sum()),
    )


def teaches(fitness: Floats) -> bool:
    """Whether a thread's fitness tells its images apart: of a silent electrode all are equal."""
    return bool(np.ptp(fitness) > 0)


def warn_of_electrode(
    block: int, answered: BlockRates, earlier_hz: Sequence[float], window_s: float
) -> list[str]:
    """Log, and return, what a block says of the electrode: silent, jumped, artefacts.

    Parameters
    ----------
    block : int
    answered : BlockRates
    earlier_hz : sequence of float
        Baselines of the blocks before.
    window_s : float
        Length of the baseline window.
    """
    messages = []
    if answered.n_artefacts:
        messages.append(f"{answered.n_artefacts} presentations are artefacts and do not count")
    if answered.rates and not any(answered.rates.values()):
        messages.append("the preferred unit is silent: the block teaches nothing")
    elif jump := _jump(answered, earlier_hz, window_s):
        messages.append(jump)
    for message in messages:
        logging.warning("block %d: %s", block, message)
    return messages


def _jump(answered: BlockRates, earlier_hz: Sequence[float], window_s: float) -> str:
    if len(earlier_hz) < 2 or not answered.n_presentations:
        return ""
    expected_hz = float(np.median(earlier_hz[-EARLIER_BLOCKS:]))
    lower, higher = sorted((expected_hz, answered.baseline_hz))
    observed_s = window_s * answered.n_presentations
    error_hz = math.sqrt(max(expected_hz, 1 / observed_s) / observed_s)
    if higher <= LARGEST_FACTOR * lower or higher - lower <= LARGEST_DEVIATION * error_hz:
        return ""
    return (
        f"the baseline is {answered.baseline_hz:.1f} spikes/s and was {expected_hz:.1f}: "
        "look whether the electrode or its unit has moved"
    )
