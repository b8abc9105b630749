"""LPIPS, a learned distance of images, on AlexNet and on SqueezeNet: docs/methods.md sections 5 and 7."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor, nn

from evoalign.errors import InputError

State = Mapping[str, Tensor]
# Zhang et al. 2018: what LPIPS does to images in -1..1 before the network.
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


class Fire(nn.Module):
    """SqueezeNet's module: few channels, then 1 x 1 and 3 x 3 convolutions side by side.

    Parameters
    ----------
    channels, squeezed, expanded : int
        Of the input; between; of each of the two convolutions after.
    """

    def __init__(self, channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps, ``[n, channels, row, column]`` -> ``[n, 2 expanded, row, column]``."""
        squeezed = torch.relu(self.squeeze(maps))
        return torch.cat([torch.relu(self.expand1x1(squeezed)), torch.relu(self.expand3x3(squeezed))], 1)


def alexnet_features() -> nn.Sequential:
    """Convolutions of torchvision's AlexNet, numbered as there."""
    return nn.Sequential(
        *(nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(64, 192, 5, 1, 2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(192, 384, 3, 1, 1), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, 1, 1), nn.ReLU()),
        *(nn.Conv2d(256, 256, 3, 1, 1), nn.ReLU()),
    )


def squeezenet_features() -> nn.Sequential:
    """Convolutions of torchvision's SqueezeNet 1.1, numbered as there."""
    return nn.Sequential(
        *(nn.Conv2d(3, 64, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True)),
        *(Fire(64, 16, 64), Fire(128, 16, 64), nn.MaxPool2d(3, 2, ceil_mode=True)),
        *(Fire(128, 32, 128), Fire(256, 32, 128), nn.MaxPool2d(3, 2, ceil_mode=True)),
        *(Fire(256, 48, 192), Fire(384, 48, 192), Fire(384, 64, 256), Fire(512, 64, 256)),
    )


@dataclass(frozen=True)
class Network:
    """A network that LPIPS runs on.

    Attributes
    ----------
    features : callable
        Gives its convolutions without weights.
    taps : tuple of int
        Layers whose maps are compared.
    weights, linear : str
        Names of its two files as they are published.
    """

    features: Callable[[], nn.Sequential]
    taps: tuple[int, ...]
    weights: str
    linear: str


# The layers at which version 0.1 of LPIPS looks.
NETWORKS = {
    "alexnet": Network(alexnet_features, (1, 4, 7, 9, 11), "alexnet-owt-7be5be79.pth", "v0.1/alex.pth"),
    "squeezenet": Network(
        squeezenet_features, (1, 4, 7, 9, 10, 11, 12), "squeezenet1_1-b8a52dc0.pth", "v0.1/squeeze.pth"
    ),
}


class Lpips(nn.Module):
    """Learned perceptual image patch similarity, version 0.1 (Zhang et al. 2018), float64.

    Features at several layers are scaled to unit length over channels; their
    squared differences, weighted by channel, are averaged over places and
    summed over layers. Differentiable, so it serves as the metric of an image
    Hessian too (docs/methods.md section 7).

    Parameters
    ----------
    state : mapping of str to torch.Tensor
        Of torchvision's network: ``features.0.weight`` ..
    linear : mapping of str to torch.Tensor
        ``lin0.model.1.weight`` .., [1, channel, 1, 1], one a layer that is compared.
    network : str
        Name in `NETWORKS`.
    """

    def __init__(self, state: State, linear: State, network: str = "alexnet") -> None:
        super().__init__()
        self.taps = NETWORKS[network].taps
        self.convolutions = NETWORKS[network].features()
        of_convolutions = {
            key.removeprefix("features."): x for key, x in state.items() if key.startswith("features.")
        }
        self.convolutions.load_state_dict(of_convolutions)
        for layer in range(len(self.taps)):
            self.register_buffer(f"linear{layer}", linear[f"lin{layer}.model.1.weight"].reshape(1, -1, 1, 1))
        self.double().eval().requires_grad_(False)

    def features(self, images: Tensor) -> list[Tensor]:
        """Maps ``[n, channel, row, column]`` of each layer that is compared, of unit length over channels."""
        shift, scale = (torch.tensor(x, dtype=torch.float64)[:, None, None] for x in (_SHIFT, _SCALE))
        maps = (2 * images.double() - 1 - shift) / scale
        unit_maps = []
        for number, layer in enumerate(self.convolutions):
            maps = layer(maps)
            if number in self.taps:
                unit_maps.append(maps / (maps.square().sum(1, keepdim=True).sqrt() + 1e-10))
        return unit_maps

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Distances ``[n]`` of images ``[n, 3, H, W]`` in 0..1."""
        total = first.new_zeros(len(first), dtype=torch.float64)
        for layer, (a, b) in enumerate(zip(self.features(first), self.features(second), strict=True)):
            weights = getattr(self, f"linear{layer}")
            total = total + ((a - b).square() * weights).sum(1).mean((1, 2))
        return total


def load_lpips(weights: str | PathLike[str], linear: str | PathLike[str], network: str = "alexnet") -> Lpips:
    """Load LPIPS from its two files of weights (docs/methods.md sections 5 and 7).

    Parameters
    ----------
    weights : path
        State of torchvision's network trained on ImageNet (`Network.weights`).
    linear : path
        LPIPS' own weights (`Network.linear`, in ``lpips/weights`` of its repository).
    network : str
        Name in `NETWORKS`.

    Raises
    ------
    InputError
        A file is missing, no file of weights, or of another network.
    """
    files = NETWORKS[network]
    hint = (
        f"give torchvision's {files.weights} and weights/{files.linear} of LPIPS' repository "
        "(section prototypes)"
    )
    state, linear_weights = (_state(path, hint) for path in (weights, linear))
    try:
        return Lpips(state, linear_weights, network)
    except (KeyError, RuntimeError) as error:
        raise InputError(
            f"these are not the weights of LPIPS on {network}: {error!s:.200}",
            f"{weights} and {linear}",
            hint,
        ) from error


def _state(path: str | PathLike[str], hint: str) -> dict[str, Tensor]:
    path = Path(path)
    if not path.is_file():
        raise InputError("the weights do not exist", path, hint)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, ValueError, OSError, EOFError, UnpicklingError, zipfile.BadZipFile) as error:
        raise InputError(f"no file of weights: {error!s:.200}", path, hint) from error
    if not isinstance(state, dict):
        raise InputError(f"a {type(state).__name__}, not a mapping of weights", path, hint)
    return state
