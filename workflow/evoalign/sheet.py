"""The sample sheet: one row a session, as typed, checked objects."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Callable, Iterable, Iterator
from os import PathLike
from pathlib import Path

from pydantic import Field, ValidationError, field_validator, model_validator

from evoalign import storage
from evoalign.errors import InputError
from evoalign.settings import Section, explain, nearest
from evoalign.tabbed import check_columns, read_tabbed

EXCEL_DAY_0 = dt.date(1899, 12, 30)
RESERVED = ("population",)  # beside those of the sessions lies the folder of the pooled figures
LATENT_TABLES = (".npz", ".csv", ".tsv")


class Session(Section):
    """One row of sessions.tsv: one experiment."""

    session: str = Field(description="unique name; letters, digits, '_' and '-'", pattern=r"^[A-Za-z0-9_-]+$")
    subject: str = Field(description="name of the animal", min_length=1)
    date: dt.date | None = Field(None, description="yyyy-mm-dd; '' = as in the recording's header")
    nwb: str = Field(
        "", description="an NWB file or .nwb.zarr folder, in place of raw, log, images and arrays"
    )
    raw: tuple[str, ...] = Field((), description="raw files, separated by ';' (a.nev;a.ns6, a.plx or a.pl2)")
    log: str = Field("", description="stimulus log (.tsv, .bhv2, .h5, .mat)")
    latents: str = Field(
        "",
        description="folder of block*_thread*_code.mat files; with another tool's nwb: tables of image and "
        "vector (.npz, .csv, .tsv), of thread 0 and of thread 1, separated by ';'",
    )
    images: str = Field("", description="folder of the shown images")
    arrays: str = Field("", description="array map: channel to array, area and position")
    preferred: str = Field(
        "",
        description="channel and online unit letter that drove the evolution, as 12a",
        pattern=r"^(\d+[a-z]?)?$",
    )
    site: str = Field(
        "",
        description="recording site: the same name in every session of it; '' = animal, array, channel, unit",
    )
    spaces: tuple[str, ...] = Field((), description="space of thread 0 and of thread 1, separated by ';'")
    optimisers: tuple[str, ...] = Field(
        (), description="optimiser of thread 0 and of thread 1, separated by ';'; '' = unknown"
    )
    photodiode: str = Field("", description="name or number of the photodiode's analog channel; '' = none")
    curation: str = Field(
        "", description="manual curation: SpikeInterface's .json, or a folder of phy; it wins over the sorter"
    )
    unstable_baseline: str = Field("", description="reason to exclude the session; '' = stable")
    follows: str = Field(
        "", description="session whose evolution a Hessian tuning session follows; '' = none, or its own"
    )

    @field_validator("session")
    @classmethod
    def _not_reserved(cls, name: str) -> str:
        if name.casefold() in RESERVED:
            raise ValueError(f"'{name}' names a folder of the results: give the session another name")
        return name

    @field_validator("raw", "spaces", "optimisers", mode="before")
    @classmethod
    def _split(cls, cell: object) -> object:
        if isinstance(cell, str):
            return tuple(part.strip() for part in cell.split(";") if part.strip())
        return cell

    @field_validator("date", mode="before")
    @classmethod
    def _day(cls, cell: object) -> object:
        """Take yyyy-mm-dd and yyyymmdd; pydantic would take other numbers for seconds since 1970."""
        if not isinstance(cell, str):
            return cell
        if not cell:
            return None
        if re.fullmatch(r"\d{5}(\.0*)?", cell):
            day = EXCEL_DAY_0 + dt.timedelta(days=int(cell[:5]))
            raise ValueError(f"'{cell}' counts days as a spreadsheet does (Excel's {day}): write yyyy-mm-dd")
        try:
            return dt.datetime.strptime(cell, "%Y%m%d" if cell.isdigit() else "%Y-%m-%d").date()
        except ValueError:
            raise ValueError(f"'{cell}' is no day written yyyy-mm-dd") from None

    @model_validator(mode="after")
    def _raw_or_nwb(self) -> Session:
        if self.raw and self.nwb:
            raise ValueError("give raw files or an nwb file, not both")
        if len(self.optimisers) not in (0, 2):
            raise ValueError("optimisers names two, of thread 0 and of thread 1, separated by ';', or none")
        if not (self.raw or self.nwb or self.log):
            raise ValueError("give raw files, an nwb file or at least a log")
        _check_latents(self)
        return self

    @property
    def latent_tables(self) -> tuple[str, ...]:
        """Tables of image and vector that belong to an NWB file of another tool."""
        return tuple(part.strip() for part in self.latents.split(";") if part.strip()) if self.nwb else ()

    @property
    def preferred_channel(self) -> int:
        """Channel of the preferred unit; -1 when the sheet names none."""
        match = re.match(r"\d+", self.preferred)
        return int(match.group()) if match else -1

    @property
    def preferred_unit(self) -> int:
        """Online unit of the preferred unit: a = 1, b = 2, ..; 0 when without a letter."""
        letter = self.preferred.lstrip("0123456789")
        return ord(letter) - ord("a") + 1 if letter else 0

    @property
    def files(self) -> tuple[str, ...]:
        """Every path that the row names."""
        latents = self.latent_tables or (self.latents,)
        named = (*self.raw, self.nwb, self.log, *latents, self.images, self.arrays, self.curation)
        return tuple(path for path in named if path)


def _check_latents(session: Session) -> None:
    """Refuse latents of another kind than the row's: tables with an NWB file, else a folder."""
    if not session.nwb:
        if ";" in session.latents or Path(session.latents).suffix in LATENT_TABLES:
            raise ValueError("latents names one folder; tables of image and vector go with an nwb file")
        return
    others = [path for path in session.latent_tables if Path(path).suffix not in LATENT_TABLES]
    if others:
        raise ValueError(f"latents of an nwb file are tables ({', '.join(LATENT_TABLES)}), not '{others[0]}'")
    if len(session.latent_tables) > 2:
        raise ValueError("latents names a table for all images, or two separated by ';'")


