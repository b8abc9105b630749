"""BigGAN-deep as it is used: one truncation, spectral norms and statistics worked into its weights.

What does not depend on the latent is computed once, when the network is made:
weights over their spectral norms, and of each batch normalisation the running
mean and variance at the truncation. What is left of a normalisation is one
scale and one shift a channel, all of them linear in the latent: one product
for the whole network. docs/methods.md section 9.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from evoalign.errors import InputError
from evoalign.spaces.biggan_layout import BIGGAN_256, FIRST_SIDE, Architecture, named_layers

Weights = Mapping[str, Tensor]

COLOURS = 3  # of the 128 outputs of the last convolution these are the image
ROW = 1e-6  # a truncation this close to a row of the statistics is that row's


class BigganNetwork(nn.Module):
    """Generator of BigGAN-deep: latents to colours.

    Parameters
    ----------
    weights : mapping of str to torch.Tensor
        By the names of `biggan_layout.biggan_shapes`.
    architecture : Architecture
    truncation : float
        Above 0, at most 1: the running statistics are those of this truncation
        of the noise.

    Raises
    ------
    InputError
        The truncation is out of its range; a spectral norm is not above 0.
    """

    embeddings: Tensor
    first_weight: Tensor
    first_bias: Tensor

    def __init__(
        self, weights: Weights, architecture: Architecture = BIGGAN_256, truncation: float = 0.7
    ) -> None:
        super().__init__()
        if not 0 < truncation <= 1:
            raise InputError(f"a truncation of {truncation:g}: it lies above 0 and is at most 1")
        self.architecture, self.truncation = architecture, truncation
        self.latent_dim = architecture.conditions
        self.image_size = architecture.output_dim
        self.register_buffer("embeddings", weights["embeddings.weight"].T.contiguous())
        self.register_buffer("first_weight", _over_norm(weights, "generator.gen_z"))
        self.register_buffer("first_bias", weights["generator.gen_z.bias"])
        self.norms = _Norms(weights, architecture, truncation)
        layers: list[nn.Module] = []
        for kind, name, up, _, wide_out in named_layers(architecture):
            layers.append(
                _ResidualBlock(weights, name, up, wide_out) if kind == "block" else _Attention(weights, name)
            )
        self.layers = nn.ModuleList(layers)
        last = _over_norm(weights, "generator.conv_to_rgb")[:COLOURS]
        self.colours = _Convolution(last, weights["generator.conv_to_rgb.bias"][:COLOURS])
        self.eval()

    def forward(self, latents: Tensor) -> Tensor:
        """Colours in -1..1, ``[n, 3, H, W]``, of latents ``[n, latent_dim]``: noise, then class embedding."""
        norms = iter(self.norms(latents))
        first = functional.linear(latents, self.first_weight, self.first_bias)
        # In the file's order channels come last, and so they stay: twice as fast.
        maps = first.unflatten(1, (FIRST_SIDE, FIRST_SIDE, -1)).permute(0, 3, 1, 2)
        for layer in self.layers:
            if isinstance(layer, _ResidualBlock):
                maps = layer(maps, [next(norms) for _ in range(4)])
            else:
                maps = layer(maps)
        scale, shift = next(norms)
        return torch.tanh(self.colours(_normalised(maps, scale, shift)))


class _Norms(nn.Module):
    """All normalisations: for each a scale and a shift of its channels, from the latents."""

    of_latents: Tensor
    constant: Tensor

    def __init__(self, weights: Weights, architecture: Architecture, truncation: float) -> None:
        super().__init__()
        scales, shifts = [], []
        blocks = [name for kind, name, *_ in named_layers(architecture) if kind == "block"]
        names = [f"{block}.bn_{i}" for block in blocks for i in range(4)]
        for name in names:
            mean, over_sd = _statistics(weights, name, architecture, truncation)
            # (x - mean) / sd * (1 + scale(z)) + offset(z), as a scale and a shift of x.
            scale = _over_norm(weights, f"{name}.scale") * over_sd[:, None]
            offset = _over_norm(weights, f"{name}.offset") - scale * mean[:, None]
            scales.append(torch.cat([scale, over_sd[:, None]], 1))
            shifts.append(torch.cat([offset, -(mean * over_sd)[:, None]], 1))
        mean, over_sd = _statistics(weights, "generator.bn", architecture, truncation)
        scale = (weights["generator.bn.weight"].double() * over_sd)[:, None]
        shift = weights["generator.bn.bias"].double()[:, None] - scale * mean[:, None]
        alike = scale.new_zeros(len(scale), architecture.conditions)
        scales.append(torch.cat([alike, scale], 1))
        shifts.append(torch.cat([alike, shift], 1))
        self.channels = [len(scale) for scale in scales]
        together = torch.cat([*scales, *shifts]).float()
        self.register_buffer("of_latents", together[:, :-1].contiguous())
        self.register_buffer("constant", together[:, -1].contiguous())

    def forward(self, latents: Tensor) -> list[tuple[Tensor, Tensor]]:
        every = functional.linear(latents, self.of_latents, self.constant)[:, :, None, None]
        scales, shifts = every.chunk(2, dim=1)
        return list(zip(scales.split(self.channels, 1), shifts.split(self.channels, 1), strict=True))


class _ResidualBlock(nn.Module):
    """Four normalised and rectified convolutions around a short cut, which keeps the first channels."""

    def __init__(self, weights: Weights, name: str, up: bool, wide_out: int) -> None:
        super().__init__()
        self.up, self.wide_out = up, wide_out
        self.convolutions = nn.ModuleList(
            _Convolution(
                _over_norm(weights, f"{name}.conv_{i}"), weights[f"{name}.conv_{i}.bias"], up and i == 1
            )
            for i in range(4)
        )

    def forward(self, maps: Tensor, norms: list[tuple[Tensor, Tensor]]) -> Tensor:
        inner = maps
        for i, convolution in enumerate(self.convolutions):
            scale, shift = norms[i]
            inner = convolution(_normalised(inner, scale, shift, keep=i == 0))
        short_cut = maps[:, : self.wide_out]
        if self.up:
            short_cut = functional.interpolate(short_cut, scale_factor=2, mode="nearest")
        return inner + short_cut if torch.is_grad_enabled() else inner.add_(short_cut)


class _Convolution(nn.Module):
    """A convolution that leaves the size of the map; with `up` on the map doubled before.

    Doubling by repeating pixels and then convolving with 3 x 3 weights is one
    transposed convolution with 4 x 4 weights, of less than half the products.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, up: bool = False) -> None:
        super().__init__()
        self.up = up
        weight = _doubling(weight) if up else weight
        self.register_buffer("weight", weight.contiguous(memory_format=torch.channels_last))
        self.register_buffer("bias", bias)

    def forward(self, maps: Tensor) -> Tensor:
        if self.up:
            return functional.conv_transpose2d(maps, self.weight, self.bias, stride=2, padding=1)
        return functional.conv2d(maps, self.weight, self.bias, padding=self.weight.shape[-1] // 2)


class _Attention(nn.Module):
    """Self-attention over places; keys and values come from 2 x 2 maxima."""

    gamma: Tensor

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        parts = {part: _over_norm(weights, f"{name}.snconv1x1_{part}") for part in ("theta", "phi", "g")}
        self.sizes = [len(weight) for weight in parts.values()]
        together = torch.cat(list(parts.values()))
        out = _over_norm(weights, f"{name}.snconv1x1_o_conv") * weights[f"{name}.gamma"]
        self.parts = _Convolution(together, together.new_zeros(len(together)))
        self.out = _Convolution(out, out.new_zeros(len(out)))

    def forward(self, maps: Tensor) -> Tensor:
        theta, phi, g = self.parts(maps).split(self.sizes, 1)
        queries = theta.flatten(2).transpose(1, 2)
        keys, values = (functional.max_pool2d(part, 2).flatten(2).transpose(1, 2) for part in (phi, g))
        if torch.is_grad_enabled():  # the fused one has no second derivative
            weighted = torch.softmax(queries @ keys.transpose(1, 2), dim=-1) @ values
        else:
            weighted = functional.scaled_dot_product_attention(queries, keys, values, scale=1.0)
        attended = weighted.transpose(1, 2).unflatten(2, maps.shape[2:])
        added: Tensor = self.out(attended)
        return maps + added


def _normalised(maps: Tensor, scale: Tensor, shift: Tensor, keep: bool = False) -> Tensor:
    """Rectified `scale` x `maps` + `shift`; where nothing is differentiated `maps` is reused unless kept."""
    if torch.is_grad_enabled():
        return torch.relu(torch.addcmul(shift, maps, scale))
    return torch.addcmul(shift, maps, scale, out=None if keep else maps).relu_()


def _over_norm(weights: Weights, name: str) -> Tensor:
    """Weights over their spectral norm u'Wv, computed in float64."""
    weight = weights[f"{name}.weight_orig"].double()
    u, v = (weights[f"{name}.weight_{vector}"].double() for vector in "uv")
    norm = float(u @ (weight.flatten(1) @ v))
    if norm <= 0:  # of the largest singular value's vectors, as training leaves them, it is above 0
        raise InputError(f"no weights of BigGAN: the spectral norm of {name} is {norm:g}")
    return (weight / norm).to(torch.float32)


def _statistics(
    weights: Weights, name: str, architecture: Architecture, truncation: float
) -> tuple[Tensor, Tensor]:
    """Mean, and one over the standard deviation, at a truncation: between two rows, linear."""
    position = truncation * (architecture.n_stats - 1)
    row = round(position) if abs(position - round(position)) < ROW else math.floor(position)
    part = 0.0 if abs(position - row) < ROW else position - row
    mean, variance = (
        torch.lerp(rows[row], rows[min(row + 1, len(rows) - 1)], part)
        for rows in (weights[f"{name}.running_{what}"].double() for what in ("means", "vars"))
    )
    return mean, (variance + architecture.eps).rsqrt()


def _doubling(weight: Tensor) -> Tensor:
    """Weights ``[in, out, 4, 4]`` of the transposed convolution that doubles, then convolves."""
    flipped = weight.flip(2, 3).transpose(0, 1)
    return sum(  # type: ignore[return-value]
        functional.pad(flipped, (column, 1 - column, row, 1 - row)) for row in (0, 1) for column in (0, 1)
    )
