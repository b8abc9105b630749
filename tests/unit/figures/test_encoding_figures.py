"""The encoding figures draw from tables alone, also from empty ones, and state their N."""

import numpy as np
import pytest

from evoalign import tables
from evoalign.analysis.settings import Analysis, Encoding, Tuning
from evoalign.figures.captions import FigureSettings
from evoalign.figures.from_tables import encoding

SETTINGS = FigureSettings(Analysis(), Encoding(), Tuning())
STARTS = np.arange(0, 200, 20)
DRAWN = [
    (encoding.draw_alignment_index, encoding.caption_alignment_index),
    (encoding.draw_unit_heatmaps, encoding.caption_unit_heatmaps),
    (encoding.draw_hessian_spectrum, encoding.caption_hessian_spectrum),
]


@pytest.mark.parametrize(("draw", "caption"), DRAWN)
def test_figures_draw_from_empty_tables(draw, caption, tmp_path):
    names = ["population_encoding", "population_encoding_crossover", "encoding_index", "encoding_crossover"]
    names.append("population_encoding_spectrum")
    empty = {name: tables.empty(tables.contract_of(name)) for name in names}
    figure, _ = draw(empty, SETTINGS)
    figure.savefig(tmp_path / "f.png", dpi=50)
    assert caption(empty, SETTINGS)


@pytest.mark.parametrize(("draw", "caption"), DRAWN)
def test_figures_render(made, draw, caption, tmp_path):
    figure, source = draw(made, SETTINGS)
    figure.savefig(tmp_path / "f.svg")
    assert source and caption(made, SETTINGS)


def test_index_panel_shows_the_table(made):
    figure, source = encoding.draw_alignment_index(made, SETTINGS)
    panel = figure.axes[0]
    lines = [line for line in panel.lines if len(line.get_xdata()) == len(STARTS)]
    np.testing.assert_allclose(lines[0].get_ydata(), 0.01)  # equal shares
    np.testing.assert_allclose(lines[1].get_xdata(), STARTS + 10)
    np.testing.assert_allclose(lines[1].get_ydata(), np.where(STARTS < 120, -0.5, 0.75))
    # The style decides on which side a title stands.
    assert any("9 units, 6 sessions" in panel.get_title(side) for side in ("left", "center"))
    assert len(source["index"]) == len(STARTS)  # of the fold scheme that is shown alone
    text = encoding.caption_alignment_index(made, SETTINGS)
    assert "PIT 120 ms (interval 100 to 140) (n = 9 units of 6 sessions, 7 explained beyond chance)" in text


def test_no_crossover_is_shown_with_its_reason(made):
    frame = made["population_encoding_crossover"]
    reason = "fewer than 5 sessions"
    made["population_encoding_crossover"] = frame.assign(crossover_ms=np.nan, reason=reason)
    panel = encoding.draw_alignment_index(made, SETTINGS)[0].axes[0]
    assert [text.get_text() for text in panel.texts] == [f"no crossover: {reason}"]
    assert not [line for line in panel.lines if line.get_linestyle() == "--"]
    assert f"PIT none: {reason}" in encoding.caption_alignment_index(made, SETTINGS)


def test_heatmap_sorts_units_by_crossover(made):
    _, source = encoding.draw_unit_heatmaps(made, SETTINGS)
    assert source["texture"]["unit"].tolist() == [8, 3]
    np.testing.assert_allclose(source["texture"].iloc[0, 1:].astype(float), 0.8)
    assert "2 of 2 have one" in encoding.caption_unit_heatmaps(made, SETTINGS)


def test_spectrum_names_ranks_from_one(made):
    figure, _ = encoding.draw_hessian_spectrum(made, SETTINGS)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["1", "2\u20136"]
