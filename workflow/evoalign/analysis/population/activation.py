"""Initial and final activation of areas: Fig. 4B, docs/methods.md section 3."""

from __future__ import annotations

import pandas as pd
import torch

from evoalign.analysis.columns import (
    AREA,
    SELECTION,
    experiment_columns,
    site_columns,
    space_columns,
    t_test_columns,
)
from evoalign.analysis.labelled import long_table
from evoalign.analysis.population.experiments import SPACES, Study
from evoalign.analysis.population.space_tests import paired_columns, test_columns
from evoalign.analysis.population.statistic import PooledStatistic
from evoalign.analysis.population.trajectories import padded_trajectories
from evoalign.analysis.statistics.sites import paired_over_sites
from evoalign.analysis.statistics.tests import paired_t
from evoalign.tables import FLOAT, INT, TEXT, column, table

ACTIVATION = table(
    "activation",
    *experiment_columns("session", "subject", "area", "site", "kind"),
    column("stage", TEXT, "", "'initial' (first block) or 'final' (last padded block)"),
    column("value", FLOAT, "", "evoked block mean over the normalization rate"),
)

ACTIVATION_TESTS = table(
    "activation_tests",
    AREA,
    SELECTION,
    column("stage", TEXT, "", "'initial' or 'final'"),
    column("n", INT, "", "experiments"),
    *space_columns("", paired=True),
    *t_test_columns("paired over experiments, texture minus object"),
    *site_columns(),
)


def activation(study_: Study) -> dict[str, pd.DataFrame]:
    """Initial and final activation: first and last padded block, paired t-test (Fig. 4B)."""
    trajectories = padded_trajectories(study_)
    stages = {"initial": 0, "final": -1}
    experiments = study_.experiments
    points, tested = [], []
    for stage, block in stages.items():
        value = {kind: trajectories.values[kind][:, 0, [block]] for kind in SPACES}
        error = {kind: trajectories.errors[kind][:, 0, [block]] for kind in SPACES}
        for kind in SPACES:
            points.append(
                experiments[["session", "subject", "area", "site"]].assign(
                    kind=kind, stage=stage, value=value[kind][:, 0]
                )
            )
        for area, selection, rows in study_.selections():
            chosen = {kind: value[kind][rows] for kind in SPACES}
            columns, n = paired_columns(
                study_,
                rows,
                chosen,
                {kind: error[kind][rows] for kind in SPACES},
                ("activation", area, selection, stage),
            )
            test = paired_t(*(torch.from_numpy(chosen[kind].T.copy()) for kind in SPACES))
            columns |= paired_over_sites(chosen["texture"] - chosen["object"], study_.sites(rows))
            frame = long_table({"stage": [stage]}, columns | {"n": n} | test_columns(test))
            tested.append(frame.assign(area=area, selection=selection))
    return {
        "activation": pd.concat(points, ignore_index=True),
        "activation_tests": pd.concat(tested, ignore_index=True),
    }


POOLED = (PooledStatistic((ACTIVATION, ACTIVATION_TESTS), activation),)
