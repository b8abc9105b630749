"""Error rates and coverages of the encoding analysis under what is planted: the tables of docs/methods.md.

    python benchmarks/calibration_encoding.py [shares] [crossovers] [order] [--repeats N]

`shares`: mean, spread and coverage of linear shares and of the alignment
index, at the study's numbers of presentations. `crossovers`: units without a
crossover that get one. `order`: permutation p below 0.05 where latents and
responses are unrelated but depend on the order within blocks.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from evoalign.analysis.encoding import (
    Plan,
    compare,
    image_folds,
    linear_kernel,
    linear_share,
    log_alphas,
    null_r2,
    share_distribution,
    test_windows,
    unit_crossover,
)
from evoalign.analysis.encoding.alignment_index import alignment_index, noise_floor
from evoalign.analysis.encoding.variance import noise_correlation
from evoalign.analysis.encoding.within import within_blocks
from evoalign.analysis.statistics.crossover import Bins

Floats = NDArray[np.float64]

PRESENTATIONS = (1190, 755)  # of a texture and an object thread of the study
BLOCKS = 30
N_ALPHAS = 30
LEVELS = (np.arange(200) + 0.5) / 200


def blocks_of(n: int, n_blocks: int = BLOCKS) -> NDArray[np.int64]:
    return np.arange(n) * n_blocks // n


def planted(latents: Floats, share: float, spectrum: float, n_units: int, rng: np.random.Generator) -> Floats:
    """Responses [unit, presentation] of which this share of variance within blocks is linear."""
    weights = (
        rng.standard_normal((n_units, latents.shape[1])) * np.arange(1.0, latents.shape[1] + 1) ** -spectrum
    )
    linear = weights @ latents.T
    effects = within_blocks(blocks_of(len(latents)))
    spread = (
        effects.residual(torch.from_numpy(linear)).square().sum(1, keepdim=True) / effects.freedom
    ).numpy()
    return share**0.5 * linear / spread**0.5 + (1 - share) ** 0.5 * rng.standard_normal(linear.shape)


def shares(repeats: int) -> None:
    """Print bias, spread and coverage of shares and index."""
    print(
        "| latents | weights fall as | planted | mean shares | mean index | true index "
        "| coverage of shares, index |"
    )
    print("|---|---|---|---|---|---|---|")
    for dims in ((4096, 128), (256, 128), (16, 8)):
        rng = np.random.default_rng(dims)
        designs = []
        for n, dim in zip(PRESENTATIONS, dims, strict=True):
            latents = rng.standard_normal((n, dim))
            kernel = linear_kernel(torch.from_numpy(latents), blocks_of(n), np.arange(n).astype(str))
            designs.append((latents, kernel, share_distribution(kernel, 1000, rng)))
        floor = noise_floor(*(distribution.sd(0.0) for *_, distribution in designs))
        for spectrum in (0.0, 0.5, 1.0):
            for pair in ((0.3, 0.3), (0.4, 0.1), (0.1, 0.4), (0.0, 0.0)):
                _share_row(designs, dims, spectrum, pair, floor, repeats, rng)


def _share_row(designs, dims, spectrum, pair, floor, repeats, rng) -> None:  # type: ignore[no-untyped-def]
    estimates, covered, drawn = [], [], []
    for (latents, kernel, distribution), share in zip(designs, pair, strict=True):
        y = planted(latents, share, spectrum, repeats, rng)
        estimate = linear_share(kernel, torch.from_numpy(y)).numpy()
        low, high = distribution.quantiles(estimate, [0.025, 0.975]).T
        covered.append(((low <= share) & (share <= high)).mean())
        quantiles = distribution.quantiles(estimate, LEVELS)
        drawn.append(np.take_along_axis(quantiles, rng.integers(200, size=(repeats, 1000)), axis=1))
        estimates.append(estimate)
    low, high = np.quantile(alignment_index(drawn[0], drawn[1], floor), [0.025, 0.975], axis=1)
    truth = float(alignment_index(pair[0], pair[1], floor))
    index = ((low - 1e-9 <= truth) & (truth <= high + 1e-9)).mean()
    means = ", ".join(f"{e.mean():.3f} ± {e.std():.3f}" for e in estimates)
    found = alignment_index(estimates[0], estimates[1], floor).mean()
    print(
        f"| {dims[0]}, {dims[1]} | rank^-{spectrum:g} | {pair[0]}, {pair[1]} | {means} | {found:+.3f} "
        f"| {truth:+.2f} | {covered[0]:.3f}, {covered[1]:.3f}, {index:.3f} |"
    )


Drive = Callable[[int, np.random.Generator], tuple[Floats, Floats]]  # shares [window] of both spaces


def crossovers(repeats: int) -> None:
    """Print how often a unit without a crossover gets one, and leads."""
    windows = np.arange(20)
    answers = (windows >= 5).astype(float)
    cases = {
        "no tuning": (0 * answers, 0 * answers, False),
        "both spaces alike, share 0.25": (0.25 * answers, 0.25 * answers, False),
        "both alike, noise shared by windows": (0.25 * answers, 0.25 * answers, True),
        "texture alone": (0.25 * answers, 0 * answers, False),
        "object alone": (0 * answers, 0.25 * answers, False),
        "object first, then texture": (0.25 * (windows >= 12), 0.25 * answers * (windows < 12), False),
        "crossover at 120 ms": (0.25 * answers * (windows < 12), 0.25 * (windows >= 12), False),
    }
    rng = np.random.default_rng(1)
    designs = []
    for n, dim in ((320, 200), (240, 40)):
        latents = rng.standard_normal((n, dim))
        kernel = linear_kernel(torch.from_numpy(latents), blocks_of(n, 15), np.arange(n).astype(str))
        designs.append((latents, kernel, share_distribution(kernel, 500, rng)))
    print("| planted | crossovers | texture leads | object leads | units | time, and in its interval |")
    print("|---|---|---|---|---|---|")
    for name, (texture, object_, shared) in cases.items():
        found = planted_units(designs, (texture, object_), shared, repeats, rng)
        times = np.array([each.time_ms for each, _ in found])
        leads = [np.mean([bool(getattr(lead, kind)) for _, lead in found]) for kind in ("texture", "object")]
        crossed = np.isfinite(times)
        about = ""
        if name.startswith("crossover"):
            inside = np.mean([each.low_ms <= 120 <= each.high_ms for each, _ in found if not each.reason])
            near = np.mean(abs(times[crossed] - 120) <= 10)
            about = f"{np.median(times[crossed]):.0f} ms, within 10 ms {near:.3f}; {inside:.3f}"
        print(f"| {name} | {crossed.mean():.4f} | {leads[0]:.3f} | {leads[1]:.3f} | {repeats} | {about} |")


def planted_units(designs, shares, shared, n_units, rng):  # type: ignore[no-untyped-def]
    """Crossover and leads of units with these shares [window] of the two spaces."""
    bins = Bins(tuple(range(0, 10 * len(shares[0]), 10)), 10)
    estimates, correlations = [], []
    for (latents, kernel, _), share in zip(designs, shares, strict=True):
        linear = rng.standard_normal((n_units, latents.shape[1])) @ latents.T
        linear = (linear / linear.std(1, keepdims=True))[:, None]
        noise = rng.standard_normal((n_units, len(share), len(latents)))
        if shared:
            noise = 0.6 * noise + 0.8 * rng.standard_normal((n_units, 1, len(latents)))
        y = share[:, None] ** 0.5 * linear + (1 - share[:, None]) ** 0.5 * noise
        rows = torch.from_numpy(y).flatten(0, 1)
        estimates.append(linear_share(kernel, rows).numpy().reshape(n_units, -1))
        correlations.append(noise_correlation(kernel, rows, (n_units, len(share))))
    distributions = designs[0][-1], designs[1][-1]
    between = (correlations[0] + correlations[1]) / 2
    found = compare(estimates[0], estimates[1], distributions, between, 3, 0.05, 0.95, 400, rng)
    return [
        (unit_crossover(estimates[1][u] - estimates[0][u], leads, found.draws[:, u], bins, 0.95), leads)
        for u, leads in enumerate(found.leads)
    ]


def ordered(
    kind: str, rng: np.random.Generator, n_blocks: int = 12, n: int = 30, dim: int = 8
) -> tuple[Floats, Floats]:
    """Latents and responses that are unrelated but for their order within blocks."""
    place = np.linspace(-1, 1, n)
    z = rng.standard_normal((n_blocks, n, dim))
    y = rng.standard_normal((n_blocks, n))
    if kind == "trend in both":
        z += rng.standard_normal(dim) * place[:, None]
        y += rng.standard_normal() * place
    if kind == "AR(1) 0.7 in both":
        for i in range(1, n):
            z[:, i] = 0.7 * z[:, i - 1] + 0.51**0.5 * z[:, i]
            y[:, i] = 0.7 * y[:, i - 1] + 0.51**0.5 * y[:, i]
    if kind == "trend and AR(1)":
        z, y = ordered("AR(1) 0.7 in both", rng, n_blocks, n, dim)
        z, y = z.reshape(n_blocks, n, dim), y.reshape(n_blocks, n)
        z, y = z + rng.standard_normal(dim) * place[:, None], y + rng.standard_normal() * place
    if kind == "variance grows with a latent":
        y *= np.exp(0.5 * z[..., 0])
    return z.reshape(-1, dim), y.ravel()


NULLS = {
    "shuffle": (1, False),
    "shuffle, trend removed": (1, True),
    "turn": (None, False),
    "turn, trend removed": (None, True),
    "runs of 5": (5, False),
    "runs of 10, trend removed": (10, True),
}


def false_positives(kind: str, run: int | None, remove_trend: bool, repeats: int, seed: int = 0) -> float:
    """Share of unrelated data sets with a permutation p of at most 0.05."""
    rng = np.random.default_rng([seed, len(kind)])
    blocks, p = np.repeat(np.arange(12), 30), []
    for repeat in range(repeats):
        latents, y = (torch.from_numpy(part) for part in ordered(kind, rng))
        y = y[None]
        if remove_trend:
            effects = within_blocks(blocks, order=np.arange(len(blocks)))
            latents, y = latents - effects.trend(latents.T).T, y - effects.trend(y)
        folds = image_folds(np.arange(len(blocks)).astype(str), blocks, 5, rng)
        plan = Plan(latents, folds, log_alphas((-3, 6), N_ALPHAS), torch.float32)
        null = null_r2(plan, y, blocks, 99, seed=repeat, rows=100, run=run)
        p.append(float(test_windows(null, 1).p[0, 0]))
    return float(np.mean(np.array(p) <= 0.05))


def order(repeats: int) -> None:
    """Print the error rate of each null under each dependence on order."""
    print("| unrelated, but | " + " | ".join(NULLS) + " |")
    print("|---" * (len(NULLS) + 1) + "|")
    kinds = (
        "independent",
        "trend in both",
        "AR(1) 0.7 in both",
        "trend and AR(1)",
        "variance grows with a latent",
    )
    for kind in kinds:
        rates = [f"{false_positives(kind, run, trend, repeats):.3f}" for run, trend in NULLS.values()]
        print(f"| {kind} | " + " | ".join(rates) + " |", flush=True)


def main() -> None:
    """Print the tables that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", nargs="*", default=["shares", "crossovers", "order"])
    parser.add_argument("--repeats", type=int, default=1000)
    arguments = parser.parse_args()
    for name in arguments.tables:
        {"shares": shares, "crossovers": crossovers, "order": order}[name](arguments.repeats)
        print()


if __name__ == "__main__":
    main()
