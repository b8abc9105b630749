"""What every image space offers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np
import torch

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
    initial_sigma : float
        First step of CMA-ES from founders (docs/methods.md section 9).
    blocks : mapping of str to slice
        Parts of a latent, as BigGAN's `noise` and `class`.
    """

    name: str
    latent_dim: int
    image_size: int
    initial_sigma: float

    @property
    def blocks(self) -> Mapping[str, slice]:
        """Parts of a latent that mean something of their own, in their order and without gaps."""
        ...

    def sample_initial(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Return `n` founders, float64 ``[n, latent_dim]``."""
        ...

    def render(self, latents: torch.Tensor) -> torch.Tensor:
        """Return images ``[n, 3, H, W]`` in 0..1, differentiable in `latents` ``[n, latent_dim]``."""
        ...

    def project(self, latents: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """Return `latents` where the latents `like` are: of their mean norm, see `project_to_norms`."""
        ...

    def describe(self) -> dict[str, str]:
        """Return what makes the images: generator, weights and their checksum, what is done to its output."""
        ...


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


def project_to_norms(latents: torch.Tensor, like: torch.Tensor, space: Space) -> torch.Tensor:
    """Return latents scaled to the mean norm of others, each block of the latent by itself.

    A generator makes sensible images of latents as long as those that it was
    made or searched with; a direction, as the weights of a fitted model, has no
    length of its own. Blocks have scales of their own: BigGAN's class
    embeddings are ten times shorter than its noise. docs/methods.md section 9.

    Parameters
    ----------
    latents : torch.Tensor ``[n, latent_dim]``
        A block of zeros stays one.
    like : torch.Tensor ``[m, latent_dim]``
        At least one.
    space : Space
        Its `blocks` cover the latent.

    Raises
    ------
    InputError
        See `check_latents`; `like` is empty.
    """
    check_latents(latents, space)
    if len(check_latents(like, space)) == 0:
        raise InputError("no latents to take the norm of", f"space '{space.name}'")
    scaled = []
    for block in space.blocks.values():
        norms = latents[:, block].norm(dim=1, keepdim=True)
        target_norm = like[:, block].to(latents).norm(dim=1).mean()
        scaled.append(latents[:, block] * torch.where(norms > 0, target_norm / norms, 0))
    return torch.cat(scaled, dim=1)


def to_bytes(images: torch.Tensor) -> np.ndarray:
    """Return images as they are shown: uint8 ``[n, H, W, 3]`` from ``[n, 3, H, W]`` in 0..1."""
    levels = images.detach().to("cpu", torch.float64).mul(255).round_().clamp_(0, 255)
    return levels.to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


def from_bytes(pixels: np.ndarray) -> torch.Tensor:
    """Return images as a network takes them: float32 ``[n, 3, H, W]`` in 0..1 from uint8 ``[n, H, W, 3]``."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
