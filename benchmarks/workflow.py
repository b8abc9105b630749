"""What Snakemake itself costs: a run that has nothing to do, and each job of a run beyond its own work.

Jobs of a rule `empty` with the frame that every rule's script has (`evoalign.pipeline.job`) do nothing. The
time of a run with many of them, less that of a run with few, by the number between, is the
overhead of a job; a rule of the shell without that frame shows the part of Python and the library.
With ``--slurm`` the same jobs run on the SLURM that ``make slurm-up`` brings up, by the profile
`slurm`: one in each SLURM job, and then two, one after the other, as the profile groups small jobs.
"""

import argparse
import contextlib
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/workflow"))

from many import finished_study
from running import copy_checkout, snakemake

from evoalign.pipeline.changes import stale_outputs, states
from evoalign.pipeline.provenance.records import JOBS

RULES = """

rule empty:
    output:
        f"{RESULTS}/empty/{{n}}.tsv",
    log:
        f"{RESULTS}/logs/empty/{{n}}.log",
    params:
        code=code("empty"),
        settings=settings(),
    script:
        "workflow/scripts/empty.py"


rule followed:
    input:
        f"{RESULTS}/empty/{{n}}.tsv",
    output:
        f"{RESULTS}/followed/{{n}}.tsv",
    log:
        f"{RESULTS}/logs/followed/{{n}}.log",
    params:
        code=code("empty"),
        settings=settings(),
    script:
        "workflow/scripts/empty.py"


rule touched:
    output:
        f"{RESULTS}/touched/{{n}}.tsv",
    shell:
        "touch {output}"
"""
SCRIPT = """from pathlib import Path

from evoalign.pipeline.job import job

with job(snakemake):
    Path(snakemake.output[0]).touch()
"""
FEW, MANY = 2, 18


def study_of_empty_jobs(folder: Path) -> Path:
    """The demo's checkout with the rules `empty` and `touched`."""
    copy_checkout(folder)
    with (folder / "Snakefile").open("a") as snakefile:
        snakefile.write(RULES)
    (folder / "workflow/scripts/empty.py").write_text(SCRIPT)
    return folder


def run(folder: Path, rule: str, n: int, arguments: tuple[object, ...]) -> float:
    """Seconds of a run of so many jobs of a rule."""
    shutil.rmtree(folder / "results", ignore_errors=True)
    began = time.perf_counter()
    snakemake(*arguments, "--", *(f"results/{rule}/{i}.tsv" for i in range(n)), cwd=folder)
    return time.perf_counter() - began


def overhead(folder: Path, rule: str, arguments: tuple[object, ...]) -> tuple[float, float]:
    """Seconds of start, and of each job, from runs of few and of many."""
    few, many = (run(folder, rule, n, arguments) for n in (FEW, MANY))
    each = (many - few) / (MANY - FEW)
    return few - FEW * each, each


def elapsed_on_slurm() -> list[int]:
    """Seconds that SLURM counted for each job of the last run."""
    command = ["sacct", "-n", "-X", "-P", "-o", "ElapsedRaw"]
    return [
        int(s) for s in subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    ]


def nothing_to_do(n_sessions: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = finished_study(Path(place) / "study", n_sessions)
        began = time.perf_counter()
        done = snakemake("--cores", 1, cwd=folder)
        took = time.perf_counter() - began
    assert "Nothing to be done" in done.stdout
    print(f"| nothing to do in {n_sessions} sessions | {took:.1f} s | |", flush=True)


def plan_check(n_sessions: int, n_jobs: int = 14, n_files: int = 10) -> None:
    """Compare the files of a study with the records of its jobs, as each run does before it plans."""
    with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
        for session, job in itertools.product(range(n_sessions), range(n_jobs)):
            output, before = (Path(f"results/s{session}/{number}") for number in (job, job - 1))
            output.mkdir(parents=True)
            for number in range(n_files):
                (output / f"{number}.parquet").write_bytes(bytes(100))
            record = {
                "rule": f"{job}", "wildcards": {"session": f"s{session}"}, "settings": {}, "row": {},
                "inputs": {str(before): ""} if job else {}, "outputs": [str(output)],
                "files": states([output]), "facts": {"about": "x" * 2000},
            }  # fmt: skip
            file = Path(f"results/{JOBS}/{job}/s{session}.json")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(record))
        began = time.perf_counter()
        assert not stale_outputs("results", {}, {f"s{k}": {} for k in range(n_sessions)})
        took = time.perf_counter() - began
    files = n_sessions * n_jobs * n_files
    print(f"| of it the check of {files} files of {n_sessions} sessions | {took:.2f} s | |", flush=True)


def jobs(slurm: bool) -> None:
    alone, grouped = ("touched", "empty"), ("followed",)
    ways: dict[str, tuple[tuple[object, ...], tuple[str, ...]]] = {
        "workstation, 1 job at a time": (("--cores", 1), alone)
    }
    if slurm:
        quick = ("--workflow-profile", "slurm", "--jobs", MANY, "--latency-wait", 10)
        ways["SLURM, each alone"] = quick, (*alone, *grouped)
        ways["SLURM, two in a group"] = (*quick, "--groups", "empty=pair", "followed=pair"), grouped
    with tempfile.TemporaryDirectory() as place:
        folder = study_of_empty_jobs(Path(place) / "study")
        run(folder, "empty", 1, ("--cores", 1))  # makes what is made once
        for way, (arguments, rules) in ways.items():
            for rule in rules:
                before = len(elapsed_on_slurm()) if slurm else 0
                start, each = overhead(folder, rule, arguments)
                of_node = elapsed_on_slurm()[before:] if slurm else []
                counted = f"; SLURM jobs of {min(of_node)} to {max(of_node)} s" if of_node else ""
                name = "`empty` and `followed`" if rule == "followed" else f"`{rule}`"
                print(f"| {way}: {name} | {each:.2f} s | start {start:.1f} s{counted} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, nargs="*", default=[10, 200])
    parser.add_argument("--slurm", action="store_true", help="also on SLURM (`make slurm-up` first)")
    given = parser.parse_args()
    print("| what | time (of each job) | |\n|---|---|---|")
    for n in given.sessions:
        nothing_to_do(n)
        plan_check(n)
    jobs(given.slurm)


if __name__ == "__main__":
    main()
