"""Where each of two spaces leads: family-wise tests over time bins, by direction.

Defined in docs/methods.md section 6.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from evoalign.analysis.statistics.resampling import flipped_t, largest_mass, runs_beyond, sign_flips

Floats = NDArray[np.float64]
# From statistics [draw, bin] that are positive where a space is ahead: the largest run of each draw,
# and (first bin, bin after the last, value) of the true ones, which stand in row 0.
Score = Callable[[Floats], tuple[Floats, list[tuple[int, int, float]]]]


@dataclass(frozen=True)
class Lead:
    """Neighbouring bins in which a space is significantly ahead.

    Attributes
    ----------
    first, last : int
        First bin, and the bin after the last.
    p : float
        Family-wise over bins, of this direction alone.
    """

    first: int
    last: int
    p: float


@dataclass(frozen=True)
class Leads:
    """Significant leads of both spaces, in the order of time.

    Attributes
    ----------
    texture, object : tuple of Lead
    p_texture, p_object : float
        Of each space's strongest run of bins, significant or not; 1 when it
        has none, NaN when nothing could be tested.
    """

    texture: tuple[Lead, ...]
    object: tuple[Lead, ...]
    p_texture: float
    p_object: float


BEHIND = 1e6  # far below any statistic
UNTESTED = Leads((), (), float("nan"), float("nan"))


def cluster_leads(
    differences: Floats, threshold_p: float, level: float, n_flips: int, generator: np.random.Generator
) -> Leads:
    """Leads by the sign-flip cluster test (`resampling.cluster_test`), each direction by itself.

    Parameters
    ----------
    differences : numpy.ndarray, float64 [replicate, bin]
        Object minus texture of independent replicates (experiments, or blocks
        of one experiment), without NaN. Under the null hypothesis each
        replicate's time course is as likely with the other sign.
    threshold_p : float
        A bin below this two-sided p joins a cluster.
    level : float
        Family-wise level of each direction.
    n_flips : int
        As in `cluster_test`.
    generator : numpy.random.Generator

    Returns
    -------
    Leads
        `UNTESTED` with fewer than two replicates or without bins.

    Notes
    -----
    See `_both` for why each direction may be tested one-sided, and what is
    done where only one of them is significant at first.
    """
    n = len(differences)
    if n < 2 or differences.shape[1] == 0:
        return UNTESTED
    limit = float(-special.stdtrit(n - 1, threshold_p / 2))

    def score(t: Floats) -> tuple[Floats, list[tuple[int, int, float]]]:
        ahead = [(a, b) for a, b in runs_beyond(t[0], limit) if t[0, a] > 0]
        if not ahead:  # nothing to compare with the flips
            return np.zeros(len(t)), []
        return largest_mass(t, limit), [(a, b, float(t[0, a:b].sum())) for a, b in ahead]

    return _both(flipped_t(differences, sign_flips(n, n_flips, generator)), score, level)


def run_leads(statistics: ArrayLike, length: int, level: float) -> Leads:
    """Leads by the largest sum over runs of bins, each direction by itself.

    A run's sum is divided by the root of its bins, so that short and long
    leads are found alike (a scan statistic).

    For contrasts whose null distribution is known by draws, as that of a unit
    by permutation: scale each bin to like spread before (as a z), or the
    noisiest bin decides alone.

    Parameters
    ----------
    statistics : array_like [draw, bin]
        Object minus texture; row 0 is the true one, the others are draws under
        the null hypothesis, exchangeable with it.
    length : int
        Fewest bins of a run.
    level : float
        Family-wise level of each direction.

    Returns
    -------
    Leads
        Disjoint runs: the one of the largest value first, then the largest of
        those that do not touch it. `UNTESTED` where no run fits.
    """
    values = np.asarray(statistics, dtype=np.float64)
    if values.shape[1] < length or len(values) < 2:
        return UNTESTED

    def score(ahead: Floats) -> tuple[Floats, list[tuple[int, int, float]]]:
        # Bins that are left out are infinitely behind, which no sum could be taken of.
        total = np.pad(np.cumsum(np.maximum(ahead, -BEHIND), axis=1), ((0, 0), (1, 0)))
        largest, run_starts = np.full(len(ahead), -np.inf), []
        for n in range(length, ahead.shape[1] + 1):
            sums = (total[:, n:] - total[:, :-n]) / n**0.5
            largest = np.maximum(largest, sums.max(1))
            run_starts += [(a, a + n, float(sums[0, a])) for a in np.flatnonzero(sums[0] > 0).tolist()]
        return largest, _disjoint(run_starts)

    return _both(values, score, level)


def _disjoint(runs: list[tuple[int, int, float]]) -> list[tuple[int, int, float]]:
    """Runs (first bin, bin after the last, value) that share no bin; of two that do, the larger stays."""
    chosen: list[tuple[int, int, float]] = []
    for run in sorted(runs, key=lambda one: -one[2]):
        if all(run[1] <= earlier[0] or earlier[1] <= run[0] for earlier in chosen):
            chosen.append(run)
    return sorted(chosen)


def _both(statistics: Floats, score: Score, level: float) -> Leads:
    """Test both directions; if one alone is significant, the other once more in the bins that it leaves.

    A crossover needs both leads, so that its chance where one of them is not
    there is at most that lead's own level: no correction for two directions.

    The second look is needed by small samples. The flip of all signs makes of
    a strong lead of one space as strong a lead of the other: of five
    experiments, 32 flips, the weaker lead would never be below 2 / 32. Once
    the strong lead is significant its bins are no part of the question
    whether the other space leads anywhere (a step-down test, as Westfall and
    Young, Resampling-Based Multiple Testing, 1993, make it for maxima).
    """
    every = np.ones(statistics.shape[1], dtype=bool)
    tested = {sign: _one(statistics, sign, every, score) for sign in (-1, 1)}
    significant = {sign: _significant(runs, level) for sign, runs in tested.items()}
    for sign, sign_runs in significant.items():
        if sign_runs and not significant[-sign]:
            left = every.copy()
            for lead in sign_runs:
                left[lead.first : lead.last] = False
            tested[-sign] = _one(statistics, -sign, left, score)
            significant[-sign] = _significant(tested[-sign], level)
            break
    p_texture, p_object = (min((run.p for run in tested[sign]), default=1.0) for sign in (-1, 1))
    return Leads(significant[-1], significant[1], p_texture, p_object)


def _one(statistics: Floats, sign: int, left: NDArray[np.bool_], score: Score) -> list[Lead]:
    """Runs of one direction in the bins that are left, with their p."""
    largest, runs = score(np.where(left, sign * statistics, -np.inf))
    # Row 0 is the true one, so p is never 0; rounding must not split equal values.
    return [Lead(a, b, float(np.mean(largest >= value * (1 - 1e-12)))) for a, b, value in runs]


def _significant(runs: list[Lead], level: float) -> tuple[Lead, ...]:
    return tuple(run for run in runs if run.p <= level)
