"""Eigenframes of a space: directions of the latent by how fast the image changes along them.

The Hessian of an image distance d at latent z is H(z) = d^2 d(G(z), G(z + e)) / de^2
at e = 0 (docs/methods.md section 7). Averaged over many z its eigenvectors, by
falling eigenvalue, are the space's eigenframe.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evoalign.errors import InputError
from evoalign.files import atomic_write
from evoalign.spaces.hessian_products import Metric, distance_gradient
from evoalign.spaces.interface import Space, check_latents
from evoalign.spaces.metrics import squared_difference

Floats = NDArray[np.float64]

RENDERED_TOGETHER = 8  # latents whose images lie in memory at a time
ORTHONORMAL = 1e-6  # largest entry of V'V - 1 in a frame that is accepted


@dataclass(frozen=True)
class Eigenframe:
    """Eigenvectors of a space's mean Hessian.

    Attributes
    ----------
    space : str
        Name of the space.
    values : numpy.ndarray, float64 [direction]
        Eigenvalues, falling; of a large latent, the leading ones.
    vectors : numpy.ndarray, float64 [latent, direction]
        Orthonormal columns; the largest entry of each is positive.
    provenance : mapping of str to str
        Metric, number of latents, seed, .. as far as known.
    """

    space: str
    values: Floats
    vectors: Floats
    provenance: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def basis(self) -> Floats:
        """The vectors and, where they are not as many as the latents, random ones for the rest.

        [latent, latent], orthonormal. What a frame of leading directions leaves
        out has no order that is known: any directions of it stand for its flattest.
        """
        n, n_known = self.vectors.shape
        if n_known == n:
            return self.vectors
        drawn = np.random.default_rng(0).standard_normal((n, n - n_known))
        remaining = drawn - self.vectors @ (self.vectors.T @ drawn)
        return np.concatenate([self.vectors, np.linalg.qr(remaining)[0]], axis=1)


def mean_hessian(space: Space, latents: Tensor, metric: Metric = squared_difference) -> Tensor:
    """Mean over latents of the Hessian of an image distance, by automatic differentiation.

    The distance is smallest, and its gradient zero, at equal images; so the
    second derivative of d(G(z), G(z + e)) at e = 0 is J' M J, with J the
    derivative of the images (one pass a latent dimension) and M
    the second derivative of the distance between images. Nothing is
    approximated, and G is differentiated once only.

    Parameters
    ----------
    space : Space
        Differentiable in its latents.
    latents : torch.Tensor [n, latent]
    metric : callable
        Images a and b [n, 3, H, W] to distances [n], 0 and smallest at a = b,
        twice differentiable in b.

    Returns
    -------
    torch.Tensor, float64 [latent, latent]
        Symmetric.

    Raises
    ------
    InputError
        No latents, or latents that do not fit the space.
    """
    z = check_latents(latents, space).detach().double()
    if len(z) == 0:
        raise InputError("no latents to average over", f"space '{space.name}'")
    total = z.new_zeros(space.latent_dim, space.latent_dim)
    eye = torch.eye(space.latent_dim, dtype=z.dtype, device=z.device)
    for batch in z.split(RENDERED_TOGETHER):
        images, tangents = _pushed(space, batch, eye)
        total += tangents @ _curved(metric, images, tangents).T
    return (total + total.T) / (2 * len(z))


def _pushed(space: Space, latents: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Images, and their derivative along each direction of the latent, [k, pixel of all images].

    The product of J' with v is linear in v, and its derivative by v along a
    direction is the product of J with it: two backward passes are a forward
    one, for operations of any kind.
    """
    z = latents.clone().requires_grad_(True)
    images = space.render(z)
    v = torch.zeros_like(images, requires_grad=True)
    (pulled_back,) = torch.autograd.grad(images, z, v, create_graph=True)
    tangents = [
        torch.autograd.grad(pulled_back, v, direction.expand_as(z), retain_graph=True)[0].flatten()
        for direction in directions
    ]
    return images.detach(), torch.stack(tangents)


def _curved(metric: Metric, images: Tensor, tangents: Tensor) -> Tensor:
    """Product of the distance's second derivative at equal images with each tangent [k, pixel]."""
    moved = images.clone().requires_grad_(True)
    gradient = distance_gradient(metric, images, moved)
    products = [
        torch.autograd.grad(gradient, moved, tangent.view_as(moved), retain_graph=True)[0].flatten()
        for tangent in tangents
    ]
    return torch.stack(products)


