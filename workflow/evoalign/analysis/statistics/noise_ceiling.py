"""How much of a single presentation's response any model of the image could explain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ceiling:
    """Noise ceilings with their intervals; arrays of one shape [..., window].

    Attributes
    ----------
    value : numpy.ndarray, float64
        Share of single-presentation variance, from 0; NaN without variance.
    low, high : numpy.ndarray, float64
        Interval; not below 0.
    source : str
        'repeats' of images or alternate 'bins' of 1 ms.
    """

    value: Floats
    low: Floats
    high: Floats
    source: str

    def usable(self, floor: float) -> NDArray[np.bool_]:
        """Where R2 may be divided by the ceiling: its interval is away from 0, and it is above `floor`."""
        with np.errstate(invalid="ignore"):
            return np.asarray((self.low > 0) & (self.value >= floor))


def pooled(values: Floats, run: int) -> Floats:
    """Sums over a window and its neighbours, together `run` of them; fewer at the ends.

    Parameters
    ----------
    values : numpy.ndarray, float64 [..., window]
    run : int
        Rounded down to an odd number.
    """
    n = values.shape[-1]
    reach = min((run - 1) // 2, n - 1)
    total = np.zeros_like(values)
    for shift in range(-reach, reach + 1):
        first, last = max(0, shift), min(n, n + shift)
        total[..., first - shift : last - shift] += values[..., first:last]
    return total


def from_repeats(responses: Floats, images: ArrayLike, run: int, level: float) -> tuple[Ceiling, int]:
    """Single-presentation reliability from repeated images.

    The intraclass correlation of a one-way analysis of variance, images as
    random effects, with its interval by F (Shrout and Fleiss 1979, ICC(1,1)).
    Mean squares are pooled over neighbouring windows, whose noise is not
    taken for independent: the interval has the freedom of one window.

    Parameters
    ----------
    responses : numpy.ndarray, float64 [..., window, presentation]
    images : array_like [presentation]
        Names; images shown once are left out.
    run : int
        Windows that are pooled.
    level : float
        Mass of the interval.

    Returns
    -------
    ceiling : Ceiling
        NaN with fewer than three repeated images or without variance.
    n_images : int
        Repeated images.
    """
    _, image = np.unique(np.asarray(images, dtype=str), return_inverse=True)
    repeated = np.flatnonzero(np.bincount(image)[image] > 1)
    _, image, count = np.unique(image[repeated], return_inverse=True, return_counts=True)
    k, n = len(count), len(repeated)
    shape = responses.shape[:-1]
    if k < 3:
        nothing = np.full(shape, np.nan)
        return Ceiling(nothing, nothing, nothing, "repeats"), k
    y = responses[..., repeated]
    member = (image[:, None] == np.arange(k)) / count  # [presentation, image]
    means = y @ member
    centre = y.mean(-1, keepdims=True)
    between = pooled((count * (means - centre) ** 2).sum(-1), run) / (k - 1)
    inside = pooled(((y - means[..., image]) ** 2).sum(-1), run) / (n - k)
    size = (n - (count**2).sum() / n) / (k - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = between / inside
    tail = (1 - level) / 2
    ends = (
        ratio / special.fdtri(k - 1, n - k, 1 - tail),
        ratio,
        ratio * special.fdtri(n - k, k - 1, 1 - tail),
    )
    low, value, high = (np.maximum(_intraclass(f, size), 0) for f in ends)
    return Ceiling(value, low, high, "repeats"), k


def _intraclass(ratio: Floats, size: float) -> Floats:
    """Intraclass correlation of a ratio of mean squares; 1 where nothing varies inside."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(ratio), 1.0, (ratio - 1) / (ratio + size - 1))


def from_alternate_ms(even: Floats, odd: Floats, run: int, level: float) -> Ceiling:
    """Single-presentation reliability from the two halves of a window's milliseconds.

    Generated images are shown once. Counts in alternate milliseconds of one
    presentation share its rate and, as far as spiking is Poisson, nothing
    else; Spearman and Brown's formula brings their correlation to the whole
    window: r1 = 2 r / (1 + r). What fluctuates from presentation to
    presentation without the image (arousal, drift) counts as explainable
    here, so this is an upper bound; refractoriness lowers it. The interval is
    Fisher's of the correlation.

    Parameters
    ----------
    even, odd : numpy.ndarray, float64 [..., window, presentation]
        Counts in the window's even and odd milliseconds.
    run : int
        Windows whose covariances and variances are pooled.
    level : float
        Mass of the interval.
    """
    a, b = even - even.mean(-1, keepdims=True), odd - odd.mean(-1, keepdims=True)
    together, first, second = (pooled(part.sum(-1), run) for part in (a * b, a * a, b * b))
    with np.errstate(divide="ignore", invalid="ignore"):
        r = together / np.sqrt(first * second)
    error = special.ndtri((1 + level) / 2) / np.sqrt(max(even.shape[-1] - 3, 1))
    z = np.arctanh(np.clip(r, -1 + 1e-15, 1 - 1e-15))
    low, value, high = (_both_halves(part) for part in (np.tanh(z - error), r, np.tanh(z + error)))
    return Ceiling(value, low, high, "bins")


def _both_halves(r: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(r <= 0, 0.0, 2 * r / (1 + r)) + 0 * r
