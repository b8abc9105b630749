"""Are the two prototypes of a unit more alike than those of different units (Fig. 3).

Defined in docs/methods.md section 5.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NULL_MASS = 0.95  # of the range of shuffled means that is told


@dataclass(frozen=True)
class Pairing:
    """Paired against shuffled distances.

    Attributes
    ----------
    n, units : int
        Experiments that are known, and units that they are of.
    paired : float
        Mean distance of the two prototypes of a unit.
    shuffled : float
        Mean distance of prototypes of different units of an area.
    low, high : float
        Range that holds 95 % of the means of permuted pairings.
    z : float
        Paired minus the mean of permuted pairings, over their standard deviation.
    p : float
        Two-sided p of the permutation test; NaN where nothing can be permuted.
    n_permutations : int
        All of them where these are few.
    """

    n: int
    units: int
    paired: float
    shuffled: float
    low: float
    high: float
    z: float
    p: float
    n_permutations: int


def shuffled_means(matrix: Floats) -> Floats:
    """Mean distance of an experiment's prototypes to the partners of the others of its area.

    Parameters
    ----------
    matrix : numpy.ndarray, float64 [experiment, experiment]
        Distance of the texture prototype of one to the object prototype of another.

    Returns
    -------
    numpy.ndarray, float64 [experiment]
        NaN of a single experiment.
    """
    others = matrix.copy()
    np.fill_diagonal(others, np.nan)
    both = np.concatenate([others, others.T], axis=1)
    known = ~np.isnan(both)
    total = np.where(known, both, 0.0).sum(1)
    return np.divide(total, known.sum(1), out=np.full(len(both), np.nan), where=known.any(1))


def pairing_test(
    matrices: Sequence[Floats],
    units: Sequence[Sequence[str]],
    n_permutations: int,
    generator: np.random.Generator,
) -> Pairing:
    """Permutation test of the pairing of prototypes within areas.

    Under the null a unit's texture prototype has no more to do with its own
    object prototype than with that of another unit of the area, so these may
    be exchanged. Experiments of one unit are exchanged together: their
    distances to those of another unit are averaged first.

    Parameters
    ----------
    matrices : sequence of numpy.ndarray, float64 [experiment, experiment]
        Of each area the distance of the texture prototype of one experiment to
        the object prototype of another. Experiments whose own distance is NaN
        are left out.
    units : sequence of sequence of str
        Of each area the unit of each experiment.
    n_permutations : int
        All permutations are taken where there are no more than these.
    generator : numpy.random.Generator
    """
    kept = [np.flatnonzero(~np.isnan(np.diag(one))) for one in matrices]
    n = sum(len(rows) for rows in kept)
    merged = [
        _by_unit(one[np.ix_(rows, rows)], np.asarray(own, dtype=np.str_)[rows])
        for one, own, rows in zip(matrices, units, kept, strict=True)
    ]
    # A unit that is alone in its area has nobody to be exchanged with.
    areas = [one for one in merged if len(one) > 1]
    n_units = sum(len(one) for one in areas)
    if not areas:
        nan = float("nan")
        alone = [float(one[0, 0]) for one in merged if len(one)]
        return Pairing(n, len(alone), float(np.mean(alone)) if alone else nan, nan, nan, nan, nan, nan, 0)
    paired = sum(np.trace(one) for one in areas) / n_units
    shuffled = sum((one.sum() - np.trace(one)) / (len(one) - 1) for one in areas) / n_units
    # The mean over all permutations, exactly.
    centre = sum(one.sum() / len(one) for one in areas) / n_units
    drawn, exact = _permuted(areas, n_permutations, generator)
    drawn = drawn / n_units
    # Rounding must not tell a permutation from itself.
    beyond = np.abs(drawn - centre) >= abs(paired - centre) * (1 - 1e-9) - 1e-15
    p = beyond.mean() if exact else (1 + beyond.sum()) / (1 + len(drawn))
    tail = (1 - NULL_MASS) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    spread = float(np.sqrt(np.mean((drawn - centre) ** 2)))
    z = (paired - centre) / spread if spread > 0 else float("nan")
    return Pairing(
        n, n_units, float(paired), float(shuffled), float(low), float(high), float(z), float(p), len(drawn)
    )


def _by_unit(matrix: Floats, units: NDArray[np.str_]) -> Floats:
    """Mean distances between units, [unit, unit], from those between experiments."""
    names, at = np.unique(units, return_inverse=True)
    member = np.zeros((len(names), len(at)))
    member[at, np.arange(len(at))] = 1.0
    member /= np.maximum(member.sum(1, keepdims=True), 1)
    return np.asarray(member @ matrix @ member.T)


def _permuted(
    areas: Sequence[Floats], n_permutations: int, generator: np.random.Generator
) -> tuple[Floats, bool]:
    """Sums of distances under permutations within areas, [permutation], and whether these are all."""
    if math.prod(math.factorial(len(one)) for one in areas) <= n_permutations:
        sums = [
            [
                float(one[np.arange(len(one)), list(order)].sum())
                for order in itertools.permutations(range(len(one)))
            ]
            for one in areas
        ]
        return np.array([sum(each) for each in itertools.product(*sums)]), True
    total = np.zeros(n_permutations)
    for one in areas:
        orders = generator.permuted(np.tile(np.arange(len(one)), (n_permutations, 1)), axis=1)
        total += one[np.arange(len(one)), orders].sum(1)
    return total, False
