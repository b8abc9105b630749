"""The figures of a session and of the population, by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from os import PathLike

import pandas as pd
from matplotlib.figure import Figure

from evoalign.figures import pairings, prototypes
from evoalign.figures.captions import Caption, Draw, FigureSettings
from evoalign.figures.from_tables.registry import figures_of
from evoalign.figures.images import Images
from evoalign.figures.panels import Tables
from evoalign.figures.save import save_figure, use_style
from evoalign.files import atomic_write

# Beside these `draw_session` draws what needs more than tables.
SESSION_FIGURES = figures_of("session")
POPULATION_FIGURES = figures_of("population")
# Of sessions whose images vary along eigen-axes; a study without such sessions has none of these.
TUNING_FIGURES = figures_of("session tuning")
POPULATION_TUNING_FIGURES = figures_of("population tuning")
# Of sessions of images that are neither evolution nor tuning.
IMAGE_FIGURES = figures_of("session images")
# Of these, where tables give features of the images.
FEATURE_FIGURES = figures_of("session features")

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


def draw_population(tables: Tables, pictures: Images, settings: FigureSettings) -> Iterator[Drawn]:
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
        figure = prototypes.draw_prototypes(tables, pictures, settings)
        yield Drawn("prototypes", *figure, prototypes.caption_prototypes(tables, settings))
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
        for figure in drawn:
            save_figure(figure.figure, partial / figure.name, figure.source, dpi, figure.caption)
