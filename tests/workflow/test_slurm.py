"""The demo on a real SLURM of one node: the bytes of a workstation's run."""

import subprocess

import pytest
from running import copy_checkout, results, snakemake

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]


def test_the_demo_on_slurm_has_the_bytes_of_a_workstation(demo, slurm, tmp_path):
    other = copy_checkout(tmp_path / "other", demo)
    snakemake(*slurm, cwd=other)
    assert results(other) == results(demo)
    states = subprocess.run(
        ["sacct", "-n", "-X", "-P", "-o", "State"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(states) >= 20 and set(states) == {"COMPLETED"}
