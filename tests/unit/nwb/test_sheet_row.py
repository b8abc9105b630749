"""A row of the sample sheet and the NWB file that it names must be of one animal, day, unit and spaces."""

import dataclasses
import datetime as dt

import pytest
from session_to_package import CONFIG

from evoalign.errors import InputError
from evoalign.nwb.read import read_nwb
from evoalign.nwb.settings import Nwb
from evoalign.nwb.sheet_row import check_row
from evoalign.nwb.write import write_nwb
from evoalign.responses.session_responses import responses_from
from evoalign.responses.settings import Responses
from evoalign.sheet import Session


def row_of(contents, **cells):
    return Session(**({"session": "renamed", "subject": contents.subject, "nwb": "s1.nwb"} | cells))


def test_the_name_of_a_session_is_that_of_its_row(packaged):
    contents, path = packaged
    renamed = read_nwb(path, CONFIG.nwb, row_of(contents))
    assert renamed.session == "renamed" != contents.session
    assert set(renamed.alignment["session"]) == {"renamed"}
    assert responses_from(renamed, Responses()).session == "renamed"
    same = dataclasses.replace(renamed.metadata, session=contents.session, identifier="")
    assert same == dataclasses.replace(contents.metadata, identifier="")


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"subject": "Eve"}, "subject is 'Eve' in the sample sheet and"),
        ({"date": "2001-02-03"}, "date is '2001-02-03' in the sample sheet and"),
        ({"preferred": "77c"}, "preferred is '77c' in the sample sheet and"),
        ({"spaces": "fc6;fc7"}, "spaces is 'fc6;fc7' in the sample sheet and"),
    ],
)
def test_a_row_of_another_session_than_its_file_is_refused(packaged, cells, words):
    contents, path = packaged
    with pytest.raises(InputError, match=words) as refused:
        read_nwb(path, CONFIG.nwb, row_of(contents, **cells))
    assert (
        f"column {next(iter(cells))}" in refused.value.where
        and "the file of this session" in refused.value.hint
    )


def test_what_the_row_repeats_of_the_file_is_taken(packaged):
    contents, path = packaged
    metadata = contents.metadata
    cells = {"preferred": metadata.preferred, "spaces": ";".join(metadata.spaces)}
    day = contents.start.astimezone(dt.UTC).date()
    read_nwb(path, CONFIG.nwb, row_of(contents, subject=contents.subject.lower(), date=str(day), **cells))


def test_a_session_that_is_made_of_its_row_is_not_compared(packaged):
    contents, path = packaged
    row = Session(session="other", subject="Eve", date="2001-02-03", raw=("a.nev",))
    assert read_nwb(path, CONFIG.nwb, row).session == contents.session


@pytest.mark.parametrize(
    ("time_zone", "day", "is_right"),
    [("", "2024-05-06", True), ("", "2024-05-05", True), ("", "2024-05-04", False),
     ("America/New_York", "2024-05-05", True), ("America/New_York", "2024-05-06", False)],
)  # fmt: skip
def test_the_day_is_that_of_the_lab(time_zone, day, is_right):
    start = dt.datetime(2024, 5, 6, 2, tzinfo=dt.UTC)
    row = Session(session="s", subject="A", nwb="a.nwb", date=day)
    if is_right:
        check_row(row, "A", start, "a.nwb", time_zone)
    else:
        with pytest.raises(InputError, match="date is"):
            check_row(row, "A", start, "a.nwb", time_zone)


def test_a_renamed_file_is_written_and_read_again_under_its_new_name(packaged, tmp_path):
    contents, path = packaged
    write_nwb(tmp_path / "again.nwb", read_nwb(path, Nwb(), row_of(contents)), CONFIG)
    assert read_nwb(tmp_path / "again.nwb").session == "renamed"
