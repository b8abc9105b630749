"""Tables of one experiment, inside the response, and its time constants: docs/methods.md sections 4 and 3."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch

from evoalign import tables
from evoalign.analysis.frames import as_array, long_columns, table_of
from evoalign.analysis.session import dynamics, trajectories
from evoalign.analysis.session.block_statistics import (
    BlockStatistics,
    bin_widths,
    experiment_columns,
    thread_axis,
)
from evoalign.analysis.settings import Analysis
from evoalign.analysis.statistics.crossover import Bins, Rule, find_crossover
from evoalign.analysis.statistics.resampling import seeded
from evoalign.analysis.statistics.tests import Moments, benjamini_hochberg, two_sample_t
from evoalign.analysis.tables import ATTRIBUTION, CENTRES, CONTRAST, CROSSOVER, TIME_CONSTANTS


def attribution_table(measured: BlockStatistics, settings: Analysis) -> pd.DataFrame:
    """Temporal attribution of both threads, in bins of every width."""
    parts = []
    for width in bin_widths(settings):
        starts, stops = zip(*trajectories.tiles(width, settings.window_ms), strict=True)
        attributions = [
            dynamics.attribution(psth, best, width)
            for psth, best in zip(measured.psth.mean, measured.best, strict=True)
        ]
        difference, share = (torch.stack(part) for part in zip(*attributions, strict=True))
        columns = long_columns(
            [thread_axis(measured.experiment, settings), {"start_ms": starts, "stop_ms": stops}],
            {"difference_hz": difference, "share": share},
        )
        parts.append(columns | experiment_columns(measured.experiment))
    return table_of(ATTRIBUTION, *parts)


def centres_table(measured: BlockStatistics, settings: Analysis) -> pd.DataFrame:
    """Centres of mass of D(t) and of the PSTHs of the first, best and last block."""
    experiment = measured.experiment
    curves = []
    for psth, best in zip(measured.psth.mean, measured.best, strict=True):
        curves.append(torch.stack([psth[0], psth[best], psth[-1], psth[best] - psth[0]]))
    centre = dynamics.centre_of_mass(torch.stack(curves), experiment.start_ms, settings.attribution_from_ms)
    columns = long_columns(
        [thread_axis(experiment, settings), {"curve": ("first", "best", "last", "attribution")}],
        {"centre_ms": centre},
    )
    return table_of(CENTRES, columns | experiment_columns(experiment))


def time_constants_table(measured: BlockStatistics, settings: Analysis) -> pd.DataFrame:
    """Convergence of both threads, for each level that is subtracted and each theta."""
    evoked, baseline = measured.generated.mean[..., 0], measured.generated.mean[..., 1]
    levels = {
        "bslinit": trajectories.first_real(evoked),
        "bsl": baseline.nanmean(-1),
        "zero": torch.zeros_like(evoked[:, 0]),
    }
    thetas = (settings.time_constant_theta, settings.time_constant_alternative)
    # Batches of [level, thread].
    level = torch.stack(list(levels.values()))
    constants = [
        trajectories.time_constants(evoked.expand(len(level), -1, -1), level, theta) for theta in thetas
    ]
    columns = long_columns(
        [{"theta": thetas}, {"level": list(levels)}, thread_axis(measured.experiment, settings)],
        {
            "first_above": np.stack([constant.first_above for constant in constants]),
            "below": np.stack([constant.below for constant in constants]),
        },
    )
    return table_of(TIME_CONSTANTS, columns | experiment_columns(measured.experiment))


def late_tables(measured: BlockStatistics, settings: Analysis, seed: int) -> dict[str, pd.DataFrame]:
    """Contrast and crossover: object minus texture in the late blocks."""
    experiment = measured.experiment
    if set(experiment.kinds(settings)) != {"texture", "object"}:
        return {"contrast": tables.empty(CONTRAST), "crossover": tables.empty(CROSSOVER)}
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
    scope = {"scope": "session", "session": experiment.session, "selection": "", "area": experiment.area}
    return {
        "contrast": _contrast(measured, at, first, settings),
        "crossover": table_of(CROSSOVER, row | scope),
    }


def _contrast(measured: BlockStatistics, at: list[int], first: int, settings: Analysis) -> pd.DataFrame:
    generated = measured.generated
    chosen = Moments(generated.n, generated.mean[..., at], generated.squares[..., at])
    late = dynamics.late_moments(chosen, first)
    threads = {kind: thread for thread, kind in enumerate(measured.experiment.kinds(settings))}
    texture, object_ = (
        Moments(late.n[i], late.mean[i], late.squares[i]) for i in (threads["texture"], threads["object"])
    )
    test = two_sample_t(object_, texture)
    difference = as_array(object_.mean - texture.mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        sem = np.abs(np.where(test.t == 0, np.nan, difference / test.t))
    names, starts, stops = zip(*(measured.windows[i] for i in at), strict=True)
    columns = experiment_columns(measured.experiment) | {
        "window": names,
        "start_ms": starts,
        "stop_ms": stops,
    }
    return table_of(
        CONTRAST,
        columns
        | {
            "texture_hz": as_array(texture.mean),
            "object_hz": as_array(object_.mean),
            "difference": difference / measured.normalization_rate,
            "sem": sem / measured.normalization_rate,
            "texture_n": as_array(texture.n).astype(np.int64),
            "object_n": as_array(object_.n).astype(np.int64),
            "t": test.t,
            "df": test.df,
            "p": test.p,
            # The evoked window is a test of its own; the bins are one family.
            "q": np.concatenate([test.p[:1], benjamini_hochberg(test.p[1:])]),
        },
    )


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
