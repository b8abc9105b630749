"""Products of an image distance's Hessian with vectors, and its leading eigenvectors from them.

docs/methods.md section 7: for latents too many for the whole Hessian, as the
4,096 of DeePSim.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import cholesky, eigh, solve_triangular
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh
from torch import Tensor

from evoalign.errors import InputError
from evoalign.spaces.interface import Space, check_latents

Floats = NDArray[np.float64]
Metric = Callable[[Tensor, Tensor], Tensor]
Pairs = tuple[Floats, Floats]

PRODUCTS_A_DIRECTION = 3  # products that a leading direction takes, by either method
RESTARTS = 20  # of Lanczos, where a spectrum is so flat that the first sweep does not settle it
ZERO = 1e-6  # a gradient up to this is none: the distance is smallest at equal images


class HessianProducts:
    """The Hessian at one latent, or a block of it, as an operator that knows products alone.

    H = J' M J (`hessian.mean_hessian`): a product is a derivative of the
    images along the vector, one of the distance's gradient along these, and
    one back to the latent. The graphs of all three are kept.

    Parameters
    ----------
    space : Space
    latent : torch.Tensor [latent]
    metric : callable
        As in `hessian.mean_hessian`.
    block : (int, int), optional
        First latent, and the one after the last: the others are held.

    Attributes
    ----------
    n_products : int
        Products so far.

    Raises
    ------
    InputError
        The latent does not fit the space, or the distance is not smooth, or
        not smallest, at equal images.
    """

    def __init__(
        self, space: Space, latent: Tensor, metric: Metric, block: tuple[int, int] | None = None
    ) -> None:
        z = check_latents(latent[None], space).detach().double().clone().requires_grad_(True)
        self.block = block or (0, space.latent_dim)
        self.n_products = 0
        self._z = z
        self._images = space.render(z)
        self._v = torch.zeros_like(self._images, requires_grad=True)
        (self._pulled_back,) = torch.autograd.grad(self._images, z, self._v, create_graph=True)
        self._moved = self._images.detach().clone().requires_grad_(True)
        self._gradient = distance_gradient(metric, self._images.detach(), self._moved)

    @property
    def dim(self) -> int:
        """Latents of the block."""
        return self.block[1] - self.block[0]

    def __call__(self, vector: Floats) -> Floats:
        """Product with a vector, float64 ``[dim]``."""
        self.n_products += 1
        direction = torch.zeros_like(self._z)
        direction[0, slice(*self.block)] = torch.from_numpy(np.array(vector, dtype=np.float64)).to(direction)
        keep = {"retain_graph": True}
        (tangent,) = torch.autograd.grad(self._pulled_back, self._v, direction, **keep)
        (curved,) = torch.autograd.grad(self._gradient, self._moved, tangent, **keep)
        (product,) = torch.autograd.grad(self._images, self._z, curved, **keep)
        return product[0, slice(*self.block)].double().cpu().numpy()


def distance_gradient(metric: Metric, images: Tensor, moved: Tensor) -> Tensor:
    """Gradient by `moved` of the distance of images to themselves, ready to be differentiated again.

    Raises
    ------
    InputError
        It is not finite, as that of a root; or not zero.
    """
    (gradient,) = torch.autograd.grad(metric(images, moved).sum(), moved, create_graph=True)
    largest = float(gradient.detach().abs().max())
    if not np.isfinite(largest):
        raise InputError(
            "the image distance has no derivative at equal images",
            "metric of the eigenframe",
            "square it: a root of squared differences is not smooth at zero",
        )
    if largest > ZERO:
        raise InputError(
            f"the image distance is not smallest at equal images: its gradient is {largest:.2g}",
            "metric of the eigenframe",
        )
    if not gradient.requires_grad:
        raise InputError(
            "the image distance has no second derivative at equal images",
            "metric of the eigenframe",
            "square it: absolute differences have a corner at zero",
        )
    return gradient


def lanczos(products: HessianProducts, k: int, seed: int = 0) -> Pairs:
    """The `k` largest eigenvalues, falling, and their eigenvectors, by ARPACK's Lanczos.

    A basis of three vectors a direction: where the spectrum falls as that of
    image generators does, the first sweep settles all, with at most ``3 k``
    products; a flat one takes restarts, each of fewer.

    Parameters
    ----------
    products : HessianProducts
    k : int
        Fewer than the latents.
    seed : int
        Of the vector to start from.

    Returns
    -------
    values : numpy.ndarray, float64 [k]
    vectors : numpy.ndarray, float64 [latent of the block, k]

    Raises
    ------
    InputError
        Not settled after some restarts.
    """
    n = products.dim
    # Two products go to the vector to start from: ours here, and one of ARPACK's.
    n_basis = min(max(PRODUCTS_A_DIRECTION * k - 2, k + 2), n)
    start = np.random.default_rng(seed).standard_normal(n)
    if not products(start).any():
        raise flat_hessian()
    operator = LinearOperator((n, n), matvec=products, dtype=np.float64)
    try:
        values, vectors = eigsh(operator, k, which="LA", v0=start, ncv=n_basis, maxiter=RESTARTS, tol=1e-8)
    except ArpackNoConvergence as error:
        raise InputError(
            f"of {k} leading directions of the Hessian {len(error.eigenvalues)} were settled in "
            f"{products.n_products} products",
            "eigenframe",
            "ask for fewer directions, or take the method 'randomized'",
        ) from error
    return values[::-1].copy(), vectors[:, ::-1].copy()


def flat_hessian() -> InputError:
    """The error of a Hessian that is 0."""
    return InputError(
        "the Hessian is 0: the images do not depend on these latents, or the image distance has no "
        "second derivative at equal images",
        "eigenframe",
        "take a distance of squared differences, as 'pixel' or 'lpips'",
    )


def sketch_vectors(n: int, k: int, seed: int = 0) -> Floats:
    """Orthonormal random vectors for `sketch`, ``[latent, 3 k]``, the same for every latent."""
    drawn = np.random.default_rng(seed).standard_normal((n, min(PRODUCTS_A_DIRECTION * k, n)))
    return np.linalg.qr(drawn)[0]


def sketch(products: HessianProducts, vectors: Floats) -> Floats:
    """Products with given vectors, ``[latent, vector]``: they add up over latents, so their mean is exact."""
    return np.stack([products(vector) for vector in vectors.T], axis=1)


def from_sketch(sketched: Floats, vectors: Floats, k: int) -> Pairs:
    """The `k` leading eigenpairs of a matrix from its products with random vectors.

    Nystroem's approximation with a shift, in one pass (Tropp, Yurtsever, Udell
    & Cevher 2017, algorithm 3).

    Parameters
    ----------
    sketched, vectors : numpy.ndarray [latent, vector]
        The products, and what they are products with.
    k : int
    """
    shift = np.sqrt(sketched.shape[0]) * np.finfo(np.float64).eps * np.linalg.norm(sketched, 2)
    moved = sketched + shift * vectors
    inner = vectors.T @ moved
    root = cholesky((inner + inner.T) / 2)
    left, singular, _ = np.linalg.svd(solve_triangular(root, moved.T, trans="T").T, full_matrices=False)
    return np.maximum(singular[:k] ** 2 - shift, 0), left[:, :k]


def mean_of_leading(parts: list[Pairs], k: int) -> Pairs:
    """Leading eigenpairs of the mean of matrices that are known by their leading eigenpairs.

    What each leaves out moves no eigenvalue of the mean by more than the mean
    of their smallest kept ones (Weyl's inequality).

    Parameters
    ----------
    parts : list of (values [direction], vectors [latent, direction])
    k : int
    """
    roots = [vectors * np.sqrt(np.maximum(values, 0) / len(parts)) for values, vectors in parts]
    stacked = np.concatenate(roots, axis=1)
    n, m = stacked.shape
    if m <= n:
        values, right = eigh(stacked.T @ stacked, subset_by_index=(m - min(k, m), m - 1))
        vectors = stacked @ right
        return values[::-1], np.linalg.qr(vectors[:, ::-1])[0]
    values, vectors = eigh(stacked @ stacked.T, subset_by_index=(n - min(k, n), n - 1))
    return values[::-1], vectors[:, ::-1]
