"""The study's panels as one writes them with pandas, scipy and statsmodels, to compare numbers and time.

Written as an analysis script of a laboratory is: a loop over experiments, and
in it `groupby` a window and one scipy call a test; a loop over draws for each
bootstrap and over sign flips for each permutation, with numpy for what a draw
computes from its whole array. It makes every panel that
`evoalign.analysis` makes, those beyond the study (`population_plain_more`)
among them; nothing is shared with it but the kernel of the smoothing.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

from evoalign.analysis.settings import Analysis
from evoalign.responses.rates import smoothing_kernel
from evoalign.responses.session_responses import SessionResponses
from population_plain_more import beyond, bootstrap, corrected, interval, session_beyond

BINS = 10  # ms


def session(responses: SessionResponses, settings: Analysis, unstable: str) -> dict[str, Any]:
    """Return all numbers of one experiment: docs/methods.md sections 3 and 4."""
    shown = responses.presentations
    keep = shown["valid"].to_numpy()
    kernel = smoothing_kernel(settings.smoothing_sigma_ms) * 1000
    rates = np.array([np.convolve(row, kernel, mode="same") for row in responses.counts[0][keep]])
    first, last = settings.window_ms
    rates = rates[:, first - responses.start_ms : last - responses.start_ms]
    shown = shown[keep].reset_index(drop=True)
    generated = shown[~shown["reference"]]
    last_block = generated[generated["block"] == generated["block"].max()]
    n_last = last_block.groupby("thread").size()
    if min(n_last.get(0, 0), n_last.get(1, 0)) < settings.min_last_block:
        generated = generated[generated["block"] < generated["block"].max()]
        shown = shown[shown["block"] < shown["block"].max()]
    references = shown[shown["reference"]]
    reference_rates = rates[references.index]
    rates = rates[generated.index]
    generated = generated.reset_index(drop=True)
    n_blocks = generated["block"].nunique()
    windows = [settings.evoked_ms, settings.baseline_ms]
    for width in settings.bins_ms:
        windows += [(start, start + width) for start in range(first, last, width)]
    means, errors = _block_means(generated, rates, windows)
    top = means[0].max()
    best = means[0].argmax(1)
    found: dict[str, Any] = {
        "session": responses.session,
        "subject": responses.subject,
        "site": (responses.subject, responses.site or responses.session),
        "area": responses.area,
        "n_blocks": n_blocks,
        "valid": n_blocks >= settings.min_blocks
        and not unstable
        and generated["space"].str.startswith("BigGAN").any(),
        "normaliser": top,
        "rates": means,
        "trajectories": means / top,
        "errors": errors / top,
        "reference": _block_means(references, reference_rates, windows[:2]),
        "windows": windows,
        "tests": _success(generated, rates, means[0], n_blocks),
    }
    psth, psth_errors = _block_means(generated, rates, [(ms, ms + 1) for ms in range(last - first)])
    found["reference_psth"] = _block_means(
        references, reference_rates, [(ms, ms + 1) for ms in range(last - first)]
    )
    psth, psth_errors = np.moveaxis(psth, 0, -1), np.moveaxis(psth_errors, 0, -1)
    found["psth"], found["psth_errors"] = psth, psth_errors
    found["stages"] = [(0, 0), tuple(best), (n_blocks - 1, n_blocks - 1)]
    found["tau"] = _time_constants(means, settings)
    found["share"], found["centre"] = {width: [] for width in settings.bins_ms}, []
    for thread in (0, 1):
        change = psth[thread, best[thread]] - psth[thread, 0]
        for width in settings.bins_ms:
            binned = np.array([change[at : at + width].mean() for at in range(0, last - first, width)])
            share = binned / binned.sum() if binned.sum() > 0 else np.full(len(binned), np.nan)
            found["share"][width].append(share)
        curves = [psth[thread, 0], psth[thread, best[thread]], psth[thread, -1], change]
        found["centre"].append([_centre(curve, last - first) for curve in curves])
    late = generated["block"] > generated["block"].max() - round(n_blocks * settings.late_fraction)
    found |= _late(rates, generated, late.to_numpy(), top, settings)
    found["p_selected"] = [corrected(generated, found["tests"], t, settings.n_permutations) for t in (0, 1)]
    return found | session_beyond(found, settings)


def _block_means(
    shown: pd.DataFrame, rates: np.ndarray, windows: list[tuple[int, int]]
) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard errors of each thread and block, [window, thread, block]."""
    binned = pd.DataFrame({at: rates[:, start:stop].mean(1) for at, (start, stop) in enumerate(windows)})
    grouped = binned.groupby([shown["thread"].to_numpy(), shown["block"].to_numpy()])
    shape = (2, -1, len(windows))
    means, errors = grouped.mean().to_numpy().reshape(shape), grouped.sem().to_numpy().reshape(shape)
    return np.moveaxis(means, -1, 0), np.moveaxis(errors, -1, 0)


