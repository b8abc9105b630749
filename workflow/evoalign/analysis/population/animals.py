"""Does one animal carry the effect? Late object minus texture by animal, and with animal as random effect."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, special

from evoalign.analysis.columns import AREA, FAMILY, START, STOP, experiment_columns
from evoalign.analysis.labelled import long_table
from evoalign.analysis.population.experiments import Study
from evoalign.analysis.population.space_tests import over_experiments
from evoalign.analysis.population.statistic import PooledStatistic
from evoalign.analysis.statistics.tests import benjamini_hochberg
from evoalign.tables import FLOAT, INT, TEXT, column, table

ANIMAL_CONTRAST = table(
    "animal_contrast",
    AREA,
    *experiment_columns("subject"),
    column("window", TEXT, "", "'evoked' or 'binned'"),
    START,
    STOP,
    column("n", INT, "", "valid experiments of the animal"),
    column("mean", FLOAT, "", "late object minus texture over the normalization rate, mean over experiments"),
    column("sem", FLOAT, "", "standard error over experiments"),
)

MIXED_EFFECTS = table(
    "mixed_effects",
    AREA,
    column("window", TEXT, "", "'evoked' or 'binned'"),
    START,
    STOP,
    column("n", INT, "", "valid experiments"),
    column("animals", INT, "", "animals"),
    column("mean", FLOAT, "", "late object minus texture: fixed intercept, animal a random one"),
    column("sem", FLOAT, "", "its standard error; NaN with one animal or too few experiments"),
    column("z", FLOAT, "", "mean over its standard error"),
    column("p", FLOAT, "", "two-sided p value of z, as a t of n - 1 degrees of freedom"),
    FAMILY,
    column("sd_animals", FLOAT, "", "standard deviation between animals (REML)"),
    column("sd_experiments", FLOAT, "", "standard deviation between experiments of an animal"),
    column("f_animals", FLOAT, "", "F of the one-way ANOVA between animals"),
    column("p_animals", FLOAT, "", "its p value"),
    column("q_animals", FLOAT, "", "Benjamini-Hochberg adjusted over the bins of the panel"),
)


Floats = NDArray[np.float64]
WINDOWS = ("evoked", "binned")
LOG_RATIOS = (-14.0, 10.0)  # of the variance between animals over that within
_NO_FIT = dict.fromkeys(("mean", "sem", "z", "p", "sd_animals", "sd_experiments"), float("nan"))


def animal_contrast(study_: Study) -> pd.DataFrame:
    """Late object minus texture of each animal: mean and sem over its valid experiments."""
    parts = []
    for window in WINDOWS:
        values, starts, stops = _differences(study_, window)
        for area, rows in study_.areas():
            subjects = study_.experiments["subject"].iloc[rows].to_numpy()
            for subject in np.unique(subjects):
                statistics = over_experiments(values[rows[subjects == subject]])
                columns = {
                    "n": statistics.n,
                    "mean": statistics.mean,
                    "sem": statistics.sem,
                    "stop_ms": stops,
                }
                frame = long_table({"start_ms": starts}, columns)
                parts.append(frame.assign(area=area, subject=subject, window=window))
    return pd.concat(parts, ignore_index=True).astype({"n": "int64"})


def mixed_effects(study_: Study) -> pd.DataFrame:
    """Late object minus texture with a random intercept for the animal, and the difference of animals.

    The mixed model (REML) widens the error of the mean by how much animals
    differ; with two animals this variance is known badly, so the one-way
    ANOVA between animals stands beside it.
    """
    parts = []
    for window in WINDOWS:
        values, starts, stops = _differences(study_, window)
        for area, rows in study_.areas():
            subjects = study_.experiments["subject"].iloc[rows].to_numpy()
            fits = [fit_animals(values[rows, at], subjects) for at in range(len(starts))]
            frame = pd.DataFrame(fits).assign(area=area, window=window, start_ms=starts, stop_ms=stops)
            # The evoked window is a test of its own; the bins are one family.
            parts.append(
                frame.assign(
                    q=benjamini_hochberg(frame["p"]), q_animals=benjamini_hochberg(frame["p_animals"])
                )
            )
    return pd.concat(parts, ignore_index=True)


def _differences(study_: Study, window: str) -> tuple[Floats, np.ndarray, np.ndarray]:
    """Late differences [experiment, window], and the windows' starts and stops."""
    late = study_.late(window)
    names = ("contrast_difference", "contrast_start_ms", "contrast_stop_ms")
    values, starts, stops = (late[name].values for name in names)
    return values, starts, stops


