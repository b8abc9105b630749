"""Units near the detection threshold, told from the hash of far cells by their matched spikes.

The threshold cuts the sizes of such a unit as it cuts those of the hash, so that its cluster passes
for hash. Template matching weighs whole waveforms and so goes deeper: it finds nearly all spikes of a
unit of five noise SDs, and their sizes have a peak; those of the hash fall off there too. What may
be a unit is the cluster that holds most of an electrode's hash, as of a broad hash there are more
spikes below any slice of it, and one that stands apart from all other spikes, unless they break a
refractory period of their own. The rest is decided after matching.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import poisson

from evoalign.sorting.clustering import BACKGROUND, components
from evoalign.sorting.coincidences import coincidences
from evoalign.sorting.hash import is_cut
from evoalign.sorting.matching import least_scales
from evoalign.sorting.modes import fisher_axis, stands_apart
from evoalign.sorting.templates import Templates

MIN_SHARE = 0.5  # of the spikes of an electrode's hash
# Its spikes near each other relative to those expected by chance: 1 - 0.95^2 where 5 % are others'.
MAX_OWN = 0.1
P_OWN = 0.01  # of so many, were there no more than that
# Of a cluster's spikes; one that loses more to better templates is a piece of theirs. Of false ones 0.5 to
# 0.68 were left, of units 0.72 and more (nine kinds of truth).
MIN_KEPT = 0.7


def doubtful_clusters(
    labels: np.ndarray, waves: np.ndarray, is_positive: np.ndarray, times_s: np.ndarray, refractory_s: float
) -> list[int]:
    """Return the labels of the clusters of the hash that may be units.

    Parameters
    ----------
    labels : ndarray ``[spike]``
        Spikes of far cells, by cluster, from `BACKGROUND` down.
    waves : ndarray
        Whitened, aligned waveforms ``[spike, sample]``.
    is_positive : ndarray, bool ``[spike]``
        The extreme is a peak.
    times_s : ndarray ``[spike]``
        Rising.
    refractory_s : float
        Spikes of one unit are further apart.
    """
    names, counts = np.unique(labels[labels <= BACKGROUND], return_counts=True)
    duration_s = float(times_s[-1] - times_s[0]) if len(times_s) else 0.0
    return [
        name
        for name, n in zip(names.tolist(), counts.tolist(), strict=True)
        if has_refractory_period(times_s[labels == name], refractory_s, duration_s)
        and (n > MIN_SHARE * counts.sum() or _stands_apart(labels == name, waves, is_positive))
    ]


def _stands_apart(member: np.ndarray, waves: np.ndarray, is_positive: np.ndarray) -> bool:
    """Say whether few spikes lie between a cluster and all others of its sign."""
    others = ~member & (is_positive == is_positive[member][0])
    if min(np.count_nonzero(member), np.count_nonzero(others)) < 2:
        return False
    scores = components(waves[member | others])
    of_member = member[member | others]
    axis = fisher_axis(scores[~of_member], scores[of_member])
    return stands_apart(scores[of_member] @ axis, scores[~of_member] @ axis)


def has_refractory_period(times_s: np.ndarray, refractory_s: float, duration_s: float) -> bool:
    """Say whether rising ``times_s [spike]`` lie near each other no more often than those of a unit."""
    counted, expected = coincidences(times_s, times_s, refractory_s, max(duration_s, refractory_s))
    # Each pair has been counted from both of its spikes.
    return bool(poisson.sf(counted / 2 - 1, MAX_OWN * expected / 2) >= P_OWN)


def is_confirmed(
    templates: Templates,
    unit: int,
    threshold: float,
    scales: np.ndarray,
    times_s: np.ndarray,
    refractory_s: float,
    duration_s: float,
) -> bool:
    """Say whether the matched spikes of a template are those of a unit.

    One that loses many to better templates is a piece of theirs. Of a doubtful one more is asked.

    Parameters
    ----------
    templates : Templates
        Of its electrode.
    unit : int
        Its index.
    threshold : float
        Smallest gain of a match.
    scales : ndarray ``[spike]``
        Sizes relative to the template.
    times_s : ndarray ``[spike]``
        Rising.
    refractory_s, duration_s : float
        Refractory period, and time that was matched.
    """
    if len(scales) < max(MIN_KEPT * templates.n_spikes[unit], 1):
        return False
    if unit < templates.n_sure:
        return True
    excess = np.maximum(scales - least_scales(templates, threshold)[unit], 0)
    return not is_cut(excess) and has_refractory_period(times_s, refractory_s, duration_s)
