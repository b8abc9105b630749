"""What a run says at its end of the jobs that failed."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import snakemake.api
from snakemake.persistence.file import FilePersistence

from evoalign.pipeline import failures, runs

ROOT = Path(__file__).parents[2]
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
        "  hint:  copy it again",
    )
    told = "the last block is cut\n  where: a.plx, byte 7\n  hint:  copy it again"
    assert failures.failures(folder, SINCE) == {"recording (session=a)": told}


def test_a_defect_is_told_by_its_last_line_and_its_log(logs):
    began = "nwb (session=b): process 8 on node3"
    folder = logs("nwb/b", began, "Traceback (most recent call last):", "  File ..", "KeyError: 'x'")
    (told,) = failures.failures(folder, SINCE).values()
    assert told.startswith("KeyError: 'x'\n") and told.endswith("nwb/b.log")


def test_a_killed_job_has_said_nothing(logs):
    folder = logs("population", "population (study): process 9 on node3")
    assert "killed" in failures.failures(folder, SINCE)["population (study)"]


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
    assert failures.failures(logs("nwb/b", *lines, time=time), SINCE) == {}


def test_nothing_is_said_when_nothing_failed(tmp_path, caplog):
    failures.tell_failures(tmp_path, SINCE)
    assert not caplog.records


HOLD = """
import os, sys
from evoalign.pipeline import runs
runs.begin(sys.argv[1])
print('began', flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def hold(tmp_path, monkeypatch):
    """A function that starts a process which takes a folder of results, from a folder of its own."""
    monkeypatch.chdir(tmp_path)
    held = []

    def start():
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        held.append(subprocess.Popen([sys.executable, "-c", HOLD, "results"], text=True, **pipes))
        return held[-1], held[-1].stdout.readline().strip()

    yield start
    for process in held:
        process.kill()
        process.wait()


def test_a_second_run_is_refused_while_the_first_lives_and_taken_when_it_is_killed(hold):
    first, told = hold()
    assert told == "began"
    second, told = hold()
    assert told == "" and second.wait() == 1
    assert f"Another run is at work in 'results' (process {first.pid} on " in second.stderr.read()
    first.kill()
    first.wait()
    assert hold()[1] == "began"


def test_only_a_killed_run_leaves_word(hold, tmp_path):
    run, _ = hold()
    run.communicate("end\n")
    assert (tmp_path / "results" / runs.GUARD).read_text() == ""
    run, _ = hold()
    run.kill()
    run.wait()
    assert (tmp_path / "results" / runs.GUARD).read_text() == (
        f"process {run.pid} on {socket.gethostname()}\n"
    )


def test_slurm_jobs_of_a_killed_run_are_ended_and_no_others(hold, tmp_path, monkeypatch):
    ended = []
    monkeypatch.setattr(runs, "end_slurm_jobs", ended.append)
    monkeypatch.setattr(runs.atexit, "register", lambda *_: None)
    run, _ = hold()
    run.communicate("end\n")
    runs.begin("results")
    assert ended == []
    (tmp_path / "other" / runs.GUARD).parent.mkdir(parents=True)
    (tmp_path / "other" / runs.GUARD).write_text("process 1 on node3\n")
    runs.begin("other")
    assert ended == [tmp_path]


CLASSES = (FilePersistence, snakemake.api.Workflow, snakemake.dag.DAG, snakemake.jobs.Job)
# Of Snakemake's objects, and in its modules.
PRIVATE = re.compile(r"\b(?:workflow|snakemake)\._[a-z]\w*|from snakemake[\w.]* import .*\b_\w+")


def test_no_private_name_of_snakemake_is_used():
    methods = {name for kind in CLASSES for name in dir(kind) if re.match("_[a-z]", name)}
    assert "_read_locks" in methods and PRIVATE.search("from snakemake.io import _IOFile")
    found = {}
    rules = [ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk")]
    for place in [*rules, *(ROOT / "workflow").rglob("*.py")]:
        text = place.read_text(encoding="utf-8")
        names = set(PRIVATE.findall(text))
        if "snakemake" in text:
            # Whatever the object is called.
            names |= methods & set(re.findall(r"\.(_[a-z]\w*)", text))
        if names:
            found[place] = names
    assert found == {}
