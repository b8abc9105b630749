"""Contracts of the tables written between stages: columns with name, dtype, unit and meaning.

A contract is a `pyarrow.Schema`: each field has a name, a dtype and, in its
metadata, a unit and a meaning. A room's contracts are in its ``tables.py``, a
pooled statistic's beside the statistic. `write` refuses a frame that breaks its
contract, so a reader of the file may rely on it; the units and meanings
travel in the Parquet file.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from evoalign.errors import InputError
from evoalign.files import atomic_write

# What a cell begins with that a spreadsheet program computes.
FORMULA = ("=", "+", "-", "@", "\t")

_CONTRACTS: dict[str, pa.Schema] = {}

INT, FLOAT, TEXT, FLAG = pa.int64(), pa.float64(), pa.string(), pa.bool_()


def column(name: str, dtype: pa.DataType, unit: str, meaning: str) -> pa.Field:
    """Return a column of a contract; `unit` is '' where there is none."""
    return pa.field(name, dtype, metadata={"unit": unit, "meaning": meaning})


def table(name: str, *columns: pa.Field) -> pa.Schema:
    """Return the contract of the table of that name, which `contract_of` then knows.

    Raises
    ------
    ValueError
        Another table has the name.
    """
    contract = pa.schema(columns, metadata={"table": name})
    if _CONTRACTS.setdefault(name, contract) != contract:
        raise ValueError(f"two tables are called '{name}'")
    return contract


def contract_of(name: str) -> pa.Schema:
    """Return the contract of a table by its name, as 'spikes'.

    Raises
    ------
    KeyError
        No module that was imported has a table of that name.
    """
    return _CONTRACTS[name]


def by_name(*contracts: pa.Schema) -> dict[str, pa.Schema]:
    """Return contracts by the names of their tables."""
    return {contract.metadata[b"table"].decode(): contract for contract in contracts}


def contracts() -> dict[str, pa.Schema]:
    """Return the contracts of all tables of the modules that were imported, by name."""
    return dict(_CONTRACTS)


def conform(frame: pd.DataFrame, contract: pa.Schema) -> pd.DataFrame:
    """Return `frame` with exactly the columns and dtypes of `contract`.

    Parameters
    ----------
    frame : pandas.DataFrame
        Rows to hold against the contract. Extra columns are refused.
    contract : pyarrow.Schema
        As `table` returns it.

    Raises
    ------
    InputError
        A column is missing or too many, or values do not fit the dtype.
    """
    return _to_arrow(frame, contract).to_pandas()


def conform_or_empty(frame: pd.DataFrame | None, contract: pa.Schema) -> pd.DataFrame:
    """Return `conform` of a frame; without one, or without rows, the table of the contract without rows."""
    return empty(contract) if frame is None or frame.empty else conform(frame, contract)


def _to_arrow(frame: pd.DataFrame, contract: pa.Schema) -> pa.Table:
    name = contract.metadata[b"table"].decode()
    missing = [c for c in contract.names if c not in frame.columns]
    extra = [c for c in frame.columns if c not in contract.names]
    if missing or extra:
        raise InputError(
            f"table '{name}' breaks its contract: missing columns {missing}, unknown columns {extra}"
        )
    ordered = frame[contract.names].reset_index(drop=True)
    try:
        # from_pandas=False keeps NaN as NaN: null would mean a third thing.
        columns = [pa.array(ordered[f.name], type=f.type, from_pandas=False) for f in contract]
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError, ValueError) as error:
        raise InputError(f"table '{name}' breaks its contract: {error}") from error
    return pa.Table.from_arrays(columns, schema=contract)


def empty(contract: pa.Schema) -> pd.DataFrame:
    """Return the table of `contract` without rows."""
    return contract.empty_table().to_pandas()


def write(
    frame: pd.DataFrame,
    contract: pa.Schema,
    path: str | PathLike[str],
    provenance: Mapping[str, str] | None = None,
) -> None:
    """Write `frame` as a Parquet file that appears whole or not at all.

    Parameters
    ----------
    frame, contract
        As for `conform`.
    path : path
        Where to write.
    provenance : mapping of str to str, optional
        Version, commit, config hash, input checksums: kept in the file's
        metadata under ``provenance.*``.
    """
    table = _to_arrow(frame, contract)
    extra = {f"provenance.{k}": v for k, v in sorted((provenance or {}).items())}
    table = table.replace_schema_metadata({**contract.metadata, **extra})
    with atomic_write(path) as partial:
        pq.write_table(table, partial, compression="zstd")


def read(path: str | PathLike[str], contract: pa.Schema) -> pd.DataFrame:
    """Read a table written by `write`, held against its contract.

    Raises
    ------
    InputError
        The file is missing, no Parquet, or of another contract.
    """
    frame = _read_parquet(Path(path)).to_pandas()
    try:
        return conform(frame, contract)
    except InputError as error:
        raise InputError(error.what, path, "remove the file and run again") from error


def _read_parquet(path: Path) -> pa.Table:
    if not path.exists():
        raise InputError("file does not exist", path)
    try:
        return pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"not a readable Parquet file: {error}", path) from error


def write_all(
    frames: Mapping[str, pd.DataFrame],
    folder: str | PathLike[str],
    provenance: Mapping[str, str] | None = None,
) -> None:
    """Write tables by the lower-case names of their contracts: a folder that appears whole."""
    with atomic_write(folder) as partial:
        partial.mkdir()
        for name, frame in frames.items():
            write(frame, contract_of(name), partial / f"{name}.parquet", provenance)


def read_all(folder: str | PathLike[str], without: Container[str] = ()) -> dict[str, pd.DataFrame]:
    """Read a folder of `write_all`, in the order of the names.

    Each file states the contract that it was held against when it was written.

    Parameters
    ----------
    folder : path
    without : container of str
        Names of tables that are not read.

    Raises
    ------
    InputError
        The folder has no tables, or a file is damaged or was not written by `write_all`.
    """
    files = sorted(Path(folder).glob("*.parquet"))
    if not files:
        raise InputError("no tables in this folder", folder, "remove it and run again")
    frames = {}
    for file in (file for file in files if file.stem not in without):
        stored = _read_parquet(file)
        if (stored.schema.metadata or {}).get(b"table") != file.stem.encode():
            raise InputError(
                f"this is not the pipeline's table '{file.stem}'", file, "remove the folder and run again"
            )
        frames[file.stem] = stored.to_pandas()
    return frames


def without_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table for spreadsheet programs, in which no text is taken for a formula.

    They compute cells that begin with ``=``, ``+``, ``-`` or ``@``, so that a name in a shared file
    could act; such a text gets the apostrophe by which they know a text. Numbers are left alone.
    """
    texts = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
    return frame.assign(**{str(name): frame[name].map(_as_text) for name in texts})


def _as_text(cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    text = cell.replace("\r", " ")  # would end the row
    return f"'{text}" if text.startswith(FORMULA) else text
