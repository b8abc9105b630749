"""Success relative to the references of each block, which a drift of gain cannot make.

Defined in docs/methods.md section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evoalign.analysis.session.success import peak_pair

Floats = NDArray[np.float64]
MIN_REFERENCES = 2  # a block
STEPS = 50  # of the fit of blocks and images: it converges in a few


@dataclass(frozen=True)
class Levels:
    """What each block showed, of generated images or of references.

    Attributes
    ----------
    log : numpy.ndarray, float64 [block]
        Logarithm of the mean rate.
    variance : numpy.ndarray, float64 [block]
        Squared standard error of it, the blocks' relative noise taken as equal.
    """

    log: Floats
    variance: Floats


@dataclass(frozen=True)
class Relative:
    """A success statistic relative to the references.

    Attributes
    ----------
    log_ratio : float
        First minus second group: log of generated over reference rate.
    t : float
        The same over its standard error.
    p : float
        One-sided: share of evolutions without a rise whose t is as large.
    """

    log_ratio: float
    t: float
    p: float


UNKNOWN = Relative(float("nan"), float("nan"), float("nan"))


def reference_levels(
    rates: Floats, block: NDArray[np.int64], images: NDArray, n_blocks: int
) -> Levels | None:
    """Level of the references in each block.

    Where every reference image is shown in at least half of the blocks, each
    has a strength of its own, so that neither their differences nor an image
    that a block lacks count as noise or drift: rate = level of the block x
    strength of the image, a quasi-Poisson model with log link (McCullagh and
    Nelder, Generalized Linear Models, 1989), whose normal equations are
    solved in turn. Else the images of a block are a sample of its own.

    Parameters
    ----------
    rates : numpy.ndarray, float64 [presentation]
        Evoked rates of references, of both threads: they share the unit's gain.
    block, images : numpy.ndarray [presentation]
        Block index, and name of the image.
    n_blocks : int

    Returns
    -------
    Levels or None
        None where a block has fewer than two references, or no response to them.
    """
    n_references = np.bincount(block, minlength=n_blocks)
    total = np.bincount(block, rates, minlength=n_blocks)
    if n_references.min() < MIN_REFERENCES or not (total > 0).all():
        return None
    names, image = np.unique(images, return_inverse=True)
    pairs = np.unique(np.stack([image, block]), axis=1)
    if np.bincount(pairs[0]).min() * 2 < n_blocks:
        image, names = np.zeros(len(image), dtype=np.int64), names[:1]
    by_image = np.bincount(image, rates, minlength=len(names))
    strength, level = np.ones(len(names)), total / n_references
    for _ in range(STEPS if len(names) > 1 else 1):
        strength = by_image / np.bincount(image, level[block], minlength=len(names))
        level = total / np.bincount(block, strength[image], minlength=n_blocks)
    expected = level[block] * strength[image]
    freedom = len(rates) - n_blocks - len(names) + 1
    has_level = expected > 0
    dispersion = ((rates - expected)[has_level] ** 2 / expected[has_level]).sum() / max(freedom, 1)
    return Levels(np.log(level), dispersion / total) if freedom > 0 else None


def generated_levels(n: Floats, mean: Floats, squares: Floats) -> Levels | None:
    """Level of a thread's generated images in each block; None where one has no response.

    Parameters
    ----------
    n, mean, squares : numpy.ndarray, float64 [block]
        Presentations, mean rate, and squares about it.
    """
    freedom = (n - 1).sum()
    if not (mean > 0).all() or not freedom > 0:
        return None
    return Levels(np.log(mean), float((squares / mean**2).sum() / freedom) / n)


def relative_success(
    generated: Levels | None,
    references: Levels | None,
    shown: Floats,
    n_draws: int,
    generator: np.random.Generator,
) -> dict[str, Relative]:
    """Compare blocks of a thread by the ratio of its generated images to the references beside them.

    A change of the unit's gain from block to block moves both alike and
    leaves their ratio. The best block b* is that of the largest ratio; p
    allows for its choice and for the noise of the references: evolutions of
    one ratio, with normal noise of the experiment's size in both, choose
    their own best blocks. Groups of blocks as in docs/methods.md section 3, weighted
    by their generated images.

    Parameters
    ----------
    generated, references : Levels or None
    shown : numpy.ndarray, float64 [block]
        Generated images.
    n_draws : int
    generator : numpy.random.Generator

    Returns
    -------
    dict of 'endinit', 'maxinit', 'maxend' to Relative
        NaN with fewer than four blocks, with fewer than two references in a
        block, or where a block has no response.
    """
    names = ("endinit", "maxinit", "maxend")
    n_blocks = len(shown)
    if generated is None or references is None or n_blocks < 4:
        return dict.fromkeys(names, UNKNOWN)
    variance = generated.variance + references.variance
    noise = generator.standard_normal((n_draws, n_blocks)) * np.sqrt(variance)
    ratio = np.vstack([generated.log - references.log, noise])
    best = ratio.argmax(1)
    peaks = np.array([peak_pair(block, n_blocks)[0] for block in range(n_blocks)])
    places = {"init": np.zeros_like(peaks), "end": np.full_like(peaks, n_blocks - 2), "max": peaks}
    # Of each block that may be the best, [block b*, block]: draws with one b* weigh blocks alike.
    weights = {stage: _weights(start, shown) for stage, start in places.items()}
    levels = {stage: _pair_level(ratio, start[best], shown) for stage, start in places.items()}
    by_window = {}
    for name, (first, second) in zip(names, (("end", "init"), ("max", "init"), ("max", "end")), strict=True):
        change = weights[first] - weights[second]
        difference = levels[first] - levels[second]
        error = np.sqrt((change**2 * variance).sum(1))[best]
        # The peak may be one of the two blocks that it is compared with: no difference, t = 0.
        t = np.divide(difference, error, out=np.zeros(len(error)), where=error > 0)
        by_window[name] = Relative(float(difference[0]), float(t[0]), float(np.mean(t >= t[0])))
    return by_window


def _weights(starts: NDArray[np.int64], shown: Floats) -> Floats:
    """Weight of each block in the pair that begins at `starts`, [start, block]."""
    weights = np.zeros((len(starts), len(shown)))
    row = np.arange(len(starts))
    pair = shown[starts] + shown[starts + 1]
    weights[row, starts], weights[row, starts + 1] = shown[starts] / pair, shown[starts + 1] / pair
    return weights


def _pair_level(ratio: Floats, start: NDArray[np.int64], shown: Floats) -> Floats:
    """Mean of the two blocks from `start` [draw] on, weighted by their images, of ratios [draw, block]."""
    row, first, second = np.arange(len(ratio)), shown[start], shown[start + 1]
    return (first * ratio[row, start] + second * ratio[row, start + 1]) / (first + second)
