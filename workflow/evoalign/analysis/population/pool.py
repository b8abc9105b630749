"""Tables pooled over the experiments of each area: docs/methods.md section 3."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pandas as pd
import xarray as xr

from evoalign.analysis.labelled import stacked, table_of
from evoalign.analysis.population.experiments import CARRIED, SHARED, pooled_part, study_of
from evoalign.analysis.population.statistic import PooledStatistic
from evoalign.analysis.session.results import SessionResults
from evoalign.analysis.settings import AnalysisConfig
from evoalign.discovery import other_modules
from evoalign.errors import InputError
from evoalign.recordings.array_map import two_spellings


def statistics() -> Iterator[PooledStatistic]:
    """Yield the pooled statistics of all modules of this package."""
    for module in other_modules(__name__):
        yield from getattr(module, "POOLED", ())


def pool_sessions(sessions: Iterable[SessionResults], config: AnalysisConfig) -> dict[str, pd.DataFrame]:
    """Pool what `analyse_session` gave over the valid experiments of each area.

    Parameters
    ----------
    sessions : iterable of SessionResults
        The order does not matter, and sessions without an evolution are passed over. Of each only what is
        pooled is kept: read one after the other, they take a quarter of their size.
    config : AnalysisConfig

    Returns
    -------
    dict of str to pandas.DataFrame
        Tables by the lower-case names of their contracts. `experiments`,
        `success` and `time_constants` are carried on whole, experiments that
        are not valid with them; all others hold valid experiments. Without a
        valid experiment they have no rows.

    Raises
    ------
    InputError
        An area is written in two ways, as V4 and v4: it would be pooled as two.
    """
    parts = [
        pooled_part(results.evolution, config.analysis)
        for results in sessions
        if results.evolution is not None
    ]
    parts.sort(key=lambda part: str(part["session"].item()))
    _check_areas(parts)
    carried = {name: joined(parts, name) for name in CARRIED}
    study = study_of(parts, carried, config)
    pooled = dict(carried)
    for statistic in statistics():
        pooled |= statistic.tables(study)
    return pooled


def joined(datasets: Sequence[xr.Dataset], name: str) -> pd.DataFrame:
    """All rows of a table, of all sessions."""
    parts = [
        {
            variable: dataset.variables[variable]
            for variable in dataset.variables
            if variable in SHARED or str(variable).startswith(f"{name}_")
        }
        for dataset in datasets
        if any(str(variable).startswith(f"{name}_") for variable in dataset.data_vars)
    ]
    if not parts:
        return table_of(name, xr.Dataset())
    labels = {axis: datasets[0].coords[axis].variable for axis in ("thread", "theta", "level")}
    return table_of(name, xr.Dataset(stacked(parts, "recording"), labels))


def _check_areas(datasets: Sequence[xr.Dataset]) -> None:
    session_of: dict[str, str] = {}
    for dataset in datasets:
        session_of.setdefault(str(dataset["area"].item()), str(dataset["session"].item()))
    if twice := two_spellings(session_of):
        first, second = twice
        raise InputError(
            f"one area is written '{first}' in session {session_of[first]} and '{second}' in "
            f"{session_of[second]}",
            "array maps or NWB files of these sessions",
            "write it alike: they would be pooled as two areas",
        )
