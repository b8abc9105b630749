"""The plain stimulus log: a tab-separated table with the columns of `LOG`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evoalign import tables
from evoalign.errors import InputError
from evoalign.events.log_order import DAMAGED, MAX_SHARE
from evoalign.events.tables import LOG
from evoalign.tabbed import check_columns, read_tabbed, whole_number

REQUIRED = ("trial", "image", "onset_word", "onset_s", "offset_s")
_NO_OFFSET_WORD = -1
_FLAGS = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}


def read_tsv(path: Path) -> pd.DataFrame:
    """Read a tab-separated log.

    Columns trial, image, onset_word, onset_s and offset_s must be there; the
    others of `LOG` may be left out. Row 1 is the header; empty lines and
    lines that start with ``#`` are ignored. An empty offset_s means that
    the trial broke while the image was shown.

    Raises
    ------
    InputError
        Naming file, row and column.
    """
    numbers, header, cells = _cells(path)
    if not cells:
        return tables.empty(LOG)
    columns = {name: [row[i] for row in cells] for i, name in enumerate(header)}
    where = [f"{path}, row {number}" for number in numbers]
    frame = {name: _column(name, values, where) for name, values in columns.items()}
    log = pd.DataFrame(frame, columns=header)
    n = len(log)
    defaults: dict[str, Any] = {
        "presentation": np.arange(n),
        "offset_word": _NO_OFFSET_WORD,
        "block": -1,
        "thread": -1,
        "space": "",
        "latent_row": -1,
        "reference": False,
        "reason": "",
    }
    log = log.assign(**{name: value for name, value in defaults.items() if name not in log})
    log = _without_few_backward_offsets(log)
    _check_rows(log, where)
    return tables.conform(log, LOG)


def _cells(path: Path) -> tuple[list[int], list[str], list[list[str]]]:
    number, header, rows = read_tabbed(path, "the log")
    if not header:
        raise InputError("the log is empty", path, f"give the columns {', '.join(REQUIRED)}")
    _check_header(header, f"{path}, row {number}")
    numbered = [(row.number, list(row.cells.values())) for row in rows]
    return [number for number, _ in numbered], header, [cells for _, cells in numbered]


def _check_header(header: list[str], where: str) -> None:
    check_columns(header, LOG.names, where)
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        raise InputError(f"columns {missing} are missing", where, f"give {', '.join(REQUIRED)}")


def _column(name: str, values: list[str], where: list[str]) -> list[Any]:
    kind = LOG.field(name).type
    convert: Callable[[str], Any] = str
    if kind == tables.INT:
        convert = _whole_number
    elif kind == tables.FLOAT:
        convert = _seconds
    elif kind == tables.FLAG:
        convert = lambda cell: _FLAGS[cell.lower()]  # noqa: E731
    converted = []
    for cell, row_name in zip(values, where, strict=True):
        try:
            converted.append(convert(cell))
        except (ValueError, KeyError):
            decimal_comma = kind == tables.FLOAT and "," in cell
            hint = "write a decimal point, not a comma" if decimal_comma else f"write a {_words(kind)}"
            raise InputError(
                f"'{cell[:40]}' is no {_words(kind)}", f"{row_name}, column {name}", hint
            ) from None
    return converted


def _whole_number(cell: str) -> int:
    value = whole_number(cell)
    if abs(value) > 2**53:
        raise ValueError(cell)
    return value


def _seconds(cell: str) -> float:
    # Empty: there was none. Infinite or spelled-out nan are mistakes.
    value = float(cell) if cell else np.nan
    if cell and not np.isfinite(value):
        raise ValueError(cell)
    return value


def _words(kind: Any) -> str:
    return {tables.INT: "whole number", tables.FLOAT: "time in seconds"}.get(kind, "true or false")


def _without_few_backward_offsets(log: pd.DataFrame) -> pd.DataFrame:
    """Give a reason to the trials of a few rows whose offset is not after their onset."""
    backward = (log["offset_s"] <= log["onset_s"]).to_numpy()
    if not backward.any() or backward.sum() > MAX_SHARE * len(log):
        return log
    damaged = log["trial"].isin(log.loc[backward, "trial"]) & (log["reason"] == "")
    return log.assign(
        offset_s=log["offset_s"].where(~backward),
        reason=log["reason"].where(~damaged, f"{DAMAGED}: offset_s is not later than onset_s"),
    )


def _check_rows(log: pd.DataFrame, where: list[str]) -> None:
    length = log["offset_s"] - log["onset_s"]
    violations = {
        "presentation": log["presentation"] != np.arange(len(log)),
        "trial": (log["trial"] < 1) | (log["trial"].diff() < 0),
        "onset_s": log["onset_s"].isna(),
        "offset_s": length <= 0,
        "onset_word": (log["onset_word"] < 0) | (log["onset_word"] > 65_535),
        "offset_word": (log["offset_word"] < -1) | (log["offset_word"] > 65_535),
        "block": log["block"] < -1,
        "thread": log["thread"] < -1,
        "latent_row": log["latent_row"] < -1,
    }
    must = {
        "presentation": "count rows from 0",
        "trial": "count from 1 and never fall",
        "onset_s": "be a time in seconds",
        "offset_s": "be later than onset_s",
        "onset_word": "lie in 0..65535",
        "offset_word": "lie in 0..65535 (-1: none)",
    }
    for name, is_wrong in violations.items():
        rows = np.flatnonzero(is_wrong.to_numpy())
        if len(rows):
            value = log[name].iloc[rows[0]]
            raise InputError(
                f"{name} is {value}",
                f"{where[rows[0]]}, column {name}",
                f"it must {must.get(name, 'be -1 or more')}",
            )
