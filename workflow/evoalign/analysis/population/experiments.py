"""The experiments of a study stacked into arrays, and the columns that compare their spaces."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign.analysis.experiment import space_kind
from evoalign.analysis.settings import Analysis, AnalysisConfig
from evoalign.analysis.statistics.resampling import hierarchical_weights, seeded

Floats = NDArray[np.float64]
SPACES = ("texture", "object")
# Tables that are taken whole, experiments that are not valid with them.
WHOLE = ("experiments", "success", "time_constants", "crossover")


# Compared by identity, so that what is derived of a study can be kept.
@dataclass(frozen=True, eq=False)
class Study:
    """Valid experiments of all areas.

    Attributes
    ----------
    tables : mapping of str to pandas.DataFrame
        Session tables, concatenated; `experiments` holds valid rows only,
        `trajectories` and `psth` those of generated images. Spaces are told by
        their kind, whatever their threads' numbers: columns of `experiments`
        end in ``_texture`` and ``_object``, and column `kind` of the other
        tables is the kind's place in `SPACES`.
    settings : Analysis
    seed : int
    """

    tables: Mapping[str, pd.DataFrame]
    settings: Analysis
    seed: int

    @property
    def experiments(self) -> pd.DataFrame:
        """One row a valid experiment, numbered from 0."""
        return self.tables["experiments"]

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

    def rows(self, frame: pd.DataFrame) -> NDArray[np.int64]:
        """Row number of the experiment of each row of a session table; -1 when not valid."""
        codes = pd.Categorical(frame["session"], self.experiments["session"]).codes
        return codes.astype(np.int64)

    def arrange(
        self, frame: pd.DataFrame, axes: Sequence[str], value: str
    ) -> tuple[Floats, list[np.ndarray]]:
        """Arrange a column of a session table as an array.

        Parameters
        ----------
        frame : pandas.DataFrame
            Rows of a session table, at most one for each cell; sessions that
            are not valid are passed over.
        axes : sequence of str
            Columns that become the axes after the experiment's.
        value : str
            Column of the values.

        Returns
        -------
        array : numpy.ndarray, float64 [experiment, *axes]
            NaN where there is no row.
        labels : list of numpy.ndarray
            Sorted labels of each axis.
        """
        row = self.rows(frame)
        if (row < 0).any():
            frame, row = frame[row >= 0], row[row >= 0]
        codes, labels = [row], []
        for axis in axes:
            code, levels = pd.factorize(frame[axis], sort=True)
            codes.append(code)
            labels.append(levels.to_numpy())
        shape = (len(self.experiments), *(len(levels) for levels in labels))
        array = np.full(shape, np.nan)
        array.ravel()[np.ravel_multi_index(codes, shape)] = frame[value].to_numpy(dtype=np.float64)
        return array, labels

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


# Tables that are arranged as arrays of the valid experiments, and the columns that this takes.
ARRANGED = {
    "trajectories": (
        *("kind", "window", "start_ms", "stop_ms", "block_index"),
        *("mean_hz", "normalised", "normalised_sem"),
    ),
    "psth": ("kind", "block_index", "time_ms", "mean_hz", "sem_hz"),
    "attribution": ("kind", "start_ms", "stop_ms", "share"),
    "centres": ("kind", "curve", "centre_ms"),
    "contrast": ("window", "start_ms", "stop_ms", "difference", "sem"),
}


def study_of(
    sessions: Sequence[Mapping[str, pd.DataFrame]], whole: Mapping[str, pd.DataFrame], config: AnalysisConfig
) -> Study:
    """Concatenate the sessions' tables, those of `WHOLE` already in `whole`; keep the valid experiments."""
    if not sessions:
        return Study({}, config.analysis, config.seed)
    joined = dict(whole)
    joined |= {name: arranged_by_kind(joined[name]) for name in ("success", "time_constants")}
    experiments = joined["experiments"].sort_values("session", ignore_index=True)
    experiments = experiments[experiments["valid"].astype(bool)].reset_index(drop=True)
    joined["experiments"] = columns_by_kind(experiments, config.analysis)
    valid = [
        session_tables for session_tables in sessions if bool(session_tables["experiments"]["valid"].iloc[0])
    ]
    for name in ARRANGED if valid else ():
        joined[name] = _joined(valid, name, experiments["session"], config.analysis)
    return Study(joined, config.analysis, config.seed)


