"""When a space starts to lead: the latency of the difference, with a bootstrap interval."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from evoalign.analysis.columns import AREA, SELECTION
from evoalign.analysis.population.experiments import SPACES, Study
from evoalign.analysis.population.statistic import PooledStatistic
from evoalign.analysis.settings import Analysis
from evoalign.analysis.statistics.leads import UNTESTED, Leads, cluster_leads
from evoalign.analysis.statistics.resampling import interval, seeded
from evoalign.analysis.statistics.sites import site_means
from evoalign.analysis.statistics.tests import first_run
from evoalign.tables import FLOAT, INT, TEXT, column, table

LATENCIES = table(
    "latencies",
    AREA,
    SELECTION,
    column("space", TEXT, "", "the space that leads: 'texture' or 'object'"),
    column("n", INT, "", "experiments"),
    column("latency_ms", FLOAT, "ms", "start of the first significant lead that lasts; NaN when none"),
    column(
        "low_ms", FLOAT, "ms", "lower end of the bootstrap interval, of draws with a lead; NaN with few n"
    ),
    column("high_ms", FLOAT, "ms", "upper end of it"),
    column("found", FLOAT, "", "share of bootstrap draws with a lead; NaN where there is no interval"),
    column("p", FLOAT, "", "family-wise p of the space's strongest lead; NaN when not tested"),
    column("reason", TEXT, "", "why there is no latency; '' when there is one"),
)


Floats = NDArray[np.float64]


def latencies(study_: Study) -> pd.DataFrame:
    """Latency of late texture or object lead, for each area and selection.

    The first time bin, from `analysis.attribution_from_ms` on, of a lead that
    is significant over all bins (`leads.cluster_leads` over site means, the test of a
    crossover) and lasts for `analysis.crossover_bins` bins: where no crossover
    is reported, a lead of one space is not followed by one of the other.

    The interval takes the first bin from which the paired t stays beyond its
    point for as long, in draws of animals and their experiments.
    """
    binned = study_.late("binned")
    # Before any answer there is only noise, which a bootstrap draw may take for a lead.
    binned = binned.isel(late_window=binned["contrast_start_ms"] >= study_.settings.attribution_from_ms)
    values, starts = binned["contrast_difference"].values, binned["contrast_start_ms"].values
    latency_rows = []
    for area, selection, rows in study_.selections():
        complete = rows[~np.isnan(values[rows]).any(1)]
        weights, _ = study_.weights(complete, "latency", area, selection)
        generator = seeded(study_.seed, "leads", area, selection)
        leads = _leads(site_means(values[complete], study_.sites(complete)), study_.settings, generator)
        for kind, sign in zip(SPACES, (-1.0, 1.0), strict=True):
            row = _latency(sign * values[complete], weights, starts, leads, kind, study_.settings)
            latency_rows.append(
                {"area": area, "selection": selection, "space": kind, "n": len(complete)} | row
            )
    return pd.DataFrame(latency_rows)


def _leads(values: Floats, settings: Analysis, generator: np.random.Generator) -> Leads:
    if len(values) < settings.min_experiments:
        return UNTESTED
    return cluster_leads(values, settings.cluster_p, settings.lead_p, settings.n_permutations, generator)


def _latency(
    ahead: Floats,
    weights: NDArray[np.int64],
    starts: NDArray[np.int64],
    leads: Leads,
    kind: str,
    settings: Analysis,
) -> dict[str, float | str]:
    """Columns of one space, whose differences are positive in `ahead` [experiment, bin]."""
    stay = settings.crossover_bins
    test = {"texture": leads.texture, "object": leads.object}[kind]
    p = {"texture": leads.p_texture, "object": leads.p_object}[kind]
    lasting = [lead for lead in test if lead.last - lead.first >= stay]
    row: dict[str, float | str] = dict.fromkeys(("latency_ms", "low_ms", "high_ms", "found"), float("nan"))
    row |= {"p": p, "reason": ""}
    if not lasting:
        few = f"fewer than {settings.min_experiments} experiments"
        short = f"{kind} leads for fewer than {stay} bins" if test else f"{kind} never leads"
        return row | {"reason": few if len(ahead) < settings.min_experiments else short}
    row["latency_ms"] = float(starts[lasting[0].first])
    if len(ahead) >= settings.min_interval_experiments:
        drawn = first_lead(ahead, weights, starts, settings.cluster_p, stay)
        low, high = interval(drawn, settings.interval)
        row |= {"low_ms": float(low), "high_ms": float(high), "found": float(np.mean(~np.isnan(drawn)))}
    return row


def first_lead(
    values: Floats, weights: NDArray[np.int64], starts: NDArray[np.int64], level: float, stay: int
) -> Floats:
    """Left edge of the first bin from which t stays above its point for `stay` bins.

    Parameters
    ----------
    values : numpy.ndarray, float64 [experiment, bin]
        Without NaN.
    weights : numpy.ndarray, int64 [draw, experiment]
        How often each experiment counts.
    starts : numpy.ndarray, int64 [bin]
        Left edges, in ms.
    level : float
        Two-sided level of the point that t must exceed.
    stay : int

    Returns
    -------
    numpy.ndarray, float64 [draw]
        In ms; NaN where there is no lead, or fewer than two experiments.
    """
    if len(values) < 2 or values.shape[1] == 0:
        return np.full(len(weights), np.nan)
    n = weights.sum(1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = weights @ values / n
        variance = np.maximum(weights @ values**2 / n - mean**2, 0.0) * n / (n - 1)
        t = mean / np.sqrt(variance / n)
    above = np.nan_to_num(t, nan=0.0, posinf=np.inf) > -special.stdtrit(np.maximum(n - 1, 1), level / 2)
    run = first_run(above, stay)
    return np.where(run >= 0, starts[run].astype(np.float64), np.nan)


POOLED = (PooledStatistic((LATENCIES,), latencies),)
