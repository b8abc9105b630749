"""NWB files that other tools made: spikes and presentation intervals, by a map of their columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hdmf.common import DynamicTable, VectorIndex
from numpy.typing import NDArray
from pynwb import NWBFile

from evoalign import tables
from evoalign.errors import InputError
from evoalign.events.latent_codes import Codes
from evoalign.events.tables import PRESENTATIONS
from evoalign.nwb.columns import column_values
from evoalign.nwb.contents import SessionContents, SessionMetadata, check_contents
from evoalign.nwb.external_checks import (
    check_presentations,
    check_spikes,
    preferred_units,
    presentations_table,
)
from evoalign.nwb.latent_tables import names_of_spaces, with_latents
from evoalign.nwb.names import HINT, PRESENTATIONS_IN_FILE
from evoalign.nwb.observed import observation, observed_alone, unobserved
from evoalign.nwb.session_start import external_start
from evoalign.nwb.settings import Nwb
from evoalign.nwb.sheet_row import check_row
from evoalign.nwb.spiking import PLACE, read_spikes
from evoalign.recordings.tables import CHANNELS
from evoalign.sheet import Session
from evoalign.sorting.tables import UNITS as UNITS_TABLE

# Where the file has no such column: what the contracts name as unknown, and units that somebody has curated.
_TEXT = {"kind": "sorted", "label": "good", "onset_source": "file"}
_UNKNOWN = -1


def read_external(nwb: NWBFile, path: str, settings: Nwb, session: Session | None) -> SessionContents:
    """Read spikes and presentations of a file that this pipeline did not write.

    Parameters
    ----------
    nwb : NWBFile
        Open for reading.
    path : str
        The file, for errors.
    settings : Nwb
        ``presentations``: which table of intervals; ``columns``,
        ``unit_columns``: our name -> name in the file.
    session : Session, optional
        Row of the sample sheet: names, preferred channel, spaces. Without it
        the file's own session and subject count.

    Returns
    -------
    SessionContents
        Columns that neither map nor file know hold the contract's value for
        unknown; the channel of a unit is the id of its first electrode, -1
        when it has none. Presentations in an invalid time of the file, or
        while the preferred unit (any, where none is preferred) was not
        observed, are not valid.

    Raises
    ------
    InputError
        Units, spike times, the table or a mapped column are missing, damaged
        or of another kind; file and path in it are named; or the row is of
        another animal or day (`check_row`).
    """
    subject = str(getattr(nwb.subject, "subject_id", "") or "")
    start = external_start(path, settings.time_zone)
    check_row(session, subject, start, path, settings.time_zone)
    channels = _channels(nwb, path)
    presentations = _presentations(nwb, path, settings, session.spaces if session else ())
    units, spikes, observed = _units(nwb, path, settings.unit_columns, channels, session)
    if channels.empty:
        channels = _made_up(units["channel"])
    presentations = observed_alone(nwb, path, presentations, observed)
    spaces = session.spaces if session else ()
    latents: Codes = {}
    if session and session.latent_tables:
        spaces = names_of_spaces(session.latent_tables, session.spaces)
        presentations, latents = with_latents(presentations, session.latent_tables, spaces)
    contents = SessionContents(
        metadata=SessionMetadata(
            session=session.session if session else str(nwb.session_id or nwb.identifier),
            subject=session.subject if session else subject,
            preferred=session.preferred if session else "",
            site=session.site if session else "",
            spaces=spaces,
            unstable_baseline=session.unstable_baseline if session else "",
            identifier=str(nwb.identifier),
        ),
        start=start,
        channels=channels,
        units=units,
        spikes=spikes,
        presentations=presentations,
        latents=latents,
        unobserved=unobserved(units, observed),
    )
    try:
        return check_contents(contents)
    except InputError as error:
        raise InputError(error.what, f"{path}, {PLACE} ({error.where})", HINT) from error


def _presentations(nwb: NWBFile, path: str, settings: Nwb, spaces: tuple[str, ...]) -> pd.DataFrame:
    table, place = presentations_table(nwb, path, settings.presentations)
    location = f"{path}, {place}"
    n = len(table.id)
    mapped = _mapped(
        table, PRESENTATIONS, PRESENTATIONS_IN_FILE | settings.columns, settings.columns, location
    )
    for required in ("image", "onset_s"):
        if required not in mapped:
            raise InputError(
                f"no column is known to hold '{required}'; there are: {', '.join(table.colnames)}",
                location,
                f"name the column in config under nwb.columns, as '{required}: NAME'",
            )
    frame = _filled(mapped, PRESENTATIONS, n)
    order = np.arange(n)
    if "trial" not in mapped:
        frame["trial"] = order + 1
    frame["presentation"] = order
    if "repeat" not in mapped:
        frame["repeat"] = frame.groupby("image").cumcount()
    if "space" not in mapped:
        frame["space"] = [spaces[t] if 0 <= t < len(spaces) else "" for t in frame["thread"]]
    has_onset = np.isfinite(frame["onset_s"].to_numpy(np.float64))
    frame["valid"] = has_onset & (frame["valid"].to_numpy() if "valid" in mapped else True)
    frame.loc[~has_onset, "reason"] = "no onset"
    check_presentations(frame, location)
    return tables.conform(frame, PRESENTATIONS)


def _units(
    nwb: NWBFile, path: str, name_in_file: dict[str, str], channels: pd.DataFrame, session: Session | None
) -> tuple[pd.DataFrame, pd.DataFrame, list[NDArray[np.float64]] | None]:
    """Units, their spikes, and when each unit was observed (`observation`)."""
    location = f"{path}, {PLACE}"
    if nwb.units is None or not len(nwb.units.id):
        raise InputError("the file holds no units", location, "give a file with units and their spike times")
    numbers = np.asarray(nwb.units.id[:], np.int64)
    spikes = read_spikes(nwb.units, numbers, location)
    check_spikes(spikes, location)
    observed = observation(nwb.units, location)
    mapped = _mapped(nwb.units, UNITS_TABLE, name_in_file, name_in_file, location)
    frame = _filled(mapped, UNITS_TABLE, len(numbers))
    frame["unit"] = numbers
    if "channel" not in mapped:
        frame["channel"] = _first_electrodes(nwb, location)
    if "area" not in mapped and len(channels):
        area = channels.drop_duplicates("channel").set_index("channel")["area"]
        frame["area"] = area.reindex(frame["channel"]).fillna("").to_numpy()
    frame["n_spikes"] = spikes.groupby("unit").size().reindex(numbers, fill_value=0).to_numpy()
    frame["rate_hz"] = np.divide(
        frame["n_spikes"].to_numpy(np.float64), _observed_s(observed, spikes, len(numbers))
    )
    if "preferred" not in mapped:
        frame["preferred"] = preferred_units(frame, session, location)
    return tables.conform(frame, UNITS_TABLE), spikes, observed


def _observed_s(
    observed: list[NDArray[np.float64]] | None, spikes: pd.DataFrame, n: int
) -> NDArray[np.float64]:
    """Time that each unit was observed, s; from first to last spike of all where the file does not tell."""
    if observed is not None:
        lengths = np.array([float(np.diff(spans, axis=1).sum()) for spans in observed])
        return np.where(lengths > 0, lengths, np.nan)
    span_s = float(np.ptp(spikes["time_s"])) if len(spikes) else 0.0
    return np.full(n, span_s if span_s > 0 else np.nan)


def _first_electrodes(nwb: NWBFile, location: str) -> NDArray[np.int64]:
    """Id of each unit's first electrode, -1 without; numbers from 1 where the file has no electrodes."""
    n = len(nwb.units.id)
    if nwb.electrodes is None:
        return np.arange(1, n + 1)
    first = np.full(n, _UNKNOWN, np.int64)
    if "electrodes" not in nwb.units.colnames:
        return first
    try:
        column = nwb.units["electrodes"]
        if isinstance(column, VectorIndex):
            rows = np.asarray(column.target.data[:], np.int64).ravel()
            ends = np.asarray(column.data[:], np.int64).ravel()
            counts = np.diff(ends, prepend=0)
            starts = ends - counts
        else:  # MatNWB writes a column of one electrode a unit without an index
            rows = np.asarray(column.data[:], np.int64).reshape(n, -1)[:, 0]
            starts, counts = np.arange(n), np.ones(n, np.int64)
        has_one = counts > 0
        first[has_one] = np.asarray(nwb.electrodes.id[:], np.int64)[rows[starts[has_one]]]
        return first
    except Exception as error:  # HDF5 raises almost anything on damaged bytes
        problem = f"the electrodes of the units cannot be read: {error}"
        raise InputError(problem, f"{location}/electrodes", HINT) from error