def load_sessions(
    path: str | PathLike[str],
    exists: Callable[[str], bool] = lambda _: True,
    problems: list[InputError] | None = None,
) -> tuple[Session, ...]:
    """Read and check the sample sheet.

    Parameters
    ----------
    path : path
        A tab-separated table with a header; empty lines and lines that start
        with ``#`` are passed over.
    exists : callable, optional
        Tells whether a file or folder that a row names is there (or will be
        made); by default paths are not looked at. URLs are not asked for:
        Snakemake does that.
    problems : list of InputError, optional
        Takes what is wrong with a row, which is then left out, in the place of
        the first being raised.

    Returns
    -------
    tuple of Session
        One a row, in the order of the sheet.

    Raises
    ------
    InputError
        Naming file, row (the header is row 1) and column.
    """
    sessions: list[Session] = []
    rows: dict[str, str] = {}
    recorded: dict[str, str] = {}
    for where, cells in _sheet_rows(Path(path)):
        try:
            sessions.append(_checked_row(cells, where, exists, rows, recorded))
        except InputError as error:
            if problems is None:
                raise
            problems.append(error)
    if not sessions and not problems:
        raise InputError("the sample sheet has no rows", path, "add a row for each session")
    for session in sessions:
        if session.follows and session.follows not in rows:
            unknown = InputError(
                f"there is no session '{session.follows}'",
                f"{rows[session.session]}, column follows",
                nearest(session.follows, list(rows)),
            )
            if problems is None:
                raise unknown
            problems.append(unknown)
    return tuple(sessions)


def _checked_row(
    cells: dict[str, str],
    where: str,
    exists: Callable[[str], bool],
    rows: dict[str, str],
    recorded: dict[str, str],
) -> Session:
    """Return a row's session; its name is entered into `rows`, its recording into `recorded`."""
    name = cells.get("session", "")
    if name in rows:
        raise InputError(
            f"session '{name}' stands twice", f"{rows[name]} and {where}", "give each row a name of its own"
        )
    # Entered whatever is wrong with the row: others may follow it.
    rows[name] = where
    try:
        session = Session.model_validate(cells)
    except ValidationError as error:
        raise explain(error, where, Session) from None
    _check_files(session, where, exists)
    for file in (*session.raw, session.nwb) if session.raw or session.nwb else ():
        _check_recorded_once(file, where, recorded)
    return session


def session_names(path: str | PathLike[str]) -> list[str]:
    """Return the names of all rows of the sample sheet, of those that are wrong too.

    Raises
    ------
    InputError
        The sheet cannot be read, or its header is wrong.
    """
    return [cells.get("session", "") for _, cells in _sheet_rows(Path(path))]


def with_local_stimuli(session: Session, stimuli: Iterable[str]) -> Session:
    """Return a row whose folders of latents and images are those that a job has.

    Parameters
    ----------
    session : Session
        Its cells may be URLs.
    stimuli : iterable of str
        The folders on this machine: of latents, of images, without those that the row leaves out.
    """
    named = [column for column in ("latents", "images") if getattr(session, column)]
    return session.model_copy(update=dict(zip(named, stimuli, strict=True)))


def check_curations(sessions: Iterable[Session], results: str | PathLike[str]) -> None:
    """Refuse a curation that lies where the pipeline writes.

    Raises
    ------
    InputError
        The export that the curation was made in would be overwritten with it.
    """
    for session in sessions:
        if session.curation and Path(session.curation).resolve().is_relative_to(Path(results).resolve()):
            raise InputError(
                f"the curation '{session.curation}' lies where the pipeline writes, and would be overwritten",
                f"sample sheet, session {session.session}, column curation",
                f"copy it to a folder outside '{results}'",
            )


def _sheet_rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    number, header, rows = read_tabbed(path, "the sample sheet")
    check_columns(header, list(Session.model_fields), f"{path}, row {number}")
    for row in rows:
        yield f"{path}, row {row.number}", row.cells


def _check_recorded_once(file: str, where: str, recorded: dict[str, str]) -> None:
    """Refuse a recording of an earlier row: one experiment would count as two."""
    if not file:
        return
    place = file if storage.is_url(file) else os.path.realpath(file)
    if place in recorded:
        raise InputError(
            f"'{file}' stands in two places, and would count as two recordings",
            f"{recorded[place]} and {where}",
            "keep one of the rows; a recording that holds two experiments is cut into two files first",
        )
    recorded[place] = where


def _check_files(session: Session, where: str, exists: Callable[[str], bool]) -> None:
    for column in ("raw", "nwb", "log", "latents", "images", "arrays", "curation"):
        named = getattr(session, column)
        if column == "latents" and session.nwb:
            named = session.latent_tables
        for file in (named,) if isinstance(named, str) else named:
            if storage.is_url(file):
                _check_url(file, f"{where}, column {column}")
            elif file and not exists(file):
                raise InputError(f"'{file}' does not exist", f"{where}, column {column}", "correct the path")


def _check_url(url: str, where: str) -> None:
    storage.check_url(url, where)
    if where.endswith("latents") and Path(url).suffix in LATENT_TABLES:
        raise InputError(
            "tables of latents are read from local paths only", where, "copy it into the study's folder"
        )
    if where.endswith("curation"):
        raise InputError(
            "a curation is read from a local path only", where, "copy it into the study's folder"
        )
