"""The experiments of a study stacked into arrays, and the columns that compare their spaces."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from evoalign.analysis.experiment import space_kind
from evoalign.analysis.labelled import stacked
from evoalign.analysis.session.block_statistics import STIMULI
from evoalign.analysis.settings import Analysis, AnalysisConfig
from evoalign.analysis.statistics.resampling import hierarchical_weights, seeded

Floats = NDArray[np.float64]
SPACES = ("texture", "object")
STAGES = ("first", "best", "last but one", "last")  # blocks whose PSTHs are pooled
POOLED_VARIABLES = (
    *("trajectories_mean_hz", "trajectories_normalised", "trajectories_normalised_sem"),
    *("attribution_share", "centres_centre_ms", "time_constants_first_above"),
    *("contrast_difference", "contrast_sem"),
)
PSTHS = ("psth_mean_hz", "psth_sem_hz")
# Tables of which all rows are needed, of experiments that are not valid, too; what these rows have in common.
CARRIED = ("experiments", "success", "time_constants", "crossover")
SHARED = ("session", "subject", "area", "site", "space", "kind")
# Coordinates that label their axes.
LABELS = (
    *("window", "start_ms", "stop_ms", "time_ms", "curve", "level", "theta"),
    *("attribution_start_ms", "attribution_stop_ms"),
    *("contrast_window", "contrast_start_ms", "contrast_stop_ms"),
)


# Compared by identity, so that what is derived of a study can be kept.
@dataclass(frozen=True, eq=False)
class Study:
    """Valid experiments of all areas.

    Attributes
    ----------
    experiments : pandas.DataFrame
        One row a valid experiment, numbered from 0: columns of `EXPERIMENTS` and `p_selected`. Spaces are
        told by their kind, whatever their threads' numbers: columns of a thread end in ``_texture`` and
        ``_object``.
    data : xarray.Dataset
        What the valid experiments' datasets hold of generated images, along `experiment`; `kind` is that of
        the thread's space, in the order of `SPACES`, and `stage` one of `STAGES`.
    crossovers : pandas.DataFrame
        Table `crossover` of all sessions, experiments that are not valid with them.
    settings : Analysis
    seed : int
    """

    experiments: pd.DataFrame
    data: xr.Dataset
    crossovers: pd.DataFrame
    settings: Analysis
    seed: int

    def areas(self) -> Iterator[tuple[str, NDArray[np.int64]]]:
        """Each area with the row numbers of its experiments."""
        for area, rows in self.experiments.groupby("area", sort=True):
            yield str(area), rows.index.to_numpy()

    def selections(self, *, strict: bool = False) -> Iterator[tuple[str, str, NDArray[np.int64]]]:
        """Each area and selection with row numbers; empty ones are passed over.

        Parameters
        ----------
        strict : bool
            Give 'both_strict', too: both threads succeed at `success_p` (Ext. 4).
        """
        experiments = self.experiments
        chosen = {
            "valid": np.ones(len(experiments), dtype=bool),
            "any": experiments["any_succeeds"].to_numpy(dtype=bool),
            "both": experiments["both_succeed"].to_numpy(dtype=bool),
        }
        if strict:
            texture, object_ = (experiments[f"succeeds_{kind}"].to_numpy(dtype=bool) for kind in SPACES)
            chosen["both_strict"] = texture & object_
        for area, rows in self.areas():
            for selection, keep in chosen.items():
                if keep[rows].any():
                    yield area, selection, rows[keep[rows]]

    def late(self, window: str) -> xr.Dataset:
        """Object minus texture in the late blocks, in the 'evoked' window or in the bins ('binned')."""
        return self.data.isel(late_window=np.flatnonzero(self.data["contrast_window"] == window))

    def weights(self, rows: NDArray[np.int64], *names: str) -> tuple[NDArray[np.int64], np.random.Generator]:
        """Bootstrap weights of some experiments, and the generator to go on with."""
        generator = seeded(self.seed, *names)
        subjects, sites = (self.experiments[name].to_numpy(dtype=str)[rows] for name in ("subject", "site"))
        return hierarchical_weights(subjects, self.settings.n_bootstrap, generator, sites), generator

    def sites(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Site of each of some experiments, counted from 0; an animal's name is part of the site's."""
        return np.asarray(pd.factorize(self._site_codes[rows])[0], dtype=np.int64)

    @functools.cached_property
    def _site_codes(self) -> NDArray[np.int64]:
        """Number of each valid experiment's site in the study."""
        by_site = self.experiments.groupby(["subject", "site"], sort=False)
        return np.asarray(by_site.ngroup(), dtype=np.int64)