def _channels(nwb: NWBFile, path: str) -> pd.DataFrame:
    if nwb.electrodes is None or not len(nwb.electrodes.id):
        return tables.empty(CHANNELS)
    location = f"{path}, /general/extracellular_ephys/electrodes"
    name_in_file = {"area": "location", "x_um": "rel_x", "y_um": "rel_y", "array": "group_name"}
    mapped = _mapped(nwb.electrodes, CHANNELS, name_in_file, {}, location)
    mapped["channel"] = np.asarray(nwb.electrodes.id[:], np.int64)
    frame = _filled(mapped, CHANNELS, len(nwb.electrodes.id)).assign(kind="neural")
    return tables.conform(frame, CHANNELS)


def _made_up(numbers: pd.Series) -> pd.DataFrame:
    channel = numbers.drop_duplicates().to_numpy()
    frame = _filled({"channel": channel}, CHANNELS, len(channel)).assign(kind="neural")
    return tables.conform(frame, CHANNELS)


def _mapped(
    table: DynamicTable,
    contract: pa.Schema,
    name_in_file: dict[str, str],
    configured: dict[str, str],
    location: str,
) -> dict[str, Any]:
    """Columns of the contract that the table holds; those that config asks for must be there."""
    mapped = {}
    for field in contract:
        name = name_in_file.get(field.name, field.name)
        if name in table.colnames:
            mapped[field.name] = _as(field, column_values(table, name, location), f"{location}/{name}")
        elif field.name in configured:
            raise InputError(
                f"the table lacks column '{name}'; there are: {', '.join(table.colnames)}",
                f"{location}/{name}",
                "correct the name in config under nwb.columns or nwb.unit_columns",
            )
    return mapped


