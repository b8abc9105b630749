"""NWB files that other tools made: spikes and presentation intervals, by a map of their columns."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hdmf.common import DynamicTable
from numpy.typing import NDArray
from pynwb import NWBFile

from evoalign import study, tables
from evoalign.errors import InputError
from evoalign.nwb.columns import MEND, column_values
from evoalign.nwb.contents import SessionContents, SessionFacts, check_contents
from evoalign.nwb.spiking import PLACE, read_spikes
from evoalign.nwb.stimuli import RENAME

# Of a file that does not tell: what the contracts name as unknown, and units that somebody has curated.
_TEXT = {"kind": "sorted", "label": "good", "onset_source": "file"}
_UNKNOWN = -1


def read_foreign(
    nwb: NWBFile, path: str, settings: study.Nwb, session: study.Session | None
) -> SessionContents:
    """Read spikes and presentations of a file that this pipeline did not write.

    Parameters
    ----------
    nwb : NWBFile
        Open for reading.
    path : str
        The file, for errors.
    settings : study.Nwb
        ``presentations``: which table of intervals; ``columns``,
        ``unit_columns``: our name -> name in the file.
    session : study.Session, optional
        Row of the sample sheet: names, preferred channel, spaces. Without it
        the file's own session and subject count.

    Returns
    -------
    SessionContents
        Columns that neither map nor file know hold the contract's value for
        unknown; the channel of a unit is the id of its first electrode.

    Raises
    ------
    InputError
        Units, spike times, the table or a mapped column are missing, damaged
        or of another kind; file and path in it are named.
    """
    preferred = session.preferred_channel if session else _UNKNOWN
    channels = _channels(nwb, path)
    shown = _presentations(nwb, path, settings, session.spaces if session else ())
    units, spikes = _units(nwb, path, settings.unit_columns, channels, preferred)
    if channels.empty:
        channels = _made_up(units["channel"])
    contents = SessionContents(
        facts=SessionFacts(
            session=session.session if session else str(nwb.session_id or nwb.identifier),
            subject=session.subject if session else str(getattr(nwb.subject, "subject_id", "") or ""),
            preferred=session.preferred if session else "",
            site=session.site if session else "",
            spaces=session.spaces if session else (),
            unstable_baseline=session.unstable_baseline if session else "",
            identifier=str(nwb.identifier),
        ),
        start=nwb.timestamps_reference_time.astimezone(dt.UTC),
        channels=channels,
        units=units,
        spikes=spikes,
        presentations=shown,
    )
    try:
        return check_contents(contents)
    except InputError as error:
        raise InputError(error.what, f"{path}, {PLACE} ({error.where})", MEND) from error


def _presentations(nwb: NWBFile, path: str, settings: study.Nwb, spaces: tuple[str, ...]) -> pd.DataFrame:
    found = {"trials": nwb.trials, "epochs": nwb.epochs, **(nwb.intervals or {})}
    table = found.get(settings.presentations)
    if table is None:
        there = ", ".join(sorted(name for name, value in found.items() if value is not None)) or "none"
        raise InputError(
            f"there is no table of intervals '{settings.presentations}'; there are: {there}",
            f"{path}, /intervals/{settings.presentations}",
            "name the table of presentations in config under nwb.presentations",
        )
    where = f"{path}, /intervals/{settings.presentations}"
    n = len(table.id)
    own = _mapped(table, tables.PRESENTATIONS, RENAME | settings.columns, settings.columns, where)
    for needed in ("image", "onset_s"):
        if needed not in own:
            raise InputError(
                f"no column is known to hold '{needed}'; there are: {', '.join(table.colnames)}",
                where,
                f"name the column in config under nwb.columns, as '{needed}: NAME'",
            )
    frame = _filled(own, tables.PRESENTATIONS, n)
    order = np.arange(n)
    if "trial" not in own:
        frame["trial"] = order + 1
    frame["presentation"] = order
    if "repeat" not in own:
        frame["repeat"] = frame.groupby("image").cumcount()
    if "space" not in own:
        frame["space"] = [spaces[t] if 0 <= t < len(spaces) else "" for t in frame["thread"]]
    known = np.isfinite(frame["onset_s"].to_numpy(np.float64))
    frame["valid"] = known & (frame["valid"].to_numpy() if "valid" in own else True)
    frame.loc[~known, "reason"] = "no onset"
    return tables.conform(frame, tables.PRESENTATIONS)


def _units(
    nwb: NWBFile, path: str, renamed: dict[str, str], channels: pd.DataFrame, preferred: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    where = f"{path}, {PLACE}"
    if nwb.units is None or not len(nwb.units.id):
        raise InputError("the file holds no units", where, "give a file with units and their spike times")
    numbers = np.asarray(nwb.units.id[:], np.int64)
    spikes = read_spikes(nwb.units, numbers, where)
    own = _mapped(nwb.units, tables.UNITS, renamed, renamed, where)
    frame = _filled(own, tables.UNITS, len(numbers))
    frame["unit"] = numbers
    if "channel" not in own:
        frame["channel"] = _first_electrodes(nwb, where)
    if "area" not in own and len(channels):
        area = channels.drop_duplicates("channel").set_index("channel")["area"]
        frame["area"] = area.reindex(frame["channel"]).fillna("").to_numpy()
    frame["n_spikes"] = spikes.groupby("unit").size().reindex(numbers, fill_value=0).to_numpy()
    last = spikes["time_s"].max()
    frame["rate_hz"] = frame["n_spikes"] / last if len(spikes) and last > 0 else 0.0
    if "preferred" not in own:
        frame["preferred"] = frame["channel"] == preferred
    return tables.conform(frame, tables.UNITS), spikes


def _first_electrodes(nwb: NWBFile, where: str) -> NDArray[np.int64]:
    """Id of each unit's first electrode; numbers from 1 where the file has no electrodes."""
    n = len(nwb.units.id)
    if "electrodes" not in nwb.units.colnames or nwb.electrodes is None:
        return np.arange(1, n + 1)
    try:
        index = nwb.units["electrodes"]
        rows = np.asarray(index.target.data[:], np.int64)
        starts = np.concatenate([[0], np.asarray(index.data[:], np.int64)[:-1]])
        return np.asarray(nwb.electrodes.id[:], np.int64)[rows[starts]]
    except Exception as error:  # HDF5 raises almost anything on damaged bytes
        what = f"the electrodes of the units cannot be read: {error}"
        raise InputError(what, f"{where}/electrodes", MEND) from error


