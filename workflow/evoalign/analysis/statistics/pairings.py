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
    without_diagonal = matrix.copy()
    np.fill_diagonal(without_diagonal, np.nan)
    either_way = np.concatenate([without_diagonal, without_diagonal.T], axis=1)
    is_known = ~np.isnan(either_way)
    total = np.where(is_known, either_way, 0.0).sum(1)
    return np.divide(total, is_known.sum(1), out=np.full(len(either_way), np.nan), where=is_known.any(1))


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
    complete = [np.flatnonzero(~np.isnan(np.diag(matrix))) for matrix in matrices]
    n = sum(len(rows) for rows in complete)
    merged = [
        _by_unit(matrix[np.ix_(rows, rows)], np.asarray(area_units, dtype=np.str_)[rows])
        for matrix, area_units, rows in zip(matrices, units, complete, strict=True)
    ]
    # A unit that is alone in its area has nobody to be exchanged with.
    areas = [matrix for matrix in merged if len(matrix) > 1]
    n_units = sum(len(matrix) for matrix in areas)
    if not areas:
        nan = float("nan")
        alone = [float(matrix[0, 0]) for matrix in merged if len(matrix)]
        return Pairing(n, len(alone), float(np.mean(alone)) if alone else nan, nan, nan, nan, nan, nan, 0)
    paired = sum(np.trace(matrix) for matrix in areas) / n_units
    shuffled = sum((matrix.sum() - np.trace(matrix)) / (len(matrix) - 1) for matrix in areas) / n_units
    # The mean over all permutations, exactly.
    centre = sum(matrix.sum() / len(matrix) for matrix in areas) / n_units
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
    if math.prod(math.factorial(len(area)) for area in areas) <= n_permutations:
        sums = [
            [
                float(area[np.arange(len(area)), list(order)].sum())
                for order in itertools.permutations(range(len(area)))
            ]
            for area in areas
        ]
        return np.array([sum(each) for each in itertools.product(*sums)]), True
    total = np.zeros(n_permutations)
    for area in areas:
        orders = generator.permuted(np.tile(np.arange(len(area)), (n_permutations, 1)), axis=1)
        total += area[np.arange(len(area)), orders].sum(1)
    return total, False
