"""Optimisers of latent vectors, with one interface: ask, show, tell."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Protocol

import numpy as np
from cmaes import CMA

from evoalign.errors import InputError
from evoalign.evolution.states import Resumable, State, random_state, restore_random


class Optimiser(Protocol):
    """Proposes latents and learns from their fitness; larger is better."""

    def ask(self) -> np.ndarray:
        """Return the latents of the next generation, float64 ``[image, latent]``."""
        ...

    def tell(self, codes: np.ndarray, fitness: np.ndarray) -> None:
        """Learn from latents ``[image, latent]`` and their fitness ``[image]``, spikes/s."""
        ...

    def state(self) -> State:
        """Return all that the next generations depend on, random numbers included."""
        ...

    def restore(self, state: State) -> None:
        """Go on from a `state`, bit for bit; of an optimiser that was made with the same arguments."""
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
    shortened : bool
        Learn from founders as if they were no further away than samples are: see `as_far_as_samples`.

    Raises
    ------
    InputError
        Fewer than four founders, or latents and fitness that do not fit.
    """

    def __init__(self, founders: np.ndarray, sigma: float, seed: int, shortened: bool = False) -> None:
        founders = check_founders(founders)
        self._sigma, self._shortened = sigma, shortened
        self._founders: np.ndarray | None = founders
        self._cma = CMA(mean=founders.mean(axis=0), sigma=sigma, seed=seed, population_size=len(founders))

    def ask(self) -> np.ndarray:
        """Return the founders first, then samples, float64 ``[image, latent]``."""
        if self._founders is not None:
            return self._founders.copy()
        return np.stack([self._cma.ask() for _ in range(self._cma.population_size)])

    def tell(self, codes: np.ndarray, fitness: np.ndarray) -> None:
        """Update mean, step size and covariance from fitness ``[image]``, larger is better."""
        codes, fitness = check_told(codes, fitness, self._cma.population_size, self._cma.dim)
        if self._shortened and self._founders is not None:
            codes = self.mean + self._sigma * as_far_as_samples((codes - self.mean) / self._sigma)
        self._founders = None
        self._cma.tell([(code, -float(value)) for code, value in zip(codes, fitness, strict=True)])

    def state(self) -> State:
        """Return all that the next generations depend on.

        A pickled optimiser of ``cmaes`` leaves its random numbers out and is seeded
        anew when it is read: they are taken here beside it.
        """
        values = {name: value for name, value in vars(self._cma).items() if name != "_rng"}
        state = {f"cma{name}": np.array(value) for name, value in values.items() if value is not None}
        state |= random_state(self._cma._rng)
        return state | {"is_begun": np.asarray(self._founders is None)}

    def restore(self, state: State) -> None:
        """Go on from a `state`.

        Raises
        ------
        InputError
            The state is of another kind of optimiser, or of another size.
        """
        names = [name for name in vars(self._cma) if name != "_rng"]
        saved = {name.removeprefix("cma") for name in state if name.startswith("cma_")}
        mean = np.asarray(state.get("cma_mean", ()))
        size = int(state.get("cma_popsize", -1))
        if not saved <= set(names) or mean.shape != (self._cma.dim,) or size != self._cma.population_size:
            raise InputError(
                "the state is not of this optimiser",
                hint=f"{type(self).__name__} of {self._cma.population_size} latents of {self._cma.dim}",
            )
        for name in names:
            setattr(self._cma, name, _plain(state[f"cma{name}"]) if name in saved else None)
        restore_random(self._cma._rng, state)
        if bool(state["is_begun"]):
            self._founders = None

    @property
    def mean(self) -> np.ndarray:
        """Centre of the search distribution, ``[latent]``."""
        return np.array(self._cma.mean)


class RandomSearch(Resumable):
    """A control: every generation is drawn around the best latent so far, with a fixed step.

    Parameters
    ----------
    founders : ndarray
        float64 ``[image, latent]``, the first generation.
    sigma : float
        Standard deviation of the steps, in units of the latents.
    seed : int
        Of the steps.
    """

    _kept: ClassVar = {"best": "_best", "highest": "_highest"}

    def __init__(self, founders: np.ndarray, sigma: float, seed: int) -> None:
        self._founders = np.asarray(founders, dtype=np.float64)
        self._sigma = sigma
        self._rng = np.random.RandomState(seed)
        self._best = np.full(self._founders.shape[1], np.nan)
        self._highest = -np.inf

    def ask(self) -> np.ndarray:
        """Return the founders first, then steps from the best, float64 ``[image, latent]``."""
        if np.isneginf(self._highest):
            return self._founders.copy()
        return self._best + self._sigma * self._rng.standard_normal(self._founders.shape)

    def tell(self, codes: np.ndarray, fitness: np.ndarray) -> None:
        """Keep the best of all latents so far, by fitness ``[image]``."""
        codes, fitness = check_told(codes, fitness, *self._founders.shape)
        row = int(np.argmax(fitness))
        if fitness[row] > self._highest:
            self._highest, self._best = float(fitness[row]), codes[row].copy()


def check_founders(founders: np.ndarray) -> np.ndarray:
    """Return founders as float64.

    Raises
    ------
    InputError
        They are fewer than four, or no matrix ``[image, latent]``.
    """
    founders = np.asarray(founders, dtype=np.float64)
    if founders.ndim != 2 or len(founders) < 4:
        raise InputError(
            f"an optimiser needs at least 4 founders [image, latent], found shape {list(founders.shape)}"
        )
    return founders


def as_far_as_samples(away: np.ndarray) -> np.ndarray:
    """Shorten steps, in standard deviations ``[image, latent]``, that are longer than a sample's.

    Founders are no samples of a search that starts with a smaller step: their length would be
    taken for a direction that answers. Hansen 2011, arXiv:1110.4181.
    """
    n = away.shape[1]
    longest = math.sqrt(n) + 2 * n / (n + 2)
    return np.asarray(away / np.maximum(1.0, np.linalg.norm(away, axis=1, keepdims=True) / longest))


def check_told(
    codes: np.ndarray, fitness: np.ndarray, n_images: int, latent_dim: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return latents and fitness as float64.

    Raises
    ------
    InputError
        Their shapes are not ``[n_images, latent_dim]`` and ``[n_images]``, or a fitness is not finite.
    """
    codes, fitness = np.asarray(codes, dtype=np.float64), np.asarray(fitness, dtype=np.float64)
    if fitness.shape != (n_images,) or codes.shape != (n_images, latent_dim):
        raise InputError(
            f"the optimiser expects {n_images} latents of {latent_dim} and as many "
            f"fitness values, found {list(codes.shape)} and {list(fitness.shape)}"
        )
    if not np.isfinite(fitness).all():
        raise InputError("fitness holds NaN or infinity")
    return codes, fitness


def _plain(value: np.ndarray) -> Any:
    """Return an attribute as the library holds it: numbers as numbers, arrays as arrays."""
    return value.item() if value.ndim == 0 else value.copy()
