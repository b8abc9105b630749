"""CMA-ES in a space's eigenframe: steps are longer along directions that change the image little."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evoalign.errors import InputError
from evoalign.evolution.cholesky import CholeskyCmaEs
from evoalign.evolution.optimisers import check_founders
from evoalign.evolution.states import State
from evoalign.spaces.hessian import Eigenframe

Floats = NDArray[np.float64]

EXPONENT = 1 / 2.5  # the group's: a step along an axis is as long as its eigenvalue to minus this
FLATTEST = 1e-4  # of the largest eigenvalue: flatter directions count as this flat


class EigenframeCmaEs:
    """The study's Cholesky CMA-ES on the coordinates of an eigenframe (docs/methods.md section 9).

    A coordinate is the latent's distance from the founders' mean along an eigenvector, over the
    step of its axis. What the frame's directions do not span stays at the founders' mean. Wang and
    Ponce 2021, ICLR ("Hessian CMA-ES").

    Parameters
    ----------
    founders : ndarray
        float64 ``[image, latent]``; their number is the population size.
    sigma : float
        Initial step size, in units of the latents: the first step moves the image, to second order,
        as far as one of this size in every latent that the frame spans.
    seed : int
        Of the samples.
    frame : Eigenframe
        Of the space of the founders.

    Raises
    ------
    InputError
        Fewer than four founders, or an eigenframe of other latents or without a positive eigenvalue.
    """

    def __init__(self, founders: np.ndarray, sigma: float, seed: int, frame: Eigenframe) -> None:
        founders = check_founders(founders)
        n = founders.shape[1]
        if frame.vectors.shape[0] != n or frame.values.max(initial=0.0) <= 0:
            raise InputError(
                f"the eigenframe is of {frame.vectors.shape[0]} latents with a largest eigenvalue of "
                f"{frame.values.max(initial=0.0):g}, the space has {n} latents",
                hint="make the frame of this space: docs/loop.md",
            )
        self._founders, self._vectors = founders, frame.vectors
        self._steps = axis_steps(frame.values)
        self._origin = founders.mean(axis=0)
        self._search = CholeskyCmaEs(self._coordinates(founders), sigma, seed)

    def ask(self) -> np.ndarray:
        """Return the founders first, then samples, float64 ``[image, latent]``."""
        if self._search.is_new:
            return self._founders.copy()
        return self._latents(self._search.ask())

    def tell(self, codes: np.ndarray, fitness: np.ndarray) -> None:
        """Learn from latents ``[image, latent]`` and their fitness ``[image]``, larger is better."""
        codes = np.asarray(codes, np.float64)
        if codes.shape != self._founders.shape:
            raise InputError(f"latents {list(codes.shape)} are told, {list(self._founders.shape)} expected")
        self._search.tell(self._coordinates(codes), fitness)

    @property
    def mean(self) -> np.ndarray:
        """Centre of the search distribution, ``[latent]``."""
        return self._latents(self._search.mean)

    def state(self) -> State:
        """Return all that the next generations depend on, in coordinates of the frame, and the frame."""
        return dict(self._search.state()) | {"vectors": self._vectors, "steps": self._steps}

    def restore(self, state: State) -> None:
        """Go on from a `state`.

        Raises
        ------
        InputError
            The state is of another kind of optimiser, of another size or of another frame.
        """
        if not np.array_equal(state.get("vectors", ()), self._vectors) or not np.array_equal(
            state.get("steps", ()), self._steps
        ):
            raise InputError("the state is not of this optimiser", hint="go on with the eigenframe it had")
        self._search.restore(state)

    def _coordinates(self, latents: Floats) -> Floats:
        return (latents - self._origin) @ self._vectors / self._steps

    def _latents(self, coordinates: Floats) -> Floats:
        return self._origin + (coordinates * self._steps) @ self._vectors.T


def axis_steps(values: Floats) -> Floats:
    """Return the relative step of each axis from its eigenvalue, ``[direction]``.

    Steps are proportional to ``value ** -(1 / 2.5)``. Their size is such that the image moves as
    far as with a step of 1 along every axis: the sum of ``value * step ** 2`` is that of the values.

    Examples
    --------
    >>> axis_steps(np.array([4.0, 4.0])).tolist()
    [1.0, 1.0]
    """
    values = np.maximum(values, FLATTEST * values.max())
    steps = values**-EXPONENT
    return steps * np.sqrt(values.sum() / (values * steps**2).sum())
