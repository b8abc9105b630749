"""Distances between images by a network that a lab brings: METHODS section 5.

The network is a TorchScript file: images ``[n, 3, 224, 224]``, ImageNet-normalised,
to feature maps ``[n, channel, row, column]`` (of ResNet-50: layer 4, 7 x 7).
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, interpolate

from evoalign.errors import InputError

IMAGE_SIZE = 224
IMAGENET_MEAN, IMAGENET_SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def load_network(path: str | PathLike[str]) -> torch.jit.ScriptModule:
    """Load a TorchScript network.

    Parameters
    ----------
    path : path
        Written by ``torch.jit.save``.

    Raises
    ------
    InputError
        The file is missing or no TorchScript.
    """
    path = Path(path)
    mend = "give the path of a TorchScript file of the network with its weights"
    if not path.is_file():
        raise InputError("the weights of the image network do not exist", path, mend)
    try:
        network = torch.jit.load(str(path), map_location="cpu")
    except (RuntimeError, ValueError, OSError) as error:
        raise InputError(f"no TorchScript file: {error!s:.200}", path, mend) from error
    return network.eval()


def prepared(images: Tensor) -> Tensor:
    """Images in 0..1, any size, as ImageNet networks expect: float32 ``[n, 3, 224, 224]``."""
    resized = interpolate(
        images.to(torch.float32),
        size=(IMAGE_SIZE, IMAGE_SIZE),
        mode="bilinear",
        antialias=True,
        align_corners=False,
    )
    mean, sd = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_SD))
    return (resized - mean) / sd


def centre_mask(rows: int, columns: int) -> Tensor:
    """Gaussian weights over a feature map, centred, of a quarter of its size, summing to 1."""
    axes = [torch.arange(n, dtype=torch.float64) - (n - 1) / 2 for n in (rows, columns)]
    row, column = (
        torch.exp(-0.5 * (axis / (n / 4)) ** 2) for axis, n in zip(axes, (rows, columns), strict=True)
    )
    mask = row[:, None] * column
    return mask / mask.sum()


def feature_vectors(network: torch.nn.Module, images: Tensor, mask: Tensor | None = None) -> Tensor:
    """Pooled features of images, float64 ``[n, channel]``.

    Parameters
    ----------
    network : torch.nn.Module
        Of `load_network`, or any that gives feature maps.
    images : torch.Tensor ``[n, 3, H, W]``
        In 0..1.
    mask : torch.Tensor ``[row, column]``, optional
        Weights of the map's places, as `centre_mask` or a unit's receptive
        field; all alike when left out (average pooling).

    Raises
    ------
    InputError
        The network gives no maps, or the mask is of another size.
    """
    with torch.inference_mode():
        maps = network(prepared(images)).to(torch.float64)
    if maps.ndim != 4:
        raise InputError(
            f"the image network gives {list(maps.shape)}, not maps [n, channel, row, column]",
            mend="cut the network before its pooling",
        )
    if mask is None:
        return maps.mean((2, 3))
    if maps.shape[2:] != mask.shape:
        raise InputError(f"a mask of {list(mask.shape)} for maps of {list(maps.shape[2:])}")
    return (maps * mask.to(torch.float64)).sum((2, 3)) / mask.sum()


def cosine_distances(
    network: torch.nn.Module, first: Tensor, second: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Cosine distance of pooled features of image pairs, 0..2, float64 ``[n]``.

    Parameters
    ----------
    network, mask
        As in `feature_vectors`.
    first, second : torch.Tensor ``[n, 3, H, W]``
        In 0..1; the sizes of the two may differ.
    """
    return 1 - cosine_similarity(
        feature_vectors(network, first, mask), feature_vectors(network, second, mask), dim=1
    )
