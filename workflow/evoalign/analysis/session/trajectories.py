"""Trajectories of an evolution: block means, normalization rate, padding, time constants.

docs/methods.md sections 3 and 4; a time-binned trajectory is the same computation in
another window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evoalign.analysis.experiment import Experiment
from evoalign.analysis.statistics.tests import Moments


def tiles(width_ms: int, window_ms: tuple[int, int]) -> list[tuple[int, int]]:
    """Consecutive windows [start, stop) of one width; a remainder is left out."""
    first, last = window_ms
    return [(start, start + width_ms) for start in range(first, last - width_ms + 1, width_ms)]


def windowed(rates: Tensor, start_ms: int, windows: list[tuple[int, int]]) -> Tensor:
    """Mean rate in each window (docs/methods.md section 2).

    Parameters
    ----------
    rates : torch.Tensor, float64 [..., ms]
        In spikes/s, from `start_ms` on.
    windows : list of (start, stop)
        In ms from image onset, half open.

    Returns
    -------
    torch.Tensor, float64 [..., window]

    Raises
    ------
    ValueError
        A window is empty or reaches out of the rates.
    """
    for start, stop in windows:
        if not start_ms <= start < stop <= start_ms + rates.shape[-1]:
            raise ValueError(f"window {start} to {stop} ms is not inside the rates")
    # One product for all windows: many passes over the rates cost more than their additions.
    inside = rates.new_zeros((rates.shape[-1], len(windows)))
    for column, (start, stop) in enumerate(windows):
        inside[start - start_ms : stop - start_ms, column] = 1.0
    return (rates @ inside) / rates.new_tensor([stop - start for start, stop in windows])


def block_moments(experiment: Experiment, values: Tensor) -> Moments:
    """Count, mean and squares of single presentations in each thread and block.

    Parameters
    ----------
    experiment : Experiment
        Gives thread, block and reference of each presentation.
    values : torch.Tensor, float64 [presentation, feature]
        Windowed rates, or the rates themselves for PSTHs.

    Returns
    -------
    Moments
        `mean` and `squares` [stimuli, thread, block, feature], `n` [stimuli,
        thread, block, 1], stimuli 0 generated and 1 reference images; `mean`
        is NaN where a block shows no such image.
    """
    group = (2 * experiment.reference + experiment.thread) * experiment.n_blocks + experiment.block
    grouped = group_moments(values, group, 4 * experiment.n_blocks)
    shape = (2, 2, experiment.n_blocks, -1)
    return Moments(*(part.reshape(shape) for part in (grouped.n, grouped.mean, grouped.squares)))


def group_moments(values: Tensor, group: Tensor, n_groups: int) -> Moments:
    """Count, mean and squares of single presentations in each group.

    Parameters
    ----------
    values : torch.Tensor, float64 [presentation, feature]
        Without NaN.
    group : torch.Tensor, int64 [presentation]
        Group of each presentation, from 0.
    n_groups : int

    Returns
    -------
    Moments
        `mean` and `squares` [group, feature], `n` [group, 1]; `mean` is NaN in a group without any.
    """
    n = torch.bincount(group, minlength=n_groups)
    values = values[group.argsort(stable=True)]
    # Sums over runs of equal groups have one order of additions on every device.
    mean = torch.segment_reduce(values, "sum", lengths=n, axis=0) / n[:, None].clamp(min=1)
    # In place and a group at a time: it stays in the processor's cache.
    for of_group, middle in zip(values.split(n.tolist()), mean, strict=True):
        of_group.sub_(middle).square_()
    squares = torch.segment_reduce(values, "sum", lengths=n, axis=0)
    mean[n == 0] = torch.nan
    return Moments(n[:, None].to(values.dtype), mean, squares)


def normalization_rate(evoked: Tensor) -> float:
    """Universal normalization rate: max over blocks and both threads of the evoked block means.

    Parameters
    ----------
    evoked : torch.Tensor, float64 [thread, block]

    Returns
    -------
    float
        In spikes/s; NaN when no block has a positive mean, for then nothing
        can be divided by it.
    """
    top = float(evoked.nan_to_num(-torch.inf).max()) if evoked.numel() else -np.inf
    return top if top > 0 else float("nan")


def best_blocks(evoked: Tensor) -> list[int]:
    """Index of the block with the largest evoked mean, in each thread; the first of equals; -1 without any.

    Parameters
    ----------
    evoked : torch.Tensor, float64 [thread, block]
    """
    return [int(row.nan_to_num(-torch.inf).argmax()) if not row.isnan().all() else -1 for row in evoked]


def pad(trajectory: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Pad the block axis with the mean of the last two blocks (docs/methods.md section 3).

    Parameters
    ----------
    trajectory : torch.Tensor, float64 [..., block]
    length : int
        Blocks after padding, at least as many as before.

    Returns
    -------
    padded : torch.Tensor, float64 [..., length]
    observed : torch.Tensor, bool [length]
        False where padded.
    """
    n_blocks = trajectory.shape[-1]
    if length < n_blocks:
        raise ValueError(f"cannot pad {n_blocks} blocks to {length}")
    tail = trajectory[..., -2:].nanmean(-1, keepdim=True)
    padded = torch.cat([trajectory, tail.expand(*trajectory.shape[:-1], length - n_blocks)], -1)
    return padded, torch.arange(length, device=trajectory.device) < n_blocks


