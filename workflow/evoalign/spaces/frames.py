"""Eigenframes of any space, averaged over latents, that go on after a kill.

docs/methods.md section 7. A small latent's Hessian is taken whole; of a large
one, the leading directions by `evoalign.spaces.hessian_products`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from evoalign.errors import InputError
from evoalign.files import atomic_write
from evoalign.spaces.hessian import Eigenframe, exact_frame, mean_hessian, signed_frame
from evoalign.spaces.hessian_products import (
    HessianProducts,
    flat_hessian,
    from_sketch,
    lanczos,
    mean_of_leading,
    sketch,
    sketch_vectors,
)
from evoalign.spaces.interface import Space
from evoalign.spaces.metrics import PIXEL_DESCRIPTION, Metric, image_metric, squared_difference
from evoalign.spaces.settings import Hessian, Prototypes

Floats = NDArray[np.float64]
Arrays = dict[str, Floats]
Block = tuple[int, int]
Method = Literal["exact", "lanczos", "randomized"]


@dataclass(frozen=True)
class FramePlan:
    """How a space's eigenframe is made.

    Attributes
    ----------
    n : int
        Founders of the space to average over.
    seed : int
        Of the founders, and of the random vectors of the method.
    method : {'exact', 'lanczos', 'randomized'}
        The whole Hessian, or its leading directions.
    top : int
        Leading directions; not used where the method is exact.
    blocks : mapping of str to (int, int)
        First latent, and the one after the last, of blocks that get a frame of their own.
    metric, metric_name
        As in `hessian.mean_hessian`; the name goes into the provenance.
    metadata : mapping of str to str
        Further provenance, as the checksum of the generator's weights.
    device : str
    """

    n: int = 16
    seed: int = 0
    method: Method = "exact"
    top: int = 64
    blocks: Mapping[str, Block] = field(default_factory=dict)
    metric: Metric = squared_difference
    metric_name: str = PIXEL_DESCRIPTION
    metadata: Mapping[str, str] = field(default_factory=dict)
    device: str = "cpu"


def plan_for(
    space: Space,
    settings: Hessian,
    prototypes: Prototypes,
    seed: int = 0,
    device: str = "cpu",
    metadata: Mapping[str, str] | None = None,
) -> FramePlan:
    """How a space's frames are made under the configuration.

    Parameters
    ----------
    space : Space
    settings : Hessian
    prototypes : Prototypes
        Says where the weights of image distances are.
    seed, device
        See `FramePlan`.
    metadata : mapping of str to str, optional
        Provenance of the run, beside what the space tells of itself.

    Raises
    ------
    InputError
        As for `metrics.image_metric`.
    """
    metric, words = image_metric(settings.metric, prototypes)
    if isinstance(metric, torch.nn.Module):
        metric = metric.to(device)
    is_whole = space.latent_dim <= settings.exact_latents
    blocks = {name: (block.start, block.stop) for name, block in space.blocks.items()}
    return FramePlan(
        n=settings.samples,
        seed=seed,
        method=settings.method if settings.method != "auto" else "exact" if is_whole else "lanczos",
        top=settings.top,
        blocks=blocks if len(blocks) > 1 else {},
        metric=metric,
        metric_name=words,
        metadata=space.describe() | dict(metadata or {}),
        device=device,
    )


def make_frames(
    space: Space, plan: FramePlan, checkpoint: str | PathLike[str] | None = None
) -> tuple[Eigenframe, dict[str, Eigenframe]]:
    """Eigenframe of a space, and of each block of its latent (docs/methods.md section 7).

    Parameters
    ----------
    space : Space
        Differentiable in its latents.
    plan : FramePlan
    checkpoint : path, optional
        Folder that keeps each finished latent's part: the same call, started
        again, goes on from there and ends in the same frames.

    Returns
    -------
    frame : Eigenframe
    blocks : dict of str to Eigenframe
        Their vectors are 0 outside the block.

    Raises
    ------
    InputError
        A block does not fit the latent, the distance is not smooth at equal
        images, the Hessian is 0, or Lanczos does not settle.
    """
    _check_blocks(space, plan)
    latents = space.sample_initial(plan.n, torch.Generator().manual_seed(plan.seed)).to(plan.device)
    ranges = {"": (0, space.latent_dim), **plan.blocks}
    step: Callable[[Space, torch.Tensor, FramePlan, Mapping[str, Block]], Arrays] = {
        "exact": _exact_part,
        "lanczos": _lanczos_part,
        "randomized": _randomized_part,
    }[plan.method]
    parts = []
    for number, latent in enumerate(latents):
        file = Path(checkpoint) / f"latent{number:05d}.npz" if checkpoint else None
        parts.append(_kept(file, partial(step, space, latent, plan, ranges)))
    frames = {name: _frame(space, plan, name, block, parts) for name, block in ranges.items()}
    return frames.pop(""), frames


def _check_blocks(space: Space, plan: FramePlan) -> None:
    for name, (first, stop) in plan.blocks.items():
        if not 0 <= first < stop <= space.latent_dim:
            raise InputError(
                f"block '{name}' covers latents {first} to {stop}, of {space.latent_dim}",
                f"hessian.blocks, space '{space.name}'",
                "give the first latent, from 0, and the one after the last",
            )


def _kept(file: Path | None, compute: Callable[[], Arrays]) -> Arrays:
    """A latent's part: read where it was finished before, else computed and written whole."""
    if file is None:
        return compute()
    if not file.exists():
        arrays = compute()
        with atomic_write(file) as unfinished:
            np.savez(unfinished, allow_pickle=False, **arrays)
    with np.load(file, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _exact_part(space: Space, latent: torch.Tensor, plan: FramePlan, _: Mapping[str, Block]) -> Arrays:
    return {"hessian": mean_hessian(space, latent[None], plan.metric).cpu().numpy()}


def _lanczos_part(space: Space, latent: torch.Tensor, plan: FramePlan, ranges: Mapping[str, Block]) -> Arrays:
    arrays: Arrays = {"products": np.zeros(1)}
    for name, block in ranges.items():
        products = HessianProducts(space, latent, plan.metric, block)
        k = _directions(plan, block)
        arrays[f"{name}_values"], arrays[f"{name}_vectors"] = lanczos(products, k, plan.seed)
        arrays["products"] += products.n_products
    return arrays


def _randomized_part(
    space: Space, latent: torch.Tensor, plan: FramePlan, ranges: Mapping[str, Block]
) -> Arrays:
    arrays: Arrays = {"products": np.zeros(1)}
    for name, block in ranges.items():
        products = HessianProducts(space, latent, plan.metric, block)
        vectors = sketch_vectors(products.dim, _directions(plan, block), plan.seed)
        arrays[f"{name}_sketch"] = sketch(products, vectors)
        arrays["products"] += products.n_products
    return arrays


def _directions(plan: FramePlan, block: Block) -> int:
    """Leading directions of a block: Lanczos needs fewer than there are latents."""
    return min(plan.top, block[1] - block[0] - 1)


def _frame(space: Space, plan: FramePlan, name: str, block: Block, parts: list[Arrays]) -> Eigenframe:
    """Frame of a block from the latents' parts, with 0 outside the block."""
    metadata = {
        "metric": plan.metric_name,
        "n": str(plan.n),
        "seed": str(plan.seed),
        "method": {"exact": "autograd"}.get(plan.method, plan.method),
        **plan.metadata,
    }
    if plan.method == "exact":
        averaged_hessian = np.mean([part["hessian"] for part in parts], axis=0)
        small = exact_frame(space.name, averaged_hessian[slice(*block), slice(*block)], metadata)
        values, vectors = small.values, small.vectors
    else:
        values, vectors = _leading(plan, name, block, parts)
        metadata["products"] = str(int(sum(part["products"][0] for part in parts)))
    if plan.method == "lanczos":
        # Weyl: what single latents leave out moves no mean eigenvalue by more.
        metadata["left_out"] = f"{np.mean([part[f'{name}_values'][-1] for part in parts]):.6g}"
    if not values[0] > 0:
        raise flat_hessian()
    embedded = np.zeros((space.latent_dim, vectors.shape[1]))
    embedded[slice(*block)] = vectors
    return signed_frame(space.name, values, embedded, metadata)


def _leading(plan: FramePlan, name: str, block: Block, parts: list[Arrays]) -> tuple[Floats, Floats]:
    k = _directions(plan, block)
    if plan.method == "lanczos":
        return mean_of_leading([(part[f"{name}_values"], part[f"{name}_vectors"]) for part in parts], k)
    vectors = sketch_vectors(block[1] - block[0], k, plan.seed)
    return from_sketch(np.mean([part[f"{name}_sketch"] for part in parts], axis=0), vectors, k)
