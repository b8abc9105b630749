"""Architecture of BigGAN-deep, and name and shape of every tensor of its published files.

Brock, Donahue & Simonyan (2019); the layout is that of the package
``pytorch-pretrained-biggan``. docs/methods.md section 9.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from os import PathLike
from pathlib import Path

from evoalign.errors import InputError

REDUCTION = 4  # the middle of a block has a quarter of its input's channels
FIRST_SIDE = 4  # of the first map, pixels
ATTENTION = ("theta", "phi", "g", "o_conv")


@dataclass(frozen=True)
class Architecture:
    """What a ``config.json`` of a BigGAN-deep says.

    Attributes
    ----------
    output_dim : int
        Height and width of the images, pixels.
    z_dim : int
        Length of the noise, and of a class embedding.
    class_embed_dim : int
        The latter again.
    channel_width : int
        Channels of the last block; `layers` counts in it.
    num_classes : int
    layers : tuple of (bool, int, int)
        Of each block: whether it doubles the map, channels in and out.
    attention_layer_position : int
        Block before which the self-attention stands.
    eps : float
        Added to variances.
    n_stats : int
        Rows of the running statistics: truncations from 0 to 1.
    """

    output_dim: int = 256
    z_dim: int = 128
    class_embed_dim: int = 128
    channel_width: int = 128
    num_classes: int = 1000
    layers: tuple[tuple[bool, int, int], ...] = (
        (False, 16, 16),
        (True, 16, 16),
        (False, 16, 16),
        (True, 16, 8),
        (False, 8, 8),
        (True, 8, 8),
        (False, 8, 8),
        (True, 8, 4),
        (False, 4, 4),
        (True, 4, 2),
        (False, 2, 2),
        (True, 2, 1),
    )
    attention_layer_position: int = 8
    eps: float = 1e-4
    n_stats: int = 51

    @property
    def conditions(self) -> int:
        """Length of a latent: noise, then class embedding."""
        return 2 * self.z_dim


BIGGAN_256 = Architecture()


def read_architecture(path: str | PathLike[str]) -> Architecture:
    """Read the ``config.json`` that lies beside published weights.

    Raises
    ------
    InputError
        The file is missing, no JSON, says too little or too much, or its
        blocks do not lead to images of its size.
    """
    path = Path(path)
    hint = "give the config.json that was published with the weights in spaces.biggan.config, or leave it out"
    try:
        configured = json.loads(path.read_text(encoding="utf-8"))
        layers = tuple(
            (bool(up), int(wide_in), int(wide_out)) for up, wide_in, wide_out in configured["layers"]
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"no configuration of a BigGAN: {error!s:.200}", path, hint) from error
    names = {field.name for field in fields(Architecture)}
    if set(configured) != names:
        differing = ", ".join(sorted(set(configured) ^ names))
        raise InputError(f"the configuration misses, or has beside the known ones: {differing}", path, hint)
    architecture = Architecture(**{**configured, "layers": layers})
    _check(architecture, path, hint)
    return architecture


def _check(architecture: Architecture, path: Path, hint: str) -> None:
    """Refuse blocks that do not follow one another."""
    layers = architecture.layers
    faults = []
    if FIRST_SIDE * 2 ** sum(up for up, _, _ in layers) != architecture.output_dim:
        faults.append(
            f"{sum(up for up, _, _ in layers)} doublings do not make images of {architecture.output_dim}"
        )
    if [wide_in for _, wide_in, _ in layers] != [16, *(wide_out for _, _, wide_out in layers[:-1])]:
        faults.append("channels of a block are not those of the one before")
    if architecture.class_embed_dim != architecture.z_dim or layers[-1][2] != 1:
        faults.append("noise and class embedding differ in length, or the last block is not one width")
    if faults:
        raise InputError(f"a BigGAN that cannot be built: {'; '.join(faults)}", path, hint)


def biggan_shapes(architecture: Architecture = BIGGAN_256) -> dict[str, tuple[int, ...]]:
    """Name and shape of each tensor of the published file.

    Of BigGAN-deep-256 602: 55,880,833 parameters, and 2,692,352 numbers of
    running statistics and spectral norms.
    """
    width, conditions = architecture.channel_width, architecture.conditions
    shapes: dict[str, tuple[int, ...]] = {"embeddings.weight": (architecture.z_dim, architecture.num_classes)}
    shapes |= _normed("generator.gen_z", (FIRST_SIDE**2 * 16 * width, conditions))
    for kind, name, _, wide_in, wide_out in named_layers(architecture):
        if kind == "attention":
            narrow = {"theta": wide_in // 8, "phi": wide_in // 8, "g": wide_in // 2, "o_conv": wide_in}
            shapes[f"{name}.gamma"] = (1,)
            for part, n in narrow.items():
                source = wide_in // 2 if part == "o_conv" else wide_in
                shapes |= _normed(f"{name}.snconv1x1_{part}", (n, source, 1, 1), bias=False)
        else:
            shapes |= _block(name, wide_in, wide_out, architecture)
    shapes |= {f"generator.bn.{part}": (width,) for part in ("weight", "bias")}
    shapes |= _statistics("generator.bn", width, architecture)
    return shapes | _normed("generator.conv_to_rgb", (width, width, 3, 3))


def named_layers(architecture: Architecture) -> Iterator[tuple[str, str, bool, int, int]]:
    """Kind ('block', 'attention'), name in the file, whether it doubles, and channels in and out."""
    width = architecture.channel_width
    number = 0
    for position, (up, wide_in, wide_out) in enumerate(architecture.layers):
        if position == architecture.attention_layer_position:
            yield "attention", f"generator.layers.{number}", False, width * wide_in, width * wide_in
            number += 1
        yield "block", f"generator.layers.{number}", up, width * wide_in, width * wide_out
        number += 1


def _block(name: str, wide_in: int, wide_out: int, architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Four conditional normalisations and convolutions, of 1, 3, 3 and 1 pixels."""
    middle = wide_in // REDUCTION
    shapes: dict[str, tuple[int, ...]] = {}
    convolutions = [(middle, wide_in, 1), (middle, middle, 3), (middle, middle, 3), (wide_out, middle, 1)]
    for i, (n_out, n_in, side) in enumerate(convolutions):
        shapes |= _statistics(f"{name}.bn_{i}", n_in, architecture)
        for part in ("scale", "offset"):
            shapes |= _normed(f"{name}.bn_{i}.{part}", (n_in, architecture.conditions), bias=False)
        shapes |= _normed(f"{name}.conv_{i}", (n_out, n_in, side, side))
    return shapes


def _statistics(name: str, channels: int, architecture: Architecture) -> dict[str, tuple[int, ...]]:
    return {f"{name}.{part}": (architecture.n_stats, channels) for part in ("running_means", "running_vars")}


def _normed(name: str, shape: tuple[int, ...], bias: bool = True) -> dict[str, tuple[int, ...]]:
    """A layer under spectral normalisation: its weights, and its first singular vectors."""
    inputs = 1
    for n in shape[1:]:
        inputs *= n
    of_norm = {"weight_orig": shape, "weight_u": shape[:1], "weight_v": (inputs,)}
    return {f"{name}.{part}": size for part, size in of_norm.items()} | (
        {f"{name}.bias": shape[:1]} if bias else {}
    )
