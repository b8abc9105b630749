"""How often a crossover is reported where there is none, found where there is one, and held by its interval.

    python benchmarks/calibration_crossover.py [--areas N]

Prints the tables of docs/methods.md, section 6. Areas are simulated from
counts: experiments with baselines, strengths, response courses and individual
preferences of their own, Poisson or overdispersed presentations of both spaces.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from time import process_time
from typing import Any

import numpy as np
from scipy import stats

from evoalign.analysis.statistics.crossover import Bins, Crossover, Rule, find_crossover

BINS = Bins(tuple(range(30, 200, 10)), 10)  # those from 25 ms on, as in the analysis
MS = np.arange(30, 200) + 0.5
RULE = Rule()
SIZES = (5, 10, 20, 38)
COVERED = (8, 10, 20, 38)


@dataclass(frozen=True)
class Law:
    """What the experiments of an area share.

    Attributes
    ----------
    spans : tuple of (float, float, float)
        First and last ms of an effect, and its size: (object - texture) / their mean.
    zero_ms : float
        Instead of spans: an effect from -0.5 to 0.5 that passes through zero at this time.
    response : float
        Strength of the response, as a multiple of the study's.
    presentations : tuple of int
        Late presentations of texture and object.
    preference : float
        Standard deviation over experiments of their own effects, which last (0.8 from bin to bin).
    tails : float
        Degrees of freedom of preferences (t distribution); infinite: normal.
    skew : bool
        Preferences of an exponential distribution: most slightly below, few far above the mean.
    overdispersion : float
        Variance of a presentation's gain: 0 is Poisson.
    site : int
        Experiments that share one preference.
    by_site : bool
        Decide over means of sites.
    drift : float
        Correlation of preferences from one replicate to the next (of blocks, in time).
    """

    spans: tuple[tuple[float, float, float], ...] = ()
    zero_ms: float = np.nan
    response: float = 1.0
    presentations: tuple[int, int] = (600, 375)
    preference: float = 0.3
    tails: float = np.inf
    skew: bool = False
    overdispersion: float = 0.3
    site: int = 1
    by_site: bool = False
    drift: float = 0.0

    def effect(self) -> np.ndarray:
        """Mean effect in each bin."""
        if np.isfinite(self.zero_ms):
            return binned(0.5 * np.tanh((MS - self.zero_ms) / 15))
        return binned(sum((size * ((first <= MS) & (last > MS)) for first, last, size in self.spans), 0 * MS))


# The study's: docs/methods.md section 4.
LATE = ((110, 200, 0.5),)
PIT = ((50, 90, -0.5), *LATE)
# No crossover in any: no difference, or one that is not texture first and object later.
NULLS = {
    "no response": Law(response=0.0, preference=0.0),
    "equal drive": Law(),
    "equal drive, 3 times as strong": Law(response=3.0),
    "equal drive, heavy tails": Law(tails=3.0, overdispersion=4.0),
    "equal drive, 600 against 30 presentations": Law(presentations=(600, 30), preference=0.0),
    "equal drive, skewed preferences": Law(skew=True),
    "texture leads from 50 ms, object never": Law(((50, 200, -0.5),)),
    "texture leads to 90 ms, object never": Law(((50, 90, -0.5),)),
    "object leads from 110 ms, texture never": Law(LATE),
    "the same, 3 times as strong, heavy tails": Law(LATE, response=3.0, tails=3.0),
    "object leads first, then texture": Law(((50, 90, 0.5), (110, 200, -0.5))),
}
# Late blocks of one session: noise of 40 and 25 presentations.
SESSIONS = {
    "session: equal drive": Law(presentations=(40, 25), preference=0.0),
    "session: object leads from 110 ms, texture never": Law(LATE, presentations=(40, 25), preference=0.0),
}
# Replicates that are not independent: what the test does not promise.
DEPENDENT = {
    "object late; sites of 2 experiments": Law(LATE, site=2),
    "the same over site means": Law(LATE, site=2, by_site=True),
    "object late; preferences drift, 0.7 a block": Law(LATE, presentations=(40, 25), drift=0.7),
}
PLANTED = {
    "study's effect, 0.5": Law(PIT),
    "half of it, 0.25": Law(((50, 90, -0.25), (110, 200, 0.25))),
}


def envelopes(n: int, rng: np.random.Generator) -> np.ndarray:
    """Response courses at every ms, [n, ms]: the rise at 55 ms and a decay of each unit's own."""
    since = np.maximum(MS - 55.0, 0.0)
    return (1 - np.exp(-since / 8)) * (0.5 + 0.5 * np.exp(-since / rng.uniform(80, 160, (n, 1))))


def binned(values: np.ndarray) -> np.ndarray:
    return values.reshape(*values.shape[:-1], -1, BINS.width).mean(-1)