def fit_animals(values: Floats, subjects: NDArray[np.str_]) -> dict[str, float]:
    """Mean with a random intercept for the animal, and the one-way ANOVA between animals.

    Parameters
    ----------
    values : numpy.ndarray, float64 [experiment]
        NaN are left out.
    subjects : numpy.ndarray, str [experiment]

    Returns
    -------
    dict of str to float
        ``n``, ``animals``; ``mean``, ``sem``, ``z``, ``p`` of the fixed
        intercept, ``sd_animals`` and ``sd_experiments`` (NaN with one animal
        or too few experiments); ``f_animals`` and ``p_animals``.
    """
    is_known = ~np.isnan(values)
    values, subjects = values[is_known], subjects[is_known]
    groups = [values[subjects == name] for name in np.unique(subjects)]
    fit: dict[str, float] = {"n": len(values), "animals": len(groups), **_NO_FIT}
    fit |= {"f_animals": float("nan"), "p_animals": float("nan")}
    if len(groups) < 2 or len(values) < len(groups) + 2 or np.ptp(values) == 0:
        return fit
    from scipy import stats  # not before: it takes 0.7 s to load

    f = stats.f_oneway(*groups)
    fit |= {"f_animals": float(f.statistic), "p_animals": float(f.pvalue)}
    return fit | _random_intercept(groups)


def _random_intercept(groups: list[Floats]) -> dict[str, float]:
    """REML of a mean with a random intercept a group.

    The likelihood is profiled over the one ratio of variances, between over
    within, and looked for at its bound of 0, too: two animals often agree, and
    a general optimiser has no error of the mean there.
    """
    n = np.array([len(group) for group in groups], dtype=np.float64)
    means = np.array([group.mean() for group in groups])
    within = float(sum(((group - group.mean()) ** 2).sum() for group in groups))
    total = n.sum() - 1

    def solve(ratio: float) -> tuple[float, float, float, float]:
        weights = n / (1 + ratio * n)
        mean = float((weights * means).sum() / weights.sum())
        variance = float(within + (weights * (means - mean) ** 2).sum()) / total
        deviance = total * np.log(variance) + np.log(1 + ratio * n).sum() + np.log(weights.sum())
        return float(deviance), mean, variance, float(np.sqrt(variance / weights.sum()))

    best = optimize.minimize_scalar(
        lambda log_ratio: solve(np.exp(log_ratio))[0], bounds=LOG_RATIOS, method="bounded"
    )
    ratio = min(0.0, float(np.exp(best.x)), key=lambda one: solve(one)[0])
    _, mean, variance, sem = solve(ratio)
    z = mean / sem
    return {
        "mean": mean,
        "sem": sem,
        "z": z,
        # The variance is estimated: from a normal, small studies would find too much. Exact when
        # animals agree, for then this is the t-test of all experiments.
        "p": float(2 * special.stdtr(total, -abs(z))),
        "sd_animals": float(np.sqrt(ratio * variance)),
        "sd_experiments": float(np.sqrt(variance)),
    }


POOLED = (
    PooledStatistic((ANIMAL_CONTRAST,), animal_contrast),
    PooledStatistic((MIXED_EFFECTS,), mixed_effects),
)
