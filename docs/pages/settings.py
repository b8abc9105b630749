"""The reference of `config.yaml` and of the sample sheet, from their JSON schemas."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from evoalign.sheet import Session
from evoalign.study import Config, json_schema
from pages.markdown import code, prose, table

BOUNDS = {
    "minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below",
    "minLength": "characters, at least",
}  # fmt: skip

HEAD = """\
# Settings

Every setting of `config/config.yaml`, made from the schema that checks it
(`workflow/schemas/config.schema.yaml`). A setting that is left out has its default. Units stand at the
end of the names: `_ms`, `_s`, `_uv`, `_hz`.
"""
SHEET_HEAD = """\
# Columns of the sample sheet

Every column of `config/sessions.tsv`, made from the schema that checks it
(`workflow/schemas/sessions.schema.yaml`). What a column means for a session, and which may be left out,
is told in [your study](study.md).
"""


def page() -> str:
    """Return the page of settings: a table for each section."""
    schema = json_schema(Config)
    single, parts = [], []
    for name, entry in schema["properties"].items():
        section = _section(entry, schema)
        if section is None:
            single.append(_row(name, entry, schema))
        else:
            parts += _tables(name, section, schema)
    head = ("setting", "default", "values", "what it is for")
    return "\n\n".join([HEAD, "## The study", table(head, single), *parts]) + "\n"


def sheet_page() -> str:
    """Return the page of the sample sheet's columns."""
    schema = json_schema(Session)
    needed = schema.get("required", [])
    rows = [
        (
            code(name),
            "yes" if name in needed else "",
            _values(entry, schema),
            prose(entry.get("description", "")),
        )
        for name, entry in schema["properties"].items()
    ]
    return f"{SHEET_HEAD}\n{table(('column', 'needed', 'values', 'what it holds'), rows)}\n"


def _tables(name: str, section: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    """Yield the heading and the table of a section, then those of the sections in it."""
    rows, inner = [], []
    for key, entry in section["properties"].items():
        within = _section(entry, schema)
        if within is None:
            rows.append(_row(key, entry, schema))
        else:
            inner.append((f"{name}.{key}", within))
    yield f"## {code(name)}"
    if rows:
        yield table(("setting", "default", "values", "what it is for"), rows)
    for key, within in inner:
        yield from _tables(key, within, schema)


def _section(entry: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any] | None:
    reference = entry.get("$ref") or next(
        (part["$ref"] for part in entry.get("allOf", []) if "$ref" in part), ""
    )
    section = schema.get("$defs", {}).get(reference.rpartition("/")[2])
    return section if section and "properties" in section else None


def _row(key: str, entry: dict[str, Any], schema: dict[str, Any]) -> tuple[str, str, str, str]:
    default = code(json.dumps(entry["default"], ensure_ascii=False)) if "default" in entry else ""
    return code(key), default, _values(entry, schema), prose(entry.get("description", ""))


def _values(entry: dict[str, Any], schema: dict[str, Any]) -> str:
    """Return in words what a value may be."""
    if "anyOf" in entry:
        return " or ".join(dict.fromkeys(_values(part, schema) for part in entry["anyOf"]))
    if "enum" in entry:
        return ", ".join(code(str(value)) for value in entry["enum"])
    if "$ref" in entry:
        return _values(schema["$defs"][entry["$ref"].rpartition("/")[2]], schema)
    if entry.get("format") == "date":
        return "date"
    words = {"string": "text", "number": "number", "integer": "whole number", "boolean": "true or false",
             "array": "list", "object": "names and values", "null": "nothing"}  # fmt: skip
    kind = words.get(entry.get("type", ""), "any")
    bounds = [f"{word} {entry[key]:g}" for key, word in BOUNDS.items() if key in entry]
    return ", ".join([kind + _length(entry), *bounds])


def _length(entry: dict[str, Any]) -> str:
    """Return how long a list may be."""
    fewest, most = entry.get("minItems"), entry.get("maxItems")
    if fewest is not None and fewest == most:
        return f" of {fewest}"
    limits = [f"{word} {n}" for word, n in (("at least", fewest), ("at most", most)) if n is not None]
    return f" of {' and '.join(limits)}" if limits else ""
