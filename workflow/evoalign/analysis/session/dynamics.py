"""Dynamics inside the response (docs/methods.md section 4): attribution, centres, late contrast."""

from __future__ import annotations

import torch
from torch import Tensor

from evoalign.analysis.statistics.tests import Moments


def attribution(psth: Tensor, best: int, width_ms: int) -> tuple[Tensor, Tensor]:
    """Temporal attribution: what the best block added to the first, in time bins.

    D(t) = PSTH at block b* minus PSTH at block 0, binned by mean, and divided
    by its sum over bins (docs/methods.md section 4).

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
