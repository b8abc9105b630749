"""The operator's page: who may see it, what it says, and that it stops the evolution after the block."""

import json
import re
import shutil
import urllib.error
import urllib.request
from contextlib import closing

import numpy as np
import pytest
from PIL import Image
from test_live_evolution import settings_of

from evoalign.errors import InputError
from evoalign.loop import command
from evoalign.loop.command import JOURNAL, run_evolution
from evoalign.loop.electrode import BlockRates
from evoalign.loop.journal import read_journal
from evoalign.loop.monitor import Monitor
from evoalign.loop.page import COOKIE, OperatorPage, PageSource
from evoalign.loop.settings import PageSettings

TOKEN = "a token of the rig"
THREADS = {
    "0": {"space": "texture", "optimiser": "cma", "kind": "texture"},
    "1": {"space": "object", "optimiser": "separable", "kind": "object"},
}


def told(folder, n_blocks=12):
    """A monitor of blocks with planted rates: thread 0 at 20, thread 1 rising from 10 by 5 a block."""
    monitor, rng = Monitor("monkey <b>M</b>", 20), np.random.default_rng(0)
    for block in range(1, n_blocks + 1):
        monitor.begin_block(block)
        for step in ("propose", "render", "learn"):
            with monitor.step(step):
                pass
        spread = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
        answered = BlockRates({}, 8 + 0.5 * block, 0.6, 60, 0)
        warnings = ["2 presentations are artefacts and do not count"] if block == 7 else []
        monitor.end_block(block, {0: 20 + spread, 1: 10 + 5 * block + 2 * spread}, answered, [], warnings)
    names = {thread: [f"block013_thread00{thread}_{i}" for i in range(6)] for thread in (0, 1)}
    for name in [name for row in names.values() for name in row]:
        Image.fromarray(rng.integers(0, 255, (64, 64, 3), np.uint8)).save(folder / f"{name}.png")
    monitor.begin_block(n_blocks + 1)
    monitor.set(images=names, due=12, phase="show", presentations=5, missing=["block012_thread001_3"])
    return monitor


@pytest.fixture
def served(tmp_path):
    monitor = told(tmp_path)
    source = PageSource(monitor, tmp_path, THREADS)
    with closing(OperatorPage(PageSettings(address="127.0.0.1:0"), source)) as page:
        yield page, monitor


@pytest.fixture
def guarded(tmp_path):
    source = PageSource(told(tmp_path), tmp_path, THREADS)
    with closing(OperatorPage(PageSettings(address="127.0.0.1:0", token=TOKEN), source)) as page:
        yield page


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *values):
        return None


