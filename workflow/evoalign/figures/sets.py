"""The figures of a session and of the population, by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from os import PathLike

import pandas as pd
from matplotlib.figure import Figure

from evoalign.figures import (
    animals,
    attribution,
    binned_difference,
    binned_trajectories,
    crossover,
    encoding,
    latency,
    pairings,
    population_psth,
    population_trajectories,
    prototypes,
    specifications,
    stacked_psth,
    strict_trajectories,
    success_activation,
    success_splits,
    time_constants,
    tuning,
    tuning_population,
)
from evoalign.figures.captions import Caption, Draw, FigureSettings
from evoalign.figures.panels import Tables
from evoalign.figures.prototypes import Pictures
from evoalign.figures.save import save_figure, use_style
from evoalign.files import atomic_write

# Beside these `draw_session` draws what needs more than tables.
SESSION_FIGURES: Mapping[str, tuple[Draw, Caption]] = {
    "stacked_psth": (stacked_psth.draw_stacked_psth, stacked_psth.caption),
    "unit_heatmaps": (encoding.draw_unit_heatmaps, encoding.caption_unit_heatmaps),
}

POPULATION_FIGURES: Mapping[str, tuple[Draw, Caption]] = {
    "success_activation": (success_activation.draw_success_activation, success_activation.caption),
    "success_splits": (success_splits.draw_success_splits, success_splits.caption),
    "population_trajectories": (
        population_trajectories.draw_population_trajectories,
        population_trajectories.caption,
    ),
    "time_constants": (time_constants.draw_time_constants, time_constants.caption),
    "population_psth": (population_psth.draw_population_psth, population_psth.caption),
    "binned_trajectories": (binned_trajectories.draw_binned_trajectories, binned_trajectories.caption),
    "strict_trajectories": (strict_trajectories.draw_strict_trajectories, strict_trajectories.caption),
    "binned_difference": (binned_difference.draw_binned_difference, binned_difference.caption),
    "attribution": (attribution.draw_attribution, attribution.caption),
    "crossover": (crossover.draw_crossover, crossover.caption),
    "latency": (latency.draw_latency, latency.caption),
    "animals": (animals.draw_animals, animals.caption),
    "specifications": (specifications.draw_specifications, specifications.caption),
    "alignment_index": (encoding.draw_alignment_index, encoding.caption_alignment_index),
    "hessian_spectrum": (encoding.draw_hessian_spectrum, encoding.caption_hessian_spectrum),
}

# Of sessions whose images vary along eigen-axes; a study without such sessions has none of these.
TUNING_FIGURES: Mapping[str, tuple[Draw, Caption]] = {
    "tuning": (tuning.draw_tuning, tuning.caption),
}
POPULATION_TUNING_FIGURES: Mapping[str, tuple[Draw, Caption]] = {
    "tuning_heatmaps": (tuning_population.draw_tuning_heatmaps, tuning_population.caption_tuning_heatmaps),
    "tuning_shapes": (tuning_population.draw_tuning_shapes, tuning_population.caption_tuning_shapes),
    "tuning_peaks": (tuning_population.draw_tuning_peaks, tuning_population.caption_tuning_peaks),
}

# Of experiments whose images are in their files, or whose generators are known.
PROTOTYPE_FIGURES = ("image_similarity", "image_pairings", "prototypes")


@dataclass(frozen=True)
class Drawn:
    """A figure ready for `save_figure`."""

    name: str
    figure: Figure
    source: dict[str, pd.DataFrame]
    caption: str


def draw_all(
    tables: Tables, settings: FigureSettings, figures: Mapping[str, tuple[Draw, Caption]]
) -> Iterator[Drawn]:
    """Draw every figure of a set, one at a time.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
        Of `analyse_session` and `encode_session` for SESSION_FIGURES, of
        `pool_sessions` and `pool_encoding` for POPULATION_FIGURES.
    settings : FigureSettings
        Settings that the tables were made with.
    figures : mapping
        One of the two.
    """
    for name, (draw, caption) in figures.items():
        figure, source = draw(tables, settings)
        yield Drawn(name, figure, source, caption(tables, settings))


def draw_population(tables: Tables, pictures: Pictures, settings: FigureSettings) -> Iterator[Drawn]:
    """Draw the pooled figures of a study: POPULATION_FIGURES, and others where there is something to draw.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
        Of `pool_sessions`, `pool_encoding`, `pool_tuning` and
        `compare_prototypes`.
    pictures : mapping of str to ndarray
        Prototypes by name, uint8 ``[row, column, 3]``.
    settings : FigureSettings
        Settings that the tables were made with.
    """
    yield from draw_all(tables, settings, POPULATION_FIGURES)
    if len(tables["image_distances"]) and len(prototypes.chosen_points(tables, settings)[0]):
        similar = prototypes.draw_image_similarity(tables, settings)
        yield Drawn("image_similarity", *similar, prototypes.caption_image_similarity(tables, settings))
        paired = pairings.draw_pairings(tables, settings)
        yield Drawn("image_pairings", *paired, pairings.caption_pairings(tables, settings))
        shown = prototypes.draw_prototypes(tables, pictures, settings)
        yield Drawn("prototypes", *shown, prototypes.caption_prototypes(tables, settings))
    if len(tables["tuning_sessions"]):
        yield from draw_all(tables, settings, POPULATION_TUNING_FIGURES)


def save_all(
    drawn: Iterable[Drawn], folder: str | PathLike[str], style: str | PathLike[str], dpi: int
) -> None:
    """Write figures into a folder that appears whole or not at all.

    The style is set before the first figure is drawn, so `drawn` must be lazy.

    Parameters
    ----------
    drawn : iterable of Drawn
        Of `draw_all` or `draw_session`.
    folder, style : path
        Where to write; a matplotlib style file.
    dpi : int
        Of the bitmaps.

    Raises
    ------
    InputError
        As for `use_style`.
    """
    use_style(style)
    with atomic_write(folder) as partial:
        partial.mkdir()
        for one in drawn:
            save_figure(one.figure, partial / one.name, one.source, dpi, one.caption)
