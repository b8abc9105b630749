"""All panels of a study of 170 experiments: this project and plain pandas and scipy, in one run.

    python benchmarks/population.py [--experiments N] [--plain N] [--threads N]
    python benchmarks/population.py --experiments N --plain 0 --before CHECKOUT
    python benchmarks/population.py --copies N

Time runs from the counts of every session (in memory) to the pooled tables,
with all tests, bootstraps and permutations. The plain implementation
(benchmarks/population_plain.py) is an analysis script as one writes it with
pandas, scipy and statsmodels: loops over experiments, tests, draws and flips.
It makes the same panels, but neither frames of them nor their contracts. On
one thread both are timed by the processor's seconds. The plain one runs on the
first `--plain` experiments, where this project is timed, too; numbers that
both give must agree. `--before` times another checkout of this project in the
same run, the two in turn, three times each, by the processor's seconds; the
fastest counts. `--copies` pools N experiments, copies of 40 that are read from
files one after the other, and prints the largest memory.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import pandas as pd
import torch
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parent))
import population_plain as plain
from evoalign import study
from evoalign.analysis.population.pool import pool_sessions
from evoalign.analysis.preferred import experiment_from
from evoalign.analysis.session.analyse import analyse_experiment
from evoalign.responses.session_responses import SessionResponses
from evoalign.simulate.study_design import ExperimentDesign, draw_study
from evoalign.simulate.study_session import simulate_responses

CONFIG = study.Config(device="cpu")
Sessions = list[tuple[ExperimentDesign, SessionResponses]]


def ours(
    sessions: Sessions, clock: Callable[[], float] = perf_counter
) -> tuple[dict[str, float], dict[str, pd.DataFrame]]:
    """Seconds of each stage, and the pooled tables."""
    settings = CONFIG.analysis
    start = clock()
    # One session after the other, as each is a job of the pipeline.
    tables = [
        analyse_experiment(experiment_from(r, settings, unstable=d.unstable), settings, CONFIG.seed)
        for d, r in sessions
    ]
    analysed = clock()
    pooled = pool_sessions(tables, CONFIG)
    return {"sessions": analysed - start, "pooled": clock() - analysed}, pooled


def in_turn(before: Path, options: argparse.Namespace) -> None:
    """Print processor seconds of this checkout and of another."""
    here = Path(__file__).parents[1]
    spent: dict[Path, list[dict[str, float]]] = {before: [], here: []}
    for checkout in [*spent] * 3:
        code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import population"
        code += f"; population.alone({options.experiments})"
        environment = os.environ | {"PYTHONPATH": str(checkout / "workflow"), "OMP_NUM_THREADS": "1"}
        done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True)
        spent[checkout].append(json.loads(done.stdout))
    for name, checkout in (("before", before), ("now", here)):
        print(row(name, options.experiments, min(spent[checkout], key=lambda one: sum(one.values()))))


def alone(n: int) -> None:
    """Print processor seconds of each stage as JSON, of whichever checkout is on the path."""
    torch.set_num_threads(1)
    sessions = [(d, simulate_responses(d, -50, 250)) for d in draw_study(n)]
    ours(sessions[:1], process_time)
    print(json.dumps(ours(sessions, process_time)[0]))


def in_copies(n: int) -> None:
    """Pool copies of 40 experiments, read one after the other, and print the largest memory."""
    from evoalign.analysis.session.results import SessionResults, read_results

    with tempfile.TemporaryDirectory() as folder:
        for design in draw_study(40):
            experiment = experiment_from(
                simulate_responses(design, -50, 250), CONFIG.analysis, unstable=design.unstable
            )
            analyse_experiment(experiment, CONFIG.analysis, CONFIG.seed).write(Path(folder) / design.session)
        paths = sorted(Path(folder).iterdir())

        def copies() -> Iterator[SessionResults]:
            for copy in range(n):
                evolution = read_results(paths[copy % len(paths)]).evolution
                assert evolution is not None
                yield SessionResults(evolution.assign_coords(session=f"copy {copy:05d}"), {})

        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, process_time()
        pool_sessions(copies(), CONFIG)
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{n} experiments read and pooled: {process_time() - start:.0f} s, {most / 1e6:.2f} GB of memory, "
        f"of which {before / 1e6:.2f} GB were held before"
    )


def theirs(sessions: Sessions, clock: Callable[[], float] = perf_counter) -> tuple[dict[str, float], dict]:
    """Seconds of each stage, and the panels of the plain implementation."""
    settings = CONFIG.analysis
    start = clock()
    found = [plain.session(r, settings, design.unstable) for design, r in sessions]
    analysed = clock()
    pooled = plain.pool(found, settings)
    return {"sessions": analysed - start, "pooled": clock() - analysed}, pooled


def agreement(pooled: dict[str, pd.DataFrame], reference: dict) -> tuple[float, float]:
    """Largest difference of means and p, and largest of intervals in units of their width."""
    frame = pooled["population_trajectories"]
    frame = frame[(frame["window"] == "evoked") & (frame["selection"] == "valid")]
    exact, loose = 0.0, 0.0
    for area, own in frame.sort_values("block_index").groupby("area"):
        panel = reference[area]["valid"]
        for thread, kind in enumerate(("texture", "object")):
            exact = max(exact, float(np.nanmax(np.abs(own[f"{kind}_mean"] - panel["mean"][0, thread]))))
            width = panel["high"][0, thread] - panel["low"][0, thread]
            for end in ("low", "high"):
                off = np.abs(own[f"{kind}_{end}"].to_numpy() - panel[end][0, thread]) / width
                loose = max(loose, float(np.nanmax(off)))
        if panel["n"] > 1:
            exact = max(exact, float(np.nanmax(np.abs(own["p"] - panel["p"][0]))))
    return exact, loose


def row(name: str, n: int, spent: dict[str, float]) -> str:
    stages = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in spent.items())
    return f"| {name} | {n} | {sum(spent.values()):.1f} | {stages} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--experiments", type=int, default=170)
    parser.add_argument(
        "--plain", type=int, default=34, help="experiments of the plain implementation; 0: without it"
    )
    # Its products are small: more threads wait for each other, and for hundreds of ms on a busy machine.
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--before", type=Path, help="another checkout of this project, timed beside it")
    parser.add_argument("--copies", type=int, default=0, help="experiments to pool from files, for memory")
    options = parser.parse_args()
    if options.copies:
        in_copies(options.copies)
        return
    if options.before:
        in_turn(options.before, options)
        return
    compare(options)


def compare(options: argparse.Namespace) -> None:
    """Time ours on the whole study and, where asked for, the plain implementation on a part of it."""
    torch.set_num_threads(options.threads)
    # On one thread the processor's seconds: another's work beside it does not count.
    clock = process_time if options.threads == 1 else perf_counter
    with threadpool_limits(options.threads):
        few, whole = ([(d, simulate_responses(d, -50, 250)) for d in draw_study(n)] for n in counts(options))
        ours(whole[:1])  # loads what is loaded once
        spent, _ = ours(whole, clock)
        if few:
            small, tables = ours(few, clock)
            slow, reference = theirs(few, clock)
    settings = CONFIG.analysis
    print(
        f"{options.threads} threads; {settings.n_bootstrap} bootstrap draws, "
        f"{settings.n_permutations} sign flips.\n\n| | experiments | s | stages, s |\n|---|---|---|---|"
    )
    print(row("evoalign, every panel", len(whole), spent))
    if not few:
        return
    print(row("evoalign, every panel", len(few), small))
    print(row("pandas, scipy and statsmodels", len(few), slow))
    exact, loose = agreement(tables, reference)
    print(
        f"\n{sum(slow.values()) / sum(small.values()):.0f} times faster on the same experiments. Means and p "
        f"values differ by at most {exact:.1g}, ends of bootstrap intervals by at most {loose:.2f} widths."
    )


def counts(options: argparse.Namespace) -> tuple[int, int]:
    return options.plain, options.experiments


if __name__ == "__main__":
    main()
