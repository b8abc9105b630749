"""Figures in the page: the same drawing in fewer bytes, coarser where room is short, and told in words."""

import base64
import io
import json
import re
from urllib.parse import unquote

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from report_examples import write_drawing, write_figure

from evoalign.figures.axes_facts import axes_facts, read_facts, told
from evoalign.figures.report_pictures import FORMS, compact, held, packed_size, share_room
from evoalign.figures.save import save_figure


def test_coordinates_are_rounded_and_nothing_else_is():
    svg = (
        '<?xml version="1.0"?>\n<svg width="10.123456pt" viewBox="0 0 1 2"><metadata>x</metadata>'
        '<path id="p1.234567" d="M 1.234567 -0.0004 \nL 2.5 3.999999 \nz"/>'
        '<text x="0.123456" transform="scale(0.015625)" style="font-size: 6.512345px">0.123456</text></svg>'
    )
    assert compact(svg, FORMS[0]) == (
        '<svg width="10.12pt" viewBox="0 0 1 2">'
        '<path id="p1.234567" d="M 1.23 0 L 2.5 4 z"/>'
        '<text x="0.12" transform="scale(0.015625)" style="font-size: 6.512345px">0.123456</text></svg>'
    )


def png(pixels):
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "png")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"


def test_maps_in_a_drawing_keep_their_pixels_and_photographs_come_close():
    colours = np.random.default_rng(0).integers(0, 255, (8, 3), dtype=np.uint8)
    plot = colours[np.random.default_rng(1).integers(0, 8, (20, 30))]
    x, y = np.meshgrid(np.linspace(0, 255, 64), np.linspace(0, 255, 48))
    photograph = np.stack([x, y, 255 - x], axis=-1).astype(np.uint8)
    for pixels, tolerance in ((plot, 0), (photograph, 12)):
        (source,) = re.findall(
            "data:image/webp;base64,([^']+)'", compact(f"<svg><image href='{png(pixels)}'/></svg>", FORMS[0])
        )
        with Image.open(io.BytesIO(base64.b64decode(source))) as bitmap:
            shown = np.asarray(bitmap.convert("RGB"), dtype=int)
        assert np.abs(shown - pixels).max() <= tolerance


def test_the_drawing_is_a_data_url_that_gives_it_back(tmp_path):
    write_drawing(tmp_path, "raster", 5, seed=0)
    url = held(tmp_path / "raster.png", FORMS[0])
    assert unquote(url.removeprefix("data:image/svg+xml,")) == compact(
        (tmp_path / "raster.svg").read_text(), FORMS[0]
    )
    assert not set('"<>\n') & set(url)


def test_figures_share_their_room_and_the_first_stay_finest(tmp_path):
    for seed, stem in enumerate("abc"):
        write_drawing(tmp_path, stem, 2000, seed)
    bitmaps = [tmp_path / f"{stem}.png" for stem in "abc"]
    finest = [held(bitmap, FORMS[0]) for bitmap in bitmaps]
    coarsest = [held(bitmap, FORMS[-1]) for bitmap in bitmaps]
    all_of_it = sum(map(packed_size, finest))
    assert share_room(bitmaps, all_of_it) == finest
    some = share_room(bitmaps, all_of_it - 1)
    assert some[0] == finest[0] and some[2] != finest[2] and sum(map(packed_size, some)) < all_of_it
    one = share_room(bitmaps, 1.01 * packed_size(coarsest[0]))
    assert one == [coarsest[0], "", ""]
    assert share_room(bitmaps, 10) == ["", "", ""]


def test_a_figure_without_vectors_is_held_as_it_is(tmp_path):
    write_figure(tmp_path, "raster")
    (source,) = share_room([tmp_path / "raster.png"], float("inf"))
    assert source.startswith("data:image/webp;base64,")


@pytest.fixture
def figure():
    drawn = Figure(figsize=(4, 2), dpi=100)
    left = drawn.add_axes(
        (0.1, 0.2, 0.3, 0.6), title="V4 $\\mathit{n}$", xlabel="Time (ms)", ylabel="Rate", yscale="log"
    )
    left.plot([0, 200], [1, 100])
    left.set(xlim=(0, 200), ylim=(1, 100))
    right = drawn.add_axes((0.6, 0.2, 0.3, 0.6), sharey=left)
    right.plot(["V1", "V4"], [1, 2])
    drawn.add_axes((0.95, 0.2, 0.02, 0.1)).axis("off")
    return drawn


def test_axes_are_described_by_place_range_and_names(figure):
    with mpl.rc_context({"axes.titlelocation": "left"}):
        figure.draw_without_rendering()
    left, right = json.loads(axes_facts(figure))
    assert left["box"] == pytest.approx([0.1, 0.2, 0.4, 0.8], abs=1e-3)
    assert left["x"] == {"label": "Time (ms)", "scale": "linear", "ends": [0, 200]}
    assert left["y"] == {"label": "Rate", "scale": "log", "ends": [1, 100]}
    assert right["x"]["ticks"] == [[0, "V1"], [1, "V4"]] and right["y"]["label"] == "Rate"


def test_a_figure_on_disk_tells_its_axes_and_its_panels_in_words(figure, tmp_path):
    save_figure(figure, tmp_path / "f", {})
    with Image.open(tmp_path / "f.png") as bitmap:
        facts = read_facts(bitmap)
    assert len(facts) == 2
    assert told(facts).startswith("2 panels. V4") and "Rate by Time (ms); Rate" in told(facts)
    write_figure(tmp_path, "plain")
    with Image.open(tmp_path / "plain.png") as bitmap:
        assert read_facts(bitmap) == [] and told([]) == ""
