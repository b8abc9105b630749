"""The settings that figures name in captions and go by in marks and axes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evoalign.analysis.settings import Analysis, Encoding, Tuning
from evoalign.figures.panels import Source, Tables, counts
from evoalign.spaces.settings import Prototypes


@dataclass(frozen=True)
class FigureSettings:
    """Settings with which the tables of a figure were made.

    Attributes
    ----------
    analysis, encoding, tuning, prototypes : sections of study.Config
        `prototypes` is read by pooled figures alone.
    """

    analysis: Analysis
    encoding: Encoding
    tuning: Tuning
    prototypes: Prototypes = field(default_factory=Prototypes)


class Draw(Protocol):
    """Drawing a figure, as every ``draw_NAME`` of this room does it."""

    def __call__(self, tables: Tables, settings: FigureSettings, /) -> tuple[Figure, Source]:
        """Draw a figure; its own docstring names the tables that it takes and the panels that it gives.

        Parameters
        ----------
        tables : mapping of str to pandas.DataFrame
            Tables by name, as in `evoalign.tables`.
        settings : FigureSettings
            Settings that these tables were made with: levels of marks, windows of axes.

        Returns
        -------
        figure : matplotlib.figure.Figure
        source : dict of str to pandas.DataFrame
            Values that each panel shows, by the panel's name.
        """


class Caption(Protocol):
    """The caption of a figure: what is shown, N, tests and corrections, from the same tables and settings."""

    def __call__(self, tables: Tables, settings: FigureSettings, /) -> str:
        """Return the caption in one line."""


def percent(share: float) -> str:
    """Write a share of 1 as in '95 %'."""
    return f"{round(100 * share, 6):g} %"


def span(window_ms: tuple[int, int]) -> str:
    """Write a window as in '50 to 200 ms'."""
    return f"{window_ms[0]} to {window_ms[1]} ms"


def quantiles(mass: float) -> str:
    """Name the ends of a central interval: '5 % and 95 % quantiles' of a mass of 0.9."""
    return f"{percent((1 - mass) / 2)} and {percent((1 + mass) / 2)} quantiles"


def late_blocks(settings: FigureSettings) -> str:
    """Name the late blocks: 'late blocks (last 50 %)'."""
    return f"late blocks (last {percent(settings.analysis.late_fraction)})"


def success_words(settings: FigureSettings) -> str:
    """Threshold at which a thread succeeds: 'p < 0.01'."""
    return f"p < {settings.analysis.success_p:g}"


def selected(frame: pd.DataFrame, settings: FigureSettings) -> str:
    """Say which experiments a pooled table is of, by area.

    Parameters
    ----------
    frame : pandas.DataFrame
        A pooled table with columns `area`, `selection` and `n`.
    settings : FigureSettings
        Their threshold of 'both succeed' is named.
    """
    level = settings.analysis.both_succeed_p
    return f"Experiments in which both threads succeed (p < {level:g}) unless said: {counts(frame)}"


def show_window(axes: Axes, window_ms: tuple[int, int]) -> None:
    """Let the time axis of a panel be the window that its table covers, ms from image onset."""
    axes.set_xlim(*window_ms)
