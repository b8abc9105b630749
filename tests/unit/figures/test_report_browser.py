"""The report in a real browser: nothing broken, nothing loaded, readable, and names are text."""

import shutil

import pandas as pd
import pytest
from matplotlib.figure import Figure
from report_examples import HOSTILE, TEMPLATE, VERSIONS, write_account, write_large_page, write_page

from chromium_browser import reveal
from evoalign.figures.report import read_panels, write_report
from evoalign.figures.report_page import page_contents
from evoalign.figures.save import save_figure

playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return write_page(tmp_path_factory.mktemp("report"), text=HOSTILE)


@pytest.fixture
def opened(browser):
    """Open a page; at the end nothing has gone wrong in it, and nothing was asked of a network."""
    pages, wrong = [], []

    def open_page(path, width=1280, scheme="light"):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("requestfailed", lambda request: wrong.append(request.url[:200]))
        page.on(
            "request",
            lambda request: (
                request.url.startswith(("file:", "data:", "blob:")) or wrong.append(request.url[:200])
            ),
        )
        page.goto(path.as_uri())
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert not wrong


def test_every_anchor_and_image_is_there_once(opened, report):
    page = opened(report)
    reveal(page)
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(part => part.id)")
    links = page.evaluate("[...document.querySelectorAll('a')].map(link => link.getAttribute('href'))")
    assert len(set(ids)) == len(ids)
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    beside = {link for link in links if not link.startswith(("#", "data:text/csv;"))}
    assert beside == {"provenance/index.html"}
    widths = page.evaluate("[...document.querySelectorAll('figure img')].map(image => image.naturalWidth)")
    assert widths == [400] * 6
    assert page.evaluate("[...document.images].every(image => image.hasAttribute('alt'))")


@pytest.mark.parametrize("width", [1280, 400])
def test_no_page_is_wider_than_its_window(opened, report, width):
    page = opened(report, width)
    reveal(page)
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_the_rules_of_accessibility_hold(opened, report, scheme, width):
    page = opened(report, width, scheme)
    reveal(page)
    violations = axe.Axe().run(page).response["violations"]
    told = [(v["id"], [node["html"][:150] for node in v["nodes"]][:3]) for v in violations]
    assert not told


def test_names_that_look_like_code_are_text(opened, report):
    page = opened(report)
    reveal(page)
    assert page.evaluate("window.hacked") is None
    assert page.locator("img[src=x]").count() == 0
    # Of the page, and none of what a session was inflated from.
    assert page.locator("script").count() == 1
    # Title, lead, sentence, cells, notes, captions, message, tables.
    assert page.evaluate("document.body.textContent").count("onerror=") >= 15
    assert HOSTILE in page.locator("tr.failed .note").text_content()


def test_a_table_sorts_by_numbers_and_filters(opened, tmp_path):
    page = opened(write_page(tmp_path, n_sessions=12, n_figures=1))
    table = page.locator("#units ~ .scroll table").first
    table.get_by_role("button", name="rate").click()
    first = [table.locator("tbody tr").nth(row).locator("td").nth(1).text_content() for row in (0, 10, 12)]
    assert [float(cell) for cell in first] == [0, 10, 11]
    table.get_by_role("button", name="rate").focus()
    page.keyboard.press("Enter")
    assert float(table.locator("tbody tr").first.locator("td").nth(1).text_content()) == 11
    page.locator("#units ~ .filter").first.fill("s11")
    assert table.locator("tbody tr:visible").count() == 1


def test_the_search_keeps_links_that_hold_the_text_and_a_link_opens_its_session(opened, report):
    page = opened(report)
    page.locator("#search").fill("s1")
    links = page.locator("#contents a:visible")
    assert links.all_text_contents() == ["Sessions", "s1"]
    assert not page.locator("#session-s1 figure").first.is_visible()
    links.last.click()
    assert page.locator("#session-s1 figure").first.is_visible()


def test_a_figure_opens_in_full_size_and_closes(opened, report):
    page = opened(report)
    page.locator("#population-crossover img").click()
    assert page.locator("#zoom").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#zoom").is_visible()


def test_all_of_it_is_printed(opened, report):
    page = opened(report)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert not page.locator("nav").is_visible()
    assert page.locator("#session-s1 figure").first.is_visible()


def test_two_hundred_sessions_are_one_page_that_opens(opened, tmp_path):
    report = write_large_page(tmp_path, n_sessions=200)
    assert 20e6 < report.stat().st_size < 30e6
    page = opened(report)
    assert page.locator("main > details").count() == 200
    # Nothing is inflated before it is asked for.
    assert page.locator("figure").count() == 6
    page.evaluate("location.hash = '#s150-raster'")
    page.wait_for_function("document.querySelector('#s150-raster img')?.naturalWidth > 0")
    assert page.locator("#session-s150 figure img").count() == 6
    assert page.locator("figure").count() == 12


def test_the_pointer_is_told_what_the_axes_measure(opened, tmp_path):
    figure = Figure(figsize=(4, 2), dpi=100)
    axes = figure.add_axes((0.2, 0.2, 0.6, 0.6), xlabel="Time (ms)", ylabel="Rate", yscale="log")
    axes.plot([0, 200], [1, 100])
    axes.set(xlim=(0, 200), ylim=(1, 100))
    save_figure(figure, tmp_path / "figures/crossover", {"a": pd.DataFrame({"x": [1]})}, dpi=100)
    contents = page_contents(
        title="t", lead="l", population=read_panels(tmp_path / "figures"), provenance=VERSIONS, results="r"
    )
    write_report(tmp_path / "report.html", TEMPLATE, **contents)
    write_account(tmp_path)
    page = opened(tmp_path / "report.html")
    box = page.locator("figure img").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert page.locator("#readout").text_content() == "Time (ms): 100; Rate: 10"
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    assert not page.locator("#readout").is_visible()


def test_a_figure_opens_and_grows_by_the_keyboard(opened, report):
    page = opened(report)
    page.locator("#population-crossover .enlarge").focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('#zoom img').style.width")
    width = page.locator("#zoom img").bounding_box()["width"]
    page.get_by_role("button", name="Larger").press("Enter")
    assert page.locator("#zoom img").bounding_box()["width"] == pytest.approx(1.25 * width, rel=0.01)
    page.get_by_role("button", name="Close").press("Enter")
    assert not page.locator("#zoom").is_visible()


def test_numbers_lead_to_figures_and_settings(opened, report):
    page = opened(report)
    targets = page.evaluate(
        "[...document.querySelectorAll('#boilerplate a, .findings a:not([download])')].map(a => a.hash)"
    )
    assert "#setting-analysis.evoked_ms" in targets and "#reference-1" in targets
    assert "#population-crossover" in targets
    page.locator("#boilerplate a", has_text="50 to 200 ms").first.click()
    assert page.locator("tr:target").text_content().startswith("analysis.evoked_ms")
