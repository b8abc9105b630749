"""Distances between images: docs/methods.md section 5.

Of pixels and of spectra always; of the features of networks that a lab brings
or that come with the pins, see `evoalign.spaces.networks`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, interpolate

from evoalign.errors import InputError

IMAGE_SIZE = 224
IMAGENET_MEAN, IMAGENET_SD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RINGS = (1.0, 0.5, 0.25, 0.0)  # weights of the rings of a 7 x 7 map, from the centre out
SPREAD = 1e-12  # of pixels or amplitudes: an image with less is blank
AMPLITUDE = 1e-3  # added to amplitudes before their logarithm: below it lies the rounding of 8-bit images


def resized(images: Tensor) -> Tensor:
    """Resize images ``[n, 3, H, W]`` of any dtype to ``[n, 3, 224, 224]``, smoothed when they shrink."""
    return interpolate(
        images, size=(IMAGE_SIZE, IMAGE_SIZE), mode="bilinear", antialias=True, align_corners=False
    )


def prepared(images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Images ``[n, 3, H, W]`` in 0..1 as ImageNet networks expect: ``[n, 3, 224, 224]``, normalised."""
    mean, sd = (torch.tensor(values, dtype=dtype)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_SD))
    return (resized(images.to(dtype)) - mean) / sd


def centre_mask(rows: int, columns: int) -> Tensor:
    """Gaussian weights over a map, centred, of a quarter of its size, summing to 1.

    Defined in docs/methods.md section 5.
    """
    axes = [torch.arange(n, dtype=torch.float64) - (n - 1) / 2 for n in (rows, columns)]
    row, column = (
        torch.exp(-0.5 * (axis / (n / 4)) ** 2) for axis, n in zip(axes, (rows, columns), strict=True)
    )
    mask = row[:, None] * column
    return mask / mask.sum()