def _channels(nwb: NWBFile, path: str) -> pd.DataFrame:
    if nwb.electrodes is None or not len(nwb.electrodes.id):
        return tables.empty(tables.CHANNELS)
    where = f"{path}, /general/extracellular_ephys/electrodes"
    renamed = {"area": "location", "x_um": "rel_x", "y_um": "rel_y", "array": "group_name"}
    own = _mapped(nwb.electrodes, tables.CHANNELS, renamed, {}, where)
    own["channel"] = np.asarray(nwb.electrodes.id[:], np.int64)
    frame = _filled(own, tables.CHANNELS, len(nwb.electrodes.id)).assign(kind="neural")
    return tables.conform(frame, tables.CHANNELS)


def _made_up(numbers: pd.Series) -> pd.DataFrame:
    channel = numbers.drop_duplicates().to_numpy()
    frame = _filled({"channel": channel}, tables.CHANNELS, len(channel)).assign(kind="neural")
    return tables.conform(frame, tables.CHANNELS)


def _mapped(
    table: DynamicTable, contract: pa.Schema, renamed: dict[str, str], asked: dict[str, str], where: str
) -> dict[str, Any]:
    """Columns of the contract that the table holds; those that config asks for must be there."""
    found = {}
    for field in contract:
        name = renamed.get(field.name, field.name)
        if name in table.colnames:
            found[field.name] = _as(field, column_values(table, name, where), f"{where}/{name}")
        elif field.name in asked:
            raise InputError(
                f"the table lacks column '{name}'; there are: {', '.join(table.colnames)}",
                f"{where}/{name}",
                "correct the name in config under nwb.columns or nwb.unit_columns",
            )
    return found


def _as(field: pa.Field, values: Any, where: str) -> Any:
    """Values in the column's type: texts may be numbers, flags 0 and 1; NaN is unknown."""
    values = np.asarray(values)
    try:
        if values.ndim != 1:
            raise ValueError(f"{values.ndim} dimensions")
        if field.type == tables.TEXT:
            return [str(value) for value in values]
        number = pd.to_numeric(pd.Series(values)).to_numpy(np.float64)
        if field.type == tables.INT:
            number = np.where(np.isnan(number), _UNKNOWN, number)
        wanted = number.astype(field.type.to_pandas_dtype())
        if field.type != tables.FLOAT and not np.array_equal(wanted, number):
            raise ValueError(f"{number[wanted != number][0]} is no {field.type}")
        return wanted
    except (ValueError, TypeError) as error:
        raise InputError(f"column for '{field.name}' is of another kind: {error}", where, MEND) from error


def _filled(own: dict[str, Any], contract: pa.Schema, n: int) -> pd.DataFrame:
    unknown = {tables.TEXT: "", tables.INT: _UNKNOWN, tables.FLOAT: np.nan, tables.FLAG: False}
    made = {
        field.name: own[field.name] if field.name in own else [_TEXT.get(field.name, unknown[field.type])] * n
        for field in contract
    }
    return pd.DataFrame(made, columns=contract.names)
