"""Tables from arrays that share their axes."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from torch import Tensor

from evoalign.errors import InputError

# What pandas keeps text as: a table of this type becomes a frame without casting it.
TEXT = pa.large_string()
# For tables of tens of thousands of rows that name the same few things: a byte a row.
CATEGORY = pa.dictionary(pa.int8(), TEXT)
SINGLE = (str, bool, int, float, np.generic)
Axis = Mapping[str, Sequence[Any] | np.ndarray]


def table_of(contract: pa.Schema, *parts: Mapping[str, Any], text: pa.DataType = TEXT) -> pd.DataFrame:
    """Build the table of a contract from columns, without frames in between.

    Every session makes a dozen tables; putting each together column by column
    in pandas and then holding it against its contract costs more than all
    statistics in them.

    Parameters
    ----------
    contract : pyarrow.Schema
        Of `evoalign.tables`.
    *parts : mapping of str to array, sequence or single value
        Columns of some rows, the parts one below the other; a single value
        holds for all rows of its part.
    text : pyarrow.DataType
        `TEXT`, or `CATEGORY` for text as categorical columns.

    Raises
    ------
    InputError
        A column is missing or too many, or values do not fit the dtype.
    """
    table = pa.concat_tables(_part(contract, columns, text) for columns in parts)
    # Columns as they are: gathering them in blocks copies, and threads are slower at this size.
    return table.to_pandas(split_blocks=True, use_threads=False)


def _part(contract: pa.Schema, columns: Mapping[str, Any], text: pa.DataType) -> pa.Table:
    if set(columns) != set(contract.names):
        name = contract.metadata[b"table"].decode()
        differing = sorted(set(columns) ^ set(contract.names))
        raise InputError(f"table '{name}' breaks its contract: columns {differing} are missing or unknown")
    n = max((len(value) for value in columns.values() if not isinstance(value, SINGLE)), default=1)
    try:
        schema = _as_in_pandas(contract, text)
        arrays = [_column(columns[field.name], field.type, n) for field in schema]
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        name = contract.metadata[b"table"].decode()
        raise InputError(f"table '{name}' breaks its contract: {error}") from error
    return pa.Table.from_arrays(arrays, schema=schema)


@functools.cache
def _as_in_pandas(contract: pa.Schema, text: pa.DataType) -> pa.Schema:
    return pa.schema(
        [field.with_type(text) if pa.types.is_string(field.type) else field for field in contract]
    )


def _column(value: Any, dtype: pa.DataType, n: int) -> pa.Array:
    if isinstance(value, SINGLE):
        if dtype == CATEGORY:
            return pa.DictionaryArray.from_arrays(np.zeros(n, np.int8), pa.array([value], TEXT))
        return pa.repeat(pa.scalar(value, dtype), n)
    if isinstance(value, pa.DictionaryArray):
        return value if dtype == CATEGORY else value.dictionary_decode()
    # from_pandas=False keeps NaN as NaN, as everywhere in `tables`.
    return pa.array(value, dtype, from_pandas=False)


def long_columns(axes: Sequence[Axis], values: Mapping[str, Any]) -> dict[str, Any]:
    """Columns with a row for every cell of arrays that share their axes.

    Parameters
    ----------
    axes : sequence of mappings of str to sequence
        For each axis of the arrays the columns that label it.
    values : mapping of str to array
        Column name -> array [len of axis 1, len of axis 2, ..] or what
        broadcasts to it.
    """
    shape = tuple(len(next(iter(axis.values()))) for axis in axes)
    index = np.indices(shape, sparse=True)
    columns: dict[str, Any] = {}
    for axis, at in zip(axes, index, strict=True):
        columns |= {name: _along(np.asarray(labels), at, shape) for name, labels in axis.items()}
    return columns | {name: np.broadcast_to(as_array(value), shape).ravel() for name, value in values.items()}


def _along(labels: np.ndarray, at: NDArray[np.int64], shape: tuple[int, ...]) -> Any:
    if labels.dtype.kind in "UO":
        names, codes = np.unique(labels, return_inverse=True)
        # As `CATEGORY` has them, unless there are more.
        codes = codes.astype(np.int8 if len(names) <= 128 else np.int32)
        rows = np.broadcast_to(codes[at], shape).ravel()
        return pa.DictionaryArray.from_arrays(rows, pa.array(names.tolist(), TEXT))
    return np.broadcast_to(labels[at], shape).ravel()


def keep_rows(columns: Mapping[str, Any], keep: NDArray[np.bool_]) -> dict[str, Any]:
    """Columns of the rows where `keep` (bool [row]) is true."""
    if keep.all():
        return dict(columns)
    mask = pa.array(keep)
    return {
        name: value.filter(mask) if isinstance(value, pa.Array) else value[keep]
        for name, value in columns.items()
    }


def long_table(axes: Mapping[str, Any], values: Mapping[str, Any]) -> pd.DataFrame:
    """Rows for every cell of arrays that share their axes, as a frame.

    Parameters
    ----------
    axes : mapping of str to sequence
        Axis name -> labels, in the order of the arrays' axes.
    values : mapping of str to array
        As for `long_columns`.
    """
    shape = tuple(len(labels) for labels in axes.values())
    index = np.indices(shape, sparse=True)
    columns = {
        name: np.broadcast_to(np.asarray(labels)[at], shape).ravel()
        for (name, labels), at in zip(axes.items(), index, strict=True)
    }
    columns |= {name: np.broadcast_to(as_array(value), shape).ravel() for name, value in values.items()}
    return pd.DataFrame(columns)


def as_array(value: Any) -> np.ndarray:
    """NumPy array of a tensor on any device, or of what is array-like."""
    return value.cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
