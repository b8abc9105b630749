"""Dynamics inside the response, pooled by area: docs/methods.md section 4."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy import special

from evoalign.analysis.columns import (
    AREA,
    FAMILY,
    LARGER,
    SELECTION,
    START,
    STOP,
    site_columns,
    space_columns,
    t_test_columns,
)
from evoalign.analysis.labelled import long_table
from evoalign.analysis.population.clusters import CLUSTERS, clusters
from evoalign.analysis.population.experiments import SPACES, Study
from evoalign.analysis.population.space_tests import (
    over_experiments,
    paired_columns,
    preferred_space,
    successful,
    test_columns,
    unpaired_columns,
)
from evoalign.analysis.population.statistic import PooledStatistic
from evoalign.analysis.session.dynamics_tables import crossover_row
from evoalign.analysis.statistics.crossover import Bins
from evoalign.analysis.statistics.resampling import mean_intervals, seeded
from evoalign.analysis.statistics.sites import paired_over_sites
from evoalign.analysis.statistics.tests import benjamini_hochberg, one_sample_t
from evoalign.analysis.tables import CROSSOVER
from evoalign.tables import FLOAT, INT, TEXT, column, table

POPULATION_PSTH = table(
    "population_psth",
    AREA,
    SELECTION,
    column("stage", TEXT, "", "'first', 'best' or 'last' block; 'last' padded: the mean of the last two"),
    column("time_ms", INT, "ms", "left edge of the 1 ms bin, from image onset"),
    column("n", INT, "", "experiments"),
    *space_columns("", paired=True),
)

POPULATION_ATTRIBUTION = table(
    "population_attribution",
    AREA,
    START,
    STOP,
    *space_columns("", paired=False),
    *t_test_columns("two-sample over successful threads, texture minus object"),
    column("q", FLOAT, "", "Benjamini-Hochberg adjusted p over the bins of one width"),
    LARGER,
    *site_columns(paired=False, family=True),
)

POPULATION_CENTRES = table(
    "population_centres",
    AREA,
    column("curve", TEXT, "", "'attribution', or the PSTH of the 'first', 'best' or 'last' block"),
    *space_columns("ms", paired=False),
    *t_test_columns("two-sample over successful threads, texture minus object"),
    *site_columns(paired=False),
)

POPULATION_CONTRAST = table(
    "population_contrast",
    AREA,
    column("window", TEXT, "", "'evoked' or 'binned'"),
    START,
    STOP,
    column("n", INT, "", "valid experiments"),
    column("mean", FLOAT, "", "late object minus texture over the normalization rate, mean over experiments"),
    column("sem", FLOAT, "", "standard error over experiments"),
    column("low", FLOAT, "", "lower end of the bootstrap interval"),
    column("high", FLOAT, "", "upper end of it"),
    *t_test_columns("over experiments, against 0"),
    FAMILY,
    *site_columns(family=True),
    column("z", FLOAT, "", "inverse-variance mean over its error: speaks of these experiments only"),
    column("z_p", FLOAT, "", "its two-sided p value"),
    column("z_q", FLOAT, "", "the same, Benjamini-Hochberg adjusted over the bins"),
)


Floats = NDArray[np.float64]


def population_psth(study_: Study) -> pd.DataFrame:
    """PSTH of the first, best and last block over the normalization rate, mean over experiments (Fig. 5A).

    The last block is the padded one, as in Fig. 4B: the mean of the last two
    blocks; of the longest run of the study, which needs no padding, the last.
    """
    values, errors, times = _stage_psths(study_)
    parts = []
    for area, selection, rows in study_.selections():
        for stage in values:
            columns, n = paired_columns(
                study_,
                rows,
                {kind: values[stage][rows, at] for at, kind in enumerate(SPACES)},
                {kind: errors[stage][rows, at] for at, kind in enumerate(SPACES)},
                ("population psth", area, selection, stage),
            )
            frame = long_table({"time_ms": times}, columns | {"n": n})
            parts.append(frame.assign(area=area, selection=selection, stage=stage))
    return pd.concat(parts, ignore_index=True)


def _stage_psths(study_: Study) -> tuple[dict[str, Floats], dict[str, Floats], np.ndarray]:
    """Normalised PSTHs and errors of each stage, [experiment, kind, ms]; and the ms."""
    experiments = study_.experiments
    normalised = study_.data[["psth_mean_hz", "psth_sem_hz"]] / xr.DataArray(
        experiments["normaliser_hz"].to_numpy(), dims="experiment"
    )
    values, errors = (
        {str(stage): normalised[name].sel(stage=stage).values.copy() for stage in normalised["stage"].values}
        for name in ("psth_mean_hz", "psth_sem_hz")
    )
    padded = (experiments["n_blocks"] < experiments["n_blocks"].max()).to_numpy()
    before, error = values.pop("last but one")[padded], errors.pop("last but one")[padded]
    values["last"][padded] = _mean_of_two(values["last"][padded], before)
    errors["last"][padded] = np.sqrt(errors["last"][padded] ** 2 + error**2) / 2
    return values, errors, normalised["time_ms"].values


def _mean_of_two(first: Floats, second: Floats) -> Floats:
    """Their mean; where one is NaN, the other."""
    first, second = np.where(np.isnan(first), second, first), np.where(np.isnan(second), first, second)
    return (first + second) / 2


def attribution(study_: Study) -> pd.DataFrame:
    """Temporal attribution over experiments whose thread succeeds, test of each bin (Ext. 4B).

    At every width of the bins; the bins of one width and area are one family.
    """
    share = study_.data["attribution_share"].transpose("experiment", "kind", "bin")
    widths = share["attribution_stop_ms"] - share["attribution_start_ms"]
    parts = []
    for width in np.unique(widths):
        array = share.values[..., widths == width]
        starts = share["attribution_start_ms"].values[widths == width]
        for area, rows in study_.areas():
            columns = unpaired_columns(study_, successful(study_, rows, array), ("attribution", area))
            q = benjamini_hochberg(columns["p"])
            columns |= {"q": q, "larger": preferred_space(columns["t"], q, study_.settings.fdr)}
            columns |= {"q_site": benjamini_hochberg(columns["p_site"])}
            part = long_table({"start_ms": starts}, columns | {"stop_ms": starts + width})
            parts.append(part.assign(area=area))
    return pd.concat(parts, ignore_index=True)


def centres(study_: Study) -> pd.DataFrame:
    """Centres of mass over experiments whose thread succeeds."""
    by_curve = study_.data["centres_centre_ms"].sortby("curve").transpose("experiment", "kind", "curve")
    array, curves = by_curve.values, by_curve["curve"].values
    parts = []
    for area, rows in study_.areas():
        columns = unpaired_columns(study_, successful(study_, rows, array), ("centres", area))
        parts.append(long_table({"curve": curves}, columns).assign(area=area))
    return pd.concat(parts, ignore_index=True)


def contrast(study_: Study) -> pd.DataFrame:
    """Late object minus texture, over experiments and within them.

    `t` asks whether experiments drawn from the area agree. `z` weighs each
    experiment's difference with its error over presentations: it says that
    these experiments, taken as they are, prefer a space, and nothing of
    others. With two experiments an area only `z` has power.
    """
    parts = []
    for window in ("evoked", "binned"):
        late = study_.late(window)
        array, errors = late["contrast_difference"].values, late["contrast_sem"].values
        starts, stops = late["contrast_start_ms"].values, late["contrast_stop_ms"].values
        for area, rows in study_.areas():
            columns = _contrast_columns(study_, rows, array[rows], errors[rows], ("contrast", area, window))
            part = long_table({"start_ms": starts}, columns | {"stop_ms": stops})
            parts.append(part.assign(area=area, window=window))
    return pd.concat(parts, ignore_index=True)


def _contrast_columns(
    study_: Study, rows: NDArray[np.int64], values: Floats, errors: Floats, names: tuple[str, ...]
) -> dict[str, Floats]:
    statistics = over_experiments(values)
    test = one_sample_t(statistics)
    weights, generator = study_.weights(rows, *names)
    ((low, high),) = mean_intervals([(values, errors)], weights, generator, study_.settings.interval)
    is_known = ~np.isnan(values) & (errors > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(is_known, 1 / errors**2, 0.0)
        z = (precision * np.where(is_known, values, 0.0)).sum(0) / np.sqrt(precision.sum(0))
    z_p = 2 * special.ndtr(-np.abs(z))
    return {
        "n": statistics.n.numpy().astype(np.int64),
        "mean": statistics.mean.numpy(),
        "sem": statistics.sem.numpy(),
        "low": low,
        "high": high,
        **test_columns(test),
        "q": benjamini_hochberg(test.p),
        **paired_over_sites(values, study_.sites(rows), family=True),
        "z": z,
        "z_p": z_p,
        "z_q": benjamini_hochberg(z_p),
    }


def crossover(study_: Study) -> pd.DataFrame:
    """Crossover of each session, from its late blocks, and of each area and selection, from experiments."""
    if len(study_.experiments) == 0:
        return study_.crossovers
    return pd.concat([study_.crossovers, area_crossovers(study_)], ignore_index=True)


def area_crossovers(study_: Study) -> pd.DataFrame:
    """Rows of the crossover table for areas."""
    binned = study_.late("binned")
    values, starts = binned["contrast_difference"].values, binned["contrast_start_ms"].values
    bins = Bins(tuple(int(start) for start in starts), study_.settings.figure_bin_ms)
    area_rows = []
    for area, selection, rows in study_.selections():
        # The flips of the latencies of the same experiments: one lead, one p.
        generator = seeded(study_.seed, "leads", area, selection)
        sites = study_.sites(rows)
        row = crossover_row(values[rows], bins, study_.settings, "experiments", generator, sites)
        scope = {"scope": "area", "session": "", "area": area, "selection": selection}
        area_rows.append(row | scope)
    return pd.DataFrame(area_rows)


POOLED = (
    PooledStatistic((POPULATION_PSTH,), population_psth),
    PooledStatistic((POPULATION_ATTRIBUTION,), attribution),
    PooledStatistic((POPULATION_CENTRES,), centres),
    PooledStatistic((POPULATION_CONTRAST,), contrast),
    PooledStatistic((CROSSOVER,), crossover, without_valid=True),
    PooledStatistic((CLUSTERS,), clusters),
)
