"""What contradicts itself in an NWB file of another tool, and which of its units the sample sheet means."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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
