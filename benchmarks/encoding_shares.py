"""Cost of linear shares, their permutations and intervals beside the permutations of held-out R2, in one run.

    python benchmarks/encoding_shares.py [--units 4] [--permutations 50] [--threads 1]

One session: units x 20 windows, a texture space of 1,190 presentations x 4,096
latents and an object space of 755 x 128, 30 blocks. First what permutations of
held-out R2 cost (`Plan`, `null_r2`, `test_windows`); then the same for linear
shares (`linear_kernel`, `linear_share` of the data and of as many
permutations), with all that a session's tables hold of shares
(`share_distribution`, `quantiles`, `noise_correlation`, `compare`). Every step
is timed by itself, as the shortest of a few runs, and scaled by what it grows
with to the whole job: 128 units x 20 windows x 2 spaces x 1,000 permutations.
Times are those of the processor, so that other work on the machine counts little.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from time import process_time
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from evoalign.analysis.encoding import (
    Plan,
    compare,
    image_folds,
    linear_kernel,
    linear_share,
    log_alphas,
    null_r2,
    permutations,
    share_distribution,
    test_windows,
)
from evoalign.analysis.encoding.ridge import shortened
from evoalign.analysis.encoding.stream import batch_rows
from evoalign.analysis.encoding.variance import LinearKernel, noise_correlation

ALPHAS = log_alphas((-3.0, 12.0), 100)
SPACES = {"texture": (1190, 4096), "object": (755, 128)}
N_BLOCKS, N_WINDOWS, N_DRAWS = 30, 20, 1000
JOB = {"once": 1, "unit": 128, "fit": 128 * N_WINDOWS * 1001}  # what a step's cost grows with
MEMORY_GB = 4.0


@dataclass
class Steps:
    """Seconds of each step here and in the whole job.

    Attributes
    ----------
    sizes : dict of str to int
        Of this run, as `JOB`.
    """

    sizes: dict[str, int]
    times: int
    here: dict[str, float] = field(default_factory=dict)
    whole: dict[str, float] = field(default_factory=dict)

    def run(self, name: str, grows_with: str, step: Callable[[], Any]) -> Any:
        """Time a step; it is repeated, and the shortest counts."""
        spent = []
        for _ in range(self.times):
            start = process_time()
            found = step()
            spent.append(process_time() - start)
        self.here[name] = min(spent)
        self.whole[name] = min(spent) * JOB[grows_with] / self.sizes[grows_with]
        return found


def session(n_units: int, space: str) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Latents that drift over blocks, Poisson counts [unit x window, presentation] and blocks."""
    n, dim = SPACES[space]
    rng = np.random.default_rng(dim)
    blocks = np.arange(n) * N_BLOCKS // n
    path = np.cumsum(rng.standard_normal((N_BLOCKS, dim)), axis=0) * 0.15
    latents = path[blocks] + rng.standard_normal((n, dim))
    drive = latents @ rng.standard_normal((dim, n_units * N_WINDOWS)) / dim**0.5
    counts = rng.poisson(np.exp(0.5 * drive - 0.5)).T.astype(float)
    return torch.from_numpy(latents), torch.from_numpy(counts), blocks


def held_out(steps: Steps, space: str, n_units: int, n_permutations: int) -> None:
    """Permutations of held-out R2."""
    latents, targets, blocks = session(n_units, space)
    names = np.arange(len(blocks)).astype(str)
    folds = image_folds(names, blocks, 5, np.random.default_rng(0))
    plan = steps.run(
        f"{space}: plan", "once", lambda: Plan(shortened(latents), folds, ALPHAS).to(torch.float32)
    )
    rows = batch_rows(plan, MEMORY_GB)
    null = steps.run(
        f"{space}: null_r2",
        "fit",
        lambda: null_r2(plan, targets, blocks, n_permutations, 1, rows),
    )
    steps.run(f"{space}: test_windows", "fit", lambda: test_windows(null, n_units))


def permuted_shares(
    kernel: LinearKernel, targets: torch.Tensor, blocks: np.ndarray, n_permutations: int
) -> torch.Tensor:
    """Linear shares [1 + permutation, target] of the data and of permuted responses."""
    order = np.concatenate([np.arange(len(blocks))[None], permutations(blocks, 0, n_permutations, 1)])
    return torch.stack([linear_share(kernel, targets[:, torch.from_numpy(one)]) for one in order])


def linear(steps: Steps, space: str, n_units: int, n_permutations: int) -> tuple:
    """Shares of the data and of permutations, with intervals."""
    latents, targets, blocks = session(n_units, space)
    names, shape = np.arange(len(blocks)).astype(str), (n_units, N_WINDOWS)
    kernel = steps.run(
        f"{space}: linear_kernel", "once", lambda: linear_kernel(shortened(latents), blocks, names)
    )
    distribution = steps.run(
        f"{space}: share_distribution",
        "once",
        lambda: share_distribution(kernel, N_DRAWS, np.random.default_rng(0)),
    )
    found = steps.run(
        f"{space}: linear_share", "fit", lambda: permuted_shares(kernel, targets, blocks, n_permutations)
    )
    estimate = found[0].numpy()
    steps.run(f"{space}: quantiles", "unit", lambda: distribution.quantiles(estimate, [0.025, 0.975]))
    between = steps.run(
        f"{space}: noise_correlation", "unit", lambda: noise_correlation(kernel, targets, shape)
    )
    return estimate.reshape(shape), distribution, between


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--units", type=int, default=4)
    parser.add_argument("--permutations", type=int, default=50)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--times", type=int, default=2, help="runs of which the shortest counts")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    sizes = {
        "once": 1,
        "unit": options.units,
        "fit": options.units * N_WINDOWS * (1 + options.permutations),
    }
    r2, shares = Steps(sizes, options.times), Steps(sizes, options.times)
    with threadpool_limits(options.threads):
        for space in SPACES:
            held_out(r2, space, options.units, options.permutations)
        texture, object_ = (linear(shares, space, options.units, options.permutations) for space in SPACES)
        shares.run(
            "compare",
            "unit",
            lambda: compare(
                texture[0], object_[0], (texture[1], object_[1]), (texture[2] + object_[2]) / 2,
                3, 0.05, 0.95, N_DRAWS, np.random.default_rng(0),
            ),
        )  # fmt: skip
    report(r2, shares)


def report(r2: Steps, shares: Steps) -> None:
    """Print every step, and the ratio of both runs together to permutations of R2 alone."""
    print("| step | here | whole job |\n|---|---|---|")
    for name in (*r2.here, *shares.here):
        here, whole = ({**a, **b}[name] for a, b in ((r2.here, shares.here), (r2.whole, shares.whole)))
        print(f"| {name} | {here:.3f} s | {whole:,.0f} s |")
    for what in ("here", "whole"):
        before, more = (sum(getattr(steps, what).values()) for steps in (r2, shares))
        print(
            f"{what}: permutations of R2 {before:,.1f} s, shares with permutations and intervals "
            f"{more:,.1f} s, both {(before + more) / before:.2f} times the permutations of R2 alone."
        )


if __name__ == "__main__":
    main()