def preferences(law: Law, n: int, rng: np.random.Generator) -> np.ndarray:
    """Each experiment's own effect, of mean 0 over experiments, [n, bin]."""
    shape = (-(-n // law.site), len(BINS.starts))
    own = rng.standard_normal(shape)
    for at in range(1, shape[1]):
        own[:, at] = 0.8 * own[:, at - 1] + 0.6 * own[:, at]
    for at in range(1, shape[0] if law.drift else 0):
        own[at] = law.drift * own[at - 1] + np.sqrt(1 - law.drift**2) * own[at]
    if np.isfinite(law.tails):
        own *= np.sqrt((law.tails - 2) / rng.chisquare(law.tails, (shape[0], 1)))
    if law.skew:
        own = stats.expon.ppf(stats.norm.cdf(own)) - 1
    return law.preference * np.repeat(own, law.site, axis=0)[:n]


def area(law: Law, n: int, rng: np.random.Generator) -> np.ndarray:
    """Late object minus texture over the normalization rate of n experiments, [experiment, bin]."""
    baseline, strength = (rng.lognormal(np.log(m), s, (n, 1)) for m, s in ((6.0, 0.5), (45.0, 0.4)))
    course = law.response * strength * binned(envelopes(n, rng))
    effect = law.effect() + preferences(law, n, rng)
    means = []
    for shown, sign in zip(law.presentations, (-0.5, 0.5), strict=True):
        rate = baseline + np.maximum(course * (1 + sign * effect), 0.0)
        # Presentations of one rate and gains of their own: their sum is Poisson given the sum of gains.
        gain = np.full((n, 1), float(shown))
        if law.overdispersion:
            gain = rng.gamma(shown / law.overdispersion, law.overdispersion, (n, 1))
        means.append(rng.poisson(rate * gain * BINS.width / 1000) / shown / (BINS.width / 1000))
    return (means[1] - means[0]) / (baseline + max(law.response, 0.2) * strength)


def decisions(law: Law, n: int, n_areas: int, seed: int) -> list[Crossover]:
    """The decision of each of many areas."""
    rng = np.random.default_rng([seed, n])
    sites = np.arange(n) // law.site if law.by_site else None
    return [find_crossover(area(law, n, rng), BINS, RULE, rng, sites) for _ in range(n_areas)]


def false_rate(law: Law, n: int, n_areas: int, seed: int = 1) -> float:
    """Share of areas with a crossover."""
    return float(np.mean([found.reason == "" for found in decisions(law, n, n_areas, seed)]))


def power(law: Law, n: int, n_areas: int, seed: int = 2) -> tuple[float, float, float]:
    """Share found, and of their times the median and the standard deviation, ms."""
    times = [found.time_ms for found in decisions(law, n, n_areas, seed) if not found.reason]
    middle, spread = (float(np.median(times)), float(np.std(times))) if times else (np.nan, np.nan)
    return len(times) / n_areas, middle, spread


def coverage(tails: float, n: int, n_areas: int, seed: int = 3) -> tuple[int, int, float]:
    """Crossovers that are reported, intervals of them that hold the planted time, and their median width.

    The planted effect passes smoothly through zero once, at a time of each area's own.
    """
    rng = np.random.default_rng([seed, n])
    mean_course = envelopes(4000, np.random.default_rng(0)).mean(0)
    held, widths = 0, []
    for _ in range(n_areas):
        law = Law(zero_ms=rng.uniform(85, 125), tails=tails)
        found = find_crossover(area(law, n, rng), BINS, RULE, rng)
        if found.reason:
            continue
        planted = binned(mean_course) * law.effect()
        at = int(np.flatnonzero(planted < 0)[-1])
        true = np.interp(0.0, planted[at : at + 2], BINS.centres[at : at + 2])
        held += bool(found.low_ms - 0.1 <= true <= found.high_ms + 0.1)
        widths.append(found.high_ms - found.low_ms)
    return len(widths), held, float(np.median(widths))


def false_cell(law: Law, n: int, n_areas: int) -> str:
    return f"{100 * false_rate(law, n, n_areas):.1f}"


def power_cell(law: Law, n: int, n_areas: int) -> str:
    share, middle, spread = power(law, n, n_areas // 4)
    return f"{100 * share:.0f} ({middle:.0f} ± {spread:.0f})"


def coverage_cell(tails: float, n: int, n_areas: int) -> str:
    reported, held, width = coverage(tails, n, n_areas)
    return f"{100 * held / reported:.1f} (n = {reported}, {width:.0f} ms)"


TABLES: tuple[tuple[str, tuple[int, ...], Callable[[Any, int, int], str], dict[str, Any]], ...] = (
    ("crossovers reported, %", SIZES, false_cell, {**NULLS, **SESSIONS, **DEPENDENT}),
    ("found, % (median time ± sd, ms)", SIZES, power_cell, PLANTED),
    (
        "intervals that hold the planted time, % (of crossovers reported; median width)",
        COVERED,
        coverage_cell,
        {"normal preferences": np.inf, "heavy tails, 3 degrees of freedom": 3.0},
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--areas", type=int, default=2000, help="simulated areas a cell; of power a quarter")
    n_areas = parser.parse_args().areas
    for title, sizes, cell, rows in TABLES:
        print(f"\n| {title} | " + " | ".join(f"N = {n}" for n in sizes) + " |")
        print("|---" * (1 + len(sizes)) + "|")
        for name, law in rows.items():
            print(f"| {name} | " + " | ".join(cell(law, n, n_areas) for n in sizes) + " |", flush=True)
    print(f"\n{n_areas} areas a cell, level {RULE.lead_p:g}; {process_time():.0f} s of processor time")


if __name__ == "__main__":
    main()
