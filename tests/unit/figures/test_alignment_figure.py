"""The alignment figure plots what the tables hold."""

from pathlib import Path

import numpy as np
import pytest

from evoalign import tables
from evoalign.events.align import align
from evoalign.events.settings import Events
from evoalign.events.tables import LOG
from evoalign.figures.alignment import caption, draw_alignment
from evoalign.figures.save import save_figure, use_style
from evoalign.simulate.rig import simulate_rig

STYLE = Path(__file__).parents[3] / "resources/style/evoalign.mplstyle"


@pytest.fixture(scope="module")
def rig():
    return simulate_rig(2, n_presentations=600)


@pytest.fixture(scope="module")
def drawn(rig):
    result = align(rig.log, rig.words, Events(), rig.photodiode, session="s", segments=rig.segments)
    use_style(STYLE)
    return result, *draw_alignment(result.presentations, result.report)


def test_source_data_are_the_tables(drawn):
    result, _, source = drawn
    p, report = result.presentations, result.report.iloc[0]
    assert len(source["a"]) == report["matched"]
    assert len(source["b"]) == len(p)
    assert (
        source["c"]["presentations"].sum() == (p["onset_source"].eq("photodiode") & p["word_s"].notna()).sum()
    )
    # The slope of panel a is the drift: 40 ppm are 2.4 ms a minute.
    slope = np.polyfit(source["a"]["minutes"], source["a"]["clock_difference_ms"], 1)[0]
    assert slope == pytest.approx(0.06 * report["drift_ppm"], abs=0.05)


def test_delays_spread_as_planted(drawn):
    _, _, source = drawn
    delays = source["c"]
    assert delays["from_ms"].min() >= -0.5
    assert delays["to_ms"].max() <= 17.5
    assert np.allclose(delays["to_ms"] - delays["from_ms"], 0.5)


def test_caption_states_numbers_and_reasons(drawn):
    result, *_ = drawn
    text = caption(result.presentations, result.report)
    assert f"n = {len(result.presentations)} presentations" in text
    assert "inside a pause of the recording" in text
    assert "\n" not in text


def test_figures_without_photodiode_or_words_say_so(rig, tmp_path):
    result = align(rig.log, rig.words, Events(), segments=rig.segments)
    figure, source = draw_alignment(result.presentations, result.report)
    assert source["c"].empty
    assert "No photodiode" in caption(result.presentations, result.report)
    save_figure(figure, tmp_path / "none", source)
    empty = align(tables.empty(LOG), rig.words, Events())
    figure, source = draw_alignment(empty.presentations, empty.report)
    save_figure(figure, tmp_path / "empty", source)
    assert (tmp_path / "empty.png").exists()


def test_equal_tables_give_equal_files(drawn, tmp_path):
    result, *_ = drawn
    for name in "ab":
        figure, source = draw_alignment(result.presentations, result.report)
        save_figure(figure, tmp_path / name / "alignment", source)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()
