"""Spikes of one electrode -> templates of its units.

Clusters come from isosplit6 (Magland & Barnett 2015, arXiv 1508.04841), which
needs no number of clusters and assumes only that each is unimodal. What
follows it here knows about neurons: a burst's smaller spikes belong to its
unit, a cluster of coincident spikes is no unit, nor is the background.
"""

from __future__ import annotations

import numpy as np
from isosplit6 import isosplit6

from evoalign.sorting.matching import Templates, match

COMPONENTS = 10  # principal components that are clustered
MIN_BURST_SIZE = 0.5  # the last spike of a burst relative to the first
MIN_EXPECTED = 4.0  # coincidences, below which a gap in a correlogram says nothing
MAX_COINCIDENT = 0.25  # coincidences relative to those expected: fewer are a refractory period
MIXTURE_COUNT = 0.15  # a cluster of coincidences has fewer spikes than this times each part's
MIXTURE_REST = 0.04  # share of its energy that its parts leave
SCALE_SD = (0.05, 0.3)  # bounds of the spread of a unit's spike sizes


def components(waves: np.ndarray, n: int = COMPONENTS) -> np.ndarray:
    """Return the scores on the first principal components, float64 ``[spike, component]``."""
    centred = waves - waves.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T.astype(np.float64) @ centred)
    return np.ascontiguousarray(centred @ axes[:, ::-1][:, :n])


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
    labels = isosplit6(components(waves)).astype(np.int64) - 1
    return _renumbered(labels, min_spikes)


def _renumbered(labels: np.ndarray, min_spikes: int) -> np.ndarray:
    names, counts = np.unique(labels[labels >= 0], return_counts=True)
    kept = names[counts >= min_spikes]
    new = np.full(len(labels), -1)
    for number, name in enumerate(kept):
        new[labels == name] = number
    return new


def merge(labels: np.ndarray, waves: np.ndarray, times_s: np.ndarray, refractory_s: float) -> np.ndarray:
    """Join clusters of one shape that share a refractory period.

    The pair most alike is joined first, until no pair qualifies.

    Parameters
    ----------
    labels, waves
        As in `cluster`.
    times_s : ndarray
        Of the spikes, within the time that was looked at.
    refractory_s : float
        Spikes of one unit are further apart.
    """
    labels = labels.copy()
    while True:
        names = np.unique(labels[labels >= 0])
        means = {name: waves[labels == name].mean(axis=0) for name in names}
        pairs = [
            (_difference(means[a], means[b]), a, b)
            for i, a in enumerate(names)
            for b in names[i + 1 :]
            if _same_unit(labels, means, times_s, a, b, refractory_s)
        ]
        if not pairs:
            return labels
        _, a, b = min(pairs)
        labels[labels == b] = a


def _difference(first: np.ndarray, second: np.ndarray) -> float:
    """Distance of two waveforms in noise SDs, the smaller one scaled up to fit the larger."""
    large, small = sorted((first, second), key=lambda wave: -float(wave @ wave))
    scale = float(small @ large) / float(large @ large)
    return float(np.linalg.norm(small - scale * large))


def _same_unit(labels, means, times_s, a, b, refractory_s) -> bool:  # type: ignore[no-untyped-def]
    large, small = sorted((means[a], means[b]), key=lambda wave: -float(wave @ wave))
    scale = float(small @ large) / float(large @ large)
    if scale < MIN_BURST_SIZE or _difference(large, small) > 0.15 * np.linalg.norm(large) + 0.5:
        return False
    return coincidence(times_s[labels == a], times_s[labels == b], refractory_s) < MAX_COINCIDENT


def coincidence(first_s: np.ndarray, second_s: np.ndarray, refractory_s: float) -> float:
    """Return coincidences of two trains over those expected of independent ones.

    Counted are intervals from half to one and a half refractory period: the
    detector's own dead time leaves out shorter ones. NaN when too few are expected.
    """
    if len(first_s) == 0 or len(second_s) == 0:
        return np.nan
    duration = max(first_s[-1], second_s[-1]) - min(first_s[0], second_s[0])
    near, far = 0.5 * refractory_s, 1.5 * refractory_s
    expected = len(first_s) * len(second_s) * 2 * (far - near) / max(duration, far)
    if expected < MIN_EXPECTED:
        return np.nan
    edges = np.searchsorted(second_s, first_s[:, None] + np.array([-far, -near, near, far]))
    counted = np.sum(edges[:, 1] - edges[:, 0]) + np.sum(edges[:, 3] - edges[:, 2])
    return float(counted / expected)


def templates_of(labels: np.ndarray, waves: np.ndarray, before: int) -> Templates:
    """Make a template of each cluster: its mean, and the spread of its spikes' sizes."""
    names = np.unique(labels[labels >= 0])
    means = np.stack([waves[labels == name].mean(axis=0) for name in names])
    spread = []
    for mean, name in zip(means, names, strict=True):
        energy = float(mean @ mean)
        scales = waves[labels == name] @ mean / energy
        sd = 1.4826 * np.median(np.abs(scales - np.median(scales)))
        # White noise of SD 1 alone spreads the scales by 1 / sqrt(energy).
        spread.append(np.sqrt(max(sd**2 - 1 / energy, 0)))
    return Templates.of(means, before, np.clip(spread, *SCALE_SD))


def is_mixture(templates: Templates, n_spikes: np.ndarray, dead: int) -> np.ndarray:
    """Mark templates that two or more of the others explain together: clusters of coincident spikes.

    Parameters
    ----------
    templates : Templates
        Of one electrode.
    n_spikes : ndarray
        Spikes in each cluster ``[unit]``: coincidences are rarer than the spikes that coincide.
    dead : int
        Samples in which a unit cannot fire twice.

    Returns
    -------
    ndarray
        bool ``[unit]``.
    """
    n, _, length = templates.waves.shape
    mixed = np.zeros(n, dtype=bool)
    energy = np.sum(templates.waves[:, 0] ** 2, axis=1)
    # The largest first: sums are larger than their parts.
    for unit in np.argsort(-energy, kind="stable"):
        others = np.flatnonzero(
            ~mixed & (n_spikes * MIXTURE_COUNT >= n_spikes[unit]) & (np.arange(n) != unit)
        )
        if len(others) < 2:
            continue
        trace = np.pad(templates.waves[unit, 0], length)
        parts = Templates(templates.waves[others], templates.before, templates.scale_sd[others])
        found = match(trace, parts, 10.0, dead)[0]
        mixed[unit] = len(found) >= 2 and float(trace @ trace) < MIXTURE_REST * energy[unit]
    return mixed
