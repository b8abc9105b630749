"""Colours, sizes and names that all figures share."""

from __future__ import annotations

from collections.abc import Iterable

from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's palette: told apart with every common colour blindness and in grey.
SPACE_COLOURS = {"texture": "#0072B2", "object": "#D55E00"}
AREA_COLOURS = {"V1": "#009E73", "V4": "#CC79A7", "IT": "#E69F00"}
OTHER_COLOURS = ("#56B4E9", "#F0E442", "#000000", "#999999")
REFERENCE_COLOUR = "#7F7F7F"

SPACE_LABELS = {"texture": "Texture", "object": "Object"}
AREA_LABELS = {"IT": "PIT"}
AREA_ORDER = ("V1", "V2", "V4", "IT")

# Widths of one and two columns of a journal page, in inches.
COLUMN, PAGE = 89 / 25.4, 183 / 25.4


def space_colour(kind: str) -> str:
    """Colour of a kind of space: 'texture', 'object' or another."""
    return SPACE_COLOURS.get(kind, REFERENCE_COLOUR)


def space_label(kind: str) -> str:
    """Name of a kind of space in legends."""
    return SPACE_LABELS.get(kind, kind)


def area_colour(area: str) -> str:
    """Colour of a visual area; areas without one of their own get a fixed other."""
    return AREA_COLOURS.get(area, OTHER_COLOURS[sum(area.encode()) % len(OTHER_COLOURS)])


def area_label(area: str) -> str:
    """Name of an area in titles: the table's IT is posterior IT."""
    return AREA_LABELS.get(area, area or "no area")


def in_order(areas: Iterable[str]) -> list[str]:
    """Areas along the visual hierarchy, then the others by name."""
    rank = {area: index for index, area in enumerate(AREA_ORDER)}
    return sorted(set(areas), key=lambda area: (rank.get(area, len(rank)), area))


def new_figure(width: float = PAGE, height: float = 2.2) -> Figure:
    """Return a figure of a size in inches, outside of pyplot's memory of figures."""
    return Figure(figsize=(width, height), layout="constrained")


def letter(axes: Axes, text: str) -> None:
    """Write a panel's letter above its upper left corner."""
    axes.annotate(
        text,
        (0, 1),
        xycoords="axes fraction",
        xytext=(-24, 6),
        textcoords="offset points",
        fontsize=9,
        fontweight="bold",
        annotation_clip=False,
    )


def say_empty(axes: Axes, text: str) -> None:
    """Write in an empty panel why it is empty."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=REFERENCE_COLOUR)
    axes.set_xticks([])
    axes.set_yticks([])
