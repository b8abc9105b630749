"""Array maps: where on which array, and in which area, a channel's electrode is."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd

from evoalign import tables
from evoalign.errors import InputError
from evoalign.recordings.tables import CHANNELS
from evoalign.tabbed import read_tabbed, read_text, whole_number

COLUMNS = ("channel", "array", "connector", "area", "x_um", "y_um")
MOST_UNNAMED = 0.5  # of the neural channels: a map that lacks so many is another's, or was cut
PITCH_UM = 400.0  # of Utah arrays, on whose grid .cmp files count
log = logging.getLogger(__name__)

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
        The file is missing, a row is damaged or doubled, or an area is written in two ways.
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
    if twice := two_spellings(frame["area"]):
        raise InputError(
            f"one area is written '{twice[0]}' and '{twice[1]}'",
            path,
            "write it alike: they would be two areas",
        )
    types = {"channel": "int64", "x_um": "float64", "y_um": "float64"}
    return frame.drop(columns="row").astype(types)


def two_spellings(areas: Iterable[str]) -> tuple[str, str] | None:
    """Return the first two names that differ by case or blanks alone; None where there are none.

    Examples
    --------
    >>> two_spellings(["V4", "PIT", "v4"])
    ('V4', 'v4')
    """
    spelling: dict[str, str] = {}
    for area in areas:
        first = spelling.setdefault("".join(area.casefold().split()), area)
        if first != area:
            return first, area
    return None


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


def apply_array_map(
    channels: pd.DataFrame, array_map: pd.DataFrame, where: str | PathLike[str] = "array map"
) -> pd.DataFrame:
    """Enter array, connector, area and position of the neural channels of a recording.

    A few channels that the map does not name keep what they have, which the log
    tells; the map may name channels that were not recorded.

    Parameters
    ----------
    channels : pandas.DataFrame
        `CHANNELS`.
    array_map : pandas.DataFrame
        As `read_array_map` returns it.
    where : str or path
        The map, for messages.

    Raises
    ------
    InputError
        The map names no more than half of the recording's neural channels: it is
        of another recording, or was cut.
    """
    mapped = channels.copy()
    map_rows = array_map.set_index("channel")
    is_neural = mapped["kind"] == "neural"
    has_voltage = is_neural & (mapped["stream"] != "")
    rows = is_neural & mapped["channel"].isin(map_rows.index)
    recorded = has_voltage if has_voltage.any() else is_neural
    unnamed = mapped.loc[recorded & ~rows, "channel"].tolist()
    if unnamed:
        share = f"{len(unnamed)} of {recorded.sum()} neural channels"
        text = f"{share} are not in the map, the first is {unnamed[0]}"
        if len(unnamed) >= MOST_UNNAMED * recorded.sum():
            raise InputError(
                text,
                where,
                "give this recording's whole map; a channel that is on no array gets a row "
                "(.tsv) whose array and area are empty",
            )
        log.warning("%s: %s: their area is unknown", where, text)
    for column in COLUMNS[1:]:
        mapped.loc[rows, column] = map_rows.loc[mapped.loc[rows, "channel"], column].to_numpy()
    return tables.conform(mapped, CHANNELS)
