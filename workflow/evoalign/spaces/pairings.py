"""Distances of every image of one set to every image of another: docs/methods.md section 5.

The measures of `evoalign.spaces.distances`, each written as a distance between
vectors, so that every image goes through a network once and not once a pair.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from evoalign.spaces.distances import (
    AMPLITUDE,
    IMAGE_SIZE,
    SPREAD,
    Networks,
    centre_mask,
    pooled_features,
    resized,
)
from evoalign.spaces.lpips import Lpips

Key = tuple[str, str]
Images = Sequence[Tensor]


def distance_matrices(
    first: Images, second: Images, networks: Networks, lpips: Mapping[str, Lpips]
) -> Iterator[tuple[Key, Tensor]]:
    """Every distance of each image of one set to each of another.

    Parameters
    ----------
    first, second : sequence of torch.Tensor ``[3, H, W]``
        In 0..1; sizes may differ.
    networks : mapping of str to torch.nn.Module or PooledFeatures
        Name of the measure -> network that gives feature maps, or what remembers its features.
    lpips : mapping of str to Lpips
        Name of the measure -> network with its weights.

    Yields
    ------
    key : (measure, mask)
        As in the table of `distances.image_distances`.
    matrix : torch.Tensor, float64 ``[first, second]``
        NaN where an image is blank and the measure is a correlation.
    """
    sets = [torch.stack([resized(image[None].double())[0] for image in images]) for images in (first, second)]
    everywhere = torch.full((IMAGE_SIZE, IMAGE_SIZE), 1 / IMAGE_SIZE**2, dtype=torch.float64)
    for mask, weights in (("none", everywhere), ("centre", centre_mask(IMAGE_SIZE, IMAGE_SIZE))):
        a, b = ((images * (weights / 3).sqrt()).flatten(1) for images in sets)
        yield ("pixel", mask), _squares(a, b).sqrt()
        flat = (weights / 3).expand(3, -1, -1).flatten()
        a, b = (_standard(images.flatten(1), flat) for images in sets)
        yield ("correlation", mask), 1 - a @ b.T
    a, b = (_spectra(images) for images in sets)
    yield ("spectrum", "none"), 1 - a @ b.T
    for name, features in pooled_features(networks).items():
        by_mask = [features.of(images) for images in (first, second)]
        for mask in by_mask[0]:
            a, b = (normalize(vectors[mask], dim=1) for vectors in by_mask)
            yield (name, mask), 1 - a @ b.T
    for name, lpips_network in lpips.items():
        second_vectors = [_lpips_vector(lpips_network, image) for image in sets[1]]
        rows = [_squares_to(_lpips_vector(lpips_network, image), second_vectors) for image in sets[0]]
        yield (name, "none"), torch.stack(rows)


def _squares(a: Tensor, b: Tensor) -> Tensor:
    """Squared Euclidean distances of rows."""
    squares = a.square().sum(1)[:, None] + b.square().sum(1) - 2 * (a @ b.T)
    return squares.clamp(min=0)


def _squares_to(vector: Tensor, vectors: list[Tensor]) -> Tensor:
    """Squared distances, float64: differences first, for the vectors are float32."""
    return torch.stack([(vector - second).square().sum(dtype=torch.float64) for second in vectors])


def _standard(values: Tensor, weights: Tensor) -> Tensor:
    """Rows whose products are weighted correlations; NaN where a row does not vary."""
    centred = values - (values * weights).sum(1, keepdim=True)
    spread = (centred.square() * weights).sum(1, keepdim=True)
    return torch.where(spread > SPREAD, centred * weights.sqrt() / spread.sqrt(), torch.nan)


def _spectra(images: Tensor) -> Tensor:
    spectrum = torch.fft.fft2(images.mean(1), norm="ortho").abs()
    logs = torch.log(spectrum + AMPLITUDE).flatten(1)[:, 1:]
    return _standard(logs, torch.full((logs.shape[1],), 1 / logs.shape[1], dtype=torch.float64))


def _lpips_vector(lpips: Lpips, image: Tensor) -> Tensor:
    """Vector whose squared distances are LPIPS, float32: of a hundred images in float64 it would be 2 GB."""
    with torch.inference_mode():
        maps = lpips.features(image[None])
        layer_vectors = [
            (layer_map * (getattr(lpips, f"linear{layer}") / layer_map[0, 0].numel()).sqrt()).flatten()
            for layer, layer_map in enumerate(maps)
        ]
    return torch.cat(layer_vectors).float()
