"""What several figures share: area panels, padded lines, significance dots, words of captions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from evoalign.figures.style import (
    COLUMN,
    PAGE,
    REFERENCE_COLOUR,
    area_label,
    in_order,
    new_figure,
    say_empty,
    space_colour,
    space_label,
)

Tables = Mapping[str, pd.DataFrame]
STRIP = 0.07  # height of the strip of real experiments, of the panel's
Source = dict[str, pd.DataFrame]
SPACES = ("texture", "object")

# The study's choice first; where an area has no such experiment, the next one stands in and is named.
UNIT_WORDS = {
    "envelope": "preferred electrode's multi-unit envelope (MUAe)",
    "multiunit": "preferred electrode's multi-unit activity",
    "online": "preferred unit as the rig sorted it",
}
SELECTIONS = {"both": "both threads succeed", "any": "any thread succeeds", "valid": "all valid experiments"}


def chosen(frame: pd.DataFrame, area: str) -> tuple[pd.DataFrame, str]:
    """Rows of an area for the first of 'both', 'any', 'valid' that has any, and which."""
    of_area = frame[frame["area"] == area]
    for selection in SELECTIONS:
        rows = of_area[of_area["selection"] == selection]
        if len(rows):
            return rows, selection
    return of_area, ""


def title(area: str, n: int, selection: str = "both") -> str:
    """Title of an area's panel, with its N and a mark when another selection stands in."""
    mark = "" if selection in ("both", "") else f", {selection}"
    return f"{area_label(area)} (n = {n}{mark})"


def area_axes(
    areas: Sequence[str],
    height: float = 2.1,
    rows: int = 1,
    sharey: bool = True,
    empty: str = "no valid experiment",
) -> tuple[Figure, np.ndarray]:
    """Return a page-wide figure with a column of panels for each area; without areas one that says `empty`.

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : numpy.ndarray of Axes [row, area]
    """
    if not areas:
        figure = new_figure(COLUMN, 1)
        only = figure.subplots(squeeze=False)
        say_empty(only[0, 0], empty)
        return figure, only
    columns = len(areas)
    figure = new_figure(PAGE * max(columns / 3, 0.5) if columns < 3 else PAGE, height)
    axes = figure.subplots(rows, columns, squeeze=False, sharey="row" if sharey else False)
    return figure, axes


def share_axis(name: Literal["x", "y"], axes: Iterable[Axes]) -> None:
    """Let panels share an axis when all is drawn in them.

    Of axes that are shared before that, each asks all others at every step: of 45 panels, most of the time.
    """
    first, *others = axes
    corners = [panel.dataLim.get_points() for panel in others]
    first.update_datalim(np.concatenate([first.dataLim.get_points(), *corners]), name == "x", name == "y")
    first.autoscale_view(scalex=name == "x", scaley=name == "y")
    for panel in others:
        share = panel.sharex if name == "x" else panel.sharey
        share(first)


def areas_of(frame: pd.DataFrame) -> list[str]:
    """Areas of a table, along the hierarchy."""
    return in_order(frame["area"]) if len(frame) else []


def shaded(
    axes: Axes, x: np.ndarray, mean: np.ndarray, error: np.ndarray, colour: str, label: str = ""
) -> None:
    """Line of a mean with a band of one standard error to each side."""
    axes.fill_between(x, mean - error, mean + error, color=colour, alpha=0.22, linewidth=0)
    axes.plot(x, mean, color=colour, label=label or None)


def padded_line(
    axes: Axes, x: np.ndarray, y: np.ndarray, observed: np.ndarray, colour: str, **how: Any
) -> None:
    """Line that is solid where `observed` and dotted over the padding."""
    axes.plot(x[observed], y[observed], color=colour, **how)
    if (~observed).any():
        # The dotted part starts at the last real point, so that the line does not break.
        start = max(int(np.flatnonzero(observed).max(initial=0)), 0)
        axes.plot(x[start:], y[start:], color=colour, linestyle=(0, (1, 1.2)), **how)


