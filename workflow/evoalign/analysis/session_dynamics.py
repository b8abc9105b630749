"""Tables of one experiment, inside the response: METHODS section 4 and the time constants of section 3."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch

from evoalign import study, tables
from evoalign.analysis import dynamics, trajectories
from evoalign.analysis.frames import CATEGORY, as_array, long_columns, table_of
from evoalign.analysis.measured import Measured, bin_widths, facts, thread_axis
from evoalign.analysis.resampling import interval, seeded
from evoalign.analysis.statistics import Moments, benjamini_hochberg, two_sample_t


def attribution_table(measured: Measured, settings: study.Analysis) -> pd.DataFrame:
    """Temporal attribution of both threads, in bins of every width."""
    parts = []
    for width in bin_widths(settings):
        starts, stops = zip(*trajectories.tiles(width, settings.window_ms), strict=True)
        found = [
            dynamics.attribution(psth, best, width)
            for psth, best in zip(measured.psth.mean, measured.best, strict=True)
        ]
        difference, share = (torch.stack(part) for part in zip(*found, strict=True))
        columns = long_columns(
            [thread_axis(measured.experiment, settings), {"start_ms": starts, "stop_ms": stops}],
            {"difference_hz": difference, "share": share},
        )
        parts.append(columns | facts(measured.experiment))
    return table_of(tables.ATTRIBUTION, *parts)


def centres_table(measured: Measured, settings: study.Analysis) -> pd.DataFrame:
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
    return table_of(tables.CENTRES, columns | facts(experiment))


def time_constants_table(measured: Measured, settings: study.Analysis) -> pd.DataFrame:
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
    found = [trajectories.time_constants(evoked.expand(len(level), -1, -1), level, theta) for theta in thetas]
    columns = long_columns(
        [{"theta": thetas}, {"level": list(levels)}, thread_axis(measured.experiment, settings)],
        {
            "first_above": np.stack([one.first_above for one in found]),
            "below": np.stack([one.below for one in found]),
        },
    )
    return table_of(tables.TIME_CONSTANTS, columns | facts(measured.experiment))


def late_tables(measured: Measured, settings: study.Analysis, seed: int) -> dict[str, pd.DataFrame]:
    """Contrast, its draws and the crossover: object minus texture in the late blocks."""
    experiment = measured.experiment
    names = ("contrast", "late_draws", "crossover")
    if set(experiment.kinds(settings)) != {"texture", "object"}:
        return {name: tables.empty(getattr(tables, name.upper())) for name in names}
    width = settings.figure_bin_ms
    at = [0] + [i for i, (name, a, b) in enumerate(measured.windows) if name == "binned" and b - a == width]
    first = dynamics.late_blocks(experiment.n_blocks, settings.late_fraction)
    bins = dynamics.Bins(tuple(measured.windows[i][1] for i in at[1:]), width)
    draws = dynamics.late_draws(
        experiment,
        measured.rates[:, at[1:]],
        experiment.by_kind(settings),
        first,
        settings.n_bootstrap,
        seeded(seed, experiment.session, "late"),
    )
    draws /= measured.normaliser
    frame = _contrast(measured, at, first, settings)
    late = long_columns([{"draw": range(len(draws))}, {"start_ms": bins.starts}], {"difference": draws})
    return {
        "contrast": frame,
        "late_draws": table_of(tables.LATE_DRAWS, late | {"session": experiment.session}, text=CATEGORY),
        "crossover": table_of(
            tables.CROSSOVER,
            crossover_row(frame["difference"].to_numpy()[1:], draws, bins, settings)
            | {"scope": "session", "session": experiment.session, "area": experiment.area},
        ),
    }


def _contrast(measured: Measured, at: list[int], first: int, settings: study.Analysis) -> pd.DataFrame:
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
    columns = facts(measured.experiment) | {"window": names, "start_ms": starts, "stop_ms": stops}
    return table_of(
        tables.CONTRAST,
        columns
        | {
            "texture_hz": as_array(texture.mean),
            "object_hz": as_array(object_.mean),
            "difference": difference / measured.normaliser,
            "sem": sem / measured.normaliser,
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
    difference: np.ndarray,
    draws: np.ndarray,
    bins: dynamics.Bins,
    settings: study.Analysis,
) -> dict[str, Any]:
    """One row of the crossover table for a session; scope, session and area are still to be filled in.

    Parameters
    ----------
    difference : numpy.ndarray, float64 [bin]
        Late object minus texture.
    draws : numpy.ndarray, float64 [draw, bin]
        Bootstrap draws of it.
    """
    window, stay = settings.evoked_ms, settings.crossover_bins
    time = float(dynamics.crossover_times(difference, bins, window, stay))
    drawn = dynamics.crossover_times(draws, bins, window, stay)
    low, high = interval(drawn, settings.interval)
    reason = ""
    if np.isnan(difference).all():
        reason = "no late responses to compare"
    elif np.isnan(time):
        reason = f"the object space never leads for {stay} bins"
    elif time <= min(start for start, ok in zip(bins.starts, bins.inside(window), strict=True) if ok):
        reason = "the object space leads from the first bin on"
    return {
        "n": 1,
        "crossover_ms": time,
        "low_ms": float(low),
        "high_ms": float(high),
        "found": float(np.mean(~np.isnan(drawn))),
        "reason": reason,
    }
