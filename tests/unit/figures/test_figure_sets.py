"""Every figure of the sets draws from tables without rows, and says why it is empty."""

import base64
import io

import matplotlib.text
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator
from PIL import Image
from report_examples import write_figure

from evoalign import tables
from evoalign.analysis.pooling.encoding import pool_encoding
from evoalign.analysis.population.pool import pool_sessions
from evoalign.analysis.settings import Analysis, Encoding, Tuning
from evoalign.figures import sets
from evoalign.figures.by_block import label_blocks
from evoalign.figures.captions import FigureSettings
from evoalign.figures.order import ORDER
from evoalign.figures.report import read_panels
from evoalign.figures.sets import POPULATION_FIGURES, Drawn, draw_all, save_all
from evoalign.study import Config

SETTINGS = FigureSettings(Analysis(), Encoding(), Tuning())


@pytest.fixture(scope="module")
def nothing():
    """Pooled tables of a study without sessions."""
    return pool_sessions([], Config()) | pool_encoding([], Config())


@pytest.mark.parametrize("name", POPULATION_FIGURES)
def test_a_population_figure_without_experiments_says_so(name, nothing, tmp_path):
    drawn = next(draw_all(nothing, SETTINGS, {name: POPULATION_FIGURES[name]}))
    drawn.figure.savefig(tmp_path / "f.png", dpi=50)
    texts = [text.get_text() for text in drawn.figure.findobj(matplotlib.text.Text)]
    assert any(word in text for text in texts for word in ("no valid", "no unit", "none"))
    assert drawn.caption


def test_no_tick_of_a_panel_stands_between_two_blocks():
    panel = Figure((4, 2)).subplots()
    panel.plot(np.arange(1, 17), np.zeros(16))
    panel.xaxis.set_major_locator(MultipleLocator(2.5))
    assert (panel.get_xticks() % 1).any()
    label_blocks(panel)
    assert len(panel.get_xticks()) > 2 and not (panel.get_xticks() % 1).any()


def test_the_order_of_the_page_names_every_figure_once():
    of_sets = (
        *sets.SESSION_FIGURES, *sets.TUNING_FIGURES, *sets.POPULATION_FIGURES,
        *sets.PROTOTYPE_FIGURES, *sets.POPULATION_TUNING_FIGURES, *sets.IMAGE_FIGURES,
        *sets.FEATURE_FIGURES,
    )  # fmt: skip
    of_files = (
        "paired_evolution",
        "evolved_images",
        "reference_responses",
        "raster",
        "alignment",
        "quality",
    )
    assert len(set(ORDER)) == len(ORDER)
    assert set(ORDER) == {*of_sets, *of_files}


def test_figures_come_onto_the_page_in_the_order_of_a_reader(nothing, tmp_path, style):
    def lazily():
        for name in ("quality", "zebra", "paired_evolution"):
            figure = next(draw_all(nothing, SETTINGS, {"crossover": POPULATION_FIGURES["crossover"]})).figure
            yield Drawn(name, figure, {"a": pd.DataFrame({"x": [1]})}, f"caption of {name}")

    save_all(lazily(), tmp_path / "s1", style, 50)
    panels = read_panels(tmp_path / "s1")
    assert [panel.stem for panel in panels] == ["paired_evolution", "quality", "zebra"]
    assert [panel.name for panel in panels][::2] == ["Paired evolution", "zebra"]
    assert panels[0].caption.strip() == "caption of paired_evolution"
    assert ORDER.index("paired_evolution") < ORDER.index("quality")


def test_the_page_holds_the_pixels_of_the_bitmap(tmp_path):
    write_figure(tmp_path, "raster")
    (panel,) = read_panels(tmp_path)
    content = base64.b64decode(panel.src.removeprefix("data:image/webp;base64,"))
    with Image.open(tmp_path / "raster.png") as bitmap, Image.open(io.BytesIO(content)) as held:
        assert np.array_equal(np.asarray(bitmap.convert("RGB")), np.asarray(held.convert("RGB")))
        assert panel.size == bitmap.size


def test_a_figure_that_fails_leaves_no_folder(tmp_path, style):
    def failing():
        raise ValueError("no figure")
        yield

    with pytest.raises(ValueError, match="no figure"):
        save_all(failing(), tmp_path / "s1", style, 50)
    assert not list(tmp_path.iterdir())


def test_no_table_is_forgotten_by_its_contract(nothing):
    for name, frame in nothing.items():
        assert tables.conform(frame, tables.contract_of(name)).empty
