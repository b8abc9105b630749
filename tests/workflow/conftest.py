"""Finished runs that the workflow tests look at: of the demo, and of two small sessions.

Each happens once in a copy of the checkout. ``EVOALIGN_DEMO`` and
``EVOALIGN_SMALL`` name checkouts with finished runs to use instead, to work on
the tests themselves.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from running import ROOT, copy_checkout, small_study, snakemake


@pytest.fixture(scope="session")
def checkout(tmp_path_factory):
    """A copy of the checkout in which nothing has run."""
    return copy_checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """A copy of the checkout with a finished demo run."""
    if os.environ.get("EVOALIGN_DEMO"):
        return Path(os.environ["EVOALIGN_DEMO"])
    folder = copy_checkout(tmp_path_factory.mktemp("demo"))
    snakemake("--cores", 2, cwd=folder)
    return folder


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """A finished run of two small sessions, whose jobs have loaded no more than they need."""
    if os.environ.get("EVOALIGN_SMALL"):
        return Path(os.environ["EVOALIGN_SMALL"])
    folder = small_study(tmp_path_factory.mktemp("small"))
    snakemake("--cores", 2, cwd=folder, fresh=True)
    return folder


def no_slurm():
    """Why no SLURM can be brought up here; '' when it can."""
    tools = ("sbatch", "slurmctld", "slurmd", "slurmdbd", "munged", "mariadbd")
    missing = [tool for tool in tools if not shutil.which(tool)]
    if os.geteuid() != 0:
        return "a SLURM needs root"
    return f"not installed: {', '.join(missing)}" if missing else ""


@pytest.fixture(scope="module")
def slurm():
    """A real one-node SLURM, ended and removed afterwards; its arguments of Snakemake."""
    if reason := no_slurm():
        pytest.skip(reason)
    folder = ROOT / "tests/slurm"
    # One at a time on a machine: the worker beside this one would take this one's SLURM down.
    with open(Path(tempfile.gettempdir()) / "evoalign-slurm.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = [folder / "slurm-up"]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
        # One node, whose files are seen at once: nothing to wait long for.
        quick = ("--latency-wait", 10, "--slurm-init-seconds-before-status-checks", 2)
        yield ("--workflow-profile", "slurm", "--jobs", 8, *quick)
        subprocess.run([folder / "slurm-down"], check=True, capture_output=True, timeout=120)
