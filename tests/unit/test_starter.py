"""Processes of jobs that begin with the large libraries loaded are as those of a new Python."""

import ast
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from evoalign.pipeline import starter

REPEATS = 100


@pytest.fixture(scope="module")
def started():
    running = starter.start(sys.executable)
    yield running
    running.end()


def script(folder, text):
    file = folder / "job.py"
    file.write_text(text)
    return str(file)


def run(command, *arguments, **more):
    return subprocess.run([command, *arguments], capture_output=True, text=True, check=False, **more)


ABOUT = """import os, sys
given = os.environ.get("OF_THE_JOB"), os.environ["OMP_NUM_THREADS"], sys.stdin.read()
print([*given, __name__, __file__, sys.argv, sys.path[0], os.getcwd(), sys.executable, __spec__])
print("told", file=sys.stderr)
"""


def test_a_script_finds_what_it_would_find_in_a_new_python(started, tmp_path):
    file = script(tmp_path, ABOUT)
    told = {
        command: run(
            command, file, input="given", cwd=tmp_path,
            env=os.environ | {"OF_THE_JOB": "two words", "OMP_NUM_THREADS": "3"},
        )
        for command in (started.command, sys.executable)
    }  # fmt: skip
    by_starter, by_python = told.values()
    assert ast.literal_eval(by_python.stdout)[:3] == ["two words", "3", "given"]
    assert (by_starter.returncode, by_starter.stdout, by_starter.stderr) == (0, by_python.stdout, "told\n")


@pytest.mark.parametrize(
    "end", ["pass", "1 / 0", "raise SystemExit(7)", "raise SystemExit('a reason')", "import sys; sys.exit()"]
)
def test_a_script_ends_as_in_a_new_python(started, tmp_path, end):
    file = script(tmp_path, f"import atexit\natexit.register(print, 'at the end')\n\n{end}\n")
    by_starter, by_python = (run(command, file) for command in (started.command, sys.executable))
    assert (by_starter.returncode, by_starter.stdout) == (by_python.returncode, "at the end\n")
    assert by_starter.stderr == by_python.stderr


def test_a_process_that_is_killed_is_told_as_the_shell_does(started, tmp_path):
    file = script(tmp_path, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    assert run(started.command, file).returncode == 128 + signal.SIGKILL


def test_a_script_ends_with_its_children_when_the_command_is_killed(started, tmp_path):
    text = (
        "import os, subprocess\nchild = subprocess.Popen(['sleep', '60'])\n"
        "print(os.getpid(), child.pid, flush=True)\nchild.wait()\n"
    )
    job = subprocess.Popen([started.command, script(tmp_path, text)], stdout=subprocess.PIPE, text=True)
    numbers = [int(number) for number in job.stdout.readline().split()]
    assert all(map(psutil.pid_exists, numbers))
    job.kill()
    job.wait()
    for _ in range(REPEATS):
        if not any(map(psutil.pid_exists, numbers)):
            break
        time.sleep(0.1)
    assert not any(map(psutil.pid_exists, numbers))


def test_libraries_are_loaded(started, tmp_path):
    names = set(run(started.command, script(tmp_path, "import sys\nprint(*sys.modules)\n")).stdout.split())
    assert set(starter.LIBRARIES) <= names


def test_what_is_forked_has_no_threads_and_numbers_of_its_own(started, tmp_path):
    text = "import os, numpy\nprint(len(os.listdir(f'/proc/{os.getppid()}/task')), numpy.random.random())\n"
    told = [run(started.command, script(tmp_path, text)).stdout.split() for _ in range(2)]
    assert [threads for threads, _ in told] == ["1", "1"]
    assert told[0] != told[1]


def test_anything_but_a_script_and_what_comes_after_the_end_is_a_plain_python(tmp_path):
    running = starter.start(sys.executable)
    program = "import sys; print(sys.executable, 'torch' in sys.modules)"
    assert run(running.command, "-c", program).stdout.split() == [sys.executable, "False"]
    running.process.kill()
    running.process.wait()
    file = script(tmp_path, program)
    assert run(running.command, file).stdout.split() == [sys.executable, "False"]
    running.end()
    shutil.rmtree(Path(running.command).parent)


def test_nothing_is_left_of_it_when_the_run_is_killed(tmp_path):
    program = (
        "import subprocess, sys\nfrom evoalign.pipeline import starter\n"
        "running = starter.start(sys.executable)\n"
        "subprocess.run([running.command, sys.argv[1]], check=True)\n"
        "print(running.command, running.process.pid, flush=True)\nsys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, script(tmp_path, "pass\n")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run_of_jobs:
        launcher, number = run_of_jobs.stdout.readline().split()
        processes = [psutil.Process(int(number)), *psutil.Process(int(number)).children(recursive=True)]
        assert len(processes) > 1
        run_of_jobs.kill()
    assert psutil.wait_procs(processes, timeout=10)[1] == []
    assert not Path(launcher).parent.exists()


def test_processor_time_of_jobs_counts_as_that_of_the_run(tmp_path):
    text = "import time\nwhile time.process_time() < 1:\n    pass\n"
    program = (
        "import resource, subprocess, sys\nfrom evoalign.pipeline import starter\n"
        "running = starter.start(sys.executable)\n"
        "subprocess.run([running.command, sys.argv[1]], check=True)\nrunning.end()\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime)\n"
    )
    assert float(run(sys.executable, "-c", program, script(tmp_path, text)).stdout) > 1


def test_few_jobs_and_who_asks_for_fresh_processes_get_none(monkeypatch):
    monkeypatch.delenv(starter.SWITCH, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert starter.is_worth_it(starter.FEWEST_JOBS)
    assert not starter.is_worth_it(starter.FEWEST_JOBS - 1)
    monkeypatch.setenv(starter.SWITCH, "1")
    assert not starter.is_worth_it(starter.FEWEST_JOBS)
