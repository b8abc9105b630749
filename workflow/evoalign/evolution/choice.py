"""Optimisers by the names that settings give them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from evoalign.evolution.cholesky import CholeskyCmaEs
from evoalign.evolution.optimisers import CmaEs, Optimiser, RandomSearch, SeparableCmaEs

# Founders [image, latent], first step and seed -> optimiser.
OPTIMISERS: Mapping[str, Callable[[np.ndarray, float, int], Optimiser]] = {
    "cma": CmaEs,
    "separable": SeparableCmaEs,
    "cholesky": CholeskyCmaEs,
    "random": RandomSearch,
}
