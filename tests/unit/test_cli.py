"""The command line as a process: every subcommand is there, and one without is told so."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "command", [["spaces", "list"], ["spaces", "--help"], ["export", "--help"], ["--help"]]
)
def test_the_module_runs_as_the_command_does(command):
    done = subprocess.run(
        [sys.executable, "-m", "evoalign.cli", *command], capture_output=True, text=True, check=True
    )
    assert "fc6" in done.stdout if command == ["spaces", "list"] else "usage: evoalign" in done.stdout


def test_a_missing_file_is_one_message(tmp_path):
    command = [sys.executable, "-m", "evoalign.cli", "export", "pynapple", str(tmp_path / "none.nwb")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith("InputError") and "Traceback" not in done.stderr
