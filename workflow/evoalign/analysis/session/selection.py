"""What the choice of the best block does to its t-test: a null distribution that chooses, too."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evoalign.analysis.session.success import peak_pair

Floats = NDArray[np.float64]


def selection_corrected_p(
    shown: NDArray[np.int64], t: dict[str, float], n_draws: int, generator: np.random.Generator
) -> dict[str, float]:
    """Correct p of ``maxinit`` and ``maxend`` for the choice of b* (beyond docs/methods.md section 3).

    The t-tests of docs/methods.md section 3 compare the best of many blocks as if it
    had been named beforehand: without any rise, t is above the 1 % point in
    several per cent of experiments. Here evolutions without a rise are drawn,
    normal responses of equal mean with the experiment's numbers of images,
    and each gets its own best block and its t.

    Parameters
    ----------
    shown : numpy.ndarray, int64 [block]
        Generated images of the thread.
    t : dict of 'maxinit' and 'maxend' to float
        Observed statistics.
    n_draws : int
    generator : numpy.random.Generator

    Returns
    -------
    dict of str to float
        Share of draws, the experiment among them, whose t is at least as
        large: one-sided. NaN where t is NaN.
    """
    if len(shown) < 4 or min(shown) < 1:
        return dict.fromkeys(t, float("nan"))
    means = generator.standard_normal((n_draws, len(shown))) / np.sqrt(shown)
    starts = np.array([peak_pair(best, len(shown))[0] for best in range(len(shown))])[means.argmax(1)]
    squares = _squares(shown, starts, n_draws, generator)
    peak = _pair(means, squares, shown, starts)
    first_of_stage = {"maxinit": 0, "maxend": len(shown) - 2}
    p_values = {}
    for name, value in t.items():
        null = _t(peak, _pair(means, squares, shown, np.full(n_draws, first_of_stage[name])))
        above = 1 + int((null >= value).sum())
        p_values[name] = above / (1 + n_draws) if np.isfinite(value) else float("nan")
    return p_values


def _squares(
    shown: NDArray[np.int64], starts: NDArray[np.int64], n_draws: int, generator: np.random.Generator
) -> Floats:
    """Squares about the mean [draw, block] of the first two, last two and chosen two blocks; else NaN.

    Other blocks have a mean, for any may be the best, but no test asks for
    their squares: drawing these, too, takes six times as long.
    """
    squares = np.full((n_draws, len(shown)), np.nan)
    degrees = shown - 1.0 + 1e-12  # no draws for 0 degrees of freedom
    ends = [0, 1, len(shown) - 2, len(shown) - 1]
    squares[:, ends] = generator.chisquare(degrees[ends], (n_draws, len(ends)))
    for chosen in (starts, starts + 1):
        draw = np.flatnonzero(~np.isin(chosen, ends))
        squares[draw, chosen[draw]] = generator.chisquare(degrees[chosen[draw]])
    return squares


def _pair(
    means: Floats, squares: Floats, shown: NDArray[np.int64], start: NDArray[np.int64]
) -> tuple[Floats, Floats, Floats]:
    """Count, mean and squares of blocks `start` and the one after, in each draw."""
    row = np.arange(len(means))
    n, m = shown[start].astype(np.float64), shown[start + 1].astype(np.float64)
    first, second = means[row, start], means[row, start + 1]
    between = n * m / (n + m) * (first - second) ** 2
    within = squares[row, start] + squares[row, start + 1]
    return n + m, (n * first + m * second) / (n + m), within + between


def _t(first: tuple[Floats, Floats, Floats], second: tuple[Floats, Floats, Floats]) -> Floats:
    n, mean, squares = (np.stack(parts) for parts in zip(first, second, strict=True))
    error = np.sqrt(squares.sum(0) / (n.sum(0) - 2) * (1 / n).sum(0))
    # The peak may be one of the two blocks that it is compared with: no difference, t = 0.
    return np.divide(mean[0] - mean[1], error, out=np.zeros(len(error)), where=error > 0)
