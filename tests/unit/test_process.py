import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from evoalign.pipeline import process
from evoalign.pipeline.process import end_with, temporary_directory, this_process

WAIT_S = 60


def python(code, *arguments, **options):
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], text=True, **options)


def gone(pid):
    """Whether a process ends in time."""
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def test_a_job_and_its_children_end_when_its_run_is_killed():
    run = python("import time; time.sleep(600)")
    job = python(
        "import subprocess, sys, time; from evoalign.pipeline.process import end_with;"
        "child = subprocess.Popen(['sleep', '600']); end_with(sys.argv[1]);"
        "print(child.pid, flush=True); time.sleep(600)",
        this_process().replace(str(os.getpid()), str(run.pid), 1),
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    child = int(job.stdout.readline())
    assert job.poll() is None
    run.kill()
    run.wait()
    assert job.wait(WAIT_S) == -signal.SIGKILL
    assert gone(child)


def test_a_job_whose_run_has_ended_before_it_does_not_begin():
    run = python("pass")
    run.wait()
    job = python(
        "import sys; from evoalign.pipeline.process import end_with; end_with(sys.argv[1]); print('began')",
        this_process().replace(str(os.getpid()), str(run.pid), 1),
        stdout=subprocess.PIPE,
    )
    told, _ = job.communicate(timeout=WAIT_S)
    assert (told, job.returncode) == ("", -signal.SIGKILL)


@pytest.mark.parametrize("run", [None, "", "1@pid:[another container]"])
def test_numbers_of_another_container_mean_nothing(run):
    end_with(run)


def test_temporary_files_lie_in_a_folder_that_goes_with_the_job(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("TMPDIR", raising=False)
    with temporary_directory() as folder:
        assert folder.parent == tmp_path
        assert Path(tempfile.mkdtemp()).parent == folder
        assert os.environ["TMPDIR"] == str(folder)
    assert not list(tmp_path.iterdir())
    assert tempfile.gettempdir() == str(tmp_path)
    assert "TMPDIR" not in os.environ


SCRATCH = """
import time
from evoalign.pipeline.process import temporary_directory
with temporary_directory() as folder:
    (folder / 'large').write_text('x')
    print(folder, flush=True)
    time.sleep(600)
"""


def test_temporary_files_of_a_killed_job_are_removed_by_the_next_and_those_of_a_living_one_kept(
    tmp_path, monkeypatch
):
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    jobs = [python(SCRATCH, stdout=subprocess.PIPE, env=environment) for _ in range(2)]
    try:
        killed, living = (Path(job.stdout.readline().strip()) for job in jobs)
        jobs[0].kill()
        jobs[0].wait()
        for folder in (killed, living):
            os.utime(folder, (0, 0))
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        with temporary_directory():
            assert not killed.exists()
            assert (living / "large").exists()
    finally:
        for job in jobs:
            job.kill()
            job.wait()


@pytest.mark.parametrize(
    ("driver", "visible", "expected"),
    [(True, None, True), (True, "0,1", True), (True, "", False), (True, "-1", False), (False, None, False)],
)
def test_a_gpu_is_there_where_the_driver_tells_of_one_and_none_is_hidden(
    tmp_path, monkeypatch, driver, visible, expected
):
    monkeypatch.setattr(process, "DRIVER", tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if driver:
        (tmp_path / "gpus/0000:01:00.0").mkdir(parents=True)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert process.has_gpu() == expected


@pytest.mark.parametrize(
    ("told", "granted"),
    [
        ({}, None),
        ({"MEM_PER_NODE": "2048"}, 2 << 30),
        ({"MEM_PER_NODE": "0"}, None),
        ({"MEM_PER_CPU": "1024", "CPUS_ON_NODE": "2"}, 2 << 30),
        ({"MEM_PER_NODE": "999999999"}, None),
    ],
)
def test_a_run_that_is_a_slurm_job_has_the_memory_of_that_job(monkeypatch, told, granted):
    for name in ("MEM_PER_NODE", "MEM_PER_CPU", "CPUS_ON_NODE"):
        monkeypatch.delenv(f"SLURM_{name}", raising=False)
    for name, value in told.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    assert process.granted_memory() == (granted or psutil.virtual_memory().total)
