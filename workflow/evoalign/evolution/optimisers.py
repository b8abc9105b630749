"""Optimisers of latent vectors, with one interface: ask, show, tell."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from cmaes import CMA

from evoalign.errors import InputError


class Optimiser(Protocol):
    """Proposes latents and learns from their fitness; larger is better."""

    def ask(self) -> np.ndarray:
        """Return the latents of the next generation, float64 ``[image, latent]``."""
        ...

    def tell(self, codes: np.ndarray, fitness: np.ndarray) -> None:
        """Learn from latents ``[image, latent]`` and their fitness ``[image]``, spikes/s."""
        ...


def default_population(latent_dim: int) -> int:
    """Return the study's population, 4 + floor(3 log2 N) (docs/methods.md section 9).

    Examples
    --------
    >>> [default_population(n) for n in (4096, 128)]
    [40, 25]
    """
    return 4 + math.floor(3 * math.log2(latent_dim))


class CmaEs:
    """CMA-ES (the ``cmaes`` package) that starts from given founders.

    The founders are the first generation, and the search starts at their mean;
    the optimiser then learns from them as from its own samples.

    Parameters
    ----------
    founders : ndarray
        float64 ``[image, latent]``; their number is the population size.
    sigma : float
        Initial step size, in units of the latents.
    seed : int
        Of the optimiser's own random numbers.

    Raises
    ------
    InputError
        Fewer than four founders, or latents and fitness that do not fit.
    """

    def __init__(self, founders: np.ndarray, sigma: float, seed: int) -> None:
        founders = np.asarray(founders, dtype=np.float64)
        if founders.ndim != 2 or len(founders) < 4:
            raise InputError(
                f"CMA-ES needs at least 4 founders [image, latent], found shape {list(founders.shape)}"
            )
        self._founders: np.ndarray | None = founders
        self._cma = CMA(mean=founders.mean(axis=0), sigma=sigma, seed=seed, population_size=len(founders))

    def ask(self) -> np.ndarray:
        """Return the founders first, then samples, float64 ``[image, latent]``."""
        if self._founders is not None:
            return self._founders.copy()
        return np.stack([self._cma.ask() for _ in range(self._cma.population_size)])

    def tell(self, codes: np.ndarray, fitness: np.ndarray) -> None:
        """Update mean, step size and covariance from fitness ``[image]``, larger is better."""
        codes, fitness = np.asarray(codes, dtype=np.float64), np.asarray(fitness, dtype=np.float64)
        if fitness.shape != (self._cma.population_size,) or codes.shape != (len(fitness), self._cma.dim):
            raise InputError(
                f"CMA-ES expects {self._cma.population_size} latents of {self._cma.dim} and as many "
                f"fitness values, found {list(codes.shape)} and {list(fitness.shape)}"
            )
        if not np.isfinite(fitness).all():
            raise InputError("fitness holds NaN or infinity")
        self._founders = None
        self._cma.tell([(code, -float(value)) for code, value in zip(codes, fitness, strict=True)])

    @property
    def mean(self) -> np.ndarray:
        """Centre of the search distribution, ``[latent]``."""
        return np.array(self._cma.mean)
