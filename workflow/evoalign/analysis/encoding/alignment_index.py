"""Which of two spaces explains more, window by window, and when the object space takes over."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

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


def crossover_ms(index: ArrayLike, starts_ms: ArrayLike, bins: int = 3) -> Floats:
    """Start of the first window from which the index stays positive for some windows.

    Parameters
    ----------
    index : array_like [..., window]
        NaN, an undefined index, ends a run.
    starts_ms : array_like [window]
    bins : int
        Length of the run.

    Returns
    -------
    numpy.ndarray, float64 [...]
        NaN where there is no such run.
    """
    values = np.asarray(index, dtype=np.float64)
    starts = np.asarray(starts_ms, dtype=np.float64)
    if values.shape[-1] < bins:
        return np.full(values.shape[:-1], np.nan)
    positive = np.nan_to_num(values, nan=-1.0) > 0
    runs = np.lib.stride_tricks.sliding_window_view(positive, bins, axis=-1).all(-1)
    return np.where(runs.any(-1), starts[runs.argmax(-1)], np.nan)


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
