"""All panels of a study of 170 experiments: this project and plain pandas and scipy, in one run.

    python benchmarks/population.py [--experiments N] [--plain N] [--threads N]

Time runs from the counts of every session (in memory) to the pooled tables,
with all tests, bootstraps and permutations. The plain implementation
(benchmarks/population_plain.py) is an analysis script as one writes it with
pandas, scipy and statsmodels: loops over experiments, tests, draws and flips.
It makes the same panels, but neither frames of them nor their contracts. It
runs on the first `--plain` experiments, where this project is timed, too;
numbers that both give must agree.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from time import perf_counter

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


def ours(sessions: Sessions) -> tuple[dict[str, float], dict[str, pd.DataFrame]]:
    """Seconds of each stage, and the pooled tables."""
    settings = CONFIG.analysis
    start = perf_counter()
    # One session after the other, as each is a job of the pipeline.
    tables = [
        analyse_experiment(experiment_from(r, settings, unstable=d.unstable), settings, CONFIG.seed)
        for d, r in sessions
    ]
    analysed = perf_counter()
    pooled = pool_sessions(tables, CONFIG)
    return {"sessions": analysed - start, "pooled": perf_counter() - analysed}, pooled


def theirs(sessions: Sessions) -> tuple[dict[str, float], dict]:
    settings = CONFIG.analysis
    start = perf_counter()
    found = [plain.session(r, settings, design.unstable) for design, r in sessions]
    analysed = perf_counter()
    pooled = plain.pool(found, settings)
    return {"sessions": analysed - start, "pooled": perf_counter() - analysed}, pooled


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
    parser.add_argument("--plain", type=int, default=34, help="experiments of the plain implementation")
    # Its products are small: more threads wait for each other, and for hundreds of ms on a busy machine.
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with threadpool_limits(options.threads):
        few, whole = ([(d, simulate_responses(d, -50, 250)) for d in draw_study(n)] for n in counts(options))
        ours(few[:1])  # loads what is loaded once
        spent, _ = ours(whole)
        small, tables = ours(few)
        slow, reference = theirs(few)
    settings = CONFIG.analysis
    print(
        f"{options.threads} threads; {settings.n_bootstrap} bootstrap draws, "
        f"{settings.n_permutations} sign flips.\n\n| | experiments | s | stages, s |\n|---|---|---|---|"
    )
    print(row("evoalign, every panel", len(whole), spent))
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
