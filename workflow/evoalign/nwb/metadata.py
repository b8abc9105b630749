"""Metadata of a session and of how the file was made <-> tables of the file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import PureWindowsPath
from typing import Any

import numpy as np
import pandas as pd
from hdmf.common import VectorData
from pynwb import NWBFile

from evoalign import tables
from evoalign.events.tables import ALIGNMENT
from evoalign.nwb.columns import Pack, column_values, describe, dynamic_table, table
from evoalign.nwb.contents import SessionContents, SessionMetadata
from evoalign.nwb.electrodes import module, read_module_table
from evoalign.nwb.names import METADATA_TABLE
from evoalign.nwb.tables import GENERATORS, NEWER_OF_GENERATORS, RAW_FILES

_NOT_NUMBERS = ("session",)  # columns of the alignment report


def add_metadata(nwb: NWBFile, contents: SessionContents, pack: Pack) -> None:
    """Add alignment report, generators, and metadata: session, raw files, settings, provenance."""
    misc = module(nwb, "misc")
    if len(contents.alignment):
        misc.add(_alignment(contents.alignment))
    if len(contents.generators):
        text = "the generative space of each thread"
        misc.add(table("generators", text, contents.generators, GENERATORS, pack))
    rows = list(_rows(contents))
    texts = ("session, raw_file, settings or provenance", "name", "value: text; settings in JSON")
    nwb_columns = [
        VectorData(name=name, description=text, data=[row[i] for row in rows])
        for i, (name, text) in enumerate(zip(("section", "key", "value"), texts, strict=True))
    ]
    misc.add(
        dynamic_table(
            METADATA_TABLE, "facts of the session, its raw files and the making of this file", nwb_columns
        )
    )


def _rows(contents: SessionContents) -> Iterator[tuple[str, str, str]]:
    for key, value in dataclasses.asdict(contents.metadata).items():
        if key != "identifier":
            yield "session", key, ";".join(value) if isinstance(value, tuple) else value
    for file, digest in contents.raw_files[["file", "sha256"]].itertuples(index=False):
        yield "raw_file", file, digest
    for section in ("settings", "provenance"):
        for key, value in sorted(getattr(contents, section).items()):
            yield section, key, value


def _alignment(report: pd.DataFrame) -> Any:
    """One row a quantity: a report of one session has one row, which is no table."""
    fields = [field for field in ALIGNMENT if field.name not in _NOT_NUMBERS]
    values = np.array([report[field.name].iloc[0] for field in fields], np.float64)
    nwb_columns = [
        VectorData(name="quantity", description="name", data=[field.name for field in fields]),
        VectorData(name="value", description="value; NaN when it does not apply", data=values),
        VectorData(name="meaning", description="meaning, unit", data=[describe(field) for field in fields]),
    ]
    text = "how event words, photodiode and stimulus log were aligned"
    return dynamic_table("alignment", text, nwb_columns)


def flat(value: Any, prefix: str = "") -> dict[str, str]:
    """Return a nested configuration as dotted key -> value in JSON.

    Examples
    --------
    >>> flat({"nwb": {"raw": "none"}, "seed": 0})
    {'nwb.raw': '"none"', 'seed': '0'}
    """
    if isinstance(value, dict):
        flattened: dict[str, str] = {}
        for key in value:
            flattened |= flat(value[key], f"{prefix}.{key}" if prefix else str(key))
        return flattened
    return {prefix: json.dumps(value, ensure_ascii=False, sort_keys=True)}


def without_folders(value: Any) -> Any:
    """Return settings whose absolute paths are names of files: folders tell of the machine and its user."""
    if isinstance(value, dict):
        return {key: without_folders(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [without_folders(part) for part in value]
    if isinstance(value, str) and (value.startswith(("/", "~")) or PureWindowsPath(value).is_absolute()):
        return PureWindowsPath(value).name
    return value


def read_metadata(nwb: NWBFile, path: str) -> dict[str, Any]:
    """Return metadata, alignment, generators, raw files, settings and provenance of `add_metadata`."""
    location = f"{path}, /processing/misc/{METADATA_TABLE}"
    nwb_table = nwb.processing["misc"][METADATA_TABLE]
    section_key_value = [column_values(nwb_table, name, location) for name in ("section", "key", "value")]
    by_section: dict[str, dict[str, str]] = {}
    for section, key, value in zip(*section_key_value, strict=True):
        by_section.setdefault(section, {})[key] = value
    session = by_section.get("session", {})
    field_names = {field.name for field in dataclasses.fields(SessionMetadata)}
    session_fields: dict[str, Any] = {key: value for key, value in session.items() if key in field_names}
    session_fields["spaces"] = tuple(
        space_name for space_name in session.get("spaces", "").split(";") if space_name
    )
    session_fields["identifier"] = str(nwb.identifier)
    files = by_section.get("raw_file", {})
    raw = pd.DataFrame({"file": list(files), "sha256": list(files.values())}, dtype="str")
    return {
        "metadata": SessionMetadata(**session_fields),
        "alignment": _read_alignment(nwb, path, session.get("session", "")),
        "generators": read_module_table(
            nwb, "misc", "generators", GENERATORS, path, newer=NEWER_OF_GENERATORS
        ),
        "raw_files": tables.conform(raw, RAW_FILES),
        "settings": by_section.get("settings", {}),
        "provenance": by_section.get("provenance", {}),
    }


def _read_alignment(nwb: NWBFile, path: str, session: str) -> pd.DataFrame:
    if "alignment" not in nwb.processing["misc"].data_interfaces:
        return tables.empty(ALIGNMENT)
    location = f"{path}, /processing/misc/alignment"
    nwb_table = nwb.processing["misc"]["alignment"]
    names, values = (column_values(nwb_table, name, location) for name in ("quantity", "value"))
    row = {"session": session, **dict(zip(names, values, strict=True))}
    frame = pd.DataFrame([row])
    for field in ALIGNMENT:
        if field.type == tables.INT and field.name in frame:
            frame[field.name] = frame[field.name].astype("int64")
    return tables.conform(frame, ALIGNMENT)
