"""How often evolutions succeed whose gain drifts: the study's test, the corrected one, and the relative one.

``python benchmarks/drift.py`` prints the table of docs/methods.md section 3. Each experiment has 15 to 56
blocks of 30, later 40 or 25 generated images and 10 references a thread; Poisson counts in 150 ms around
30 spikes/s that varies over images (log SD 0.3); the gain walks at random from block to block.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy import stats

from evoalign.analysis.session.relative_success import generated_levels, reference_levels, relative_success
from evoalign.analysis.session.selection import selection_corrected_p
from evoalign.analysis.session.success import peak_pair

SECONDS, RATE, IMAGE_SD, LEVEL = 0.15, 30.0, 0.3, 0.01


def experiment(rng: np.random.Generator, drift: float, rise: float, n_draws: int) -> tuple[bool, bool, bool]:
    """Whether the thread succeeds by p of maxinit, by p_selected and by p_relative."""
    n_blocks, images = int(rng.integers(15, 57)), int(rng.choice((40, 25)))
    gain = np.exp(np.cumsum(drift * rng.standard_normal(n_blocks)))
    shown = np.array([30, *[images] * (n_blocks - 1)])
    block = np.repeat(np.arange(n_blocks), shown)
    climb = 1 + rise * (1 - np.exp(-np.arange(n_blocks) / 4))
    strength = np.exp(IMAGE_SD * rng.standard_normal(len(block)) - IMAGE_SD**2 / 2)
    rates = rng.poisson(SECONDS * RATE * (gain * climb)[block] * strength) / SECONDS
    scenes = np.exp(IMAGE_SD * rng.standard_normal(20))
    natural = rng.poisson(SECONDS * RATE * gain[:, None] * scenes) / SECONDS
    mean = np.bincount(block, rates) / shown
    squares = np.bincount(block, (rates - mean[block]) ** 2).astype(np.float64)
    start = peak_pair(int(mean.argmax()), n_blocks)[0]
    peak, first = ((block == at) | (block == at + 1) for at in (start, 0))
    test = stats.ttest_ind(rates[peak], rates[first])
    selected = selection_corrected_p(shown, {"maxinit": float(test.statistic)}, n_draws, rng)["maxinit"]
    references = reference_levels(
        natural.ravel(), np.repeat(np.arange(n_blocks), 20), np.tile(np.arange(20), n_blocks), n_blocks
    )
    levels = generated_levels(shown.astype(float), mean, squares)
    relative = relative_success(levels, references, shown.astype(float), n_draws, rng)["maxinit"]
    return bool(test.pvalue < LEVEL and test.statistic > 0), selected < LEVEL, relative.p < LEVEL


def main() -> None:
    """Print the share of evolutions that succeed at 0.01."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, default=4000)
    options = parser.parse_args()
    print("| rise | gain, % a block | p | p_selected | p_relative |\n|---|---|---|---|---|")
    for rise in (0.0, 0.15, 0.3):
        for drift in (0.0, 0.02, 0.05):
            rng = np.random.default_rng([int(100 * rise), int(100 * drift)])
            found = np.array([experiment(rng, drift, rise, 999) for _ in range(options.experiments)])
            shares = " | ".join(f"{100 * share:.1f} %" for share in found.mean(0))
            print(f"| {100 * rise:.0f} % | {100 * drift:.0f} | {shares} |", flush=True)


if __name__ == "__main__":
    main()
