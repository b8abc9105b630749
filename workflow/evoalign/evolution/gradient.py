"""A climber along the gradient, for subjects that can be differentiated: what a search could reach."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from evoalign.errors import InputError
from evoalign.evolution.optimisers import check_founders, check_told
from evoalign.evolution.states import State

Response = Callable[[Tensor], Tensor]  # latents [image, latent] to responses [image], differentiable

STEP = 0.1  # of sigma, a coordinate and generation: a generation of gradients is worth many samples


class GradientClimber:
    """Each image climbs by itself, from its founder, by Adam (``torch.optim.Adam``).

    The gradient is the subject's without noise; the fitness that is told is checked and not used.

    Parameters
    ----------
    founders : ndarray
        float64 ``[image, latent]``, where the images start.
    sigma : float
        Ten steps of a latent, in its units.
    seed : int
        Not used: nothing is drawn.
    response : callable
        The subject: latents, float64 ``[image, latent]``, to responses ``[image]``, larger is better.

    Raises
    ------
    InputError
        Fewer than four founders, or latents and fitness that do not fit.
    """

    def __init__(self, founders: np.ndarray, sigma: float, seed: int, response: Response) -> None:
        del seed
        self._latents = torch.from_numpy(check_founders(founders).copy()).requires_grad_(True)
        self._response = response
        self._adam = torch.optim.Adam([self._latents], lr=STEP * sigma, maximize=True)

    def ask(self) -> np.ndarray:
        """Return the latents of all images, float64 ``[image, latent]``."""
        return self._latents.detach().numpy().copy()

    def tell(self, codes: np.ndarray, fitness: np.ndarray) -> None:
        """Take a step along the gradient at the latents that were asked for."""
        check_told(codes, fitness, *self._latents.shape)
        self._adam.zero_grad()
        responses = self._response(self._latents)
        if not bool(torch.isfinite(responses).all()):
            raise InputError("the subject's response holds NaN or infinity")
        responses.sum().backward()
        self._adam.step()

    def state(self) -> State:
        """Return latents and Adam's moments."""
        moments = self._adam.state.get(self._latents, {})
        return {"climbing": self.ask()} | {
            f"adam_{name}": value.numpy().copy() for name, value in moments.items()
        }

    def restore(self, state: State) -> None:
        """Go on from a `state`.

        Raises
        ------
        InputError
            The state is of another kind of optimiser, or of another size.
        """
        if np.shape(state.get("climbing", ())) != tuple(self._latents.shape):
            raise InputError("the state is not of this climber")
        with torch.no_grad():
            self._latents.copy_(torch.from_numpy(np.array(state["climbing"])))
        self._adam.state.clear()
        moments = {
            name.removeprefix("adam_"): torch.from_numpy(np.array(value))
            for name, value in state.items()
            if name.startswith("adam_")
        }
        if moments:
            self._adam.state[self._latents] = moments