def real_strip(axes: Axes, block: np.ndarray, n_real: np.ndarray, numbers: int = 3, size: float = 5) -> None:
    """Grey strip at the foot of a panel: how many experiments showed each block; the others are padded.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Make room for the strip with `room_for_strip`.
    block, n_real : numpy.ndarray [block]
        Block from 1, and experiments that showed it.
    numbers : int
        So many of the numbers are written, evenly spaced from the first block to the last.
    size : float
        Font size of these, in points.
    """
    height = STRIP * np.asarray(n_real) / max(float(np.max(n_real)), 1.0)
    where = axes.get_xaxis_transform()
    axes.fill_between(block, 0, height, step="mid", color="0.8", linewidth=0, transform=where, zorder=0)
    for at in np.unique(np.linspace(0, len(block) - 1, numbers).round().astype(int)) if numbers else ():
        side = {0: "left", len(block) - 1: "right"}.get(int(at), "center")
        axes.text(
            float(block[at]),
            STRIP + 0.01,
            f"{int(n_real[at])}",
            ha=side,
            va="bottom",
            fontsize=size,
            color=REFERENCE_COLOUR,
            transform=where,
        )


def room_for_strip(axes: Axes) -> None:
    """Move the data above the strip of `real_strip`."""
    low, high = axes.get_ylim()
    axes.set_ylim(low - (high - low) * 2 * STRIP, high)


def significance(
    axes: Axes, x: np.ndarray, preferred: np.ndarray, level: float = 1.02, size: float = 5
) -> None:
    """Dots along the top of a panel, coloured by the larger space; `level` in axes units."""
    for kind in SPACES:
        at = np.asarray(x)[np.asarray(preferred) == kind]
        axes.scatter(
            at,
            np.full(len(at), level),
            s=size,
            color=space_colour(kind),
            linewidth=0,
            transform=axes.get_xaxis_transform(),
            clip_on=False,
            zorder=5,
        )


def space_legend(target: Axes | Figure, extra: Sequence[Line2D] = (), **where: Any) -> None:
    """Legend of the two spaces."""
    lines = [Line2D([], [], color=space_colour(kind), label=space_label(kind)) for kind in SPACES]
    handles: list[Artist] = [*lines, *extra]
    target.legend(handles=handles, **where)


def counts(frame: pd.DataFrame) -> str:
    """Words for N by area: 'V1 n = 2, PIT n = 2 (any thread succeeds)'."""
    parts = []
    for area in areas_of(frame):
        rows, selection = chosen(frame, area)
        stands_in = "" if selection == "both" else f" ({SELECTIONS.get(selection, '')})"
        parts.append(f"{area_label(area)} n = {int(rows['n'].max())}{stands_in}")
    return ", ".join(parts) or "no valid experiment"


def site_words(frame: pd.DataFrame, p: str = "") -> str:
    """Words for the test over site means: N of sites by area and, of a table with one row an area, p.

    Parameters
    ----------
    frame : pandas.DataFrame
        A pooled table with column `n_sites`, or `texture_n_sites` and `object_n_sites`; of one selection.
    p : str
        Column of the p value to give; '' for none.
    """
    parts = []
    for area in areas_of(frame):
        rows = chosen(frame, area)[0] if "selection" in frame else frame[frame["area"] == area]
        names = [name for name in rows if str(name).endswith("n_sites")]
        n = " and ".join(str(int(rows[name].max())) for name in names)
        p_text = p_words(float(rows[p].iloc[0])) if p else ""
        parts.append(f"{area_label(area)} {n}{': ' * bool(p_text)}{p_text}")
    return "; ".join(parts) or "none"


def p_words(p: float) -> str:
    """P value as in a figure: 'p = 0.012', 'p < 0.001', 'n.s.' never; '' for NaN."""
    if not np.isfinite(p):
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def words(text: str) -> str:
    """Text of a caption in one line, whatever its line breaks in the code."""
    return " ".join(text.split())


def rate_label(tables: Tables) -> str:
    """Axis label of the analysed unit's responses: of an envelope they are a voltage.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
        ``unit``: the analysed unit's row of `UNITS`; without it a unit
        that spikes is meant.
    """
    return "MUAe (µV)" if _is_envelope(tables) else "Rate (spikes/s)"


def unit_words(tables: Tables) -> str:
    """Words for the analysed unit in captions; see `rate_label`."""
    kinds = tables["unit"]["kind"].tolist() if "unit" in tables else []
    return UNIT_WORDS.get(kinds[0] if kinds else "", "preferred unit")


def _is_envelope(tables: Tables) -> bool:
    return "unit" in tables and bool((tables["unit"]["kind"] == "envelope").any())
