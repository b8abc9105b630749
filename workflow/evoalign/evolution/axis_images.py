"""Image sets along the eigen-axes of an image distance, for a tuning session: docs/methods.md section 7."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image

from evoalign.errors import InputError
from evoalign.evolution.axis_steps import RENDERED, steps_to_distances
from evoalign.files import atomic_write
from evoalign.nwb.contents import SessionContents
from evoalign.spaces.hessian import Eigenframe, load_eigenframe
from evoalign.spaces.interface import Space, to_bytes
from evoalign.spaces.metrics import Metric
from evoalign.spaces.settings import Hessian

Floats = NDArray[np.float64]

SUBSPACES = ("class", "noise")  # as the study's file names call them


@dataclass(frozen=True)
class AxisImages:
    """Images along eigen-axes, the origin first.

    Attributes
    ----------
    table : pandas.DataFrame
        image (name), subspace, axis (rank of the eigenvector), distance (signed, as in
        the name), step (in units of the latent), eigenvalue.
    latents : numpy.ndarray, float64 [image, latent]
    unreached : list of str
        Names of the images whose distance the axis does not reach.
    """

    table: pd.DataFrame
    latents: Floats
    unreached: list[str]


def axis_name(subspace: str, axis: int, distance: float) -> str:
    """Return an image's name as the study's rig gives it (docs/methods.md section 1).

    Examples
    --------
    >>> axis_name("noise", 12, -0.24)
    'noise_eig12_lin-0.24'
    """
    return f"{subspace}_eig{axis}_lin{distance:.2f}"


def centre_of(contents: SessionContents, thread: int) -> Floats:
    """Mean latent of a thread's last complete generation but one, float64 [latent].

    Raises
    ------
    InputError
        Fewer than two blocks were shown whole.
    """
    presentations = contents.presentations
    generated = presentations[(presentations["thread"] == thread) & ~presentations["reference"].astype(bool)]
    n_latents = generated.groupby("block")["latent_row"].nunique()
    complete = [
        block
        for (block, of_thread), (codes, _) in sorted(contents.latents.items())
        if of_thread == thread and n_latents.get(block, 0) == len(codes)
    ]
    if len(complete) < 2:
        raise InputError(
            f"{len(complete)} generations were shown whole, and the centre is the last of them but one",
            f"session {contents.session}, thread {thread}",
            "give the latents of an evolution",
        )
    return np.asarray(contents.latents[complete[-2], thread][0].mean(axis=0), dtype=np.float64)


def sample_session(
    contents: SessionContents,
    space: Space,
    frame: str | PathLike[str],
    settings: Hessian,
    metric: Metric,
) -> AxisImages:
    """Images along a space's eigen-axes around the end of a session's evolution in it.

    Parameters
    ----------
    contents : SessionContents
        Of an evolution, with latents.
    space : Space
        Where one of its threads evolved.
    frame : path
        Eigenframe of the space. One that has no blocks is sampled as 'class'.
    settings : Hessian
        Axes and distances.
    metric : callable
        As in `hessian.mean_hessian`.

    Raises
    ------
    InputError
        No thread of that space, or as for `centre_of`, `load_eigenframe` and `sample_axes`.
    """
    presentations = contents.presentations
    threads = presentations.loc[presentations["space"] == space.name, "thread"].unique()
    if len(threads) == 0:
        raise InputError(f"no thread of space '{space.name}' was shown", f"session {contents.session}")
    names = SUBSPACES if set(SUBSPACES) <= set(space.blocks) else SUBSPACES[:1]
    block_of = {name: name if name in space.blocks and len(space.blocks) > 1 else "" for name in names}
    frames = {name: load_eigenframe(frame, space.name, block) for name, block in block_of.items()}
    ranks = {str(name): named for name, named in settings.axes.items()}
    axes = {
        name: [rank for rank in ranks.get(name, ()) if rank < len(frame.values)]
        for name, frame in frames.items()
    }
    if any(len(axes[name]) < len(ranks.get(name, ())) for name in axes):
        logging.warning(
            "space '%s' has fewer directions than hessian.axes names: sampled %s", space.name, axes
        )
    centre = centre_of(contents, int(threads[0]))
    return sample_axes(space, centre, frames, axes, settings.distances, metric)


def sample_axes(
    space: Space,
    centre: Floats,
    frames: Mapping[str, Eigenframe],
    axes: Mapping[str, Sequence[int]],
    distances: Sequence[float],
    metric: Metric,
) -> AxisImages:
    """Find the images at given distances from a centre along eigenvectors, both ways.

    Parameters
    ----------
    space : Space
    centre : numpy.ndarray [latent]
    frames : mapping of str to Eigenframe
        'class', 'noise' -> the frame of that block.
    axes : mapping of str to sequence of int
        Ranks of the eigenvectors of each, from 0, the largest.
    distances : sequence of float
        In units of the metric, positive.
    metric : callable
        As in `hessian.mean_hessian`.

    Returns
    -------
    AxisImages
        A distance is the first at which the axis reaches it, on a grid whose
        steps grow by a fifth. What is not reached is left out and named.

    Raises
    ------
    InputError
        A rank that the frame does not have, or no frame of that name.
    """
    names_apart = {axis_name("class", 0, distance) for distance in distances}
    if len(names_apart) < len(distances) or axis_name("class", 0, 0.0) in names_apart:
        raise InputError(
            f"distances {', '.join(f'{distance:g}' for distance in distances)} have no names of their own",
            "hessian.distances",
            "names hold two decimals: give positive distances that differ by 0.01 or more",
        )
    lines, directions = _lines(frames, axes)
    steps = steps_to_distances(
        space, centre, lines, directions, np.sort(np.asarray(distances, dtype=float)), metric
    )
    first = next(iter(axes))
    rows = [(axis_name(first, 0, 0.0), first, 0, 0.0, 0.0, np.nan)]
    latents, unreached = [centre], []
    for (subspace, axis, sign, value), direction, of_line in zip(lines, directions, steps, strict=True):
        for distance, step in zip(np.sort(distances), of_line, strict=True):
            name = axis_name(subspace, axis, sign * distance)
            if np.isnan(step):
                unreached.append(name)
                continue
            rows.append((name, subspace, axis, sign * distance, sign * step, value))
            latents.append(centre + step * direction)
    names = ["image", "subspace", "axis", "distance", "step", "eigenvalue"]
    return AxisImages(pd.DataFrame(rows, columns=names), np.stack(latents), unreached)


def write_axis_images(
    folder: str | PathLike[str], images: AxisImages, space: Space, metadata: Mapping[str, str]
) -> None:
    """Write the images as the rig shows them, with their table and latents; the folder appears whole.

    Parameters
    ----------
    folder : path
        Gets ``{name}.png``, ``axes.tsv`` (table, with provenance above it) and ``latents.npz``.
    images : AxisImages
    space : Space
    metadata : mapping of str to str
        Provenance.
    """
    with atomic_write(folder) as partial:
        partial.mkdir()
        names = images.table["image"].tolist()
        for names_part, latents in _parts(names, images.latents):
            with torch.no_grad():
                pixels = to_bytes(space.render(torch.from_numpy(latents)))
            for name, image in zip(names_part, pixels, strict=True):
                Image.fromarray(image).save(partial / f"{name}.png")
        with (partial / "axes.tsv").open("w", encoding="utf-8") as stream:
            stream.writelines(f"# {name}: {value}\n" for name, value in sorted(metadata.items()))
            images.table.to_csv(stream, sep="\t", index=False, lineterminator="\n")
        np.savez(partial / "latents.npz", image=np.array(names), latents=images.latents)
    if images.unreached:
        logging.warning(
            "%d images are left out, for the axis does not reach the distance: %s",
            len(images.unreached), ", ".join(images.unreached),
        )  # fmt: skip


def _parts(names: list[str], latents: Floats) -> list[tuple[list[str], Floats]]:
    starts = range(0, len(names), RENDERED)
    return [(names[at : at + RENDERED], latents[at : at + RENDERED]) for at in starts]


def _lines(
    frames: Mapping[str, Eigenframe], axes: Mapping[str, Sequence[int]]
) -> tuple[list[tuple[str, int, int, float]], Floats]:
    """Subspace, rank, sign and eigenvalue of each half-line, and its direction [line, latent]."""
    lines, directions = [], []
    for subspace, ranks in axes.items():
        if subspace not in frames:
            raise InputError(
                f"the eigenframe has no block '{subspace}'", "hessian.axes", f"it has {', '.join(frames)}"
            )
        frame = frames[subspace]
        for rank in ranks:
            if not 0 <= rank < len(frame.values):
                raise InputError(
                    f"no eigenvector {rank}: the frame of '{subspace}' has {len(frame.values)}",
                    "hessian.axes",
                    "name ranks from 0",
                )
            for sign in (-1, 1):
                lines.append((subspace, int(rank), sign, float(frame.values[rank])))
                directions.append(sign * frame.vectors[:, rank])
    return lines, np.stack(directions)
