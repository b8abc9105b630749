"""Success rates of areas: Fig. 4A, docs/methods.md section 3."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign.analysis.columns import AREA
from evoalign.analysis.population.experiments import SPACES, Study
from evoalign.analysis.population.statistic import PooledStatistic
from evoalign.analysis.statistics.sites import site_means
from evoalign.analysis.statistics.tests import rate_interval
from evoalign.tables import FLOAT, INT, TEXT, column, table

SUCCESS_RATES = table(
    "success_rates",
    AREA,
    column("threshold", FLOAT, "", "of p(maxinit)"),
    column("threads", TEXT, "", "'texture', 'object', 'any' or 'both' succeed"),
    column("k", INT, "", "experiments that succeed"),
    column("n", INT, "", "valid experiments"),
    column("rate", FLOAT, "", "k / n; NaN when n is 0"),
    column("low", FLOAT, "", "5 % quantile of Beta(k+1, n-k+1)"),
    column("high", FLOAT, "", "95 % quantile of it"),
    column("n_sites", INT, "", "recording sites"),
    column("site_rate", FLOAT, "", "mean over sites of the share of a site's experiments that succeed"),
    column("site_low", FLOAT, "", "5 % quantile of Beta(k+1, n-k+1) with n sites and k = n x site_rate"),
    column("site_high", FLOAT, "", "95 % quantile of it"),
)


def success_rates(study_: Study) -> pd.DataFrame:
    """Share of valid experiments that succeed, at both thresholds, with its interval (Fig. 4A)."""
    settings = study_.settings
    rows = []
    for area, members in study_.areas():
        of_area = study_.experiments.iloc[members]
        for threshold in dict.fromkeys((settings.success_p, settings.both_succeed_p)):
            texture, object_ = (
                ((of_area[f"p_{kind}"] < threshold) & (of_area[f"t_{kind}"] > 0)).to_numpy()
                for kind in SPACES
            )
            which = {
                "texture": texture,
                "object": object_,
                "any": texture | object_,
                "both": texture & object_,
            }
            for threads, succeeds in which.items():
                k, n = int(succeeds.sum()), len(of_area)
                low, high = rate_interval(k, n, settings.success_interval)
                rows.append(
                    {"area": area, "threshold": threshold, "threads": threads, "k": k, "n": n}
                    | {"rate": k / n, "low": float(low), "high": float(high)}
                    | _rate_of_sites(succeeds, study_.sites(members), settings.success_interval)
                )
    return pd.DataFrame(rows)


def _rate_of_sites(
    succeeds: NDArray[np.bool_], sites: NDArray[np.int64], level: float
) -> dict[str, float | int]:
    """Success rate with one vote a site: the mean over sites of the share of their experiments.

    The share of a site varies at most as one experiment would, so the
    interval of n experiments, taken for n sites, is wide enough.
    """
    shares = site_means(succeeds.astype(np.float64), sites)
    low, high = rate_interval(shares.sum(), len(shares), level)
    ends = {"site_low": float(low), "site_high": float(high)}
    return {"n_sites": len(shares), "site_rate": float(shares.mean()), **ends}


POOLED = (PooledStatistic((SUCCESS_RATES,), success_rates),)
