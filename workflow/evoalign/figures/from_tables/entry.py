"""How a figure that is drawn from tables alone says where it belongs.

A module of this package with a tuple `FIGURES` of such entries is taken in by being there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from evoalign.figures.captions import Caption, Draw

Group = Literal[
    "session", "session tuning", "session images", "session features", "population", "population tuning"
]


@dataclass(frozen=True)
class FigureEntry:
    """A figure of a session or of the population.

    Attributes
    ----------
    name : str
        Of its files.
    group : str
        'session' and 'population': of every evolution and of every study;
        'session tuning' and 'population tuning': where images vary along eigen-axes;
        'session images': of a session of images that is neither;
        'session features': of one of these whose images have features.
    place : int
        Figures of a group are shown by rising place: the answer first, then what it rests on.
    draw : Draw
    caption : Caption
    """

    name: str
    group: Group
    place: int
    draw: Draw
    caption: Caption
