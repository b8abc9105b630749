"""Generative image spaces: latents in, images out, differentiable."""

from evoalign.spaces.interface import (
    Space,
    check_latents,
    get_space,
    project_to_norms,
    register_space,
    to_bytes,
)
from evoalign.spaces.procedural import ObjectSpace, TextureSpace

__all__ = [
    "ObjectSpace",
    "Space",
    "TextureSpace",
    "check_latents",
    "get_space",
    "project_to_norms",
    "register_space",
    "to_bytes",
]