def joined_whole(sessions: Sequence[Mapping[str, pd.DataFrame]], name: str) -> pd.DataFrame:
    """All rows of a table, of all sessions."""
    parts = [
        {str(column): _values(values) for column, values in session_tables[name].items()}
        for session_tables in sessions
    ]
    return pd.DataFrame(_stacked(parts), copy=False)


def _joined(
    sessions: Sequence[Mapping[str, pd.DataFrame]],
    name: str,
    experiments: pd.Series,
    settings: Analysis,
) -> pd.DataFrame:
    """Rows of a table that is arranged, of all sessions."""
    parts = [_needed(session_tables, name, settings) for session_tables in sessions]
    columns = _stacked(parts)
    order = pd.Index(experiments).get_indexer(
        [session_tables["experiments"]["session"].iloc[0] for session_tables in sessions]
    )
    codes = np.repeat(order, [len(part[ARRANGED[name][0]]) for part in parts])
    columns["session"] = pd.Categorical.from_codes(codes, categories=pd.Index(experiments))
    return pd.DataFrame(columns, copy=False)


def _stacked(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Columns one below the other: for many frames, or of millions of rows, far quicker than whole frames."""
    columns = {}
    for column, first in parts[0].items():
        column_parts = [part[column] for part in parts]
        columns[column] = (
            np.concatenate(column_parts)
            if isinstance(first, np.ndarray)
            else pd.concat(column_parts, ignore_index=True)
        )
    return columns


def _values(column: pd.Series) -> Any:
    """Numbers and flags as a numpy array, text as it is."""
    return column.to_numpy() if column.dtype.kind in "ifb" else column


def _needed(session: Mapping[str, pd.DataFrame], name: str, settings: Analysis) -> dict[str, Any]:
    """Columns of a session's table that the pooled tables need; of the PSTHs four blocks a thread.

    To pick rows of a whole frame, text among its columns, takes several times as long.
    """
    frame = session[name]
    columns = {column: _values(frame[column]) for column in ARRANGED[name] if column != "kind"}
    if "kind" in ARRANGED[name]:
        # By the thread's number: to look up the kind in each of many rows takes far longer.
        columns = {"kind": places_of_kinds(session["experiments"], settings)[0, frame["thread"]], **columns}
    if "stimuli" not in frame:
        return columns
    keep = (frame["stimuli"] == "generated").to_numpy(dtype=bool)
    if name == "psth":
        experiment = session["experiments"].iloc[0]
        last = experiment["n_blocks"] - 1
        stages = [0, experiment["best_block_0"], experiment["best_block_1"], last - 1, last]
        keep = keep & np.isin(columns["block_index"], stages)
    return {column: values[keep] for column, values in columns.items()}


def places_of_kinds(experiments: pd.DataFrame, settings: Analysis) -> NDArray[np.int64]:
    """Place in `SPACES` of the kind of each thread's space.

    Parameters
    ----------
    experiments : pandas.DataFrame
        Valid rows of `EXPERIMENTS`: one thread of each kind.
    settings : Analysis

    Returns
    -------
    numpy.ndarray, int64 [experiment, thread]
    """
    kinds = [[space_kind(space, settings) for space in experiments[f"space_{thread}"]] for thread in (0, 1)]
    return np.array(
        [[SPACES.index(kind) for kind in experiment_kinds] for experiment_kinds in kinds], dtype=np.int64
    ).T


def columns_by_kind(experiments: pd.DataFrame, settings: Analysis) -> pd.DataFrame:
    """Columns of each thread, as ``p_0``, under the kind of its space: ``p_texture`` or ``p_object``.

    Parameters
    ----------
    experiments, settings
        As for `places_of_kinds`.
    """
    by_kind = experiments.copy()
    first_is_texture = places_of_kinds(experiments, settings)[:, :1].ravel() == 0
    for name in [str(column).removesuffix("_0") for column in experiments if str(column).endswith("_0")]:
        first, second = by_kind.pop(f"{name}_0"), by_kind.pop(f"{name}_1")
        by_kind[f"{name}_texture"] = first.where(first_is_texture, second)
        by_kind[f"{name}_object"] = second.where(first_is_texture, first)
    return by_kind


def arranged_by_kind(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of a session table whose `kind` is one of `SPACES`, with its place there as `kind`."""
    of_kinds = frame[frame["kind"].isin(SPACES)]
    return of_kinds.assign(kind=of_kinds["kind"].map(SPACES.index).astype(np.int64))
