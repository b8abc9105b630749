"""How much of a single presentation's response any model of the image could explain."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def from_repeats(
    responses: Floats, images: ArrayLike, n_splits: int, generator: np.random.Generator
) -> tuple[Floats, int]:
    """Single-presentation reliability from split halves of repeated images.

    The presentations of each image are split at random into halves; the
    correlation over images of the halves' means is the reliability of a mean
    of h presentations, and Spearman and Brown's formula brings it to one:
    r1 = r / (h - (h - 1) r).

    Parameters
    ----------
    responses : numpy.ndarray, float64 [target, presentation]
    images : array_like [presentation]
        Names; images shown once are left out.
    n_splits : int
        Random halves that are averaged.
    generator : numpy.random.Generator

    Returns
    -------
    ceiling : numpy.ndarray, float64 [target]
        Share of variance, 0 to 1; NaN with fewer than three repeated images
        or without variance.
    n_images : int
        Repeated images.
    """
    names, image = np.unique(np.asarray(images, dtype=str), return_inverse=True)
    count = np.bincount(image, minlength=len(names))
    repeated = np.flatnonzero(count > 1)
    if len(repeated) < 3:
        return np.full(len(responses), np.nan), len(repeated)
    half = count[repeated] // 2
    total = np.zeros(len(responses))
    for _ in range(n_splits):
        first, second = _half_weights(image, repeated, half, generator)
        total += _correlation(responses @ first, responses @ second)
    r = total / n_splits
    h = 1 / np.mean(1 / half)
    return np.clip(r / (h - (h - 1) * r), 0, 1), len(repeated)


def _half_weights(
    image: NDArray, repeated: NDArray, half: NDArray, generator: np.random.Generator
) -> tuple[Floats, Floats]:
    """Matrices [presentation, image] that average the first and the second half of each image."""
    first, second = np.zeros((2, len(image), len(repeated)))
    for column, (name, h) in enumerate(zip(repeated, half, strict=True)):
        rows = generator.permutation(np.flatnonzero(image == name))
        first[rows[:h], column] = 1 / h
        second[rows[h : 2 * h], column] = 1 / h
    return first, second


def from_alternate_ms(even: Floats, odd: Floats) -> Floats:
    """Single-presentation reliability from the two halves of a window's milliseconds.

    Generated images are shown once. Counts in alternate milliseconds of one
    presentation share its rate and, as far as spiking is Poisson, nothing
    else; Spearman and Brown's formula brings their correlation to the whole
    window: r1 = 2 r / (1 + r). What fluctuates from presentation to
    presentation without the image (arousal, drift) counts as explainable
    here, so this is an upper bound; refractoriness lowers it.

    Parameters
    ----------
    even, odd : numpy.ndarray, float64 [target, presentation]
        Counts in the window's even and odd milliseconds.

    Returns
    -------
    numpy.ndarray, float64 [target]
        0 to 1; NaN without variance in a half.
    """
    r = _correlation(even, odd)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(r <= 0, 0.0, 2 * r / (1 + r)) + 0 * r


def _correlation(a: Floats, b: Floats) -> Floats:
    a, b = a - a.mean(-1, keepdims=True), b - b.mean(-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (a * b).sum(-1) / np.sqrt((a**2).sum(-1) * (b**2).sum(-1))
