"""Tables pooled over the experiments of each area: docs/methods.md section 3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from evoalign import tables
from evoalign.analysis.frames import long_table
from evoalign.analysis.population.animals import animal_contrast, mixed_effects
from evoalign.analysis.population.convergence import time_constant_tests
from evoalign.analysis.population.dynamics import (
    attribution,
    centres,
    clusters,
    contrast,
    crossover,
    population_psth,
)
from evoalign.analysis.population.experiments import (
    SPACES,
    Study,
    joined_whole,
    paired_columns,
    study_of,
    successful,
    test_columns,
    unpaired_columns,
)
from evoalign.analysis.population.latency import latencies
from evoalign.analysis.population.specifications import specifications
from evoalign.analysis.population.success_splits import success_splits
from evoalign.analysis.population.trajectories import (
    Trajectories,
    padded_trajectories,
    population_trajectories,
)
from evoalign.analysis.settings import AnalysisConfig
from evoalign.analysis.statistics.sites import paired_over_sites, site_means
from evoalign.analysis.statistics.tests import paired_t, rate_interval

CARRIED = ("experiments", "success", "time_constants")


def pool_sessions(
    sessions: Sequence[Mapping[str, pd.DataFrame]], config: AnalysisConfig
) -> dict[str, pd.DataFrame]:
    """Pool the tables of `analyse_session` over the valid experiments of each area.

    Parameters
    ----------
    sessions : sequence of mappings
        What `analyse_session` gave for each session; the order does not matter,
        and sessions without an evolution are passed over.
    config : AnalysisConfig

    Returns
    -------
    dict of str to pandas.DataFrame
        Tables by the lower-case names of their contracts. `experiments`,
        `success` and `time_constants` are carried on whole, experiments that
        are not valid with them; all others hold valid experiments. Without a
        valid experiment they have no rows.
    """
    evolved = [one for one in sessions if "experiments" in one]
    ordered = sorted(evolved, key=lambda one: str(one["experiments"]["session"].iloc[0]))
    joined = study_of(ordered, config)
    found = {}
    if ordered:
        found = {name: joined_whole(ordered, name) for name in CARRIED}
    if joined.tables and len(joined.experiments):
        trajectories = padded_trajectories(joined)
        found |= {
            "success_rates": success_rates(joined),
            "success_splits": success_splits(joined),
            "padded": padded_table(joined, trajectories),
            "population_trajectories": population_trajectories(joined, trajectories),
            **activation(joined, trajectories),
            "population_time_constants": population_time_constants(joined),
            "time_constant_tests": time_constant_tests(joined),
            "population_psth": population_psth(joined),
            "population_attribution": attribution(joined),
            "population_centres": centres(joined),
            "population_contrast": contrast(joined),
            "clusters": clusters(joined),
            "animal_contrast": animal_contrast(joined),
            "mixed_effects": mixed_effects(joined),
            "latencies": latencies(joined),
            "specifications": specifications(joined),
        }
    found["crossover"] = crossover(joined)
    return {name: _conform(found.get(name), name) for name in POOLED}


POOLED = (
    *CARRIED,
    "success_rates",
    "success_splits",
    "padded",
    "population_trajectories",
    "activation",
    "activation_tests",
    "population_time_constants",
    "time_constant_tests",
    "population_psth",
    "population_attribution",
    "population_centres",
    "population_contrast",
    "crossover",
    "clusters",
    "animal_contrast",
    "mixed_effects",
    "latencies",
    "specifications",
)


def _conform(frame: pd.DataFrame | None, name: str) -> pd.DataFrame:
    contract = getattr(tables, name.upper())
    return tables.empty(contract) if frame is None or frame.empty else tables.conform(frame, contract)


def success_rates(study_: Study) -> pd.DataFrame:
    """Share of valid experiments that succeed, at both thresholds, with its interval (Fig. 4A)."""
    settings = study_.settings
    rows = []
    for area, members in study_.areas():
        own = study_.experiments.iloc[members]
        for threshold in dict.fromkeys((settings.success_p, settings.both_succeed_p)):
            texture, object_ = (
                ((own[f"p_{kind}"] < threshold) & (own[f"t_{kind}"] > 0)).to_numpy() for kind in SPACES
            )
            which = {
                "texture": texture,
                "object": object_,
                "any": texture | object_,
                "both": texture & object_,
            }
            for threads, succeeds in which.items():
                k, n = int(succeeds.sum()), len(own)
                low, high = rate_interval(k, n, settings.success_interval)
                rows.append(
                    {"area": area, "threshold": threshold, "threads": threads, "k": k, "n": n}
                    | {"rate": k / n, "low": float(low), "high": float(high)}
                    | _rate_of_sites(succeeds, study_.sites(members), settings.success_interval)
                )
    return pd.DataFrame(rows)


def _rate_of_sites(
    succeeds: NDArray[np.bool_], sites: NDArray[np.int64], level: float
) -> dict[str, float | int]:
    """Success rate with one vote a site: the mean over sites of the share of their experiments.

    The share of a site varies at most as one experiment would, so the
    interval of n experiments, taken for n sites, is wide enough.
    """
    shares = site_means(succeeds.astype(np.float64), sites)
    low, high = rate_interval(shares.sum(), len(shares), level)
    ends = {"site_low": float(low), "site_high": float(high)}
    return {"n_sites": len(shares), "site_rate": float(shares.mean()), **ends}


def padded_table(study_: Study, trajectories: Trajectories) -> pd.DataFrame:
    """Each experiment's evoked trajectory, normalised and padded (docs/methods.md section 3)."""
    n_experiments, length = trajectories.real.shape
    frame = long_table(
        {"row": range(n_experiments), "kind": SPACES, "block_index": range(length)},
        {
            "value": np.stack([trajectories.values[kind][:, 0] for kind in SPACES], 1),
            "real": trajectories.real[:, None],
        },
    )
    row = frame.pop("row").to_numpy()
    for name in ("session", "subject", "area", "site"):
        frame[name] = study_.experiments[name].to_numpy()[row]
    return frame


def activation(study_: Study, trajectories: Trajectories) -> dict[str, pd.DataFrame]:
    """Initial and final activation: first and last padded block, paired t-test (Fig. 4B)."""
    stages = {"initial": 0, "final": -1}
    own = study_.experiments
    points, tested = [], []
    for stage, block in stages.items():
        value = {kind: trajectories.values[kind][:, 0, [block]] for kind in SPACES}
        error = {kind: trajectories.errors[kind][:, 0, [block]] for kind in SPACES}
        for kind in SPACES:
            points.append(
                own[["session", "subject", "area", "site"]].assign(
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


def population_time_constants(study_: Study) -> pd.DataFrame:
    """Convergence of the threads that succeed at `success_p`, two-sample t-test (Fig. 4D)."""
    frame = study_.tables["time_constants"]
    array, (_, levels, thetas) = study_.arrange(frame, ("kind", "level", "theta"), "first_above")
    parts = []
    for area, rows in study_.areas():
        groups = successful(study_, rows, array)
        columns = unpaired_columns(study_, groups, ("time constants", area))
        parts.append(long_table({"level": levels, "theta": thetas}, columns).assign(area=area))
    return pd.concat(parts, ignore_index=True)
