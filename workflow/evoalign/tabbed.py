"""Tab-separated text as people and spreadsheet programs write it: sample sheet, log, array map."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from evoalign.errors import InputError
from evoalign.settings import nearest

SAVE_AS = "save it as tab-separated text"


class TabbedRow(NamedTuple):
    """A row of a table: its number in the file, from 1, and its cells by column."""

    number: int
    cells: dict[str, str]


def read_tabbed(path: str | PathLike[str], what: str) -> tuple[int, list[str], Iterator[TabbedRow]]:
    """Read a table whose first row names its columns.

    Empty rows and those that start with ``#`` are passed over, as are empty
    cells behind the last column; quotes around a cell, which spreadsheet
    programs add, are taken off. UTF-8 and, as these programs call "Unicode
    text", UTF-16 with its mark are read.

    Parameters
    ----------
    path : path
    what : str
        What the file is, for messages: 'the log'.

    Returns
    -------
    number : int
        Row of the header; 0 where the file is empty.
    header : list of str
        Names of the columns.
    rows : iterator of TabbedRow
        So that the columns are judged before the rows.

    Raises
    ------
    InputError
        The file cannot be read, is no such text, is separated by something
        else, or a row has more or fewer cells than the header.
    """
    path = Path(path)
    # Only line feeds end a row: str.splitlines would also split at form feeds and the like.
    lines = [
        (number, line.rstrip("\r"))
        for number, line in enumerate(read_text(path, what).split("\n"), 1)
        if line.strip() and not line.startswith("#")
    ]
    if not lines:
        return 0, [], iter(())
    (first, names), *others = lines
    header = _without_empty_end([_plain(cell) for cell in names.split("\t")], 0)
    _check_separator(header, f"{path}, row {first}", what)
    return first, header, _rows(path, header, others)


def _rows(path: Path, header: list[str], lines: list[tuple[int, str]]) -> Iterator[TabbedRow]:
    for number, line in lines:
        cells = _without_empty_end([_plain(cell) for cell in line.split("\t")], len(header))
        if len(cells) != len(header):
            raise InputError(
                f"the row has {len(cells)} cells, the header {len(header)}",
                f"{path}, row {number}",
                "separate cells by one tab",
            )
        yield TabbedRow(number, dict(zip(header, cells, strict=True)))


def check_columns(header: list[str], known: list[str], where: str) -> None:
    """Refuse columns that are not known, with the nearest that is, and those that stand twice.

    Raises
    ------
    InputError
        Naming the column; `where` names the file and the row.
    """
    for column in header:
        if column not in known:
            raise InputError(f"unknown column '{column}'", where, nearest(column, known))
        if header.count(column) > 1:
            raise InputError(f"column '{column}' stands twice", where, "keep one of them")


def whole_number(cell: str) -> int:
    """Return the number in a cell; ``1.0``, as spreadsheet programs and MATLAB write it, is 1.

    Raises
    ------
    ValueError
        It is none.
    """
    with_point = re.fullmatch(r"([+-]?\d+)\.0*", cell)
    return int(with_point[1] if with_point else cell)


def read_text(path: Path, what: str) -> str:
    """Return the text of a file in UTF-8, or in UTF-16 with its mark.

    Raises
    ------
    InputError
        It cannot be read, or is no such text; `what` names it.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {what}: {error.strerror}", path, "check the path") from error
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{what} is not UTF-8 text", f"{path}, byte {error.start}", f"{SAVE_AS} in UTF-8"
        ) from error
    if "\0" in text:  # no name of a file may hold one: the system refuses it with an error of its own
        row = text[: text.index("\0")].count("\n") + 1
        raise InputError(f"{what} holds a byte of 0, which no text has", f"{path}, row {row}", SAVE_AS)
    return text


def _plain(cell: str) -> str:
    cell = cell.strip()
    if len(cell) >= 2 and cell[0] == cell[-1] == '"':
        return cell[1:-1].replace('""', '"').strip()
    return cell


def _without_empty_end(cells: list[str], at_least: int) -> list[str]:
    while len(cells) > at_least and not cells[-1]:
        cells = cells[:-1]
    return cells


def _check_separator(header: list[str], where: str, what: str) -> None:
    if len(header) == 1:
        for separator in ";,|":
            if separator in header[0]:
                raise InputError(f"{what} is separated by '{separator}', not by tabs", where, SAVE_AS)
