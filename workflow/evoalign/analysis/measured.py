"""Rates, block means and PSTHs of an experiment in every window, and frames of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from evoalign import study
from evoalign.analysis import trajectories
from evoalign.analysis.experiment import Experiment
from evoalign.analysis.statistics import Moments


@dataclass(frozen=True)
class Measured:
    """What the tables of a session are made from.

    Attributes
    ----------
    experiment : Experiment
    windows : tuple of (name, start, stop)
        'evoked', 'baseline', then 'binned' of every width.
    rates : torch.Tensor, float64 [presentation, window]
    generated, reference : Moments [thread, block, window]
    psth, psth_reference : Moments [thread, block, ms]
    normaliser : float
        In spikes/s; NaN when nothing responded.
    best : list of int
        Block index b* of each thread.
    """

    experiment: Experiment
    windows: tuple[tuple[str, int, int], ...]
    rates: Tensor
    generated: Moments
    reference: Moments
    psth: Moments
    psth_reference: Moments
    normaliser: float
    best: list[int]


def measure(experiment: Experiment, settings: study.Analysis) -> Measured:
    """Compute rates, block means and PSTHs in every window."""
    widths = sorted({*settings.bins_ms, settings.figure_bin_ms})
    windows = [("evoked", *settings.evoked_ms), ("baseline", *settings.baseline_ms)]
    for width in widths:
        windows += [("binned", *tile) for tile in trajectories.tiles(width, settings.window_ms)]
    rates = trajectories.windowed(
        experiment.rates, experiment.start_ms, [(start, stop) for _, start, stop in windows]
    )
    generated = trajectories.block_moments(experiment, rates)
    evoked = generated.mean[..., 0]
    return Measured(
        experiment,
        tuple(windows),
        rates,
        generated,
        trajectories.block_moments(experiment, rates, reference=True),
        trajectories.block_moments(experiment, experiment.rates),
        trajectories.block_moments(experiment, experiment.rates, reference=True),
        trajectories.normaliser(evoked),
        trajectories.best_blocks(evoked),
    )


def facts(experiment: Experiment) -> dict[str, str]:
    """Columns that say which experiment this is."""
    return {"session": experiment.session, "subject": experiment.subject, "area": experiment.area}


def by_thread(experiment: Experiment, frame: pd.DataFrame, settings: study.Analysis) -> pd.DataFrame:
    """Add the columns that say whose rows these are; `thread` is there already."""
    names = {0: experiment.spaces[0], 1: experiment.spaces[1], -1: ""}
    kinds = dict(zip((0, 1, -1), (*experiment.kinds(settings), ""), strict=True))
    return frame.assign(
        **facts(experiment), space=frame["thread"].map(names), kind=frame["thread"].map(kinds)
    )


def long_table(axes: Mapping[str, Any], values: Mapping[str, Any]) -> pd.DataFrame:
    """Rows for every cell of arrays that share their axes.

    Parameters
    ----------
    axes : mapping of str to sequence
        Axis name -> labels, in the order of the arrays' axes.
    values : mapping of str to array
        Column name -> array [len of axis 1, len of axis 2, ..] or what
        broadcasts to it.
    """
    shape = tuple(len(labels) for labels in axes.values())
    index = np.indices(shape, sparse=True)
    columns = {
        name: np.broadcast_to(np.asarray(labels)[at], shape).ravel()
        for (name, labels), at in zip(axes.items(), index, strict=True)
    }
    columns |= {name: np.broadcast_to(as_array(value), shape).ravel() for name, value in values.items()}
    return pd.DataFrame(columns)


def as_array(value: Any) -> np.ndarray:
    """NumPy array of a tensor on any device, or of what is array-like."""
    return value.cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
