"""Figures on disk are whole and the same bytes each time."""

import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from evoalign.errors import InputError
from evoalign.figures.save import save_figure, use_style

STYLE = Path(__file__).parents[3] / "resources/style/evoalign.mplstyle"


def drawn() -> Figure:
    use_style(STYLE)
    figure = Figure(figsize=(2, 1.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(np.arange(50), np.sqrt(np.arange(50)), label="rate")
    axes.fill_between(np.arange(50), 0, 1, alpha=0.3)
    axes.imshow(np.eye(4), extent=(0, 10, 0, 3))
    axes.set_xlabel("Block")
    axes.legend()
    return figure


def test_equal_figures_are_equal_files(tmp_path):
    table = pd.DataFrame({"x": [1, 2], "y": [0.1, 1 / 3]})
    first = save_figure(drawn(), tmp_path / "a" / "f", {"b": table}, 100)
    second = save_figure(drawn(), tmp_path / "b" / "f", {"b": table}, 100)
    assert [p.name for p in first] == ["f.svg", "f.png", "f_b.csv"]
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes()


def test_nothing_of_time_or_version_is_written(tmp_path):
    svg, png = save_figure(drawn(), tmp_path / "f", {}, 100)
    assert "<dc:date>" not in svg.read_text()
    assert mpl.__version__.encode() not in svg.read_bytes() + png.read_bytes()


def test_clip_paths_do_not_depend_on_the_last_digit_of_the_layout(tmp_path):
    texts = []
    for shift in (0, 1e-14):
        figure = Figure(figsize=(2, 1.5))
        figure.add_axes((0.2 + shift, 0.2, 0.7, 0.7)).plot([0, 1], [0, 1])
        svg, _ = save_figure(figure, tmp_path / f"{shift}", {}, 50)
        texts.append(svg.read_text())
    assert texts[0] == texts[1]
    defined = set(re.findall(r'<clipPath id="(.*?)"', texts[0]))
    assert defined and set(re.findall(r"url\(#(.*?)\)", texts[0])) == defined


def test_text_of_the_vector_file_is_text(tmp_path):
    svg, _ = save_figure(drawn(), tmp_path / "f", {}, 100)
    assert ">Block</text>" in svg.read_text()


def test_source_data_read_back_to_ten_digits(tmp_path):
    table = pd.DataFrame({"block": [1, 2, 3], "mean": [np.pi, np.nan, 1e-7 / 3], "space": ["a", "", "b"]})
    save_figure(drawn(), tmp_path / "f", {"c": table}, 50)
    back = pd.read_csv(tmp_path / "f_c.csv", keep_default_na=False, na_values={"mean": [""]})
    pd.testing.assert_frame_equal(back, table, rtol=1e-9, check_dtype=False)


def test_a_stem_with_dots_keeps_its_name(tmp_path):
    svg, _ = save_figure(drawn(), tmp_path / "figure.v1", {}, 50)
    assert svg.name == "figure.v1.svg"


def test_a_failed_figure_leaves_the_old_file(tmp_path):
    save_figure(drawn(), tmp_path / "f", {}, 50)
    before = (tmp_path / "f.png").read_bytes()
    with pytest.raises(ValueError):
        save_figure(drawn(), tmp_path / "f", {}, -1)
    assert (tmp_path / "f.png").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["f.png", "f.svg"]


def test_the_style_sets_journal_sizes_and_a_missing_style_is_one_message(tmp_path):
    use_style(STYLE)
    assert 7 <= mpl.rcParams["font.size"] <= 8
    assert mpl.rcParams["svg.fonttype"] == "none"
    with pytest.raises(InputError, match="does not exist"):
        use_style(tmp_path / "none.mplstyle")


def test_a_style_that_is_no_text_is_one_message(tmp_path):
    broken = tmp_path / "broken.mplstyle"
    broken.write_bytes(b"\xff\xfe\x00font")
    with pytest.raises(InputError, match="cannot read"):
        use_style(broken)


def test_a_figure_is_drawn_once_for_each_file(tmp_path, monkeypatch):
    figure, drawing, seen = drawn(), Axes.draw, []
    monkeypatch.setattr(Axes, "draw", lambda axes, renderer: (seen.append(axes), drawing(axes, renderer)))
    assert len(save_figure(figure, tmp_path / "f", {}, 100)) == len(seen) == 2
