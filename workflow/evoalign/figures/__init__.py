"""Figures: each module draws one, from tables and the settings they were made with."""

from evoalign.figures.save import save_figure, use_style
from evoalign.figures.session_pages import draw_session
from evoalign.figures.sets import (
    POPULATION_FIGURES,
    POPULATION_TUNING_FIGURES,
    PROTOTYPE_FIGURES,
    SESSION_FIGURES,
    TUNING_FIGURES,
    Drawn,
    draw_all,
    draw_population,
    save_all,
)
from evoalign.figures.settings import FigureSettings

__all__ = [
    "POPULATION_FIGURES",
    "POPULATION_TUNING_FIGURES",
    "PROTOTYPE_FIGURES",
    "SESSION_FIGURES",
    "TUNING_FIGURES",
    "Drawn",
    "FigureSettings",
    "draw_all",
    "draw_population",
    "draw_session",
    "save_all",
    "save_figure",
    "use_style",
]
