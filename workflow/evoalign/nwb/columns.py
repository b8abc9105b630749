"""Tables with a contract <-> NWB tables: one column each, described by the contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hdmf.common import DynamicTable, VectorData, VectorIndex
from numpy.typing import NDArray

from evoalign import tables
from evoalign.errors import InputError
from evoalign.nwb.names import HINT

# Numbers of one or two digits. In one byte, validators do not take 0 and 1 for a flag.
SMALL = ("thread", "segment", "repeat", "vendor_unit")

# Packs a large array for the file: compressed, chunked.
Pack = Callable[[NDArray[Any]], Any]


def describe(field: pa.Field) -> str:
    """Return meaning and unit of a column, as kept in the file."""
    meaning = field.metadata[b"meaning"].decode()
    unit = field.metadata[b"unit"].decode()
    return f"{meaning}; in {unit}" if unit else meaning


def columns(
    frame: pd.DataFrame,
    contract: pa.Schema,
    pack: Pack,
    *,
    rename: Mapping[str, str] | None = None,
    leave_out: Sequence[str] = (),
) -> list[VectorData]:
    """Return the columns of a table, in the order of its contract.

    A float column that is NaN throughout is left out: reading fills it in.

    Parameters
    ----------
    frame, contract
        As for `tables.conform`; at least one row.
    pack : callable
        Packs arrays.
    rename : mapping of str to str, optional
        Our name -> name in the file, where the standard has one.
    leave_out : sequence of str
        Columns that are kept elsewhere.
    """
    nwb_columns = []
    for field in contract:
        if field.name in leave_out:
            continue
        name = (rename or {}).get(field.name, field.name)
        values = frame[field.name]
        if field.type == tables.FLOAT and name == field.name and values.isna().all():
            continue
        nwb_columns.append(
            VectorData(name=name, description=describe(field), data=as_data(values, field, pack))
        )
    return nwb_columns


def as_data(values: pd.Series, field: pa.Field, pack: Pack) -> Any:
    """Return a column's values ``[row]`` as the file keeps them."""
    if field.type == tables.TEXT:
        return [str(value) for value in values]
    array = values.to_numpy(field.type.to_pandas_dtype())
    return pack(array.astype(np.int8) if field.name in SMALL and _one_byte(array) else array)


def _one_byte(array: NDArray[Any]) -> bool:
    return bool(np.array_equal(array.astype(np.int8), array))


def dynamic_table(
    name: str, description: str, nwb_columns: Sequence[VectorData], kind: type = DynamicTable
) -> DynamicTable:
    """Return an NWB table of columns of equal length."""
    names = [column.name for column in nwb_columns]
    ids = np.arange(len(nwb_columns[0].data))
    return kind(name=name, description=description, columns=list(nwb_columns), colnames=names, id=ids)


def table(name: str, description: str, frame: pd.DataFrame, contract: pa.Schema, pack: Pack) -> DynamicTable:
    """Return a plain NWB table of a frame with at least one row."""
    return dynamic_table(name, description, columns(frame, contract, pack))


def frame_of(
    nwb_table: DynamicTable,
    contract: pa.Schema,
    location: str,
    *,
    rename: Mapping[str, str] | None = None,
    known_columns: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Read a table of the file back into its contract.

    Parameters
    ----------
    nwb_table : DynamicTable
        A table of the file.
    contract : pyarrow.Schema
        What to make of it.
    location : str
        File and path of the table in it, for errors.
    rename : mapping of str to str, optional
        Our name -> name in the file.
    known_columns : mapping of str to array, optional
        Columns known already.

    Raises
    ------
    InputError
        A column is missing, of another kind, or unreadable.
    """
    values: dict[str, Any] = dict(known_columns or {})
    for field in contract:
        if field.name in values:
            continue
        name = (rename or {}).get(field.name, field.name)
        if name not in nwb_table.colnames:
            if field.type != tables.FLOAT:
                raise InputError(f"the table lacks column '{name}'", f"{location}/{name}", HINT)
            values[field.name] = np.full(len(nwb_table.id), np.nan)
        else:
            values[field.name] = column_values(nwb_table, name, location)
    try:
        frame = pd.DataFrame({name: values[name] for name in contract.names})
        return tables.conform(_typed(frame, contract), contract)
    except (InputError, ValueError, TypeError) as error:
        problem = error.what if isinstance(error, InputError) else str(error)
        raise InputError(problem, location, HINT) from error


def _typed(frame: pd.DataFrame, contract: pa.Schema) -> pd.DataFrame:
    """Widen numbers of fewer bytes; anything else is for `conform` to refuse."""
    wide_types = {
        field.name: field.type.to_pandas_dtype()
        for field in contract
        if field.type in (tables.INT, tables.FLOAT) and frame[field.name].dtype.kind in "iuf"
    }
    return frame.astype(wide_types)


def vector(data: Any) -> NDArray[Any]:
    """Return what is stored as one dimension, or as MATLAB's vectors of two, ``[row]``; all else as it is.

    MATLAB knows no vector of one dimension, and its exports store ``[row, 1]``.
    """
    values = np.asarray(data)
    return values.ravel() if values.ndim == 2 and 1 in values.shape else values


def column_values(nwb_table: DynamicTable, name: str, location: str) -> Any:
    """Return a column's values, ``[row, ..]``.

    Text that MatNWB stores as ``[row, 1]`` is ``[row]``. Of a ragged column of texts, a row's
    texts are joined by ``;``; of numbers, a row holds one or none (NaN).

    Raises
    ------
    InputError
        The column is damaged, or holds several numbers in a row.
    """
    try:
        column = nwb_table[name]
        ragged = isinstance(column, VectorIndex)
        values = vector(column.target.data[:]) if ragged else np.asarray(column.data[:])
        ends = np.asarray(column.data[:], np.int64).ravel() if ragged else None
    except Exception as error:  # HDF5 and hdmf raise almost anything on damaged bytes
        raise InputError(f"the column cannot be read: {error}", f"{location}/{name}", HINT) from error
    if values.dtype.kind in "OSU" and values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    rows: Any = values
    if values.dtype.kind in "OSU":
        rows = [v.decode() if isinstance(v, bytes) else str(v) for v in values]
    if ends is not None:
        rows = _one_a_row(rows, ends, f"{location}/{name}")
    if len(rows) != len(nwb_table.id):
        raise InputError(f"{len(rows)} values for {len(nwb_table.id)} rows", f"{location}/{name}", HINT)
    return rows


def _one_a_row(values: Any, ends: NDArray[np.int64], location: str) -> Any:
    """Bring a ragged column to one value a row: texts joined, numbers alone or NaN."""
    counts = np.diff(ends, prepend=0)
    if (counts < 0).any() or (len(ends) and ends[-1] != len(values)):
        raise InputError("the index does not fit the column", location, HINT)
    if isinstance(values, list):
        return [";".join(values[end - n : end]) for n, end in zip(counts, ends, strict=True)]
    if values.ndim != 1 or (counts > 1).any():
        raise InputError(f"a row holds up to {counts.max()} numbers, not one", location, HINT)
    first_value = np.full(len(ends), np.nan)
    first_value[counts == 1] = values
    return first_value
