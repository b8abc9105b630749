"""Paired against shuffled image distances over the experiments of a study (Fig. 3).

Defined in docs/methods.md section 5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from evoalign.analysis.settings import AnalysisConfig
from evoalign.analysis.statistics.pairings import pairing_test, shuffled_means
from evoalign.analysis.statistics.resampling import seeded
from evoalign.analysis.statistics.tests import benjamini_hochberg
from evoalign.spaces.distances import Networks
from evoalign.spaces.lpips import Lpips
from evoalign.spaces.pairings import distance_matrices

Floats = NDArray[np.float64]
Pair = tuple[str, Tensor, Tensor]
KEYS = ["prototype", "measure", "mask"]


def pair_prototypes(
    pairs: Mapping[str, Sequence[Pair]],
    experiments: pd.DataFrame,
    networks: Networks,
    lpips: Mapping[str, Lpips],
    config: AnalysisConfig,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Hold the distance of a unit's two prototypes against those of different units of its area.

    Parameters
    ----------
    pairs : mapping of str to sequence of (session, texture image, object image)
        Of each kind of prototype; images ``[3, H, W]`` in 0..1.
    experiments : pandas.DataFrame
        `EXPERIMENTS`; where it tells the `site`, experiments of one
        site are of one unit.
    networks, lpips
        As for `distance_matrices`.
    config : AnalysisConfig
        `analysis.n_permutations` and the seed.

    Returns
    -------
    pairings : pandas.DataFrame
        `IMAGE_PAIRINGS`: of valid experiments, and of those in which
        both threads succeed; every area and 'all'.
    shuffled : pandas.DataFrame
        session, prototype, measure, mask, shuffled: column of
        `IMAGE_DISTANCES`.
    """
    valid_experiments = experiments[experiments["valid"].astype(bool)].set_index("session")
    unit = (
        valid_experiments["site"]
        if "site" in valid_experiments
        else pd.Series(valid_experiments.index, valid_experiments.index)
    )
    rows: list[dict[str, Any]] = []
    means = []
    for prototype, prototype_pairs in pairs.items():
        matrices = _matrices(
            [pair for pair in prototype_pairs if pair[0] in valid_experiments.index],
            valid_experiments["area"],
            networks,
            lpips,
        )
        for (measure, mask), areas in matrices.items():
            condition = {"prototype": prototype, "measure": measure, "mask": mask}
            for sessions, matrix in areas.values():
                frame = pd.DataFrame({"session": sessions, "shuffled": shuffled_means(matrix)})
                means.append(frame.assign(**condition))
            for selection, keep in (
                ("valid", valid_experiments["valid"]),
                ("both", valid_experiments["both_succeed"]),
            ):
                chosen = {area: _kept(*test, keep.astype(bool)) for area, test in areas.items()}
                for area in ("all", *areas):
                    used = list(chosen.values()) if area == "all" else [chosen[area]]
                    used = [pair for pair in used if pair[0]]
                    if used:
                        generator = seeded(config.seed, "pairings", prototype, measure, mask, selection, area)
                        units = [unit[sessions].tolist() for sessions, _ in used]
                        test = pairing_test(
                            [m for _, m in used], units, config.analysis.n_permutations, generator
                        )
                        rows.append({"area": area, "selection": selection, **condition, **asdict(test)})
    if not rows:
        return pd.DataFrame(), pd.DataFrame(columns=["session", *KEYS, "shuffled"])
    table = pd.DataFrame(rows)
    panel = table.groupby(["area", "selection", "prototype"], sort=False)["p"]
    table = table.assign(q=panel.transform(lambda p: benjamini_hochberg(p.to_numpy())))
    return table, pd.concat(means, ignore_index=True)


def _matrices(
    made: Sequence[Pair], area_of: pd.Series, networks: Networks, lpips: Mapping[str, Lpips]
) -> dict[tuple[str, str], dict[str, tuple[list[str], Floats]]]:
    """Of each measure and mask the sessions of every area, and their matrix of distances."""
    by_measure: dict[tuple[str, str], dict[str, tuple[list[str], Floats]]] = {}
    for area in sorted({str(area_of[session]) for session, *_ in made}):
        area_pairs = [pair for pair in made if area_of[pair[0]] == area]
        sessions = [session for session, *_ in area_pairs]
        first, second = [pair[1] for pair in area_pairs], [pair[2] for pair in area_pairs]
        for key, matrix in distance_matrices(first, second, networks, lpips):
            by_measure.setdefault(key, {})[area] = (sessions, matrix.numpy())
    return by_measure


def _kept(sessions: list[str], matrix: Floats, keep: pd.Series) -> tuple[list[str], Floats]:
    rows = np.flatnonzero(keep[sessions].to_numpy())
    return [sessions[row] for row in rows], matrix[np.ix_(rows, rows)]
