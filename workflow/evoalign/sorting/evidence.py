"""Clusters of one electrode that larger ones explain: collided and distorted spikes, told by evidence.

A unit whose spikes vary makes a wide cluster; so do another unit's spikes that
collided, or that the hash distorts. Their width does not tell them apart. Here
each spike of a cluster is explained twice: as one of the cluster's own cloud,
and as a spike of a larger cluster's cloud, to which any template may be added at
any lag. The mean log-likelihood ratio, less what the parameters of a cloud of
its own cost, is the evidence for a unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evoalign.sorting.mixtures import evenly_picked

AXES = 8  # along which a cloud's variance is its own; elsewhere it is the noise's
FLOOR = 0.05  # added to each variance, in noise variances
MAX_SPIKES = 100  # of a cluster that are looked at
MAX_RIVALS = 3  # clusters that explain a cluster best by themselves
SHIFTS = (-2, -1, 0, 1, 2)  # samples: a collision moves the extreme to which spikes are aligned
MAX_LAG = 0.75  # of a window, from one spike of a collision to the other
ADDED_SD, ADDED_SCALES = 0.3, (0.3, 1.6)  # spread and bounds of the size of the spike that is added
# Natural logarithms a spike. Above 0 in theory; the tails of real clouds are longer than a normal one's.
# Of halves and halos of planted units it was 0 to 2.3, of units 3.5 to 170 (seeds 0 and 1).
MIN_EVIDENCE = 2.5


@dataclass(frozen=True)
class Cloud:
    """What spikes of one cluster look like, and how they vary.

    Attributes
    ----------
    n : int
        Spikes.
    mean : ndarray
        ``[sample]``, noise SDs.
    axes : ndarray
        ``[sample, axis]``, orthonormal: those along which the spikes vary most.
    variance : ndarray
        ``[axis]``, noise variances; 1 in all other directions.
    """

    n: int
    mean: np.ndarray
    axes: np.ndarray
    variance: np.ndarray

    @classmethod
    def of(cls, waves: np.ndarray) -> Cloud:
        """Describe whitened, aligned spikes ``[spike, sample]``."""
        mean = waves.mean(axis=0, dtype=np.float64)
        centred = waves - mean
        variance, axes = np.linalg.eigh(centred.T @ centred / len(waves))
        return cls(len(waves), mean, axes[:, -AXES:], np.maximum(variance[-AXES:], 0) + FLOOR)

    def whitener(self) -> np.ndarray:
        """Return the symmetric matrix ``[sample, sample]`` that makes the cloud white."""
        return np.eye(len(self.mean)) + (self.axes * (self.variance**-0.5 - 1)) @ self.axes.T

    def log_likelihood(self, waves: np.ndarray) -> np.ndarray:
        """Return that of ``waves [spike, sample]``, without the normal density's constant ``[spike]``."""
        white = (waves - self.mean) @ self.whitener()
        return np.asarray(-0.5 * (np.sum(white**2, axis=1) + np.sum(np.log(self.variance))))


def clouds_of(labels: np.ndarray, waves: np.ndarray) -> dict[int, Cloud]:
    """Return the cloud of each of the ``labels [spike]``, but -1, that two spikes have or more."""
    names, counts = np.unique(labels[labels != -1], return_counts=True)
    return {name: Cloud.of(waves[labels == name]) for name in names[counts > 1].tolist()}


def evidence(waves: np.ndarray, larger: Sequence[Cloud], added: Sequence[Cloud]) -> float:
    """Return the evidence that a cluster is a unit, natural logarithms a spike.

    Parameters
    ----------
    waves : ndarray
        Whitened, aligned spikes of the cluster ``[spike, sample]``.
    larger : sequence of Cloud
        Of clusters with more spikes.
    added : sequence of Cloud
        What may have collided with a spike of those.

    Returns
    -------
    float
        inf where no cluster is larger.
    """
    if not larger:
        return np.inf
    own_cloud, n = Cloud.of(waves), len(waves)
    looked_at = evenly_picked(waves, MAX_SPIKES)
    alone = [float(np.median(cloud.log_likelihood(looked_at))) for cloud in larger]
    rivals = [larger[i] for i in np.argsort(alone, kind="stable")[::-1][:MAX_RIVALS]]
    explained = np.max([_collided(looked_at, rival, added) for rival in rivals], axis=0)
    # Schwarz' (1978) cost of a mean and a covariance: the larger clusters' are there anyway.
    cost = 0.5 * (waves.shape[1] + AXES * (AXES + 1) / 2) * np.log(n) / n
    return float(np.mean(own_cloud.log_likelihood(looked_at) - explained) - cost)


def _collided(waves: np.ndarray, cloud: Cloud, added: Sequence[Cloud]) -> np.ndarray:
    """Log-likelihood ``[spike]`` of spikes of `cloud`, alone or with the template that explains most."""
    length = len(cloud.mean)
    lags = np.arange(-int(MAX_LAG * length), int(MAX_LAG * length) + 1)
    whitener = cloud.whitener()
    templates = np.concatenate([_shifted(template.mean, lags) for template in added]) @ whitener
    n_all = sum(template.n for template in added)
    chance = np.repeat([template.n / n_all / len(lags) for template in added], len(lags))
    energy, precision = np.sum(templates**2, axis=1), ADDED_SD**-2
    cost = 0.5 * np.log1p(energy / precision) - np.log(chance)
    explained = np.full(len(waves), -np.inf)
    for mean in _shifted(cloud.mean, np.array(SHIFTS)):
        white = (waves - mean) @ whitener
        product = white @ templates.T
        scale = np.clip((product + precision) / (energy + precision), *ADDED_SCALES)
        gain = scale * (product - 0.5 * scale * energy) - 0.5 * precision * (scale - 1) ** 2 - cost
        explained = np.maximum(explained, np.maximum(gain.max(axis=1), 0) - 0.5 * np.sum(white**2, axis=1))
    return explained - 0.5 * float(np.sum(np.log(cloud.variance)))


def _shifted(wave: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """Return a waveform ``[sample]`` moved later by whole samples, 0 where unknown ``[lag, sample]``."""
    padded = np.pad(wave, len(wave))
    return padded[len(wave) - lags[:, None] + np.arange(len(wave))]


def without_explained(labels: np.ndarray, waves: np.ndarray, judged: np.ndarray | None = None) -> np.ndarray:
    """Leave clusters out that larger ones explain, the largest first: one that stays may explain others.

    Parameters
    ----------
    labels : ndarray
        ``[spike]``: cluster from 0, -1 for none; spikes of far cells, by shape, from `BACKGROUND` down.
    waves : ndarray
        Whitened, aligned waveforms ``[spike, sample]``.
    judged : ndarray, optional
        Clusters that may be left out; all where it is not given.

    Returns
    -------
    ndarray
        Labels, -1 for the spikes of clusters left out.
    """
    labels = labels.copy()
    clouds = clouds_of(labels, waves)
    units = [name for name in clouds if name >= 0]
    remaining = {name: clouds[name] for name in units if judged is not None and name not in judged}
    far = [cloud for name, cloud in clouds.items() if name < 0]
    for name in sorted(set(units) - set(remaining), key=lambda name: -clouds[name].n):
        larger = [cloud for cloud in remaining.values() if cloud.n > clouds[name].n]
        if evidence(waves[labels == name], larger, [*remaining.values(), *far]) > MIN_EVIDENCE:
            remaining[name] = clouds[name]
        else:
            labels[labels == name] = -1
    return labels
