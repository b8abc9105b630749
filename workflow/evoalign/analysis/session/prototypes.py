"""Images that stand for a thread of an evolution: docs/methods.md section 5."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike

import numpy as np
import pandas as pd
import torch
import xarray as xr
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from evoalign import tables
from evoalign.analysis.experiment import space_kind
from evoalign.analysis.session.rendered_images import as_tensor, check_rendered
from evoalign.analysis.session.results import SessionResults
from evoalign.analysis.settings import Analysis
from evoalign.analysis.tables import PROTOTYPES as PROTOTYPES_TABLE
from evoalign.files import atomic_write
from evoalign.nwb.contents import SessionContents
from evoalign.spaces.interface import Space, to_bytes
from evoalign.spaces.registry import get_space, lacks
from evoalign.spaces.settings import Spaces

PROTOTYPES = ("best", "average", "re-evolved")


@dataclass(frozen=True)
class Prototype:
    """An image that stands for a thread.

    Attributes
    ----------
    thread : int
    space : str
        Name of the thread's space.
    prototype : str
        'best', 'average' or 're-evolved'.
    block : int
        The best block.
    image : str
        Name of the image; '' of one that was not shown.
    source : str
        'file', 'rendered' or 'mean of images'.
    n : int
        Images that it comes from.
    pixels : torch.Tensor, float64 [3, H, W]
        In 0..1.
    """

    thread: int
    space: str
    prototype: str
    block: int
    image: str
    source: str
    n: int
    pixels: Tensor


def session_prototypes(
    contents: SessionContents,
    results: SessionResults,
    settings: Analysis,
    generators: Spaces | None = None,
    device: str = "cpu",
) -> list[Prototype]:
    """Prototypes of both threads of a paired evolution (docs/methods.md section 5).

    'best': the best block's best image, from the file, or rendered where the
    file holds no images. 'average': the best block's mean latent, rendered;
    where its generator is not known, the mean of the block's images.
    're-evolved': the image that the fitted model of the unit likes best. The
    model is linear in the latents, so where each block of the latent (BigGAN's
    noise and class) has the best block's mean norm, its maximum is the weight
    vector (mean over the windows in the evoked window) at these lengths,
    rendered.

    Parameters
    ----------
    contents : SessionContents
        Images, latents and presentations of the session.
    results : SessionResults
        Dataset of the evolution, and where it was encoded table
        `encoding_weights`.
    settings : Analysis
        The evoked window.
    generators : Spaces, optional
        Generators with weights.
    device : str
        'cpu' or 'cuda', where these compute.

    Returns
    -------
    list of Prototype
        What can be made of the file: none where it holds no images and the
        generators are not known.

    Raises
    ------
    InputError
        Weights that are configured cannot be used; see `get_space`. Images are
        not those that the latents render; see `check_rendered`.
    """
    evolution = results.evolution
    if evolution is None:
        return []
    prototypes: list[Prototype] = []
    for thread, name in enumerate(evolution["space"].values.tolist()):
        space = _space(name, contents, thread, generators, device)
        block = int(evolution["block"].values[evolution["experiments_best_block"].values[thread]])
        if space is not None:
            check_rendered(contents, block, thread, name, space)
        source = _BlockPrototype(contents, thread, block, name, space)
        prototypes += source.best(str(evolution["experiments_best_image"].values[thread]))
        prototypes += source.average()
        unit = int(evolution["experiments_unit"])
        prototypes += source.evolved_again(_weights(results.get("encoding_weights"), unit, name, settings))
    return prototypes


def _space(
    name: str, contents: SessionContents, thread: int, generators: Spaces | None, device: str
) -> Space | None:
    """The generator of a thread's space; None where it, or what it needs of the session, is not known."""
    noise = contents.fixed_noise(thread)
    missing = lacks(name, generators, noise is not None)
    if missing:
        logging.info("%s: %s: prototypes are images of the file", contents.metadata.session, missing)
        return None
    return get_space(name, generators, None if noise is None else torch.from_numpy(noise), device)


