"""Units that do not stand apart from the hash of far cells on one electrode, told from slices of it.

Where the spikes of a small unit vary, its cloud and that of the hash run into each other: there is no
saddle between them (`hash`), and the cloud is not round (`hidden`). A slice of the hash, as a mixture
makes them, looks alike, but its spikes are explained nearly as well by the other slices, to which any
template may be added at any lag (`evidence`). So a cluster whose sizes have a peak is a unit when its
own cloud explains its spikes much better than that, and it breaks no refractory period.
"""

from __future__ import annotations

import numpy as np

from evoalign.sorting.clustering import BACKGROUND
from evoalign.sorting.doubtful import has_refractory_period
from evoalign.sorting.evidence import clouds_of, evidence
from evoalign.sorting.hash import is_cut

# Natural logarithms a spike. Of slices of the hash it was 0 to 3.0, seldom up to 3.6 (four kinds of truth);
# of clusters that held mostly one unit 2.1 to 9, two of 25 below 3 (real shapes that vary).
MIN_EVIDENCE = 3.0


def with_blended_units(
    labels: np.ndarray,
    clusters: np.ndarray,
    pieces: np.ndarray,
    waves: np.ndarray,
    excess: np.ndarray,
    times_s: np.ndarray,
    refractory_s: float,
) -> np.ndarray:
    """Give clusters that were called hash their labels back where their spikes tell a unit.

    Parameters
    ----------
    labels : ndarray
        ``[spike]``: unit from 0, -1 for none, `BACKGROUND` for those of far cells.
    clusters : ndarray
        As `labels`, before any was called hash.
    pieces : ndarray
        As `clusters`, before any were joined. A cluster has the name of one of its pieces.
    waves : ndarray
        Whitened, aligned waveforms ``[spike, sample]``.
    excess : ndarray
        By how much each extreme exceeds the detection threshold ``[spike]``.
    times_s : ndarray ``[spike]``
        Rising.
    refractory_s : float
        Spikes of one unit are further apart.

    Returns
    -------
    ndarray
        Labels.
    """
    far = (labels == BACKGROUND) & (pieces >= 0)
    duration_s = float(times_s[-1] - times_s[0]) if len(times_s) else 0.0
    named, with_units = np.where(far, BACKGROUND - pieces, labels), labels.copy()
    for name in np.unique(clusters[far & (clusters >= 0)]).tolist():
        member = clusters == name
        if is_cut(excess[member]):
            continue
        if not has_refractory_period(times_s[member], refractory_s, duration_s):
            continue
        if _evidence(np.where(member, BACKGROUND - name, named), BACKGROUND - name, waves) > MIN_EVIDENCE:
            with_units[member] = name
    return with_units


def _evidence(labels: np.ndarray, name: int, waves: np.ndarray) -> float:
    """Return the evidence that a cluster is neither hash nor what larger units explain; -inf without hash."""
    clouds = clouds_of(labels, waves)
    n_own = clouds[name].n
    rivals = [
        cloud for label, cloud in clouds.items() if label != name and (label <= BACKGROUND or cloud.n > n_own)
    ]
    return evidence(waves[labels == name], rivals, list(clouds.values())) if rivals else -np.inf
