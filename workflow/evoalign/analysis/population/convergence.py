"""Do areas and spaces converge at different speeds: the tests of Fig. 4D, docs/methods.md section 3."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from evoalign.analysis.columns import AREA, site_columns, space_columns, t_test_columns
from evoalign.analysis.labelled import long_table
from evoalign.analysis.levels import DIFFERENCE_LEVEL
from evoalign.analysis.population.experiments import SPACES, Study
from evoalign.analysis.population.space_tests import (
    over_experiments,
    successful,
    test_columns,
    unpaired_columns,
)
from evoalign.analysis.population.statistic import PooledStatistic
from evoalign.analysis.statistics.sites import paired_over_sites, unpaired_over_sites
from evoalign.analysis.statistics.tests import Moments, Test, benjamini_hochberg, one_sample_t, two_sample_t
from evoalign.tables import FLAG, FLOAT, INT, TEXT, column, table

POPULATION_TIME_CONSTANTS = table(
    "population_time_constants",
    AREA,
    column("level", TEXT, "", "'bslinit', 'bsl' or 'zero'"),
    column("theta", FLOAT, "", "share of the maximum"),
    *space_columns("blocks", paired=False),
    *t_test_columns("two-sample over successful threads, texture minus object"),
    *site_columns(paired=False),
)

TIME_CONSTANT_TESTS = table(
    "time_constant_tests",
    column("comparison", TEXT, "", "'areas': one space in two areas, two-sample; 'spaces': one area, paired"),
    column("area_1", TEXT, "", "visual area of the first group"),
    column("space_1", TEXT, "", "its kind of space, 'texture' or 'object'"),
    column("area_2", TEXT, "", "visual area of the second group"),
    column("space_2", TEXT, "", "its kind of space"),
    column("level", TEXT, "", "'bslinit', 'bsl' or 'zero'"),
    column("theta", FLOAT, "", "share of the maximum"),
    column("n_1", INT, "", "threads of the first group that succeed at analysis.success_p; pairs"),
    column("n_2", INT, "", "of the second group; pairs"),
    column("difference", FLOAT, "blocks", "mean of the first minus mean of the second group"),
    column("low", FLOAT, "blocks", "lower end of its 95 % interval, of the t distribution"),
    column("high", FLOAT, "blocks", "upper end of it"),
    *t_test_columns("first minus second group"),
    column("n_sites_1", INT, "", "recording sites of the first group; of the pairs"),
    column("n_sites_2", INT, "", "recording sites of the second group; of the pairs"),
    *site_columns(paired=False)[2:],
    column("q", FLOAT, "", "Benjamini-Hochberg adjusted p over the tests of the level and theta"),
    column("study", FLAG, "", "one of the study's three tests"),
)


Floats = NDArray[np.float64]
# The study's label of posterior IT, and the one of its figures.
POSTERIOR_IT = ("IT", "PIT")


@dataclass(frozen=True)
class _Comparison:
    """First minus second group: names, numbers, mean difference, its error and test, [level, theta]."""

    names: dict[str, str]
    n: tuple[NDArray[np.float64], NDArray[np.float64]]
    difference: Floats
    error: Floats
    test: Test
    over_sites: dict[str, Floats]


def time_constant_tests(study_: Study) -> pd.DataFrame:
    """Compare the convergence of areas, and of the spaces within each (Fig. 4D).

    Between areas, of threads of one space that succeed at
    `analysis.success_p`: two-sample t, for every pair of areas. Within an
    area, of experiments in which both threads do: paired t, texture against
    object. The study's three are texture of IT against V4 and against V1, and
    texture against object in IT (column `study`). `q` adjusts p over all tests
    of one level and theta (Benjamini and Hochberg); the study does not.

    Returns
    -------
    pandas.DataFrame
        `TIME_CONSTANT_TESTS`.
    """
    array, levels, thetas = _first_above(study_)
    parts = []
    for comparison in [*_between_areas(study_, array), *_within_areas(study_, array)]:
        reach = comparison.error * special.stdtrit(comparison.test.df, (1 + DIFFERENCE_LEVEL) / 2)
        columns = {
            "n_1": comparison.n[0].astype(np.int64),
            "n_2": comparison.n[1].astype(np.int64),
            "difference": comparison.difference,
            "low": comparison.difference - reach,
            "high": comparison.difference + reach,
            **test_columns(comparison.test),
            **comparison.over_sites,
        }
        parts.append(long_table({"level": levels, "theta": thetas}, columns).assign(**comparison.names))
    comparisons = pd.concat(parts, ignore_index=True)
    family = comparisons.groupby(["level", "theta"], sort=False)["p"]
    return comparisons.assign(
        q=family.transform(lambda p: benjamini_hochberg(p.to_numpy())), study=_of_the_study(comparisons)
    )


def _first_above(study_: Study) -> tuple[Floats, np.ndarray, np.ndarray]:
    """Convergence [experiment, kind, level, theta], and its levels and thetas."""
    by_level = study_.data["time_constants_first_above"].sortby(["level", "theta"])
    array = by_level.transpose("experiment", "kind", "level", "theta").values
    return array, by_level["level"].values, by_level["theta"].values


def _between_areas(study_: Study, array: Floats) -> Iterator[_Comparison]:
    values = {area: successful(study_, rows, array) for area, rows in study_.areas()}
    for kind, (first, second) in itertools.product(SPACES, itertools.combinations(values, 2)):
        groups = [values[area][kind] for area in (first, second)]
        first_moments, second_moments = (over_experiments(array) for _, array in groups)
        over_sites = unpaired_over_sites(*((array, study_.sites(rows)) for rows, array in groups))
        names = {"comparison": "areas", "area_1": first, "area_2": second, "space_1": kind, "space_2": kind}
        difference, error = (
            (first_moments.mean - second_moments.mean).numpy(),
            _error(first_moments, second_moments),
        )
        test = two_sample_t(first_moments, second_moments)
        yield _Comparison(names, _n(first_moments, second_moments), difference, error, test, over_sites)


def _within_areas(study_: Study, array: Floats) -> Iterator[_Comparison]:
    experiments = study_.experiments
    both_succeed = np.logical_and.reduce(
        [experiments[f"succeeds_{kind}"].to_numpy(dtype=bool) for kind in SPACES]
    )
    for area, rows in study_.areas():
        texture, object_ = (array[rows[both_succeed[rows]], at] for at in range(len(SPACES)))
        pairs = over_experiments(texture - object_)
        names = {"comparison": "spaces", "area_1": area, "area_2": area}
        names |= {"space_1": SPACES[0], "space_2": SPACES[1]}
        mean, error = pairs.mean.numpy(), pairs.sem.numpy()
        over_sites = paired_over_sites(texture - object_, study_.sites(rows[both_succeed[rows]]))
        counts = over_sites.pop("n_sites")
        over_sites |= {"n_sites_1": counts, "n_sites_2": counts}
        yield _Comparison(names, _n(pairs, pairs), mean, error, one_sample_t(pairs), over_sites)


def _error(first: Moments, second: Moments) -> Floats:
    """Standard error of the difference of two means of equal variance."""
    df = first.n + second.n - 2
    pooled = (first.squares + second.squares) / df.clamp(min=1)
    return (pooled * (1 / first.n + 1 / second.n)).sqrt().numpy()


def _n(first: Moments, second: Moments) -> tuple[Floats, Floats]:
    return first.n.numpy(), second.n.numpy()


def _of_the_study(found: pd.DataFrame) -> pd.Series:
    """Texture of IT against V4 and V1, and texture against object in IT."""
    inferotemporal = found["area_1"].isin(POSTERIOR_IT) & (found["space_1"] == "texture")
    is_early_texture = found["area_2"].isin(("V4", "V1")) & (found["space_2"] == "texture")
    return inferotemporal & (is_early_texture | (found["comparison"] == "spaces"))


def population_time_constants(study_: Study) -> pd.DataFrame:
    """Convergence of the threads that succeed at `success_p`, two-sample t-test (Fig. 4D)."""
    array, levels, thetas = _first_above(study_)
    parts = []
    for area, rows in study_.areas():
        groups = successful(study_, rows, array)
        columns = unpaired_columns(study_, groups, ("time constants", area))
        parts.append(long_table({"level": levels, "theta": thetas}, columns).assign(area=area))
    return pd.concat(parts, ignore_index=True)


POOLED = (
    PooledStatistic((POPULATION_TIME_CONSTANTS,), population_time_constants),
    PooledStatistic((TIME_CONSTANT_TESTS,), time_constant_tests),
)
