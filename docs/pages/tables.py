"""The reference of the tables that are written, from their contracts."""

from __future__ import annotations

import importlib
import pkgutil

import evoalign
from evoalign import tables
from pages.markdown import code, prose, table

HEAD = """\
# Tables

Every table that a run writes as Parquet, made from the contract that each is held against when it is
written. Units and meanings travel in the file:
`pyarrow.parquet.read_schema(FILE).field("rate_hz").metadata`. Those of a session lie in
`results/sessions/NAME`, those of the study in `results/population`.
"""


def page() -> str:
    """Return the page: a table of columns for each contract, by name."""
    for module in pkgutil.walk_packages(evoalign.__path__, "evoalign."):
        if module.name.rpartition(".")[2] in ("tables", "columns") or ".analysis.population." in module.name:
            importlib.import_module(module.name)
    parts = [HEAD]
    for name, contract in sorted(tables.contracts().items()):
        rows = [
            (code(field.name), str(field.type), _said(field, b"unit"), _said(field, b"meaning"))
            for field in contract
        ]
        parts += [f"## {code(name)}", table(("column", "type", "unit", "meaning"), rows)]
    return "\n\n".join(parts) + "\n"


def _said(field, key: bytes) -> str:
    return prose(field.metadata[key].decode())
