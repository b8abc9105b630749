"""CMA-ES with a factor of the covariance in the place of the covariance, as the study's task runs it."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from evoalign.evolution.optimisers import check_founders, check_told
from evoalign.evolution.states import Resumable

Floats = NDArray[np.float64]

UPDATE_EVERY = 10  # generations: a factor of 4,096 latents is 134 MB to rewrite


class CholeskyCmaEs(Resumable):
    """CMA-ES whose covariance is ``A' A``, learned from the path alone (rank one).

    Step size by path length, weights ``log(mu + 1/2) - log(rank)`` of the better half; the factor
    and its inverse are updated every ten generations (docs/methods.md section 9). Loshchilov 2014,
    GECCO; Wang and Ponce 2022, GECCO.

    Parameters
    ----------
    founders : ndarray
        float64 ``[image, latent]``; their number is the population size.
    sigma : float
        Initial step size, in units of the latents.
    seed : int
        Of the samples.

    Raises
    ------
    InputError
        Fewer than four founders, or latents and fitness that do not fit.
    """

    _kept: ClassVar = {
        "generation": "_generation",
        "sigma": "_sigma",
        "mean": "_mean",
        "path": "_path",
        "path_sigma": "_path_sigma",
        "factor": "_factor",
        "inverse": "_inverse",
    }

    def __init__(self, founders: np.ndarray, sigma: float, seed: int) -> None:
        founders = check_founders(founders)
        self._founders, self._sigma = founders, float(sigma)
        self._rng = np.random.RandomState(seed)
        n_images, n = founders.shape
        n_parents = n_images / 2
        weights = math.log(n_parents + 0.5) - np.log(np.arange(1, math.floor(n_parents) + 1))
        self._weights = weights / weights.sum()
        mu_eff = 1 / np.square(self._weights).sum()
        self._c_path = 4 / (n + 4)
        self._c_sigma = math.sqrt(mu_eff) / (math.sqrt(mu_eff) + math.sqrt(n))
        self._c_one = 2 / (n + math.sqrt(2)) ** 2
        self._damping = 1 + self._c_sigma + 2 * max(0.0, math.sqrt((mu_eff - 1) / (n + 1)) - 1)
        self._norm = math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n**2))  # of a standard normal vector
        self._mu_eff = mu_eff
        self._generation = 0
        self._mean = founders.mean(axis=0)
        self._path, self._path_sigma = np.zeros(n), np.zeros(n)
        self._factor, self._inverse = np.eye(n), np.eye(n)

    def ask(self) -> np.ndarray:
        """Return the founders first, then samples, float64 ``[image, latent]``."""
        if self._generation == 0:
            return self._founders.copy()
        normal = self._rng.standard_normal(self._founders.shape)
        return self._mean + self._sigma * (normal @ self._factor)

    def tell(self, codes: np.ndarray, fitness: np.ndarray) -> None:
        """Update mean, step size and factor from fitness ``[image]``, larger is better."""
        codes, fitness = check_told(codes, fitness, *self._founders.shape)
        best = np.argsort(-fitness, kind="stable")[: len(self._weights)]
        mean = self._weights @ codes[best]
        step = (mean - self._mean) / self._sigma
        self._mean = mean
        self._generation += 1
        if self._generation == 1:
            return  # founders are no samples of the search: they give its centre alone
        c, cs = self._c_path, self._c_sigma
        self._path = (1 - c) * self._path + math.sqrt(c * (2 - c) * self._mu_eff) * step
        whitened = step @ self._inverse
        self._path_sigma = (1 - cs) * self._path_sigma + math.sqrt(cs * (2 - cs) * self._mu_eff) * whitened
        length = float(np.linalg.norm(self._path_sigma)) / self._norm
        self._sigma *= math.exp(cs / self._damping * (length - 1))
        if self._generation % UPDATE_EVERY == 0:
            self._update_factor()

    def _update_factor(self) -> None:
        """Give ``A' A`` a share c of the path's outer product: C becomes (1 - c) C + c p' p."""
        c, path = self._c_one, self._path
        direction = path @ self._inverse
        squared = float(direction @ direction)
        if squared == 0:
            return
        stretch = math.sqrt(1 + squared * c / (1 - c))
        shrink = math.sqrt(1 - c)
        self._factor = shrink * self._factor + shrink * (stretch - 1) / squared * np.outer(direction, path)
        back = self._inverse @ direction
        self._inverse = self._inverse / shrink - (1 - 1 / stretch) / (shrink * squared) * np.outer(
            back, direction
        )

    @property
    def is_new(self) -> bool:
        """Whether nothing was told yet, so that the founders are next."""
        return self._generation == 0

    @property
    def mean(self) -> np.ndarray:
        """Centre of the search distribution, ``[latent]``."""
        return self._mean.copy()
