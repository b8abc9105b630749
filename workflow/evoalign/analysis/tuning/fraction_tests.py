"""Tests of fractions of axes: over axes, as the study does, and over sessions (docs/methods.md section 7)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]
Alternative = Literal["larger", "smaller", "two-sided"]

# As scipy names what is here named as statsmodels does.
SCIPY_NAMES: dict[Alternative, Literal["greater", "less", "two-sided"]] = {
    "larger": "greater",
    "smaller": "less",
    "two-sided": "two-sided",
}
# A standard error below this share of a fraction's range is rounding of sessions that are all alike.
SMALLEST_ERROR = 1e-9


def wilson_interval(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson interval of a fraction (docs/methods.md section 7); NaN without any."""
    if n == 0:
        return float("nan"), float("nan")
    from scipy import stats  # not before: it takes 0.7 s to load

    interval = stats.binomtest(k, n).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)


def two_proportion_z(
    k_1: int, n_1: int, k_2: int, n_2: int, alternative: Alternative = "larger"
) -> tuple[float, float]:
    """Two-proportion z-test with pooled variance (docs/methods.md section 7).

    It takes axes for independent; those of one session are not, so it finds
    too much: `session_test` does not.

    Parameters
    ----------
    k_1, n_1, k_2, n_2 : int
        k of n axes in either group.
    alternative : 'larger', 'smaller' or 'two-sided'
        What the first fraction is, compared with the second, where the null
        hypothesis is wrong.

    Returns
    -------
    z, p : float
        z > 0 where the first fraction is larger. NaN when a group is empty or
        the pooled fraction is 0 or 1.
    """
    if min(n_1, n_2) == 0:
        return float("nan"), float("nan")
    pooled = (k_1 + k_2) / (n_1 + n_2)
    error = np.sqrt(pooled * (1 - pooled) * (1 / n_1 + 1 / n_2))
    if error == 0:
        return float("nan"), float("nan")
    z = (k_1 / n_1 - k_2 / n_2) / error
    tails = {"larger": special.ndtr(-z), "smaller": special.ndtr(z), "two-sided": 2 * special.ndtr(-abs(z))}
    return float(z), float(tails[alternative])


def studentised_difference(first: NDArray[np.int64], second: NDArray[np.int64]) -> Floats:
    """Difference of two pooled fractions over its standard error, from the scatter of sessions.

    Pooled fractions are ratios of sums over sessions; the variance of such a
    ratio f is S / (S - 1) times the sum of (k - f n) squared over the square
    of the sum of n, S sessions (Cochran, Sampling Techniques, 3rd edition,
    section 6.3).

    Parameters
    ----------
    first, second : numpy.ndarray, int64 [..., session, 2]
        k and n of the sessions of either group, at least two in each.

    Returns
    -------
    numpy.ndarray, float64 [...]
    """
    fractions, variance = [], np.float64(0)
    for group in (first, second):
        k, n = group[..., 0], group[..., 1]
        total, sessions = n.sum(-1), n.shape[-1]
        fraction = k.sum(-1) / total
        scatter = ((k - fraction[..., None] * n) ** 2).sum(-1)
        variance = variance + sessions / (sessions - 1) * scatter / total**2
        fractions.append(fraction)
    error = np.maximum(np.sqrt(variance), SMALLEST_ERROR)
    return np.asarray((fractions[0] - fractions[1]) / error, dtype=np.float64)


def session_test(
    k: NDArray[np.int64],
    n: NDArray[np.int64],
    succeeds: NDArray[np.bool_],
    alternative: Alternative = "larger",
    n_permutations: int = 10_000,
    seed: int = 0,
) -> tuple[float, float]:
    """Permutation test of pooled fractions in which a session, not an axis, is the unit.

    Defined in docs/methods.md section 7.

    The label of success is permuted over whole sessions, so it does not matter
    how alike the axes of a session are. The statistic is studentised, so that
    the test also holds, in large studies, where sessions of the two groups
    differ in their numbers of axes or their scatter (Chung and Romano, Annals
    of Statistics 2013).

    Parameters
    ----------
    k, n : numpy.ndarray, int64 [session]
        k of n axes of a session; those without axes are left out.
    succeeds : numpy.ndarray, bool [session]
    alternative : 'larger', 'smaller' or 'two-sided'
        What the fraction after success is where the null hypothesis is wrong.
    n_permutations : int
        All of them are taken where there are no more than this.
    seed : int

    Returns
    -------
    t, p : float
        t > 0 where the fraction is larger after success. NaN with fewer than
        two sessions in a group, or when the pooled fraction is 0 or 1.
    """
    counted = n > 0
    values, group = np.stack([k, n], axis=-1)[counted].astype(np.int64), succeeds[counted]
    if min(group.sum(), (~group).sum()) < 2 or values[:, 0].sum() in (0, values[:, 1].sum()):
        return float("nan"), float("nan")

    from scipy import stats  # not before: it takes 0.7 s to load

    def statistic(first: NDArray[np.int64], second: NDArray[np.int64], axis: int) -> Floats:
        return studentised_difference(
            values[np.moveaxis(first, axis, -1)], values[np.moveaxis(second, axis, -1)]
        )

    test = stats.permutation_test(
        (np.flatnonzero(group), np.flatnonzero(~group)),
        statistic,
        vectorized=True,
        n_resamples=n_permutations,
        alternative=SCIPY_NAMES[alternative],
        rng=np.random.default_rng(seed),
    )
    return float(test.statistic), float(test.pvalue)