@dataclass(frozen=True)
class TimeConstants:
    """Convergence of trajectories; arrays of the batch shape.

    Attributes
    ----------
    first_above : numpy.ndarray, float64
        First block index, from 0, where the trajectory exceeds theta times its
        maximum; NaN when it never rises above the level that is subtracted.
    below : numpy.ndarray, float64
        How many blocks do not exceed it; NaN likewise.
    """

    first_above: NDArray[np.float64]
    below: NDArray[np.float64]


def time_constants(trajectory: Tensor, level: Tensor, theta: float) -> TimeConstants:
    """Convergence time constants of docs/methods.md section 3.

    Parameters
    ----------
    trajectory : torch.Tensor, float64 [..., block]
        Evoked block means, unpadded; NaN blocks are passed over.
    level : torch.Tensor, float64 [...]
        What is subtracted first: the first block (``bslinit``), the mean
        baseline (``bsl``) or zero (``zero``).
    theta : float
        Share of the maximum.
    """
    rise = trajectory - level[..., None]
    present = ~rise.isnan()
    top = rise.nan_to_num(-torch.inf).amax(-1, keepdim=True)
    above = present & (rise > theta * top)
    # A trajectory that never exceeds its level has no maximum to converge to.
    rises = (top[..., 0] > 0) & torch.isfinite(top[..., 0])
    first = above.to(torch.float64).argmax(-1).to(torch.float64)
    below = (present & ~above).sum(-1).to(torch.float64)
    blank = torch.full_like(first, torch.nan)
    return TimeConstants(
        torch.where(rises, first, blank).cpu().numpy(), torch.where(rises, below, blank).cpu().numpy()
    )


def first_real(trajectory: Tensor) -> Tensor:
    """First block of each trajectory that is not NaN, [..., block] -> [...]."""
    present = ~trajectory.isnan()
    index = present.to(torch.float64).argmax(-1, keepdim=True)
    return trajectory.gather(-1, index)[..., 0]


def best_images(
    experiment: Experiment, evoked: Tensor
) -> tuple[NDArray[np.object_], NDArray[np.float64], NDArray[np.int64]]:
    """Generated image with the largest mean evoked rate in each block (docs/methods.md section 5).

    Parameters
    ----------
    experiment : Experiment
    evoked : torch.Tensor, float64 [presentation]
        Evoked rates, spikes/s.

    Returns
    -------
    name : numpy.ndarray, str [thread, block]
        Of equal images the first by name; '' when names or presentations are missing.
    mean : numpy.ndarray, float64 [thread, block]
        Its mean evoked rate; NaN without any.
    n : numpy.ndarray, int64 [thread, block]
        Its presentations.
    """
    shape = (2, experiment.n_blocks)
    name, mean = np.full(shape, "", dtype=object), np.full(shape, np.nan)
    n = np.zeros(shape, dtype=np.int64)
    if experiment.images is None:
        return name, mean, n
    is_generated = ~experiment.reference.cpu().numpy()
    names, image = np.unique(experiment.images[is_generated], return_inverse=True)
    group = (experiment.thread * experiment.n_blocks + experiment.block).cpu().numpy()[is_generated]
    pairs, place, counts = np.unique(group * len(names) + image, return_inverse=True, return_counts=True)
    means = np.bincount(place, weights=evoked.cpu().numpy()[is_generated]) / counts
    of_pair = pairs // max(len(names), 1)
    top = np.full(name.size, -np.inf)
    np.maximum.at(top, of_pair, means)
    # The last bits of equal means depend on the order of their sums.
    is_best = np.flatnonzero(means >= (top - 1e-9 * (1 + np.abs(top)))[of_pair])
    groups, first = np.unique(of_pair[is_best], return_index=True)
    best = is_best[first]
    name.flat[groups], mean.flat[groups], n.flat[groups] = (
        names[pairs[best] % len(names)],
        means[best],
        counts[best],
    )
    return name, mean, n
