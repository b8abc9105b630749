"""DeePSim: the texture space of the study, images from codes of CaffeNet's layer fc6.

Dosovitskiy & Brox (2016), "Generating images with perceptual similarity metrics
based on deep networks": three fully connected layers, then six up-convolutions
that double the map, with 3 x 3 convolutions between. docs/methods.md section 9.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils import convert_conv2d_weight_memory_format

from evoalign.files import sha256
from evoalign.spaces.checkpoints import load_weights
from evoalign.spaces.interface import check_latents, project_to_norms

GENERATOR = "DeePSim (fc6)"
WEIGHTS = "upconvGAN_fc6.pt"  # name of the file as it is published
MEAN_RGB = (123.0, 117.0, 104.0)  # of the images that the network was trained on, taken off before
SLOPE = 0.3  # of the leaky rectifiers below 0
FOUNDER_SD = 3.0  # the study's initial step of the evolution
TOGETHER = 40  # images rendered at a time, a block's: about 10 MB each

LINEAR = ("defc7", "defc6", "defc5")
# Layer, channels in and out, side of the kernel: 4 doubles the map, 3 leaves it. All are
# transposed convolutions with a padding of 1.
CONVOLUTIONS = (
    ("deconv5", 256, 256, 4),
    ("conv5_1", 256, 512, 3),
    ("deconv4", 512, 256, 4),
    ("conv4_1", 256, 256, 3),
    ("deconv3", 256, 128, 4),
    ("conv3_1", 128, 128, 3),
    ("deconv2", 128, 64, 4),
    ("deconv1", 64, 32, 4),
    ("deconv0", 32, 3, 4),
)
COLOURS = 3
FIRST_SIDE = 4  # of the first map, pixels


class DeepsimNetwork(nn.Module):
    """The fc6 generator; names and shapes of its parameters are those of the published file.

    Parameters
    ----------
    narrowing : int
        Every number of channels is divided by this; 1: the published network.
        Others are for tests.
    """

    def __init__(self, narrowing: int = 1) -> None:
        super().__init__()
        width = CONVOLUTIONS[0][1] // narrowing * FIRST_SIDE**2
        # Tuples beside the registered names, which are those of the file.
        self._linear = tuple(nn.Linear(width, width) for _ in LINEAR)
        self._convolutions = tuple(
            _convolution(wide_in, wide_out, side, narrowing) for _, wide_in, wide_out, side in CONVOLUTIONS
        )
        layers = (*self._linear, *self._convolutions)
        for name, layer in zip((*LINEAR, *(name for name, *_ in CONVOLUTIONS)), layers, strict=True):
            self.add_module(name, layer)
        self.latent_dim = width
        self.eval().requires_grad_(False)

    @property
    def last(self) -> nn.ConvTranspose2d:
        """The last up-convolution, from maps to colours."""
        return self._convolutions[-1]

    def forward(self, latents: Tensor) -> Tensor:
        """Colours blue, green, red without the mean, about -120..150, ``[n, 3, 256, 256]``."""
        images: Tensor = self.last(self.last_maps(latents))
        return images

    def last_maps(self, latents: Tensor) -> Tensor:
        """Maps before the last up-convolution, ``[n, 32, 128, 128]``."""
        codes = latents
        for linear in self._linear:
            codes = _rectified(linear(codes))
        # Channels last: twice as fast where channels are few.
        maps = codes.unflatten(1, (-1, FIRST_SIDE, FIRST_SIDE)).contiguous(memory_format=torch.channels_last)
        for convolution in self._convolutions[:-1]:
            maps = _rectified(convolution(maps))
        return maps


def _convolution(channels_in: int, channels_out: int, side: int, narrowing: int) -> nn.ConvTranspose2d:
    wide = [n if n == COLOURS else n // narrowing for n in (channels_in, channels_out)]
    return nn.ConvTranspose2d(wide[0], wide[1], side, stride=2 if side == 4 else 1, padding=1)


def _of_subpixels(weight: Tensor) -> Tensor:
    """Weights ``[4 x out, in, 2, 2]`` of the four pixels that a doubling convolution makes of one.

    A transposed convolution of 4 x 4 weights ``[in, out, 4, 4]``, stride 2 and padding 1 is one
    of 2 x 2, `pixel_shuffle` by 2, and a margin of one pixel less; with few outputs, faster.
    """
    channels_in, channels_out = weight.shape[:2]
    parts = weight.reshape(channels_in, channels_out, 2, 2, 2, 2).flip(2, 4)
    by_pixel = parts.permute(1, 3, 5, 0, 2, 4).reshape(4 * channels_out, channels_in, 2, 2)
    return by_pixel.contiguous(memory_format=torch.channels_last)


def _rectified(values: Tensor) -> Tensor:
    # In place only where nothing is differentiated.
    return nn.functional.leaky_relu(values, SLOPE, inplace=not torch.is_grad_enabled())


class DeepsimSpace:
    """Space of DeePSim's fc6 generator: 4096 latents, images of 256 x 256 pixels.

    Parameters
    ----------
    network : DeepsimNetwork
        With its weights, on the device and in the precision to compute in.
    name : str
        Name of the space, as in the column ``space`` of the tables.
    source : mapping of str to str
        What is known of the weights: `weights` (file) and `weights_sha256`.
    """

    initial_sigma = 3.0  # the study's

    def __init__(
        self, network: DeepsimNetwork, name: str = "DeePSim", source: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.network: DeepsimNetwork = convert_conv2d_weight_memory_format(network, torch.channels_last)
        # Order of colours, mean and scale of the output, once for all images.
        weight, bias = network.last.state_dict().values()
        mean = torch.tensor(MEAN_RGB).to(bias)
        self._weight = _of_subpixels(weight.flip(1) / 255)
        self._bias = ((bias.flip(0) + mean) / 255).repeat_interleave(4)
        self.latent_dim = network.latent_dim
        self.image_size = FIRST_SIDE * 2 ** sum(side == 4 for *_, side in CONVOLUTIONS)
        self.blocks = {"latent": slice(0, self.latent_dim)}
        self.source = dict(source or {})

    def sample_initial(self, n: int, generator: torch.Generator) -> Tensor:
        """Return `n` founders, float64 ``[n, latent_dim]``: normal with the study's initial SD of 3."""
        return FOUNDER_SD * torch.randn(n, self.latent_dim, generator=generator, dtype=torch.float64)

    def render(self, latents: Tensor) -> Tensor:
        """Return images ``[n, 3, 256, 256]`` in 0..1, differentiable in `latents` ``[n, latent_dim]``.

        Blue, green, red become red, green, blue; the mean is added; what lies
        outside of 0..255 is clipped, and its derivative is 0. In the precision
        of the network, and computed where it is.

        Raises
        ------
        InputError
            `latents` are not ``[n, latent_dim]`` or not finite.
        """
        codes = check_latents(latents, self).to(self._bias.device, self._bias.dtype)
        images = [self._images(part).to(latents.device) for part in codes.split(TOGETHER)]
        return images[0] if len(images) == 1 else torch.cat(images)

    def _images(self, codes: Tensor) -> Tensor:
        maps = self.network.last_maps(codes)
        subpixels = nn.functional.conv2d(maps, self._weight, self._bias, padding=1)
        return nn.functional.pixel_shuffle(subpixels, 2)[..., 1:-1, 1:-1].clamp(0, 1)

    def project(self, latents: Tensor, like: Tensor) -> Tensor:
        """Return `latents` at the mean norm of `like`; see `interface.project_to_norms`."""
        return project_to_norms(latents, like, self)

    def describe(self) -> dict[str, str]:
        """Return what generated the images: generator, weights and what was done to its output."""
        return {
            "space": self.name,
            "generator": f"{GENERATOR}, Dosovitskiy & Brox 2016",
            "latent_dim": str(self.latent_dim),
            "image_size": str(self.image_size),
            "founders": f"normal, SD {FOUNDER_SD:g}",
            "preprocessing": f"BGR to RGB, mean {MEAN_RGB} added, clipped to 0..255, / 255",
            **self.source,
        }


