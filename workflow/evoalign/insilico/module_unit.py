"""Any unit of any torch module as a subject: import path, layer, unit."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from evoalign.errors import InputError
from evoalign.evolution.loop import ShownImage
from evoalign.spaces.interface import from_bytes

IMAGENET_MEAN, IMAGENET_SCALE = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class _Reached(Exception):
    """The layer's output is there: what follows in the module need not be computed."""


class ModuleUnit:
    """One unit of a layer, differentiable in the image.

    Of a map ``[n, channel, row, column]`` the unit is a channel at the central place; of tokens
    ``[n, token, channel]`` a channel's mean; of a vector ``[n, channel]`` an entry.

    Parameters
    ----------
    module : torch.nn.Module
        Takes images ``[n, 3, H, W]``; is set to evaluate.
    layer : str
        As in ``module.named_modules()``.
    unit : int
        Channel, from 0.
    px : int
        Height and width that images are brought to; 0 = as they are.
    mean, scale : tuple of float
        Of red, green and blue: the module sees (image - mean) / scale.

    Raises
    ------
    InputError
        There is no such layer.
    """

    def __init__(
        self,
        module: nn.Module,
        layer: str,
        unit: int,
        px: int = 224,
        mean: Sequence[float] = IMAGENET_MEAN,
        scale: Sequence[float] = IMAGENET_SCALE,
    ) -> None:
        layers = dict(module.named_modules())
        if layer not in layers:
            names = ", ".join(name for name in layers if name)
            raise InputError(f"the module has no layer '{layer}'", "model.layer", f"layers: {names[:500]}")
        self._module = module.eval().requires_grad_(False)
        self._layer, self._name, self._unit, self._px = layers[layer], layer, unit, px
        self._mean = torch.tensor(mean, dtype=torch.float32)[:, None, None]
        self._scale = torch.tensor(scale, dtype=torch.float32)[:, None, None]

    def response(self, images: Tensor) -> Tensor:
        """Activation of the unit, float64 ``[n]``, differentiable in images ``[n, 3, H, W]`` in 0..1.

        Raises
        ------
        InputError
            The layer gives something else than maps, tokens or vectors, or has no such unit.
        """
        pixels = images.float()
        if self._px:
            size = (self._px, self._px)
            pixels = interpolate(pixels, size=size, mode="bilinear", antialias=True, align_corners=False)
        output = self._run((pixels - self._mean) / self._scale)
        if output.ndim not in (2, 3, 4):
            raise InputError(f"layer '{self._name}' gives {list(output.shape)}", "model.layer")
        channels = output.shape[-1] if output.ndim < 4 else output.shape[1]
        if not 0 <= self._unit < channels:
            raise InputError(
                f"layer '{self._name}' has the units 0 to {channels - 1}, not {self._unit}", "model.unit"
            )
        if output.ndim == 4:
            return output[:, self._unit, output.shape[2] // 2, output.shape[3] // 2].double()
        return (output[:, :, self._unit].mean(dim=1) if output.ndim == 3 else output[:, self._unit]).double()

    def show(self, images: Sequence[ShownImage]) -> np.ndarray:
        """Answer a block without noise: the unit's activation to each image ``[image]``."""
        return self.of_pixels(np.stack([image.pixels for image in images]))

    def of_pixels(self, pixels: np.ndarray) -> np.ndarray:
        """Activation of the unit to images as they are shown, uint8 ``[n, H, W, 3]``."""
        with torch.no_grad():
            return self.response(from_bytes(pixels)).numpy()

    def _run(self, pixels: Tensor) -> Tensor:
        outputs: list[Any] = []

        def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
            outputs.append(output)
            raise _Reached

        handle = self._layer.register_forward_hook(keep)
        try:
            self._module(pixels)
        except _Reached:
            pass
        finally:
            handle.remove()
        if not outputs or not isinstance(outputs[0], Tensor):
            raise InputError(f"layer '{self._name}' gives no tensor when images are shown", "model.layer")
        return outputs[0]


def load_module(path: str, arguments: Mapping[str, Any], weights: str = "") -> nn.Module:
    """Return a module by its import path.

    Parameters
    ----------
    path : str
        ``package.module:name`` of a function or class that returns the module, or of the module itself.
    arguments : mapping of str
        Of the function or class.
    weights : str
        File of its state, read without pickled objects; '' = as it is made.

    Raises
    ------
    InputError
        It cannot be imported or made, is no module, or the weights do not fit.
    """
    package, _, name = path.partition(":")
    try:
        made_by = importlib.import_module(package)
        for part in name.split("."):
            made_by = getattr(made_by, part)
        module: Any = made_by if isinstance(made_by, nn.Module) else made_by(**arguments)  # type: ignore[operator]
    except Exception as error:  # of whatever is imported
        raise InputError(
            f"'{path}' cannot be made: {error!s:.300}", "model.module", "as package.module:function"
        ) from error
    if not isinstance(module, nn.Module):
        raise InputError(f"'{path}' is no torch module but a {type(module).__name__}", "model.module")
    if weights:
        try:
            module.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        except Exception as error:
            raise InputError(f"the weights do not fit: {error!s:.300}", weights, "model.weights") from error
    return module
