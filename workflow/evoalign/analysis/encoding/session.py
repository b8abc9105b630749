"""The encoding analysis of one session: every unit, window, space, fold scheme and projection."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from evoalign.analysis.encoding import results
from evoalign.analysis.encoding.design import Thread, thread_of, unit_rows, window_rates, windows_of
from evoalign.analysis.encoding.features import (
    MIN_IMAGES,
    ceiling_of_means,
    feature_threads,
    features_config,
    image_means,
    shows_features,
)
from evoalign.analysis.encoding.fitting import (
    ceiling_of,
    fit_thread,
    linear_shares,
    predictors,
    preferred_weights,
    spectrum_of,
)
from evoalign.analysis.encoding.order import OrderDependence, order_dependence
from evoalign.analysis.encoding.parts import EncodingJob, Frames, ThreadParts
from evoalign.analysis.encoding.ridge import log_alphas
from evoalign.analysis.encoding.stream import Checkpoint
from evoalign.analysis.experiment import space_kind
from evoalign.analysis.settings import AnalysisConfig
from evoalign.analysis.statistics.noise_ceiling import Ceiling
from evoalign.analysis.statistics.resampling import seeded
from evoalign.analysis.tuning.session import shows_axes, shows_evolution
from evoalign.device import resolve_device
from evoalign.errors import InputError
from evoalign.responses.session_responses import SessionResponses, shared_presentations
from evoalign.spaces.frames import make_frames, plan_for
from evoalign.spaces.hessian import Eigenframe, load_eigenframe
from evoalign.spaces.registry import get_space

Floats = NDArray[np.float64]

N_ORDER_PERMUTATIONS = 999


def encode_session(
    responses: SessionResponses,
    config: AnalysisConfig,
    frames: Frames | None = None,
    checkpoint: str | PathLike[str] | None = None,
) -> dict[str, pd.DataFrame]:
    """Which space explains each unit of a session, and when (docs/methods.md section 6).

    Parameters
    ----------
    responses : SessionResponses
        Counts, presentations and latents of the session; of one that is no evolution features
        of its images, by which an image's mean response is encoded.
    config : AnalysisConfig
        Section `encoding`, and `hessian` and `prototypes` where frames are computed; `device`,
        `seed` and names of spaces elsewhere.
    frames : mapping of str to Eigenframe, optional
        By name of space; when not given, those that
        `encoding.eigenframes` names, and computed ones of known spaces.
    checkpoint : path, optional
        Folder that keeps finished pieces of the permutations: the same job,
        started again, goes on from there and gives the same tables.

    Returns
    -------
    dict of str to pandas.DataFrame
        `encoding`, `encoding_index`, `encoding_crossover`, `encoding_order`,
        `encoding_spectrum`, `encoding_weights`. Without rows when the session
        holds no latents or no threads at all or no unit of the kinds that are
        analysed, and of a tuning session.

    Raises
    ------
    InputError
        Latents of a thread are missing or do not fit, windows are not covered by the
        counts, or an eigenframe is of another dimension.
    """
    if shows_axes(responses) and not shows_evolution(responses):
        return results.no_units()
    if not responses.codes:
        logging.warning("session %s comes without latents: nothing to encode", responses.session)
        return results.no_units()
    rows = unit_rows(responses, config.encoding)
    if not len(rows):
        logging.warning("session %s has no unit of kind %s", responses.session, config.encoding.unit_kinds)
        return results.no_units()
    responses, rows = _recorded(responses, rows, config.encoding.max_unrecorded)
    if not len(rows):
        return results.no_units()
    if shows_features(responses):
        return _encode_features(responses, rows, config, frames, checkpoint)
    if not (shows_evolution(responses) and responses.presentations["valid"].any()):
        logging.warning(
            "session %s has no valid presentation of a thread: nothing to encode", responses.session
        )
        return results.no_units()
    threads = [thread_of(responses, number) for number in (0, 1)]
    job = _job(responses, rows, config, threads, frames, checkpoint)
    rates = window_rates(responses.values(job.units), responses.start_ms, job.windows)
    ceilings = [ceiling_of(job, thread, rates) for thread in threads]
    parts = [
        _thread_parts(job, thread, threads, rates, c) for thread, c in zip(threads, ceilings, strict=True)
    ]
    return results.session_tables(job, parts, rates)


def _recorded(
    responses: SessionResponses, rows: NDArray[np.int64], max_unrecorded: float
) -> tuple[SessionResponses, NDArray[np.int64]]:
    """Leave out presentations that were not recorded, and units that lack too many of them."""
    valid = responses.presentations["valid"].to_numpy(dtype=bool)
    kept, shared = shared_presentations(responses, rows, valid, max_unrecorded)
    if len(kept) < len(rows):
        lacking = responses.units["unit"].to_numpy()[np.setdiff1d(rows, kept)]
        logging.warning(
            "session %s: units %s were not recorded in more than %g of the presentations: not encoded",
            responses.session, ", ".join(map(str, lacking)), max_unrecorded,
        )  # fmt: skip
    if shared.sum() < valid.sum():
        logging.warning(
            "session %s: %d of %d valid presentations were not recorded for all units: not encoded",
            responses.session, valid.sum() - shared.sum(), valid.sum(),
        )  # fmt: skip
    return replace(responses, presentations=responses.presentations.assign(valid=shared)), kept


def _job(
    responses: SessionResponses,
    rows: NDArray[np.int64],
    config: AnalysisConfig,
    threads: list[Thread],
    frames: Frames | None,
    checkpoint: str | PathLike[str] | None,
) -> EncodingJob:
    settings = config.encoding
    device = resolve_device(config.device)
    return EncodingJob(
        responses,
        config,
        rows,
        windows_of(settings),
        log_alphas(settings.alpha_log10, settings.n_alphas).to(device),
        device,
        Checkpoint(checkpoint),
        session_frames(threads, config) if frames is None else frames,
    )


def _encode_features(
    responses: SessionResponses,
    rows: NDArray[np.int64],
    config: AnalysisConfig,
    frames: Frames | None,
    checkpoint: str | PathLike[str] | None,
) -> dict[str, pd.DataFrame]:
    """Encode an image's mean response from features that tables give, in sessions that are no evolution."""
    config, threads = features_config(config), feature_threads(responses)
    if len(threads[0].rows) < MIN_IMAGES:
        logging.warning(
            "session %s: features of %d valid images, fewer than %d: nothing to encode",
            responses.session, len(threads[0].rows), MIN_IMAGES,
        )  # fmt: skip
        return results.no_units()
    job = _job(responses, rows, config, threads, frames, checkpoint)
    values = responses.values(job.units)
    rates = window_rates(values, responses.start_ms, job.windows)
    ceiling = ceiling_of_means(rates, values, responses, job.windows, config)
    means = image_means(rates, responses)
    parts = [_thread_parts(job, thread, threads, means, ceiling) for thread in threads]
    return results.session_tables(job, parts, means)


