"""A checkout whose path holds blanks works, and what cannot work ends in one sentence before any job."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from running import copy_checkout

from evoalign.errors import InputError
from evoalign.pipeline import interpreter

LOG = "trial\timage\tonset_word\tonset_s\toffset_s\n1\tcat\t101\t1\t1.1\n"
TARGET = "results/sessions/a/events/log.parquet"


@pytest.mark.parametrize("name", ["Team Drive (lab)", "Jane's study", "cost$ & time; 5%"])
def test_a_job_runs_where_checkout_and_environment_have_blanks_in_their_path(name, tmp_path):
    study, temporary = copy_checkout(tmp_path / name), tmp_path / "tmp"
    temporary.mkdir()
    (study / ".venv").symlink_to(sys.prefix, target_is_directory=True)
    (study / "log.tsv").write_text(LOG)
    (study / "sessions.tsv").write_text("session\tsubject\tlog\na\tb\tlog.tsv\n")
    environment = os.environ | {"PYTHONPATH": str(study / "workflow"), "TMPDIR": str(temporary)}
    command = [str(study / ".venv/bin/python"), "-m", "snakemake", "--cores", "1", TARGET]
    done = subprocess.run(
        [*command, "--config", "sessions=sessions.tsv"],
        cwd=study, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert (study / TARGET).exists()
    assert not list(temporary.glob("evoalign-python-*")), "the link is removed with the run"


@pytest.fixture
def with_blank(tmp_path, monkeypatch):
    environment = tmp_path / "an environment"
    environment.symlink_to(sys.prefix, target_is_directory=True)
    monkeypatch.setattr(sys, "prefix", str(environment))
    monkeypatch.setattr(sys, "executable", str(environment / "bin/python"))
    return environment


def test_the_link_is_the_same_environment(with_blank, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = interpreter.plain_executable(is_local=True)
    assert " " not in path and Path(path).resolve() == Path(sys.executable).resolve()
    told = subprocess.run([path, "-c", "import pydantic"], capture_output=True, check=False)
    assert told.returncode == 0, "its packages are there"


def test_a_plain_path_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/opt/env-3.11/bin/python")
    assert interpreter.plain_executable(is_local=True) == "/opt/env-3.11/bin/python"


def test_on_a_cluster_it_is_one_sentence(with_blank):
    with pytest.raises(InputError, match="which Snakemake does not quote") as error:
        interpreter.plain_executable(is_local=False)
    assert error.value.where == str(with_blank / "bin/python") and "move the checkout" in error.value.hint


def test_a_temporary_directory_with_blanks_is_one_sentence(with_blank, tmp_path, monkeypatch):
    (tmp_path / "my temp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "my temp"))
    with pytest.raises(InputError) as error:
        interpreter.plain_executable(is_local=True)
    assert "set TMPDIR" in error.value.hint


def test_a_checkout_whose_path_holds_what_separates_paths_is_one_sentence():
    with pytest.raises(InputError, match="which separates the paths of Python"):
        interpreter.check_library("/data/a:b/study")
    interpreter.check_library("/data/a b/study")
