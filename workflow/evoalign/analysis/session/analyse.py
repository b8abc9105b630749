"""Everything docs/methods.md sections 3, 4 and 7 say of one session's preferred unit, as tables."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from evoalign import tables
from evoalign.analysis.experiment import Experiment
from evoalign.analysis.labelled import ROWS, Arrays, dataset_of
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
from evoalign.analysis.session.results import SessionResults
from evoalign.analysis.session.selectivity import selectivity_tables
from evoalign.analysis.session.success_tables import experiment_arrays, success_arrays
from evoalign.analysis.session.trajectories import best_images
from evoalign.analysis.settings import Analysis, AnalysisConfig
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
        "experiments": experiment_arrays(measured, comparisons, settings) | of_best,
        "success": success_arrays(measured, comparisons, settings, seed),
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
