"""The sorting result of a recording: its tables, and units before they have a number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from os import PathLike

import numpy as np
import pandas as pd

from evoalign import tables
from evoalign.sorting.detection import extreme_uv
from evoalign.sorting.tables import ARTEFACTS, BAD_CHANNELS, SPIKES, UNITS, WAVEFORMS

TABLES = tables.by_name(UNITS, SPIKES, WAVEFORMS, BAD_CHANNELS, ARTEFACTS)
# Units of a session are numbered in this order of kinds, then by channel.
KIND_ORDER = ("sorted", "multiunit", "online")


@dataclass(frozen=True)
class SortingResult:
    """Units of a session with their spikes.

    Attributes
    ----------
    units : DataFrame
        `UNITS`.
    spikes : DataFrame
        `SPIKES`, by unit and time.
    waveforms : DataFrame
        `WAVEFORMS`, of the units whose voltages are known.
    bad_channels : DataFrame
        `BAD_CHANNELS`, one row a channel, reason '' when good.
    artefacts : DataFrame
        `ARTEFACTS`.
    """

    units: pd.DataFrame
    spikes: pd.DataFrame
    waveforms: pd.DataFrame
    bad_channels: pd.DataFrame
    artefacts: pd.DataFrame = field(default_factory=partial(tables.empty, ARTEFACTS))

    @classmethod
    def read(cls, files: Mapping[str, str | PathLike[str]]) -> SortingResult:
        """Read what `write` wrote; `files` names the path of each table."""
        return cls(**{name: tables.read(files[name], contract) for name, contract in TABLES.items()})

    def write(
        self, files: Mapping[str, str | PathLike[str]], provenance: Mapping[str, str] | None = None
    ) -> None:
        """Write the tables as Parquet.

        Parameters
        ----------
        files : mapping of str to path
            Which of the tables to write, by name, and where.
        provenance : mapping of str to str, optional
            See `tables.write`.
        """
        for name, file in files.items():
            tables.write(getattr(self, name), TABLES[name], file, provenance)


@dataclass(frozen=True)
class UnitSpikes:
    """One unit before it has a number and quality.

    Attributes
    ----------
    kind : str
        'sorted', 'multiunit' or 'online'.
    channel : int
        The vendor's channel number.
    times_s : ndarray ``[spike]``
        On the recording's clock, rising.
    amplitudes_uv : ndarray ``[spike]``
        Size of the larger extreme, µV; empty when unknown.
    mean_uv, sd_uv : ndarray
        Mean waveform and its SD, µV ``[sample]``; empty when unknown.
    vendor_unit : int
        Of kind 'online'; else -1.
    """

    kind: str
    channel: int
    times_s: np.ndarray
    amplitudes_uv: np.ndarray
    mean_uv: np.ndarray
    sd_uv: np.ndarray
    vendor_unit: int = -1


def ordered(trains: list[UnitSpikes]) -> list[UnitSpikes]:
    """Sort units by kind, channel, vendor's unit, then falling size of the mean waveform."""

    def rank(train: UnitSpikes) -> tuple[int, int, int, float, int]:
        return (
            KIND_ORDER.index(train.kind),
            train.channel,
            train.vendor_unit,
            -abs(extreme_uv(train.mean_uv)),
            len(train.times_s),
        )

    return sorted(trains, key=rank)
