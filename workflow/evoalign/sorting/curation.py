"""Manual curation that is read back: labels, merges, splits and removals win over the sorter's.

Two kinds are read: SpikeInterface's curation format (``.json``, version 2 and
the older ones, as spikeinterface-gui and sortingview write it) and a folder
in which phy was used. Both name the units of the automatic sorting, as
`export` writes them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evoalign import tables
from evoalign.errors import InputError
from evoalign.sorting.curation_files import REMOVED, CuratedGroups, read_groups
from evoalign.sorting.quality import describe
from evoalign.sorting.recorded import RecordedTime
from evoalign.sorting.result import SortingResult, UnitSpikes, ordered
from evoalign.sorting.settings import Sorting
from evoalign.sorting.tables import UNITS

MIN_ISI_S = 3e-4  # the same spike in two units that are merged


@dataclass(frozen=True)
class CuratedUnit:
    """A unit after curation, the unit that it is unchanged, and its manual label, if any."""

    train: UnitSpikes
    origin: int | None = None
    label: str = ""


def curate(
    automatic: SortingResult,
    path: str | PathLike[str],
    channels: pd.DataFrame,
    segments: pd.DataFrame,
    settings: Sorting,
) -> SortingResult:
    """Apply a manual curation to the sorted units; multi- and online units stay as they are.

    Units that changed get their metrics anew, and the mean of the waveforms
    that went into them; the waveform of a part of a unit is not known. Labels
    of units without a manual one follow the thresholds in config.

    Parameters
    ----------
    automatic : SortingResult
        What the sorter made.
    path : path
        A ``.json`` file, or a folder of phy or a file in it.
    channels, segments : DataFrame
        `CHANNELS` and `SEGMENTS`.
    settings : Sorting
        The config's section.

    Returns
    -------
    SortingResult
        With numbers anew; no unit is marked as preferred.

    Raises
    ------
    InputError
        The curation cannot be read, contradicts itself, merges units of two
        electrodes, or was made for another sorting.
    """
    units = automatic.units
    sorted_spikes = automatic.spikes[
        automatic.spikes["unit"].isin(units.loc[units["kind"] == "sorted", "unit"])
    ]
    spikes = sorted_spikes.sort_values(["time_s", "unit"], kind="stable", ignore_index=True)
    source = Path(path)
    if spikes.empty:
        raise InputError("there are no sorted units to curate", source, "leave the column curation empty")
    decisions = read_groups(source, spikes["unit"].to_numpy())
    curated_units = _other_units(automatic) + _sorted_units(automatic, spikes, decisions, source)
    noise = dict(zip(automatic.bad_channels["channel"], automatic.bad_channels["noise_uv"], strict=True))
    shapes = automatic.waveforms
    time_ms = (
        shapes.loc[shapes["unit"] == shapes["unit"].iloc[0], "time_ms"].to_numpy() if len(shapes) else []
    )
    trains = ordered([curated.train for curated in curated_units])
    units, spikes, waveforms = describe(
        trains, channels, noise, RecordedTime.of_segments(segments), np.asarray(time_ms), settings
    )
    by_train = {id(curated.train): curated for curated in curated_units}
    units = _with_original_metrics(units, [by_train[id(train)] for train in trains], automatic.units)
    return replace(automatic, units=units, spikes=spikes, waveforms=waveforms)


def _other_units(automatic: SortingResult) -> list[CuratedUnit]:
    """Multi- and online units, as they are."""
    shapes = dict(iter(automatic.waveforms.groupby("unit")))
    times_of = _times(automatic)
    curated = []
    not_sorted = automatic.units[automatic.units["kind"] != "sorted"]
    columns = (not_sorted[name] for name in ("unit", "kind", "channel", "vendor_unit"))
    for unit, kind, channel, vendor_unit in zip(*columns, strict=True):
        times, shape = times_of.get(unit, np.zeros(0)), _shape(shapes, [unit])
        curated.append(
            CuratedUnit(UnitSpikes(kind, int(channel), times, np.zeros(0), *shape, int(vendor_unit)), unit)
        )
    return curated


def _sorted_units(
    automatic: SortingResult, spikes: pd.DataFrame, decisions: CuratedGroups, path: Path
) -> list[CuratedUnit]:
    shapes = dict(iter(automatic.waveforms.groupby("unit")))
    times_of = _times(automatic)
    channel_of = automatic.units.set_index("unit")["channel"]
    unit_of, time_of = spikes["unit"].to_numpy(), spikes["time_s"].to_numpy()
    curated = []
    for group in np.unique(decisions.group[decisions.group != REMOVED]).tolist():
        in_group = decisions.group == group
        members = np.unique(unit_of[in_group]).tolist()
        channel = channel_of[members].unique().tolist()
        if len(channel) > 1:
            problem = f"units {members} are merged, but lie on electrodes {channel}"
            raise InputError(problem, path, "merge units of one electrode")
        times, shape = time_of[in_group], (np.zeros(0), np.zeros(0))
        is_unsplit = len(times) == sum(len(times_of[member]) for member in members)
        if is_unsplit:
            shape = _shape(shapes, members, [len(times_of[member]) for member in members])
        if len(members) > 1:
            times = times[np.diff(times, prepend=-np.inf) >= MIN_ISI_S]
        train = UnitSpikes("sorted", channel[0], times, np.zeros(0), *shape)
        origin = members[0] if is_unsplit and len(members) == 1 else None
        curated.append(CuratedUnit(train, origin, decisions.labels.get(group, "")))
    return curated


def _times(automatic: SortingResult) -> dict[Any, np.ndarray]:
    return {unit: times.to_numpy() for unit, times in automatic.spikes.groupby("unit")["time_s"]}


def _shape(
    shapes: dict[Any, pd.DataFrame], members: list[Any], counts: list[int] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and SD over the spikes of several units; empty when one of them is unknown."""
    if not all(member in shapes for member in members):
        return np.zeros(0), np.zeros(0)
    share = np.array(counts or [1] * len(members), dtype=np.float64)
    share /= share.sum()
    means = np.stack([shapes[member]["mean_uv"].to_numpy() for member in members])
    sds = np.stack([shapes[member]["sd_uv"].to_numpy() for member in members])
    if len(members) == 1:
        return means[0], sds[0]
    mean = share @ means
    return mean, np.sqrt(np.maximum(share @ (sds**2 + means**2) - mean**2, 0))


def _with_original_metrics(
    recomputed: pd.DataFrame, curated_units: list[CuratedUnit], automatic: pd.DataFrame
) -> pd.DataFrame:
    """Units that did not change keep their metrics; manual labels win."""
    original = automatic.set_index("unit")
    columns = [name for name in original.columns if not name.startswith("preferred")]
    rows = recomputed.to_dict("records")
    for row, curated in zip(rows, curated_units, strict=True):
        if curated.origin is not None:
            row.update(original.loc[curated.origin, columns].to_dict())
        row["label"] = curated.label or row["label"]
    return tables.conform(pd.DataFrame(rows, columns=UNITS.names), UNITS)
