"""Spikes of one electrode -> templates of its units.

Clusters come from isosplit6 (Magland & Barnett 2015, arXiv 1508.04841), which
needs no number of clusters and assumes only that each is unimodal. Two units
of close shapes, one of few spikes, pass for one there: Gaussian mixtures, with
as many parts as BIC asks for, take them apart. What follows knows about
neurons: noise is white here, so a unit's cloud is narrow, and a wide one
may hold spikes that collided, which `evidence` tells; a burst's smaller
spikes belong to its unit; a cluster of coincident spikes is no unit, nor is
the background.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from evoalign.sorting.evidence import without_explained
from evoalign.sorting.isosplit import isosplit
from evoalign.sorting.matching import match
from evoalign.sorting.mixtures import evenly_picked, fit_mixture
from evoalign.sorting.templates import Templates

TIE_SD = 1e-3  # spikes that differ by less, in noise SDs, are copies of one
MULTIPLIERS = np.random.RandomState(0).randint(1, 2**40, 64) * 2 + 1  # of sums by which rows are told apart
COMPONENTS = 10  # principal components that isosplit6 clusters
BACKGROUND = -2  # label of spikes of far cells; of several shapes, this and those below
COLLIDED_SD = 4.0  # a spike that its cluster's mean leaves this much more than usual of, in robust SDs
SPLIT_COMPONENTS, SPLIT_PARTS, SPLIT_SPIKES = (
    8,
    6,
    3000,
)  # of the mixtures, and the most spikes they are fitted to
SPLIT_BIC = 10.0  # one part more must lower BIC by this: very strong evidence (Kass & Raftery 1995)
NARROW = 2.5  # mean variance of a cloud, its largest axis left out, above which collisions may have made it
MIXTURE_COUNT = 0.15  # a cluster of coincidences has fewer spikes than this times each part's
MIXTURE_REST = 0.04  # share of its energy that its parts leave
SCALE_SD = (0.05, 0.3)  # bounds of the spread of a unit's spike sizes


def components(waves: np.ndarray, n: int = COMPONENTS) -> np.ndarray:
    """Return the scores of ``waves [spike, sample]`` on principal components, ``[spike, component]``."""
    centred = waves - waves.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T.astype(np.float64) @ centred)
    return np.ascontiguousarray(centred @ axes[:, ::-1][:, :n])


def distinct(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rows that differ, and of which of them each point ``[point, dimension]`` is a copy.

    isosplit6 counts on densities, which points that repeat exactly do not
    have: those of a recording that was replayed in a loop. Noise small enough
    to keep the shapes does not help (232 clusters of two), so each is taken
    once.
    """
    rounded = np.round(points / TIE_SD)
    # Rows of which a sum differs differ: as a rule all do, and rows need not be sorted.
    if len(np.unique(rounded.astype(np.int64) @ MULTIPLIERS[: points.shape[1]])) == len(points):
        return np.arange(len(points)), np.arange(len(points))
    _, first, copy_of = np.unique(rounded, axis=0, return_index=True, return_inverse=True)
    return first, copy_of.reshape(-1)


def cluster(waves: np.ndarray, min_spikes: int) -> np.ndarray:
    """Cluster the spikes of one electrode.

    Parameters
    ----------
    waves : ndarray
        Whitened, aligned waveforms ``[spike, sample]``.
    min_spikes : int
        Smaller clusters are not split, nor kept.

    Returns
    -------
    ndarray
        int64 ``[spike]``: cluster from 0, -1 for none.
    """
    if len(waves) < min_spikes:
        return np.full(len(waves), -1)
    scores = components(waves)
    first, copy_of = distinct(scores)
    labels = isosplit(scores[first])[copy_of].astype(np.int64) - 1
    return _renumbered(labels, min_spikes)


def _renumbered(labels: np.ndarray, min_spikes: int) -> np.ndarray:
    """Number the clusters of enough spikes from 0; the others' spikes are -1."""
    names, counts = np.unique(labels[labels >= 0], return_counts=True)
    renumbered = np.where(labels >= 0, -1, labels)
    for number, name in enumerate(names[counts >= min_spikes]):
        renumbered[labels == name] = number
    return renumbered


def split(labels: np.ndarray, waves: np.ndarray, min_spikes: int) -> np.ndarray:
    """Take clusters apart that hold several units, and leave collided spikes out.

    Parameters
    ----------
    labels, waves, min_spikes
        As in `cluster`; negative labels stay as they are.

    Returns
    -------
    ndarray
        New labels: the spikes that show what each unit looks like, -1 for collided ones.
    """
    relabelled, n = np.where(labels >= 0, -1, labels), 0
    wide = []
    for name in np.unique(labels[labels >= 0]):
        members = np.flatnonzero(labels == name)
        members = members[~_collided(waves[members])]
        part_of, is_narrow = _gaussian_clouds(waves[members], min_spikes)
        relabelled[members] = np.where(part_of >= 0, part_of + n, -1)
        wide += [n + part for part in np.flatnonzero(~is_narrow)]
        n += len(is_narrow)
    names, counts = np.unique(relabelled[relabelled >= 0], return_counts=True)
    relabelled[np.isin(relabelled, names[counts < min_spikes])] = -1
    return _renumbered(without_explained(relabelled, waves, np.array(wide)), min_spikes)


