"""Which of two spaces explains more of a unit, window by window, and when the object space takes over."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from evoalign.analysis.encoding.distribution import ShareDistribution
from evoalign.analysis.statistics.crossover import Bins, Crossover, leads_around, reason_against
from evoalign.analysis.statistics.leads import Lead, Leads, run_leads

Floats = NDArray[np.float64]

NOISE_LEVEL = 0.95  # share of units without any linear part whose two estimates differ by less than the floor
N_LEVELS = 200  # quantiles of a confidence distribution from which draws are taken


def alignment_index(texture: ArrayLike, object_: ArrayLike, floor: ArrayLike) -> Floats:
    """(object - texture) / (object + texture) of linear shares, never divided by less than noise gives.

    An estimate below 0 adds nothing to the divisor. Where both shares are next
    to nothing the index is a small difference over the floor: its mean over
    units is 0, as it would not be if the noisier estimate's negative values
    were cut off above, and it does not jump between -1 and 1
    (docs/methods.md section 6).

    Parameters
    ----------
    texture, object_ : array_like
        Linear shares, of one shape.
    floor : array_like
        Smallest divisor, as of `noise_floor`.

    Returns
    -------
    numpy.ndarray, float64
        -1 (texture alone) to 1 (object alone), 0 for equal shares; NaN where
        a share is NaN.
    """
    t, o = np.asarray(texture, dtype=np.float64), np.asarray(object_, dtype=np.float64)
    divisor = np.maximum(np.maximum(o, 0) + np.maximum(t, 0), floor)
    with np.errstate(divide="ignore", invalid="ignore"):
        index = np.clip((o - t) / divisor, -1, 1)
    return np.where((o == t) & np.isfinite(o), 0.0, index)


def noise_floor(texture_sd: ArrayLike, object_sd: ArrayLike) -> Floats:
    """What two estimates differ by at most in nineteen of twenty units without any linear part.

    Parameters
    ----------
    texture_sd, object_sd : array_like
        Standard deviations of the two estimates where both shares are 0.
    """
    spread = np.hypot(np.asarray(texture_sd, dtype=np.float64), np.asarray(object_sd, dtype=np.float64))
    return special.ndtri((1 + NOISE_LEVEL) / 2) * spread


def equal_share(texture: Floats, object_: Floats, texture_sd: float, object_sd: float) -> Floats:
    """The one share that both spaces would have, if they had the same: weighted by precision, from 0."""
    weight = object_sd**2 / (texture_sd**2 + object_sd**2)
    return np.clip(weight * texture + (1 - weight) * object_, 0, 1)


@dataclass(frozen=True)
class SpaceComparison:
    """Alignment of units [unit, window]; see `compare`.

    Attributes
    ----------
    index, low, high : numpy.ndarray, float64 [unit, window]
        Alignment index and its interval.
    equal, equal_low, equal_high : numpy.ndarray, float64 [unit, window]
        Mean and interval of the index that equal shares would give with these
        latents and presentations.
    floor : float
        Smallest divisor of the index.
    leads : list of Leads
        Of each unit: runs of windows in which a space is significantly ahead.
    draws : numpy.ndarray, float64 [draw, unit, window]
        Object less texture share, from the two confidence distributions.
    """

    index: Floats
    low: Floats
    high: Floats
    equal: Floats
    equal_low: Floats
    equal_high: Floats
    floor: float
    leads: list[Leads]
    draws: Floats


def compare(
    texture: Floats,
    object_: Floats,
    distributions: tuple[ShareDistribution, ShareDistribution],
    correlation: Floats,
    run: int,
    alpha: float,
    level: float,
    n_draws: int,
    generator: np.random.Generator,
) -> SpaceComparison:
    """Compare the shares of two spaces, with everything that is made of estimates drawn anew.

    Parameters
    ----------
    texture, object_ : numpy.ndarray, float64 [unit, window]
        Estimates of `linear_share`.
    distributions : tuple of ShareDistribution
        Of the texture and the object space.
    correlation : numpy.ndarray, float64 [unit, window, window]
        Correlation between windows of the estimates' noise.
    run : int
        Fewest windows of a run, over which a lead is tested.
    alpha : float
        Level of the test of a lead.
    level : float
        Mass of the intervals.
    n_draws : int
    generator : numpy.random.Generator
    """
    sds = [float(d.sd(0.0)) for d in distributions]
    floor = float(noise_floor(*sds))
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high, equal, equal_low, equal_high = (np.full(texture.shape, np.nan) for _ in range(5))
    draws = np.full((n_draws, *texture.shape), np.nan)
    leads = []
    for unit, (t, o, between) in enumerate(zip(texture, object_, correlation, strict=True)):
        drawn = [_draws(d, e, n_draws, generator) for d, e in zip(distributions, (t, o), strict=True)]
        draws[:, unit] = (drawn[1] - drawn[0]).T
        low[unit], high[unit] = np.quantile(alignment_index(drawn[0], drawn[1], floor), tails, axis=1)
        h = equal_share(t, o, *sds)
        same = [d.draw(h, _uniform(between, n_draws, generator)) for d in distributions]
        reference = alignment_index(same[0], same[1], floor)
        equal[unit] = reference.mean(1)
        equal_low[unit], equal_high[unit] = np.quantile(reference, tails, axis=1)
        leads.append(run_leads(_scaled(o - t, same[1] - same[0]), run, alpha))
    index = alignment_index(texture, object_, floor)
    # Shares are not negative, estimates may be: the interval of shares is made to hold the estimate.
    low, high = np.fmin(low, index), np.fmax(high, index)
    return SpaceComparison(index, low, high, equal, equal_low, equal_high, floor, leads, draws)


def _scaled(difference: Floats, null: Floats) -> Floats:
    """Differences of shares in units of their spread under equal shares: the true ones, then draws.

    Parameters
    ----------
    difference : numpy.ndarray, float64 [window]
        NaN, where a share is not known, is no lead.
    null : numpy.ndarray, float64 [window, draw]
        Where shares are equal.

    Returns
    -------
    numpy.ndarray, float64 [1 + draw, window]
    """
    rows = np.concatenate([difference[None], null.T])
    centred = rows - null.mean(1)
    scaled = centred / np.maximum(null.std(1), np.finfo(float).tiny)
    return np.where(np.isfinite(difference), scaled, 0.0)


def _draws(
    distribution: ShareDistribution, estimate: Floats, n_draws: int, generator: np.random.Generator
) -> Floats:
    """Shares [window, draw] from the confidence distributions of estimates [window]."""
    levels = (np.arange(N_LEVELS) + 0.5) / N_LEVELS
    quantiles = distribution.quantiles(estimate, levels)
    at = generator.integers(N_LEVELS, size=(len(estimate), n_draws))
    return np.take_along_axis(quantiles, at, axis=1)


def _uniform(correlation: Floats, n_draws: int, generator: np.random.Generator) -> Floats:
    """Numbers between 0 and 1 [window, draw] whose normal scores have this correlation."""
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.maximum(values, 0))
    normal = root @ generator.standard_normal((len(values), n_draws))
    return np.clip(special.ndtr(normal), 0, 1 - 1e-12)


def unit_crossover(difference: Floats, leads: Leads, draws: Floats, bins: Bins, level: float) -> Crossover:
    """When the object space takes over from the texture space in a unit, if both leads are there.

    Parameters
    ----------
    difference : numpy.ndarray, float64 [window]
        Object less texture share.
    leads : Leads
        Of `compare`.
    draws : numpy.ndarray, float64 [draw, window]
        Of the difference.
    bins : Bins
    level : float
        Mass of the interval: times at which the draws do not tell the
        difference from 0, between the two leads.
    """
    crossover = Crossover(reason=reason_against(leads), p_texture=leads.p_texture, p_object=leads.p_object)
    if crossover.reason:
        return crossover
    before, after = leads_around(leads)
    time = _change_point(difference, draws, bins, before, after)
    low, high = draws_interval(draws, bins, before, after, level)
    return replace(crossover, time_ms=time, low_ms=min(low, time), high_ms=max(high, time))


def _change_point(difference: Floats, draws: Floats, bins: Bins, before: Lead, after: Lead) -> float:
    """Left edge of the window that best parts the texture's lead from the object's, in ms.

    A single window of a unit is noisy, and the zero between two of them more
    so: all windows of both leads decide, as for the step of a mean.
    """
    spread = np.maximum(np.nan_to_num(draws).std(0), np.finfo(float).tiny)
    z = (np.nan_to_num(difference) / spread)[before.first : after.last]
    ahead = np.cumsum(z[::-1])[::-1]
    return float(bins.starts[before.first + int(ahead.argmax())])


def draws_interval(draws: Floats, bins: Bins, before: Lead, after: Lead, level: float) -> tuple[float, float]:
    """First and last time at which draws of a difference do not tell it from 0, between two leads.

    The same inversion of a test as `crossover.crossing_interval`, with a
    unit's confidence distributions in place of a t-test over experiments.
    """
    values = np.nan_to_num(draws)
    z = values.mean(0) / np.maximum(values.std(0), np.finfo(float).tiny)
    first = before.first + int(np.argmin(z[before.first : before.last]))
    last = after.first + int(np.argmax(z[after.first : after.last]))
    times, shares = bins.between(first, last)
    low, high = np.quantile(values @ shares, [(1 - level) / 2, (1 + level) / 2], axis=0)
    unsure = times[(low <= 0) & (high >= 0)]
    if len(unsure) == 0:
        return np.inf, -np.inf
    return float(unsure[0]), float(unsure[-1])
