"""The report in a real browser: nothing broken, nothing loaded, readable, and names are text."""

import shutil

import pytest
from report_examples import HOSTILE, write_page

from evoalign.figures.report import EMBEDDED_SESSIONS

playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


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
            lambda request: request.url.startswith(("file:", "data:")) or wrong.append(request.url[:200]),
        )
        page.goto(path.as_uri())
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert not wrong


def reveal(page):
    page.evaluate(
        """async () => { document.querySelectorAll('details').forEach(part => part.open = true);
        const images = [...document.querySelectorAll('main img')];
        images.forEach(image => image.loading = 'eager');
        await Promise.all(images.map(image => image.decode())); }"""
    )


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


def test_two_hundred_sessions_are_a_page_that_opens(opened, tmp_path):
    report = write_page(tmp_path, n_sessions=200, n_figures=1)
    assert report.stat().st_size < 30e6
    page = opened(report)
    assert page.locator("main > details").count() == 200 > EMBEDDED_SESSIONS
    page.evaluate("location.hash = '#session-s150'")
    page.locator("#s150-raster img").scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector('#s150-raster img').naturalWidth === 400")
