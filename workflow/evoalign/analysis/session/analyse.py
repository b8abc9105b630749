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
from evoalign.analysis.labelled import ROWS, Arrays, as_array, dataset_of
from evoalign.analysis.preferred import experiment_from, unit_row
from evoalign.analysis.session import success
from evoalign.analysis.session.block_statistics import STIMULI, BlockStatistics, measure
from evoalign.analysis.session.dynamics_tables import (
    CURVES,
    LEVELS,
    attribution_arrays,
    centres_arrays,
    late_arrays,
    thetas,
    time_constants_arrays,
)
from evoalign.analysis.session.image_tables import references
from evoalign.analysis.session.relative_success import (
    UNKNOWN,
    Relative,
    generated_levels,
    reference_levels,
    relative_success,
)
from evoalign.analysis.session.results import SessionResults
from evoalign.analysis.session.selection import selection_corrected_p
from evoalign.analysis.session.selectivity import selectivity_tables
from evoalign.analysis.session.trajectories import best_images
from evoalign.analysis.settings import Analysis, AnalysisConfig
from evoalign.analysis.statistics.resampling import seeded
from evoalign.analysis.tables import SUCCESS
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
) -> SessionResults:
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
    SessionResults
        Tables by the lower-case names of their contracts. Of an evolution, as one dataset:
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
        return SessionResults(
            None, {"success": tables.empty(SUCCESS)} | _selectivity(responses, config.analysis)
        )
    tuned = tune_session(responses, config, unit) if shows_axes(responses) else {}
    if tuned and not shows_evolution(responses):
        return SessionResults(None, tuned)
    if unit is None and (why := _without_evolution(responses, config.analysis)):
        logging.warning("session %s is not analysed as a paired evolution: %s", responses.session, why)
        selective = _selectivity(responses, config.analysis)
        return SessionResults(None, {"success": tables.empty(SUCCESS)} | tuned | selective)
    device = resolve_device(config.device)
    experiment = experiment_from(responses, config.analysis, unit, unstable, device)
    if optimisers:
        experiment = replace(experiment, optimisers=(optimisers[0], optimisers[1]))
    if site:
        experiment = replace(experiment, site=site)
    evolution = analyse_experiment(experiment, config.analysis, config.seed).evolution
    return SessionResults(evolution, tuned)


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


def analyse_experiment(experiment: Experiment, settings: Analysis, seed: int) -> SessionResults:
    """Analyse one experiment; see `analyse_session`."""
    measured = measure(experiment, settings)
    comparisons = success.success_statistics(experiment, measured.rates[:, 0], measured.best)
    images, of_references = references(measured)
    names, mean, n = best_images(experiment, measured.rates[:, 0])
    best: Arrays = {
        name: (("thread", "block"), array) for name, array in (("image", names), ("mean_hz", mean), ("n", n))
    }
    # Of a thread without images no block is the best: number -1, and the last block's name is '' as all.
    of_best: Arrays = {"best_image": (("thread",), names[[0, 1], measured.best])}
    arrays: dict[str, Arrays] = {
        "experiments": _experiments(measured, comparisons, settings) | of_best,
        "success": _success(measured, comparisons, settings, seed),
        "trajectories": _trajectories(measured),
        "psth": _psth(measured),
        "block_images": {} if experiment.images is None else best,
        **of_references,
        "attribution": attribution_arrays(measured, settings),
        "centres": centres_arrays(measured, settings),
        "time_constants": time_constants_arrays(measured, settings),
        **late_arrays(measured, settings, seed),
    }
    attrs = {
        "title": "paired evolution of one unit",
        "settings": settings.model_dump_json(),
        "seed": str(seed),
    }
    return SessionResults(dataset_of(_axes(measured, settings, images), arrays, attrs), {})


def _axes(measured: BlockStatistics, settings: Analysis, images: list[str]) -> Arrays:
    """Whose session it is, and the labels of axes that several tables share."""
    experiment = measured.experiment
    names, starts, stops = zip(*measured.windows, strict=True)
    axes = {
        "stimuli": STIMULI,
        "thread": (0, 1),
        "block": experiment.block_numbers,
        "window": names,
        "time_ms": np.arange(measured.psth.mean.shape[-1]) + experiment.start_ms,
        "curve": CURVES,
        "level": LEVELS,
        "theta": thetas(settings),
        "image": np.asarray(images, dtype=object),
    }
    session = experiment.session
    whose = {"session": session, "subject": experiment.subject, "area": experiment.area}
    whose["site"] = experiment.site or session
    return {
        **{name: ((), text) for name, text in whose.items()},
        **{name: ((name,), values) for name, values in axes.items()},
        "space": (("thread",), experiment.spaces),
        "kind": (("thread",), experiment.kinds(settings)),
        "block_index": (("block",), range(experiment.n_blocks)),
        "start_ms": (("window",), starts),
        "stop_ms": (("window",), stops),
    }


def _experiments(
    measured: BlockStatistics, comparisons: list[success.Comparison], settings: Analysis
) -> Arrays:
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


def _success(
    measured: BlockStatistics, comparisons: list[success.Comparison], settings: Analysis, seed: int
) -> Arrays:
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


def _trajectories(measured: BlockStatistics) -> Arrays:
    moments = measured.blocks
    # Time bins are told of generated images only.
    is_listed = np.ones((len(STIMULI), len(measured.windows)), dtype=bool)
    is_listed[STIMULI.index("reference"), 2:] = False
    values = {
        "mean_hz": moments.mean,
        "sem_hz": moments.sem,
        "normalised": moments.mean / measured.normalization_rate,
        "normalised_sem": moments.sem / measured.normalization_rate,
    }
    axes = ("stimuli", "thread", "block")
    return {
        **{name: ((*axes, "window"), array) for name, array in values.items()},
        "n": (axes, moments.n[..., 0].to(torch.int64)),
        ROWS: (("stimuli", "window"), is_listed),
    }


def _psth(measured: BlockStatistics) -> Arrays:
    moments, axes = measured.psths, ("stimuli", "thread", "block")
    n = moments.n[..., 0].to(torch.int64)
    curves = {"mean_hz": moments.mean, "sem_hz": moments.sem}
    return {
        **{name: ((*axes, "time_ms"), array) for name, array in curves.items()},
        "n": (axes, n),
        ROWS: (axes, n > 0),
    }
