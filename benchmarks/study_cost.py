"""What a run costs: CPU and wall time from NWB files to the report, by an earlier build and by this one.

A study of simulated experiments, the same files for both; or with ``--demo`` the demo, which each
build simulates, sorts and packages itself. The builds run one after the other, in clones of this
repository, with the packages that are installed here. CPU is that of all processes of the run, and by
rule as the records of its jobs tell it; the rest is Snakemake's own.
"""

import argparse
import collections
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def clone(commit: str, folder: Path) -> Path:
    """A checkout of a commit of this repository."""
    subprocess.run(["git", "clone", "--quiet", "--shared", "--no-checkout", ROOT, folder], check=True)
    subprocess.run(["git", "checkout", "--quiet", "--detach", commit], cwd=folder, check=True)
    return folder


def python(*arguments: object, cwd: Path) -> None:
    """Run Python with the library of a checkout."""
    environment = os.environ | {"PYTHONPATH": str(cwd / "workflow")}
    with (cwd / "run.log").open("a") as log:
        done = subprocess.run([sys.executable, *map(str, arguments)], cwd=cwd, env=environment, stdout=log,
                              stderr=subprocess.STDOUT, check=False)  # fmt: skip
    if done.returncode:
        sys.exit(f"{(cwd / 'run.log').read_text()[-3000:]}\nthe run in {cwd} ended with {done.returncode}")


def give_study(folder: Path, data: Path) -> None:
    """Let a checkout's settings name the sheet of a study."""
    file = folder / "config/config.yaml"
    config = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump(config | {"sessions": str(data / "sessions.tsv")}))


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def by_rule(folder: Path) -> dict[str, tuple[float, int]]:
    """CPU seconds and number of the jobs of each rule."""
    seconds: dict[str, float] = collections.defaultdict(float)
    jobs: dict[str, int] = collections.defaultdict(int)
    for file in (folder / "results/provenance/jobs").glob("*/*.json"):
        record = json.loads(file.read_text())
        seconds[record["rule"]] += record["usage"]["cpu_s"]
        jobs[record["rule"]] += 1
    return {rule: (seconds[rule], jobs[rule]) for rule in jobs}


def measure(folder: Path, cores: int) -> tuple[float, float, dict[str, tuple[float, int]]]:
    """CPU and wall seconds of a run, and those of its rules."""
    cpu, wall = cpu_s(), time.perf_counter()
    python("-m", "snakemake", "--cores", cores, cwd=folder)
    return cpu_s() - cpu, time.perf_counter() - wall, by_rule(folder)


def print_table(costs: dict[str, tuple[float, float, dict[str, tuple[float, int]]]]) -> None:
    (before, (base_cpu, base_wall, base)), (after, (cpu, wall, new)) = costs.items()
    print(f"| | {before}, CPU s (jobs) | {after}, CPU s (jobs) | ratio |\n|---|---|---|---|")
    rows = {rule: (base.get(rule, (0, 0)), new.get(rule, (0, 0))) for rule in base | new}
    for rule, ((s, n), (t, m)) in sorted(rows.items(), key=lambda row: -row[1][0][0]):
        print(f"| `{rule}` | {s:.1f} ({n}) | {t:.1f} ({m}) | {t / s if s else float('nan'):.2f} |")
    rest = [whole - sum(s for s, _ in rules.values()) for whole, rules in ((base_cpu, base), (cpu, new))]
    print(f"| Snakemake and start of Python | {rest[0]:.1f} | {rest[1]:.1f} | {rest[1] / rest[0]:.2f} |")
    print(f"| **whole run, CPU** | {base_cpu:.1f} | {cpu:.1f} | {cpu / base_cpu:.2f} |")
    print(f"| whole run, wall | {base_wall:.1f} | {wall:.1f} | {wall / base_wall:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default="5bc6fb6", help="the earlier build, a commit")
    parser.add_argument("--new", default="HEAD", help="this build, a commit")
    parser.add_argument("--experiments", type=int, default=12)
    parser.add_argument("--demo", action="store_true", help="the demo in place of a study of NWB files")
    parser.add_argument("--cores", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        builds = {commit: clone(commit, Path(place) / commit) for commit in (chosen.base, chosen.new)}
        if not chosen.demo:
            data = Path(place) / "data"
            made_by = builds[chosen.base]
            python("-m", "evoalign.simulate.study", data, "--experiments", chosen.experiments, cwd=made_by)
            for folder in builds.values():
                give_study(folder, data)
        print_table({commit: measure(folder, chosen.cores) for commit, folder in builds.items()})


if __name__ == "__main__":
    main()
