"""Leading directions of a Hessian of 4,096 latents by Lanczos, beside the whole Hessian.

    python benchmarks/frames.py

The generator is small (a linear layer, three up-convolutions, random weights), so that its whole Hessian
can be computed at all; images hardly change along most of its latents, as with DeePSim. Prints seconds,
products, and the largest angle between both sets of directions.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from scipy.linalg import subspace_angles
from torch import Tensor, nn

from evoalign.spaces.hessian import mean_hessian
from evoalign.spaces.hessian_products import HessianProducts, lanczos
from evoalign.spaces.interface import project_to_norms
from evoalign.spaces.metrics import squared_difference

TOP, LATENTS = 64, 4096
FALL = 0.97  # from the scale of one latent to the next


class UpConvolutions:
    """Images of 32 x 32 pixels from 4,096 latents, float64."""

    name, latent_dim, image_size, initial_sigma = "up-convolutions", LATENTS, 32, 1.0

    def __init__(self) -> None:
        torch.manual_seed(2)
        layers: list[nn.Module] = [nn.Linear(LATENTS, 512), nn.Unflatten(1, (32, 4, 4))]
        for channels_in, channels_out in ((32, 32), (32, 16), (16, 3)):
            layers += [nn.LeakyReLU(0.3), nn.ConvTranspose2d(channels_in, channels_out, 4, 2, 1)]
        self._scale = 10 * FALL ** torch.arange(LATENTS)
        self._network = nn.Sequential(*layers).double().requires_grad_(False)

    @property
    def blocks(self) -> dict[str, slice]:
        """The whole latent."""
        return {"latent": slice(0, LATENTS)}

    def sample_initial(self, n: int, generator: torch.Generator) -> Tensor:
        """Return founders, standard normal."""
        return torch.randn(n, LATENTS, generator=generator, dtype=torch.float64)

    def render(self, latents: Tensor) -> Tensor:
        """Return images in 0..1."""
        images: Tensor = torch.sigmoid(self._network(latents * self._scale))
        return images

    def project(self, latents: Tensor, like: Tensor) -> Tensor:
        """Return latents of the others' mean norm."""
        return project_to_norms(latents, like, self)

    def describe(self) -> dict[str, str]:
        """Return what makes the images."""
        return {"generator": self.name}


def main() -> None:
    space = UpConvolutions()
    latent = space.sample_initial(1, torch.Generator().manual_seed(0))[0]
    start = time.perf_counter()
    products = HessianProducts(space, latent, squared_difference)
    _, directions = lanczos(products, TOP)
    by_lanczos = time.perf_counter() - start
    print(f"Lanczos, top {TOP} of {LATENTS}: {products.n_products} products, {by_lanczos:.2f} s", flush=True)
    start = time.perf_counter()
    hessian = mean_hessian(space, latent[None]).numpy()
    by_whole = time.perf_counter() - start
    print(f"the whole Hessian: {by_whole:.2f} s, {by_whole / by_lanczos:.1f} times as long", flush=True)
    whole = np.linalg.eigh(hessian)[1][:, ::-1][:, :TOP]
    print(f"largest angle between the two: {subspace_angles(directions, whole).max():.1e} rad")


if __name__ == "__main__":
    main()
