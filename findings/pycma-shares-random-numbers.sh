#!/usr/bin/env bash
# Two seeded searches of pycma in one process disturb each other: they share numpy's global random numbers.
#
# Version: cma 4.5.0, numpy 2.4.6
# Guess:   with the option `seed`, two searches that are asked in turns, as those of a paired evolution, propose what each proposes alone;
#          and making one leaves numpy's global random numbers as they are.
# Happens: `seed` seeds numpy's global random numbers, and every sample is drawn from them. The second search seeds anew what the first
#          goes on with; asked in turns, each gets part of one sequence; any other use of `np.random` changes them as well.
# Seen:    asked in turns, equal to alone: False False
#          np.random is as before: False
# Instead: run each search in a process of its own, or give it random numbers of its own by the option `randn`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check cma==4.5.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import sys

import cma
import numpy as np


def new():
    return cma.CMAEvolutionStrategy(np.zeros(5), 1.0, {"seed": 3, "popsize": 8, "verbose": -9})


def step(search) -> np.ndarray:
    latents = search.ask()
    search.tell(latents, [float(np.square(latent).sum()) for latent in latents])
    return np.array(latents)


search = new()
alone = [step(search) for _ in range(3)]
searches = new(), new()
in_turns = [[step(search) for search in searches] for _ in range(3)]
equal = [np.array_equal([pair[i] for pair in in_turns], alone) for i in (0, 1)]
np.random.seed(1)
expected = np.random.rand()
np.random.seed(1)
new()
untouched = np.random.rand() == expected
print("asked in turns, equal to alone:", *equal)
print("np.random is as before:", untouched)
sys.exit(0 if not any(equal) and not untouched else "The behaviour has changed.")
PY
echo "As described: seeded searches share numpy's global random numbers."
