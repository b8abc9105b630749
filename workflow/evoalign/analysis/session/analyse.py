"""Everything docs/methods.md sections 3, 4 and 7 say of one session's preferred unit, as tables."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from evoalign import tables
from evoalign.analysis.experiment import Experiment
from evoalign.analysis.frames import CATEGORY, Axis, as_array, keep_rows, long_columns, table_of
from evoalign.analysis.preferred import experiment_from, unit_row
from evoalign.analysis.session import success
from evoalign.analysis.session.block_statistics import (
    STIMULI,
    BlockStatistics,
    experiment_columns,
    measure,
    thread_axis,
)
from evoalign.analysis.session.dynamics_tables import (
    attribution_table,
    centres_table,
    late_tables,
    time_constants_table,
)
from evoalign.analysis.session.image_tables import image_tables
from evoalign.analysis.session.relative_success import (
    UNKNOWN,
    Relative,
    generated_levels,
    reference_levels,
    relative_success,
)
from evoalign.analysis.session.selection import selection_corrected_p
from evoalign.analysis.session.selectivity import selectivity_tables
from evoalign.analysis.session.trajectories import best_image
from evoalign.analysis.settings import Analysis, AnalysisConfig
from evoalign.analysis.statistics.resampling import seeded
from evoalign.analysis.tables import EXPERIMENTS, PSTH, SUCCESS, TRAJECTORIES
from evoalign.analysis.tuning.session import shows_axes, shows_evolution, tune_session
from evoalign.device import resolve_device
from evoalign.responses.session_responses import SessionResponses


def analyse_session(
    responses: SessionResponses,
    config: AnalysisConfig,
    unit: int | None = None,
    unstable: str = "",
    preferred: str = "",
    optimisers: tuple[str, ...] = (),
    site: str = "",
) -> dict[str, pd.DataFrame]:
    """Analyse one session's preferred unit.

    Parameters
    ----------
    responses : SessionResponses
    config : AnalysisConfig
    unit : int, optional
        Another unit than the preferred one.
    unstable : str
        Reason from the sample sheet to exclude the session; '' = stable.
    preferred : str
        What the sample sheet calls the preferred unit; '' when it names none.
    optimisers : tuple of str
        Of thread 0 and thread 1; empty when unknown.
    site : str
        What the sample sheet calls the recording site; '' when the responses tell it.

    Returns
    -------
    dict of str to pandas.DataFrame
        Tables by the lower-case names of their contracts. Of an evolution:
        experiments, success, trajectories, psth, block_images, reference_images,
        reference_psth, attribution, centres,
        time_constants, contrast, crossover; where image names
        carry eigen-axes: those of `tune_session`; of a session with both, all.
        Of a session without units, whose sheet names a preferred unit on
        an electrode that has none, or without a valid presentation of an
        evolution (block and thread known): success, without rows. Where such a session names
        the images that it shows: selectivity, image_responses, image_psth, of `selectivity_tables`.

    Raises
    ------
    InputError
        No such unit, or nothing to analyse.
    """
    if unit is None and (why := _without_preferred(responses, preferred)):
        logging.warning("session %s is not analysed: %s", responses.session, why)
        return {"success": tables.empty(SUCCESS)} | _selectivity(responses, config.analysis)
    tuned = tune_session(responses, config, unit) if shows_axes(responses) else {}
    if tuned and not shows_evolution(responses):
        return tuned
    if unit is None and (why := _without_evolution(responses, config.analysis)):
        logging.warning("session %s is not analysed as a paired evolution: %s", responses.session, why)
        return {"success": tables.empty(SUCCESS)} | tuned | _selectivity(responses, config.analysis)
    device = resolve_device(config.device)
    experiment = experiment_from(responses, config.analysis, unit, unstable, device)
    if optimisers:
        experiment = replace(experiment, optimisers=(optimisers[0], optimisers[1]))
    if site:
        experiment = replace(experiment, site=site)
    return analyse_experiment(experiment, config.analysis, config.seed) | tuned


def _selectivity(responses: SessionResponses, settings: Analysis) -> dict[str, pd.DataFrame]:
    """Selectivity for images, of a session that is neither an evolution nor a tuning session."""
    if shows_evolution(responses) or shows_axes(responses):
        return {}
    return selectivity_tables(responses, settings)


def _without_preferred(responses: SessionResponses, preferred: str) -> str:
    """Say why there is no preferred unit though the sheet may name one; '' otherwise."""
    if responses.units.empty:
        return "it has no units"
    if preferred and not responses.units["preferred"].any():
        return f"there is no unit on the electrode of {preferred}"
    return ""


def _without_evolution(responses: SessionResponses, settings: Analysis) -> str:
    """Say why a session is no paired evolution that can be analysed; '' when it is one."""
    if not shows_evolution(responses):
        return "none of its presentations has a block and a thread"
    presentations = responses.presentations
    of_evolution = (presentations["block"] >= 0) & presentations["thread"].isin((0, 1))
    if not (of_evolution & presentations["valid"].astype(bool)).any():
        return f"none of its {of_evolution.sum()} presentations of an evolution is valid (see their reasons)"
    recorded = responses.is_recorded(unit_row(responses, settings))[0]
    if not (of_evolution & presentations["valid"].astype(bool) & recorded).any():
        return "its preferred unit was recorded in none of the valid presentations of an evolution"
    return ""


def analyse_experiment(experiment: Experiment, settings: Analysis, seed: int) -> dict[str, pd.DataFrame]:
    """Tables of one experiment; see `analyse_session`."""
    measured = measure(experiment, settings)
    comparisons = success.success_statistics(experiment, measured.rates[:, 0], measured.best)
    late = late_tables(measured, settings, seed)
    return {
        "experiments": _experiments(measured, comparisons, settings),
        "success": _success(measured, comparisons, settings, seed),
        "trajectories": _trajectories(measured, settings),
        "psth": _psth(measured, settings),
        **image_tables(measured, settings),
        "attribution": attribution_table(measured, settings),
        "centres": centres_table(measured, settings),
        "time_constants": time_constants_table(measured, settings),
        **late,
    }


def _experiments(
    measured: BlockStatistics, comparisons: list[success.Comparison], settings: Analysis
) -> pd.DataFrame:
    experiment = measured.experiment
    rises = [c.test for c in comparisons if c.statistic == "maxinit"]
    t, p = [float(test.t) for test in rises], [float(test.p) for test in rises]
    strict = [success.succeeds(t[i], p[i], settings.success_p) for i in (0, 1)]
    lenient = [success.succeeds(t[i], p[i], settings.both_succeed_p) for i in (0, 1)]
    reason = success.inclusion(experiment, measured.normalization_rate, settings)
    row = {
        **experiment_columns(experiment),
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
    for i in (0, 1):
        row |= {f"space_{i}": experiment.spaces[i], f"best_block_{i}": measured.best[i]}
        row |= {f"optimiser_{i}": experiment.optimisers[i]}
        row[f"best_image_{i}"] = best_image(experiment, measured.rates[:, 0], i, measured.best[i])
        row |= {f"t_{i}": t[i], f"p_{i}": p[i], f"succeeds_{i}": strict[i]}
    return table_of(EXPERIMENTS, row)


def _success(
    measured: BlockStatistics, comparisons: list[success.Comparison], settings: Analysis, seed: int
) -> pd.DataFrame:
    corrected = _corrected(measured, comparisons, settings, seed)
    relative = _relative(measured, settings, seed)
    threads = thread_axis(measured.experiment, settings)
    space, kind = (dict(zip((0, 1, -1), (*threads[name], ""), strict=True)) for name in ("space", "kind"))
    rows = [
        {
            "thread": c.thread,
            "space": space[c.thread],
            "kind": kind[c.thread],
            "statistic": c.statistic,
            "t": float(c.test.t),
            "df": float(c.test.df),
            "p": float(c.test.p),
            "mean_1": float(c.first.mean),
            "mean_2": float(c.second.mean),
            "n_1": int(c.first.n),
            "n_2": int(c.second.n),
            "p_selected": corrected.get((c.thread, c.statistic), float("nan")),
            "log_ratio": relative.get((c.thread, c.statistic), UNKNOWN).log_ratio,
            "t_relative": relative.get((c.thread, c.statistic), UNKNOWN).t,
            "p_relative": relative.get((c.thread, c.statistic), UNKNOWN).p,
        }
        for c in comparisons
    ]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return table_of(SUCCESS, columns | experiment_columns(measured.experiment))


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
    experiment = measured.experiment
    natural = as_array(experiment.reference).astype(bool)
    rates, block = as_array(measured.rates[:, 0])[natural], as_array(experiment.block)[natural]
    # Without names each image may be another.
    images = np.arange(len(rates)) if experiment.images is None else experiment.images[natural]
    references = reference_levels(rates, block, images, experiment.n_blocks)
    generator = seeded(seed, experiment.session, "relative")
    by_window: dict[tuple[int, str], Relative] = {}
    for thread in experiment.by_kind(settings):
        parts = (as_array(part[thread, :, 0]) for part in (measured.generated.n, *_spread(measured)))
        n_presentations, mean, squares = (part.astype(np.float64) for part in parts)
        levels = generated_levels(n_presentations, mean, squares)
        of_thread = relative_success(levels, references, n_presentations, settings.n_permutations, generator)
        by_window |= {(thread, name): success_of_window for name, success_of_window in of_thread.items()}
    return by_window


def _spread(measured: BlockStatistics) -> tuple[Tensor, Tensor]:
    return measured.generated.mean, measured.generated.squares


def _trajectories(measured: BlockStatistics, settings: Analysis) -> pd.DataFrame:
    experiment = measured.experiment
    blocks = {"block": experiment.block_numbers, "block_index": range(experiment.n_blocks)}
    windows = dict(zip(("window", "start_ms", "stop_ms"), zip(*measured.windows, strict=True), strict=True))
    moments = measured.blocks
    values = {
        "mean_hz": moments.mean,
        "sem_hz": moments.sem,
        "n": moments.n.to(torch.int64),
        "normalised": moments.mean / measured.normalization_rate,
        "normalised_sem": moments.sem / measured.normalization_rate,
    }
    axes: list[Axis] = [{"stimuli": STIMULI}, thread_axis(experiment, settings), blocks, windows]
    columns = long_columns(axes, values)
    # Time bins are told of generated images only.
    is_listed = np.ones(moments.mean.shape, dtype=bool)
    is_listed[STIMULI.index("reference"), ..., 2:] = False
    listed = keep_rows(columns, is_listed.ravel())
    return table_of(TRAJECTORIES, listed | experiment_columns(experiment), text=CATEGORY)


def _psth(measured: BlockStatistics, settings: Analysis) -> pd.DataFrame:
    experiment = measured.experiment
    blocks = {"block": experiment.block_numbers, "block_index": range(experiment.n_blocks)}
    times = {"time_ms": np.arange(measured.psth.mean.shape[-1]) + experiment.start_ms}
    moments = measured.psths
    values = {"mean_hz": moments.mean, "sem_hz": moments.sem, "n": moments.n.to(torch.int64)}
    axes: list[Axis] = [{"stimuli": STIMULI}, thread_axis(experiment, settings), blocks, times]
    columns = long_columns(axes, values)
    listed = keep_rows(columns, columns["n"] > 0)
    return table_of(PSTH, listed | experiment_columns(experiment), text=CATEGORY)
