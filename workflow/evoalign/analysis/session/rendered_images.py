"""Whether a session's images are those that its latents render."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from evoalign.errors import InputError
from evoalign.nwb.contents import SessionContents
from evoalign.spaces.interface import Space

Floats = NDArray[np.float64]

# Images of a block that are compared: enough to tell chance, few to render.
MOST, LEAST = 12, 6
# Where ids and latents do not belong together, each image is the nearest one with 1 chance in 6 or less,
# and so many of them are in less than 1 of 1,000 blocks.
LEAST_SHARE = 0.75
SIDE = 32  # pixels: of the comparison, which a resized or a masked image passes
SAME = 1e-6  # two images whose correlations differ by less are equally near


def check_rendered(contents: SessionContents, block: int, thread: int, name: str, space: Space) -> None:
    """Compare images of a block with what its latents render, where the file holds both.

    Each rendered image is correlated with all images that are compared (grey,
    32 x 32 pixels, so size, contrast, brightness and a mask do not count); its
    own must be the nearest for three of four of them.

    Parameters
    ----------
    contents : SessionContents
        Images and latents of the session.
    block, thread : int
        Of which block of which thread; nothing is compared where fewer than
        6 of its images are there or its latents are not of the space.
    name : str
        Of the space, in the message.
    space : Space
        What renders the latents.

    Raises
    ------
    InputError
        The images are not those of the latents.
    """
    codes, names = contents.latents.get((block, thread), (None, []))
    rows = [row for row, image in enumerate(names) if image in contents.images][:MOST]
    if codes is None or len(rows) < LEAST or codes.shape[1] != space.latent_dim:
        return
    with torch.no_grad():
        rendered = _compared(space.render(torch.from_numpy(codes[rows].copy())).double())
    images = torch.cat([_compared(as_tensor(contents.images[names[row]])[None]) for row in rows])
    correlation = (rendered @ images.T).numpy()
    nearest = np.diagonal(correlation) >= correlation.max(1) - SAME
    if nearest.mean() < LEAST_SHARE:
        session = contents.metadata.session
        raise InputError(
            f"{int((~nearest).sum())} of {len(rows)} images of block {block}, thread {thread}, are not what "
            f"their latents render in space '{name}'",
            f"session {session}",
            "see that the files of codes are this session's; if another generator made the images, take its "
            "name from the setting `spaces`, and prototypes are images of the file",
        )


def as_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """Image of a file as float64 ``[3, H, W]`` in 0..1: grey ones in three colours, transparency left out."""
    image = torch.from_numpy(np.array(pixels)).double() / 255
    return image.expand(3, -1, -1) if image.ndim == 2 else image[..., :3].permute(2, 0, 1)


def _compared(images: Tensor) -> Tensor:
    """Images ``[image, 3, H, W]`` as rows of length 1 and mean 0; one without contrast is 0."""
    small = interpolate(images.mean(1, keepdim=True), (SIDE, SIDE), mode="area").flatten(1)
    centred = small - small.mean(1, keepdim=True)
    return centred / centred.norm(dim=1, keepdim=True).clamp_min(1e-12)
