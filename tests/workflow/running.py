"""Run the pipeline in a copy of the checkout, as a user does."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from evoalign.files import sha256
from evoalign.pipeline import starter

ROOT = Path(__file__).parents[2]
PARTS = ("Snakefile", "workflow", "profiles", "config", "envs", "resources", "tests/data", ".git")

# Two of the demo's sessions, as small as the analysis takes them.
SMALL_SESSIONS = ("V1_plexon", "IT_blackrock")
SMALL_SETTINGS = {
    "demo": {
        "n_electrodes": 6,
        "n_blocks": 5,
        "images_per_thread": 8,
        "references_per_thread": 1,
        "shared_images_per_thread": 4,
    },
    "analysis": {"min_blocks": 4, "min_last_block": 2, "n_bootstrap": 50, "n_permutations": 50},
    "encoding": {"n_permutations": 50, "n_bootstrap": 50, "n_alphas": 20, "projection_dims": [8]},
}

# Under results/, but told of the run rather than of the recordings: differ from run to run.
OF_THE_RUN = ("logs", "provenance", "ro-crate-metadata.json")


def copy_checkout(target: Path, source: Path = ROOT) -> Path:
    """Copy what the pipeline needs, without anything that a run has made."""
    for part in PARTS:
        if (source / part).is_dir():
            shutil.copytree(source / part, target / part, ignore=shutil.ignore_patterns("__pycache__"))
        elif (source / part).exists():
            (target / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / part, target / part)
    return target


def small_study(folder: Path, source: Path = ROOT) -> Path:
    """Two small sessions of the demo, in a copy of the checkout."""
    copy_checkout(folder, source)
    config = yaml.safe_load((folder / "config/config.yaml").read_text())
    for section, settings in SMALL_SETTINGS.items():
        config.setdefault(section, {}).update(settings)
    (folder / "config/config.yaml").write_text(yaml.safe_dump(config))
    sheet = (folder / "config/sessions.tsv").read_text().splitlines()
    rows = [line for line in sheet[1:] if line.startswith(SMALL_SESSIONS)]
    (folder / "config/sessions.tsv").write_text("\n".join([sheet[0], *rows]) + "\n")
    return folder


def results(folder: Path) -> dict[str, str]:
    """Checksum of every file of the results that does not tell of the run."""
    files = [p for p in (folder / "results").rglob("*") if p.is_file()]
    names = [p.relative_to(folder) for p in files]
    return {str(name): sha256(folder / name) for name in names if name.parts[1] not in OF_THE_RUN}


def start(*arguments, cwd, **options) -> subprocess.Popen:
    """Start Snakemake as a user does, its output as text in a pipe."""
    command = [sys.executable, "-m", "snakemake", *map(str, arguments)]
    # The library of the copy, not of the checkout: a test may change it.
    path = [str(Path(cwd) / "workflow"), str(Path(__file__).parent / "site")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=cwd, env=environment, **(pipes | options))


def snakemake(*arguments, cwd, check=True, fresh=False):
    """Run Snakemake as a user does; return the finished process with its output as text.

    With `fresh`, each job is a Python of its own, which loads no more than its script does.
    """
    with pytest.MonkeyPatch.context() as patch:
        if fresh:
            patch.setenv(starter.SWITCH, "1")
        process = start(*arguments, cwd=cwd)
    try:
        told, _ = process.communicate()
    finally:
        process.kill()  # of a test that is out of time: nothing goes on behind it
    done = subprocess.CompletedProcess(process.args, process.returncode, told)
    if check and done.returncode:
        pytest.fail(f"{' '.join(done.args)} ended with {done.returncode}:\n{done.stdout[-6000:]}")
    return done


def jobs(output):
    """Number of jobs of each rule in the table of a dry run."""
    return {rule: int(n) for rule, n in re.findall(r"^(\w+)\s+(\d+)$", output, flags=re.M)}