def _weights(
    frame: pd.DataFrame | None, unit: int, space: str, settings: Analysis
) -> NDArray[np.float64] | None:
    """Mean weights of the unit over the windows in the evoked window, [latent]; None without any."""
    if frame is None or frame.empty:
        return None
    first, last = settings.evoked_ms
    unit_weights = frame[(frame["unit"] == unit) & (frame["space"] == space)]
    unit_weights = unit_weights[(unit_weights["start_ms"] >= first) & (unit_weights["stop_ms"] <= last)]
    if unit_weights.empty:
        return None
    return unit_weights.groupby("latent", sort=True)["weight"].mean().to_numpy(np.float64)


@dataclass(frozen=True)
class _BlockPrototype:
    """The best block of a thread: what its prototypes are made from."""

    contents: SessionContents
    thread: int
    block: int
    name: str
    space: Space | None

    def latents(self) -> NDArray[np.float64] | None:
        codes, _ = self.contents.latents.get((self.block, self.thread), (None, []))
        fits = self.space is not None and codes is not None and codes.shape[1] == self.space.latent_dim
        return codes if fits and len(codes) else None  # type: ignore[arg-type]

    def best(self, image: str) -> list[Prototype]:
        if image in self.contents.images:
            pixels = as_tensor(self.contents.images[image])
            return [self._made("best", image, "file", 1, pixels)]
        codes, names = self.contents.latents.get((self.block, self.thread), (None, []))
        if codes is None or image not in names or self.latents() is None:
            return []
        pixels = self._render(codes[names.index(image)])
        return [self._made("best", image, "rendered", 1, pixels)]

    def average(self) -> list[Prototype]:
        codes = self.latents()
        if codes is not None:
            return [self._made("average", "", "rendered", len(codes), self._render(codes.mean(0)))]
        presentations = self.contents.presentations
        of_block = presentations[
            (presentations["block"] == self.block)
            & (presentations["thread"] == self.thread)
            & ~presentations["reference"]
        ]
        names = [name for name in sorted(set(of_block["image"])) if name in self.contents.images]
        if not names:
            return []
        mean = torch.zeros(1, dtype=torch.float64)
        for name in names:
            mean = mean + as_tensor(self.contents.images[name]) / len(names)
        return [self._made("average", "", "mean of images", len(names), mean)]

    def evolved_again(self, weights: NDArray[np.float64] | None) -> list[Prototype]:
        codes = self.latents()
        if codes is None or weights is None or len(weights) != codes.shape[1] or not np.any(weights):
            return []
        assert self.space is not None
        latent = self.space.project(torch.from_numpy(weights[None].copy()), torch.from_numpy(codes.copy()))
        return [self._made("re-evolved", "", "rendered", len(codes), self._render(latent.numpy()[0]))]

    def _made(self, prototype: str, image: str, source: str, n: int, pixels: Tensor) -> Prototype:
        return Prototype(self.thread, self.name, prototype, self.block, image, source, n, pixels)

    def _render(self, latent: NDArray[np.float64]) -> Tensor:
        assert self.space is not None
        with torch.no_grad():
            return self.space.render(torch.from_numpy(latent[None].copy()))[0].double()


def image_name(session: str, one: Prototype) -> str:
    """Name of a prototype's picture, without suffix."""
    return f"{session}_thread{one.thread:03d}_{one.prototype}"


def write_pictures(pictures: Mapping[str, Tensor], folder: str | PathLike[str]) -> None:
    """Write images ``[3, H, W]`` in 0..1 as PNG files by name: a folder that appears whole."""
    with atomic_write(folder) as partial:
        partial.mkdir()
        for name, pixels in sorted(pictures.items()):
            Image.fromarray(to_bytes(pixels[None])[0]).save(partial / f"{name}.png", compress_level=6)


def prototypes_table(made: list[Prototype], evolution: xr.Dataset, settings: Analysis) -> pd.DataFrame:
    """Return `PROTOTYPES_TABLE` of a session."""
    rows = [
        {
            **{name: evolution[name].item() for name in ("session", "subject", "area", "site")},
            **{name: getattr(prototype, name) for name in ("thread", "space", "prototype", "block")},
            **{name: getattr(prototype, name) for name in ("image", "source", "n")},
            "kind": space_kind(prototype.space, settings),
        }
        for prototype in made
    ]
    return tables.conform(pd.DataFrame(rows), PROTOTYPES_TABLE) if rows else tables.empty(PROTOTYPES_TABLE)
