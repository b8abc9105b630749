"""A finished demo run that the workflow tests look at.

The run happens once in a copy of the checkout. ``EVOALIGN_DEMO`` names a
checkout with a finished run to use instead, to work on the tests themselves.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("Snakefile", "workflow", "config", "envs", "resources", "tests/data", ".git")


def copy_checkout(target: Path) -> Path:
    """Copy what the pipeline needs, without anything that a run has made."""
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, target / part, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            (target / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / part)
    return target


def snakemake(*arguments, cwd, check=True):
    """Run Snakemake as a user does; return the finished process with its output as text."""
    command = [sys.executable, "-m", "snakemake", *map(str, arguments)]
    # The library of the copy, not of the checkout: a test may change it.
    environment = os.environ | {"PYTHONPATH": str(Path(cwd) / "workflow")}
    done = subprocess.run(
        command, cwd=cwd, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if check and done.returncode:
        pytest.fail(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-6000:]}")
    return done


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
