"""Padded trajectories pooled by area: docs/methods.md sections 3 (Fig. 4C) and 4 (Fig. 5C, Ext. 4C)."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from evoalign.analysis.columns import (
    AREA,
    BLOCK_INDEX,
    FAMILY,
    LARGER,
    START,
    STOP,
    experiment_columns,
    site_columns,
    space_columns,
    t_test_columns,
)
from evoalign.analysis.labelled import long_table
from evoalign.analysis.population.experiments import SPACES, Study
from evoalign.analysis.population.space_tests import paired_columns, preferred_space, test_columns
from evoalign.analysis.population.statistic import PooledStatistic
from evoalign.analysis.session.trajectories import pad
from evoalign.analysis.statistics.sites import paired_over_sites
from evoalign.analysis.statistics.tests import benjamini_hochberg, paired_t
from evoalign.tables import FLAG, FLOAT, INT, TEXT, column, table

PADDED = table(
    "padded",
    *experiment_columns("session", "subject", "area", "site", "kind"),
    BLOCK_INDEX,
    column("value", FLOAT, "", "evoked block mean over the normalization rate, padded"),
    column("real", FLAG, "", "a block that was shown; else padding"),
)

POPULATION_TRAJECTORIES = table(
    "population_trajectories",
    AREA,
    column(
        "selection",
        TEXT,
        "",
        "'valid' experiments, of them those where 'any' thread or 'both' threads succeed, or 'both_strict': "
        "both at analysis.success_p",
    ),
    column("window", TEXT, "", "'evoked', 'baseline' or 'binned'"),
    START,
    STOP,
    BLOCK_INDEX,
    column("n", INT, "", "experiments, padded ones with them"),
    column("n_real", INT, "", "experiments that showed this block"),
    *space_columns("", paired=True),
    column("difference_low", FLOAT, "", "object minus texture: lower end of the bootstrap interval"),
    column("difference_high", FLOAT, "", "upper end of it"),
    *t_test_columns("paired over experiments, texture minus object"),
    FAMILY,
    LARGER,
    *site_columns(family=True),
)


Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Trajectories:
    """Normalised trajectories of generated images, padded to the longest run.

    Attributes
    ----------
    values, errors : dict of 'texture' and 'object' to numpy.ndarray [experiment, window, block]
        Block means over the normalization rate, and their standard errors over
        presentations.
    observed : numpy.ndarray, bool [experiment, block]
        False where padded.
    windows : pandas.DataFrame
        Columns window, start_ms, stop_ms; the evoked window first.
    """

    values: dict[str, Floats]
    errors: dict[str, Floats]
    observed: NDArray[np.bool_]
    windows: pd.DataFrame


@functools.lru_cache(maxsize=1)
def padded_trajectories(study_: Study) -> Trajectories:
    """Stack and pad the trajectories of all valid experiments.

    All areas are padded to the longest run of the study. The padding of an
    experiment is the mean of its last two blocks (docs/methods.md section 3), and the
    error of the padding is that of this mean.
    """
    means, errors = (
        np.ascontiguousarray(study_.data[name].transpose("experiment", "kind", "window", "block").values)
        for name in ("trajectories_normalised", "trajectories_normalised_sem")
    )
    observed = np.zeros((len(means), means.shape[-1]), dtype=bool)
    for row, n_blocks in enumerate(study_.experiments["n_blocks"]):
        padded, mask = pad(torch.from_numpy(means[row][..., :n_blocks]), means.shape[-1])
        means[row], observed[row] = padded.numpy(), mask.numpy()
        tail = np.sqrt((errors[row][..., n_blocks - 2 : n_blocks] ** 2).sum(-1, keepdims=True)) / 2
        errors[row][..., n_blocks:] = tail
    windows = pd.DataFrame({name: study_.data[name].values for name in ("window", "start_ms", "stop_ms")})
    return Trajectories(
        {kind: means[:, place] for place, kind in enumerate(SPACES)},
        {kind: errors[:, place] for place, kind in enumerate(SPACES)},
        observed,
        windows,
    )


def population_trajectories(study_: Study) -> pd.DataFrame:
    """Mean trajectories of each area and selection, with the paired test of each block.

    The test compares texture and object over experiments, block by block; the
    blocks of one window are one family for Benjamini and Hochberg. Ext. 4C
    asks of both threads that they succeed at `success_p`: 'both_strict'.
    """
    trajectories = padded_trajectories(study_)
    parts = []
    for area, selection, rows in study_.selections(strict=True):
        values = {kind: trajectories.values[kind][rows] for kind in SPACES}
        errors = {kind: trajectories.errors[kind][rows] for kind in SPACES}
        columns, n = paired_columns(
            study_, rows, values, errors, ("population trajectories", area, selection), difference=True
        )
        test = paired_t(*(torch.from_numpy(np.moveaxis(values[kind], 0, -1).copy()) for kind in SPACES))
        q = benjamini_hochberg(test.p)
        columns |= {"n": n, "n_real": trajectories.observed[rows].sum(0)[None], **test_columns(test)}
        columns |= {"q": q, "larger": preferred_space(test.t, q, study_.settings.fdr)}
        difference = values["texture"] - values["object"]
        columns |= paired_over_sites(difference, study_.sites(rows), family=True)
        axes = {"window": trajectories.windows, "block_index": range(q.shape[-1])}
        parts.append(long_table(axes, columns).assign(area=area, selection=selection))
    return pd.concat(parts, ignore_index=True)


def padded_table(study_: Study) -> pd.DataFrame:
    """Each experiment's evoked trajectory, normalised and padded (docs/methods.md section 3)."""
    trajectories = padded_trajectories(study_)
    experiments = study_.experiments[["session", "subject", "area", "site"]]
    n_blocks = trajectories.observed.shape[1]
    return long_table(
        {"experiment": experiments, "kind": SPACES, "block_index": range(n_blocks)},
        {
            "value": np.stack([trajectories.values[kind][:, 0] for kind in SPACES], 1),
            "real": trajectories.observed[:, None],
        },
    )


POOLED = (
    PooledStatistic((PADDED,), padded_table),
    PooledStatistic((POPULATION_TRAJECTORIES,), population_trajectories),
)
