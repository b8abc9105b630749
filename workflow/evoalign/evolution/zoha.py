"""Zeroth-order search on a sphere of latents, with a Hessian from mirrored samples."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from evoalign.evolution.optimisers import check_founders, check_told
from evoalign.evolution.states import Resumable

Floats = NDArray[np.float64]

# Of the group's optimiser: Wang and Ponce 2022, GECCO.
LEARNING_RATE = 1.5  # how far the base goes towards the selected mean: beyond it
WIDEST_DEG, FALL_FIRST, FALL_EACH = 15.0, 0.0146, 0.0017  # exploration: 15 + 1 / (0.0017 t + 0.0146) degrees
SELECTED = 0.5  # share of the samples that count
# Ye et al. 2018, "Hessian-aware zeroth-order optimization": as often, and so much regularised.
HESSIAN_EVERY = 10  # generations
REGULARISED = 0.01  # of the largest curvature: all directions have at least this


class ZohaSphere(Resumable):
    """Steps along the sphere towards what answers best, shorter where the answer curves more.

    A generation is the base and samples around it, drawn in its tangent plane and laid onto the
    sphere. The base moves towards the rank-weighted mean of the samples and beyond. Every ten
    generations samples are mirrored pairs: from base, sample and mirror image comes the curvature
    along each sample, and a Hessian of their rank, whose inverse root shapes the samples from then on.

    Parameters
    ----------
    founders : ndarray
        float64 ``[image, latent]``, the first generation; the sphere has their mean length.
    sigma : float
        Not used: the exploration is an angle that falls with the generations, 76 to 20 degrees in 100.
    seed : int
        Of the samples.

    Raises
    ------
    InputError
        Fewer than four founders, or latents and fitness that do not fit.
    """

    _kept: ClassVar = {
        "zoha_generation": "_generation",
        "base": "_base",
        "tangents": "_tangents",
        "directions": "_directions",
        "shrunk": "_shrunk",
    }

    def __init__(self, founders: np.ndarray, sigma: float, seed: int) -> None:
        del sigma
        self._founders = check_founders(founders)
        n_images, n = self._founders.shape
        self._radius = float(np.linalg.norm(self._founders, axis=1).mean())
        self._rng = np.random.RandomState(seed)
        self._generation = 0
        self._base = np.zeros(n)
        self._tangents = np.zeros((n_images - 1, n))  # of the samples that were asked for last
        self._n_pairs = (n_images - 1) // 2  # of mirrored samples
        rank = min(self._n_pairs, n)
        self._directions, self._shrunk = np.zeros((rank, n)), np.zeros(rank)  # of the Hessian

    def ask(self) -> np.ndarray:
        """Return the founders first, then the base and samples around it, float64 ``[image, latent]``."""
        if self._generation == 0:
            return self._founders.copy()
        normal = np.asarray(self._rng.standard_normal(self._tangents.shape))
        if self._is_mirrored():
            normal[self._n_pairs : 2 * self._n_pairs] = -normal[: self._n_pairs]
        shaped = normal - (normal @ self._directions.T * self._shrunk) @ self._directions
        unit_base = self._base / self._radius
        self._tangents = shaped - np.outer(shaped @ unit_base, unit_base)
        return np.concatenate([self._base[None], self._on_sphere(self._exploration() * self._tangents)])

    def tell(self, codes: np.ndarray, fitness: np.ndarray) -> None:
        """Move the base, and take the curvature from mirrored samples; larger fitness is better."""
        codes, fitness = check_told(codes, fitness, *self._founders.shape)
        if self._generation == 0:
            self._base = self._radius * _unit(rank_weights(fitness) @ codes)
        else:
            if self._is_mirrored():
                self._take_curvature(fitness)
            selected = self._radius * _unit(rank_weights(fitness[1:]) @ codes[1:])
            self._base = self._radius * _unit(_beyond(self._base, selected, LEARNING_RATE))
        self._generation += 1

    @property
    def mean(self) -> np.ndarray:
        """The base, ``[latent]``."""
        return self._base.copy()

    def _is_mirrored(self) -> bool:
        return self._generation % HESSIAN_EVERY == 0

    def _exploration(self) -> float:
        """Length of a tangent's entry on the unit sphere: the angle of a sample over the root of N."""
        degrees = WIDEST_DEG + 1 / (FALL_EACH * self._generation + FALL_FIRST)
        return math.radians(degrees) / math.sqrt(len(self._base))

    def _on_sphere(self, tangents: Floats) -> Floats:
        """Exponential map at the base: tangents ``[sample, latent]`` of the unit sphere to latents."""
        angles = np.linalg.norm(tangents, axis=1, keepdims=True)
        away = np.sinc(angles / np.pi) * tangents
        return np.cos(angles) * self._base + self._radius * away

    def _take_curvature(self, fitness: Floats) -> None:
        """Hessian of the last samples' rank: second differences along them, in absolute value."""
        n_pairs = self._n_pairs
        plus, minus = fitness[1 : 1 + n_pairs], fitness[1 + n_pairs : 1 + 2 * n_pairs]
        curvature = np.abs(plus + minus - 2 * fitness[0]) / (2 * self._exploration() ** 2 * n_pairs)
        _, singular, directions = np.linalg.svd(
            np.sqrt(curvature)[:, None] * self._tangents[:n_pairs], full_matrices=False
        )
        if singular[0] == 0:
            return
        share = np.square(singular) / (REGULARISED * singular[0] ** 2)
        self._directions, self._shrunk = directions, 1 - 1 / np.sqrt(1 + share)


def rank_weights(fitness: Floats) -> Floats:
    """Weight of each sample by the rank of its fitness; those of the worse half are 0, the sum is 1."""
    n_selected = SELECTED * len(fitness)
    ranks = np.argsort(np.argsort(-fitness, kind="stable"), kind="stable")
    weights = np.maximum(math.log(n_selected + 0.5) - np.log(ranks + 1.0), 0.0)
    weights[ranks >= math.floor(n_selected)] = 0.0
    return np.asarray(weights / weights.sum())


def _unit(vector: Floats) -> Floats:
    return vector / np.linalg.norm(vector)


def _beyond(start: Floats, stop: Floats, share: float) -> Floats:
    """Point of the great circle through two of equal length, `share` of the way from one to the other."""
    cosine = float(np.clip(_unit(start) @ _unit(stop), -1, 1))
    angle = math.acos(cosine)
    if math.sin(angle) < 1e-12:
        return stop
    return (math.sin((1 - share) * angle) * start + math.sin(share * angle) * stop) / math.sin(angle)
