"""What analysing a session gives: the dataset of its evolution, and tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path

import pandas as pd
import xarray as xr
from pydantic import ValidationError

from evoalign import tables
from evoalign.analysis import labelled
from evoalign.analysis.settings import Analysis
from evoalign.analysis.tables import OF_EVOLUTION
from evoalign.errors import InputError
from evoalign.files import atomic_write

DATASET = "evolution.nc"


class SessionResults(Mapping[str, pd.DataFrame]):
    """Tables of one session by name; those of an evolution are made from its dataset when they are asked for.

    Parameters
    ----------
    evolution : xarray.Dataset, optional
        Of `labelled.dataset_of`; None of a session without an evolution.
    other : mapping of str to pandas.DataFrame
        Further tables.
    """

    def __init__(self, evolution: xr.Dataset | None, other: Mapping[str, pd.DataFrame]) -> None:
        self.evolution = evolution
        self._frames = dict(other)
        self._names = list(dict.fromkeys([*(OF_EVOLUTION if evolution is not None else ()), *other]))

    def __getitem__(self, name: str) -> pd.DataFrame:
        """Table of that name."""
        if name not in self._frames:
            if self.evolution is None or name not in OF_EVOLUTION:
                raise KeyError(name)
            self._frames[name] = labelled.table_of(name, self.evolution)
        return self._frames[name]

    def __iter__(self) -> Iterator[str]:
        """Names of the tables."""
        return iter(self._names)

    def __len__(self) -> int:
        """Return the number of tables."""
        return len(self._names)

    def __or__(self, other: Mapping[str, pd.DataFrame]) -> SessionResults:
        """Dataset of this one, and tables of both."""
        return SessionResults(self.evolution, {**self._frames, **other})

    def analysis(self, current: Analysis) -> Analysis:
        """Settings that the evolution was analysed with; the current ones where there is none.

        Raises
        ------
        InputError
            The dataset was made with settings that are not known.
        """
        if self.evolution is None:
            return current
        try:
            return Analysis.model_validate_json(self.evolution.attrs.get("settings", ""))
        except ValidationError as error:
            where = f"session {self.evolution['session'].item()}"
            raise InputError(
                f"it was analysed with other settings than there are: {error}", where, "analyse it again"
            ) from error

    def write(self, folder: str | PathLike[str], provenance: Mapping[str, str] | None = None) -> None:
        """Write the tables and, of an evolution, the dataset: a folder that appears whole."""
        with atomic_write(folder) as partial:
            tables.write_all(self, partial, provenance)
            if self.evolution is not None:
                # In one attribute: names of files, as those of inputs, are no names of attributes.
                facts = json.dumps(dict(provenance or {}), sort_keys=True)
                labelled.write(self.evolution.assign_attrs(provenance=facts), partial / DATASET)


def read_results(*folders: str | PathLike[str]) -> SessionResults:
    """Read a session's folders: of an evolution its dataset, which is faster, and all other tables.

    Parameters
    ----------
    *folders : path
        Of `SessionResults.write`, or of `tables.write_all`.

    Raises
    ------
    InputError
        As of `tables.read_all`.
    """
    evolution, frames = None, dict[str, pd.DataFrame]()
    for folder in folders:
        file = Path(folder) / DATASET
        if file.exists():
            evolution = labelled.read(file)
        frames |= tables.read_all(folder, without=OF_EVOLUTION if file.exists() else ())
    return SessionResults(evolution, frames)
