"""The starter of a run's jobs: processes that begin with the large libraries loaded.

To load PyTorch, pynwb or matplotlib takes Python 0.5 to 2 s of processor time, which is as much as many jobs
compute. On one machine a run therefore loads them once, in a process that does nothing else
(`multiprocessing`'s forkserver), from which the process of each job is forked. A job loads its own script,
and what else it uses. Jobs on a cluster, in a container or in an environment of
Snakemake's start as always, and so does a run of few jobs.
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path

from evoalign.pipeline import job_client
from evoalign.pipeline.process import run_script

# What most jobs of a run load: also of this library, as it was when the run began and its code was compared.
LIBRARIES = (
    "evoalign.pipeline.process",
    "snakemake.script",
    "yaml",
    "pydantic.main",
    "rapidfuzz",
    "pandas",
    "pyarrow.parquet",
    "numba",
    "torch",
    "xarray",
    "hdmf_zarr",
    "nwbinspector",
    "scipy.stats",
    "matplotlib.pyplot",
    "evoalign.nwb.dandi_tool",
    "evoalign.pipeline.compiled",
    "evoalign.pipeline.job",
    "evoalign.nwb.validate",
    "evoalign.responses.store",
    "evoalign.analysis.session.analyse",
    "evoalign.analysis.encoding",
    "evoalign.figures.session_pages",
)
FEWEST_JOBS = 8  # that are worth the seconds which the libraries take
SWITCH = "EVOALIGN_FRESH_PROCESSES"  # set to anything: each job is a Python of its own
WAITING = 128  # jobs that may ask at once
# A process with threads is not to be forked. Pools would begin as the libraries are loaded (a job sets how
# many threads it has); pyarrow's jemalloc, which it does not even use, has one that frees memory.
WITHOUT_THREADS = {
    f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "GOTO", "MKL", "NUMEXPR")
} | {"JE_ARROW_MALLOC_CONF": "background_thread:false"}


def is_worth_it(n_jobs: int) -> bool:
    """Whether a run of so many jobs gains by a starter, where it can have one."""
    return sys.platform == "linux" and n_jobs >= FEWEST_JOBS and SWITCH not in os.environ


@dataclass(frozen=True)
class Starter:
    """A starter that runs: `command` stands for the interpreter in the commands of jobs."""

    command: str
    process: subprocess.Popen[bytes]

    def end(self) -> None:
        """End it and wait for it, so that its processor time counts as this process' own."""
        self.process.communicate()  # closes its input


def start(executable: str) -> Starter:
    """Start the starter of this run; it ends with this process.

    Parameters
    ----------
    executable : str
        The interpreter of the jobs.
    """
    folder = tempfile.mkdtemp(prefix="evoalign-starter-")
    address, launcher = f"{folder}/socket", Path(folder, "python")
    words = [executable, "-I", "-S", str(job_client.__file__), address]
    launcher.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
    launcher.chmod(0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(WAITING)
        process = subprocess.Popen(
            [executable, "-c", f"from {__name__} import serve; serve({listener.fileno()}, {folder!r})"],
            stdin=subprocess.PIPE,
            env=os.environ | WITHOUT_THREADS,
            pass_fds=[listener.fileno()],
        )
    started = Starter(str(launcher), process)
    atexit.register(started.end)
    return started


def serve(descriptor: int, folder: str) -> None:
    """Fork a process for each script that is asked for at a socket, until the standard input ends.

    Parameters
    ----------
    descriptor : int
        Of the socket that listens.
    folder : str
        Where it lies; removed at the end, also where the run was killed.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(LIBRARIES))
    with socket.socket(fileno=descriptor) as listener:
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in ready:
                break
            connection, _ = listener.accept()
            with connection:
                context.Process(target=run_script, args=(connection,)).start()
            multiprocessing.active_children()  # takes note of those that have ended
    shutil.rmtree(folder, ignore_errors=True)
    for child in multiprocessing.active_children():
        child.join()
    # Waits for it: the processor time of who is not waited for counts nowhere.
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
