"""Tests and intervals shared by the analysis, batched over leading axes, float64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import special
from torch import Tensor


@dataclass(frozen=True)
class Test:
    """Result of a t-test; each field has the batch shape.

    Attributes
    ----------
    t, p, df : numpy.ndarray, float64
        Statistic, two-sided p value and degrees of freedom; NaN where there
        are too few observations.
    """

    __test__ = False  # not for pytest to collect

    t: NDArray[np.float64]
    p: NDArray[np.float64]
    df: NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Count, mean and sum of squared deviations along a reduced axis.

    Attributes
    ----------
    n, mean, squares : torch.Tensor, float64, of one shape
        `mean` is NaN where `n` is 0.
    """

    n: Tensor
    mean: Tensor
    squares: Tensor

    def __getitem__(self, index: Any) -> Moments:
        """Moments of part of the batch."""
        return Moments(self.n[index], self.mean[index], self.squares[index])

    @property
    def sem(self) -> Tensor:
        """Standard error of the mean (ddof 1); NaN where `n` is below 2."""
        return torch.where(
            self.n > 1, (self.squares / (self.n - 1).clamp(min=1) / self.n.clamp(min=1)).sqrt(), torch.nan
        )


def moments(values: Tensor) -> Moments:
    """Moments along the last axis, leaving out NaN.

    Parameters
    ----------
    values : torch.Tensor, float64 [..., observation]

    Returns
    -------
    Moments
        Fields of shape [...].
    """
    present = ~values.isnan()
    n = present.sum(-1).to(torch.float64)
    mean = torch.where(n > 0, values.nan_to_num(0.0).sum(-1) / n.clamp(min=1), torch.nan)
    deviations = torch.where(present, values - mean[..., None], 0.0)
    return Moments(n, mean, deviations.square().sum(-1))


def two_sample_t(first: Moments, second: Moments) -> Test:
    """Two-sample t-test with equal variances; t > 0 where `first` is larger.

    Student's test as in docs/methods.md section 3 (``scipy.stats.ttest_ind``).

    Parameters
    ----------
    first, second : Moments
        Of one batch shape.
    """
    df = first.n + second.n - 2
    variance = (first.squares + second.squares) / df.clamp(min=1)
    error = (variance * (1 / first.n + 1 / second.n)).sqrt()
    enough = (first.n > 0) & (second.n > 0) & (df > 0)
    return _t_test((first.mean - second.mean) / error, df, enough)


def one_sample_t(sample: Moments) -> Test:
    """t-test of a mean against 0 (``scipy.stats.ttest_1samp``)."""
    df = sample.n - 1
    error = (sample.squares / df.clamp(min=1) / sample.n.clamp(min=1)).sqrt()
    return _t_test(sample.mean / error, df, sample.n > 1)


def paired_t(first: Tensor, second: Tensor) -> Test:
    """Paired t-test along the last axis; pairs with a NaN are left out.

    Parameters
    ----------
    first, second : torch.Tensor, float64 [..., pair]
        t > 0 where `first` is larger (``scipy.stats.ttest_rel``).
    """
    return one_sample_t(moments(first - second))


def _t_test(t: Tensor, df: Tensor, enough: Tensor) -> Test:
    values = torch.where(enough, t, torch.nan).cpu().numpy()
    freedom = torch.where(enough, df, torch.nan).cpu().numpy()
    # torch has no incomplete beta function; scipy's is one vectorised call.
    return Test(values, 2 * special.stdtr(freedom, -np.abs(values)), freedom)


def benjamini_hochberg(p: ArrayLike, axis: int = -1) -> NDArray[np.float64]:
    """Benjamini-Hochberg adjusted p values along an axis, one family a slice.

    Parameters
    ----------
    p : array_like [..., test, ...]
        NaN are no tests: they stay NaN and do not count in the family.

    Returns
    -------
    numpy.ndarray, float64
        q values, of the shape of `p`.
    """
    p = np.asarray(p, dtype=np.float64)
    if p.size == 0:
        return p.copy()
    # Written out, for all families at once: scipy.stats takes each job 0.7 s to load.
    p = np.moveaxis(p, axis, -1)
    order = np.argsort(p, axis=-1)  # NaN come last
    n_tests = (~np.isnan(p)).sum(-1, keepdims=True)
    adjusted = np.take_along_axis(p, order, -1) * (n_tests / np.arange(1, p.shape[-1] + 1))
    adjusted = np.fmin.accumulate(adjusted[..., ::-1], axis=-1)[..., ::-1]
    q = np.empty_like(p)
    np.put_along_axis(q, order, np.minimum(adjusted, 1), axis=-1)
    return np.moveaxis(q, -1, axis)


def rate_interval(
    successes: ArrayLike, n: ArrayLike, level: float = 0.9
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Interval of a success rate: quantiles of Beta(k+1, n-k+1), docs/methods.md section 3.

    Parameters
    ----------
    successes, n : array_like of int
        k of n; n = 0 gives the quantiles of the flat prior.
    level : float
        Mass between the two quantiles: 0.9 for 5 % and 95 %.
    """
    k, n = np.asarray(successes, dtype=np.float64), np.asarray(n, dtype=np.float64)
    tail = (1 - level) / 2
    low, high = (special.betaincinv(k + 1, n - k + 1, mass) for mass in (tail, 1 - tail))
    return np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)


def run_starts(holds: ArrayLike, length: int) -> NDArray[np.bool_]:
    """Where something begins to hold for some bins in a row.

    Parameters
    ----------
    holds : array_like of bool [..., bin]
    length : int
        Bins in a row, at least 1.

    Returns
    -------
    numpy.ndarray, bool [..., bin]
        True where it holds in this bin and the `length` - 1 after it; in the
        last bins, from which no such run fits, False.
    """
    values = np.asarray(holds, dtype=bool)
    starts = np.zeros(values.shape, dtype=bool)
    n_fitting = values.shape[-1] - length + 1
    if n_fitting > 0:
        runs = np.lib.stride_tricks.sliding_window_view(values, length, axis=-1)
        starts[..., :n_fitting] = runs.all(-1)
    return starts


def first_run(holds: ArrayLike, length: int) -> NDArray[np.int64]:
    """First bin from which something holds for some bins in a row.

    Parameters
    ----------
    holds, length
        As for `run_starts`.

    Returns
    -------
    numpy.ndarray, int64 [...]
        Index of the bin; -1 where there is none.
    """
    starts = run_starts(holds, length)
    if starts.shape[-1] == 0:
        return np.full(starts.shape[:-1], -1, dtype=np.int64)
    return np.where(starts.any(-1), starts.argmax(-1), -1).astype(np.int64)
