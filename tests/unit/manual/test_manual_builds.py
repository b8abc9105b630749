"""The manual builds without a warning, its links lead somewhere, and it fetches nothing from elsewhere."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sphinx.cmd.build import build_main

DOCS = Path(__file__).parents[3] / "docs"


def build(source, target, *options):
    return build_main(["-q", "-W", "-b", "html", "-c", str(DOCS), *options, str(source), str(target)])


@pytest.fixture(scope="module")
def manual(tmp_path_factory):
    target = tmp_path_factory.mktemp("manual")
    assert build(DOCS, target) == 0
    return target


class Fetched(HTMLParser):
    """What a browser fetches when it opens a page, and the places that links lead to."""

    def __init__(self):
        super().__init__()
        self.fetched, self.links, self.anchors, self.pictures = [], [], set(), []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.anchors.add(values.get("id"))
        if tag in ("script", "img", "source", "iframe") and values.get("src"):
            self.fetched.append(values["src"])
        if tag == "img":
            self.pictures.append(values)
        if tag == "link" and values.get("rel") not in (
            "index",
            "search",
            "next",
            "prev",
            "author",
            "canonical",
        ):
            self.fetched.append(values["href"])
        if tag == "a":
            self.links.append(values.get("href") or "")


def read(page):
    parser = Fetched()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser


def test_no_page_fetches_anything_from_elsewhere(manual):
    pages = sorted(manual.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        for address in read(page).fetched:
            assert not re.match(r"(https?:)?//", address), (page.name, address)
            assert (page.parent / re.sub(r"[?#].*", "", address)).exists(), (page.name, address)
    for sheet in manual.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", sheet.read_text(encoding="utf-8")), (
            sheet
        )


def test_every_link_and_anchor_within_the_manual_leads_somewhere(manual):
    parsed = {page.resolve(): read(page) for page in manual.rglob("*.html")}
    for page, parser in parsed.items():
        for link in parser.links:
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), (page.name, link)
            if anchor and target in parsed:
                assert anchor in parsed[target].anchors, (page.name, link)


def test_every_picture_has_a_text_in_its_place(manual):
    for page in manual.rglob("*.html"):
        assert all(picture.get("alt") for picture in read(page).pictures), page.name


@pytest.mark.parametrize("link", ["nowhere.md", "index.md#nowhere", "../nowhere/none.py"])
def test_a_link_that_leads_nowhere_stops_the_build(tmp_path, link):
    source = tmp_path / "source"
    source.mkdir()
    (source / "index.md").write_text(f"# Page\n\n[link]({link})\n")
    assert build(source, tmp_path / "built") != 0