def exact_frame(space: str, hessian: Floats, provenance: Mapping[str, str]) -> Eigenframe:
    """Eigenframe of a whole mean Hessian ``[latent, latent]``."""
    values, vectors = np.linalg.eigh(hessian)
    return signed_frame(space, values[::-1], vectors[:, ::-1], provenance)


def signed_frame(space: str, values: Floats, vectors: Floats, provenance: Mapping[str, str]) -> Eigenframe:
    """Eigenframe whose vectors have their largest entry positive: the same however it was computed."""
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(0)[None], 0)
    return Eigenframe(space, np.ascontiguousarray(values), vectors * np.sign(largest), provenance)


def save_eigenframe(
    frame: Eigenframe, path: str | PathLike[str], blocks: Mapping[str, Eigenframe] | None = None
) -> None:
    """Write an eigenframe as .npz: `space`, `values`, `vectors` and `provenance` (JSON).

    Parameters
    ----------
    frame : Eigenframe
    path : path
    blocks : mapping of str to Eigenframe, optional
        Frames of blocks of the latent, as 'class' and 'noise', kept in the
        same file as `class_values`, `class_vectors` ..
    """
    of_blocks = {
        f"{name}_{what}": getattr(block, what)
        for name, block in sorted((blocks or {}).items())
        for what in ("values", "vectors")
    }
    with atomic_write(Path(path).with_suffix(".npz")) as partial:
        np.savez(
            partial,
            space=np.array(frame.space),
            values=frame.values,
            vectors=frame.vectors,
            provenance=np.array(json.dumps(dict(sorted(frame.provenance.items())))),
            **of_blocks,
        )


def load_eigenframe(path: str | PathLike[str], space: str = "", block: str = "") -> Eigenframe:
    """Read and check an eigenframe.

    Parameters
    ----------
    path : path
        A file of `save_eigenframe`, or any .npz with `values` and `vectors`.
    space : str
        Space that it must be of; '' takes any.
    block : str
        A block of the latent whose own frame the file holds, as 'class'; its
        vectors are 0 elsewhere. '' takes the whole frame.

    Raises
    ------
    InputError
        Missing, no .npz, arrays missing, of wrong shape, not finite or not
        orthonormal, or of another space.
    """
    path = Path(path)
    hint = "give an .npz with values [direction], falling, and vectors [latent, direction]"
    if not path.is_file():
        raise InputError("the eigenframe does not exist", path, "correct encoding.eigenframes")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"not a readable .npz file: {error}", path, hint) from error
    prefix = f"{block}_" if block else ""
    missing = [name for name in (f"{prefix}values", f"{prefix}vectors") if name not in arrays]
    if missing:
        raise InputError(f"the eigenframe lacks {', '.join(missing)}", path, hint)
    frame = Eigenframe(
        str(arrays.get("space", space)),
        np.asarray(arrays[f"{prefix}values"], dtype=np.float64),
        np.asarray(arrays[f"{prefix}vectors"], dtype=np.float64),
        json.loads(str(arrays["provenance"])) if "provenance" in arrays else {},
    )
    _check(frame, path, space, hint)
    return frame


def _check(frame: Eigenframe, path: Path, space: str, hint: str) -> None:
    if space and frame.space and frame.space != space:
        raise InputError(f"the eigenframe is of space '{frame.space}', not '{space}'", path)
    values, vectors = frame.values, frame.vectors
    if vectors.ndim != 2 or values.shape != vectors.shape[1:] or vectors.shape[1] > vectors.shape[0]:
        shapes = f"values {list(values.shape)} and vectors {list(vectors.shape)}"
        raise InputError(f"the eigenframe has {shapes}", path, hint)
    if not (np.isfinite(values).all() and np.isfinite(vectors).all()):
        raise InputError("the eigenframe holds NaN or infinity", path, hint)
    if np.abs(vectors.T @ vectors - np.eye(len(values))).max() > ORTHONORMAL:
        raise InputError("the eigenvectors are not orthonormal", path, hint)
    if (np.diff(values) > 1e-9 * np.abs(values).max()).any():
        raise InputError("the eigenvalues do not fall", path, hint)
