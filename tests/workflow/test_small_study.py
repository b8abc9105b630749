"""A study of two small sessions, run in several ways: the same tables each time, and nothing half made."""

import os
import shutil
import subprocess

import pytest
from running import ROOT, SMALL_SESSIONS, results, small_study, snakemake

pytestmark = pytest.mark.slow


def test_one_job_at_a_time_gives_the_same_bytes_as_two(study, tmp_path):
    other = small_study(tmp_path / "other", source=study)
    snakemake("--cores", 1, cwd=other)
    assert results(other) == results(study)


def test_from_shared_nwb_files_alone_come_the_same_tables_and_figures(study, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    sheet = ["session\tsubject\tnwb"]
    for session in SMALL_SESSIONS:
        shutil.copy(study / f"results/nwb/{session}.nwb", shared)
        sheet.append(f"{session}\tDemo\t{shared}/{session}.nwb")
    other = small_study(tmp_path / "other", source=study)
    (other / "config/sessions.tsv").write_text("\n".join(sheet) + "\n")
    snakemake("--cores", 2, cwd=other)
    made, expected = results(other), results(study)
    for part in ("figures", "population"):
        names = [name for name in expected if name.startswith(f"results/{part}/")]
        assert names
        differing = [name for name in names if made.get(name) != expected[name]]
        assert not differing


def test_a_session_that_fails_leaves_the_others_and_says_why(study, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(study, other)
    raw = other / "data/demo/V1_plexon/V1_plexon.plx"
    raw.write_bytes(raw.read_bytes()[: raw.stat().st_size // 2])
    done = snakemake("--cores", 2, cwd=other, check=False)
    assert done.returncode != 0
    assert "InputError in" in done.stdout and "V1_plexon.plx" in done.stdout
    assert "Traceback" not in done.stdout.split("InputError in")[1].split("RuleException")[0]
    assert not list(other.rglob(".partial-*"))
    unharmed = {n: d for n, d in results(study).items() if "IT_blackrock" in n}
    assert {n: d for n, d in results(other).items() if "IT_blackrock" in n} == unharmed


def slurm_reason():
    """Why no SLURM can be brought up here; '' when it can."""
    missing = [
        tool
        for tool in ("sbatch", "slurmctld", "slurmd", "slurmdbd", "munged", "mariadbd")
        if not shutil.which(tool)
    ]
    if os.geteuid() != 0:
        return "a SLURM needs root"
    return f"not installed: {', '.join(missing)}" if missing else ""


@pytest.fixture(scope="module")
def slurm():
    """A real one-node SLURM, ended and removed afterwards."""
    folder = ROOT / "tests/slurm"
    subprocess.run([folder / "slurm-up"], check=True, capture_output=True, text=True, timeout=120)
    yield
    subprocess.run([folder / "slurm-down"], check=True, capture_output=True, timeout=120)


@pytest.mark.skipif(bool(slurm_reason()), reason=slurm_reason())
def test_a_slurm_run_gives_the_same_bytes_as_a_workstation(study, slurm, tmp_path):
    other = small_study(tmp_path / "other", source=study)
    # One node of two cores: jobs ask for what fits beside each other.
    snakemake(
        *("--workflow-profile", "slurm", "--jobs", 8, "--latency-wait", 10),
        *("--slurm-init-seconds-before-status-checks", 2),
        cwd=other,
    )
    assert results(other) == results(study)
    states = subprocess.run(
        ["sacct", "-n", "-X", "-P", "-o", "State"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(states) >= 5 and set(states) == {"COMPLETED"}
