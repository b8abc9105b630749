"""A run whose sessions failed is followed by one of the others, and by no other run."""

import json
import subprocess
import sys

import pytest

from evoalign.pipeline import remainder

CUT = {"recording (session=a)": "the last block is cut\n  where: a.plx", "nwb (session=b)": "no space left"}
REPORTS = ("all", "report", "results/report.html")


@pytest.fixture
def runs(monkeypatch):
    """Environments and commands of the runs that were started."""
    started = []

    def run(command, env, check):
        started.append((command, env))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(sys, "argv", ["snakemake", "--cores", "2"])
    monkeypatch.delenv(remainder.FAILED, raising=False)
    return started


def test_messages_are_put_together_by_session():
    also = {
        "stimulus_log (session=a)": "no trial",
        "tuning (session=c, space=fc6)": "x",
        "population (study)": "y",
    }
    assert remainder.by_session(CUT | also) == {
        "a": "recording: the last block is cut\n  where: a.plx\nstimulus_log: no trial",
        "b": "nwb: no space left",
        "c": "tuning: x",
        remainder.STUDY: "population: y",
    }


def test_the_others_are_run_as_the_user_ran_all_and_are_told_what_failed(runs, tmp_path, monkeypatch):
    assert remainder.run_the_others(tmp_path, CUT, [], REPORTS) == 0
    ((command, environment),) = runs
    assert command == [sys.executable, "-m", "snakemake", "--cores", "2"]
    monkeypatch.setenv(remainder.FAILED, environment[remainder.FAILED])
    assert remainder.left_out() == json.loads((tmp_path / remainder.FAILED_FILE).read_text())
    assert set(remainder.left_out()) == {"a", "b"}


def test_a_run_of_the_others_in_which_nothing_new_fails_is_the_last(runs, tmp_path, monkeypatch):
    remainder.run_the_others(tmp_path, CUT, [], REPORTS)
    monkeypatch.setenv(remainder.FAILED, runs[0][1][remainder.FAILED])
    assert remainder.run_the_others(tmp_path, {"nwb (session=b)": "again"}, [], REPORTS) is None
    assert remainder.run_the_others(tmp_path, {"nwb (session=c)": "full"}, [], REPORTS) == 0
    assert set(remainder.left_out()) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("messages", "targets", "forced"),
    [
        ({}, [], False),
        (CUT, ["results/nwb/a.nwb"], False),
        (CUT, [], True),
        ({"report (study)": "a defect of ours"}, [], False),
    ],
)
def test_nothing_is_run_where_nothing_failed_or_no_report_was_asked_for(
    runs, tmp_path, messages, targets, forced
):
    assert remainder.run_the_others(tmp_path, messages, targets, REPORTS, forced) is None
    assert not runs


def test_a_run_that_its_user_ended_is_known_by_its_log(tmp_path):
    log = tmp_path / "run.log"
    log.write_text("Error in rule recording:\nShutting down, this might take some time.\n")
    assert not remainder.was_stopped([log, tmp_path / "none.log"])
    log.write_text("Terminating processes on user request, this might take some time.\n")
    assert remainder.was_stopped([log])
