"""Predictors of the ridge: latents, or their projections on few directions, and their kernels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from evoalign.errors import InputError


class Rotated:
    """Latents in the coordinates of an orthonormal basis, and kernels of any run of coordinates.

    The latents are rotated once. The linear kernel of the top k directions is
    a cumulative sum over slabs of coordinates, so the kernels of k = 128, 256
    and 512, and those of the rest, come from each other by updates.

    Parameters
    ----------
    latents : torch.Tensor, float64 [presentation, latent]
    basis : torch.Tensor, float64 [latent, direction]
        Orthonormal columns; Hessian eigenvectors by falling eigenvalue.

    Raises
    ------
    InputError
        The basis is of another dimension than the latents, or not orthonormal.
    """

    def __init__(self, latents: Tensor, basis: Tensor) -> None:
        if basis.shape[0] != latents.shape[1]:
            raise InputError(
                f"the basis is of dimension {basis.shape[0]}, the latents of {latents.shape[1]}",
                hint="give the eigenframe of the space that made the images",
            )
        eye = torch.eye(basis.shape[1], dtype=basis.dtype, device=basis.device)
        if not torch.allclose(basis.T @ basis, eye, atol=1e-6):
            raise InputError(
                "the basis is not orthonormal", hint="give eigenvectors as columns of unit length"
            )
        self.coordinates = latents @ basis
        self._kernels: dict[int, Tensor] = {0: latents.new_zeros(len(latents), len(latents))}

    def top(self, k: int) -> Tensor:
        """Coordinates on the first k directions, [presentation, k]."""
        return self.coordinates[:, :k]

    def bottom(self, k: int) -> Tensor:
        """Coordinates on the last k directions, [presentation, k]."""
        return self.coordinates[:, self.coordinates.shape[1] - k :]

    def top_kernel(self, k: int) -> Tensor:
        """Linear kernel of `top(k)`, [presentation, presentation]: the nearest known one plus a slab."""
        if k not in self._kernels:
            near = max(n_done for n_done in self._kernels if n_done < k)
            slab = self.coordinates[:, near:k]
            self._kernels[k] = self._kernels[near] + slab @ slab.T
        return self._kernels[k]


def random_basis(dim: int, k: int, generator: np.random.Generator) -> Tensor:
    """K orthonormal directions, uniform over the sphere: the control for `Rotated.top`.

    Returns
    -------
    torch.Tensor, float64 [dim, k]
    """
    q, r = np.linalg.qr(generator.standard_normal((dim, k)))
    return torch.from_numpy(q * np.sign(np.diag(r)))


def features_of(kernel: Tensor, tolerance: float = 1e-12) -> Tensor:
    """Coordinates whose linear kernel is `kernel`: one eigendecomposition.

    With more latents than presentations this shortens the predictors without
    changing any prediction.

    Parameters
    ----------
    kernel : torch.Tensor, float64 [n, n]
        Symmetric, not negative.
    tolerance : float
        Eigenvalues below this share of the largest are rounding and left out.

    Returns
    -------
    torch.Tensor, float64 [n, rank]
    """
    values, vectors = torch.linalg.eigh(kernel)
    keep = values > tolerance * values[-1].clamp(min=torch.finfo(kernel.dtype).tiny)
    return vectors[:, keep] * values[keep].sqrt()


def check_features(features: Tensor | Sequence, n: int | None = None) -> Tensor:
    """Return predictors as finite float64 [presentation, feature].

    Raises
    ------
    InputError
        Wrong shape, or NaN or infinity in a row.
    """
    x = torch.as_tensor(features, dtype=torch.float64)
    if x.ndim != 2 or (n is not None and len(x) != n):
        expected_shape = f"[{n}, feature]" if n is not None else "[presentation, feature]"
        raise InputError(f"predictors have shape {list(x.shape)}, expected {expected_shape}")
    not_finite = (~torch.isfinite(x)).any(1).nonzero().flatten()
    if len(not_finite):
        raise InputError("predictors hold NaN or infinity", f"row {int(not_finite[0])} of the predictors")
    return x
