"""A search of each block of a latent, told the same fitness: BigGAN's noise and class."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from evoalign.errors import InputError
from evoalign.evolution.cholesky import CholeskyCmaEs
from evoalign.evolution.optimisers import Optimiser, check_founders
from evoalign.evolution.states import State

Search = Callable[[np.ndarray, float, int], Optimiser]  # founders, first step and seed -> optimiser


class ConcatenatedCmaEs:
    """One CMA-ES a block of the latent; a proposal is one latent of each, joined.

    Blocks have scales of their own, BigGAN's class embedding is ten times shorter than its noise:
    each block's first step is the same share of its founders' length. docs/methods.md section 9.

    Parameters
    ----------
    founders : ndarray
        float64 ``[image, latent]``; their number is the population size.
    sigma : float
        First step of the block whose founders are shortest, in units of the latents.
    seed : int
        Of the searches, which get seeds of their own from it.
    blocks : mapping of str to slice
        Of the latent, in their order and without gaps.
    search : callable
        Of each block; the study's Cholesky CMA-ES by default.

    Raises
    ------
    InputError
        Fewer than four founders, or blocks that do not cover the latent.
    """

    def __init__(
        self,
        founders: np.ndarray,
        sigma: float,
        seed: int,
        blocks: Mapping[str, slice],
        search: Search = CholeskyCmaEs,
    ) -> None:
        founders = check_founders(founders)
        covered = [i for block in blocks.values() for i in range(block.start, block.stop)]
        if covered != list(range(founders.shape[1])):
            raise InputError(f"the blocks {', '.join(blocks)} do not cover the latent once, in order")
        sizes = {name: _size(founders[:, block]) for name, block in blocks.items()}
        smallest = min(sizes.values())
        seeds = np.random.SeedSequence(seed).generate_state(len(blocks))
        self._blocks = dict(blocks)
        self._searches = {
            name: search(founders[:, block], sigma * sizes[name] / smallest, int(block_seed))
            for (name, block), block_seed in zip(blocks.items(), seeds, strict=True)
        }

    def ask(self) -> np.ndarray:
        """Return the founders first, then samples, float64 ``[image, latent]``."""
        return np.concatenate([search.ask() for search in self._searches.values()], axis=1)

    def tell(self, codes: np.ndarray, fitness: np.ndarray) -> None:
        """Tell each block's search its part of the latents ``[image, latent]`` and the same fitness."""
        codes = np.asarray(codes)
        for name, search in self._searches.items():
            search.tell(codes[:, self._blocks[name]], fitness)

    def state(self) -> State:
        """Return the states of the searches, by block."""
        return {
            f"{block}.{name}": value
            for block, search in self._searches.items()
            for name, value in search.state().items()
        }

    def restore(self, state: State) -> None:
        """Go on from a `state`.

        Raises
        ------
        InputError
            The state is of another kind of optimiser, or of other blocks.
        """
        parts = {
            block: {
                name.removeprefix(f"{block}."): value
                for name, value in state.items()
                if name.startswith(f"{block}.")
            }
            for block in self._searches
        }
        if sum(map(len, parts.values())) != len(state):
            raise InputError("the state is not of this optimiser", hint=f"blocks {', '.join(self._blocks)}")
        for block, search in self._searches.items():
            search.restore(parts[block])


def _size(founders: np.ndarray) -> float:
    """Root mean square of a block's founders, never 0."""
    return float(np.sqrt(np.square(founders).mean())) or 1.0
