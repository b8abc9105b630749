"""What a pooled statistic is: the contracts of its tables, and the function that makes them.

A module of this package with a tuple `POOLED` of such is taken in by being there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from evoalign.analysis.population.experiments import Study
from evoalign.tables import by_name, conform_or_empty


@dataclass(frozen=True)
class PooledStatistic:
    """Tables pooled over the experiments of each area.

    Attributes
    ----------
    contracts : tuple of pyarrow.Schema
        Of the tables that are made.
    compute : callable
        From the valid experiments of a study to the table; to tables by name
        where there are several contracts.
    without_valid : bool
        Also computed where no experiment is valid; else the tables have no rows then.
    """

    contracts: tuple[pa.Schema, ...]
    compute: Callable[[Study], pd.DataFrame | Mapping[str, pd.DataFrame]]
    without_valid: bool = False

    def tables(self, study: Study) -> dict[str, pd.DataFrame]:
        """Return the tables by name, held against their contracts."""
        contracts = by_name(*self.contracts)
        statistic_tables: Mapping[str, pd.DataFrame] = {}
        if self.without_valid or len(study.experiments):
            computed = self.compute(study)
            statistic_tables = (
                {next(iter(contracts)): computed} if isinstance(computed, pd.DataFrame) else computed
            )
        return {
            name: conform_or_empty(statistic_tables.get(name), contract)
            for name, contract in contracts.items()
        }
