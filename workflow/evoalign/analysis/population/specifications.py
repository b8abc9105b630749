"""Would other choices conclude the same? Late object minus texture under every combination of choices."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign.analysis.columns import AREA, START, STOP, site_columns, t_test_columns
from evoalign.analysis.labelled import long_table
from evoalign.analysis.population.experiments import SPACES, Study
from evoalign.analysis.population.space_tests import over_experiments, test_columns
from evoalign.analysis.population.statistic import PooledStatistic
from evoalign.analysis.session.dynamics import late_blocks
from evoalign.analysis.statistics.sites import paired_over_sites
from evoalign.analysis.statistics.tests import one_sample_t
from evoalign.tables import FLOAT, INT, TEXT, column, table

SPECIFICATIONS = table(
    "specifications",
    AREA,
    START,
    STOP,
    column("selection", TEXT, "", "which experiments: 'valid', or both threads succeed at a threshold"),
    column("normaliser", TEXT, "", "'maximum' (the study's), 'mean' of late evoked rates, or 'none'"),
    column("n", INT, "", "experiments"),
    column("mean", FLOAT, "", "late object minus texture; spikes/s with normalization rate 'none'"),
    column("effect", FLOAT, "", "paired t over the square root of n, object minus texture; NaN with n < 3"),
    *t_test_columns("object minus texture over experiments"),
    *site_columns(),
)


Floats = NDArray[np.float64]


def specifications(study_: Study) -> pd.DataFrame:
    """One row a combination of window, selection of experiments, and normalization rate.

    - Windows: the evoked window, and the widest time bins inside it.
    - Selections: all valid experiments; both threads succeed at either
      threshold, or at 0.05 with the choice of the best block allowed for.
    - Normalisers: the universal maximum, the mean of both threads' late
      evoked rates, or none (spikes/s).

    The effect size is the paired t over the square root of n (Cohen's d of
    paired differences), which has the same unit whatever the normalization rate.
    """
    late, windows = _late_means(study_)
    normalization_rates = {
        "maximum": study_.experiments["normaliser_hz"].to_numpy(dtype=np.float64),
        "mean": late[:, :, windows.index.get_loc("evoked")].mean(1),
        "none": np.ones(len(late)),
    }
    divisors = np.stack(list(normalization_rates.values()), -1)
    difference = (late[:, 1] - late[:, 0])[..., None] / divisors[:, None]
    parts = []
    for area, members in study_.areas():
        for selection, keep in _selections(study_):
            rows = members[keep[members]]
            columns = _tested(difference[rows]) | paired_over_sites(difference[rows], study_.sites(rows))
            frame = long_table({"window": windows, "normaliser": list(normalization_rates)}, columns)
            parts.append(frame.assign(area=area, selection=selection))
    return pd.concat(parts, ignore_index=True)


def _tested(difference: Floats) -> dict[str, np.ndarray]:
    """Mean, effect size and paired t of each choice, from differences [experiment, window, rate]."""
    statistics = over_experiments(difference)
    test, n = one_sample_t(statistics), statistics.n.numpy().astype(np.int64)
    # Of two experiments an effect size says nothing.
    effect = np.where(n > 2, test.t / np.sqrt(np.maximum(n, 1)), np.nan)
    return {"n": n, "mean": statistics.mean.numpy(), "effect": effect, **test_columns(test)}


def _late_means(study_: Study) -> tuple[Floats, pd.DataFrame]:
    """Mean over late blocks, spikes/s, [experiment, kind, window]; the windows' ends, by their names."""
    first, last = study_.settings.evoked_ms
    name, start, stop = (study_.data[label].values for label in ("window", "start_ms", "stop_ms"))
    inside = (name == "binned") & (start >= first) & (stop <= last)
    widest = (stop - start)[inside].max()
    at = np.flatnonzero((name == "evoked") | (inside & (stop - start == widest)))
    windows = pd.DataFrame({"start_ms": start[at], "stop_ms": stop[at]}, index=name[at])
    rates = study_.data["trajectories_mean_hz"].transpose("experiment", "kind", "window", "block")
    means = np.ascontiguousarray(rates.values[:, :, at])
    late = np.full(means.shape[:-1], np.nan)
    for row, n_blocks in enumerate(study_.experiments["n_blocks"]):
        begin = late_blocks(int(n_blocks), study_.settings.late_fraction)
        late[row] = means[row, ..., begin : int(n_blocks)].mean(-1)
    return late, windows


def _selections(study_: Study) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    experiments, settings = study_.experiments, study_.settings
    yield "valid", np.ones(len(experiments), dtype=bool)
    for threshold in sorted({settings.both_succeed_p, settings.success_p}, reverse=True):
        texture, object_ = (
            ((experiments[f"p_{kind}"] < threshold) & (experiments[f"t_{kind}"] > 0)).to_numpy(dtype=bool)
            for kind in SPACES
        )
        yield f"both p < {threshold:g}", texture & object_
    p = experiments[[f"p_selected_{kind}" for kind in SPACES]].to_numpy()
    chosen = np.asarray((p < settings.both_succeed_p).all(1), dtype=np.bool_)
    yield f"both p selected < {settings.both_succeed_p:g}", chosen


POOLED = (PooledStatistic((SPECIFICATIONS,), specifications),)
