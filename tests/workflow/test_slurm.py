"""The demo on a real SLURM of one node: the bytes of a workstation's run."""

import subprocess

import pytest
from running import ROOT, copy_checkout, results, snakemake

pytestmark = pytest.mark.slow


def test_the_demo_on_slurm_has_the_bytes_of_a_workstation(demo, slurm, tmp_path):
    other = copy_checkout(tmp_path / "other", demo)
    snakemake(*slurm, cwd=other)
    assert results(other) == results(demo)
    states = subprocess.run(
        ["sacct", "-n", "-X", "-P", "-o", "State"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(states) >= 20 and set(states) == {"COMPLETED"}


ASKS = """
rule asks:
    output: "granted.txt"
    resources: gpu=1
    shell: "echo GPU ${{CUDA_VISIBLE_DEVICES-none}} > {output}"
"""


# The demo is not looked at: it keeps the test on the worker whose SLURM this is.
@pytest.mark.usefixtures("demo")
def test_a_job_that_asks_for_a_gpu_is_granted_it(slurm, tmp_path):
    (tmp_path / "Snakefile").write_text(ASKS)
    (tmp_path / "profiles").symlink_to(ROOT / "profiles")
    snakemake(*slurm, cwd=tmp_path)
    assert (tmp_path / "granted.txt").read_text() == "GPU 0\n"
