"""The demo's two small spaces: stationary textures, and single shaded objects.

Both are smooth closed-form generators of 64 x 64 colour images with a
standard normal prior, so that a session can be simulated, and every
derivative be taken, in seconds and without network weights.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from evoalign.spaces.interface import check_latents, project_to_norms

IMAGE_SIZE = 64
_NOISE_SEED = 7  # of the texture space's fixed random fields

# Opponent directions in RGB, orthogonal to grey and to each other.
_RED_GREEN = (1.0, -1.0, 0.0)
_BLUE_YELLOW = (-0.5, -0.5, 1.0)


def _opponent(dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Return the two colour directions, ``[2, 3]``."""
    return torch.tensor([_RED_GREEN, _BLUE_YELLOW], dtype=dtype, device=device)


def analytic_bands(
    size: int, frequencies: tuple[float, ...], n_orientations: int, bandwidth_octaves: float
) -> np.ndarray:
    """Return one-sided log-Gabor filters in the Fourier domain.

    Parameters
    ----------
    size : int
        Height and width of the images, pixels.
    frequencies : tuple of float
        Centre frequencies, cycles/image.
    n_orientations : int
        Orientations, evenly spaced over 180 degrees from 0 (vertical stripes).
    bandwidth_octaves : float
        Full width at half height in octaves.

    Returns
    -------
    ndarray
        float64 ``[frequency * orientation, size, size]`` in the layout of
        ``fft2``, orientations running fastest; real part of the filtered image
        and its quadrature come out as one complex image.
    """
    f = np.fft.fftfreq(size, d=1 / size)
    fy, fx = np.meshgrid(f, f, indexing="ij")
    radius = np.hypot(fx, fy)
    radius[0, 0] = 1.0
    angle = np.arctan2(fy, fx)
    sigma_log = bandwidth_octaves * math.log(2) / (2 * math.sqrt(2 * math.log(2)))
    sigma_angle = math.pi / n_orientations / 2
    bands = []
    for centre in frequencies:
        radial = np.exp(-(np.log(radius / centre) ** 2) / (2 * sigma_log**2))
        radial[0, 0] = 0.0  # no response to the mean
        for k in range(n_orientations):
            turn = np.angle(np.exp(1j * (angle - math.pi * k / n_orientations)))
            bands.append(radial * np.exp(-(turn**2) / (2 * sigma_angle**2)))
    return np.stack(bands)


