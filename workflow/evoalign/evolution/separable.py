"""CMA-ES with a diagonal covariance that learns from the worse half of the images too."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from evoalign.evolution.optimisers import as_far_as_samples, check_founders, check_told
from evoalign.evolution.states import Resumable

Floats = NDArray[np.float64]

TWO_POINT_FROM = 300  # latents: from here on the step is changed by two points, not by path length
TREND = 0.3  # share of the newest comparison of two points


class SeparableCmaEs(Resumable):
    """CMA-ES whose covariance is diagonal: its cost grows with the latents, not with their square.

    Weights of both signs and learning rates of Hansen 2016 (arXiv:1604.00772), with the rates of a
    diagonal of Ros and Hansen 2008 (PPSN X) as pycma has them; exponential update of the standard
    deviations, Akimoto and Hansen 2020 (Evolutionary Computation). The step size follows the path's
    length; from 300 latents on two mirrored images along the mean's last move tell whether it was
    too short, Hansen, Atamna and Auger 2014 (PPSN XIII).

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
        "separable_generation": "_generation",
        "sigma": "_sigma",
        "mean": "_mean",
        "spread": "_spread",
        "path": "_path",
        "path_sigma": "_path_sigma",
        "moved": "_moved",
        "trend": "_trend",
    }

    def __init__(self, founders: np.ndarray, sigma: float, seed: int) -> None:
        founders = check_founders(founders)
        self._founders, self._sigma = founders, float(sigma)
        self._rng = np.random.RandomState(seed)
        n_images, n = founders.shape
        raw = math.log((n_images + 1) / 2) - np.log(np.arange(1, n_images + 1))
        better, worse = np.maximum(raw, 0.0), np.minimum(raw, 0.0)
        self._better = better / better.sum()
        self._mu_eff = mu_eff = float(1 / np.square(self._better).sum())
        self._c_path = (1 + 1 / n + mu_eff / n) / (math.sqrt(n) + 1 / n + 2 * mu_eff / n)
        self._c_one = 1 / (n + 2 * math.sqrt(n) + mu_eff / n)
        rate = (mu_eff + 1 / mu_eff - 1.75) / (n + 4 * math.sqrt(n) + mu_eff / 2)
        self._c_mu = min(1 - self._c_one, rate)
        mu_eff_worse = worse.sum() ** 2 / np.square(worse).sum()
        share = min(1 + self._c_one / self._c_mu, 1 + 2 * mu_eff_worse / (mu_eff + 2))
        self._weights = self._better + share * worse / abs(worse.sum())
        self._c_sigma = min(0.5, (mu_eff + 2) / (n + mu_eff + 3))
        many = 3 * (1 - 0.5 ** (n / 9)) * math.sqrt((mu_eff - 1) / (n + 1))  # images for so few latents
        self._damping = 1 + 2 * max(0.0, many - 1) + self._c_sigma
        self._two_point_damping = 0.7 + 2 * math.log(n) + 2 * math.log(max(1, n_images - n))
        self._norm = math.sqrt(2) * math.exp(math.lgamma((n + 1) / 2) - math.lgamma(n / 2))  # of N(0, I)
        self._generation, self._trend = 0, 0.0
        self._mean, self._spread = founders.mean(axis=0), np.ones(n)
        self._path, self._path_sigma, self._moved = np.zeros(n), np.zeros(n), np.zeros(n)

    def ask(self) -> np.ndarray:
        """Return the founders first, then samples, float64 ``[image, latent]``."""
        if self._generation == 0:
            return self._founders.copy()
        away = self._rng.standard_normal(self._founders.shape)
        if self._has_two_points():
            direction = self._moved / self._spread
            away[0] = np.linalg.norm(away[0]) / np.linalg.norm(direction) * direction
            away[1] = -away[0]
        return self._mean + self._sigma * self._spread * away

    def tell(self, codes: np.ndarray, fitness: np.ndarray) -> None:
        """Update mean, step size and spread from fitness ``[image]``, larger is better."""
        codes, fitness = check_told(codes, fitness, *self._founders.shape)
        order = np.argsort(-fitness, kind="stable")
        away = (codes[order] - self._mean) / (self._sigma * self._spread)
        if self._generation == 0:
            away = as_far_as_samples(away)
        step = self._better @ away
        c, cs = self._c_path, self._c_sigma
        self._path_sigma = (1 - cs) * self._path_sigma + math.sqrt(cs * (2 - cs) * self._mu_eff) * step
        filled_share = 1 - (1 - cs) ** (2 * (self._generation + 1))
        squared = float(self._path_sigma @ self._path_sigma) / filled_share / len(step)
        is_short = squared < 2 + 4 / (len(step) + 1)  # of a long one the spread would grow too fast
        self._path = (1 - c) * self._path + is_short * math.sqrt(c * (2 - c) * self._mu_eff) * step
        factor = self._step_factor(fitness)
        self._moved = self._sigma * self._spread * step
        self._mean = self._mean + self._moved
        c_one = self._c_one if is_short else self._c_one * (1 - c * (2 - c))
        self._widen(c_one, away)
        self._sigma *= factor
        self._generation += 1

    @property
    def mean(self) -> np.ndarray:
        """Centre of the search distribution, ``[latent]``."""
        return self._mean.copy()

    def _has_two_points(self) -> bool:
        return self._generation > 0 and len(self._mean) >= TWO_POINT_FROM and bool(self._moved.any())

    def _step_factor(self, fitness: Floats) -> float:
        """What the step size is multiplied by; `_path_sigma` is of this generation already."""
        if len(self._mean) < TWO_POINT_FROM:
            length = float(np.linalg.norm(self._path_sigma)) / self._norm
            return math.exp(min(1.0, self._c_sigma / self._damping * (length - 1)))
        if not self._has_two_points():
            return 1.0
        ahead = (fitness > fitness[1]).sum() - (fitness > fitness[0]).sum()
        share = float(ahead) / (len(fitness) - 1)
        self._trend = (1 - TREND) * self._trend + TREND * math.copysign(math.sqrt(abs(share)), share)
        return math.exp(self._trend / self._two_point_damping)

    def _widen(self, c_one: float, away: Floats) -> None:
        """Learn the spread from the path and from images, best first, in units of the spread."""
        rates = math.log(2) * np.concatenate([[c_one], self._c_mu * self._weights])
        change = rates @ np.square(np.concatenate([self._path[None], away])) - rates.sum()
        self._spread = self._spread * np.exp(change / 2)
