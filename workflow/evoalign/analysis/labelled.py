"""A session's analysis as one dataset of labelled arrays, and the tables that are written from it.

Variable ``psth_mean_hz`` of the dataset is column `mean_hz` of table `psth`: a column's variable has the
table's name before it, and what several tables share (the axes, and whose session it is) has none. A table
has a row for every cell of its variables; unit and meaning of a variable are those of its column.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import xarray as xr

from evoalign.errors import InputError
from evoalign.tables import contract_of

TEXT = pa.large_string()  # what pandas keeps text as
# Columns that label cells: coordinates of the dataset.
LABELS = {"window", "start_ms", "stop_ms", "thread", "space", "kind", "statistic"}
ROWS = "listed"  # variable of a table, bool: which cells are rows of it; without it all are
Arrays = dict[str, tuple[tuple[str, ...], Any]]  # column -> its axes and its values


def as_array(value: Any) -> np.ndarray:
    """NumPy array of a tensor on any device, or of what is array-like."""
    # Told by what it can do: to read a session PyTorch need not be loaded.
    return value.cpu().numpy() if hasattr(value, "cpu") else np.asarray(value)


def dataset_of(shared: Arrays, tables: Mapping[str, Arrays], attrs: Mapping[str, str]) -> xr.Dataset:
    """Put the arrays of several tables into one dataset.

    Parameters
    ----------
    shared : dict of str to (axes, values)
        Coordinates of several tables.
    tables : mapping of str to dict of str to (axes, values)
        By the tables' names the columns that are not shared; see the head of this module.
    attrs : mapping of str to str
        Of the whole dataset.
    """
    # Arrays as they are: looking through text for dates takes a third of the time.
    coords = {
        name: xr.Variable(axes, _storable(values), fastpath=True) for name, (axes, values) in shared.items()
    }
    variables: dict[str, xr.Variable] = {}
    for name, arrays in tables.items():
        described = _described(contract_of(name))
        for column, (axes, values) in arrays.items():
            variable = xr.Variable(axes, _storable(values), described.get(column), fastpath=True)
            (coords if column in LABELS else variables)[f"{name}_{column}"] = variable
    return xr.Dataset(variables, coords, attrs)


@functools.cache
def _described(contract: pa.Schema) -> dict[str, dict[str, str]]:
    """Units and meanings of a table's columns; of those of each thread, as ``p_0``, under ``p``, too."""
    described: dict[str, dict[str, str]] = {}
    for field in contract:
        words = {"units": field.metadata[b"unit"], "long_name": field.metadata[b"meaning"]}
        attrs = {key: text.decode() for key, text in words.items() if text}
        described |= {field.name: attrs, field.name.removesuffix("_0"): attrs}
    return described


def _storable(values: Any) -> np.ndarray:
    """Text as objects, as it comes back from a file."""
    array = as_array(values)
    return array.astype(object) if array.dtype.kind == "U" else array


def table_of(name: str, dataset: xr.Dataset) -> pd.DataFrame:
    """Table of a dataset, held against its contract; without rows where the dataset has none of it.

    Parameters
    ----------
    name : str
        Of the table.
    dataset : xarray.Dataset
        Of `dataset_of`, or several such one below the other, of `stacked`.

    Raises
    ------
    InputError
        Values do not fit the contract.
    """
    contract = contract_of(name)
    if not any(str(variable).startswith(f"{name}_") for variable in dataset.data_vars):
        return contract.empty_table().to_pandas()
    variables = {column: _variable(dataset, name, column) for column in contract.names}
    axes = max((variable.dims for variable in variables.values()), key=len)
    shape = tuple(dataset.sizes[axis] for axis in axes)
    rows = None
    if f"{name}_{ROWS}" in dataset:
        rows = np.flatnonzero(_spread(dataset.variables[f"{name}_{ROWS}"], axes, shape))
    try:
        columns = [
            _column(
                variables[field.name], axes, shape, rows, TEXT if field.type == pa.string() else field.type
            )
            for field in contract
        ]
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InputError(f"table '{name}' breaks its contract: {error}") from error
    # Columns as they are: gathering them in blocks copies, and threads are slower at this size.
    return pa.table(columns, names=contract.names).to_pandas(split_blocks=True, use_threads=False)