def _as(field: pa.Field, values: Any, location: str) -> Any:
    """Values in the column's type: texts may be numbers, flags 0 and 1; NaN is unknown."""
    values = np.asarray(values)
    try:
        if values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]  # as MatNWB stores a column
        if values.ndim != 1:
            raise ValueError(f"{values.ndim} dimensions")
        if field.type == tables.TEXT:
            return [str(value) for value in values]
        number = pd.to_numeric(pd.Series(values)).to_numpy(np.float64)
        if field.type == tables.INT:
            number = np.where(np.isnan(number), _UNKNOWN, number)
        converted = number.astype(field.type.to_pandas_dtype())
        if field.type != tables.FLOAT and not np.array_equal(converted, number):
            raise ValueError(f"{number[converted != number][0]} is no {field.type}")
        return converted
    except (ValueError, TypeError) as error:
        raise InputError(f"column for '{field.name}' is of another kind: {error}", location, HINT) from error


def _filled(mapped: dict[str, Any], contract: pa.Schema, n: int) -> pd.DataFrame:
    unknown_value = {tables.TEXT: "", tables.INT: _UNKNOWN, tables.FLOAT: np.nan, tables.FLAG: False}
    filled = {
        field.name: mapped[field.name]
        if field.name in mapped
        else [_TEXT.get(field.name, unknown_value[field.type])] * n
        for field in contract
    }
    return pd.DataFrame(filled, columns=contract.names)
