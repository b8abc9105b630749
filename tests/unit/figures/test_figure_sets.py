"""Every figure of the sets draws from tables without rows, and says why it is empty."""

from pathlib import Path
from urllib.parse import unquote

import matplotlib.text
import pandas as pd
import pytest

from evoalign import tables
from evoalign.analysis.pooling.encoding import pool_encoding
from evoalign.analysis.population.pool import pool_sessions
from evoalign.analysis.settings import Analysis, Encoding, Tuning
from evoalign.figures import sets
from evoalign.figures.captions import FigureSettings
from evoalign.figures.order import ORDER
from evoalign.figures.report import EMBEDDED_SESSIONS, read_panels, session_panels, write_report
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
    assert [panel.name for panel in panels] == ["paired evolution", "quality", "zebra"]
    assert panels[0].caption.strip() == "caption of paired_evolution"
    assert ORDER.index("paired_evolution") < ORDER.index("quality")


def test_a_page_of_many_sessions_names_their_figures_and_that_of_a_few_holds_them(tmp_path):
    for k in range(EMBEDDED_SESSIONS + 1):
        folder = tmp_path / "results" / "figures" / f"a session {k}"
        folder.mkdir(parents=True)
        (folder / "raster.png").write_bytes(b"png of %d" % k)
    folders = {folder.name: folder for folder in sorted((tmp_path / "results/figures").iterdir())}
    page = tmp_path / "results" / "report.html"
    for name, (panel,) in session_panels(folders, page).items():
        assert (page.parent / unquote(panel.src)).read_bytes() == (folders[name] / "raster.png").read_bytes()
        assert panel.src.startswith("figures/") and " " not in panel.src
    few = dict(list(folders.items())[:EMBEDDED_SESSIONS])
    assert all(
        panel.src.startswith("data:image/png;base64,") for (panel,) in session_panels(few, page).values()
    )
    template = Path(__file__).parents[3] / "workflow/report/report.html.j2"
    for own in (folders, few):
        sessions = {name: ("V4", panels) for name, panels in session_panels(own, page).items()}
        write_report(
            page, template, title="t", population=[], sessions=sessions, tables=[], provenance={}, results="r"
        )
        told = page.read_text(encoding="utf-8")
        assert told.count("<details id=") == told.count("<img src=") == len(own)
        # The page says what it must be kept with; one that holds its figures needs nothing.
        assert ("must be kept" in told) == (own is folders)


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
