"""Tables pooled over the experiments of each area: docs/methods.md section 3."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from evoalign.analysis.population.experiments import WHOLE, joined_whole, study_of
from evoalign.analysis.population.statistic import PooledStatistic
from evoalign.analysis.settings import AnalysisConfig
from evoalign.analysis.tables import EXPERIMENTS, SUCCESS, TIME_CONSTANTS
from evoalign.discovery import other_modules
from evoalign.errors import InputError
from evoalign.recordings.array_map import two_spellings
from evoalign.tables import conform_or_empty

CARRIED = {"experiments": EXPERIMENTS, "success": SUCCESS, "time_constants": TIME_CONSTANTS}


def statistics() -> Iterator[PooledStatistic]:
    """Yield the pooled statistics of all modules of this package."""
    for module in other_modules(__name__):
        yield from getattr(module, "POOLED", ())


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

    Raises
    ------
    InputError
        An area is written in two ways, as V4 and v4: it would be pooled as two.
    """
    evolved = [session_tables for session_tables in sessions if "experiments" in session_tables]
    ordered = sorted(
        evolved, key=lambda session_tables: str(session_tables["experiments"]["session"].iloc[0])
    )
    _check_areas(ordered)
    carried = {name: joined_whole(ordered, name) for name in WHOLE} if ordered else {}
    study = study_of(ordered, carried, config)
    pooled = {name: conform_or_empty(carried.get(name), contract) for name, contract in CARRIED.items()}
    for statistic in statistics():
        pooled |= statistic.tables(study)
    return pooled


def _check_areas(sessions: Sequence[Mapping[str, pd.DataFrame]]) -> None:
    session_of: dict[str, str] = {}
    for session_tables in sessions:
        experiment = session_tables["experiments"].iloc[0]
        session_of.setdefault(str(experiment["area"]), str(experiment["session"]))
    if twice := two_spellings(session_of):
        first, second = twice
        raise InputError(
            f"one area is written '{first}' in session {session_of[first]} and '{second}' in "
            f"{session_of[second]}",
            "array maps or NWB files of these sessions",
            "write it alike: they would be pooled as two areas",
        )
