"""Units near the detection threshold, told from the hash of far cells by their matched spikes.

The threshold cuts the sizes of such a unit as it cuts those of the hash, so that its cluster passes
for hash. Template matching weighs whole waveforms and so goes deeper: it finds nearly all spikes of a
unit of five noise SDs, and their sizes have a peak; those of the hash fall off there too. What may
be a unit is the cluster that holds most of an electrode's hash, as of a broad hash there are more
spikes below any slice of it, unless it breaks a refractory period of its own. The rest is decided
after matching.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import poisson

from evoalign.sorting.clustering import BACKGROUND
from evoalign.sorting.coincidences import coincidences
from evoalign.sorting.hash import is_cut
from evoalign.sorting.matching import least_scales
from evoalign.sorting.templates import Templates

MIN_SHARE = 0.5  # of the spikes of an electrode's hash
# Its spikes near each other relative to those expected by chance: 1 - 0.95^2 where 5 % are others'.
MAX_OWN = 0.1
P_OWN = 0.01  # of so many, were there no more than that
# Of a cluster's spikes; one that loses more to better templates is a piece of theirs. Of false ones 0.5 to
# 0.68 were left, of units 0.72 and more (nine kinds of truth).
MIN_KEPT = 0.7


def doubtful_cluster(labels: np.ndarray, times_s: np.ndarray, refractory_s: float) -> int | None:
    """Return the label of the cluster of the hash that may be a unit; None where none may.

    Parameters
    ----------
    labels : ndarray ``[spike]``
        Spikes of far cells, by cluster, from `BACKGROUND` down.
    times_s : ndarray ``[spike]``
        Rising.
    refractory_s : float
        Spikes of one unit are further apart.
    """
    names, counts = np.unique(labels[labels <= BACKGROUND], return_counts=True)
    if not len(names) or counts.max() <= MIN_SHARE * counts.sum():
        return None
    name = int(names[np.argmax(counts)])
    duration_s = float(times_s[-1] - times_s[0])
    return name if has_refractory_period(times_s[labels == name], refractory_s, duration_s) else None


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
    """Say whether the matched spikes of a doubtful template are those of a unit.

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
    excess = np.maximum(scales - least_scales(templates, threshold)[unit], 0)
    return not is_cut(excess) and has_refractory_period(times_s, refractory_s, duration_s)
