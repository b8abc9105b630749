"""Columns of pooled tables that compare a study's spaces, within and between groups of experiments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from evoalign.analysis.population.experiments import SPACES, Floats, Study
from evoalign.analysis.statistics.resampling import mean_intervals
from evoalign.analysis.statistics.sites import unpaired_over_sites
from evoalign.analysis.statistics.tests import Moments, Test, moments, two_sample_t


def over_experiments(values: Floats) -> Moments:
    """Moments over the first axis of an array [experiment, ...], leaving out NaN."""
    return moments(torch.from_numpy(np.moveaxis(values, 0, -1).copy()))


def paired_columns(
    study_: Study,
    rows: NDArray[np.int64],
    values: Mapping[str, Floats],
    errors: Mapping[str, Floats],
    names: Sequence[str],
    *,
    difference: bool = False,
) -> tuple[dict[str, Any], NDArray[np.int64]]:
    """Mean, sem and bootstrap interval of both spaces over the same experiments.

    Parameters
    ----------
    rows : numpy.ndarray, int64 [experiment]
        Row numbers of the experiments.
    values, errors : mapping of 'texture' and 'object' to numpy.ndarray [experiment, ...]
        Values, and their standard errors over presentations.
    names : sequence of str
        What seeds the draws.
    difference : bool
        Give the interval of object minus texture, too.

    Returns
    -------
    columns : dict of str to numpy.ndarray [...]
        ``texture_mean`` to ``object_high``, then on request
        ``difference_low`` and ``difference_high``.
    n : numpy.ndarray [...]
        Experiments with a value in both spaces.
    """
    weights, generator = study_.weights(rows, *names)
    samples = [(values[kind], errors[kind]) for kind in SPACES]
    ends = mean_intervals(samples, weights, generator, study_.settings.interval, difference=difference)
    columns: dict[str, Any] = {}
    for kind, (low, high) in zip((*SPACES, "difference"), ends, strict=False):
        if kind in values:
            statistics = over_experiments(values[kind])
            columns |= {f"{kind}_mean": statistics.mean.numpy(), f"{kind}_sem": statistics.sem.numpy()}
        columns |= {f"{kind}_low": low, f"{kind}_high": high}
    return columns, (~np.isnan(values["texture"] + values["object"])).sum(0)


def successful(
    study_: Study, rows: NDArray[np.int64], array: Floats
) -> dict[str, tuple[NDArray[np.int64], Floats]]:
    """Of each space, the experiments whose thread succeeds at `success_p`, and their values.

    Parameters
    ----------
    rows : numpy.ndarray, int64 [experiment]
        Row numbers of an area's experiments.
    array : numpy.ndarray, float64 [experiment of the study, kind, ...]
        Of `Study.arrange`.
    """
    groups = {}
    for at, kind in enumerate(SPACES):
        succeeding = rows[study_.experiments[f"succeeds_{kind}"].to_numpy(dtype=bool)[rows]]
        groups[kind] = (succeeding, array[succeeding, at])
    return groups


def unpaired_columns(
    study_: Study, groups: Mapping[str, tuple[NDArray[np.int64], Floats]], names: Sequence[str]
) -> dict[str, Any]:
    """Compare two spaces over experiments of their own: n, mean, sem, interval and t-test.

    Parameters
    ----------
    groups : mapping of 'texture' and 'object' to (rows, values [experiment, ...])
        Row numbers of each space's experiments, and their values.
    names : sequence of str
        What seeds the draws.

    Returns
    -------
    dict of str to numpy.ndarray [...]
        Columns of a pooled table up to ``p``, and those of the test over site means.
    """
    columns: dict[str, Any] = {}
    by_kind = {}
    for kind in SPACES:
        rows, values = groups[kind]
        by_kind[kind] = over_experiments(values)
        blank = np.full(values.shape[1:], np.nan)
        low, high = blank, blank
        if len(rows):
            weights, generator = study_.weights(rows, *names, kind)
            sample = (values, np.zeros_like(values))
            ((low, high),) = mean_intervals([sample], weights, generator, study_.settings.interval)
        columns |= {
            f"{kind}_n": by_kind[kind].n.numpy().astype(np.int64),
            f"{kind}_mean": by_kind[kind].mean.numpy(),
            f"{kind}_sem": by_kind[kind].sem.numpy(),
            f"{kind}_low": low,
            f"{kind}_high": high,
        }
    columns |= test_columns(two_sample_t(by_kind["texture"], by_kind["object"]))
    over_sites = unpaired_over_sites(*((groups[kind][1], study_.sites(groups[kind][0])) for kind in SPACES))
    counts = {f"{kind}_n_sites": over_sites.pop(f"n_sites_{at}") for at, kind in enumerate(SPACES, 1)}
    return columns | counts | over_sites


def test_columns(test: Test) -> dict[str, Floats]:
    """Columns t, df and p."""
    return {"t": test.t, "df": test.df, "p": test.p}


test_columns.__test__ = False  # type: ignore[attr-defined]


def preferred_space(t: Floats, q: Floats, level: float) -> NDArray[np.str_]:
    """Name the larger space where q is below the level; '' elsewhere."""
    return np.where(q < level, np.where(t > 0, "texture", "object"), "")
