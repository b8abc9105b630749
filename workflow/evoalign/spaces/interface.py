"""What every image space offers, and the list of spaces known by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from rapidfuzz import process

from evoalign.errors import InputError


@runtime_checkable
class Space(Protocol):
    """A generator: latent vectors to images (docs/methods.md section 9).

    Attributes
    ----------
    name : str
        As in the column ``space`` of the tables.
    latent_dim : int
        Length of a latent vector.
    image_size : int
        Height and width of the images, in pixels.
    """

    name: str
    latent_dim: int
    image_size: int

    def sample_initial(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Return `n` founders, float64 ``[n, latent_dim]``."""
        ...

    def render(self, latents: torch.Tensor) -> torch.Tensor:
        """Return images ``[n, 3, H, W]`` in 0..1, differentiable in `latents` ``[n, latent_dim]``."""
        ...


_FACTORIES: dict[str, Callable[[], Space]] = {}


def register_space(name: str, factory: Callable[[], Space]) -> None:
    """Make `get_space(name)` return ``factory()``."""
    _FACTORIES[name] = factory


def get_space(name: str) -> Space:
    """Return the space of that name.

    Parameters
    ----------
    name : str
        As in sessions.tsv, column ``spaces``: ``texture``, ``object``, ..

    Raises
    ------
    InputError
        No space has that name.
    """
    if name not in _FACTORIES:
        nearest = process.extractOne(name, sorted(_FACTORIES), score_cutoff=50)
        known_spaces = f"known spaces: {', '.join(sorted(_FACTORIES))}"
        raise InputError(
            f"no image space is called '{name}'",
            "column spaces of the sample sheet",
            f"did you mean '{nearest[0]}'? {known_spaces}" if nearest else known_spaces,
        )
    return _FACTORIES[name]()


def check_latents(latents: torch.Tensor, space: Space) -> torch.Tensor:
    """Return `latents` when they are ``[n, latent_dim]`` and finite.

    Raises
    ------
    InputError
        Wrong shape, or NaN or infinity in a latent.
    """
    if latents.ndim != 2 or latents.shape[1] != space.latent_dim:
        raise InputError(
            f"latents have shape {list(latents.shape)}; space '{space.name}' needs [n, {space.latent_dim}]",
            f"space '{space.name}'",
        )
    if not bool(torch.isfinite(latents).all()):
        raise InputError("latents hold NaN or infinity", f"space '{space.name}'")
    return latents


def to_bytes(images: torch.Tensor) -> np.ndarray:
    """Return images as they are shown: uint8 ``[n, H, W, 3]`` from ``[n, 3, H, W]`` in 0..1."""
    levels = torch.round(images.detach().to("cpu", torch.float64).clamp(0, 1) * 255)
    return levels.to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
