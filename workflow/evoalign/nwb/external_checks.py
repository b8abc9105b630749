"""What contradicts itself in an NWB file of another tool; which of its units and tables are meant."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hdmf.common import DynamicTable
from hdmf.container import AbstractContainer
from numpy.typing import NDArray
from pynwb import NWBFile
from pynwb.epoch import TimeIntervals

from evoalign.errors import InputError
from evoalign.sheet import Session

MANY = 0.5  # share of spikes that stand twice: no neuron's, a file joined with itself


def preferred_units(units: pd.DataFrame, session: Session | None, location: str) -> NDArray[np.bool_]:
    """Mark the unit that the sample sheet names, bool ``[unit]``.

    Parameters
    ----------
    units : DataFrame
        `UNITS` of the file.
    session : Session, optional
        Its row; without one, or without a preferred unit, nothing is marked.
    location : str
        File and table, for errors.

    Raises
    ------
    InputError
        Several units of a kind are on the electrode, or the letter is none of theirs.
    """
    if session is None or session.preferred_channel < 0:
        return np.zeros(len(units), bool)
    marked = units["channel"].to_numpy() == session.preferred_channel
    letter = session.preferred_unit
    if letter and (units["vendor_unit"] > 0).any():
        marked &= units["vendor_unit"].to_numpy() == letter
        is_one = marked.any()
    else:
        is_one = letter <= 1 or not marked.any()
    of_kind = units.loc[marked, "kind"]
    if is_one and not of_kind.duplicated().any():
        return marked
    on_channel = units[units["channel"] == session.preferred_channel]
    names = [f"{row.unit} ({row.kind})" for row in on_channel.itertuples()]
    raise InputError(
        f"'{session.preferred}' in column preferred of the sample sheet does not name one unit of the file; "
        f"on that electrode are: {', '.join(names) or 'none'}",
        location,
        "say which: nwb.unit_columns names the file's column of letters' numbers (vendor_unit: NAME; a = 1) "
        "or of a flag (preferred: NAME)",
    )


def presentations_table(nwb: NWBFile, path: str, name: str) -> tuple[DynamicTable, str]:
    """Return the table of presentations, and its place in the file.

    Parameters
    ----------
    nwb : NWBFile
    path : str
        The file, for errors.
    name : str
        Of the table. One of intervals comes before any other of the name, as of a
        processing module or of events.

    Raises
    ------
    InputError
        No table has the name, or several in other places do; those that there are are named.
    """
    intervals = {"trials": nwb.trials, "epochs": nwb.epochs, **(nwb.intervals or {})}
    if intervals.get(name) is not None:
        return intervals[name], f"/intervals/{name}"
    named = {_place(child): child for child in nwb.all_children() if isinstance(child, DynamicTable)}
    matches = [place for place, table in named.items() if table.name == name]
    if len(matches) == 1:
        return named[matches[0]], matches[0]
    of_times = {key for key, table in intervals.items() if table is not None}
    of_times |= {table.name for table in named.values() if isinstance(table, TimeIntervals)}
    what = (
        f"there are {len(matches)} tables '{name}': {', '.join(matches)}"
        if matches
        else f"there is no table of intervals '{name}'; there are: {', '.join(sorted(of_times)) or 'none'}"
    )
    raise InputError(
        what,
        f"{path}, /intervals/{name}",
        "name the table of presentations in config under nwb.presentations",
    )


def _place(child: AbstractContainer) -> str:
    """Path of an object in the file, as far as its parents tell."""
    names = []
    while child is not None and child.name != "root":
        names.append(child.name)
        child = child.parent
    return "/" + "/".join(reversed(names))


def check_presentations(presentations: pd.DataFrame, location: str) -> None:
    """Refuse presentations that end before they start, or that stand twice.

    Raises
    ------
    InputError
        Naming the first row.
    """
    onset, offset = presentations["onset_s"], presentations["offset_s"]
    reversed_rows = np.flatnonzero(offset < onset)
    if len(reversed_rows):
        row = reversed_rows[0]
        raise InputError(
            f"{len(reversed_rows)} presentations end before they start, the first from {onset.iloc[row]:g} "
            f"to {offset.iloc[row]:g} s",
            f"{location}, row {row}",
            "correct the table, or name its columns under nwb.columns",
        )
    twice = np.flatnonzero(presentations.duplicated(["image", "onset_s"]) & np.isfinite(onset))
    if len(twice):
        row = twice[0]
        raise InputError(
            f"{len(twice)} presentations stand twice: image '{presentations['image'].iloc[row]}' "
            f"at {onset.iloc[row]:g} s",
            f"{location}, row {row}",
            "write each presentation once: twice the rows would make every p value too small",
        )


def check_spikes(spikes: pd.DataFrame, location: str) -> None:
    """Refuse units whose spikes stand twice.

    Raises
    ------
    InputError
        More than half of a unit's spike times repeat one before.
    """
    share = spikes.duplicated(["unit", "time_s"]).groupby(spikes["unit"]).mean() * 2
    doubled = share.index[share > MANY]
    if len(doubled):
        raise InputError(
            f"{len(doubled)} units have their spikes twice, the first is unit {doubled[0]}",
            f"{location}/spike_times",
            "write each spike once",
        )
