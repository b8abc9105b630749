"""On a real SLURM of one node: the bytes of a workstation's run, GPUs, jobs that end badly."""

import json
import subprocess
import sys
import time

import pytest
import yaml
from running import ROOT, SMALL_SESSIONS, results, small_study, snakemake, start

pytestmark = pytest.mark.slow


def told_by_sacct(fields):
    """Fields of each job, the last one last."""
    command = ["sacct", "-n", "-X", "-P", "-o", fields]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_a_study_on_slurm_has_the_bytes_of_a_workstation(study, slurm, tmp_path):
    other = small_study(tmp_path / "other", source=study)
    snakemake(*slurm, cwd=other)
    assert results(other) == results(study)
    states = told_by_sacct("State")
    assert len(states) >= 15 and set(states) == {"COMPLETED"}
    what_a_failed_run_did_not_make_is_made_again(other, slurm)


def what_a_failed_run_did_not_make_is_made_again(folder, slurm):
    """Both sessions' trajectories fail, before or after the encoding that is in the same SLURM job.

    Snakemake takes what lies there of before for the encoding of today.
    """
    config = yaml.safe_load((folder / "config/config.yaml").read_text())
    for section in ("analysis", "encoding"):
        config[section]["n_bootstrap"] += 10
    (folder / "config/config.yaml").write_text(yaml.safe_dump(config))
    script = folder / "workflow/scripts/trajectories.py"
    whole = script.read_text()
    script.write_text(f"raise SystemExit(1)\n{whole}")
    targets = [f"results/figures/{session}" for session in SMALL_SESSIONS]
    assert snakemake(*slurm, "--retries", 0, *targets, cwd=folder, check=False).returncode
    script.write_text(whole)
    planned = snakemake(*slurm, "--dry-run", *targets, cwd=folder).stdout
    for session in SMALL_SESSIONS:
        record = json.loads((folder / f"results/provenance/jobs/encoding/{session}.json").read_text())
        is_made = record["settings"]["encoding"]["n_bootstrap"] == config["encoding"]["n_bootstrap"]
        assert is_made != (f"output: results/sessions/{session}/encoding" in planned)


@pytest.mark.usefixtures("study", "slurm")
def test_a_whole_run_can_be_one_slurm_job_that_keeps_to_its_memory(tmp_path):
    folder = small_study(tmp_path / "one")
    session = SMALL_SESSIONS[0]
    made = f"results/sessions/{session}/recording/descriptor.json"
    run = f"{sys.executable} -m snakemake {made}"
    asked = ["--wait", "--cpus-per-task=2", "--mem=3000", f"--chdir={folder}", "--output=told.txt"]
    subprocess.run(["sbatch", *asked, "--wrap", run], check=True, timeout=200)
    told = (folder / "told.txt").read_text()
    assert (folder / made).exists()
    assert "Provided cores: 2" in told
    assert f"mem_mb={int(0.9 * (3000 << 20) / 1e6)}" in told


# Its node has more cores than the study has sessions: the job asks for the one it was given, all the same.
@pytest.mark.usefixtures("study")
def test_a_session_by_itself_is_sorted_on_slurm(slurm, tmp_path):
    folder = small_study(tmp_path / "one")
    head, session, *_ = (folder / "config/sessions.tsv").read_text().splitlines()
    (folder / "config/sessions.tsv").write_text(f"{head}\n{session}\n")
    spikes = f"results/sessions/{session.split()[0]}/sorting/spikes.parquet"
    snakemake(*slurm, "--retries", 0, spikes, cwd=folder)
    assert (folder / spikes).exists()


ASKS = """
rule asks:
    output: "granted.txt"
    resources: gpu=1
    shell: "echo GPU ${{CUDA_VISIBLE_DEVICES-none}} > {output}"
"""


# The study is not looked at: it keeps the test on the worker whose SLURM this is.
@pytest.mark.usefixtures("study")
def test_a_job_that_asks_for_a_gpu_is_granted_it(slurm, tmp_path):
    (tmp_path / "Snakefile").write_text(ASKS)
    (tmp_path / "profiles").symlink_to(ROOT / "profiles")
    snakemake(*slurm, cwd=tmp_path)
    assert (tmp_path / "granted.txt").read_text() == "GPU 0\n"


# Two that could run beside each other, and one that fails.
GROUP = """
rule last:
    input: "one.txt", "two.txt"
    output: "last.txt"
    shell: "exit 3"

rule made:
    output: "{number}.txt"
    shell: "touch {output}"
"""


@pytest.mark.usefixtures("study")
def test_a_group_asks_for_the_cores_of_one_job_and_keeps_what_was_made_where_another_fails(slurm, tmp_path):
    (tmp_path / "Snakefile").write_text(GROUP)
    (tmp_path / "profiles").symlink_to(ROOT / "profiles")
    groups = ("--retries", 0, "--groups", "made=group", "last=group")
    done = snakemake(*slurm, *groups, cwd=tmp_path, check=False)
    assert done.returncode != 0
    assert sorted(file.name for file in tmp_path.glob("*.txt")) == ["one.txt", "two.txt"]
    assert told_by_sacct("State,AllocCPUS")[-1] == "FAILED|1"


# The first job of each rule ends badly, in its own way; the second, where it comes, well.
ENDS_BADLY = """
rule all:
    input: "cancelled.txt", "failed.txt", "timed_out.txt"

rule ends:
    output: "{how}.txt"
    resources:
        number=lambda wildcards, attempt: attempt,
        mem_mb=200,
        runtime=lambda wildcards: 1 if wildcards.how == "timed_out" else 10
    shell:
        "[ {resources.number} != 1 ] || case {wildcards.how} in failed) exit 3;; *) sleep 600;; esac; "
        "touch {output}"
"""


def slurm_jobs():
    """Number, state and comment (rule and wildcards) of each job that SLURM knows."""
    command = ["squeue", "--states=all", "--noheader", "--format=%i|%T|%k"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [line.split("|") for line in lines]


def wait_for_jobs(state, comment):
    until = time.monotonic() + 120
    while time.monotonic() < until:
        if numbers := [n for n, is_in, of in slurm_jobs() if is_in == state and comment in of]:
            return numbers
        time.sleep(0.5)
    pytest.fail(f"no job of {comment} is {state}: {slurm_jobs()}")


@pytest.mark.usefixtures("study")
def test_a_job_that_is_cancelled_fails_or_runs_out_of_time_gets_a_new_one(slurm, tmp_path):
    (tmp_path / "Snakefile").write_text(ENDS_BADLY)
    (tmp_path / "profiles").symlink_to(ROOT / "profiles")
    run = start(*slurm, cwd=tmp_path)
    try:
        subprocess.run(["scancel", *wait_for_jobs("RUNNING", "cancelled")], check=True)
        output, _ = run.communicate(timeout=400)
    finally:
        run.kill()
    assert run.returncode == 0, output
    for state in ("CANCELLED", "FAILED", "TIMEOUT"):
        assert f"SLURM status is: '{state}'" in output
    assert all((tmp_path / f"{how}.txt").exists() for how in ("cancelled", "failed", "timed_out"))