def _success(generated: pd.DataFrame, rates: np.ndarray, means: np.ndarray, n_blocks: int) -> dict:
    evoked = pd.Series(rates[:, 50:200].mean(1))
    stage = {}
    for thread in (0, 1):
        peak = min(int(means[thread].argmax()), n_blocks - 3)
        for name, blocks in (
            ("init", (1, 2)),
            ("max", (peak + 1, peak + 2)),
            ("end", (n_blocks - 1, n_blocks)),
        ):
            chosen = (generated["thread"] == thread) & generated["block"].isin(blocks)
            stage[name, thread] = evoked[chosen]
    found = {}
    for thread in (0, 1):
        for a, b in (("end", "init"), ("max", "init"), ("max", "end")):
            found[a + b, thread] = stats.ttest_ind(stage[a, thread], stage[b, thread])
    for name in ("init", "max", "end"):
        found[f"{name}_01", -1] = stats.ttest_ind(stage[name, 0], stage[name, 1])
    return found


def _time_constants(means: np.ndarray, settings: Analysis) -> np.ndarray:
    """First block above theta of the maximum, [level, theta, thread]; levels bslinit, bsl and zero."""
    thetas = (settings.time_constant_theta, settings.time_constant_alternative)
    found = np.full((3, len(thetas), 2), np.nan)
    for thread in (0, 1):
        for at, level in enumerate((means[0, thread, 0], means[1, thread].mean(), 0.0)):
            rise = means[0, thread] - level
            for column, theta in enumerate(thetas):
                if rise.max() > 0:
                    found[at, column, thread] = np.argmax(rise > theta * rise.max())
    return found


def _centre(curve: np.ndarray, n_ms: int) -> float:
    mass, time = curve[25:], np.arange(25, n_ms) + 0.5
    return float((mass * time).sum() / mass.sum()) if mass.sum() > 0 else np.nan


def _late(
    rates: np.ndarray, generated: pd.DataFrame, late: np.ndarray, top: float, settings: Analysis
) -> dict:
    binned = rates.reshape(len(rates), -1, BINS).mean(2)
    texture, object_ = (binned[late & (generated["thread"] == t).to_numpy()] for t in (0, 1))
    # The evoked window first, then the bins.
    values = [
        np.column_stack([part[:, 5:20].mean(1), part]) if settings.evoked_ms == (50, 200) else part
        for part in (texture, object_)
    ]
    test = [stats.ttest_ind(values[1][:, at], values[0][:, at]) for at in range(values[0].shape[1])]
    difference = values[1].mean(0) - values[0].mean(0)
    t = np.array([one.statistic for one in test])
    return {
        "evoked_difference": difference[0] / top,
        "difference": difference[1:] / top,
        "evoked_error": abs(difference[0] / t[0]) / top,
        "difference_error": np.abs(difference[1:] / t[1:]) / top,
        "late_t": t[1:],
        "late_p": np.array([one.pvalue for one in test])[1:],
    }


