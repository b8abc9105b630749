"""Image distances whose Hessian can be taken, by name: docs/methods.md section 7."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from evoalign.errors import InputError
from evoalign.spaces.distances import prepared
from evoalign.spaces.hessian_products import Metric
from evoalign.spaces.networks import lpips_of, networks_of
from evoalign.spaces.settings import Prototypes

PIXEL = "pixel"
PIXEL_DESCRIPTION = "mean squared pixel difference"


def squared_difference(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared difference of pixel values, [n] from images [n, 3, H, W]."""
    return (a - b).square().flatten(1).mean(1)


class FeatureDistance(nn.Module):
    """Squared difference of a network's last maps, each place scaled to unit length over channels.

    The form of LPIPS with all channels alike: 0 at equal images, at most 4,
    and 2 (1 - cosine) where maps have one place.

    Parameters
    ----------
    network : torch.nn.Module
        As in `networks.load_network`.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        parameter = next(network.parameters(), None)
        self.dtype = torch.float32 if parameter is None else parameter.dtype

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Distances ``[n]`` of images ``[n, 3, H, W]`` in 0..1."""
        a, b = (normalize(self.network(prepared(images, self.dtype)), dim=1) for images in (first, second))
        return (a - b).square().sum(1).flatten(1).mean(1).double()


def metric_names(settings: Prototypes) -> list[str]:
    """Names that `image_metric` takes with these settings."""
    return [PIXEL, *lpips_of(settings), *networks_of(settings)]


def image_metric(name: str, settings: Prototypes) -> tuple[Metric, str]:
    """The image distance of that name, and what it is in words.

    Parameters
    ----------
    name : str
        'pixel' (mean squared difference), 'lpips', 'lpips_squeeze', or an image
        network of section ``prototypes``, as 'efficientnet_lite0'.
    settings : Prototypes
        Says where the weights are.

    Raises
    ------
    InputError
        No such distance, or its weights are not configured.
    """
    if name == PIXEL:
        return squared_difference, PIXEL_DESCRIPTION
    lpips = lpips_of(settings)
    if name in lpips:
        return lpips[name], f"LPIPS 0.1 ({name})"
    networks = networks_of(settings)
    if name in networks:
        network = networks[name].requires_grad_(False)
        return FeatureDistance(network), f"squared difference of unit features of {name}"
    names = ", ".join([PIXEL, *lpips, *networks])
    raise InputError(
        f"no image distance is called '{name}' here",
        "hessian.metric",
        f"take one of {names}; LPIPS needs its two files of weights in section prototypes",
    )
