"""The state of an optimiser as arrays, from which it goes on bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from evoalign.errors import InputError

State = Mapping[str, np.ndarray]  # what numpy.savez writes without pickles
_RANDOM = ("keys", "position", "has_gauss", "gauss")  # of numpy's Mersenne twister


class Resumable:
    """What an optimiser has whose next generations depend on some attributes and random numbers.

    A subclass names those attributes in `_kept`, by their names in a state; its random
    numbers are `_rng`. Attributes have the type and, if arrays, the shape that they keep
    from `__init__` on.
    """

    _kept: ClassVar[Mapping[str, str]]
    _rng: np.random.RandomState

    def state(self) -> State:
        """Return all that the next generations depend on."""
        values = {name: np.array(getattr(self, attribute)) for name, attribute in self._kept.items()}
        return values | random_state(self._rng)

    def restore(self, state: State) -> None:
        """Go on from a `state`.

        Raises
        ------
        InputError
            The state is of another kind of optimiser, or of another size.
        """
        now = self.state()
        if not now.keys() <= state.keys() or any(
            np.shape(state[name]) != np.shape(now[name]) for name in now
        ):
            shapes = ", ".join(f"{name} {list(now[name].shape)}" for name in self._kept if now[name].ndim)
            raise InputError("the state is not of this optimiser", hint=f"{type(self).__name__}: {shapes}")
        for name, attribute in self._kept.items():
            value = np.array(state[name])
            setattr(self, attribute, value if value.ndim else value.item())
        restore_random(self._rng, state)


def random_state(rng: np.random.RandomState) -> dict[str, np.ndarray]:
    """Return the state of a generator of random numbers as arrays."""
    values = tuple(rng.get_state(legacy=True))[1:]
    return {f"random_{name}": np.asarray(value) for name, value in zip(_RANDOM, values, strict=True)}


def restore_random(rng: np.random.RandomState, state: State) -> None:
    """Set a generator of random numbers to a state of `random_state`."""
    keys, *scalars = (state[f"random_{name}"] for name in _RANDOM)
    position, has_gauss, gauss = (value.item() for value in scalars)
    rng.set_state(("MT19937", keys, position, has_gauss, gauss))