def pool(sessions: list[dict], settings: Analysis) -> dict:
    """Return the population's panels by area: docs/methods.md sections 3 and 4, with intervals."""
    valid = sorted((one for one in sessions if one["valid"]), key=lambda one: one["session"])
    longest = max(one["n_blocks"] for one in valid)
    for one in valid:
        one["padded"], one["padded_errors"] = _pad(one, longest)
        one["longest"] = longest
        tests = [one["tests"]["maxinit", t] for t in (0, 1)]
        for name, threshold in (("succeeds", settings.success_p), ("lenient", settings.both_succeed_p)):
            one[name] = [test.pvalue < threshold and test.statistic > 0 for test in tests]
        one["both"], one["any"] = all(one["lenient"]), any(one["lenient"])
        one["both_strict"] = all(one["succeeds"])
    found = {}
    for area in sorted({one["area"] for one in valid}):
        own = [one for one in valid if one["area"] == area]
        selected = {"valid": own, "any": [o for o in own if o["any"]], "both": [o for o in own if o["both"]]}
        found[area] = {name: _panels(chosen, settings) for name, chosen in selected.items() if chosen}
        if strict := [o for o in own if o["both_strict"]]:
            found[area]["both_strict"] = _trajectories(strict, settings)
        found[area]["rates"] = _unpaired(own, settings)
        found[area] |= beyond(own, selected, settings)
        found[area]["convergence"] = _convergence(valid, area)
    return found


def _convergence(valid: list[dict], area: str) -> dict[tuple[str, int] | str, tuple]:
    """Time constants of an area against each later one's, and of its two spaces, [level, theta]."""
    found: dict[tuple[str, int] | str, tuple] = {}
    for other in sorted({one["area"] for one in valid if one["area"] > area}):
        for thread in (0, 1):
            groups = [
                np.array([o["tau"][..., thread] for o in valid if o["area"] == a and o["succeeds"][thread]])
                for a in (area, other)
            ]
            if min(len(group) for group in groups):
                found[other, thread] = stats.ttest_ind(*groups, nan_policy="omit")
    both = np.array([one["tau"] for one in valid if one["area"] == area and one["both_strict"]])
    if len(both):
        found["spaces"] = stats.ttest_rel(both[..., 0], both[..., 1], nan_policy="omit")
    return found


def _pad(one: dict, longest: int) -> tuple[np.ndarray, np.ndarray]:
    n_more = longest - one["n_blocks"]
    tail = one["trajectories"][..., -2:].mean(-1, keepdims=True)
    error = np.sqrt((one["errors"][..., -2:] ** 2).sum(-1, keepdims=True)) / 2
    means = np.concatenate([one["trajectories"], np.repeat(tail, n_more, -1)], -1)
    return means, np.concatenate([one["errors"], np.repeat(error, n_more, -1)], -1)


def _panels(chosen: list[dict], settings: Analysis) -> dict:
    """Trajectories, PSTHs and clusters of some experiments."""
    subjects = np.array([one["subject"] for one in chosen])
    psths, intervals = [], []
    for stage in range(3):
        mean, error = (np.array(each) for each in zip(*(_stage(one, stage) for one in chosen), strict=True))
        psths.append(mean.mean(0))
        intervals.append(interval(bootstrap(mean, error, subjects, settings), settings))
    return {
        **_trajectories(chosen, settings),
        "psth": psths,
        "psth_intervals": intervals,
        "clusters": _clusters(_site_means(chosen, "difference"), settings),
    }


def _stage(one: dict, stage: int) -> tuple[np.ndarray, np.ndarray]:
    """PSTHs and errors of the first, best or last (padded) block, over the normalization rate."""
    at = one["stages"][stage]
    mean, error = (
        np.array([one[name][t, at[t]] for t in (0, 1)]) / one["normaliser"]
        for name in ("psth", "psth_errors")
    )
    if stage == 2 and one["n_blocks"] < one["longest"]:
        mean = one["psth"][:, -2:].mean(1) / one["normaliser"]
        error = np.sqrt((one["psth_errors"][:, -2:] ** 2).sum(1)) / 2 / one["normaliser"]
    return mean, error


