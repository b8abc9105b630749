#!/usr/bin/env bash
# A generation without information moves a search of cmaes towards what was asked for first.
#
# Version: cmaes 0.13.1
# Guess:   when all fitness values are equal, as those of a silent electrode, the mean goes to the mean of the samples, or stays.
# Happens: ranks are those of the order in which solutions are told: the first counts as the best. The mean moves as far as by a
#          generation that was answered, and step size and covariance learn from it.
# Seen:    the mean equals that of fitness rising in the order of telling: True
# Instead: do not tell a generation whose fitness does not tell its samples apart.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check cmaes==0.13.1
"$work/venv/bin/python" - <<'PY'
import sys

import cmaes
import numpy as np


def after(fitness: list[float]) -> tuple[np.ndarray, np.ndarray]:
    search = cmaes.CMA(mean=np.zeros(3), sigma=1.0, seed=1, population_size=8)
    latents = [search.ask() for _ in range(8)]
    search.tell(list(zip(latents, fitness)))
    return search.mean, np.mean(latents, axis=0)


equal, of_samples = after([1.0] * 8)
rising, _ = after([float(i) for i in range(8)])
print("mean of the samples:      ", of_samples)
print("mean after equal fitness: ", equal)
print("the mean equals that of fitness rising in the order of telling:", np.array_equal(equal, rising))
sys.exit(0 if np.array_equal(equal, rising) and not np.allclose(equal, of_samples) else "The behaviour has changed.")
PY
echo "As described: the order of telling counts as the ranks."
