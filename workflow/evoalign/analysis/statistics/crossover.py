"""The change from texture ahead to object ahead: whether, when, and how surely (docs/methods.md section 6).

A crossover is reported where the texture space leads in some time bins and
the object space in later ones, both significantly (`analysis.leads`). All
else has no crossover, and a reason in words.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from evoalign.analysis.settings import Analysis
from evoalign.analysis.statistics.leads import UNTESTED, Lead, Leads, cluster_leads
from evoalign.analysis.statistics.sites import site_means

Floats = NDArray[np.float64]
NAN = float("nan")
STEP_MS = 0.1  # of the times at which the interval tests the contrast


@dataclass(frozen=True)
class Bins:
    """Consecutive time bins: left edges and width, in ms."""

    starts: tuple[int, ...]
    width: int

    def inside(self, window_ms: tuple[int, int]) -> NDArray[np.bool_]:
        """Bins that lie whole in a window, bool [bin]."""
        starts = np.asarray(self.starts)
        return (starts >= window_ms[0]) & (starts + self.width <= window_ms[1])

    @property
    def centres(self) -> Floats:
        """Middle of each bin, ms."""
        return np.asarray(self.starts, dtype=np.float64) + self.width / 2

    def between(self, first: int, last: int) -> tuple[Floats, Floats]:
        """Times from the centre of one bin to that of another, and the straight lines between bins.

        Returns
        -------
        times : numpy.ndarray, float64 [time]
            In ms, `STEP_MS` apart.
        shares : numpy.ndarray, float64 [bin, time]
            Product with values by bin gives them at the times.
        """
        times = np.arange(self.centres[first], self.centres[last] + STEP_MS / 2, STEP_MS)
        return times, np.stack(
            [np.interp(times, self.centres, unit_vector) for unit_vector in np.eye(len(self.starts))]
        )


@dataclass(frozen=True)
class Rule:
    """What a crossover must pass; see `Analysis` for the meaning of each.

    Attributes
    ----------
    cluster_p, lead_p : float
        A bin's p, and the family-wise level of a lead.
    n_flips : int
    interval : float
        Mass of the interval.
    min_replicates, min_interval_replicates : int
    noun : str
        What replicates are, in the plural, for the reasons: 'experiments'.
    """

    cluster_p: float = 0.05
    lead_p: float = 0.05
    n_flips: int = 2000
    interval: float = 0.95
    min_replicates: int = 5
    min_interval_replicates: int = 8
    noun: str = "experiments"

    @classmethod
    def of(cls, settings: Analysis, interval: float, noun: str) -> Rule:
        """Return the rule of the settings, with this mass of the interval and name of the replicates."""
        return cls(
            settings.cluster_p,
            settings.lead_p,
            settings.n_permutations,
            interval,
            settings.min_experiments,
            settings.min_interval_experiments,
            noun,
        )


@dataclass(frozen=True)
class Crossover:
    """A decision: either a time or a reason why there is none.

    Attributes
    ----------
    time_ms, low_ms, high_ms : float
        NaN where there is none, and where the interval is left out.
    reason : str
        Why there is no crossover; '' where there is one.
    interval_reason : str
        Why a crossover has no interval; '' where it has one.
    p_texture, p_object : float
        Family-wise p of each space's strongest lead; NaN where not tested.
    """

    time_ms: float = NAN
    low_ms: float = NAN
    high_ms: float = NAN
    reason: str = ""
    interval_reason: str = ""
    p_texture: float = NAN
    p_object: float = NAN


def find_crossover(
    differences: Floats,
    bins: Bins,
    rule: Rule,
    generator: np.random.Generator,
    groups: ArrayLike | None = None,
) -> Crossover:
    """Decide on the crossover of replicates: experiments of an area, or blocks of an experiment.

    Parameters
    ----------
    differences : numpy.ndarray, float64 [replicate, bin]
        Object minus texture. Replicates must be independent; those with a NaN
        are left out.
    bins : Bins
        Bins in which a unit may have answered (the evoked window).
    rule : Rule
    generator : numpy.random.Generator
        Draws the sign flips.
    groups : array_like [replicate], optional
        Site of each experiment: those of one site are not independent, so that
        their mean counts as one replicate.
    """
    is_known = ~np.isnan(differences).any(1)
    values, noun = differences[is_known], rule.noun
    if len(values) < rule.min_replicates:
        return Crossover(reason=f"fewer than {rule.min_replicates} {noun}")
    if groups is not None:
        _, group = np.unique(np.asarray(groups)[is_known], return_inverse=True)
        values, noun = site_means(values, group), "sites"
    if len(values) < rule.min_replicates:
        return Crossover(reason=f"fewer than {rule.min_replicates} {noun}")
    leads = cluster_leads(values, rule.cluster_p, rule.lead_p, rule.n_flips, generator)
    crossover = decide(values.mean(0), leads, bins)
    if crossover.reason:
        return crossover
    if len(values) < rule.min_interval_replicates:
        return replace(crossover, interval_reason=f"fewer than {rule.min_interval_replicates} {noun}")
    before, after = leads_around(leads)
    low, high = crossing_interval(values, bins, before, after, rule.interval)
    return replace(crossover, low_ms=low, high_ms=high)


def decide(contrast: ArrayLike, leads: Leads, bins: Bins) -> Crossover:
    """Time of the crossover, or the reason why there is none; without an interval.

    The time is where the straight line between the centres of neighbouring
    bins crosses zero for the last time before the object space's lead: the
    first such lead with one of the texture space before it.

    Parameters
    ----------
    contrast : array_like, float64 [bin]
        Object minus texture, of which the leads were tested.
    leads : Leads
    bins : Bins
    """
    tested = Crossover(reason=reason_against(leads), p_texture=leads.p_texture, p_object=leads.p_object)
    if tested.reason:
        return tested
    values, centres = np.asarray(contrast, dtype=np.float64), bins.centres
    before, after = leads_around(leads)
    inside = values[before.first : after.last]
    rising = before.first + np.flatnonzero((inside[:-1] <= 0) & (inside[1:] > 0))
    at = int(rising[rising < after.first][-1]) if rising[0] < after.first else int(rising[0])
    share = -values[at] / (values[at + 1] - values[at])
    return replace(tested, time_ms=float(centres[at] + share * (centres[at + 1] - centres[at])))


def reason_against(leads: Leads) -> str:
    """Why these leads make no crossover, in words; '' when they make one."""
    if leads == UNTESTED or np.isnan(leads.p_texture):
        return "too few values to test"
    if not leads.texture and not leads.object:
        return "neither space leads"
    if not leads.texture:
        return "texture never leads"
    if not leads.object:
        return "object never leads"
    if leads.texture[0].first > leads.object[-1].first:
        return "object leads before texture, and not after it"
    return ""


def leads_around(leads: Leads) -> tuple[Lead, Lead]:
    """The first lead of the object space that has one of the texture space before it, and the last such."""
    after = next(lead for lead in leads.object if lead.first > leads.texture[0].first)
    before = [lead for lead in leads.texture if lead.first < after.first][-1]
    return before, after


def crossing_interval(
    differences: Floats, bins: Bins, before: Lead, after: Lead, level: float
) -> tuple[float, float]:
    """Interval of the time at which the mean contrast crosses zero, between two leads.

    It reaches from the first to the last time at which a t-test of the
    contrast does not tell it from 0 (a test inversion, as Fieller's for a
    ratio: J R Stat Soc B 16, 175, 1954). At the true crossing the mean is 0,
    and the t-test errs there in one of twenty cases at 95 %, whatever the
    slope: so does the interval, for few replicates, too.

    Parameters
    ----------
    differences : numpy.ndarray, float64 [replicate, bin]
        Object minus texture, between bins as the straight line.
    bins : Bins
    before, after : Lead
        Of texture and of object; times between their strongest bins are tested.
    level : float

    Returns
    -------
    low, high : float
        In ms, on a grid of `STEP_MS`.
    """
    n = len(differences)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = differences.mean(0) / (differences.std(0, ddof=1) / np.sqrt(n))
    first = before.first + int(np.argmin(t[before.first : before.last]))
    last = after.first + int(np.argmax(t[after.first : after.last]))
    times, shares = bins.between(first, last)
    drawn = differences @ shares
    error = drawn.std(0, ddof=1) / np.sqrt(n)
    unsure = np.abs(drawn.mean(0)) <= -special.stdtrit(n - 1, (1 - level) / 2) * error
    # Between two steps of the grid the contrast may pass from one significant side to the other.
    unsure |= np.diff(drawn.mean(0) > 0, append=drawn.mean(0)[-1] > 0)
    return float(times[unsure][0]), float(times[unsure][-1])
