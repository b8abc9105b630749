"""The study's panels as one writes them with pandas and scipy: a reference for numbers and for time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

from evoalign import study
from evoalign.responses import Responses, smoothing_kernel

BINS = 10  # ms


def session(responses: Responses, settings: study.Analysis, unstable: str, n_draws: int) -> dict:
    """Return all numbers of one experiment: METHODS sections 3 and 4."""
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
    rates = rates[generated.index]
    generated = generated.reset_index(drop=True)
    n_blocks = generated["block"].nunique()
    windows = [settings.evoked_ms, settings.baseline_ms]
    for width in settings.bins_ms:
        windows += [(start, start + width) for start in range(first, last, width)]
    means, errors = [], []
    for start, stop in windows:
        grouped = generated.assign(rate=rates[:, start:stop].mean(1)).groupby(["thread", "block"])["rate"]
        means.append(grouped.mean().to_numpy().reshape(2, n_blocks))
        errors.append(grouped.sem().to_numpy().reshape(2, n_blocks))
    means, errors = np.array(means), np.array(errors)
    top = means[0].max()
    found = {
        "session": responses.session,
        "subject": responses.subject,
        "area": responses.area,
        "n_blocks": n_blocks,
        "valid": n_blocks >= settings.min_blocks
        and not unstable
        and generated["space"].str.startswith("BigGAN").any(),
        "normaliser": top,
        "trajectories": means / top,
        "errors": errors / top,
        "windows": windows,
        "tests": _success(generated, rates, means[0], n_blocks),
    }
    psth = pd.DataFrame(rates).groupby([generated["thread"], generated["block"]]).mean().to_numpy()
    found["psth"] = psth.reshape(2, n_blocks, -1)
    found["tau"] = [_time_constant(means[0, t], settings.time_constant_theta) for t in (0, 1)]
    best = means[0].argmax(1)
    found["share"], found["centre"] = [], []
    for thread in (0, 1):
        change = found["psth"][thread, best[thread]] - found["psth"][thread, 0]
        binned = np.array([change[at : at + BINS].mean() for at in range(0, last - first, BINS)])
        found["share"].append(binned / binned.sum() if binned.sum() > 0 else np.full(len(binned), np.nan))
        mass, time = change[25:], np.arange(25, last - first) + 0.5
        found["centre"].append((mass * time).sum() / mass.sum() if mass.sum() > 0 else np.nan)
    late = generated["block"] > generated["block"].max() - round(n_blocks * settings.late_fraction)
    found |= _late(rates, generated, late.to_numpy(), top, n_draws)
    return found


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


def _time_constant(means: np.ndarray, theta: float) -> float:
    rise = means - means[0]
    return float(np.argmax(rise > theta * rise.max())) if rise.max() > 0 else np.nan


def _late(rates: np.ndarray, generated: pd.DataFrame, late: np.ndarray, top: float, n_draws: int) -> dict:
    rng = np.random.default_rng(0)
    binned = rates.reshape(len(rates), -1, BINS).mean(2)
    texture, object_ = (binned[late & (generated["thread"] == t).to_numpy()] for t in (0, 1))
    draws = np.empty((n_draws, binned.shape[1]))
    for draw in range(n_draws):
        a = texture[rng.integers(len(texture), size=len(texture))].mean(0)
        draws[draw] = object_[rng.integers(len(object_), size=len(object_))].mean(0) - a
    test = [stats.ttest_ind(object_[:, at], texture[:, at]) for at in range(binned.shape[1])]
    difference = (object_.mean(0) - texture.mean(0)) / top
    return {"difference": difference, "late_t": np.array([t.statistic for t in test]), "draws": draws / top}


def pool(sessions: list[dict], settings: study.Analysis) -> dict:
    """Return the population's panels by area: METHODS sections 3 and 4, with intervals."""
    valid = sorted((one for one in sessions if one["valid"]), key=lambda one: one["session"])
    longest = max(one["n_blocks"] for one in valid)
    for one in valid:
        one["padded"], one["padded_errors"] = _pad(one, longest)
        one["succeeds"] = [one["tests"]["maxinit", t].pvalue < settings.success_p for t in (0, 1)]
        one["succeeds"] = [
            s and one["tests"]["maxinit", t].statistic > 0 for t, s in enumerate(one["succeeds"])
        ]
        lenient = [one["tests"]["maxinit", t] for t in (0, 1)]
        one["both"] = all(t.pvalue < settings.both_succeed_p and t.statistic > 0 for t in lenient)
        one["any"] = any(t.pvalue < settings.both_succeed_p and t.statistic > 0 for t in lenient)
    found = {}
    for area in sorted({one["area"] for one in valid}):
        own = [one for one in valid if one["area"] == area]
        selected = {"valid": own, "any": [o for o in own if o["any"]], "both": [o for o in own if o["both"]]}
        found[area] = {name: _panels(chosen, settings) for name, chosen in selected.items() if chosen}
        found[area]["rates"] = _unpaired(own)
    return found