def ring_mask(rows: int, columns: int) -> Tensor | None:
    """Weights 1, 1/2, 1/4 and 0 of the rings about the centre of a 7 x 7 map, summing to 1.

    Defined in docs/methods.md section 5.

    The study's mask of its pixel prototypes. None for a map of another size,
    for which the study has none.
    """
    size = 2 * len(RINGS) - 1
    if (rows, columns) != (size, size):
        return None
    from_centre = (torch.arange(size) - size // 2).abs()
    mask = torch.tensor(RINGS, dtype=torch.float64)[torch.maximum(from_centre[:, None], from_centre)]
    return mask / mask.sum()


def map_masks(rows: int, columns: int) -> dict[str, Tensor | None]:
    """Masks of a network's maps by name; None: all places alike."""
    masks: dict[str, Tensor | None] = {"none": None, "centre": centre_mask(rows, columns)}
    rings = ring_mask(rows, columns)
    return masks if rings is None else masks | {"rings": rings}


def feature_maps(network: torch.nn.Module, images: Tensor) -> Tensor:
    """Feature maps of images, float64 ``[n, channel, row, column]``.

    Parameters
    ----------
    network : torch.nn.Module
        Of `load_network`, or any that gives feature maps.
    images : torch.Tensor ``[n, 3, H, W]``
        In 0..1.

    Raises
    ------
    InputError
        The network gives no maps.
    """
    parameter = next(network.parameters(), None)
    with torch.inference_mode():
        maps = network(prepared(images, torch.float32 if parameter is None else parameter.dtype)).to(
            torch.float64
        )
    if maps.ndim != 4:
        raise InputError(
            f"the image network gives {list(maps.shape)}, not maps [n, channel, row, column]",
            hint="cut the network before its pooling",
        )
    return maps


def pooled(maps: Tensor, mask: Tensor | None = None) -> Tensor:
    """Average of feature maps over their places, float64 ``[n, channel]``.

    Parameters
    ----------
    maps : torch.Tensor ``[n, channel, row, column]``
    mask : torch.Tensor ``[row, column]``, optional
        Weights of the places, as `centre_mask` or a unit's receptive field;
        all alike when left out (average pooling).

    Raises
    ------
    InputError
        The mask is of another size.
    """
    if mask is None:
        return maps.mean((2, 3))
    if maps.shape[2:] != mask.shape:
        raise InputError(f"a mask of {list(mask.shape)} for maps of {list(maps.shape[2:])}")
    return (maps * mask.to(torch.float64)).sum((2, 3)) / mask.sum()


def feature_vectors(network: torch.nn.Module, images: Tensor, mask: Tensor | None = None) -> Tensor:
    """Pooled features of images, float64 ``[n, channel]``: `feature_maps`, then `pooled`."""
    return pooled(feature_maps(network, images), mask)


class PooledFeatures:
    """Pooled features of single images by a network; an image that comes again is not computed again.

    Parameters
    ----------
    network : torch.nn.Module
        Gives feature maps, as for `feature_maps`.
    """

    def __init__(self, network: torch.nn.Module) -> None:
        self._network = network
        self._by_image: dict[bytes, dict[str, Tensor]] = {}

    def of(self, images: Iterable[Tensor]) -> dict[str, Tensor]:
        """Return the features of images ``[3, H, W]`` in 0..1 by mask: float64 ``[image, channel]``."""
        by_image = [self._of_image(image) for image in images]
        return {mask: torch.cat([vectors[mask] for vectors in by_image]) for mask in by_image[0]}

    def _of_image(self, image: Tensor) -> dict[str, Tensor]:
        key = hashlib.sha256(f"{image.shape} {image.dtype}".encode() + image.numpy().tobytes()).digest()
        if key not in self._by_image:
            maps = feature_maps(self._network, image[None])
            masks = map_masks(*maps.shape[2:])
            self._by_image[key] = {name: pooled(maps, mask) for name, mask in masks.items()}
        return self._by_image[key]


Networks = Mapping[str, torch.nn.Module | PooledFeatures]


def pooled_features(networks: Networks) -> dict[str, PooledFeatures]:
    """Return the pooled features of networks by name; those that remember images stay as they are."""
    return {
        name: network if isinstance(network, PooledFeatures) else PooledFeatures(network)
        for name, network in networks.items()
    }


def cosine_distances(
    network: torch.nn.Module, first: Tensor, second: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Cosine distance of pooled features of image pairs (docs/methods.md section 5), 0..2, float64 ``[n]``.

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


def pixel_distances(first: Tensor, second: Tensor, mask: Tensor | None = None) -> Tensor:
    """Root mean squared difference of pixel values, float64 ``[n]``.

    Parameters
    ----------
    first, second : torch.Tensor ``[n, 3, H, W]``
        In 0..1, of one size.
    mask : torch.Tensor ``[H, W]``, optional
        Weights of the pixels; all alike when left out.
    """
    squares = (first.double() - second.double()).square()
    return pooled(squares, mask).mean(1).sqrt()


def correlation_distances(first: Tensor, second: Tensor, mask: Tensor | None = None) -> Tensor:
    """One minus the Pearson correlation of pixel values, 0..2, float64 ``[n]``; NaN for a blank image.

    Parameters
    ----------
    first, second, mask
        As in `pixel_distances`.
    """
    weights = torch.ones(first.shape[2:], dtype=torch.float64) if mask is None else mask
    flat = (weights / weights.sum() / first.shape[1]).expand(first.shape[1], -1, -1).flatten()
    return 1 - _correlation(first.double().flatten(1), second.double().flatten(1), flat)


def spectrum_distances(first: Tensor, second: Tensor) -> Tensor:
    """One minus the correlation of log amplitude spectra of luminance, 0..2, float64 ``[n]``.

    It compares texture, wherever in the image it is.

    Parameters
    ----------
    first, second : torch.Tensor ``[n, 3, H, W]``
        In 0..1, of one size; luminance is the mean of the colours. The mean of
        the image does not count.
    """
    logs = []
    for images in (first, second):
        spectrum = torch.fft.fft2(images.double().mean(1), norm="ortho").abs()
        logs.append(torch.log(spectrum + AMPLITUDE).flatten(1)[:, 1:])
    flat = torch.full((logs[0].shape[1],), 1 / logs[0].shape[1], dtype=torch.float64)
    return 1 - _correlation(logs[0], logs[1], flat)


def _correlation(x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    """Weighted Pearson correlation of rows; NaN where one does not vary."""
    x, y = (v - (v * weights).sum(1, keepdim=True) for v in (x, y))
    variances = [(v.square() * weights).sum(1) for v in (x, y)]
    correlation = (x * y * weights).sum(1) / (variances[0] * variances[1]).sqrt()
    return torch.where(torch.minimum(variances[0], variances[1]) > SPREAD, correlation, torch.nan)


def image_distances(
    first: Tensor,
    second: Tensor,
    networks: Networks,
    lpips: Mapping[str, torch.nn.Module] | None = None,
) -> pd.DataFrame:
    """Every distance of image pairs (docs/methods.md section 5).

    Parameters
    ----------
    first, second : torch.Tensor ``[n, 3, H, W]``
        In 0..1; the sizes of the two may differ.
    networks : mapping of str to torch.nn.Module or PooledFeatures
        Name of the measure -> network that gives feature maps, or what remembers its features.
    lpips : mapping of str to torch.nn.Module, optional
        Of `networks.lpips_of`.

    Returns
    -------
    pandas.DataFrame
        pair (from 0), measure, mask ('none', 'centre' or 'rings'), distance.
    """
    a, b = resized(first.double()), resized(second.double())
    centre = centre_mask(IMAGE_SIZE, IMAGE_SIZE)
    distance_of = {
        ("pixel", "none"): pixel_distances(a, b),
        ("pixel", "centre"): pixel_distances(a, b, centre),
        ("correlation", "none"): correlation_distances(a, b),
        ("correlation", "centre"): correlation_distances(a, b, centre),
        ("spectrum", "none"): spectrum_distances(a, b),
    }
    for name, features in pooled_features(networks).items():
        first_vectors, second_vectors = features.of(first), features.of(second)
        for mask, vectors in first_vectors.items():
            distance_of[name, mask] = 1 - cosine_similarity(vectors, second_vectors[mask], dim=1)
    for name, lpips_network in (lpips or {}).items():
        with torch.inference_mode():
            distance_of[name, "none"] = lpips_network(a, b)
    frames = [
        pd.DataFrame({"pair": range(len(first)), "measure": name, "mask": mask, "distance": values.numpy()})
        for (name, mask), values in distance_of.items()
    ]
    return pd.concat(frames, ignore_index=True)
