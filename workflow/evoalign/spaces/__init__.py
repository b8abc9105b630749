"""Generative image spaces: latents in, images out, differentiable."""

from evoalign.spaces.interface import Space, check_latents, project_to_norms, to_bytes
from evoalign.spaces.procedural import ObjectSpace, TextureSpace
from evoalign.spaces.registry import get_space, lacks, register_space, session_space

__all__ = [
    "ObjectSpace",
    "Space",
    "TextureSpace",
    "check_latents",
    "get_space",
    "lacks",
    "project_to_norms",
    "register_space",
    "session_space",
    "to_bytes",
]
