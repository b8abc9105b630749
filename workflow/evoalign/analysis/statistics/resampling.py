"""Hierarchical bootstrap and cluster permutation over experiments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from zlib import crc32

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]
FEATURES_AT_A_TIME = 64  # of 1,000 draws half a MB, which stays in the processor's cache
SAMPLED_DRAWS = 128  # of which bounds of an interval's tails are guessed


def seeded(seed: int, *names: str) -> np.random.Generator:
    """Return a generator that depends on the seed and on names, not on the order of calls."""
    return np.random.default_rng([seed, *(crc32(name.encode()) for name in names)])


def hierarchical_weights(
    subjects: Sequence[str] | NDArray[np.str_],
    n_draws: int,
    generator: np.random.Generator,
    sites: Sequence[str] | NDArray[np.str_] | None = None,
) -> NDArray[np.int64]:
    """How often each experiment is drawn: animals with replacement, their sites, the sites' experiments.

    Parameters
    ----------
    subjects : sequence of str
        Animal of each experiment.
    n_draws : int
    generator : numpy.random.Generator
    sites : sequence of str, optional
        Recording site of each experiment, unique within its animal; when left
        out each experiment is a site of its own.

    Returns
    -------
    numpy.ndarray, int64 [draw, experiment]
        Each draw takes as many animals as there are; of each animal each time
        it is drawn, as many sites as it has; and of each site each time, as
        many experiments as were made there.
    """
    names, owner = np.unique(np.asarray(subjects, dtype=str), return_inverse=True)
    weights = np.zeros((n_draws, len(owner)), dtype=np.int64)
    animals = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=n_draws)
    for animal in range(len(names)):
        of_animal = np.flatnonzero(owner == animal)
        members = _members(of_animal, sites)
        # An animal drawn twice gives twice as many draws of its sites: multinomials add up.
        size = animals[:, animal] * len(members)
        drawn = generator.multinomial(size, np.full(len(members), 1 / len(members)))
        for times, rows in zip(drawn.T, members, strict=True):
            is_alone = len(rows) == 1
            shares = np.full(len(rows), 1 / len(rows))
            weights[:, rows] = (
                times[:, None] if is_alone else generator.multinomial(times * len(rows), shares)
            )
    return weights


def _members(
    rows: NDArray[np.int64], sites: Sequence[str] | NDArray[np.str_] | None
) -> list[NDArray[np.int64]]:
    """Experiments of each site, sites in the order in which they appear."""
    if sites is None:
        return list(rows[:, None])
    codes, site_codes = pd.factorize(np.asarray(sites, dtype=object)[rows])
    return [rows[codes == site] for site in range(len(site_codes))]


def mean_draws(values: Floats, errors: Floats, counts: Floats, noise: Floats) -> Floats:
    """Bootstrap draws of a mean over experiments, with the presentations below them.

    Parameters
    ----------
    values : numpy.ndarray, float64 [experiment, feature]
        NaN where an experiment has no value.
    errors : numpy.ndarray, float64 [experiment, feature]
        Standard error of each value over presentations; NaN and 0 add nothing.
    counts : numpy.ndarray, float64 [draw, experiment]
        How often each experiment counts, as of `hierarchical_weights`.
    noise : numpy.ndarray, float64 [draw]
        Standard normal numbers.

    Returns
    -------
    numpy.ndarray, float64 [feature, draw]
        NaN where a draw holds no experiment with a value.

    Notes
    -----
    Drawing presentations anew moves an experiment's mean by an amount that is
    close to normal with its standard error. An experiment that is drawn w
    times gets its presentations drawn anew each time, so the third level is
    one normal for each mean, of variance sum(w s^2) / sum(w)^2. A draw has the
    same standard normal for all features, as it has the same experiments: the
    draws of each feature are what they would be alone, and only these are ranked.
    """
    present = ~np.isnan(values)
    total = counts.sum(1) if present.all() else present.T.astype(np.float64) @ counts.T
    draws = np.square(np.where(present, np.nan_to_num(errors), 0.0)).T @ counts.T
    np.sqrt(draws, out=draws)
    draws *= noise
    draws += np.where(present, values, 0.0).T @ counts.T
    with np.errstate(invalid="ignore", divide="ignore"):
        draws /= total
    return draws


def mean_intervals(
    samples: Sequence[tuple[Floats, Floats]],
    weights: NDArray[np.int64],
    generator: np.random.Generator,
    level: float,
    *,
    difference: bool = False,
) -> list[tuple[Floats, Floats]]:
    """Bootstrap intervals of means over the same experiments.

    Parameters
    ----------
    samples : sequence of (values, errors), each float64 [experiment, ...]
        As for `mean_draws`.
    weights : numpy.ndarray, int64 [draw, experiment]
    generator : numpy.random.Generator
    level : float
        Mass of the intervals.
    difference : bool
        Give the interval of the second sample's mean minus the first's as the last.

    Returns
    -------
    list of (low, high), each float64 [...]
    """
    shape = samples[0][0].shape[1:]
    flat = [[part.reshape(len(part), -1) for part in sample] for sample in samples]
    noise = generator.standard_normal((len(samples), len(weights)))
    counts = weights.astype(np.float64)
    ends: list[list[tuple[Floats, Floats]]] = []
    for first in range(0, max(flat[0][0].shape[1], 1), FEATURES_AT_A_TIME):
        of_part = slice(first, first + FEATURES_AT_A_TIME)
        draws = [
            mean_draws(values[:, of_part], errors[:, of_part], counts, of_sample)
            for (values, errors), of_sample in zip(flat, noise, strict=True)
        ]
        if difference:
            draws.append(draws[1] - draws[0])
        ends.append([interval(of_sample.T, level) for of_sample in draws])
    return [
        (np.concatenate(low).reshape(shape), np.concatenate(high).reshape(shape))
        for low, high in (zip(*of_sample, strict=True) for of_sample in zip(*ends, strict=True))
    ]


def interval(draws: Floats, level: float) -> tuple[Floats, Floats]:
    """Percentile interval over the first axis, leaving out NaN draws; NaN when none is left.

    Parameters
    ----------
    draws : numpy.ndarray, float64 [draw, ...]
    level : float
        Mass of the interval.
    """
    n_draws, shape = len(draws), draws.shape[1:]
    if n_draws == 0:
        blank = np.full(shape, np.nan)
        return blank, blank
    # A feature's draws side by side are ranked in half the time.
    values = np.array(draws.reshape(n_draws, -1).T, dtype=np.float64, order="C")
    # Sorting puts NaN last, so quantiles of the others are found by rank.
    n_unknown = np.isnan(values).sum(1)
    ranked, skipped = (np.sort(values, axis=1), 0) if n_unknown.any() else _ranked(values, (1 - level) / 2)
    last = np.maximum(n_draws - 1 - n_unknown, 0)
    low = _at_rank(ranked, last * ((1 - level) / 2), 0)
    high = _at_rank(ranked, last * ((1 + level) / 2), skipped)
    return low.reshape(shape), high.reshape(shape)


def _ranked(values: Floats, tail: float) -> tuple[Floats, NDArray[np.int64] | int]:
    """Sort each row, of narrow tails no more than these: the middle of many draws has no end of an interval.

    Parameters
    ----------
    values : numpy.ndarray, float64 [row, draw]
    tail : float
        Share of the draws beyond either end.

    Returns
    -------
    ranked : numpy.ndarray, float64 [row, rank]
        Of all draws, or of the outer ones; then what is beyond a row's last rank is infinite.
    skipped : numpy.ndarray, int64 [row], or 0
        Draws in the middle of each row that have no rank.
    """
    n_draws = values.shape[1]
    wanted = int(np.ceil((n_draws - 1) * tail)) + 2
    # As many of the first draws lie beyond the bounds as make it all but sure that enough of all do.
    expected = SAMPLED_DRAWS * wanted / n_draws
    place = int(np.ceil(expected + 4 * np.sqrt(expected)))
    if n_draws < 4 * SAMPLED_DRAWS or 4 * place > SAMPLED_DRAWS:
        return np.sort(values, axis=1), 0
    sample = np.sort(values[:, :SAMPLED_DRAWS], axis=1)
    low, high = sample[:, place, None], sample[:, -1 - place, None]
    is_outer = (values <= low) | (values >= high)
    n_outer = np.count_nonzero(is_outer, axis=1)
    ranked = np.full((len(values), n_outer.max()), np.inf)
    ranked[np.arange(ranked.shape[1]) < n_outer[:, None]] = values.ravel()[np.flatnonzero(is_outer)]
    ranked.sort(axis=1)
    highest = np.take_along_axis(ranked, n_outer[:, None] - wanted, axis=1)
    if (ranked[:, [wanted - 1]] > low).any() or (highest < high).any():
        return np.sort(values, axis=1), 0
    return ranked, n_draws - n_outer


def _at_rank(ranked: Floats, rank: Floats, skipped: NDArray[np.int64] | int) -> Floats:
    """Value of each row of `ranked` at a rank, between two of them by the straight line."""
    below = np.floor(rank).astype(np.int64)
    row = np.arange(len(ranked))
    left, right = (ranked[row, at - skipped] for at in (below, np.ceil(rank).astype(np.int64)))
    return np.asarray(left + (right - left) * (rank - below))


@dataclass(frozen=True)
class Cluster:
    """Neighbouring bins whose t has one sign and passes the threshold.

    Attributes
    ----------
    first, last : int
        First bin, and the bin after the last.
    mass : float
        Sum of t over the bins.
    p : float
        Share of sign flips whose largest cluster has at least this mass.
    """

    first: int
    last: int
    mass: float
    p: float


def cluster_test(
    differences: Floats, threshold_p: float, n_flips: int, generator: np.random.Generator
) -> tuple[list[Cluster], int]:
    """Cluster-based permutation test of paired differences against 0.

    Maris and Oostenveld, J Neurosci Methods 2007: experiments change sign
    under the null; the largest absolute cluster mass of each flip gives the
    null distribution, which holds the family-wise error over bins.

    Parameters
    ----------
    differences : numpy.ndarray, float64 [experiment, bin]
        Experiments with a NaN are left out.
    threshold_p : float
        A bin below this two-sided p joins a cluster.
    n_flips : int
        Random flips, the true signs among them; all 2^n flips when these are
        no more.

    Returns
    -------
    clusters : list of Cluster
        In the order of time; none with fewer than two experiments.
    n_flips : int
        Flips that were used.
    """
    differences = differences[~np.isnan(differences).any(1)]
    n = len(differences)
    if n < 2:
        return [], 0
    signs = sign_flips(n, n_flips, generator)
    t = flipped_t(differences, signs)
    limit = float(-special.stdtrit(n - 1, threshold_p / 2))
    largest = np.maximum(largest_mass(t, limit), largest_mass(-t, limit))
    tested = []
    for first, last in runs_beyond(t[0], limit):
        mass = float(t[0, first:last].sum())
        # The first flip is the true one, so p is never 0; rounding must not split equal masses.
        p = float(np.mean(largest >= abs(mass) * (1 - 1e-12)))
        tested.append(Cluster(first, last, mass, p))
    return tested, len(signs)


def sign_flips(n: int, n_flips: int, generator: np.random.Generator) -> Floats:
    """Signs of n differences, 1 or -1, [flip, difference]; the true signs come first.

    All 2^n flips when these are no more than `n_flips`, else random ones.
    """
    if 2**n <= n_flips:
        bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        return np.asarray(1.0 - 2.0 * bits, dtype=np.float64)
    signs = generator.choice([-1.0, 1.0], size=(n_flips, n))
    signs[0] = 1.0
    return signs


def flipped_t(differences: Floats, signs: Floats) -> Floats:
    """One-sample t of each bin under each flip, [flip, bin], from differences [difference, bin]."""
    n = len(differences)
    mean = signs @ differences / n
    squares = (differences**2).sum(0) - n * mean**2
    # A difference that is the same in all experiments has no variance left: t is infinite or, at 0, absent.
    with np.errstate(divide="ignore", invalid="ignore"):
        t = mean / np.sqrt(np.maximum(squares, 0.0) / (n - 1) / n)
    return np.nan_to_num(t, nan=0.0, posinf=1e6, neginf=-1e6)


def largest_mass(t: Floats, limit: float) -> Floats:
    """Largest sum of t over neighbouring bins above the limit, [flip], from t [flip, bin]; 0 without any."""
    running = np.zeros(len(t))
    largest = np.zeros(len(t))
    for column in t.T:
        running = np.where(column > limit, running + column, 0.0)
        largest = np.maximum(largest, running)
    return largest


def runs_beyond(t: Floats, limit: float) -> list[tuple[int, int]]:
    """First bin and the bin after the last of each run with t of one sign beyond the limit, from t [bin]."""
    sign = np.where(t > limit, 1, np.where(t < -limit, -1, 0))
    edges = [0, *(np.flatnonzero(np.diff(sign)) + 1).tolist(), len(sign)]
    return [(first, last) for first, last in pairwise(edges) if first < last and sign[first] != 0]
