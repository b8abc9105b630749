"""Stretches of the response in which a space leads, tested as clusters of time bins (docs/methods.md 4)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evoalign.analysis.columns import AREA, SELECTION, START, STOP
from evoalign.analysis.population.experiments import Study
from evoalign.analysis.statistics.resampling import cluster_test, seeded
from evoalign.analysis.statistics.sites import site_means
from evoalign.tables import FLOAT, INT, TEXT, column, table

CLUSTERS = table(
    "clusters",
    AREA,
    SELECTION,
    START,
    STOP,
    column("mass", FLOAT, "", "sum of t over the cluster's bins, object minus texture"),
    column("p", FLOAT, "", "share of sign flips of sites with a cluster of that mass"),
    column("larger", TEXT, "", "the larger space in the cluster"),
    column("n", INT, "", "experiments"),
    column("n_sites", INT, "", "sites, over whose means it is tested"),
    column("n_flips", INT, "", "sign flips, all of them when sites are few"),
)


def clusters(study_: Study) -> pd.DataFrame:
    """Cluster permutation test of late object minus texture over the time bins, over site means."""
    binned = study_.late("binned")
    values, starts = binned["contrast_difference"].values, binned["contrast_start_ms"].values
    settings = study_.settings
    cluster_rows = []
    for area, selection, rows in study_.selections():
        generator = seeded(study_.seed, "clusters", area, selection)
        complete = rows[~np.isnan(values[rows]).any(1)]
        means = site_means(values[complete], study_.sites(complete))
        runs, n_flips = cluster_test(means, settings.cluster_p, settings.n_permutations, generator)
        cluster_rows += [
            {
                "area": area,
                "selection": selection,
                "start_ms": starts[run.first],
                "stop_ms": starts[run.last - 1] + settings.figure_bin_ms,
                "mass": run.mass,
                "p": run.p,
                "larger": "object" if run.mass > 0 else "texture",
                "n": len(rows),
                "n_sites": len(means),
                "n_flips": n_flips,
            }
            for run in runs
        ]
    return pd.DataFrame(cluster_rows)
