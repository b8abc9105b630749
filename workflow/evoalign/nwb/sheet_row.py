"""What the sample sheet and an NWB file both say of a session: the two must agree."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from evoalign.errors import InputError
from evoalign.nwb.contents import SessionContents, SessionMetadata
from evoalign.nwb.session_start import zone_of
from evoalign.sheet import Session


def check_row(session: Session | None, subject: str, start: dt.datetime, path: str, time_zone: str) -> None:
    """Refuse a file of another animal or of another day than its row of the sample sheet says.

    Parameters
    ----------
    session : Session, optional
        The row. Nothing is compared where it names no NWB file: the file is then made of the row.
    subject : str
        Name of the animal in the file; '' where it tells none.
    start : datetime.datetime
        When the file's times begin.
    path : str
        The file, for messages.
    time_zone : str
        IANA name of the lab's zone; where it is not known ('') a day before or after
        that of the file in UTC is taken for the lab's.

    Raises
    ------
    InputError
        Naming the column and both values.
    """
    if session is None or not session.nwb:
        return
    if subject.strip() and subject.strip().casefold() != session.subject.strip().casefold():
        raise _contradiction(session, "subject", session.subject, subject.strip(), path)
    day = start.astimezone(zone_of(time_zone)).date()
    if session.date is not None and abs((session.date - day).days) > (0 if time_zone else 1):
        raise _contradiction(session, "date", str(session.date), str(day), path)


def as_row(contents: SessionContents, session: Session | None, path: str) -> SessionContents:
    """Return a session of a file that this pipeline wrote, under the name that its row gives it.

    Parameters
    ----------
    contents : SessionContents
    session : Session, optional
        The row; without one that names the file, the contents stay as they are.
    path : str
        The file, for messages.

    Raises
    ------
    InputError
        Row and file name another preferred unit or other spaces. A cell that is empty says
        nothing; `site` and `unstable_baseline` of the row are the study's own judgement.
    """
    if session is None or not session.nwb:
        return contents
    metadata = contents.metadata
    for column in ("preferred", "spaces"):
        in_sheet, in_file = _cell(session, column), _cell(metadata, column)
        if in_sheet and in_sheet != in_file:
            raise _contradiction(session, column, in_sheet, in_file, path)
    contents.metadata = replace(metadata, session=session.session)
    contents.alignment = contents.alignment.assign(session=session.session)
    return contents


def _cell(row: Session | SessionMetadata, column: str) -> str:
    value = getattr(row, column)
    return ";".join(value) if isinstance(value, tuple) else str(value)


def _contradiction(session: Session, column: str, in_sheet: str, in_file: str, path: str) -> InputError:
    other_ways = "" if column == "subject" else ", or leave the cell empty: the file's counts"
    correct = f"correct the cell ('{in_file}')" if in_file else "name a file of this pipeline that holds it"
    return InputError(
        f"{column} is '{in_sheet}' in the sample sheet and '{in_file}' in the file",
        f"{path}; sample sheet, session {session.session}, column {column}",
        f"name the file of this session; or {correct}{other_ways}",
    )