def _variable(dataset: xr.Dataset, name: str, column: str) -> xr.Variable:
    """Variable of a column; of a column of one thread, as ``p_0``, that thread's part."""
    for variable in (f"{name}_{column}", column):
        if variable in dataset.variables:
            return dataset.variables[variable]
    stem, _, thread = column.rpartition("_")
    return _variable(dataset, name, stem).isel(thread=int(thread))


def _spread(variable: xr.Variable, axes: Sequence[Hashable], shape: Sequence[int]) -> np.ndarray:
    """Values of a variable for every cell of all axes."""
    places = tuple(slice(None) if axis in variable.dims else None for axis in axes)
    in_order = variable.transpose(*(axis for axis in axes if axis in variable.dims))
    return np.broadcast_to(in_order.values[places], shape).ravel()


def _column(
    variable: xr.Variable,
    axes: Sequence[Hashable],
    shape: Sequence[int],
    rows: np.ndarray | None,
    dtype: pa.DataType,
) -> pa.Array:
    if dtype == TEXT and len(variable.dims) < len(axes):
        # Text that labels many cells is written down once and looked up.
        places = xr.Variable(variable.dims, np.arange(variable.size).reshape(variable.shape))
        at = _spread(places, axes, shape)
        names = pa.array(variable.values.ravel().tolist(), TEXT)
        return names.take(pa.array(at if rows is None else at[rows]))
    values = _spread(variable, axes, shape)
    # from_pandas=False keeps NaN as NaN, as everywhere in `tables`.
    return pa.array(values if rows is None else values[rows], dtype, from_pandas=False)


def stacked(parts: Sequence[Mapping[Any, xr.Variable]], axis: str) -> dict[str, xr.Variable]:
    """Variables of several sessions one below the other, along a new first axis.

    Parameters
    ----------
    parts : sequence of mappings of str to xarray.Variable
        Of each session the same variables.
    axis : str
        Name of the new axis.

    Raises
    ------
    InputError
        Sessions were analysed in different windows: they may differ in their number of blocks, no more.
        Runs that are shorter than the longest end in NaN.
    """
    variables = {}
    for name, first in parts[0].items():
        of_sessions = [part[name] for part in parts]
        sizes = {variable.shape for variable in of_sessions}
        lengths = dict(zip(first.dims, zip(*sizes, strict=True), strict=True))
        if len(sizes) == 1:
            values = np.stack([variable.values for variable in of_sessions])
        elif all(len(set(of_dim)) == 1 for dim, of_dim in lengths.items() if dim != "block"):
            values = np.full((len(parts), *map(max, lengths.values())), np.nan)
            for row, variable in zip(values, of_sessions, strict=True):
                row[tuple(slice(length) for length in variable.shape)] = variable.values
        else:
            raise InputError(
                f"sessions were analysed in different windows: {name} has the shapes {sorted(sizes)}",
                "tables of sessions",
                "remove the folders of the older ones and run again",
            )
        variables[name] = xr.Variable((axis, *first.dims), values, first.attrs)
    return variables


def write(dataset: xr.Dataset, path: str | PathLike[str]) -> None:
    """Write a dataset as a netCDF file of the classic format, which every reader of netCDF opens."""
    dataset.to_netcdf(Path(path), format="NETCDF3_64BIT", engine="scipy")


def read(path: str | PathLike[str]) -> xr.Dataset:
    """Read a dataset of `write` into memory."""
    return xr.load_dataset(path, engine="scipy")


def long_table(axes: Mapping[str, Any], values: Mapping[str, Any]) -> pd.DataFrame:
    """Rows for every cell of arrays that share their axes, as a frame.

    Parameters
    ----------
    axes : mapping of str to sequence or pandas.DataFrame
        Axis name -> labels, in the order of the arrays' axes; a frame's columns label its axis together.
    values : mapping of str to array
        Column name -> array [len of axis 1, len of axis 2, ..] or what broadcasts to it.
    """
    shape = tuple(len(labels) for labels in axes.values())
    columns = {}
    for (axis, labels), at in zip(axes.items(), np.indices(shape, sparse=True), strict=True):
        for name, label in labels.items() if isinstance(labels, pd.DataFrame) else [(axis, labels)]:
            columns[name] = np.broadcast_to(np.asarray(label)[at], shape).ravel()
    columns |= {name: np.broadcast_to(as_array(value), shape).ravel() for name, value in values.items()}
    return pd.DataFrame(columns)
