"""What a finished demo run has made, and what runs again when something changes."""

import base64
import gzip
import os
import re
import shutil

import pandas as pd
import pytest
from PIL import Image
from running import jobs, snakemake

from chromium_browser import reveal
from evoalign.figures.plain_words import figure_title, meaning
from evoalign.figures.report_chapters import POPULATION
from evoalign.figures.sets import (
    POPULATION_FIGURES,
    POPULATION_TUNING_FIGURES,
    PROTOTYPE_FIGURES,
    SESSION_FIGURES,
    TUNING_FIGURES,
)

SESSIONS = ["V1_plexon", "V4_blackrock", "IT_blackrock"]  # recordings
SHARED = [f"{area}_shared{n}" for area in ("V1", "V4", "IT") for n in (1, 2, 3, 4)] + ["untuned_shared"]
POOLED = (*POPULATION_FIGURES, *PROTOTYPE_FIGURES, *POPULATION_TUNING_FIGURES)
TUNING_PAGES = ("quality", "raster", *TUNING_FIGURES)
PAGES = (
    *("alignment", "evolved_images", "paired_evolution", "quality", "raster", "reference_responses"),
    *SESSION_FIGURES,
)
SHARED_PAGES = PAGES[1:]  # aligned elsewhere
# Each rule that a session's raw file leads to, once; pooled rules once.
AFTER_RAW = {
    "recording", "presentations", "spike_sorting", "nwb", "nwb_findings", "responses", "trajectories",
    "encoding", "population", "population_encoding", "population_tuning", "prototypes",
    "session_figures", "population_figures", "report", "provenance", "all",
}  # fmt: skip

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("folder", "figures"),
    [
        *((s, PAGES) for s in SESSIONS),
        *((s, SHARED_PAGES) for s in SHARED),
        ("IT_tuning", TUNING_PAGES),
        ("population", POOLED),
    ],
)
def test_every_figure_is_there_as_vector_bitmap_and_values(demo, folder, figures):
    made = demo / "results/figures" / folder
    assert {file.stem for file in made.glob("*.png")} == set(figures)
    for name in figures:
        assert (made / f"{name}.svg").read_text().lstrip().startswith("<?xml")
        assert len((made / f"{name}.txt").read_text()) > 60, "a caption states N and tests"
        values = [pd.read_csv(file) for file in made.glob(f"{name}_*.csv")]
        # A session without tuning may explain no unit; its spectrum says so.
        assert any(len(table) for table in values) or (folder, name) == ("untuned_shared", "hessian_spectrum")
        with Image.open(made / f"{name}.png") as bitmap:
            low, high = bitmap.convert("L").getextrema()
            assert low < 128 < high, "something is drawn"


def test_each_session_is_an_nwb_file_that_breaks_no_best_practice(demo):
    for session in SESSIONS:
        assert (demo / f"results/nwb/{session}.nwb").stat().st_size > 100_000
        findings = pd.read_parquet(demo / f"results/sessions/{session}/nwb/findings.parquet")
        assert set(findings["importance"]) <= {"BEST_PRACTICE_SUGGESTION"}, findings.to_string()


def without_values(folder):
    """Figures of which no panel has a value: the report says what they would need."""
    stems = {file.stem for file in folder.glob("*.png")}
    return {s for s in stems if all(pd.read_csv(file).empty for file in folder.glob(f"{s}_*.csv"))}


def unpacked(page):
    """The page with the figures of its sessions as the browser inflates them."""
    return re.sub(
        '<script type="application/gzip">([^<]*)</script>',
        lambda packed: gzip.decompress(base64.b64decode(packed[1])).decode(),
        page,
    )


def test_the_report_needs_nothing_but_itself(demo):
    page = unpacked((demo / "results/report.html").read_text(encoding="utf-8"))
    loaded = re.findall(r"""(?:src|href)\s*=\s*["']([^"']*)["']|url\(([^)]*)\)|@import""", page)
    beside = {"provenance/index.html"}  # a link: what the run took is told on a page of its own
    # %23 is a # within a drawing, which is itself in the page.
    assert all((t or u).startswith(("data:", "#", "%23")) or t in beside for t, u in loaded)
    folders = [demo / "results/figures" / name for name in (*SESSIONS, *SHARED, "IT_tuning", "population")]
    empty = sum(len(without_values(folder)) for folder in folders)
    of_sessions = len(SESSIONS) * len(PAGES) + len(SHARED) * len(SHARED_PAGES) + len(TUNING_PAGES)
    assert page.count("<figure ") == of_sessions + len(POOLED) - empty
    assert page.count("nothing to draw") == empty
    for session in (*SESSIONS, *SHARED):
        assert f'id="session-{session}"' in page


def test_the_report_says_first_what_was_found(demo):
    page = (demo / "results/report.html").read_text(encoding="utf-8")
    # Each number is a link.
    found = re.sub("</?a[^>]*>", "", page[page.index('id="found"') : page.index('id="glance"')])
    assert "16 of 16 paired evolutions count (V1 5, V4 6 and PIT 5)" in found
    assert "Not tested for leads and crossover" not in found and 3 <= found.count("<li>") <= 6


@pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium on this machine")
def test_a_browser_without_network_shows_every_figure_of_the_report(demo, browser):
    report = demo / "results/report.html"
    page = browser.new_context(offline=True).new_page()
    page.goto(report.as_uri())
    reveal(page)
    shown = page.evaluate(
        """[...document.querySelectorAll('figure img')]
        .filter(image => image.naturalWidth > 300 && image.clientWidth > 200).length"""
    )
    assert shown == unpacked(report.read_text(encoding="utf-8")).count("<figure ")


def test_a_second_run_has_nothing_to_do(demo):
    assert "Nothing to be done" in snakemake("-n", cwd=demo).stdout


def test_a_touched_raw_file_reruns_its_session_and_what_is_pooled(demo):
    raw = demo / "data/demo/V4_blackrock/V4_blackrock.ns6"
    before = raw.stat()
    try:
        os.utime(raw)
        planned = jobs(snakemake("-n", cwd=demo).stdout)
    finally:
        os.utime(raw, ns=(before.st_atime_ns, before.st_mtime_ns))
    planned.pop("total")
    assert planned == dict.fromkeys(AFTER_RAW, 1)


def test_snakemakes_own_report_has_the_same_chapters_titles_and_captions(demo, tmp_path):
    snakemake("--report", tmp_path / "snakemake.html", cwd=demo)
    page = (tmp_path / "snakemake.html").read_text(encoding="utf-8")
    for chapter in POPULATION:
        assert f'"{chapter}"' in page
    for stem in ("crossover", "evolved_images"):
        assert figure_title(stem) in page and meaning(stem) in page
    # Captions begin alike, as HTML.
    caption = (demo / "results/figures/population/crossover.txt").read_text(encoding="utf-8")
    assert caption[:60] in re.sub(r"\s+", " ", page.replace("\\n", " "))
    assert "system-message" not in page
