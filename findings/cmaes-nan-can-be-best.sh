#!/usr/bin/env bash
# A fitness of NaN can count as the best of a generation in cmaes.
#
# Version: cmaes 0.13.1
# Guess:   `CMA.tell` raises for a fitness that is NaN, or ranks it last.
# Happens: no error; the solutions are sorted by Python, in which NaN compares as false with everything. Where it stands among the
#          told solutions decides: as the first of eight it counts as the best, as the last of them as the worst.
# Seen:    NaN told first: the mean is that of the best possible fitness in its place
#          NaN told last: the mean is that of the worst possible fitness in its place
# Instead: replace what was not measured before it is told, as by the median of the others.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check cmaes==0.13.1
"$work/venv/bin/python" - <<'PY'
import sys

import cmaes
import numpy as np


def mean_after(place: int, value: float) -> np.ndarray:
    search = cmaes.CMA(mean=np.zeros(3), sigma=1.0, seed=1, population_size=8)
    latents = [search.ask() for _ in range(8)]
    fitness = [float(np.square(latent).sum()) for latent in latents]
    fitness[place] = value
    search.tell(list(zip(latents, fitness)))
    return search.mean


seen = []
for name, place in (("first", 0), ("last", 7)):
    mean = mean_after(place, float("nan"))
    alike = [word for word, value in (("best", -1e9), ("worst", 1e9)) if np.array_equal(mean, mean_after(place, value))]
    print(f"NaN told {name}: the mean is that of the {alike} possible fitness in its place")
    seen += alike
sys.exit(0 if seen == ["best", "worst"] else "The behaviour has changed.")
PY
echo "As described: the place of NaN decides what it counts as."
