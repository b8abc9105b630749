"""Draw the experiments of a study as large as the published one: docs/methods.md section 1."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle

import numpy as np

AREAS = ("V1", "V4", "IT")
# Valid experiments, and sites that they were made at; the paper's 91 sites are shared out alike.
VALID = {"V1": 10, "V4": 38, "IT": 106}
SITES = {"V1": 6, "V4": 22, "IT": 63}
BLOCKS = (15, 56)  # of a valid experiment, both included
# What else was recorded, and why it does not count: 170 - 154 experiments.
SHORT, UNSTABLE, OTHER_SPACES = 7, 6, 3
FULL_BIGGAN = 37  # of all, the others are fc6 + BigGAN_class
CHANNELS = {"V1": (33, 48), "V4": (49, 64), "IT": (1, 32)}  # resources/arrays/study_64.tsv
# Chance that an evolution of each thread rises; the shape of Fig. 4A.
RISES = {"V1": (0.7, 0.15), "V4": (0.8, 0.4), "IT": (0.7, 0.75)}
ANIMALS = ("A", "B")
LETTERS = "abc"
_FIRST_DAY = dt.datetime(2019, 9, 2, 14, 0, tzinfo=dt.UTC)


@dataclass(frozen=True)
class ExperimentDesign:
    """One experiment before it is run.

    Attributes
    ----------
    session, subject, area : str
    start : datetime.datetime
    channel : int
    letter : str
        Of the preferred unit: channel and online unit.
    spaces : tuple of str
        Of thread 0 and thread 1.
    n_blocks : int
    founders : tuple of int
        Generated images of each thread in block 1.
    images : tuple of int
        The same in later blocks.
    last_images : int
        Generated images of each thread in the last block: the session may end in it.
    references : int
        Natural references of a thread in every block.
    dropout : float
        Share of presentations that may not be analysed.
    rises : tuple of bool
        Whether each thread's evolution is planted to rise.
    unstable : str
        Why the baseline is unstable; '' when stable.
    seed : int
    """

    session: str
    subject: str
    area: str
    start: dt.datetime
    channel: int
    letter: str
    spaces: tuple[str, str]
    n_blocks: int
    founders: tuple[int, int]
    images: tuple[int, int]
    last_images: int
    references: int
    dropout: float
    rises: tuple[bool, bool]
    unstable: str
    seed: int

    @property
    def preferred(self) -> str:
        """The preferred unit as in the sample sheet."""
        return f"{self.channel}{self.letter}"

    @property
    def site(self) -> str:
        """The recording site: several experiments may be of one."""
        return f"{self.subject}/{self.area}/{self.preferred}"

    @property
    def valid(self) -> bool:
        """The experiment is planned to pass docs/methods.md section 3's inclusion."""
        analysed = self.n_blocks - (self.last_images < 10)
        return analysed >= BLOCKS[0] and not self.unstable and self.spaces[1].startswith("BigGAN")


def draw_study(n_experiments: int | None = None, seed: int = 0) -> list[ExperimentDesign]:
    """Draw the designs of a study.

    Parameters
    ----------
    n_experiments : int, optional
        Only so many, spread over the areas; the paper's 170 when left out.
    seed : int

    Returns
    -------
    list of ExperimentDesign
        In the order of their dates.
    """
    rng = np.random.default_rng([seed, 170])
    kinds = [(area, "valid") for area in AREAS for _ in range(VALID[area])]
    reasons = ["short"] * SHORT + ["unstable"] * UNSTABLE + ["spaces"] * OTHER_SPACES
    kinds += [(str(rng.choice(AREAS, p=(0.1, 0.25, 0.65))), reason) for reason in reasons]
    full = set(rng.choice(len(kinds) - OTHER_SPACES, FULL_BIGGAN, replace=False).tolist())
    sites = {area: _sites(area, rng) for area in AREAS}
    days = rng.permutation(len(kinds))
    drawn = [
        _draw(int(day), area, kind, index in full, next(sites[area]), rng, seed)
        for index, (day, (area, kind)) in enumerate(zip(days, kinds, strict=True))
    ]
    drawn.sort(key=lambda design: design.start)
    if n_experiments is None or n_experiments >= len(drawn):
        return drawn
    # Every k-th of the list in the order of areas keeps the areas' shares.
    by_area = sorted(drawn, key=lambda design: (AREAS.index(design.area), design.session))
    picked = np.linspace(0, len(by_area) - 1, n_experiments).round().astype(int)
    return sorted((by_area[index] for index in picked), key=lambda design: design.session)


def _sites(area: str, rng: np.random.Generator) -> Iterator[tuple[str, int, str]]:
    """Animal, channel and unit letter of an area's sites; each is used before one is used again."""
    first, last = CHANNELS[area]
    all_sites = [
        (animal, channel, letter)
        for animal in ANIMALS
        for channel in range(first, last + 1)
        for letter in LETTERS
    ]
    chosen_sites = [all_sites[index] for index in rng.choice(len(all_sites), SITES[area], replace=False)]
    return cycle(chosen_sites)


def _draw(
    day: int,
    area: str,
    kind: str,
    full: bool,
    site: tuple[str, int, str],
    rng: np.random.Generator,
    seed: int,
) -> ExperimentDesign:
    ends_early = bool(rng.random() < 0.15)  # the animal stops inside the last block
    shortest, longest = (8, BLOCKS[0] - 2) if kind == "short" else (BLOCKS[0] + ends_early, BLOCKS[1])
    images = (40, 25)
    return ExperimentDesign(
        session=f"study_{day:03d}_{area}",
        subject=site[0],
        area=area,
        start=_FIRST_DAY + dt.timedelta(days=2 * day),
        channel=site[1],
        letter=site[2],
        spaces=("fc6", "fc6" if kind == "spaces" else "BigGAN" if full else "BigGAN_class"),
        n_blocks=int(rng.integers(shortest, longest + 1)),
        founders=(30, 30),
        images=images,
        last_images=int(rng.integers(3, 10)) if ends_early else max(images),
        references=10,
        dropout=float(rng.beta(1, 60)),
        rises=(bool(rng.random() < RISES[area][0]), bool(rng.random() < RISES[area][1])),
        unstable="waveform lost during the session" if kind == "unstable" else "",
        seed=int(np.random.default_rng([seed, 171, day]).integers(2**31)),
    )
