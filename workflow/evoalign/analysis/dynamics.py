"""Dynamics inside the response (METHODS section 4): attribution, centres, late contrast, crossover."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evoalign.analysis.experiment import Experiment
from evoalign.analysis.statistics import Moments, first_run

DRAWS_AT_A_TIME = 100


def attribution(psth: Tensor, best: int, width_ms: int) -> tuple[Tensor, Tensor]:
    """Temporal attribution: what the best block added to the first, in time bins.

    D(t) = PSTH at block b* minus PSTH at block 0, binned by mean, and divided
    by its sum over bins (METHODS section 4).

    Parameters
    ----------
    psth : torch.Tensor, float64 [block, ms]
        Block means of one thread, over the range of the time bins.
    best : int
        Block index b*.
    width_ms : int
        Width of the bins; a remainder of the range is left out.

    Returns
    -------
    difference, share : torch.Tensor, float64 [bin]
        In spikes/s, and summing to 1. `share` is NaN when the differences do
        not sum to more than 0: an evolution that added nothing (b* = 0, or a
        net loss) has nothing to attribute.
    """
    change = psth[best] - psth[0]
    n_bins = len(change) // width_ms
    difference = change[: n_bins * width_ms].reshape(n_bins, width_ms).mean(-1)
    total = difference.sum()
    share = difference / total if total > 0 else torch.full_like(difference, torch.nan)
    return difference, share


def centre_of_mass(curve: Tensor, start_ms: int, from_ms: float) -> Tensor:
    """Centre of mass in time of rates or of D(t), from `from_ms` on.

    Each ms bin stands at its centre and counts with its signed value.

    Parameters
    ----------
    curve : torch.Tensor, float64 [..., ms]
    start_ms : int
        Left edge of the first bin.
    from_ms : float
        Bins that start before are left out: the unit cannot have answered.

    Returns
    -------
    torch.Tensor, float64 [...]
        In ms; NaN where the mass is not positive.
    """
    left = torch.arange(curve.shape[-1], device=curve.device, dtype=curve.dtype) + start_ms
    used = left >= from_ms
    mass = curve[..., used]
    total = mass.sum(-1)
    moment = (mass * (left[used] + 0.5)).sum(-1)
    return torch.where(total > 0, moment / total, torch.nan)


def late_blocks(n_blocks: int, fraction: float) -> int:
    """Index of the first late block: the last `fraction` of the blocks, at least one."""
    return n_blocks - max(1, round(n_blocks * fraction))


def late_moments(blocks: Moments, first: int) -> Moments:
    """Pool presentations of blocks `first` and later within each thread.

    Parameters
    ----------
    blocks : Moments
        Of single presentations, [thread, block, bin].
    first : int
        Index of the first late block.

    Returns
    -------
    Moments
        [thread, bin]: the mean over presentations, and squares about it
        within and between blocks.
    """
    n = blocks.n[:, first:]
    mean = blocks.mean[:, first:].nan_to_num(0.0)
    total = n.sum(1)
    pooled = torch.where(total > 0, (n * mean).sum(1) / total.clamp(min=1), torch.nan)
    between = n * (mean - pooled[:, None].nan_to_num(0.0)).square()
    return Moments(total.expand_as(pooled), pooled, (blocks.squares[:, first:] + between).sum(1))


def late_draws(
    experiment: Experiment,
    binned: Tensor,
    threads: tuple[int, int],
    first: int,
    n_draws: int,
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    """Bootstrap over presentations of the late difference of two threads.

    Each draw takes, within each thread, the late presentations of generated
    images with replacement. All bins of a presentation stay together, so a
    draw is a whole time course.

    Parameters
    ----------
    experiment : Experiment
    binned : torch.Tensor, float64 [presentation, bin]
    threads : tuple of int
        The thread that is subtracted, and the one that it is subtracted from.
    first : int
        Index of the first late block.
    n_draws : int
    generator : numpy.random.Generator

    Returns
    -------
    numpy.ndarray, float64 [draw, bin]
        Mean of the second thread minus that of the first; NaN when a thread
        shows nothing late.
    """
    late = ~experiment.reference & (experiment.block >= first)
    means = []
    for thread in threads:
        values = binned[late & (experiment.thread == thread)]
        n = len(values)
        if n == 0:
            return np.full((n_draws, binned.shape[-1]), np.nan)
        means.append(_drawn_sums(values.cpu().numpy(), n_draws, generator) / n)
    return means[1] - means[0]


def _drawn_sums(
    values: NDArray[np.float64], n_draws: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Sums of rows drawn with replacement, as many as there are, [draw, bin]."""
    n = len(values)
    sums = np.empty((n_draws, values.shape[1]))
    # Some draws at a time: all picks at once leave the processor's cache.
    for into in np.split(sums, range(DRAWS_AT_A_TIME, n_draws, DRAWS_AT_A_TIME)):
        picks = generator.integers(n, size=(len(into), n))
        picks += n * np.arange(len(into))[:, None]
        # How often each draw takes each row: a product gives the sums.
        counts = np.bincount(picks.ravel(), minlength=picks.size).reshape(picks.shape)
        np.matmul(counts.astype(np.float64), values, out=into)
    return sums


@dataclass(frozen=True)
class Bins:
    """Consecutive time bins: left edges and width, in ms."""

    starts: tuple[int, ...]
    width: int

    def inside(self, window_ms: tuple[int, int]) -> NDArray[np.bool_]:
        """Bins that lie whole in a window, bool [bin]."""
        starts = np.asarray(self.starts)
        return (starts >= window_ms[0]) & (starts + self.width <= window_ms[1])


def crossover_times(
    difference: NDArray[np.float64], bins: Bins, window_ms: tuple[int, int], n_stay: int
) -> NDArray[np.float64]:
    """When the object space takes the lead: the crossover time of late blocks.

    The first bin of the evoked window from which object minus texture stays
    positive for `n_stay` consecutive bins. The time is where the straight line
    between the centres of the bin before and of this bin crosses zero; when
    the first bin of the window leads already, it is the bin's left edge.

    Parameters
    ----------
    difference : numpy.ndarray, float64 [..., bin]
        Object minus texture, mean over late blocks.
    bins : Bins
    window_ms : tuple of int
        Evoked window; bins outside are not looked at, for before the response
        the difference is noise.
    n_stay : int

    Returns
    -------
    numpy.ndarray, float64 [...]
        In ms; NaN when there is none.
    """
    inside = bins.inside(window_ms)
    values = np.asarray(difference, dtype=np.float64)[..., inside]
    starts = np.asarray(bins.starts, dtype=np.float64)[inside]
    if values.shape[-1] == 0:
        return np.full(values.shape[:-1], np.nan)
    found = first_run(values > 0, n_stay)
    index = np.maximum(found, 0)
    after = np.take_along_axis(values, index[..., None], -1)[..., 0]
    before = np.take_along_axis(values, np.maximum(index - 1, 0)[..., None], -1)[..., 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        crossing = starts[index] + bins.width / 2 - bins.width * after / (after - before)
    at_edge = (index == 0) | ~np.isfinite(crossing)
    return np.where(found >= 0, np.where(at_edge, starts[index], crossing), np.nan)
