"""Rates, block means and PSTHs of an experiment in every window."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from evoalign.analysis.experiment import Experiment
from evoalign.analysis.session import trajectories
from evoalign.analysis.settings import Analysis
from evoalign.analysis.statistics.tests import Moments

STIMULI = ("generated", "reference")


@dataclass(frozen=True)
class BlockStatistics:
    """What the tables of a session are made from.

    Attributes
    ----------
    experiment : Experiment
    windows : tuple of (name, start, stop)
        'evoked', 'baseline', then 'binned' of every width.
    rates : torch.Tensor, float64 [presentation, window]
    blocks : Moments [stimuli, thread, block, window]
        Stimuli as in `STIMULI`.
    psths : Moments [stimuli, thread, block, ms]
    normalization_rate : float
        In spikes/s; NaN when nothing responded.
    best : list of int
        Block index b* of each thread.
    """

    experiment: Experiment
    windows: tuple[tuple[str, int, int], ...]
    rates: Tensor
    blocks: Moments
    psths: Moments
    normalization_rate: float
    best: list[int]

    @property
    def generated(self) -> Moments:
        """Of generated images, [thread, block, window]."""
        return self.blocks[0]

    @property
    def psth(self) -> Moments:
        """Of generated images, [thread, block, ms]."""
        return self.psths[0]


def bin_widths(settings: Analysis) -> list[int]:
    """Widths of the time bins, ms: those of `bins_ms`, and that of the figures."""
    return sorted({*settings.bins_ms, settings.figure_bin_ms})


def measure(experiment: Experiment, settings: Analysis) -> BlockStatistics:
    """Compute rates, block means and PSTHs in every window."""
    windows = [("evoked", *settings.evoked_ms), ("baseline", *settings.baseline_ms)]
    for width in bin_widths(settings):
        windows += [("binned", *tile) for tile in trajectories.tiles(width, settings.window_ms)]
    rates = trajectories.windowed(
        experiment.rates, experiment.start_ms, [(start, stop) for _, start, stop in windows]
    )
    # Windows and PSTH in one pass over the presentations.
    all_rates = torch.cat([rates, experiment.rates], 1)
    blocks, psths = _split(trajectories.block_moments(experiment, all_rates), len(windows))
    evoked = blocks.mean[0, ..., 0]
    return BlockStatistics(
        experiment,
        tuple(windows),
        rates,
        blocks,
        psths,
        trajectories.normalization_rate(evoked),
        trajectories.best_blocks(evoked),
    )


def _split(both: Moments, at: int) -> tuple[Moments, Moments]:
    """Moments of the first `at` features and of the others."""
    first = Moments(both.n, both.mean[..., :at], both.squares[..., :at])
    return first, Moments(both.n, both.mean[..., at:], both.squares[..., at:])
