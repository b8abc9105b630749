"""Arrays of one experiment, inside the response, and its time constants: docs/methods.md sections 4 and 3."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from evoalign.analysis.labelled import Arrays, as_array
from evoalign.analysis.session import dynamics, trajectories
from evoalign.analysis.session.block_statistics import BlockStatistics, bin_widths
from evoalign.analysis.settings import Analysis
from evoalign.analysis.statistics.crossover import Bins, Rule, find_crossover
from evoalign.analysis.statistics.resampling import seeded
from evoalign.analysis.statistics.tests import Moments, benjamini_hochberg, two_sample_t

CURVES = ("first", "best", "last", "attribution")
LEVELS = ("bslinit", "bsl", "zero")


def thetas(settings: Analysis) -> tuple[float, float]:
    """Shares of the maximum at which a trajectory counts as converged."""
    return settings.time_constant_theta, settings.time_constant_alternative


def attribution_arrays(measured: BlockStatistics, settings: Analysis) -> Arrays:
    """Temporal attribution of both threads, in bins of every width."""
    of_threads = []  # [thread]: differences and shares of the bins of every width
    for psth, best in zip(measured.psth.mean, measured.best, strict=True):
        of_widths = [dynamics.attribution(psth, best, width) for width in bin_widths(settings)]
        of_threads.append([torch.cat(part) for part in zip(*of_widths, strict=True)])
    difference, share = (torch.stack(part) for part in zip(*of_threads, strict=True))
    _, starts, stops = zip(*measured.windows[2:], strict=True)
    axes = ("thread", "bin")
    return {
        "difference_hz": (axes, difference),
        "share": (axes, share),
        "start_ms": (("bin",), starts),
        "stop_ms": (("bin",), stops),
    }


def centres_arrays(measured: BlockStatistics, settings: Analysis) -> Arrays:
    """Centres of mass of the PSTHs of the first, best and last block and of D(t), as in `CURVES`."""
    curves = []
    for psth, best in zip(measured.psth.mean, measured.best, strict=True):
        curves.append(torch.stack([psth[0], psth[best], psth[-1], psth[best] - psth[0]]))
    start_ms = measured.experiment.start_ms
    centre = dynamics.centre_of_mass(torch.stack(curves), start_ms, settings.attribution_from_ms)
    return {"centre_ms": (("thread", "curve"), centre)}


def time_constants_arrays(measured: BlockStatistics, settings: Analysis) -> Arrays:
    """Convergence of both threads, for each level of `LEVELS` that is subtracted and each theta."""
    evoked, baseline = measured.generated.mean[..., 0], measured.generated.mean[..., 1]
    # Batches of [level, thread].
    level = torch.stack(
        [trajectories.first_real(evoked), baseline.nanmean(-1), torch.zeros_like(evoked[:, 0])]
    )
    constants = [
        trajectories.time_constants(evoked.expand(len(level), -1, -1), level, theta)
        for theta in thetas(settings)
    ]
    axes = ("theta", "level", "thread")
    return {
        "first_above": (axes, np.stack([constant.first_above for constant in constants])),
        "below": (axes, np.stack([constant.below for constant in constants])),
    }


def late_arrays(measured: BlockStatistics, settings: Analysis, seed: int) -> dict[str, Arrays]:
    """Contrast and crossover: object minus texture in the late blocks."""
    experiment = measured.experiment
    if set(experiment.kinds(settings)) != {"texture", "object"}:
        return {"contrast": {}, "crossover": {}}
    width = settings.figure_bin_ms
    at = [0] + [i for i, (name, a, b) in enumerate(measured.windows) if name == "binned" and b - a == width]
    first = dynamics.late_blocks(experiment.n_blocks, settings.late_fraction)
    texture, object_ = experiment.by_kind(settings)
    means = measured.generated.mean[:, first:, at[1:]]
    row = crossover_row(
        as_array(means[object_] - means[texture]),
        Bins(tuple(measured.windows[i][1] for i in at[1:]), width),
        settings,
        "late blocks",
        seeded(seed, experiment.session, "crossover"),
    )
    row |= {"scope": "session", "selection": ""}
    return {
        "contrast": _contrast(measured, at, first, settings),
        "crossover": {name: ((), value) for name, value in row.items()},
    }


def _contrast(measured: BlockStatistics, at: list[int], first: int, settings: Analysis) -> Arrays:
    generated = measured.generated
    chosen = Moments(generated.n, generated.mean[..., at], generated.squares[..., at])
    late = dynamics.late_moments(chosen, first)
    texture, object_ = (late[thread] for thread in measured.experiment.by_kind(settings))
    test = two_sample_t(object_, texture)
    difference = as_array(object_.mean - texture.mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        sem = np.abs(np.where(test.t == 0, np.nan, difference / test.t))
    names, starts, stops = zip(*(measured.windows[i] for i in at), strict=True)
    values = {
        "window": names,
        "start_ms": starts,
        "stop_ms": stops,
        "texture_hz": texture.mean,
        "object_hz": object_.mean,
        "difference": difference / measured.normalization_rate,
        "sem": sem / measured.normalization_rate,
        "texture_n": texture.n.to(torch.int64),
        "object_n": object_.n.to(torch.int64),
        "t": test.t,
        "df": test.df,
        "p": test.p,
        # The evoked window is a test of its own; the bins are one family.
        "q": np.concatenate([test.p[:1], benjamini_hochberg(test.p[1:])]),
    }
    return {name: (("late_window",), array) for name, array in values.items()}


def crossover_row(
    differences: np.ndarray,
    bins: Bins,
    settings: Analysis,
    noun: str,
    generator: np.random.Generator,
    sites: np.ndarray | None = None,
) -> dict[str, Any]:
    """One row of the crossover table; scope, session, area and selection are still to be filled in.

    Parameters
    ----------
    differences : numpy.ndarray, float64 [replicate, bin]
        Late object minus texture of each experiment of an area, or of each
        late block of an experiment; a block's difference holds the noise of
        its presentations and whatever else varies from block to block.
    bins : Bins
        Those before `analysis.attribution_from_ms` are not looked at: no
        answer yet, the difference is noise.
    noun : str
        What the replicates are, in the plural.
    generator : numpy.random.Generator
    sites : numpy.ndarray, int64 [replicate], optional
        Site of each experiment; experiments of one site count as one replicate.
    """
    answered = np.asarray(bins.starts) >= settings.attribution_from_ms
    used = Bins(tuple(np.asarray(bins.starts)[answered].tolist()), bins.width)
    rule = Rule.of(settings, settings.interval, noun)
    crossover = find_crossover(differences[:, answered], used, rule, generator, sites)
    is_known = ~np.isnan(differences[:, answered]).any(1)
    return {
        "n": int(is_known.sum()),
        "n_sites": 1 if sites is None else len(np.unique(sites[is_known])),
        "crossover_ms": crossover.time_ms,
        "low_ms": crossover.low_ms,
        "high_ms": crossover.high_ms,
        "p_texture": crossover.p_texture,
        "p_object": crossover.p_object,
        "reason": crossover.reason,
        "interval_reason": crossover.interval_reason,
    }
