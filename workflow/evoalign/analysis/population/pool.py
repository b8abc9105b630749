"""Tables pooled over the experiments of each area: docs/methods.md section 3."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from evoalign.analysis.population.experiments import joined_whole, study_of
from evoalign.analysis.population.statistic import PooledStatistic
from evoalign.analysis.settings import AnalysisConfig
from evoalign.analysis.tables import EXPERIMENTS, SUCCESS, TIME_CONSTANTS
from evoalign.discovery import other_modules
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
    """
    evolved = [session_tables for session_tables in sessions if "experiments" in session_tables]
    ordered = sorted(
        evolved, key=lambda session_tables: str(session_tables["experiments"]["session"].iloc[0])
    )
    study = study_of(ordered, config)
    pooled = {
        name: conform_or_empty(joined_whole(ordered, name) if ordered else None, contract)
        for name, contract in CARRIED.items()
    }
    for statistic in statistics():
        pooled |= statistic.tables(study)
    return pooled
