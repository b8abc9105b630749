"""Where the axes of a figure lie and what they measure, kept in its bitmap.

The report reads it to name a figure's panels to who cannot see them, and to
tell the values under the pointer.
"""

from __future__ import annotations

import json
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.category import StrCategoryFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter
from PIL import Image

KEY = "Axes"  # of the text in the PNG
READABLE_SCALES = ("linear", "log")


def axes_facts(figure: Figure) -> str:
    """Describe the axes of a figure that has been laid out, as JSON.

    Parameters
    ----------
    figure : matplotlib.figure.Figure

    Returns
    -------
    str
        A list of objects, one for each panel with a title or an axis: ``box``, the left, upper,
        right and lower end as shares of the figure's width and height from its
        upper left corner; ``title``; and of each axis ``x`` and ``y`` that
        has ticks and is linear or logarithmic, its ``label``, ``scale``, the values at both
        ``ends`` of the box and, of categories, ``ticks``: pairs of place and name.
    """
    width, height = figure.bbox.size
    panels = []
    for axes in figure.axes:
        if not axes.axison or not axes.get_visible():
            continue
        axes.apply_aspect()  # as drawing does: maps of equal scales are narrower than their place
        extent = axes.get_window_extent()
        box = (extent.x0 / width, 1 - extent.y1 / height, extent.x1 / width, 1 - extent.y0 / height)
        panel: dict[str, Any] = {"box": [round(float(side), 4) for side in box], "title": title_of(axes)}
        for name, axis, shared in (
            ("x", axes.xaxis, axes.get_shared_x_axes()),
            ("y", axes.yaxis, axes.get_shared_y_axes()),
        ):
            if len(axis.get_majorticklocs()) and axis.get_scale() in READABLE_SCALES:
                labels = [
                    getattr(other, f"{name}axis").label.get_text() for other in shared.get_siblings(axes)
                ]
                panel[name] = _axis(axis, axis.label.get_text() or next(filter(None, labels), ""))
        if panel["title"] or "x" in panel or "y" in panel:
            panels.append(panel)
    return json.dumps(panels, ensure_ascii=True)


def title_of(axes: Axes) -> str:
    """Title of a panel, on whichever side the style puts it; '' without one."""
    return next(filter(None, (axes.get_title(loc) for loc in ("left", "center", "right"))), "")


def _axis(axis: Axis, label: str) -> dict[str, Any]:
    low, high = axis.get_view_interval()
    fact: dict[str, Any] = {
        "label": " ".join(label.replace("$", "").split()),
        "scale": axis.get_scale(),
        "ends": [float(f"{low:.6g}"), float(f"{high:.6g}")],
    }
    if isinstance(axis.get_major_formatter(), FixedFormatter | StrCategoryFormatter):
        places = axis.get_majorticklocs()
        names = [" ".join(text.get_text().split()) for text in axis.get_majorticklabels()]
        if any(names):
            fact["ticks"] = [
                [float(f"{place:.6g}"), name] for place, name in zip(places, names, strict=False)
            ]
    return fact


def read_facts(bitmap: Image.Image) -> list[dict[str, Any]]:
    """Return what `axes_facts` wrote into a bitmap; nothing of one that has none."""
    text: dict[str, str] = getattr(bitmap, "text", {})
    facts: list[dict[str, Any]] = json.loads(text.get(KEY, "[]"))
    return facts


def told(facts: list[dict[str, Any]]) -> str:
    """Say in words which panels a figure has: an alternative to seeing it."""
    words = []
    for panel in facts:
        x, y = (panel.get(name, {}).get("label", "") for name in ("x", "y"))
        drawn = f"{y} by {x}" if x and y else x or y
        text = ": ".join(filter(None, (panel["title"], drawn)))
        if text and text not in words:
            words.append(text)
    if not words:
        return ""
    more = f"; and {len(words) - 6} more" if len(words) > 6 else ""
    return f"{len(words)} panel{'s' * (len(words) > 1)}. {'; '.join(words[:6])}{more}."
