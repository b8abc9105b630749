"""Which of two spaces explains more, window by window, and when the object space takes over."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from evoalign.analysis.statistics import run_starts

Floats = NDArray[np.float64]


def alignment_index(texture: ArrayLike, object_: ArrayLike) -> Floats:
    """(object - texture) / (|object| + |texture|) of normalised R2 (METHODS section 6).

    Parameters
    ----------
    texture, object_ : array_like
        Normalised held-out R2, of one shape.

    Returns
    -------
    numpy.ndarray, float64
        -1 to 1; NaN where either is NaN or both are 0.
    """
    t, o = np.asarray(texture, dtype=np.float64), np.asarray(object_, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (o - t) / (np.abs(o) + np.abs(t))


def crossover_ms(
    index: ArrayLike, starts_ms: ArrayLike, bins: int = 3, evidence: ArrayLike | None = None
) -> Floats:
    """Start of the first window from which the index stays positive for some windows.

    Where neither space explains anything the index is a coin's toss between
    -1 and 1, and three heads in a row come soon. So a stretch of positive
    windows counts only with evidence that the object space explains the unit
    over some run of windows in it.

    Parameters
    ----------
    index : array_like [..., window]
        NaN ends a stretch.
    starts_ms : array_like [window]
    bins : int
        Shortest stretch, and length of a run.
    evidence : array_like of bool [..., window], optional
        Whether the run that starts in a window counts; all do when not given.

    Returns
    -------
    numpy.ndarray, float64 [...]
        NaN where there is no such stretch.
    """
    values = np.asarray(index, dtype=np.float64)
    starts = np.asarray(starts_ms, dtype=np.float64)
    n = values.shape[-1]
    if n == 0:
        return np.full(values.shape[:-1], np.nan)
    positive = np.nan_to_num(values, nan=-1.0) > 0
    good = run_starts(positive, bins)
    if evidence is not None:
        good &= np.asarray(evidence, dtype=bool)
    # A positive window before a run that counts belongs to its stretch.
    for window in range(n - 2, -1, -1):
        good[..., window] |= positive[..., window] & good[..., window + 1]
    return np.where(good.any(-1), starts[good.argmax(-1)], np.nan)


def run_means(values: ArrayLike, bins: int) -> Floats:
    """Mean over the run of windows that starts in each window; NaN where none fits.

    Parameters
    ----------
    values : array_like [..., window]

    Returns
    -------
    numpy.ndarray, float64 [..., window]
    """
    values = np.asarray(values, dtype=np.float64)
    found = np.full(values.shape, np.nan)
    if values.shape[-1] >= bins:
        runs = np.lib.stride_tricks.sliding_window_view(values, bins, axis=-1)
        found[..., : runs.shape[-2]] = runs.mean(-1)
    return found


def image_draws(images: ArrayLike, n_draws: int, generator: np.random.Generator) -> torch.Tensor:
    """How often each presentation counts in draws of images with replacement.

    Returns
    -------
    torch.Tensor, float64 [draw, presentation]
    """
    names, image = np.unique(np.asarray(images, dtype=str), return_inverse=True)
    n = len(names)
    weights = generator.multinomial(n, np.full(n, 1 / n), size=n_draws)
    return torch.from_numpy(weights[:, image].astype(np.float64))


def r2_draws(targets: torch.Tensor, predicted: torch.Tensor, weights: torch.Tensor) -> Floats:
    """Held-out R2 in each bootstrap draw.

    The models are not fitted anew: the interval speaks of the images that
    were held out, as that of an evaluation on a test set does.

    Parameters
    ----------
    targets, predicted : torch.Tensor, float64 [target, presentation]
    weights : torch.Tensor, float64 [draw, presentation]
        Of `image_draws`.

    Returns
    -------
    numpy.ndarray, float64 [draw, target]
    """
    centred = targets - targets.mean(1, keepdim=True)
    count = weights.sum(1, keepdim=True)
    spread = weights @ centred.square().T - (weights @ centred.T).square() / count
    error = weights @ (targets - predicted).square().T
    return (1 - error / torch.where(spread > 0, spread, torch.nan)).cpu().numpy()
