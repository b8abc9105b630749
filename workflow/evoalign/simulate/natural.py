"""Reference images: procedural scenes that hold both texture and object."""

from __future__ import annotations

import numpy as np
import torch

from evoalign.spaces.interface import Space, to_bytes


def natural_images(n: int, texture: Space, figure: Space, generator: torch.Generator) -> list[np.ndarray]:
    """Compose scenes: a textured, shaded object before a dimmer textured ground.

    Parameters
    ----------
    n : int
        How many.
    texture, figure : Space
        Where textures and objects come from.
    generator : torch.Generator
        Source of randomness.

    Returns
    -------
    list of ndarray
        uint8 ``[height, width, 3]`` each.
    """
    if n == 0:
        return []
    with torch.no_grad():
        shape = figure.render(figure.sample_initial(n, generator))
        skin = texture.render(texture.sample_initial(n, generator))
        ground = texture.render(texture.sample_initial(n, generator))
    # The object stands out from its grey ground in some colour: that is its mask.
    mask = torch.sigmoid(60 * ((shape - 0.5).abs().amax(dim=1, keepdim=True) - 0.06))
    inside = shape + 0.4 * (skin - 0.5)
    outside = 0.45 + 0.55 * (ground - 0.5)
    return list(to_bytes((mask * inside + (1 - mask) * outside).clamp(0, 1)))
