"""Fits, shares, ceilings and permutations of one thread of a session."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evoalign.analysis.encoding.design import Thread, repeated_rows, spread_over_blocks, window_rates
from evoalign.analysis.encoding.distribution import share_distribution
from evoalign.analysis.encoding.folds import Folds, block_folds, image_folds
from evoalign.analysis.encoding.kernels import Rotated, random_basis
from evoalign.analysis.encoding.nested import Plan
from evoalign.analysis.encoding.parts import EncodingJob, Fitted, Shares
from evoalign.analysis.encoding.permutation import null_r2, tensor_cores, test_in_two_steps
from evoalign.analysis.encoding.ridge import nested_cv, shortened, weights
from evoalign.analysis.encoding.spectrum import explained_by_rank, rank_bins
from evoalign.analysis.encoding.stream import Progress, batch_rows, digest, pieces
from evoalign.analysis.encoding.variance import linear_kernel, linear_share, noise_correlation
from evoalign.analysis.encoding.within import WithinBlocks, within_blocks
from evoalign.analysis.levels import HOPELESS
from evoalign.analysis.statistics.noise_ceiling import Ceiling, from_alternate_ms, from_repeats
from evoalign.analysis.statistics.resampling import seeded
from evoalign.spaces.hessian import Eigenframe

Floats = NDArray[np.float64]
Predictors = tuple[str, int, Tensor]  # projection, its directions, predictors [presentation, feature]


def _folds(job: EncodingJob, thread: Thread, scheme: str) -> Folds:
    generator = seeded(job.config.seed, job.responses.session, thread.space, scheme)
    deal = image_folds if scheme == "image" else block_folds
    return deal(thread.images, thread.blocks, job.settings.n_folds, generator)


def predictors(job: EncodingJob, thread: Thread) -> list[Predictors]:
    """Projection, number of directions and predictors [presentation, feature] of each model."""
    latents = torch.tensor(thread.latents, device=job.device)
    if job.settings.remove_trend:
        latents = latents - _effects(job, thread).trend(latents.T).T
    dim = latents.shape[1]
    frame = job.frames.get(thread.space)
    rotated = None
    if frame is not None:
        rotated = Rotated(latents - latents.mean(0), torch.from_numpy(frame.basis).to(job.device))
    made_predictors: list[Predictors] = []
    for projection in job.settings.projections:
        if projection == "full":
            made_predictors.append(("full", dim, shortened(latents)))
            continue
        for k in (k for k in job.settings.projection_dims if k < dim):
            if projection == "random":
                generator = seeded(job.config.seed, job.responses.session, thread.space, f"random {k}")
                made_predictors.append(
                    ("random", k, latents @ random_basis(dim, k, generator).to(job.device))
                )
            elif rotated is not None and frame is not None and _known(projection, k, dim, frame):
                made_predictors.append((projection, k, getattr(rotated, projection)(k)))
    return [(name, k, shortened(x)) for name, k, x in made_predictors]


def _known(projection: str, k: int, dim: int, frame: Eigenframe) -> bool:
    """Whether a frame, which may hold the leading directions alone, has the top k, or k beside those."""
    n_directions = len(frame.values)
    return n_directions == dim or k <= (n_directions if projection == "top" else dim - n_directions)


def _effects(job: EncodingJob, thread: Thread) -> WithinBlocks:
    return within_blocks(thread.blocks, job.device, np.arange(len(thread.rows)))


def linear_shares(
    job: EncodingJob, thread: Thread, models: list[Predictors], targets: Tensor
) -> list[Shares]:
    """Linear shares [unit, window] of each projection, over all presentations of the thread."""
    shares = []
    order = np.arange(len(thread.rows)) if job.settings.remove_trend else None
    for projection, k, features in models:
        kernel = linear_kernel(features, thread.blocks, thread.images, order)
        generator = seeded(job.config.seed, job.responses.session, thread.space, f"share {projection} {k}")
        distribution = share_distribution(kernel, job.settings.n_bootstrap, generator)
        estimate = linear_share(kernel, targets).cpu().numpy()
        tail = (1 - job.settings.interval) / 2
        ends = distribution.quantiles(estimate, [tail, 1 - tail])
        shares.append(
            Shares(
                projection,
                k,
                estimate.reshape(job.shape),
                ends[:, 0].reshape(job.shape),
                ends[:, 1].reshape(job.shape),
                distribution,
                noise_correlation(kernel, targets, job.shape),
            )
        )
    return shares


def fit_thread(
    job: EncodingJob, thread: Thread, kind: str, models: list[Predictors], targets: Tensor, n_smaller: int
) -> list[Fitted]:
    """Fit every fold scheme and projection; projections with the presentations of the smaller thread."""
    settings, fits = job.settings, []
    generator = seeded(job.config.seed, job.responses.session, thread.space, "matched")
    matched = spread_over_blocks(thread, n_smaller, generator)
    if settings.remove_trend:
        targets = targets - _effects(job, thread).trend(targets)
    for scheme in settings.schemes:
        for projection, k, features in models:
            every = projection == "full" or not settings.match_presentations
            rows_of_images = np.arange(len(thread.rows)) if every else matched
            of_images, responses = (
                thread.select(rows_of_images),
                targets[:, torch.from_numpy(rows_of_images).to(targets.device)],
            )
            plan = Plan(shortened(features[rows_of_images]), _folds(job, of_images, scheme), job.alphas)
            nested = nested_cv(plan, responses)
            test = None
            permuted = scheme in settings.permuted_schemes and projection in settings.permuted_projections
            if settings.n_permutations and permuted:
                name = f"{thread.space} {scheme} {projection} {k}"
                test = permuted_test(job, name, plan, responses, of_images.blocks)
            fits.append(Fitted(of_images, kind, scheme, projection, k, nested, test))
    return fits


def permuted_test(
    job: EncodingJob, name: str, plan: Plan, targets: Tensor, blocks: NDArray
) -> dict[str, NDArray]:
    """Permutation p values, in pieces of units that are kept in the checkpoint; see `PermutationTest`."""
    settings = job.settings
    n_units, n_windows = job.shape
    plan = plan.to(torch.float32)
    seed = int(seeded(job.config.seed, job.responses.session, "permutations").integers(2**31))
    run = {"shuffle": 1, "runs": settings.permute_run, "turn": None}[settings.permute]
    hopeless = HOPELESS * settings.index_level
    n = settings.n_permutations
    sizes = (n, settings.crossover_bins, settings.memory_gb, settings.tf32, seed, run, hopeless)
    key = digest(plan.features, plan.order, plan.frame.raw_bounds, plan.alphas, targets, blocks, sizes)
    rows = batch_rows(plan, settings.memory_gb)
    parts: list[dict[str, NDArray]] = []
    what = f"{job.responses.session} {name}"
    with Progress(what, n_units * n_windows * (1 + n)) as progress, tensor_cores(settings.tf32):

        def null(rows_of_units: Tensor, last: int, start: int) -> Tensor:
            return null_r2(plan, rows_of_units, blocks, last, seed, rows, progress.add, run, start)

        for number, units in enumerate(pieces(n_units, n_windows, n, settings.memory_gb)):
            of_units = targets.view(n_units, n_windows, -1)[units]

            def compute(of_units: Tensor = of_units) -> dict[str, NDArray]:
                rows_of_units = of_units.flatten(0, 1)
                test = test_in_two_steps(
                    null, rows_of_units, len(of_units), n, hopeless, settings.crossover_bins
                )
                return {"p": test.p, "p_fwe": test.p_fwe, "p_run": test.p_run, "null_r2": test.null_mean}

            parts.append(job.checkpoint.get(f"{key}-{number:05d}", compute)[0])
            progress.piece(len(of_units) * n_windows * (1 + n))
    return {field: np.concatenate([part[field] for part in parts]) for field in parts[0]}


def ceiling_of(job: EncodingJob, thread: Thread, rates: Floats) -> Ceiling:
    """Noise ceilings [unit, window] of a thread's presentations.

    Generated images are shown once, so what repeats are the natural
    references of both threads: one ceiling for the unit, which the spaces
    share. Halves of milliseconds give each thread a ceiling of its own.
    """
    settings = job.settings
    how = (settings.crossover_bins, settings.interval)
    if settings.ceiling != "bins":
        again = repeated_rows(job.responses)
        images = job.responses.presentations["image"].to_numpy(dtype=str)[again]
        ceiling, n = from_repeats(rates[:, :, again], images, *how)
        if settings.ceiling == "repeats" or n >= settings.ceiling_images:
            return ceiling
    counts = job.responses.values(job.units)[:, thread.rows]
    even, odd = (window_rates(counts, job.responses.start_ms, job.windows, 2, offset) for offset in (0, 1))
    return from_alternate_ms(even, odd, *how)


def spectrum_of(
    job: EncodingJob, thread: Thread, targets: Tensor, fitted: list[Fitted]
) -> list[tuple[tuple[int, int], Floats]]:
    """Explained variance [unit, window] of each bin of eigenvalue rank, first fold scheme."""
    frame = job.frames.get(thread.space)
    full = [f for f in fitted if f.projection == "full" and f.scheme == job.settings.schemes[0]]
    if frame is None or not full:
        return []
    coordinates = torch.from_numpy(thread.latents @ frame.basis).to(job.device)
    folds = _folds(job, thread, full[0].scheme)
    shares = explained_by_rank(coordinates, targets, folds, full[0].nested.alphas).cpu().numpy()
    bins = rank_bins(len(frame.values), job.settings.spectrum_bins)
    return [((a, b), shares[:, a:b].sum(1).reshape(job.shape)) for a, b in bins]


def preferred_weights(job: EncodingJob, thread: Thread, targets: Tensor) -> list[tuple[int, Floats]]:
    """Weight vectors [window, latent] of the preferred units: those of all units would be no table."""
    preferred = job.responses.units["preferred"].to_numpy(dtype=bool)[job.units]
    folds = _folds(job, thread, "image")
    latents = torch.tensor(thread.latents, device=job.device)
    unit_weights = []
    for unit in np.flatnonzero(preferred):
        unit_targets = targets.view(*job.shape, -1)[unit]
        coefficients, _, _ = weights(latents, unit_targets, folds, job.alphas)
        unit_weights.append((int(unit), coefficients.cpu().numpy()))
    return unit_weights
