"""Units that hide in the hash of far cells on one electrode: round clouds within a wide one.

Noise is white here, so the spikes of a small unit make a round cloud of the noise's variance, around
a mean that is larger than those of the hash. The hash is wide, and dense near the threshold. Mixtures
whose clouds may have any shape need more spikes to tell the two than one that knows this: here the
hash, peaks and troughs apart, is explained by a wide cloud and a round one. A round cloud whose sizes the
threshold cuts is the densest part of the hash itself, and one in the reach of which lie mostly spikes
that are not its own is a slice of it, or of a unit whose spikes vary. Of the others matched spikes
decide (`doubtful`).
"""

from __future__ import annotations

import numpy as np
from scipy.stats import binom, chi2

from evoalign.sorting.clustering import BACKGROUND, SPLIT_BIC, SPLIT_COMPONENTS, components
from evoalign.sorting.hash import is_cut
from evoalign.sorting.mixtures import ROUND_VARIANCE, evenly_picked, fit_round_clouds
from evoalign.sorting.starts import spread_points

STARTS = 12  # spikes around which round clouds are looked for
MAX_SPIKES = 1500  # to which they are fitted
APART_SD = 3.0  # between the means of two round clouds
CORE, REACH = 0.5, 0.99  # shares of a round cloud nearer to its mean than some distance
# Of the spikes in its reach surely more than this are a unit's own, as its core tells: p of so many there.
MIN_OWN, P_OWN = 1 / 3, 0.01


def with_hidden_units(
    labels: np.ndarray, waves: np.ndarray, excess: np.ndarray, is_positive: np.ndarray, min_spikes: int
) -> tuple[np.ndarray, list[int]]:
    """Give round clouds in the hash labels of their own.

    Parameters
    ----------
    labels : ndarray
        ``[spike]``: unit from 0, -1 for none; spikes of far cells, by cluster, from `BACKGROUND` down.
    waves : ndarray
        Whitened, aligned waveforms ``[spike, sample]``.
    excess : ndarray
        By how much each extreme exceeds the detection threshold ``[spike]``.
    is_positive : ndarray, bool ``[spike]``
        The extreme is a peak.
    min_spikes : int
        Of a unit.

    Returns
    -------
    labels : ndarray
        As given, round clouds below all others.
    names : list of int
        Labels of those.
    """
    labels, names = labels.copy(), list[int]()
    for sign in (False, True):
        far = np.flatnonzero((labels <= BACKGROUND) & (is_positive == sign))
        for member in _round_clouds(waves[far], excess[far], min_spikes):
            names.append(int(labels.min(initial=BACKGROUND)) - 1)
            labels[far[member]] = names[-1]
    return labels, names


def _round_clouds(waves: np.ndarray, excess: np.ndarray, min_spikes: int) -> list[np.ndarray]:
    """Return the spikes of each round cloud ``[spike]`` whose sizes have a peak, the surest cloud first."""
    if len(waves) < 2 * min_spikes:
        return []
    scores = components(waves, SPLIT_COMPONENTS)
    looked_at = evenly_picked(scores, MAX_SPIKES)
    starts = spread_points(looked_at, min(STARTS, len(looked_at)), np.random.RandomState(0))
    clouds = fit_round_clouds(looked_at, looked_at[starts])
    clouds = sorted((cloud for cloud in clouds if cloud.gain > SPLIT_BIC), key=lambda cloud: -cloud.gain)
    members, means, free = [], list[np.ndarray](), np.ones(len(waves), dtype=bool)
    for cloud in clouds:
        member = np.flatnonzero(free & (cloud.mixture.predict(scores) == 0))
        is_new = all(np.linalg.norm(cloud.mixture.means[0] - mean) > APART_SD for mean in means)
        is_unit = is_new and len(member) >= min_spikes and not is_cut(excess[member])
        if is_unit and _stands_out(scores, cloud.mixture.means[0]):
            members.append(member)
            means.append(cloud.mixture.means[0])
            free[member] = False
    return members


def _stands_out(scores: np.ndarray, mean: np.ndarray) -> bool:
    """Say whether many of the spikes in a round cloud's reach are its own; ``scores [spike, component]``."""
    distance = np.sum((scores - mean) ** 2, axis=1) / ROUND_VARIANCE
    n_core, n_reach = (
        int(np.count_nonzero(distance <= chi2.ppf(share, scores.shape[1]))) for share in (CORE, REACH)
    )
    return bool(binom.sf(n_core - 1, n_reach, MIN_OWN * CORE / REACH) < P_OWN)
