"""Figures on disk: vector, bitmap and the plotted values, equal bytes for equal input."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.figure import Figure, SubFigure

from evoalign.errors import InputError
from evoalign.figures.axes_facts import KEY, axes_facts
from evoalign.files import atomic_write
from evoalign.tables import without_formulas

# Ten digits: more than a plot shows, fewer than sums that differ in their order keep.
CSV_FLOATS = "%.10g"
# What matplotlib takes for no engine at all; with others it gives a figure the style's again after each file.
NO_LAYOUT: dict[Any, Any] = {"figure.constrained_layout.use": False, "figure.autolayout": False}
PLACE_DIGITS = 9  # of places on the page, as shares of its size


def use_style(path: str | PathLike[str]) -> None:
    """Set matplotlib to its defaults plus the style file, without a display.

    Parameters
    ----------
    path : path
        A matplotlib style file.

    Raises
    ------
    InputError
        The file is missing or matplotlib cannot read it.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("the style file does not exist", path, "correct figures.style in the configuration")
    mpl.rcdefaults()
    mpl.use("agg")
    try:
        matplotlib.style.use(path)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"matplotlib cannot read the style file: {error}", path) from error


def save_figure(
    figure: Figure,
    stem: str | PathLike[str],
    source: Mapping[str, pd.DataFrame],
    dpi: int = 200,
    caption: str = "",
) -> tuple[Path, ...]:
    """Write a figure as SVG and PNG, and each panel's plotted values as CSV.

    The PNG holds a text, `axes_facts`, on where its axes lie.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What to write.
    stem : path
        Folder and name without suffix: gives ``stem.svg``, ``stem.png`` and
        ``stem_<panel>.csv``. Each file appears whole or not at all.
    source : mapping of str to pandas.DataFrame
        Panel name -> values plotted in it; the index is not written.
    dpi : int
        Resolution of the bitmap and of images inside the SVG.
    caption : str
        N, tests and corrections; ``stem.txt`` is written when there is one.

    Returns
    -------
    tuple of pathlib.Path
        The files written.
    """
    stem = Path(stem)
    _settle(figure, dpi)
    # No dates, versions or random ids: the same figure is the same file.
    written = []
    with mpl.rc_context({"svg.hashsalt": "evoalign"} | NO_LAYOUT):
        bitmap_metadata = {"Software": None, KEY: axes_facts(figure)}
        for suffix, metadata in ((".svg", {"Date": None, "Creator": None}), (".png", bitmap_metadata)):
            written.append(stem.with_name(stem.name + suffix))
            with atomic_write(written[-1]) as partial:
                figure.savefig(partial, dpi=dpi, metadata=metadata)
    for panel, frame in source.items():
        written.append(stem.with_name(f"{stem.name}_{panel}.csv"))
        with atomic_write(written[-1]) as partial:
            without_formulas(frame).to_csv(partial, index=False, float_format=CSV_FLOATS, lineterminator="\n")
    if caption:
        written.append(stem.with_name(f"{stem.name}.txt"))
        with atomic_write(written[-1]) as partial:
            partial.write_text(caption + "\n", encoding="utf-8")
    return tuple(written)


def _settle(figure: Figure, dpi: float) -> None:
    """Lay the figure out once, and round where its parts lie.

    The layout's solver leaves the last digits to the order of addresses in
    memory: a text that lies on half a millionth of a point falls to one side
    or the other, and clip paths are named by a hash of all digits of their corners.
    """
    figure.dpi = dpi
    if engine := figure.get_layout_engine():
        engine.execute(figure)
    # None at all: with the engine 'none' matplotlib draws each figure twice, the first time for its layout.
    with mpl.rc_context(NO_LAYOUT):
        figure.set_layout_engine(None)
    _round_subfigures(figure)
    for axes in figure.axes:
        axes.set_position(np.round(axes.get_position(original=True).bounds, PLACE_DIGITS).tolist())


def _round_subfigures(figure: Figure | SubFigure) -> None:
    for part in figure.subfigs:
        box = part.bbox_relative
        box.p0, box.p1 = np.round(box.p0, PLACE_DIGITS), np.round(box.p1, PLACE_DIGITS)
        _round_subfigures(part)