def study_of(
    parts: Sequence[xr.Dataset], carried: Mapping[str, pd.DataFrame], config: AnalysisConfig
) -> Study:
    """Keep the valid experiments of sessions.

    Parameters
    ----------
    parts : sequence of xarray.Dataset
        Of `pooled_part`, in the order of the sessions' names.
    carried : mapping of str to pandas.DataFrame
        Tables `experiments`, `success` and `crossover` of the same sessions.
    config : AnalysisConfig
    """
    peaks = carried["success"]
    peaks = peaks[(peaks["statistic"] == "maxinit") & (peaks["thread"] >= 0)]
    experiments = carried["experiments"].assign(
        **{f"p_selected_{i}": peaks.loc[peaks["thread"] == i, "p_selected"].to_numpy() for i in (0, 1)}
    )
    valid = np.flatnonzero(experiments["valid"]).tolist()
    experiments = columns_by_kind(experiments.iloc[valid].reset_index(drop=True), config.analysis)
    data = xr.Dataset()
    if valid:
        names = (*POOLED_VARIABLES, *PSTHS)
        variables = stacked(
            [{name: parts[row].variables[f"pooled_{name}"] for name in names} for row in valid], "experiment"
        )
        labels = {name: parts[valid[0]].variables[name] for name in LABELS}
        data = xr.Dataset(variables, labels | {"kind": list(SPACES), "stage": list(STAGES)})
    return Study(experiments, data, carried["crossover"], config.analysis, config.seed)


def pooled_part(dataset: xr.Dataset, settings: Analysis) -> xr.Dataset:
    """Take what pooling needs of a session's dataset: a quarter of it.

    Tables of `CARRIED` whole and, of a valid experiment, ``pooled_`` variables of generated images with an
    axis `kind`, threads in the order of `SPACES`; PSTHs of the blocks of `STAGES`.
    """
    beside = {*SHARED, *LABELS, "thread"}
    part = dataset[[name for name in dataset.variables if name in beside or str(name).startswith(CARRIED)]]
    if not dataset["experiments_valid"]:
        return part
    kinds = [space_kind(space, settings) for space in dataset["space"].values]
    order, generated = [kinds.index(kind) for kind in SPACES], {"stimuli": STIMULI.index("generated")}
    variables = {
        name: dataset.variables[name].isel({**generated, "thread": order}, missing_dims="ignore")
        for name in POOLED_VARIABLES
    }
    last, best = int(dataset["experiments_n_blocks"]) - 1, dataset["experiments_best_block"].values[order]
    blocks = np.stack([np.zeros_like(best), best, np.full_like(best, last - 1), np.full_like(best, last)])
    for name in PSTHS:
        of_blocks = dataset.variables[name].isel(generated).values[order, blocks]
        variables[name] = xr.Variable(("stage", "thread", "time_ms"), of_blocks)
    axis = {"thread": "kind"}
    return part.assign(
        {
            f"pooled_{name}": ([axis.get(str(dim), dim) for dim in variable.dims], variable.values)
            for name, variable in variables.items()
        }
    )


def columns_by_kind(experiments: pd.DataFrame, settings: Analysis) -> pd.DataFrame:
    """Columns of each thread, as ``p_0``, under the kind of its space: ``p_texture`` or ``p_object``.

    Parameters
    ----------
    experiments : pandas.DataFrame
        Valid rows of `EXPERIMENTS`: one thread of each kind.
    settings : Analysis
    """
    by_kind = experiments.copy()
    first_is_texture = by_kind["space_0"].isin(settings.texture_spaces)
    for name in [str(column).removesuffix("_0") for column in experiments if str(column).endswith("_0")]:
        first, second = by_kind.pop(f"{name}_0"), by_kind.pop(f"{name}_1")
        by_kind[f"{name}_texture"] = first.where(first_is_texture, second)
        by_kind[f"{name}_object"] = second.where(first_is_texture, first)
    return by_kind