def ask(url, headers=None, method="GET"):
    """Status, headers and text of an answer."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect)
    try:
        with opener.open(urllib.request.Request(url, headers=headers or {}, method=method)) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def test_rates_are_means_with_standard_errors_and_the_drift_is_the_slope(served):
    page, _ = served
    state = json.loads(ask(page.url + "state.json")[2])
    row = state["blocks"][3]
    spread = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    sem = spread.std(ddof=1) / np.sqrt(5)
    assert row["threads"]["0"] == {"mean": 20.0, "sem": pytest.approx(sem), "n": 5}
    assert row["threads"]["1"] == {"mean": 30.0, "sem": pytest.approx(2 * sem), "n": 5}
    assert state["drift"] == pytest.approx(0.5)
    assert state["warnings"] == ["block 7: 2 presentations are artefacts and do not count"]


def test_an_address_that_others_can_reach_wants_a_token(tmp_path):
    source = PageSource(Monitor(), tmp_path)
    for token in ("", "short"):
        with pytest.raises(InputError, match="other machines can reach"):
            OperatorPage(PageSettings(address="0.0.0.0:0", token=token), source)
    OperatorPage(PageSettings(address="0.0.0.0:0", token=TOKEN), source).close()


@pytest.mark.parametrize("address", ["8077", "127.0.0.1", "127.0.0.1:70000", "127.0.0.1:x", ":80"])
def test_an_address_that_is_none_is_told(tmp_path, address):
    with pytest.raises(InputError, match="no host and port"):
        OperatorPage(PageSettings(address=address), PageSource(Monitor(), tmp_path))


def test_an_address_in_use_is_told(served, tmp_path):
    address = served[0].url.removeprefix("http://").strip("/")
    with pytest.raises(InputError, match="cannot be served"):
        OperatorPage(PageSettings(address=address), PageSource(Monitor(), tmp_path))


def test_without_the_token_nothing_is_told(guarded):
    for path in ("", "state.json", "image/block013_thread000_0", "page.js", "?token=wrong"):
        status, _, content = ask(guarded.url + path)
        assert status == 401
        assert b"thread" not in content
    assert ask(guarded.url + "stop", method="POST")[0] == 401


def test_the_token_becomes_a_cookie_and_leaves_the_address(guarded):
    status, headers, _ = ask(guarded.url + "?token=a%20token%20of%20the%20rig")
    assert (status, headers["Location"]) == (303, "/")
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    value = re.match(rf"({COOKIE}=.*?);", cookie)[1]
    assert ask(guarded.url + "state.json", {"Cookie": value})[0] == 200
    assert ask(guarded.url + "state.json", {"Authorization": f"Bearer {TOKEN}"})[0] == 200


def test_a_page_of_another_origin_can_neither_read_nor_stop(served):
    page, monitor = served
    assert ask(page.url + "state.json", {"Host": "evil.example"})[0] == 403
    assert ask(page.url + "stop", method="POST")[0] == 403
    assert not monitor.is_stopping


def test_only_images_of_the_block_are_given(served, tmp_path):
    page, _ = served
    (tmp_path.parent / "secret.png").write_bytes(b"secret")
    assert ask(page.url + "image/block013_thread001_2")[1]["Content-Type"] == "image/png"
    for name in ("block001_thread000_0", "..%2Fsecret", "%2e%2e/secret"):
        assert ask(page.url + f"image/{name}")[0] == 404


def test_a_stop_ends_after_the_block_and_the_same_call_goes_on(tmp_path, monkeypatch):
    pages = []
    opened = command.OperatorPage

    def spied(*values):
        pages.append(opened(*values))
        return pages[-1]

    monkeypatch.setattr(command, "OperatorPage", spied)
    settings = settings_of(tmp_path / "run", 3).model_copy(
        update={"page": PageSettings(address="127.0.0.1:0")}
    )
    show = command.SimulatedDisplay.show

    def show_and_stop(self, request, presentations):
        if request.block == 2 and len(pages) == 1:
            ask(pages[0].url + "stop", {"X-Evoalign-Stop": "after this block"}, "POST")
        return show(self, request, presentations)

    monkeypatch.setattr(command.SimulatedDisplay, "show", show_and_stop)
    assert run_evolution(settings) is None
    scored = [r["block"] for r in read_journal(tmp_path / "run" / JOURNAL) if r["kind"] == "scored"]
    assert scored == [1, 2]
    assert run_evolution(settings).is_file()


playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")
CHROMIUM = shutil.which("chromium")
in_browser = pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine")


def wait_until(page, expression):
    """Wait for a condition; the page's policy forbids the browser's own way, which evaluates text."""
    for _ in range(200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(expression)


@in_browser
@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_shows_the_evolution_in_a_browser(browser, served, width, tmp_path):
    page_server, monitor = served
    wrong = []
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request",
        lambda request: request.url.startswith((page_server.url, "data:")) or wrong.append(request.url),
    )
    page.goto(page_server.url)
    page.wait_for_selector("#rates circle")
    assert page.text_content("h1") == "monkey <b>M</b>"
    assert page.text_content("#phase") == "block 13 of 20: show, 5 presentations, 12 images"
    assert page.locator("#rates circle").count() == 24
    assert page.locator("#rates .bar").count() == 24
    assert "drift +0.50 a block" in page.text_content("#drift")
    assert page.locator("#images img").count() == 12
    wait_until(page, "[...document.querySelectorAll('#images img')].every(i => i.naturalWidth === 64)")
    assert page.locator("#latencies tr").count() == 3
    assert "no rate: block012_thread001_3" in page.text_content("#missing")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    violations = axe.Axe().run(page).response["violations"]
    assert not [node["html"] + str(node["any"]) for rule in violations for node in rule["nodes"]]
    page.screenshot(path=str(tmp_path / f"page{width}.png"), full_page=True)
    page.click("#stop")
    wait_until(page, "document.getElementById('stop').textContent === 'Stops after this block'")
    assert monitor.is_stopping
    assert not wrong
    page.close()


@in_browser
def test_the_page_says_that_the_evolution_has_ended(browser, tmp_path):
    source = PageSource(told(tmp_path), tmp_path, THREADS)
    server = OperatorPage(PageSettings(address="127.0.0.1:0"), source)
    page = browser.new_page()
    page.goto(server.url)
    page.wait_for_selector("#rates circle")
    server.close()
    page.wait_for_selector("#lost:not([hidden])")
    assert "What is shown is old" in page.text_content("#lost")
    page.close()
