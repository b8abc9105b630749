"""Success rates by space and by optimiser: Fig. 4A split."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign.analysis.population.experiments import SPACES, Study
from evoalign.analysis.population.statistic import PooledStatistic
from evoalign.analysis.statistics.tests import rate_interval
from evoalign.tables import FLOAT, INT, TEXT, column, table

SUCCESS_SPLITS = table(
    "success_splits",
    column("area", TEXT, "", "visual area, or 'all'"),
    column("split", TEXT, "", "what 'name' is: the thread's 'space' or its 'optimiser'"),
    column("kind", TEXT, "", "kind of the thread's space: 'texture' or 'object'"),
    column("name", TEXT, "", "of the space or the optimiser"),
    column("threshold", FLOAT, "", "of p(maxinit): analysis.success_p"),
    column("k", INT, "", "experiments whose thread succeeds"),
    column("n", INT, "", "valid experiments whose thread has that space or optimiser"),
    column("rate", FLOAT, "", "k / n"),
    column("low", FLOAT, "", "5 % quantile of Beta(k+1, n-k+1)"),
    column("high", FLOAT, "", "95 % quantile of it"),
)


SPLITS = ("space", "optimiser")


def success_splits(study_: Study) -> pd.DataFrame:
    """Share of valid experiments whose thread succeeds, by the thread's space and by its optimiser.

    A study may use several object spaces (BigGAN whole, or its class part
    alone) or optimisers; success rates pooled over them (Fig. 4A) mix them.
    Threshold `analysis.success_p`; interval as for Fig. 4A (docs/methods.md section 3).

    Returns
    -------
    pandas.DataFrame
        `SUCCESS_SPLITS`: rows of every area and of 'all'. An optimiser
        that no sample sheet names has no rows.
    """
    experiments = study_.experiments
    rows: list[dict[str, Any]] = []
    for (area, members), kind, split in itertools.product(_areas(study_), SPACES, SPLITS):
        names = experiments[f"{split}_{kind}"].to_numpy(dtype=str)
        succeeds = experiments[f"succeeds_{kind}"].to_numpy(dtype=bool)
        for name in sorted(set(names[members]) - {""}):
            chosen = members[names[members] == name]
            k, n = int(succeeds[chosen].sum()), len(chosen)
            low, high = rate_interval(k, n, study_.settings.success_interval)
            labels = {"area": area, "split": split, "kind": kind, "name": name}
            counted = {"k": k, "n": n, "rate": k / n, "low": float(low), "high": float(high)}
            rows.append({**labels, "threshold": study_.settings.success_p, **counted})
    return pd.DataFrame(rows)


def _areas(study_: Study) -> Iterator[tuple[str, NDArray[np.int64]]]:
    yield from study_.areas()
    yield "all", np.arange(len(study_.experiments))


POOLED = (PooledStatistic((SUCCESS_SPLITS,), success_splits),)
