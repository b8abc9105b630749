"""A recording begins at one instant: under every zone of the reading machine, and on the lab's own day."""

import datetime as dt
import time

import h5py
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from test_external_nwb import ROW, SETTINGS, write_external

from evoalign.nwb.read import read_nwb
from evoalign.nwb.session_start import REFERENCE_TIME, start_of, zone_of
from evoalign.nwb.settings import Nwb
from evoalign.sheet import Session

BOSTON = "America/New_York"
ZONES = ("UTC", "Asia/Tokyo", BOSTON)


def session(date=None):
    return Session(session="s", subject="Ada", raw=("a.nev",), date=date)


@pytest.fixture(params=ZONES)
def machine_zone(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("zone", ["", BOSTON])
def test_an_evening_in_the_lab_is_not_moved_by_a_day(zone, caplog):
    """21:30 in Boston on the 29th is 01:30 in UTC on the 30th."""
    header = "2023-05-30T01:30:00+00:00"
    start = start_of(session(dt.date(2023, 5, 29)), header, zone)
    assert start == dt.datetime(2023, 5, 30, 1, 30, tzinfo=dt.UTC)
    assert ("nwb.time_zone" in caplog.text) == (zone == "")


@pytest.mark.parametrize(
    ("date", "header", "zone", "expected", "said"),
    [
        (None, "2023-05-30T01:30:00+00:00", "", "2023-05-30T01:30:00+00:00", ""),
        (None, "2023-05-29T21:30:00", BOSTON, "2023-05-30T01:30:00+00:00", ""),
        (None, "2023-01-29T21:30:00", BOSTON, "2023-01-30T02:30:00+00:00", ""),
        (None, "2023-05-29T21:30:00", "", "2023-05-29T21:30:00+00:00", ""),
        ("2023-05-29", None, "", "2023-05-29T00:00:00+00:00", ""),
        ("2023-05-29", None, BOSTON, "2023-05-29T04:00:00+00:00", ""),
        ("2023-05-29", "2023-05-29T21:30:00", BOSTON, "2023-05-30T01:30:00+00:00", ""),
        # A clock of the rig that was never set.
        ("2023-05-29", "2000-01-01T12:00:00+00:00", "", "2023-05-29T12:00:00+00:00", "moved by 8549 days"),
        ("2023-05-28", "2023-05-30T01:30:00+00:00", BOSTON, "2023-05-29T01:30:00+00:00", "moved by -1 days"),
        ("2023-05-30", "2023-05-29T21:30:00", "", "2023-05-30T21:30:00+00:00", "moved by 1 days"),
    ],
)
def test_day_and_time(date, header, zone, expected, said, caplog, machine_zone):
    start = start_of(session(date and dt.date.fromisoformat(date)), header, zone)
    assert start == dt.datetime.fromisoformat(expected) and start.tzinfo is not None
    assert said in caplog.text and (said or not caplog.records)


@given(st.datetimes(dt.datetime(1990, 1, 2), dt.datetime(2040, 1, 1)), st.sampled_from(["", *ZONES]))
def test_the_headers_own_day_on_the_sheet_changes_nothing(at, zone):
    header = at.replace(tzinfo=dt.UTC).isoformat()
    plain = start_of(session(), header, zone)
    assert start_of(session(plain.astimezone(zone_of(zone)).date()), header, zone) == plain


@pytest.mark.parametrize(
    ("stored", "zone", "expected"),
    [
        ("2020-01-02T03:00:00-05:00", "", "2020-01-02T08:00:00+00:00"),
        ("2020-01-02T03:00:00", "", "2020-01-02T03:00:00+00:00"),
        ("2020-01-02T03:00:00.250000", BOSTON, "2020-01-02T08:00:00.250000+00:00"),
        ("2020-07-02T03:00:00", BOSTON, "2020-07-02T07:00:00+00:00"),
    ],
)
def test_a_file_of_others_begins_at_the_same_instant_on_every_machine(
    stored, zone, expected, tmp_path, machine_zone
):
    path = write_external(tmp_path / "theirs.nwb")
    with h5py.File(path, "a") as file:
        for name in (REFERENCE_TIME, "/session_start_time"):
            del file[name]
            file[name] = stored
    read = read_nwb(path, SETTINGS.model_copy(update={"time_zone": zone}), ROW)
    assert read.start == dt.datetime.fromisoformat(expected)


def test_an_unknown_zone_is_refused_with_the_nearest():
    with pytest.raises(ValidationError, match="did you mean 'America/New_York'"):
        Nwb(time_zone="America/NewYork")