def _collided(waves: np.ndarray) -> np.ndarray:
    """Mark spikes that the cluster's mean, at the best scale, leaves much more of than usual."""
    mean = np.median(waves, axis=0)
    scale = waves @ mean / max(float(mean @ mean), 1e-12)
    residual = np.sum((waves - scale[:, None] * mean) ** 2, axis=1)
    typical_residual = np.median(residual)
    return residual > typical_residual + COLLIDED_SD * 1.4826 * np.median(np.abs(residual - typical_residual))


def _gaussian_clouds(waves: np.ndarray, min_spikes: int) -> tuple[np.ndarray, np.ndarray]:
    """Split one cluster into Gaussian clouds ``[spike]`` unless none is narrow; say which are ``[cloud]``."""
    undivided = np.zeros(len(waves), dtype=np.int64)
    if len(waves) < 2 * min_spikes:
        return undivided, np.array([True])
    scores = components(waves, SPLIT_COMPONENTS)
    subset = evenly_picked(scores, SPLIT_SPIKES)
    best, best_bic = None, np.inf
    for n in range(1, min(SPLIT_PARTS, len(subset) // min_spikes) + 1):
        model = fit_mixture(subset, n)
        bic = model.bic(subset)
        if bic < best_bic - SPLIT_BIC:
            best, best_bic = model, bic
        elif best is not None and n >= len(best.means) + 2:
            break
    assert best is not None
    labels = best.predict(scores)
    variance = [np.linalg.eigvalsh(covariance)[:-1].mean() for covariance in best.covariances]
    is_narrow = np.array(variance) < NARROW
    if not np.any(is_narrow & (np.bincount(labels, minlength=len(is_narrow)) >= min_spikes)):
        return undivided, np.array([True])
    return labels, is_narrow


def templates_of(
    labels: np.ndarray, waves: np.ndarray, before: int, doubtful: Sequence[int] = ()
) -> Templates:
    """Make a template of each unit: its mean, the spread of its spikes' sizes, how often it fires.

    ``labels [spike]`` and whitened ``waves [spike, sample]``, with `before` samples before the
    trough. Spikes of each label from `BACKGROUND` down make one of the background; those of
    `doubtful`, which are such labels, one each of what may be a unit.
    """
    names = np.unique(labels[labels >= 0]).tolist()
    background = np.unique(labels[labels <= BACKGROUND])[::-1].tolist()
    doubtful_names = [name for name in background if name in doubtful]
    background = [name for name in background if name not in doubtful]
    names += doubtful_names + background
    means = np.stack([waves[labels == name].mean(axis=0) for name in names])
    spread = []
    for mean, name in zip(means, names, strict=True):
        energy = float(mean @ mean)
        scales = waves[labels == name] @ mean / energy
        sd = 1.4826 * np.median(np.abs(scales - np.median(scales)))
        # White noise of SD 1 alone spreads the scales by 1 / sqrt(energy).
        spread.append(np.sqrt(max(sd**2 - 1 / energy, 0)))
    n_spikes = np.array([np.sum(labels == name) for name in names])
    spread = np.clip(spread, *SCALE_SD)
    return Templates.of(means, before, spread, n_spikes, len(background), len(doubtful_names))


def is_mixture(templates: Templates, dead: int) -> np.ndarray:
    """Mark templates that two or more of the others explain together: clusters of coincident spikes.

    Parameters
    ----------
    templates : Templates
        Of one electrode.
    dead : int
        Samples in which a unit cannot fire twice.

    Returns
    -------
    ndarray
        bool ``[unit]``.
    """
    n, _, length = templates.waves.shape
    n_spikes, units = templates.n_spikes, np.arange(n) < templates.n_sure
    mixed = np.zeros(n, dtype=bool)
    energy = np.sum(templates.waves[:, 0] ** 2, axis=1)
    # The largest first: sums are larger than their parts.
    for unit in np.argsort(-energy, kind="stable"):
        # Coincidences are rarer than the spikes that coincide.
        smaller_units = np.flatnonzero(
            units & ~mixed & (n_spikes * MIXTURE_COUNT >= n_spikes[unit]) & (np.arange(n) != unit)
        )
        if len(smaller_units) < 2 or not units[unit]:
            continue
        trace = np.pad(templates.waves[unit, 0], length)
        part_templates = replace(templates.only(smaller_units), n_spikes=np.ones(len(smaller_units)))
        positions = match(trace, part_templates, 10.0, dead)[0]
        mixed[unit] = len(positions) >= 2 and float(trace @ trace) < MIXTURE_REST * energy[unit]
    return mixed