class _ProceduralSpace:
    """What both have in common: a standard normal prior, a latent of one block, no weights."""

    name: str
    latent_dim: int
    image_size = IMAGE_SIZE
    generator: str

    @property
    def blocks(self) -> dict[str, slice]:
        """The whole latent."""
        return {"latent": slice(0, self.latent_dim)}

    def sample_initial(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Return `n` founders from the standard normal prior, float64 ``[n, latent_dim]``."""
        return torch.randn(n, self.latent_dim, generator=generator, dtype=torch.float64)

    def project(self, latents: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """Return `latents` at the mean norm of `like`; see `interface.project_to_norms`."""
        return project_to_norms(latents, like, self)  # type: ignore[arg-type]

    def describe(self) -> dict[str, str]:
        """Return what generates the images: closed formulas, without weights."""
        return {
            "space": self.name,
            "generator": self.generator,
            "latent_dim": str(self.latent_dim),
            "image_size": str(self.image_size),
            "founders": "standard normal",
            "preprocessing": "none: rendered in 0..1",
        }


class TextureSpace(_ProceduralSpace):
    """Stationary coloured textures: a mixture of oriented bands of noise.

    24 latents: log amplitude of 12 bands (3 spatial frequencies x 4
    orientations), phase of each of the 4 orientations, two opponent colours of
    each of the 3 frequencies, two of the mean colour. The random fields are
    fixed, periodic and have random phases, so no place in the image is
    special: there is no figure.
    """

    name = "texture"
    initial_sigma = 0.8  # in SDs of the founders
    generator = f"procedural textures, noise of seed {_NOISE_SEED}"
    latent_dim = 24
    frequencies = (6.0, 10.0, 16.0)
    n_orientations = 4
    contrast = 0.17  # SD of luminance before squashing

    def __init__(self) -> None:
        noise = np.random.default_rng(_NOISE_SEED)
        bands = analytic_bands(IMAGE_SIZE, self.frequencies, self.n_orientations, 0.8)
        white = noise.standard_normal(bands.shape) + 1j * noise.standard_normal(bands.shape)
        fields = np.fft.ifft2(white * bands)
        fields /= np.sqrt(np.mean(fields.real**2, axis=(1, 2), keepdims=True))
        # Each band as cosine and sine: an image is one product with their weights [2 * band, H * W].
        both = np.concatenate([fields.real, fields.imag]).reshape(2 * len(fields), -1)
        self._waves = torch.from_numpy(both)

    def render(self, latents: torch.Tensor) -> torch.Tensor:
        """Return textures ``[n, 3, 64, 64]`` in 0..1, differentiable in `latents` ``[n, 24]``.

        Raises
        ------
        InputError
            `latents` are not ``[n, 24]`` or not finite.
        """
        z = check_latents(latents, self)
        n_frequencies = len(self.frequencies)
        n_bands = n_frequencies * self.n_orientations
        amplitude = torch.softmax(1.6 * z[:, :n_bands], dim=1).sqrt()  # energies add to one
        phase = z[:, n_bands : n_bands + self.n_orientations].repeat(1, n_frequencies)
        opponent = _opponent(z.dtype, z.device)
        chroma = z[:, -8:-2].unflatten(1, (n_frequencies, 2))
        colour = (1 + 0.3 * torch.tanh(chroma) @ opponent).repeat_interleave(self.n_orientations, 1)
        tint = 0.08 * torch.tanh(z[:, -2:]) @ opponent
        waves = torch.cat([amplitude * torch.cos(phase), -amplitude * torch.sin(phase)], dim=1)
        weights = waves[:, None, :] * colour.repeat(1, 2, 1).transpose(1, 2)  # [n, rgb, 2 * band]
        field = weights.flatten(0, 1) @ self._waves.to(z.device, z.dtype) * self.contrast
        field = field.view(len(z), 3, IMAGE_SIZE, IMAGE_SIZE)
        return 0.5 + 0.5 * torch.tanh(2 * (field + tint[:, :, None, None]))


class ObjectSpace(_ProceduralSpace):
    """One smooth closed shape, shaded as a dome, on grey ground.

    16 latents: cosine and sine of contour harmonics 2 to 5, position (2), size,
    lightness, two opponent colours, direction of the light (2).
    """

    name = "object"
    initial_sigma = 0.7  # in SDs of the founders
    generator = "procedural shaded objects"
    latent_dim = 16
    harmonics = (2, 3, 4, 5)
    radius = 0.45  # median radius; the image reaches from -1 to 1

    def render(self, latents: torch.Tensor) -> torch.Tensor:
        """Return objects ``[n, 3, 64, 64]`` in 0..1, differentiable in `latents` ``[n, 16]``.

        Raises
        ------
        InputError
            `latents` are not ``[n, 16]`` or not finite.
        """
        z = check_latents(latents, self)
        x, y, rho = self._polar(z)
        contour = self._contour(z, x / rho, y / rho)
        inside = torch.sigmoid((contour - rho) * (IMAGE_SIZE / 2) / 0.7)  # edge of about a pixel
        albedo = (
            0.5 + 0.3 * torch.tanh(z[:, 11:12]) + 0.2 * torch.tanh(z[:, 12:14]) @ _opponent(z.dtype, z.device)
        )
        surface = albedo[:, :, None, None] * self._illumination(z, x / contour, y / contour, rho / contour)
        return 0.5 + 0.5 * torch.tanh(2 * inside * (surface - 0.5))

    def _illumination(
        self, z: torch.Tensor, x: torch.Tensor, y: torch.Tensor, depth: torch.Tensor
    ) -> torch.Tensor:
        """Return the light that a matt dome sends back, ``[n, 1, H, W]``.

        `x`, `y` and `depth` are position and distance from the centre in units
        of the contour's radius: the dome's normal is (x, y, height).
        """
        # A soft floor in place of a clamp keeps second derivatives finite at the rim.
        height = torch.sqrt(torch.nn.functional.softplus(12 * (1 - depth**2)) / 12 + 1e-3)
        light = torch.cat([1.2 * torch.tanh(z[:, 14:16]), torch.ones_like(z[:, :1])], dim=1)
        light = (light / light.norm(dim=1, keepdim=True))[:, :, None, None]
        facing = light[:, :1] * x + light[:, 1:2] * y + light[:, 2:] * height
        return 0.35 + 0.95 * torch.nn.functional.softplus(8 * facing) / 8

    def _polar(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return x, y and distance from the object's centre, each ``[n, 1, H, W]``."""
        axis = (torch.arange(IMAGE_SIZE, dtype=z.dtype, device=z.device) + 0.5) / (IMAGE_SIZE / 2) - 1
        centre = 0.25 * torch.tanh(z[:, 8:10])
        x = (axis[None, None, None, :] - centre[:, :1, None, None]).expand(-1, 1, IMAGE_SIZE, -1)
        y = (axis[None, None, :, None] - centre[:, 1:, None, None]).expand(-1, 1, -1, IMAGE_SIZE)
        # The small constant keeps the derivative finite at the centre.
        return x, y, torch.sqrt(x**2 + y**2 + 1e-6)

    def _contour(self, z: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
        """Return the contour's radius in the direction of each pixel, ``[n, 1, H, W]``."""
        log_radius = 0.25 * torch.tanh(z[:, 10])[:, None, None, None]
        even, odd = cosine, sine  # cos and sin of the angle; harmonics by the addition theorem
        for k, harmonic in enumerate(self.harmonics):
            even, odd = even * cosine - odd * sine, odd * cosine + even * sine
            strength = 0.3 / harmonic * torch.tanh(z[:, 2 * k : 2 * k + 2])
            log_radius = log_radius + strength[:, :1, None, None] * even + strength[:, 1:, None, None] * odd
        return self.radius * torch.exp(log_radius)
