"""Array maps: where on which array, and in which area, a channel's electrode is."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from evoalign import tables
from evoalign.errors import InputError
from evoalign.recordings.tables import CHANNELS
from evoalign.tabbed import read_tabbed, read_text, whole_number

COLUMNS = ("channel", "array", "connector", "area", "x_um", "y_um")
PITCH_UM = 400.0  # of Utah arrays, on whose grid .cmp files count
HINT = f"give the columns {' '.join(COLUMNS)}, separated by tabs, one row a channel"


def read_array_map(path: str | PathLike[str]) -> pd.DataFrame:
    """Read an array map.

    Parameters
    ----------
    path : path
        A tab-separated table (``channel array connector area x_um y_um``;
        lines that start with ``#`` are comments, positions may be empty) or
        Blackrock's ``.cmp`` (column, row, bank, electrode, label).

    Returns
    -------
    pandas.DataFrame
        ``channel`` int64, ``array``, ``connector``, ``area`` text, ``x_um``,
        ``y_um`` float64 (NaN when unknown).

    Raises
    ------
    InputError
        The file is missing, or a row is damaged or doubled.
    """
    path = Path(path)
    rows = _cmp_rows(path) if path.suffix.lower() == ".cmp" else _tsv_rows(path)
    frame = pd.DataFrame(rows, columns=["row", *COLUMNS])
    doubled = frame[frame["channel"].duplicated()]
    if not doubled.empty:
        first_duplicate = doubled.iloc[0]
        raise InputError(
            f"channel {first_duplicate['channel']} stands twice",
            f"{path}, row {first_duplicate['row']}",
            HINT,
        )
    if frame.empty:
        raise InputError("the array map has no rows", path, HINT)
    types = {"channel": "int64", "x_um": "float64", "y_um": "float64"}
    return frame.drop(columns="row").astype(types)


def _tsv_rows(path: Path) -> list[tuple[object, ...]]:
    number, header, rows = read_tabbed(path, "the array map")
    if sorted(header) != sorted(COLUMNS) and header:
        raise InputError(f"the columns are {header}", f"{path}, row {number}", HINT)
    return [_mapped(path, *row) for row in rows]


def _mapped(path: Path, number: int, row: dict[str, str]) -> tuple[object, ...]:
    position_um = [_number(row[axis], path, number) if row[axis] else np.nan for axis in ("x_um", "y_um")]
    channel = _channel(row["channel"], path, number)
    return (number, channel, row["array"], row["connector"], row["area"], *position_um)


def _cmp_rows(path: Path) -> list[tuple[object, ...]]:
    # 'column row bank electrode label', after comments and one line of description.
    rows: list[tuple[object, ...]] = []
    text = read_text(path, "the array map")
    lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    for number, line in [(n, line) for n, line in lines if not line.startswith("//")][1:]:
        cells = line.split()
        if len(cells) < 4 or len(cells[2]) != 1 or not cells[2].isalpha():
            raise InputError(
                f"no row of a channel map: '{line.strip()[:60]}'",
                f"{path}, row {number}",
                "rows hold column, row, bank, electrode and label",
            )
        column, row = _number(cells[0], path, number), _number(cells[1], path, number)
        electrode = _channel(cells[3], path, number)
        bank = cells[2].upper()
        # Banks of 32 electrodes: A1 is channel 1, B1 channel 33, ..
        channel = (ord(bank) - ord("A")) * 32 + electrode
        rows.append((number, channel, path.stem, bank, "", column * PITCH_UM, row * PITCH_UM))
    return rows


def _number(cell: str, path: Path, row: int) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = np.inf
    if not np.isfinite(value):
        raise InputError(f"'{cell}' is no number", f"{path}, row {row}", HINT)
    return value


def _channel(cell: str, path: Path, row: int) -> int:
    try:
        channel = whole_number(cell) if cell.isascii() else 0
    except ValueError:
        channel = 0
    if not 0 < channel < 1_000_000:
        raise InputError(f"'{cell}' is no channel number", f"{path}, row {row}", HINT)
    return channel


def apply_array_map(channels: pd.DataFrame, array_map: pd.DataFrame) -> pd.DataFrame:
    """Enter array, connector, area and position of the neural channels of a recording.

    Channels that the map does not name keep what they have; the map may name
    channels that were not recorded.

    Parameters
    ----------
    channels : pandas.DataFrame
        `CHANNELS`.
    array_map : pandas.DataFrame
        As `read_array_map` returns it.
    """
    mapped = channels.copy()
    map_rows = array_map.set_index("channel")
    rows = (mapped["kind"] == "neural") & mapped["channel"].isin(map_rows.index)
    for column in COLUMNS[1:]:
        mapped.loc[rows, column] = map_rows.loc[mapped.loc[rows, "channel"], column].to_numpy()
    return tables.conform(mapped, CHANNELS)
