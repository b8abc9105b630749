"""What a run says at its end of the jobs that failed."""

import os

import pytest

from evoalign import runs

SINCE = 1000.0


@pytest.fixture
def logs(tmp_path):
    """A function that writes a log of a rule and session, as of a time."""

    def write(name, *lines, time=SINCE + 1):
        path = tmp_path / f"{name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines))
        os.utime(path, (time, time))
        return tmp_path

    return write


def test_bad_input_is_told_whole_and_without_what_libraries_said_before(logs):
    folder = logs(
        "recording/a",
        "recording (session=a): process 7 on node3",
        "INFO:a library: reading",
        "recording (session=a): the last block is cut",
        "  where: a.plx, byte 7",
        "  mend:  copy it again",
    )
    told = "the last block is cut\n  where: a.plx, byte 7\n  mend:  copy it again"
    assert runs.failures(folder, SINCE) == {"recording (session=a)": told}


def test_a_defect_is_told_by_its_last_line_and_its_log(logs):
    began = "nwb (session=b): process 8 on node3"
    folder = logs("nwb/b", began, "Traceback (most recent call last):", "  File ..", "KeyError: 'x'")
    (told,) = runs.failures(folder, SINCE).values()
    assert told.startswith("KeyError: 'x'\n") and told.endswith("nwb/b.log")


def test_a_killed_job_has_said_nothing(logs):
    folder = logs("population", "population (study): process 9 on node3")
    assert "killed" in runs.failures(folder, SINCE)["population (study)"]


@pytest.mark.parametrize(
    ("lines", "time"),
    [
        (["nwb (session=b): process 8 on node3", "nwb (session=b): done"], SINCE + 1),
        (["nwb (session=b): process 8 on node3"], SINCE - 1),
        (["what SLURM said of a job"], SINCE + 1),
        ([], SINCE + 1),
    ],
)
def test_what_ended_well_or_earlier_or_is_no_rules_log_does_not_count(logs, lines, time):
    assert runs.failures(logs("nwb/b", *lines, time=time), SINCE) == {}


def test_nothing_is_said_when_nothing_failed(tmp_path, caplog):
    runs.tell_failures(tmp_path, SINCE)
    assert not caplog.records
