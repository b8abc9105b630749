"""Run the pipeline in a copy of the checkout, as a user does."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("Snakefile", "workflow", "config", "envs", "resources", "tests/data", ".git")


def copy_checkout(target: Path, source: Path = ROOT) -> Path:
    """Copy what the pipeline needs, without anything that a run has made."""
    for part in PARTS:
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part, ignore=shutil.ignore_patterns("__pycache__"))
        elif (source / part).exists():
            (target / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / part, target / part)
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


def jobs(output):
    """Number of jobs of each rule in the table of a dry run."""
    return {rule: int(n) for rule, n in re.findall(r"^(\w+)\s+(\d+)$", output, flags=re.M)}
