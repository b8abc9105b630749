"""Whether a search in the eigenframe climbs further than the same search in the whole latent.

256 latents; a unit whose rate falls with the distance, in the image, from a preferred latent: the image
changes along directions whose eigenvalues fall by some decades, and the frame is the true one of these, of
all directions or of the leading ones. Climbed is the share of the founders' squared distance that is gone in
the last block's mean. Prints a row a setting, with the mean difference from `cholesky` over the seeds and its
95 % interval (t): ``python benchmarks/eigenframe_search.py``.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy import stats

from evoalign.evolution.choice import OPTIMISERS, Start
from evoalign.evolution.optimisers import Optimiser, default_population
from evoalign.spaces.hessian import Eigenframe

LATENTS, BLOCKS, SIGMA = 256, 40, 0.3  # founders have an SD of 1
DECADES = (1.0, 3.0, 5.0)
DIRECTIONS = (16, 32, 64, 256)
BASE_HZ, GAIN_HZ, WINDOW_S = 5.0, 150.0, 0.15


class Unit:
    """A preferred latent, and a generator's eigenframe in a random rotation."""

    def __init__(self, decades: float, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.founders = rng.standard_normal((default_population(LATENTS), LATENTS))
        self._preferred = rng.standard_normal(LATENTS)
        self.values = np.logspace(0, -decades, LATENTS)
        self.vectors = np.linalg.qr(rng.standard_normal((LATENTS, LATENTS)))[0]
        self._start = self._squared(self.founders.mean(axis=0)[None])[0]

    def climbed(self, codes: np.ndarray) -> np.ndarray:
        """Share of the founders' squared distance that is gone at each latent."""
        return 1 - self._squared(codes) / self._start

    def frame(self, n_directions: int) -> Eigenframe:
        """Return the leading directions of the true frame."""
        return Eigenframe("simulated", self.values[:n_directions], self.vectors[:, :n_directions])

    def _squared(self, codes: np.ndarray) -> np.ndarray:
        return np.square((codes - self._preferred) @ self.vectors) @ self.values


def climb(optimiser: Optimiser, unit: Unit, seed: int, is_noisy: bool) -> float:
    """Share climbed in the last block."""
    rng = np.random.default_rng([99, seed])
    climbed = np.zeros(1)
    for _ in range(BLOCKS):
        codes = optimiser.ask()
        climbed = unit.climbed(codes)
        rates = BASE_HZ + GAIN_HZ * np.exp(climbed - 1)
        optimiser.tell(codes, rng.poisson(rates * WINDOW_S) / WINDOW_S if is_noisy else rates)
    return float(climbed.mean())


def of_seed(decades: float, seed: int, is_noisy: bool) -> list[float]:
    """Share climbed in the whole latent, then by frames of `DIRECTIONS`."""
    unit = Unit(decades, seed)
    searches = [OPTIMISERS["cholesky"](Start(unit.founders, SIGMA, seed))]
    searches += [
        OPTIMISERS["eigenframe"](Start(unit.founders, SIGMA, seed, frame=unit.frame(n))) for n in DIRECTIONS
    ]
    return [climb(search, unit, seed, is_noisy) for search in searches]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    n_seeds = parser.parse_args().seeds
    print("| decades | noise | directions | climbed | whole latent | difference, 95 % interval |")
    print("|---|---|---|---|---|---|")
    for is_noisy in (False, True):
        for decades in DECADES:
            shares = np.array([of_seed(decades, seed, is_noisy) for seed in range(n_seeds)])
            for column, n_directions in enumerate(DIRECTIONS, start=1):
                difference = shares[:, column] - shares[:, 0]
                half = stats.t.ppf(0.975, n_seeds - 1) * difference.std(ddof=1) / np.sqrt(n_seeds)
                mean, noise = difference.mean(), "Poisson" if is_noisy else "none"
                print(
                    f"| {decades:g} | {noise} | {n_directions} | {shares[:, column].mean():.3f} "
                    f"| {shares[:, 0].mean():.3f} | {mean:+.3f} ({mean - half:+.3f}, {mean + half:+.3f}) |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
