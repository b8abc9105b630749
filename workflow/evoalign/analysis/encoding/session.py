"""The encoding analysis of one session: every unit, window, space, fold scheme and projection."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from evoalign import spaces, study
from evoalign.analysis.encoding import results
from evoalign.analysis.encoding.folds import Folds, block_folds, image_folds
from evoalign.analysis.encoding.kernels import Rotated, random_basis
from evoalign.analysis.encoding.nested import Plan
from evoalign.analysis.encoding.noise_ceiling import from_alternate_ms, from_repeats
from evoalign.analysis.encoding.permutation import null_r2, tensor_cores, test_windows
from evoalign.analysis.encoding.ridge import Nested, log_alphas, nested_cv, shortened, weights
from evoalign.analysis.encoding.shown import (
    Thread,
    Windows,
    repeated_rows,
    thread_of,
    unit_rows,
    window_rates,
    windows_of,
)
from evoalign.analysis.encoding.spectrum import explained_by_rank, rank_bins
from evoalign.analysis.encoding.stream import Checkpoint, Progress, batch_rows, digest, pieces
from evoalign.analysis.experiment import space_kind
from evoalign.analysis.resampling import seeded
from evoalign.analysis.tuning import shows_axes, shows_evolution
from evoalign.errors import InputError
from evoalign.responses import Responses
from evoalign.spaces.hessian import Eigenframe, eigenframe, load_eigenframe

Floats = NDArray[np.float64]
Frames = Mapping[str, Eigenframe]


@dataclass(frozen=True)
class Fitted:
    """One thread's results for one fold scheme and projection; arrays [unit, window].

    `targets` are [unit x window, presentation]; p values are None when the
    responses were not permuted.
    """

    thread: Thread
    kind: str
    scheme: str
    projection: str
    n_features: int
    targets: Tensor
    nested: Nested
    test: dict[str, NDArray] | None


@dataclass(frozen=True)
class Job:
    """What all fits of a session share."""

    responses: Responses
    config: study.Config
    units: NDArray[np.int64]
    windows: Windows
    alphas: Tensor
    device: str
    checkpoint: Checkpoint
    frames: Frames

    @property
    def settings(self) -> study.Encoding:
        """The section of the configuration."""
        return self.config.encoding

    @property
    def shape(self) -> tuple[int, int]:
        """Units and windows."""
        return len(self.units), len(self.windows.starts_ms)


def encode_session(
    responses: Responses,
    config: study.Config,
    frames: Frames | None = None,
    checkpoint: str | PathLike[str] | None = None,
) -> dict[str, pd.DataFrame]:
    """Which space explains each unit of a session, and when (METHODS section 6).

    Parameters
    ----------
    responses : Responses
        Counts, presentations and latents of the session.
    config : study.Config
        Section `encoding`; `device`, `seed` and names of spaces elsewhere.
    frames : mapping of str to Eigenframe, optional
        By name of space; when not given, those that
        `encoding.eigenframes` names, and computed ones of known spaces.
    checkpoint : path, optional
        Folder that keeps finished pieces of the permutations: the same job,
        started again, goes on from there and gives the same tables.

    Returns
    -------
    dict of str to pandas.DataFrame
        `encoding`, `encoding_index`, `encoding_crossover`,
        `encoding_spectrum`, `encoding_weights`. Without rows when the session
        holds no latents at all or no unit of the kinds that are analysed, and
        of a tuning session.

    Raises
    ------
    InputError
        Latents of a thread are missing or do not fit, windows are not covered by the
        counts, or an eigenframe is of another dimension.
    """
    settings = config.encoding
    if shows_axes(responses) and not shows_evolution(responses):
        return results.no_units()
    if not responses.codes:
        logging.warning("session %s comes without latents: nothing to encode", responses.session)
        return results.no_units()
    device = (
        "cuda"
        if config.device == "cuda" or (config.device == "auto" and torch.cuda.is_available())
        else "cpu"
    )
    threads = [thread_of(responses, number) for number in (0, 1)]
    frames = session_frames(threads, config) if frames is None else frames
    job = Job(
        responses,
        config,
        unit_rows(responses, settings),
        windows_of(settings),
        log_alphas(settings.alpha_log10, settings.n_alphas).to(device),
        device,
        Checkpoint(checkpoint),
        frames,
    )
    if len(job.units) == 0:
        logging.warning("session %s has no unit of kind %s", responses.session, settings.unit_kinds)
        return results.no_units()
    rates = window_rates(responses.values(job.units), responses.start_ms, job.windows)
    fitted, ceilings, spectra, vectors = [], {}, [], []
    for thread in threads:
        kind = space_kind(thread.space, config.analysis)
        ceilings[thread.number] = _ceiling(job, thread, rates)
        targets = torch.from_numpy(rates[:, :, thread.rows]).flatten(0, 1).to(device)
        found = _fit_thread(job, thread, kind, targets)
        fitted += found
        spectra += _spectrum(job, thread, kind, targets, found)
        vectors += _weights(job, thread, kind, targets)
    mean_rates = rates.mean(-1)
    return results.session_tables(job, fitted, ceilings, spectra, vectors, mean_rates)


def session_frames(threads: list[Thread], config: study.Config) -> dict[str, Eigenframe]:
    """Eigenframes by name of space: those of the configuration, and computed ones of known spaces."""
    found = {}
    for thread in threads:
        if thread.space in config.encoding.eigenframes:
            path = config.encoding.eigenframes[thread.space]
            found[thread.space] = load_eigenframe(path, thread.space)
            continue
        try:
            found[thread.space] = _computed(thread.space, config.encoding.hessian_samples, config.seed)
        except InputError:
            logging.info("no eigenframe of space '%s': no Hessian projections", thread.space)
    return found


@functools.lru_cache(maxsize=8)
def _computed(space: str, n: int, seed: int) -> Eigenframe:
    return eigenframe(spaces.get_space(space), n, seed)


def _folds(job: Job, thread: Thread, scheme: str) -> Folds:
    generator = seeded(job.config.seed, job.responses.session, thread.space, scheme)
    deal = image_folds if scheme == "image" else block_folds
    return deal(thread.images, thread.blocks, job.settings.n_folds, generator)


def _predictors(job: Job, thread: Thread) -> list[tuple[str, int, Tensor]]:
    """Projection, number of directions and predictors [presentation, feature] of each model."""
    latents = torch.tensor(thread.latents, device=job.device)
    dim = latents.shape[1]
    frame = job.frames.get(thread.space)
    rotated = None
    if frame is not None:
        rotated = Rotated(latents - latents.mean(0), torch.from_numpy(frame.vectors).to(job.device))
    found: list[tuple[str, int, Tensor]] = []
    for projection in job.settings.projections:
        if projection == "full":
            found.append(("full", dim, shortened(latents)))
            continue
        for k in (k for k in job.settings.projection_dims if k < dim):
            if projection == "random":
                generator = seeded(job.config.seed, job.responses.session, thread.space, f"random {k}")
                found.append(("random", k, latents @ random_basis(dim, k, generator).to(job.device)))
            elif rotated is not None:
                found.append((projection, k, getattr(rotated, projection)(k)))
    return [(name, k, shortened(x)) for name, k, x in found]


def _fit_thread(job: Job, thread: Thread, kind: str, targets: Tensor) -> list[Fitted]:
    found = []
    for scheme in job.settings.schemes:
        folds = _folds(job, thread, scheme)
        for projection, k, features in _predictors(job, thread):
            plan = Plan(features, folds, job.alphas)
            nested = nested_cv(plan, targets)
            test = None
            permuted = (
                scheme in job.settings.permuted_schemes and projection in job.settings.permuted_projections
            )
            if job.settings.n_permutations and permuted:
                name = f"{thread.space} {scheme} {projection} {k}"
                test = permuted_test(job, name, plan, targets, thread.blocks)
            found.append(Fitted(thread, kind, scheme, projection, k, targets, nested, test))
    return found


def permuted_test(job: Job, name: str, plan: Plan, targets: Tensor, blocks: NDArray) -> dict[str, NDArray]:
    """Permutation p values, in pieces of units that are kept in the checkpoint; see `PermutationTest`."""
    settings = job.settings
    n_units, n_windows = job.shape
    plan = plan.to(torch.float32)
    seed = int(seeded(job.config.seed, job.responses.session, "permutations").integers(2**31))
    sizes = (settings.n_permutations, settings.crossover_bins, settings.memory_gb, settings.tf32, seed)
    key = digest(plan.features, plan.order, plan.frame.raw_bounds, plan.alphas, targets, blocks, sizes)
    rows = batch_rows(plan, settings.memory_gb)
    parts: list[dict[str, NDArray]] = []
    whole_job = n_units * n_windows * (1 + settings.n_permutations)
    with Progress(f"{job.responses.session} {name}", whole_job) as progress, tensor_cores(settings.tf32):
        for number, units in enumerate(
            pieces(n_units, n_windows, settings.n_permutations, settings.memory_gb)
        ):
            some = targets.view(n_units, n_windows, -1)[units].flatten(0, 1)

            def compute(some: Tensor = some, n: int = units.stop - units.start) -> dict[str, NDArray]:
                null = null_r2(plan, some, blocks, settings.n_permutations, seed, rows, progress.add)
                test = test_windows(null, n, settings.crossover_bins)
                return {"p": test.p, "p_fwe": test.p_fwe, "p_run": test.p_run, "null_r2": test.null_mean}

            part, computed = job.checkpoint.get(f"{key}-{number:05d}", compute)
            if computed:
                progress.piece()
            else:
                progress.skip(len(some) * (1 + settings.n_permutations))
            parts.append(part)
    return {field: np.concatenate([part[field] for part in parts]) for field in parts[0]}


def _ceiling(job: Job, thread: Thread, rates: Floats) -> tuple[Floats, str]:
    """Noise ceiling [unit, window] of a thread's presentations, and where it comes from.

    Generated images are shown once, so what repeats are the natural
    references of both threads: one ceiling for the unit, which the spaces
    share and the alignment index is free of. Halves of milliseconds give each
    thread a ceiling of its own.
    """
    settings = job.settings
    if settings.ceiling != "bins":
        again = repeated_rows(job.responses)
        images = job.responses.presentations["image"].to_numpy(dtype=str)[again]
        generator = seeded(job.config.seed, job.responses.session, "ceiling")
        flat = rates[:, :, again].reshape(np.prod(job.shape), len(again))
        ceiling, n = from_repeats(flat, images, settings.ceiling_splits, generator)
        if settings.ceiling == "repeats" or n >= settings.ceiling_images:
            return ceiling.reshape(job.shape), "repeats"
    counts = job.responses.values(job.units)[:, thread.rows]
    halves = [window_rates(counts, job.responses.start_ms, job.windows, 2, offset) for offset in (0, 1)]
    return from_alternate_ms(*halves), "bins"


def _spectrum(
    job: Job, thread: Thread, kind: str, targets: Tensor, fitted: list[Fitted]
) -> list[tuple[Thread, str, tuple[int, int], Floats]]:
    """Explained variance [unit, window] of each bin of eigenvalue rank, first fold scheme."""
    frame = job.frames.get(thread.space)
    full = [f for f in fitted if f.projection == "full" and f.scheme == job.settings.schemes[0]]
    if frame is None or not full:
        return []
    coordinates = torch.from_numpy(thread.latents @ frame.vectors).to(job.device)
    folds = _folds(job, thread, full[0].scheme)
    shares = explained_by_rank(coordinates, targets, folds, full[0].nested.alphas).cpu().numpy()
    bins = rank_bins(coordinates.shape[1], job.settings.spectrum_bins)
    return [(thread, kind, (a, b), shares[:, a:b].sum(1).reshape(job.shape)) for a, b in bins]


def _weights(job: Job, thread: Thread, kind: str, targets: Tensor) -> list[tuple[Thread, str, int, Floats]]:
    """Weight vectors [window, latent] of the preferred units: those of all units would be no table."""
    preferred = job.responses.units["preferred"].to_numpy(dtype=bool)[job.units]
    folds = _folds(job, thread, "image")
    latents = torch.tensor(thread.latents, device=job.device)
    found = []
    for unit in np.flatnonzero(preferred):
        some = targets.view(*job.shape, -1)[unit]
        coefficients, _, _ = weights(latents, some, folds, job.alphas)
        found.append((thread, kind, int(unit), coefficients.cpu().numpy()))
    return found