def deepsim_shapes(narrowing: int = 1) -> dict[str, tuple[int, ...]]:
    """Name and shape of each tensor of the published file: 24 of them, 56,097,891 numbers."""
    with torch.device("meta"):
        state = DeepsimNetwork(narrowing).state_dict()
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def load_deepsim(path: str | PathLike[str], name: str = "DeePSim", narrowing: int = 1) -> DeepsimSpace:
    """Load DeePSim's fc6 generator from its file of weights (docs/methods.md section 9).

    Parameters
    ----------
    path : path
        ``upconvGAN_fc6.pt``, or the same tensors as ``.safetensors``. Some
        files call ``defc7.weight`` ``defc7.1.weight``, and so on.
    name : str
        Name of the space, as in the column ``space`` of the tables.
    narrowing : int
        See `DeepsimNetwork`.

    Raises
    ------
    InputError
        See `checkpoints.load_weights`.
    """
    hint = f"give the published file {WEIGHTS} in spaces.deepsim.weights (docs/generators.md)"
    state = load_weights(
        path, deepsim_shapes(narrowing), GENERATOR, hint, lambda key: key.replace(".1.", ".")
    )
    with torch.device("meta"):
        network = DeepsimNetwork(narrowing)
    network = network.to_empty(device="cpu")
    network.load_state_dict(state)
    return DeepsimSpace(network, name, {"weights": Path(path).name, "weights_sha256": sha256(path)})
