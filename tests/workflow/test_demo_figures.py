"""No panel of the finished demo's figures is empty, but those of the session without tuning.

Counted in the SVG files that a reader opens: what matplotlib has drawn in each axes, beside the axes' own
background, frame, ticks and words, and beside guides (lines and bands that cross the whole panel).
"""

import re
import xml.etree.ElementTree as ET

import pytest
from matplotlib.figure import Figure

SVG = "{http://www.w3.org/2000/svg}"
UNTUNED = "untuned_shared"  # planted to be empty
CORNER = re.compile(r"[ML] ([-\d.]+) ([-\d.]+)")


def corners(group):
    """x and y of the points of a group's first path, as two lists."""
    path = group.find(f".//{SVG}path")
    points = CORNER.findall(path.get("d", "")) if path is not None else []
    return [float(x) for x, _ in points], [float(y) for _, y in points]


def is_guide(group, background):
    """Whether a line or patch only crosses the panel: one level, or a band as wide or high as the axes."""
    x, y = corners(group)
    if not x or group.find(f".//{SVG}use") is not None:  # markers
        return False
    if len(x) == 2 and (x[0] == x[1] or y[0] == y[1]):
        return True
    if len(x) > 5:  # no rectangle
        return False
    spans = ((max(c) - min(c), max(b) - min(b)) for c, b in zip((x, y), background, strict=True))
    return "patch" in group.get("id", "") and any(size >= whole - 0.1 for size, whole in spans)


def shows_data(child, background):
    """Whether a child of an axes' group is data: an image, a line, dots, an area or a bar."""
    if child.tag == f"{SVG}image" or child.find(f".//{SVG}image") is not None:
        return True
    kind = child.get("id", "").rstrip("0123456789")
    if kind in ("line2d_", "patch_"):
        path = child.find(f".//{SVG}path")
        is_frame = kind == "patch_" and (path is None or "fill: none" in path.get("style", ""))
        return not is_frame and not is_guide(child, background)
    return kind.endswith(("Collection_", "QuadMesh_")) and len(child) > 0


def empty_panels(svg):
    """Ids of the axes of an SVG file without data; cells of a grid that are switched off do not count."""
    empty = []
    for axes in ET.parse(svg).iter(f"{SVG}g"):
        if not axes.get("id", "").startswith("axes_"):
            continue
        children = list(axes)
        has_frame = bool(children) and children[0].get("id", "").startswith("patch_")
        background = corners(children[0]) if has_frame else ([], [])
        if not any(shows_data(child, background) for child in children[1 if has_frame else 0 :]) and (
            has_frame or children
        ):
            empty.append(axes.get("id"))
    return empty


@pytest.mark.slow
def test_every_panel_of_the_report_shows_something(demo):
    figures = sorted((demo / "results/figures").glob("*/*.svg"))
    assert len({file.parent for file in figures}) == 18  # seventeen sessions and the population
    empty = {f"{file.parent.name}/{file.stem}": len(empty_panels(file)) for file in figures}
    empty = {name: number for name, number in empty.items() if number and not name.startswith(UNTUNED)}
    assert empty == {}


def test_an_empty_panel_is_told_from_a_full_one(tmp_path):
    figure = Figure()
    panels = figure.subplots(2, 5).ravel()
    panels[0].plot([0, 1], [0, 1])
    panels[1].imshow([[0, 1], [1, 0]])
    panels[2].bar([1, 2], [3, 4])
    panels[3].scatter([1, 2], [3, 4])
    panels[4].fill_between([0, 1], [1, 2])
    panels[5].text(0.5, 0.5, "nothing")
    panels[6].axhline(0.5)
    panels[7].axvspan(0.2, 0.4)
    panels[8].set_axis_off()
    panels[9].stairs([1, 2, 1], fill=True)
    figure.savefig(tmp_path / "panels.svg")
    assert empty_panels(tmp_path / "panels.svg") == ["axes_6", "axes_7", "axes_8"]
