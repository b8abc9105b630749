"""Error rates and yields of the tuning analysis: the tables of docs/methods.md, section 7.

    python benchmarks/tuning.py [--studies N] [--sessions N]

First, null studies in which the success of an evolution does not matter, but
axes of a session are alike: how often the study's test over axes and the test
over sessions are below 0.05. Then axes of known shape, of Poisson counts: how
often each shape is told, and how many labels are those of scikit-learn's
regressor on single presentations.
"""

from __future__ import annotations

import argparse
import datetime as dt
import warnings

import numpy as np
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from threadpoolctl import threadpool_limits

from evoalign import study
from evoalign.analysis.tuning.fraction_tests import session_test, two_proportion_z
from evoalign.analysis.tuning.session import AXIS, tune_session
from evoalign.analysis.tuning.shapes import shape_flags
from evoalign.simulate.tuning import TuningDesign, planted_kinds, simulate_tuning_responses

LEVEL = 0.05
SHARE = 0.4  # of axes that are bells, in either group
# Sessions after success and after failure, and tuned axes of a session: the study's size, fewer axes after
# failure, and a small study.
SIZES = {
    "40 and 12": ((40, 12), (8, 8)),
    "40 and 12, fewer axes": ((40, 12), (9, 4)),
    "10 and 6": ((10, 6), (9, 9)),
}
SPREAD = 3  # a session has up to so many axes more or fewer
CORRELATIONS = (0.0, 0.1, 0.25, 0.5)


def null_study(
    sessions: tuple[int, int], axes: tuple[int, int], correlation: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """K of n axes of each session, and its success, which does not matter.

    Axes of a session have one probability, drawn from a beta distribution, so
    `correlation` is that of two axes of a session.
    """
    succeeds = np.repeat([True, False], sessions)
    n = np.where(succeeds, *axes) + rng.integers(-SPREAD, SPREAD + 1, len(succeeds))
    chance = np.full(len(succeeds), SHARE)
    if correlation:
        mass = 1 / correlation - 1
        chance = rng.beta(SHARE * mass, (1 - SHARE) * mass, len(succeeds))
    return rng.binomial(n, chance), n, succeeds


def error_rates(studies: int, size: str, correlation: float, permutations: int = 399) -> tuple[float, float]:
    """Share of null studies that the test over axes, and that over sessions, call different."""
    rng = np.random.default_rng([7, int(100 * correlation), len(size)])
    found = np.zeros(2)
    for number in range(studies):
        k, n, succeeds = null_study(*SIZES[size], correlation, rng)
        groups = succeeds, ~succeeds
        hits, trials = ([int(each[group].sum()) for group in groups] for each in (k, n))
        over_axes = two_proportion_z(hits[0], trials[0], hits[1], trials[1])[1]
        over_sessions = session_test(k, n, succeeds, n_permutations=permutations, seed=number)[1]
        found += [over_axes <= LEVEL, over_sessions <= LEVEL]
    return float(found[0] / studies), float(found[1] / studies)


def planted_axes(origin_hz: float, sessions: int, repeats: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Axes of simulated sessions with what was planted, and single presentations of these axes."""
    start = dt.datetime(2026, 3, 20, 10, 0, tzinfo=dt.UTC)
    config = study.Config(device="cpu")
    axes, points = [], []
    for seed in range(500, 500 + sessions):
        design = TuningDesign(
            f"s{seed}", "A", "IT", "6a", 6, start, seed,
            origin_hz=origin_hz, depth_hz=origin_hz, repeats=repeats,
        )  # fmt: skip
        found = tune_session(simulate_tuning_responses(design, -50, 250), config)
        axes.append(found["tuning_axes"].merge(planted_kinds(design)[[*AXIS, "kind"]], on=AXIS))
        points.append(found["tuning_points"])
    return pd.concat(axes, ignore_index=True), pd.concat(points, ignore_index=True)


def yields(axes: pd.DataFrame) -> str:
    """How many bells and slopes are told as such, and how many flat axes are tuned."""
    shapes = {
        "centred": "bell",
        "shifted": "bell",
        "rising": "monotonic",
        "falling": "monotonic",
        "flat": "tuned",
    }
    measure = axes["kind"].map(shapes)
    cells = []
    for name in ("bell", "monotonic", "tuned"):
        own = axes[measure == name]
        cells.append(f"{int(own[name].sum())} of {len(own)}")
    return " | ".join(cells)


def agreement(axes: pd.DataFrame, points: pd.DataFrame) -> int:
    """Axes whose flags and peak are those of scikit-learn's regressor on single presentations."""
    equal = 0
    for key, own in points.groupby(["session", *AXIS]):
        at, rate = own["distance"].to_numpy(), own["rate_hz"].to_numpy()
        by = own.groupby("distance")["rate_hz"]
        within, total = by.var().mean(), rate.var()
        kernel = ConstantKernel(total, (total * 1e-2, total * 1e2)) * RBF(np.ptp(at) / 10, (0.01, 100))
        kernel += WhiteKernel(within * 0.1, (within * 1e-2, within * 1e1))
        model = GaussianProcessRegressor(kernel, alpha=0, n_restarts_optimizer=10, random_state=1)
        mean = model.fit(at[:, None], rate).predict(np.linspace(at.min(), at.max(), 100)[:, None])
        [row] = axes.set_index(["session", *AXIS]).loc[[key]].to_dict("records")
        flags = shape_flags(mean)
        has_flags = all(row[name] == held for name, held in flags.items())
        equal += bool(has_flags and row["peak"] == by.mean().idxmax())
    return equal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=2000, help="null studies a row")
    parser.add_argument("--sessions", type=int, default=9, help="simulated tuning sessions a row")
    options = parser.parse_args()
    print(f"False findings at {LEVEL}, one-sided, in {options.studies} null studies:\n")
    print("| sessions | correlation in a session | over axes (the study's z) | over sessions |")
    print("|---|---|---|---|")
    for size in SIZES:
        for correlation in CORRELATIONS:
            rates = error_rates(options.studies, size, correlation)
            print(f"| {size} | {correlation:g} | {rates[0]:.3f} | {rates[1]:.3f} |", flush=True)
    print("\nPlanted axes:\n")
    print(
        "| rate at the centre | presentations | bells found | slopes found | flat tuned | as scikit-learn |"
    )
    print("|---|---|---|---|---|---|")
    for origin_hz, repeats in ((10, 10), (28, 10), (60, 10)):
        axes, points = planted_axes(origin_hz, options.sessions, repeats)
        same = f"{agreement(axes, points)} of {len(axes)}"
        print(f"| {origin_hz} spikes/s | {repeats} | {yields(axes)} | {same} |", flush=True)


if __name__ == "__main__":
    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    with threadpool_limits(1):
        main()
