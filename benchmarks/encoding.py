"""Permutation tests of encoding models: this project, himalaya and scikit-learn, in one run.

    python benchmarks/encoding.py [--himalaya FOLDER] [--threads N] [--device cpu|cuda] [--efficiency]

Same predictors, folds, alphas and permutations for all. A *fit* is one
permuted target through nested cross-validation: 5 outer folds, 4 inner ones,
100 alphas chosen anew in each, prediction of the held-out fold. himalaya and
scikit-learn are used in the way that suits them best: permutations are stacked
as targets, so that decompositions are shared; `grid search` is what a user of
scikit-learn would write first.

Every contender is timed at two numbers of fits; the slope is its cost of a
fit and the intercept its preparation, and a whole job is intercept + slope x
fits. In the small case all run the whole job. R2 is compared on every fit
that two contenders share.

himalaya is not installed with the project: `pip install --no-deps
himalaya==0.4.11`, or into a folder of its own that `--himalaya` names.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import torch
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from threadpoolctl import threadpool_limits

from evoalign.analysis.encoding import Folds, Plan, log_alphas, permutations
from evoalign.analysis.encoding.ridge import shortened
from evoalign.analysis.encoding.stream import batch_rows

ALPHAS = log_alphas((-3.0, 12.0), 100)
BLOCKS = 30
MEMORY_GB = 4.0

Contender = Callable[[np.ndarray], np.ndarray]  # fits [fit, presentation] -> held-out R2 [fit]


@dataclass(frozen=True)
class Case:
    """Predictors, folds and permuted targets of one space."""

    name: str
    latents: np.ndarray
    folds: Folds
    rows: np.ndarray  # [fit, presentation], float64: first the data, then permutations

    @property
    def title(self) -> str:
        """Name and sizes."""
        n, d = self.latents.shape
        return f"{self.name}: {n} presentations x {d} latents"


def make_case(name: str, per_block: int, dim: int, n_blocks: int, n_fits: int) -> Case:
    """Latents that drift as an evolution's do, Poisson counts, and their permutations."""
    rng = np.random.default_rng(len(name))
    blocks = np.repeat(np.arange(n_blocks), per_block)
    path = np.cumsum(rng.standard_normal((n_blocks, dim)), axis=0) * 0.15
    latents = path[blocks] + rng.standard_normal((len(blocks), dim))
    folds = Folds(rng.permutation(np.arange(len(blocks)) % 5))
    n_targets = 40
    drive = latents @ rng.standard_normal((dim, n_targets)) / dim**0.5
    counts = rng.poisson(np.exp(0.5 * drive - 0.5)).T.astype(float)
    order = np.concatenate(
        [np.arange(len(blocks))[None], permutations(blocks, 0, -(-n_fits // n_targets), 1)]
    )
    rows = counts[:, order].transpose(1, 0, 2).reshape(-1, len(blocks))[:n_fits]
    return Case(name, latents, folds, rows)


def r2_of(rows: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    return 1 - ((rows - predicted) ** 2).sum(1) / ((rows - rows.mean(1, keepdims=True)) ** 2).sum(1)


def ours(case: Case, device: str) -> Contender:
    """A permutation test as the pipeline runs it: float32, in batches within the memory."""

    def run(rows: np.ndarray) -> np.ndarray:
        features = shortened(torch.from_numpy(case.latents).to(device))
        plan = Plan(features, case.folds, ALPHAS.to(device), torch.float64).to(torch.float32)
        values = torch.from_numpy(rows - rows.mean(1, keepdims=True)).float().to(device)[:, plan.order]
        parts = [plan.squared_error(some) for some in values.split(batch_rows(plan, MEMORY_GB))]
        return (1 - torch.cat(parts) / values.double().square().sum(1)).cpu().numpy()

    return run


def himalaya_kernel(case: Case, device: str) -> Contender:
    """Himalaya's kernel ridge with an alpha a target, permutations stacked as targets."""
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import solve_kernel_ridge_cv_eigenvalues

    backend = set_backend("torch_cuda" if device == "cuda" else "torch")

    def run(rows: np.ndarray) -> np.ndarray:
        predicted = np.empty_like(rows)
        x = backend.asarray(case.latents, dtype="float32")
        for fold, (train, test) in enumerate(case.folds.split()):
            mean = x[train].mean(0)
            a, b = x[train] - mean, x[test] - mean
            y = backend.asarray(rows[:, train].T, dtype="float32")
            solved = solve_kernel_ridge_cv_eigenvalues(
                a @ a.T, y, ALPHAS.numpy().astype("float32"), cv=_Splits(case.folds.inner(fold)),
                fit_intercept=True, local_alpha=True, n_targets_batch=2048, n_alphas_batch=10,
            )  # fmt: skip
            _, dual, _, intercept = solved
            predicted[:, test] = backend.to_numpy((b @ a.T) @ dual + intercept).T
        return r2_of(rows, predicted)

    return run


def himalaya_svd(case: Case, device: str) -> Contender:
    """Himalaya's ridge by SVD: for fewer latents than presentations."""
    from himalaya.backend import set_backend
    from himalaya.ridge import solve_ridge_cv_svd

    backend = set_backend("torch_cuda" if device == "cuda" else "torch")

    def run(rows: np.ndarray) -> np.ndarray:
        predicted = np.empty_like(rows)
        x = backend.asarray(case.latents, dtype="float32")
        for fold, (train, test) in enumerate(case.folds.split()):
            y = backend.asarray(rows[:, train].T, dtype="float32")
            solved = solve_ridge_cv_svd(
                x[train], y, ALPHAS.numpy().astype("float32"), cv=_Splits(case.folds.inner(fold)),
                fit_intercept=True, local_alpha=True, n_targets_batch=2048, n_alphas_batch=10,
            )  # fmt: skip
            _, coefficients, _, intercept = solved
            predicted[:, test] = backend.to_numpy(x[test] @ coefficients + intercept).T
        return r2_of(rows, predicted)

    return run


class _Splits:
    """Given splits in the form of a scikit-learn splitter."""

    def __init__(self, splits: list[tuple[np.ndarray, np.ndarray]]) -> None:
        self.splits = splits

    def split(self, *_: object, **__: object) -> list[tuple[np.ndarray, np.ndarray]]:
        return self.splits

    def get_n_splits(self, *_: object, **__: object) -> int:
        return len(self.splits)


def scikit_learn(case: Case, _device: str) -> Contender:
    """KernelRidge at its best: all targets in one fit for each alpha and fold."""

    def run(rows: np.ndarray) -> np.ndarray:
        predicted = np.empty_like(rows)
        y, x = rows.T, case.latents
        for fold, (train, test) in enumerate(case.folds.split()):
            losses = np.zeros((len(ALPHAS), y.shape[1]))
            for inner, held in case.folds.inner(fold):
                a, b = train[inner], train[held]
                kernel, across, mean = _kernels(x, y, a, b)
                for k, alpha in enumerate(ALPHAS.tolist()):
                    fit = KernelRidge(alpha=alpha, kernel="precomputed").fit(kernel, y[a] - mean)
                    losses[k] += ((y[b] - fit.predict(across) - mean) ** 2).mean(0)
            chosen = losses.argmin(0)
            kernel, across, mean = _kernels(x, y, train, test)
            for k in np.unique(chosen):
                some = chosen == k
                fit = KernelRidge(alpha=float(ALPHAS[k]), kernel="precomputed")
                fit.fit(kernel, (y[train] - mean)[:, some])
                predicted[np.ix_(some, test)] = (fit.predict(across) + mean[some]).T
        return r2_of(rows, predicted)

    return run


def _kernels(x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, ...]:
    centred = x[a] - x[a].mean(0)
    return centred @ centred.T, (x[b] - x[a].mean(0)) @ centred.T, y[a].mean(0)


def grid_search(case: Case, _device: str) -> Contender:
    """GridSearchCV of Ridge, a target at a time: the first thing one writes."""

    def run(rows: np.ndarray) -> np.ndarray:
        predicted, grid = np.empty_like(rows), {"alpha": ALPHAS.tolist()}
        for fold, (train, test) in enumerate(case.folds.split()):
            for i, y in enumerate(rows):
                search = GridSearchCV(
                    Ridge(), grid, cv=case.folds.inner(fold), scoring="neg_mean_squared_error"
                )
                predicted[i, test] = search.fit(case.latents[train], y[train]).predict(case.latents[test])
        return r2_of(rows, predicted)

    return run


@dataclass(frozen=True)
class Timed:
    """Cost of a contender, and the R2 of its larger run."""

    name: str
    fits: tuple[int, int]
    intercept: float
    slope: float
    r2: np.ndarray

    def job(self, n_fits: int) -> float:
        """Seconds of a whole job."""
        return self.intercept + self.slope * n_fits


def best_of(run: Contender, rows: np.ndarray, times: int) -> tuple[float, np.ndarray]:
    """Shortest of a few runs: others on the machine only ever add time."""
    spent = []
    for _ in range(times):
        start = perf_counter()
        found = run(rows)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        spent.append(perf_counter() - start)
    return min(spent), found


def measure(name: str, run: Contender, case: Case, fits: tuple[int, int], times: int) -> Timed:
    run(case.rows[: min(fits[0], 8)])  # libraries load and allocate
    (few, _), (many, r2) = (best_of(run, case.rows[:n], times) for n in fits)
    slope = max((many - few) / (fits[1] - fits[0]), 1e-9)
    return Timed(name, fits, max(many - slope * fits[1], 0.0), slope, r2)


def report(case: Case, timed: list[Timed], job: int, whole: bool) -> None:
    own = timed[0]
    print(f"\n### {case.title}\n")
    head = ("contender", "fits timed", "preparation", "a fit", f"job of {job:,} fits", "ours is", "R2 apart")
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for t in timed:
        same = min(len(t.r2), len(own.r2))
        cells = (
            t.name,
            f"{t.fits[1]:,}",
            f"{t.intercept:.2f} s",
            f"{t.slope * 1e6:,.0f} µs",
            f"{t.job(job):,.3g} s" + ("" if whole and t.fits[1] == job else " (scaled)"),
            "" if t is own else f"{t.job(job) / own.job(job):,.0f}x faster",
            "" if t is own else f"{np.abs(t.r2[:same] - own.r2[:same]).max():.0e}",
        )
        print("| " + " | ".join(cells) + " |")


def efficiency(case: Case, device: str, times: int = 60) -> None:
    """Print our rate on one batch beside that of a large matrix product, measured in turn."""
    features = shortened(torch.from_numpy(case.latents).to(device))
    plan = Plan(features, case.folds, ALPHAS.to(device)).to(torch.float32)
    some = case.rows[: batch_rows(plan, MEMORY_GB)]
    rows = torch.from_numpy(some - some.mean(1, keepdims=True)).float().to(device)[:, plan.order]
    square = torch.randn(2048, 2048, device=device)
    own, product = [], []
    for _ in range(times):
        own.append(seconds(lambda: plan.squared_error(rows), device) / len(rows))
        product.append(seconds(lambda: square @ square, device))
    rate, peak = plan.operations / min(own) / 1e9, 2 * len(square) ** 3 / min(product) / 1e9
    print(
        f"\nOurs, {case.title}: {min(own) * 1e6:,.1f} µs and {plan.operations / 1e6:.3g} MFLOP a fit with "
        f"{plan.losses.size} alpha functions, {rate:,.0f} of {peak:,.0f} GFLOP/s of a float32 matrix product "
        f"here ({rate / peak:.0%})."
    )


def seconds(run: Callable[[], object], device: str) -> float:
    """Time of a run: of the processor where it computes, so that other work on the machine counts little."""
    clock = perf_counter if device == "cuda" or torch.get_num_threads() > 1 else process_time
    start = clock()
    run()
    if device == "cuda":
        torch.cuda.synchronize()
    return clock() - start


def linear(case: Case, device: str) -> None:
    """Time over number of fits: the cost is linear in units x windows x permutations."""
    run = ours(case, device)
    counts = [len(case.rows) // k for k in (8, 4, 2, 1)]
    spent = [best_of(run, case.rows[:n], 2)[0] for n in counts]
    slope, intercept = np.polyfit(counts, spent, 1)
    off = np.abs(np.polyval([slope, intercept], counts) / spent - 1).max()
    shown = ", ".join(f"{n:,}: {s:.2f} s" for n, s in zip(counts, spent, strict=True))
    print(f"\nLinear in fits: {shown}; off a straight line by at most {off:.0%}.")


def machine(device: str, threads: int) -> str:
    if device == "cuda":
        return torch.cuda.get_device_name()
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
    return f"{model}, {os.cpu_count()} cores, {threads} threads used"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--himalaya", default="", help="folder that himalaya is installed in")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--times", type=int, default=2, help="runs of which the shortest counts")
    parser.add_argument("--case", choices=("small", "object", "texture"), help="one case alone")
    parser.add_argument(
        "--efficiency", action="store_true", help="our share of a matrix product's rate alone"
    )
    options = parser.parse_args()
    if options.himalaya:
        sys.path.insert(0, options.himalaya)
    torch.set_num_threads(options.threads)
    with threadpool_limits(options.threads):
        run_all(options)


def run_all(options: argparse.Namespace) -> None:
    try:
        import himalaya

        peers = f"himalaya {himalaya.__version__}, "
    except ImportError:
        himalaya, peers = None, "himalaya not installed, "
    import sklearn

    versions = f"torch {torch.__version__}, {peers}scikit-learn {sklearn.__version__}"
    print(f"{machine(options.device, options.threads)}; {versions}.")
    job = 128 * 20 * 1001  # units x windows x (data and permutations)
    plans = [
        (make_case("small", 8, 24, 15, 16), (4, 16), (4, 16), (4, 16), (4, 16), 16),
        (make_case("object", 25, 128, BLOCKS, 16384), (2048, 16384), (128, 1024), (64, 512), None, job),
        (make_case("texture", 40, 4096, BLOCKS, 4096), (512, 4096), (256, 2048), (64, 256), None, job),
    ]
    plans = [plan for plan in plans if options.case in (None, plan[0].name)]
    if options.efficiency:
        for case in (plan[0] for plan in plans if plan[0].name != "small"):
            efficiency(case, options.device)
        return
    for case, own, hima, scikit, grid, n in plans:
        timed = [measure("ours", ours(case, options.device), case, own, options.times)]
        if himalaya is not None:
            timed.append(
                measure("himalaya, kernel", himalaya_kernel(case, options.device), case, hima, options.times)
            )
            if case.latents.shape[1] < case.latents.shape[0]:
                svd = himalaya_svd(case, options.device)
                timed.append(measure("himalaya, SVD", svd, case, hima, options.times))
        timed.append(
            measure("scikit-learn, all targets a fit", scikit_learn(case, options.device), case, scikit, 1)
        )
        if grid is not None:
            timed.append(
                measure(
                    "scikit-learn, grid search a target", grid_search(case, options.device), case, grid, 1
                )
            )
        report(case, timed, n, whole=case.name == "small")
        if own[1] > 1000:  # a few fits are all preparation
            efficiency(case, options.device)
        sys.stdout.flush()
    if options.case in (None, "object"):
        linear(next(plan[0] for plan in plans if plan[0].name == "object"), options.device)


if __name__ == "__main__":
    main()
