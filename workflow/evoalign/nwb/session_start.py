"""When a recording began: one instant, whatever the zone of the machine that reads the file."""

from __future__ import annotations

import datetime as dt
import logging
from os import PathLike
from zoneinfo import ZoneInfo

from evoalign.errors import InputError
from evoalign.nwb.objects import stored_dataset
from evoalign.sheet import Session

log = logging.getLogger(__name__)

REFERENCE_TIME = "/timestamps_reference_time"


def zone_of(time_zone: str) -> dt.tzinfo:
    """Return the zone of that IANA name; UTC for ''."""
    return ZoneInfo(time_zone) if time_zone else dt.UTC


def start_of(session: Session, header: str | None, time_zone: str = "") -> dt.datetime:
    """Return when the recording began: the header's time, on the sheet's day where it names one.

    The sheet's day is that of the lab. Where the header's time falls on it in the
    lab's zone, it stays; an evening in the lab may be the next day in UTC. Else the
    day is the sheet's, and the log says by how many days the header was moved.

    Parameters
    ----------
    session : Session
        Its `date` is the sheet's; None where the sheet names none.
    header : str or None
        ISO 8601; without a zone, it is the time of the lab.
    time_zone : str
        IANA name of the lab's zone; '' where it is not known: times without a
        zone are taken for UTC, and a day before or after the header's in UTC for
        that of the lab.

    Raises
    ------
    InputError
        Neither has the day.
    """
    zone = zone_of(time_zone)
    if header is None:
        if session.date is None:
            raise InputError(
                "the recording's header has no date",
                f"session {session.session}",
                "give the column date in sessions.tsv",
            )
        return dt.datetime.combine(session.date, dt.time(), zone)
    start = dt.datetime.fromisoformat(header)
    has_zone = start.tzinfo is not None
    start = start if has_zone else start.replace(tzinfo=zone)
    if session.date is None:
        return start
    days = (session.date - start.astimezone(zone).date()).days
    if days == 0:
        return start
    if has_zone and not time_zone and abs(days) == 1:
        log.warning(
            "session %s: the header begins at %s, the sheet says %s: taken for the day of the lab's own "
            "zone (nwb.time_zone names it); the header's time stays",
            session.session, start.isoformat(sep=" "), session.date,
        )  # fmt: skip
        return start
    log.warning(
        "session %s: the header begins at %s, the sheet says %s: moved by %d days",
        session.session, start.astimezone(zone).isoformat(sep=" "), session.date, days,
    )  # fmt: skip
    return dt.datetime.combine(session.date, start.astimezone(zone).timetz())


def external_start(path: str | PathLike[str], time_zone: str = "") -> dt.datetime:
    """Return when the times of an NWB file of others begin, in UTC.

    pynwb gives a time without a zone, as some writers leave it, that of the
    machine that reads; here it is the lab's.

    Parameters
    ----------
    path : path
        Of the file, which has been checked for integrity.
    time_zone : str
        See `start_of`.

    Raises
    ------
    InputError
        The file's time is none.
    """
    with stored_dataset(path, REFERENCE_TIME) as stored:
        text = str(stored.read(())) if stored is not None and stored.read is not None else ""
    try:
        start = dt.datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise InputError(f"no time: '{text[:40]}'", f"{path}, {REFERENCE_TIME}") from error
    start = start if start.tzinfo is not None else start.replace(tzinfo=zone_of(time_zone))
    return start.astimezone(dt.UTC)
