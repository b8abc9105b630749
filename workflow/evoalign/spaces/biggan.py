"""BigGAN-deep-256: the object space of the study, whole or its class part with the noise fixed.

Brock, Donahue & Simonyan (2019), "Large scale GAN training for high fidelity
natural image synthesis". docs/methods.md section 9.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path

import torch
from torch import Tensor, nn

from evoalign.errors import InputError
from evoalign.files import sha256
from evoalign.spaces.biggan_layout import BIGGAN_256, Architecture, biggan_shapes, read_architecture
from evoalign.spaces.biggan_network import BigganNetwork
from evoalign.spaces.checkpoints import load_weights
from evoalign.spaces.interface import check_latents, project_to_norms

GENERATOR = "BigGAN-deep-256"
WEIGHTS = "biggan-deep-256-pytorch_model.bin"  # name of the file as it is published
TRUNCATION = 0.7  # the study's
TOGETHER = 5  # images rendered at a time: about 150 MB each


class BigganSpace:
    """Space of BigGAN-deep: noise, then class embedding; images of 256 x 256 pixels.

    Parameters
    ----------
    network : BigganNetwork
        With its weights, at the truncation to render with.
    name : str
        Name of the space, as in the column ``space`` of the tables.
    noise : torch.Tensor ``[128]``, optional
        Given: it is the noise of every image, and latents are class embeddings alone.
    source : mapping of str to str
        What is known of the weights: `weights` (file) and `weights_sha256`.

    Raises
    ------
    InputError
        The noise has another length, or is not finite.
    """

    initial_sigma = 0.06  # the study's

    def __init__(
        self,
        network: BigganNetwork,
        name: str = "BigGAN",
        noise: Tensor | None = None,
        source: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.network = network
        self.image_size = network.image_size
        n = network.architecture.z_dim
        if noise is not None and not (noise.shape == (n,) and bool(torch.isfinite(noise).all())):
            raise InputError(
                f"the fixed noise has shape {list(noise.shape)} or is not finite; {n} numbers are needed",
                f"space '{name}'",
            )
        self.noise = noise
        self.latent_dim = n if noise is not None else 2 * n
        self.blocks = (
            {"class": slice(0, n)} if noise is not None else {"noise": slice(0, n), "class": slice(n, 2 * n)}
        )
        self.source = dict(source or {})

    def sample_initial(self, n: int, generator: torch.Generator) -> Tensor:
        """Return `n` founders, float64 ``[n, latent_dim]``: embeddings of random classes and, where it
        is not fixed, noise: standard normal within -2..2, times the truncation.
        """
        embeddings = self.network.embeddings
        classes = torch.randint(len(embeddings), (n,), generator=generator)
        founders = embeddings[classes.to(embeddings.device)].to("cpu", torch.float64)
        if self.noise is not None:
            return founders
        noise = torch.empty(n, founders.shape[1], dtype=torch.float64)
        nn.init.trunc_normal_(noise, 0, 1, -2, 2, generator=generator)
        return torch.cat([self.network.truncation * noise, founders], 1)

    def render(self, latents: Tensor) -> Tensor:
        """Return images ``[n, 3, 256, 256]`` in 0..1, differentiable in `latents` ``[n, latent_dim]``.

        In the precision of the network, and computed where it is.

        Raises
        ------
        InputError
            `latents` are not ``[n, latent_dim]`` or not finite.
        """
        codes = check_latents(latents, self).to(self.network.embeddings)
        if self.noise is not None:
            codes = torch.cat([self.noise.to(codes).expand(len(codes), -1), codes], 1)
        images = [self._images(part).to(latents.device) for part in codes.split(TOGETHER)]
        return images[0] if len(images) == 1 else torch.cat(images)

    def _images(self, codes: Tensor) -> Tensor:
        colours: Tensor = self.network(codes)
        return (colours + 1) / 2 if torch.is_grad_enabled() else colours.add_(1).div_(2)

    def project(self, latents: Tensor, like: Tensor) -> Tensor:
        """Return `latents`, noise and class each at its mean norm in `like`: `project_to_norms`."""
        return project_to_norms(latents, like, self)

    def describe(self) -> dict[str, str]:
        """Return what generated the images: generator, weights, truncation and noise."""
        fixed = "none" if self.noise is None else " ".join(map(repr, self.noise.tolist()))
        return {
            "space": self.name,
            "generator": f"{GENERATOR}, Brock et al. 2019",
            "latent_dim": str(self.latent_dim),
            "image_size": str(self.image_size),
            "founders": "embeddings of random classes, normal noise within 2 SD times truncation",
            "truncation": f"{self.network.truncation:g}",
            "fixed_noise": fixed,
            "preprocessing": "(x + 1) / 2",
            **self.source,
        }


def load_biggan(
    path: str | PathLike[str],
    name: str = "BigGAN",
    truncation: float = TRUNCATION,
    noise: Tensor | None = None,
    config: str | PathLike[str] = "",
    architecture: Architecture = BIGGAN_256,
) -> BigganSpace:
    """Load BigGAN-deep from its file of weights (docs/methods.md section 9).

    Parameters
    ----------
    path : path
        ``biggan-deep-256-pytorch_model.bin``, or the same tensors as ``.safetensors``.
    name : str
        Name of the space, as in the column ``space`` of the tables.
    truncation : float
        In 0..1: running statistics are those of this truncation, and founders' noise has this size.
    noise : torch.Tensor ``[128]``, optional
        See `BigganSpace`.
    config : path
        Its ``config.json``; '': the blocks are those of `architecture`.
    architecture : Architecture
        Where `config` is not given.

    Raises
    ------
    InputError
        See `checkpoints.load_weights`, `biggan_layout.read_architecture`, `BigganNetwork`, `BigganSpace`.
    """
    hint = f"give the published file {WEIGHTS} in spaces.biggan.weights (docs/generators.md)"
    if config:
        architecture = read_architecture(config)
    weights = load_weights(path, biggan_shapes(architecture), GENERATOR, hint)
    source = {"weights": Path(path).name, "weights_sha256": sha256(path)}
    return BigganSpace(BigganNetwork(weights, architecture, truncation), name, noise, source)
