"""The figures of a session and of the population, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from evoalign.figures import (
    attribution,
    binned_difference,
    binned_trajectories,
    crossover,
    paired_evolution,
    population_psth,
    population_trajectories,
    stacked_psth,
    success_activation,
    time_constants,
)
from evoalign.figures.panels import Source, Tables

Draw = Callable[[Tables], tuple[Figure, Source]]
Caption = Callable[[Tables], str]

SESSION_FIGURES: Mapping[str, tuple[Draw, Caption]] = {
    "paired_evolution": (paired_evolution.draw_paired_evolution, paired_evolution.caption),
    "stacked_psth": (stacked_psth.draw_stacked_psth, stacked_psth.caption),
}

POPULATION_FIGURES: Mapping[str, tuple[Draw, Caption]] = {
    "success_activation": (success_activation.draw_success_activation, success_activation.caption),
    "population_trajectories": (
        population_trajectories.draw_population_trajectories,
        population_trajectories.caption,
    ),
    "time_constants": (time_constants.draw_time_constants, time_constants.caption),
    "population_psth": (population_psth.draw_population_psth, population_psth.caption),
    "binned_trajectories": (binned_trajectories.draw_binned_trajectories, binned_trajectories.caption),
    "binned_difference": (binned_difference.draw_binned_difference, binned_difference.caption),
    "attribution": (attribution.draw_attribution, attribution.caption),
    "crossover": (crossover.draw_crossover, crossover.caption),
}


@dataclass(frozen=True)
class Drawn:
    """A figure ready for `save_figure`."""

    name: str
    figure: Figure
    source: dict[str, pd.DataFrame]
    caption: str


def draw_all(tables: Tables, figures: Mapping[str, tuple[Draw, Caption]]) -> Iterator[Drawn]:
    """Draw every figure of a set, one at a time.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
        Of `analyse_session` for SESSION_FIGURES, of `pool_sessions` for
        POPULATION_FIGURES.
    figures : mapping
        One of the two.
    """
    for name, (draw, caption) in figures.items():
        figure, source = draw(tables)
        yield Drawn(name, figure, source, caption(tables))