def _trajectories(chosen: list[dict], settings: Analysis) -> dict:
    """Trajectories with paired tests of some experiments; activation is their first and last block."""
    values = np.array([one["padded"] for one in chosen])  # [experiment, window, thread, block]
    errors = np.array([one["padded_errors"] for one in chosen])
    t, p, q = (np.full((values.shape[1], values.shape[3]), np.nan) for _ in range(3))
    for window in range(values.shape[1]):
        for block in range(values.shape[3]):
            test = stats.ttest_rel(values[:, window, 0, block], values[:, window, 1, block])
            t[window, block], p[window, block] = test.statistic, test.pvalue
        known = ~np.isnan(p[window])
        if known.any():
            q[window, known] = multipletests(p[window, known], method="fdr_bh")[1]
    subjects = np.array([one["subject"] for one in chosen])
    draws = bootstrap(values, errors, subjects, settings)
    low, high = interval(draws, settings)
    return {
        "n": len(chosen),
        "mean": values.mean(0),
        "sem": values.std(0, ddof=1) / np.sqrt(len(chosen)) if len(chosen) > 1 else None,
        "t": t,
        "p": p,
        "q": q,
        "low": low,
        "high": high,
        "difference": interval(draws[:, :, 1] - draws[:, :, 0], settings),
    }


def _site_means(chosen: list[dict], name: str) -> np.ndarray:
    """Mean over each site's experiments, sites in the order in which they come."""
    by_site: dict[Any, list[np.ndarray]] = {}
    for one in chosen:
        by_site.setdefault(one["site"], []).append(one[name])
    return np.array([np.mean(values, axis=0) for values in by_site.values()])


def _clusters(differences: np.ndarray, settings: Analysis) -> list[tuple[int, int, float, float]]:
    if len(differences) < 2:
        return []
    rng = np.random.default_rng(0)
    limit = stats.t.isf(settings.cluster_p / 2, len(differences) - 1)

    def masses(values: np.ndarray) -> list[tuple[int, int, float]]:
        with np.errstate(invalid="ignore", divide="ignore"):
            t = np.asarray(stats.ttest_1samp(values, 0.0).statistic)
        sign = np.where(t > limit, 1, np.where(t < -limit, -1, 0))
        edges = [0, *(np.flatnonzero(np.diff(sign)) + 1), len(sign)]
        return [(a, b, t[a:b].sum()) for a, b in pairwise(edges) if sign[a]]

    largest = []
    for flip in range(settings.n_permutations):
        signs = np.ones(len(differences)) if flip == 0 else rng.choice([-1, 1], len(differences))
        largest.append(max((abs(mass) for *_, mass in masses(differences * signs[:, None])), default=0.0))
    return [
        (a, b, mass, float(np.mean(np.array(largest) >= abs(mass)))) for a, b, mass in masses(differences)
    ]


def _of_thread(values: Any, thread: int) -> np.ndarray:
    """Time constants have the thread as their last axis, all others as their first."""
    return values[..., thread] if isinstance(values, np.ndarray) else np.asarray(values[thread])


def _unpaired(own: list[dict], settings: Analysis) -> dict:
    """Success rates, time constants, centres and attribution of the threads that succeed."""
    groups = [[one for one in own if one["succeeds"][t]] for t in (0, 1)]
    found: dict[str, Any] = {"k": [len(group) for group in groups], "n": len(own), "every_rate": []}
    for name in ("succeeds", "lenient"):
        for rule in (lambda s: s[0], lambda s: s[1], any, all):
            k = sum(bool(rule(one[name])) for one in own)
            found["every_rate"].append((k, stats.beta(k + 1, len(own) - k + 1).ppf([0.05, 0.95])))
    found["interval"] = [
        stats.beta(len(group) + 1, len(own) - len(group) + 1).ppf([0.05, 0.95]) for group in groups
    ]
    shares = {f"share {width}": width for width in settings.bins_ms}
    for name in ("tau", "centre", *shares):
        if not all(groups):
            found[name] = None
            continue
        values = []
        for t in (0, 1):
            arrays = [
                _of_thread(one["share"][shares[name]] if name in shares else one[name], t)
                for one in groups[t]
            ]
            values.append(np.array(arrays).reshape(len(groups[t]), -1))
        tests = [
            stats.ttest_ind(values[0][:, at], values[1][:, at], nan_policy="omit")
            for at in range(values[0].shape[1])
        ]
        found[name] = tests
        found[f"{name}_intervals"] = [
            interval(
                bootstrap(v, np.zeros_like(v), np.array([o["subject"] for o in group]), settings), settings
            )
            for v, group in zip(values, groups, strict=True)
        ]
    return found
