"""Reference images: procedural scenes that hold both texture and object."""

from __future__ import annotations

import numpy as np
import torch

from evoalign.spaces.interface import to_bytes
from evoalign.spaces.procedural import IMAGE_SIZE, ObjectSpace, TextureSpace


def natural_images(n: int, generator: torch.Generator, size: int = IMAGE_SIZE) -> list[np.ndarray]:
    """Compose scenes of the procedural spaces: a textured, shaded object before a dimmer textured ground.

    Parameters
    ----------
    n : int
        How many.
    generator : torch.Generator
        Source of randomness.
    size : int
        Side of the images in pixels; those of another size than the spaces' are scaled.

    Returns
    -------
    list of ndarray
        uint8 ``[height, width, 3]`` each.
    """
    if n == 0:
        return []
    texture, figure = TextureSpace(), ObjectSpace()
    with torch.no_grad():
        shape = figure.render(figure.sample_initial(n, generator))
        skin = texture.render(texture.sample_initial(n, generator))
        ground = texture.render(texture.sample_initial(n, generator))
    # The object stands out from its grey ground in some colour: that is its mask.
    mask = torch.sigmoid(60 * ((shape - 0.5).abs().amax(dim=1, keepdim=True) - 0.06))
    inside = shape + 0.4 * (skin - 0.5)
    outside = 0.45 + 0.55 * (ground - 0.5)
    scenes = (mask * inside + (1 - mask) * outside).clamp(0, 1)
    if size != IMAGE_SIZE:
        scenes = torch.nn.functional.interpolate(scenes, size=(size, size), mode="bilinear", antialias=True)
    return list(to_bytes(scenes))