def _thread_parts(
    job: EncodingJob, thread: Thread, threads: list[Thread], rates: Floats, ceiling: Ceiling
) -> ThreadParts:
    """Everything that is computed of one thread."""
    kind = space_kind(thread.space, job.config.analysis)
    order = _order(job, thread)
    targets = torch.from_numpy(rates[:, :, thread.rows]).flatten(0, 1).to(job.device)
    _warn_of(job, thread, targets)
    # Once for all fold schemes and the shares: each is an eigendecomposition where latents are many.
    models = predictors(job, thread)
    fitted = fit_thread(job, thread, kind, models, targets, min(len(each.rows) for each in threads))
    return ThreadParts(
        thread,
        kind,
        order,
        ceiling,
        fitted,
        linear_shares(job, thread, models, targets),
        spectrum_of(job, thread, targets, fitted),
        preferred_weights(job, thread, targets),
    )


def _order(job: EncodingJob, thread: Thread) -> OrderDependence:
    """Dependence of the latents on the order of display; a warning with the numbers where there is one."""
    settings = job.settings
    seed = int(seeded(job.config.seed, job.responses.session, thread.space, "order").integers(2**31))
    dependence = order_dependence(torch.tensor(thread.latents), thread.blocks, N_ORDER_PERMUTATIONS, seed)
    if min(dependence.position_p, dependence.neighbour_p) <= settings.order_p:
        logging.warning(
            "session %s, %s: latents depend on the order of display within blocks (a trend explains %.3f "
            "of their variance, p %.3g; neighbours correlate at %.3f, p %.3g), so permuted responses are "
            "no fair null: set encoding.remove_trend, or encoding.permute to 'turn' or 'runs'",
            job.responses.session, thread.space, dependence.position_share, dependence.position_p,
            dependence.neighbour_correlation, dependence.neighbour_p,
        )  # fmt: skip
    return dependence


def _warn_of(job: EncodingJob, thread: Thread, targets: Tensor) -> None:
    """Say what makes results absent: responses that are not known, latents that do not vary."""
    where = f"session {job.responses.session}, {thread.space}"
    unknown = targets.isnan().any(1)
    if unknown.any():
        logging.warning(
            "%s: %d of %d units and windows hold presentations without a known response and have no result",
            where, int(unknown.sum()), len(targets),
        )  # fmt: skip
    if not (np.ptp(thread.latents, axis=0) > 0).any():
        logging.warning("%s: all latents are equal: they can explain nothing", where)


def session_frames(threads: list[Thread], config: AnalysisConfig) -> dict[str, Eigenframe]:
    """Eigenframes by name of space: those of the configuration, and computed ones of known spaces."""
    frames = {}
    for thread in threads:
        if thread.space in config.encoding.eigenframes:
            path = config.encoding.eigenframes[thread.space]
            frames[thread.space] = load_eigenframe(path, thread.space)
            continue
        try:
            space = get_space(thread.space)
        except InputError:
            logging.info("no eigenframe of space '%s': no Hessian projections", thread.space)
            continue
        frames[thread.space] = make_frames(
            space, plan_for(space, config.hessian, config.prototypes, config.seed)
        )[0]
    return frames


def load_frames(
    responses: SessionResponses, config: AnalysisConfig, files: Iterable[str | PathLike[str]]
) -> dict[str, Eigenframe]:
    """Eigenframes of a session's spaces, by name.

    Parameters
    ----------
    responses : SessionResponses
    config : AnalysisConfig
        `encoding.eigenframes` wins.
    files : iterable of path
        Frames of other spaces, each called by its space, as ``texture.npz``.

    Raises
    ------
    InputError
        As for `load_eigenframe`.
    """
    file_of = {Path(file).stem: file for file in files} | config.encoding.eigenframes
    names = [*responses.presentations["space"].unique(), *responses.spaces]
    return {name: load_eigenframe(file_of[name], name) for name in names if name in file_of}
