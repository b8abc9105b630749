"""Do prototypes that look alike drive the unit alike: METHODS section 5 (Fig. 3G)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from evoalign import study

Floats = NDArray[np.float64]


def response_distances(
    sessions: Sequence[Mapping[str, pd.DataFrame]], settings: study.Analysis
) -> pd.DataFrame:
    """Distance of each experiment's two best-block responses, over its normaliser.

    Parameters
    ----------
    sessions : sequence of mappings
        Of `analyse_session`.
    settings : study.Analysis
        The evoked window.

    Returns
    -------
    pandas.DataFrame
        session, area, valid, both_succeed; `psth_distance`: mean over the
        evoked window of the absolute difference of the best blocks' PSTHs;
        `activation_distance`: absolute difference of their evoked means.
    """
    rows = []
    first, last = settings.evoked_ms
    for tables in sessions:
        own = tables["experiments"].iloc[0]
        psth = tables["psth"]
        psth = psth[(psth["stimuli"] == "generated") & (psth["time_ms"] >= first) & (psth["time_ms"] < last)]
        best = [
            psth[(psth["thread"] == t) & (psth["block_index"] == own[f"best_block_{t}"])]
            .sort_values("time_ms")["mean_hz"]
            .to_numpy()
            for t in (0, 1)
        ]
        known = len(best[0]) == len(best[1]) > 0
        change = (best[0] - best[1]) / own["normaliser_hz"] if known else np.array([np.nan])
        rows.append(
            {
                **own[["session", "area", "valid", "both_succeed"]],
                "psth_distance": float(np.abs(change).mean()),
                "activation_distance": float(abs(change.mean())),
            }
        )
    return pd.DataFrame(rows)


def correlate(image: Floats, response: Floats) -> dict[str, float]:
    """Pearson and Spearman correlation of two distances over experiments.

    Parameters
    ----------
    image, response : numpy.ndarray, float64 [experiment]
        Experiments where either is NaN are left out.

    Returns
    -------
    dict of str to float
        n, pearson_r, pearson_p, spearman_r, spearman_p; NaN with fewer than
        three experiments or without spread.
    """
    known = ~np.isnan(image) & ~np.isnan(response)
    x, y = image[known], response[known]
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        names = ("pearson_r", "pearson_p", "spearman_r", "spearman_p")
        return {"n": len(x), **dict.fromkeys(names, float("nan"))}
    pearson, spearman = stats.pearsonr(x, y), stats.spearmanr(x, y)
    return {
        "n": len(x),
        "pearson_r": float(pearson.statistic),
        "pearson_p": float(pearson.pvalue),
        "spearman_r": float(spearman.statistic),
        "spearman_p": float(spearman.pvalue),
    }
