"""Success rates by space and by optimiser: Fig. 4A split."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign.analysis.population.experiments import SPACES, Study
from evoalign.analysis.statistics.tests import rate_interval

SPLITS = ("space", "optimiser")


def success_splits(study_: Study) -> pd.DataFrame:
    """Share of valid experiments whose thread succeeds, by the thread's space and by its optimiser.

    A study may use several object spaces (BigGAN whole, or its class part
    alone) or optimisers; success rates pooled over them (Fig. 4A) mix them.
    Threshold `analysis.success_p`; interval as for Fig. 4A (docs/methods.md section 3).

    Returns
    -------
    pandas.DataFrame
        `tables.SUCCESS_SPLITS`: rows of every area and of 'all'. An optimiser
        that no sample sheet names has no rows.
    """
    own = study_.experiments
    rows: list[dict[str, Any]] = []
    for (area, members), kind, split in itertools.product(_areas(study_), SPACES, SPLITS):
        names = own[f"{split}_{kind}"].to_numpy(dtype=str)
        succeeds = own[f"succeeds_{kind}"].to_numpy(dtype=bool)
        for name in sorted(set(names[members]) - {""}):
            chosen = members[names[members] == name]
            k, n = int(succeeds[chosen].sum()), len(chosen)
            low, high = rate_interval(k, n, study_.settings.success_interval)
            told = {"area": area, "split": split, "kind": kind, "name": name}
            counted = {"k": k, "n": n, "rate": k / n, "low": float(low), "high": float(high)}
            rows.append({**told, "threshold": study_.settings.success_p, **counted})
    return pd.DataFrame(rows)


def _areas(study_: Study) -> Iterator[tuple[str, NDArray[np.int64]]]:
    yield from study_.areas()
    yield "all", np.arange(len(study_.experiments))
