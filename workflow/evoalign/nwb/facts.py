"""What is known of a session and of the file's making <-> tables of facts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from hdmf.common import VectorData
from pynwb import NWBFile

from evoalign import tables
from evoalign.nwb.columns import Pack, column_values, describe, dynamic_table, table
from evoalign.nwb.contents import SessionContents, SessionFacts
from evoalign.nwb.electrodes import module, read_module_table

FACTS = "facts"
_NOT_NUMBERS = ("session",)  # columns of the alignment report


def add_facts(nwb: NWBFile, contents: SessionContents, pack: Pack) -> None:
    """Add alignment report, generators, and the facts: session, raw files, settings, provenance."""
    misc = module(nwb, "misc")
    if len(contents.alignment):
        misc.add(_alignment(contents.alignment))
    if len(contents.generators):
        text = "the generative space of each thread"
        misc.add(table("generators", text, contents.generators, tables.GENERATORS, pack))
    rows = list(_rows(contents))
    texts = ("session, raw_file, settings or provenance", "name", "value: text; settings in JSON")
    made = [
        VectorData(name=name, description=text, data=[row[i] for row in rows])
        for i, (name, text) in enumerate(zip(("section", "key", "value"), texts, strict=True))
    ]
    misc.add(dynamic_table(FACTS, "facts of the session, its raw files and the making of this file", made))


def _rows(contents: SessionContents) -> Iterator[tuple[str, str, str]]:
    for key, value in dataclasses.asdict(contents.facts).items():
        if key != "identifier":
            yield "session", key, ";".join(value) if isinstance(value, tuple) else value
    for file, digest in contents.raw_files[["file", "sha256"]].itertuples(index=False):
        yield "raw_file", file, digest
    for section in ("settings", "provenance"):
        for key, value in sorted(getattr(contents, section).items()):
            yield section, key, value


def _alignment(report: pd.DataFrame) -> Any:
    """One row a quantity: a report of one session has one row, which is no table."""
    fields = [field for field in tables.ALIGNMENT if field.name not in _NOT_NUMBERS]
    values = np.array([report[field.name].iloc[0] for field in fields], np.float64)
    made = [
        VectorData(name="quantity", description="name", data=[field.name for field in fields]),
        VectorData(name="value", description="value; NaN when it does not apply", data=values),
        VectorData(name="meaning", description="meaning, unit", data=[describe(field) for field in fields]),
    ]
    text = "how event words, photodiode and stimulus log were aligned"
    return dynamic_table("alignment", text, made)


def flat(value: Any, prefix: str = "") -> dict[str, str]:
    """Return a nested configuration as dotted key -> value in JSON.

    Examples
    --------
    >>> flat({"nwb": {"raw": "none"}, "seed": 0})
    {'nwb.raw': '"none"', 'seed': '0'}
    """
    if isinstance(value, dict):
        found: dict[str, str] = {}
        for key in value:
            found |= flat(value[key], f"{prefix}.{key}" if prefix else str(key))
        return found
    return {prefix: json.dumps(value, ensure_ascii=False, sort_keys=True)}


def read_facts(nwb: NWBFile, path: str) -> dict[str, Any]:
    """Return facts, alignment, generators, raw_files, settings and provenance of a file of ours."""
    where = f"{path}, /processing/misc/{FACTS}"
    found = nwb.processing["misc"][FACTS]
    parts = [column_values(found, name, where) for name in ("section", "key", "value")]
    of: dict[str, dict[str, str]] = {}
    for section, key, value in zip(*parts, strict=True):
        of.setdefault(section, {})[key] = value
    session = of.get("session", {})
    known = {field.name for field in dataclasses.fields(SessionFacts)}
    kept: dict[str, Any] = {key: value for key, value in session.items() if key in known}
    kept["spaces"] = tuple(part for part in session.get("spaces", "").split(";") if part)
    kept["identifier"] = str(nwb.identifier)
    files = of.get("raw_file", {})
    raw = pd.DataFrame({"file": list(files), "sha256": list(files.values())}, dtype="str")
    return {
        "facts": SessionFacts(**kept),
        "alignment": _read_alignment(nwb, path, session.get("session", "")),
        "generators": read_module_table(nwb, "misc", "generators", tables.GENERATORS, path),
        "raw_files": tables.conform(raw, tables.RAW_FILES),
        "settings": of.get("settings", {}),
        "provenance": of.get("provenance", {}),
    }


def _read_alignment(nwb: NWBFile, path: str, session: str) -> pd.DataFrame:
    if "alignment" not in nwb.processing["misc"].data_interfaces:
        return tables.empty(tables.ALIGNMENT)
    where = f"{path}, /processing/misc/alignment"
    found = nwb.processing["misc"]["alignment"]
    names, values = (column_values(found, name, where) for name in ("quantity", "value"))
    row = {"session": session, **dict(zip(names, values, strict=True))}
    frame = pd.DataFrame([row])
    for field in tables.ALIGNMENT:
        if field.type == tables.INT and field.name in frame:
            frame[field.name] = frame[field.name].astype("int64")
    return tables.conform(frame, tables.ALIGNMENT)
