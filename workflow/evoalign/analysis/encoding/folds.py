"""Which presentations are held out together: grouped by image, or by whole blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from evoalign.errors import InputError

Labels = NDArray[np.int64]
MIN_FOLDS = 3  # nested cross-validation needs an outer fold and two inner ones


@dataclass(frozen=True)
class Folds:
    """A partition of presentations for nested cross-validation.

    The outer fold i holds out its own presentations; inside its training
    part, each other fold is held out once to choose alpha. So a model that is
    trained without folds i and j serves the inner fold j of i and i of j.

    Attributes
    ----------
    label : numpy.ndarray, int64 [presentation]
        Fold from 0; every fold has presentations.
    """

    label: Labels

    @property
    def n_folds(self) -> int:
        """Number of folds."""
        return int(self.label.max()) + 1

    def split(self) -> list[tuple[Labels, Labels]]:
        """Training and held-out rows of each outer fold, as scikit-learn's `cv` takes them."""
        return [
            (np.flatnonzero(self.label != fold), np.flatnonzero(self.label == fold))
            for fold in range(self.n_folds)
        ]

    def inner(self, outer: int) -> list[tuple[Labels, Labels]]:
        """Inner splits of one outer fold, as rows of its training part in their order."""
        inner_labels = self.label[self.label != outer]
        return [
            (np.flatnonzero(inner_labels != fold), np.flatnonzero(inner_labels == fold))
            for fold in range(self.n_folds)
            if fold != outer
        ]


def image_folds(images: ArrayLike, blocks: ArrayLike, n_folds: int, generator: np.random.Generator) -> Folds:
    """Folds in which all presentations of an image stay together.

    Parameters
    ----------
    images : array_like [presentation]
        Image names; a name stands for one image.
    blocks : array_like of int [presentation]
        Images of a block are dealt evenly over the folds.
    n_folds : int
    generator : numpy.random.Generator
        Deals the images.

    Raises
    ------
    InputError
        Fewer images than folds.
    """
    _, first, image = np.unique(np.asarray(images, dtype=str), return_index=True, return_inverse=True)
    block = np.asarray(blocks)[first]
    hint = f"each thread needs {MIN_FOLDS} images or more with latents to be encoded"
    return Folds(_deal(block, n_folds, generator, "images", hint)[image])


def block_folds(images: ArrayLike, blocks: ArrayLike, n_folds: int, generator: np.random.Generator) -> Folds:
    """Folds of whole blocks, since latents drift with blocks.

    Blocks that share an image stay together, so that no image is both in
    training and held out.

    Parameters and errors as for `image_folds`.
    """
    names, image = np.unique(np.asarray(images, dtype=str), return_inverse=True)
    numbers, block = np.unique(np.asarray(blocks), return_inverse=True)
    n = len(names) + len(numbers)
    image_in_block = coo_array((np.ones(len(image)), (image, len(names) + block)), shape=(n, n))
    _, component = connected_components(image_in_block, directed=False)
    _, together = np.unique(component[len(names) :], return_inverse=True)
    dealt = _deal(
        np.zeros(together.max() + 1, dtype=np.int64),
        n_folds,
        generator,
        "blocks without shared images",
        "drop 'block' from encoding.schemes and encoding.permuted_schemes",
    )
    return Folds(dealt[together][block])


def _deal(stratum: NDArray, n_folds: int, generator: np.random.Generator, what: str, hint: str) -> Labels:
    """Deal items over folds in turn, by strata, at random within a stratum."""
    n = len(stratum)
    if n < n_folds:
        fewer = f"set it to at most {n}, or " if n >= MIN_FOLDS else ""
        raise InputError(f"{n} {what} cannot make {n_folds} folds", "encoding.n_folds", fewer + hint)
    order = np.lexsort((generator.random(n), stratum))
    label = np.empty(n, dtype=np.int64)
    label[order] = np.arange(n) % n_folds
    return label


def check_folds(labels: Sequence[int] | NDArray, n: int) -> Folds:
    """Return folds from labels that a user gives.

    Raises
    ------
    InputError
        Wrong length, fewer than three folds, or a number left out.
    """
    label = np.asarray(labels)
    fold_numbers = np.unique(label)
    if label.shape != (n,):
        raise InputError(f"{label.size} fold labels for {n} presentations")
    if len(fold_numbers) < MIN_FOLDS or not np.array_equal(fold_numbers, np.arange(len(fold_numbers))):
        raise InputError(
            f"fold labels {fold_numbers.tolist()[:10]} are not 0, 1, .. with at least three folds",
            hint="nested cross-validation needs an outer fold and two inner ones",
        )
    return Folds(label.astype(np.int64))
