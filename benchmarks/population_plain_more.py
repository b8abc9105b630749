"""Bootstraps and the panels beyond the study, as one writes them with pandas, scipy and statsmodels."""

from __future__ import annotations

import warnings
from itertools import groupby, product
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.multitest import multipletests

from evoalign.analysis.settings import Analysis

ANSWERED = 3  # the first bin of 10 ms from 25 ms on


def bootstrap(values: np.ndarray, errors: np.ndarray, subjects: np.ndarray, settings: Analysis) -> np.ndarray:
    """Draws of the mean over animals, their experiments, and normal noise for the presentations.

    To draw every presentation of every experiment anew would take hours.
    """
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(settings.n_bootstrap):
        rows = pick(subjects, rng)
        noise = rng.standard_normal(values[rows].shape) * np.nan_to_num(errors[rows])
        draws.append(np.nanmean(values[rows] + noise, axis=0))
    return np.array(draws)


def pick(subjects: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Experiments of one draw: animals with replacement, then their experiments."""
    names = np.unique(subjects)
    picked = []
    for animal in rng.choice(names, len(names)):
        own = np.flatnonzero(subjects == animal)
        picked.append(rng.choice(own, len(own)))
    return np.concatenate(picked)


def interval(draws: np.ndarray, settings: Analysis) -> np.ndarray:
    """Percentiles over draws."""
    if np.isnan(draws).all():
        return np.full((2, *draws.shape[1:]), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanquantile(draws, [(1 - settings.interval) / 2, (1 + settings.interval) / 2], axis=0)


def first_stay(ahead: np.ndarray, stay: int) -> int:
    """First of `stay` bins in a row that are ahead; -1 when none."""
    for at in range(len(ahead) - stay + 1):
        if ahead[at : at + stay].all():
            return at
    return -1


def leads(differences: np.ndarray, settings: Analysis) -> tuple[np.ndarray, dict[int, list[range]]]:
    """Mean difference, and runs of bins in which texture (-1) or object (1) leads, by sign flips."""
    values = differences[:, ANSWERED:]
    values = values[~np.isnan(values).any(1)]
    n, n_bins = values.shape
    if n < settings.min_experiments:
        return np.empty(0), {-1: [], 1: []}
    limit = stats.t.isf(settings.cluster_p / 2, n - 1)
    flips = [np.ones(n)]
    if 2**n <= settings.n_permutations:
        flips = [np.array(signs) for signs in product([1, -1], repeat=n)]
    else:
        rng = np.random.default_rng(0)
        flips += [rng.choice([-1, 1], n) for _ in range(settings.n_permutations - 1)]
    t = np.array([stats.ttest_1samp(values * signs[:, None], 0.0).statistic for signs in flips])

    def significant(sign: int, used: list[int]) -> list[range]:
        runs = [_one_sided(sign * one, limit, used) for one in t]
        largest = np.array([max((mass for _, mass in own), default=0.0) for own in runs])
        return [bins for bins, mass in runs[0] if np.mean(largest >= mass - 1e-9) <= settings.lead_p]

    every = list(range(n_bins))
    found = {sign: significant(sign, every) for sign in (-1, 1)}
    for sign in (-1, 1):
        if found[sign] and not found[-sign]:
            left = [at for at in every if not any(at in one for one in found[sign])]
            found[-sign] = significant(-sign, left)
            break
    return values.mean(0), found


def crossover(differences: np.ndarray, settings: Analysis) -> float:
    """When the lead passes from texture to object; NaN unless both lead, in this order."""
    mean, found = leads(differences, settings)
    after = [one for one in found[1] if any(other.start < one.start for other in found[-1])]
    if not after:
        return np.nan
    at = after[0].start
    while mean[at - 1] > 0:
        at -= 1
    return 10.0 * (at + ANSWERED) + 5 - 10 * mean[at] / (mean[at] - mean[at - 1])


def _one_sided(t: np.ndarray, limit: float, used: list[int]) -> list[tuple[range, float]]:
    """Runs of neighbouring bins above the limit, of those used, and their sums of t."""
    above = [at in used and t[at] > limit for at in range(len(t))]
    found = []
    for holds, group in groupby(range(len(t)), key=lambda at: above[at]):
        bins = list(group)
        if holds:
            found.append((range(bins[0], bins[-1] + 1), float(t[bins].sum())))
    return found


def session_beyond(found: dict, settings: Analysis) -> dict[str, Any]:
    """Crossover of one experiment, from its late blocks."""
    bins = [at for at, (start, stop) in enumerate(found["windows"]) if stop - start == 10]
    first = found["n_blocks"] - max(1, round(found["n_blocks"] * settings.late_fraction))
    late = found["rates"][bins][:, :, first:]
    return {"crossover": crossover((late[:, 1] - late[:, 0]).T, settings)}


def corrected(generated: pd.DataFrame, tests: dict, thread: int, n_draws: int) -> tuple[float, float]:
    """P of maxinit and maxend against evolutions without a rise that choose their best block, too."""
    rng = np.random.default_rng(0)
    shown = generated[generated["thread"] == thread].groupby("block").size().to_numpy()
    edges = np.r_[0, np.cumsum(shown)]
    above = np.zeros(2)
    for _ in range(n_draws):
        responses = rng.standard_normal(edges[-1])
        means = np.add.reduceat(responses, edges[:-1]) / shown
        peak = min(int(means.argmax()), len(shown) - 3)
        top, init, end = (responses[edges[at] : edges[at + 2]] for at in (peak, 0, len(shown) - 2))
        above += [
            _t(top, init) >= tests["maxinit", thread].statistic,
            _t(top, end) >= tests["maxend", thread].statistic,
        ]
    return tuple((1 + above) / (1 + n_draws))


def _t(a: np.ndarray, b: np.ndarray) -> float:
    # scipy.stats.ttest_ind takes ten times as long for two small samples.
    n, m = len(a), len(b)
    variance = ((n - 1) * a.var(ddof=1) + (m - 1) * b.var(ddof=1)) / (n + m - 2)
    return float((a.mean() - b.mean()) / np.sqrt(variance * (1 / n + 1 / m)))


def beyond(own: list[dict], selected: dict[str, list[dict]], settings: Analysis) -> dict[str, Any]:
    """Contrast, crossover, animals, mixed effects, latencies and the specification curve of an area."""
    values = np.array([[one["evoked_difference"], *one["difference"]] for one in own])
    errors = np.array([[one["evoked_error"], *one["difference_error"]] for one in own])
    subjects = np.array([one["subject"] for one in own])
    return {
        "contrast": _contrast(values, errors, subjects, settings),
        "area_crossover": crossover(np.array([one["difference"] for one in own]), settings),
        "animals": _animals(values, subjects),
        "mixed": [_mixed(values[:, at], subjects) for at in range(values.shape[1])],
        "latency": {
            (name, sign): _latency(chosen, sign, settings)
            for name, chosen in selected.items()
            if chosen
            for sign in (-1, 1)
        },
        "specifications": _specifications(own, settings),
    }


def _contrast(
    values: np.ndarray, errors: np.ndarray, subjects: np.ndarray, settings: Analysis
) -> dict[str, Any]:
    if len(values) < 2:
        return {}
    tests = [stats.ttest_1samp(values[:, at], 0.0) for at in range(values.shape[1])]
    z = (values / errors**2).sum(0) / np.sqrt((1 / errors**2).sum(0))
    p, z_p = np.array([test.pvalue for test in tests]), 2 * stats.norm.sf(np.abs(z))
    return {
        "p": p,
        "q": multipletests(p[1:], method="fdr_bh")[1],
        "z": z,
        "z_q": multipletests(z_p[1:], method="fdr_bh")[1],
        "interval": interval(bootstrap(values, errors, subjects, settings), settings),
    }


def _animals(values: np.ndarray, subjects: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(values).groupby(subjects).agg(["count", "mean", "sem"])


def _mixed(values: np.ndarray, subjects: np.ndarray) -> dict[str, float]:
    """Intercept with animal as random effect (REML), and the ANOVA between animals."""
    groups = [values[subjects == name] for name in np.unique(subjects)]
    if len(groups) < 2 or len(values) < len(groups) + 2:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fit = sm.MixedLM(values, np.ones(len(values)), groups=subjects).fit(reml=True)
            mean, p = float(fit.fe_params[0]), float(fit.pvalues[0])
        except (np.linalg.LinAlgError, ValueError):  # no variance between two animals is its bound
            mean, p = np.nan, np.nan
    return {"mean": mean, "p": p, "p_animals": float(stats.f_oneway(*groups).pvalue)}


def _latency(chosen: list[dict], sign: int, settings: Analysis) -> tuple:
    """First bin of a lasting lead; its interval by t alone, over animals and experiments."""
    differences = np.array([one["difference"] for one in chosen])
    values = sign * differences[:, ANSWERED:]
    subjects = np.array([one["subject"] for one in chosen])
    lasting = [one for one in leads(differences, settings)[1][sign] if len(one) >= settings.crossover_bins]
    if not lasting:
        return np.nan, np.full(2, np.nan)

    def first(rows: np.ndarray) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            t = stats.ttest_1samp(values[rows], 0.0).statistic
        limit = stats.t.isf(settings.cluster_p / 2, max(len(rows) - 1, 1))
        at = first_stay(np.asarray(t > limit), settings.crossover_bins)
        return 10.0 * (ANSWERED + at) if at >= 0 else np.nan

    time = 10.0 * (ANSWERED + lasting[0].start)
    if len(values) < settings.min_interval_experiments:
        return time, np.full(2, np.nan)
    rng = np.random.default_rng(0)
    drawn = np.array([first(pick(subjects, rng)) for _ in range(settings.n_bootstrap)])
    return time, interval(drawn, settings)


def _specifications(own: list[dict], settings: Analysis) -> pd.DataFrame:
    """Paired tests of late rates under every choice of window, selection and normalization rate."""
    windows = own[0]["windows"]
    widest = max(settings.bins_ms)
    first, last = settings.evoked_ms
    used = [0] + [
        at
        for at, (start, stop) in enumerate(windows)
        if at > 1 and stop - start == widest and first <= start and stop <= last
    ]
    selections = {
        "valid": own,
        "both p < 0.05": [one for one in own if one["both"]],
        "both p < 0.01": [one for one in own if all(one["succeeds"])],
        "both p selected < 0.05": [one for one in own if max(p[0] for p in one["p_selected"]) < 0.05],
    }
    rows = []
    for selection, chosen in selections.items():
        for at in used:
            late = [
                one["rates"][at, :, -max(1, round(one["n_blocks"] * settings.late_fraction)) :].mean(1)
                for one in chosen
            ]
            evoked = [
                one["rates"][0, :, -max(1, round(one["n_blocks"] * settings.late_fraction)) :].mean()
                for one in chosen
            ]
            for normalization_rate in ("maximum", "mean", "none"):
                if len(chosen) < 2:
                    continue
                divisors = {
                    "maximum": [one["normaliser"] for one in chosen],
                    "mean": evoked,
                    "none": np.ones(len(chosen)),
                }
                values = np.array(late) / np.array(divisors[normalization_rate])[:, None]
                test = stats.ttest_rel(values[:, 1], values[:, 0])
                rows.append(
                    (selection, *windows[at], normalization_rate, len(chosen), test.statistic, test.pvalue)
                )
    return pd.DataFrame(rows, columns=["selection", "start", "stop", "normaliser", "n", "t", "p"])
