"""How far our optimisers climb beside pycma (`pip install cma==4.5.0`), at equal evaluations.

Latents of the study's dimensions; a unit whose rate falls with the distance from a preferred latent,
along directions of a spectrum that falls as a generator's; with and without Poisson spikes. All start
from the same founders, which are the first generation of all. Climbed is the share of the founders'
squared distance that is gone in the last block's true mean. pycma runs with its own defaults, and so
shortens founders that lie further away than its samples. Prints a row a search, with the mean
difference from pycma over the seeds and its 95 % interval (t): `python benchmarks/optimisers.py`.
pycma's full covariance takes minutes a block at 4,096 latents: there it runs with its own diagonal.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable

import cma
import numpy as np
from scipy import stats

from evoalign.evolution.choice import OPTIMISERS, Start
from evoalign.evolution.optimisers import Optimiser, default_population

BLOCKS = 50
SIGMA = 0.3  # of founders of SD 1
DECADES = 3.0  # over which the image's change by latent direction falls
BASE_HZ, GAIN_HZ, WINDOW_S = 5.0, 150.0, 0.15
FULL_UP_TO = 512  # latents of pycma with a full covariance

# Our search -> whether pycma beside it has a diagonal covariance.
PAIRS = {"cma": False, "separable": True, "cholesky": False}


class Pycma:
    """pycma behind ask and tell."""

    def __init__(self, founders: np.ndarray, seed: int, is_diagonal: bool) -> None:
        self._founders: np.ndarray | None = founders
        options = {
            "seed": seed + 1,  # 0 is the clock
            "popsize": len(founders),
            "verbose": -9,
            "CMA_diagonal": is_diagonal,
        }
        self._search = cma.CMAEvolutionStrategy(founders.mean(axis=0), SIGMA, options)

    def ask(self) -> np.ndarray:
        """Return founders first, then samples."""
        return np.array(self._search.ask()) if self._founders is None else self._founders

    def tell(self, codes: np.ndarray, fitness: np.ndarray) -> None:
        """Learn from fitness, larger is better."""
        if self._founders is not None:
            self._search.ask()  # it wants to be asked before it is told
        self._founders = None
        self._search.tell(list(codes), list(-fitness))


class Unit:
    """A preferred latent among directions that change the image by a falling spectrum."""

    def __init__(self, dimension: int, seed: int) -> None:
        rng = np.random.default_rng([dimension, seed])
        self.founders = rng.standard_normal((default_population(dimension), dimension))
        self._preferred = rng.standard_normal(dimension)
        # Neither the axes of the latents nor a dense rotation, which 4,096 latents make slow:
        # each pair of latents is turned by an angle of its own.
        self._weights = np.repeat(np.logspace(0, -DECADES, dimension // 2), 2)
        self._turn = np.exp(1j * rng.uniform(0, 2 * np.pi, dimension // 2))
        self._weights[1::2] = rng.permutation(self._weights[1::2])
        self._start = self._squared(self.founders.mean(axis=0)[None])[0]

    def climbed(self, codes: np.ndarray) -> np.ndarray:
        """Share of the founders' squared distance that is gone at each latent."""
        return 1 - self._squared(codes) / self._start

    def _squared(self, codes: np.ndarray) -> np.ndarray:
        away = codes - self._preferred
        turned = (away[:, ::2] + 1j * away[:, 1::2]) * self._turn
        return np.square(turned.real) @ self._weights[::2] + np.square(turned.imag) @ self._weights[1::2]


def climb(optimiser: Optimiser | Pycma, unit: Unit, seed: int, is_noisy: bool) -> float:
    """Share climbed in the last block."""
    rng = np.random.default_rng([99, seed])
    for _ in range(BLOCKS):
        codes = optimiser.ask()
        climbed = unit.climbed(codes)
        rates = BASE_HZ + GAIN_HZ * np.exp(climbed - 1)  # grows with what is climbed, and is never 0
        fitness = rng.poisson(rates * WINDOW_S) / WINDOW_S if is_noisy else rates
        optimiser.tell(codes, fitness.astype(np.float64))
    return float(climbed.mean())


def compare(name: str, dimension: int, is_noisy: bool, seeds: range) -> str:
    is_diagonal = PAIRS[name] or dimension > FULL_UP_TO
    makers: tuple[Callable[[Unit, int], Optimiser | Pycma], ...] = (
        lambda unit, seed: OPTIMISERS[name](Start(unit.founders, SIGMA, seed)),
        lambda unit, seed: Pycma(unit.founders, seed, is_diagonal),
    )
    shares = np.array(
        [
            [
                climb(make(Unit(dimension, seed), seed), Unit(dimension, seed), seed, is_noisy)
                for make in makers
            ]
            for seed in seeds
        ]
    )
    difference = shares[:, 0] - shares[:, 1]
    half = stats.t.ppf(0.975, len(seeds) - 1) * difference.std(ddof=1) / np.sqrt(len(seeds))
    beside = "diagonal" if is_diagonal else "full"
    spikes = "Poisson" if is_noisy else "none"
    cells = [dimension, name, spikes, f"{shares[:, 0].mean():.3f}", f"{shares[:, 1].mean():.3f} ({beside})"]
    low, high = difference.mean() - half, difference.mean() + half
    return "| " + " | ".join(map(str, cells)) + f" | {difference.mean():+.3f} ({low:+.3f}, {high:+.3f}) |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=100, help="seeds below 100 chose what is built")
    parser.add_argument("--dimensions", type=int, nargs="+", default=[128, 256, 4096])
    parser.add_argument("--searches", nargs="+", default=list(PAIRS))
    parsed = parser.parse_args()
    warnings.simplefilter("ignore")  # pycma's, of founders that are not its samples
    print(
        "| latents | ours | noise | climbed | pycma | difference, 95 % interval |\n|---|---|---|---|---|---|"
    )
    for dimension in parsed.dimensions:
        for name in parsed.searches:
            if name == "cma" and dimension > FULL_UP_TO:
                continue
            for is_noisy in (False, True):
                seeds = range(parsed.first_seed, parsed.first_seed + parsed.seeds)
                print(compare(name, dimension, is_noisy, seeds), flush=True)


if __name__ == "__main__":
    main()
