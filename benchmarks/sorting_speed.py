"""Processor time of the default sorter: this build beside an earlier one, in one run.

    python benchmarks/sorting_speed.py --before e01cf08 --electrodes 32 --duration 120
    python benchmarks/sorting_speed.py --before e01cf08 --electrodes 96 --duration 600 --jobs 2

The earlier build is a `git worktree` in a temporary folder. The builds take turns, each in a process
of its own that has sorted ten seconds before, so that nothing is compiled within the time. Each has
sorted in another process before that: what it compiled comes from a file then, and the compiler does
not count as its memory. Processor time counts the child processes of the clustering; the shortest of
the turns is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from sorting import MemoryWatch, judge, processor_s, sort_with
from sorting_truth import RATE_HZ, Case, make_truth

COMPILING = Case(2, 4, 9.0, 20.0)
ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--before", default="HEAD~1", help="commit of the earlier build")
    parser.add_argument("--electrodes", type=int, default=32)
    parser.add_argument("--duration", type=float, default=120.0, help="s")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("benchmarks/data"))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(time_one(Case(**json.loads(args.one)), args.folder, args.jobs)))
        return
    case = Case(args.electrodes, 2 * args.electrodes, 9.0, args.duration)
    make_truth(case, args.folder)  # outside of the timing
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder) / "before"
        subprocess.run(["git", "-C", ROOT, "worktree", "add", "--detach", before, args.before], check=True)
        try:
            for tree in (before, ROOT):
                in_own_process(tree, COMPILING, args)
            for turn in range(args.turns):
                for build, tree in (("before", before), ("this", ROOT)):
                    rows.append({"build": build, "turn": turn, **in_own_process(tree, case, args)})
                    print(*rows[-1].values(), flush=True)
        finally:
            subprocess.run(["git", "-C", ROOT, "worktree", "remove", "--force", before], check=True)
    shortest = pd.DataFrame(rows).sort_values("cpu_s").groupby("build", sort=False).first()
    print("\n" + shortest.drop(columns="turn").to_markdown())
    print(f"\n{shortest['cpu_s']['before'] / shortest['cpu_s']['this']:.2f} times less processor time")


def in_own_process(tree: Path, case: Case, args: argparse.Namespace) -> dict[str, float]:
    command = [
        sys.executable, __file__, "--jobs", str(args.jobs), "--folder", str(args.folder),
        "--one", json.dumps(asdict(case)),
    ]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(tree / "workflow"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def time_one(case: Case, folder: Path, jobs: int) -> dict[str, float]:
    recording, truth, _ = make_truth(case, folder)
    sort_with(recording.frame_slice(0, 10 * RATE_HZ), "electrode", "per-electrode", jobs)
    with MemoryWatch() as memory:
        cpu, wall = processor_s(), time.perf_counter()
        found = sort_with(recording, "electrode", "per-electrode", jobs)
        cpu, wall = processor_s() - cpu, time.perf_counter() - wall
    return {
        "cpu_s": round(cpu, 2),
        "seconds": round(wall, 2),
        "memory_mb": round(memory.peak_mb),
        **judge(truth, found),
    }


if __name__ == "__main__":
    main()