def _pad(one: dict, longest: int) -> tuple[np.ndarray, np.ndarray]:
    n_more = longest - one["n_blocks"]
    tail = one["trajectories"][..., -2:].mean(-1, keepdims=True)
    error = np.sqrt((one["errors"][..., -2:] ** 2).sum(-1, keepdims=True)) / 2
    means = np.concatenate([one["trajectories"], np.repeat(tail, n_more, -1)], -1)
    return means, np.concatenate([one["errors"], np.repeat(error, n_more, -1)], -1)


def _panels(chosen: list[dict], settings: study.Analysis) -> dict:
    """Trajectories with paired tests, activation, PSTHs, contrast and clusters of some experiments."""
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
    low, high = _bootstrap(values, errors, subjects, settings)
    psths = [[[one["psth"][t, at] / one["normaliser"] for t in (0, 1)] for one in chosen] for at in (0, -1)]
    intervals = [_bootstrap(np.array(p), np.zeros((len(p), 2, 200)), subjects, settings) for p in psths]
    differences = np.array([one["difference"] for one in chosen])
    return {
        "n": len(chosen),
        "mean": values.mean(0),
        "t": t,
        "p": p,
        "q": q,
        "low": low,
        "high": high,
        "psth": [np.mean(p, axis=0) for p in psths],
        "psth_intervals": intervals,
        "clusters": _clusters(differences, settings),
    }


def _bootstrap(
    values: np.ndarray, errors: np.ndarray, subjects: np.ndarray, settings: study.Analysis
) -> tuple:
    rng = np.random.default_rng(0)
    names = np.unique(subjects)
    draws = []
    for _ in range(settings.n_bootstrap):
        picked = []
        for animal in rng.choice(names, len(names)):
            own = np.flatnonzero(subjects == animal)
            picked.append(rng.choice(own, len(own)))
        rows = np.concatenate(picked)
        noise = rng.standard_normal(values[rows].shape) * np.nan_to_num(errors[rows])
        draws.append((values[rows] + noise).mean(0))
    return tuple(np.quantile(draws, [(1 - settings.interval) / 2, (1 + settings.interval) / 2], axis=0))


def _clusters(differences: np.ndarray, settings: study.Analysis) -> list[tuple[int, int, float, float]]:
    if len(differences) < 2:
        return []
    rng = np.random.default_rng(0)
    limit = stats.t.isf(settings.cluster_p / 2, len(differences) - 1)

    def masses(values: np.ndarray) -> list[tuple[int, int, float]]:
        with np.errstate(invalid="ignore", divide="ignore"):
            t = stats.ttest_1samp(values, 0.0).statistic
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


def _unpaired(own: list[dict]) -> dict:
    """Success rates, time constants, centres and attribution of the threads that succeed."""
    groups = [[one for one in own if one["succeeds"][t]] for t in (0, 1)]
    found = {"k": [len(group) for group in groups], "n": len(own)}
    found["interval"] = [
        stats.beta(len(group) + 1, len(own) - len(group) + 1).ppf([0.05, 0.95]) for group in groups
    ]
    for name in ("tau", "centre"):
        values = [[one[name][t] for one in groups[t]] for t in (0, 1)]
        found[name] = stats.ttest_ind(*values, nan_policy="omit") if all(map(len, values)) else None
    shares = [np.array([one["share"][t] for one in groups[t]]) for t in (0, 1)]
    if all(len(share) for share in shares):
        tests = [stats.ttest_ind(shares[0][:, at], shares[1][:, at]) for at in range(shares[0].shape[1])]
        found["share"] = np.array([test.pvalue for test in tests])
    return found
