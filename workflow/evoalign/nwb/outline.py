"""What an NWB file holds, without what takes long: pynwb's import and its reading of every image."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from evoalign import tables
from evoalign.events.tables import PRESENTATIONS
from evoalign.nwb import names
from evoalign.nwb.contents import SessionContents, SessionMetadata, check_contents
from evoalign.nwb.integrity import check_integrity
from evoalign.nwb.objects import stored_root
from evoalign.nwb.tables import GENERATORS, NEWER_OF_GENERATORS
from evoalign.nwb.version import check_version
from evoalign.recordings.tables import CHANNELS, SEGMENTS, WORDS
from evoalign.sorting.tables import BAD_CHANNELS, SPIKES, UNITS


@dataclass(frozen=True)
class Outline:
    """Names and tables of a session, without its images, waveforms and latents.

    Attributes
    ----------
    session, subject : str
        Names of the session and of the animal.
    start : datetime.datetime
        Time 0 of the recording's clock, with time zone.
    channels, bad_channels, segments, words, units, spikes, presentations, generators \
    : pandas.DataFrame
        As in `evoalign.tables`.
    n_images : int
        Of pictures in the file.
    """

    session: str
    subject: str
    start: dt.datetime
    channels: pd.DataFrame
    bad_channels: pd.DataFrame
    segments: pd.DataFrame
    words: pd.DataFrame
    units: pd.DataFrame
    spikes: pd.DataFrame
    presentations: pd.DataFrame
    generators: pd.DataFrame
    n_images: int


def outline_of(contents: SessionContents, n_images: int) -> Outline:
    """Return the outline of contents that were read, and of so many pictures."""
    return Outline(
        contents.session, contents.subject, contents.start, contents.channels, contents.bad_channels,
        contents.segments, contents.words, contents.units, contents.spikes, contents.presentations,
        contents.generators, n_images,
    )  # fmt: skip


def read_outline(path: str | PathLike[str]) -> Outline | None:
    """Read the outline of a file of this pipeline, as `read_nwb` reads its contents.

    Parameters
    ----------
    path : path
        An ``.nwb`` file or an ``.nwb.zarr`` folder.

    Returns
    -------
    Outline or None
        None where another tool wrote the file, or something in it is not as this pipeline
        writes it: `read_nwb` says what, or reads it.

    Raises
    ------
    InputError
        As for `check_integrity` and `check_version`.
    """
    path = Path(path)
    check_integrity(path)
    check_version(path)
    try:
        with stored_root(path) as root:
            if not _text(root["general/source_script"][()]).startswith(names.MADE_BY):
                return None
            return _outline(root)
    except Exception:  # HDF5 and Zarr raise almost anything on damaged bytes; `read_nwb` names the object
        return None


def _outline(root: Any) -> Outline:
    facts = root[f"processing/misc/{names.METADATA_TABLE}"]
    section, key, value = (_values(facts[column]) for column in ("section", "key", "value"))
    session = {k: v for s, k, v in zip(section, key, value, strict=True) if s == "session"}
    start = dt.datetime.fromisoformat(_text(root["timestamps_reference_time"][()]))
    if start.tzinfo is None:
        raise ValueError("a time without a zone is not of this pipeline")
    units, spikes = _units(root)
    presentations = _table(
        root, f"intervals/{names.PRESENTATION_INTERVALS}", PRESENTATIONS, names.PRESENTATIONS_IN_FILE
    )
    contents = SessionContents(
        SessionMetadata(session.get("session", ""), session.get("subject", "")),
        start.astimezone(dt.UTC),
        channels=_channels(root),
        bad_channels=_table(root, "processing/ecephys/channel_quality", BAD_CHANNELS),
        segments=_table(root, "processing/ecephys/segments", SEGMENTS),
        words=_table(root, f"events/{names.EVENT_WORDS}", WORDS, names.WORDS_IN_FILE),
        units=units,
        spikes=spikes,
        presentations=presentations.sort_values("presentation", kind="stable", ignore_index=True),
        generators=_generators(root),
    )
    pictures = f"stimulus/templates/{names.IMAGE_COLLECTION}/order_of_images"
    return outline_of(check_contents(contents), root[pictures].shape[0] if pictures in root else 0)


def _units(root: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    if "units" not in root or not root["units/id"].shape[0]:
        return tables.empty(UNITS), tables.empty(SPIKES)
    numbers = np.asarray(root["units/id"][:], np.int64)
    times_s = np.asarray(root["units/spike_times"][:], np.float64)
    ends = np.asarray(root["units/spike_times_index"][:], np.int64)
    counts = np.diff(ends, prepend=np.int64(0))
    spikes = pd.DataFrame({"unit": np.repeat(numbers, counts), "time_s": times_s})
    return _table(root, "units", UNITS, known_columns={"unit": numbers}), tables.conform(spikes, SPIKES)


def _generators(root: Any) -> pd.DataFrame:
    place = "processing/misc/generators"
    if place not in root:
        return tables.empty(GENERATORS)
    rows = [""] * root[f"{place}/id"].shape[0]
    lacking = {column: rows for column in NEWER_OF_GENERATORS if column not in root[place]}
    return _table(root, place, GENERATORS, known_columns=lacking)


def _channels(root: Any) -> pd.DataFrame:
    """Electrodes, then channels that record none."""
    place, parts = "general/extracellular_ephys/electrodes", []
    if place in root and root[f"{place}/id"].shape[0]:
        areas = [
            "" if area == names.UNKNOWN_LOCATION else area for area in _values(root[f"{place}/location"])
        ]
        known_columns = {
            "channel": np.asarray(root[f"{place}/id"][:], np.int64),
            "kind": ["neural"] * len(areas),
            "area": areas,
        }
        parts.append(_table(root, place, CHANNELS, names.ELECTRODES_IN_FILE, known_columns))
    parts.append(_table(root, "processing/ecephys/analog_channels", CHANNELS, names.NAME_IN_FILE))
    not_empty = [part for part in parts if len(part)]
    return pd.concat(not_empty, ignore_index=True) if not_empty else tables.empty(CHANNELS)


def _table(
    root: Any,
    place: str,
    contract: pa.Schema,
    name_in_file: Mapping[str, str] | None = None,
    known_columns: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Read a table by its contract; without rows where the file has none."""
    if place not in root:
        return tables.empty(contract)
    group, columns = root[place], dict(known_columns or {})
    for field in contract:
        name = (name_in_file or {}).get(field.name, field.name)
        if field.name in columns:
            continue
        if field.type == tables.FLOAT and name not in group:  # NaN throughout, and so left out
            columns[field.name] = np.full(group["id"].shape[0], np.nan)
        else:
            values = _values(group[name])
            if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
                values = values.astype(field.type.to_pandas_dtype())
            columns[field.name] = values
    return tables.conform(pd.DataFrame({name: columns[name] for name in contract.names}), contract)


def _values(column: Any) -> NDArray[Any] | list[str]:
    """Values of a column, text as str."""
    values = np.asarray(column[:])
    return [_text(value) for value in values] if values.dtype.kind in "OSU" else values


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        value = value.item()
    return value.decode() if isinstance(value, bytes) else str(value)
