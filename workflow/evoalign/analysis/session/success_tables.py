"""Success of one experiment as arrays: what it was, whether it counts, and each success statistic."""

from __future__ import annotations

import numpy as np

from evoalign.analysis.labelled import Arrays, as_array
from evoalign.analysis.session import success
from evoalign.analysis.session.block_statistics import BlockStatistics
from evoalign.analysis.session.relative_success import (
    UNKNOWN,
    Relative,
    generated_levels,
    reference_levels,
    relative_success,
)
from evoalign.analysis.session.selection import selection_corrected_p
from evoalign.analysis.settings import Analysis
from evoalign.analysis.statistics.resampling import seeded


def experiment_arrays(
    measured: BlockStatistics, comparisons: list[success.Comparison], settings: Analysis
) -> Arrays:
    """What the experiment was, whether it counts, whether its threads succeed (docs/methods.md section 3)."""
    experiment = measured.experiment
    rises = [c.test for c in comparisons if c.statistic == "maxinit"]
    t, p = [float(test.t) for test in rises], [float(test.p) for test in rises]
    strict = [success.succeeds(t[i], p[i], settings.success_p) for i in (0, 1)]
    lenient = [success.succeeds(t[i], p[i], settings.both_succeed_p) for i in (0, 1)]
    reason = success.inclusion(experiment, measured.normalization_rate, settings)
    single = {
        "unit": experiment.unit,
        "n_blocks": experiment.n_blocks,
        "dropped_last": experiment.dropped_last,
        "n_presentations": len(experiment.block),
        "unit_kind": experiment.unit_kind,
        "n_invalid": experiment.n_invalid,
        "n_unrecorded": experiment.n_unrecorded,
        "normaliser_hz": measured.normalization_rate,
        "valid": reason == "",
        "reason": reason,
        "any_succeeds": any(lenient),
        "both_succeed": all(lenient),
    }
    of_threads = {
        "optimiser": experiment.optimisers,
        "best_block": measured.best,
        "t": t,
        "p": p,
        "succeeds": strict,
    }
    return {name: ((), value) for name, value in single.items()} | {
        name: (("thread",), values) for name, values in of_threads.items()
    }


def success_arrays(
    measured: BlockStatistics, comparisons: list[success.Comparison], settings: Analysis, seed: int
) -> Arrays:
    """Every success statistic, with what corrects it for the best block's choice and for drift of gain."""
    corrected = _corrected(measured, comparisons, settings, seed)
    relative = _relative(measured, settings, seed)
    of_references = [relative.get((c.thread, c.statistic), UNKNOWN) for c in comparisons]
    # A comparison across threads, numbered -1, has the last entry: none.
    space, kind = (*measured.experiment.spaces, ""), (*measured.experiment.kinds(settings), "")
    columns = {
        "thread": [c.thread for c in comparisons],
        "space": [space[c.thread] for c in comparisons],
        "kind": [kind[c.thread] for c in comparisons],
        "statistic": [c.statistic for c in comparisons],
        "t": [float(c.test.t) for c in comparisons],
        "df": [float(c.test.df) for c in comparisons],
        "p": [float(c.test.p) for c in comparisons],
        "mean_1": [float(c.first.mean) for c in comparisons],
        "mean_2": [float(c.second.mean) for c in comparisons],
        "n_1": [int(c.first.n) for c in comparisons],
        "n_2": [int(c.second.n) for c in comparisons],
        "p_selected": [corrected.get((c.thread, c.statistic), float("nan")) for c in comparisons],
        "log_ratio": [of_reference.log_ratio for of_reference in of_references],
        "t_relative": [of_reference.t for of_reference in of_references],
        "p_relative": [of_reference.p for of_reference in of_references],
    }
    return {name: (("comparison",), values) for name, values in columns.items()}


def _corrected(
    measured: BlockStatistics, comparisons: list[success.Comparison], settings: Analysis, seed: int
) -> dict[tuple[int, str], float]:
    """P values of both threads' peaks that allow for the choice of the best block."""
    generator = seeded(seed, measured.experiment.session, "selected")
    p_values: dict[tuple[int, str], float] = {}
    # In the order of the kinds: the draws are the same whatever the threads' numbers.
    for thread in measured.experiment.by_kind(settings):
        n_presentations = as_array(measured.generated.n[thread, :, 0]).astype(np.int64)
        peaks = {
            c.statistic: float(c.test.t)
            for c in comparisons
            if c.thread == thread and c.statistic in ("maxinit", "maxend")
        }
        corrected = selection_corrected_p(n_presentations, peaks, settings.n_permutations, generator)
        p_values |= {(thread, name): p for name, p in corrected.items()}
    return p_values


def _relative(measured: BlockStatistics, settings: Analysis, seed: int) -> dict[tuple[int, str], Relative]:
    """Success statistics of both threads relative to the references of each block."""
    experiment, generated = measured.experiment, measured.generated
    natural = as_array(experiment.reference).astype(bool)
    rates, block = as_array(measured.rates[:, 0])[natural], as_array(experiment.block)[natural]
    # Without names each image may be another.
    images = np.arange(len(rates)) if experiment.images is None else experiment.images[natural]
    references = reference_levels(rates, block, images, experiment.n_blocks)
    generator = seeded(seed, experiment.session, "relative")
    by_window: dict[tuple[int, str], Relative] = {}
    for thread in experiment.by_kind(settings):
        parts = (as_array(part[thread, :, 0]) for part in (generated.n, generated.mean, generated.squares))
        n_presentations, mean, squares = (part.astype(np.float64) for part in parts)
        levels = generated_levels(n_presentations, mean, squares)
        of_thread = relative_success(levels, references, n_presentations, settings.n_permutations, generator)
        by_window |= {(thread, name): success_of_window for name, success_of_window in of_thread.items()}
    return by_window
