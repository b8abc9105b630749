"""Every figure of the report is explained in the manual, and no other."""

import re
from pathlib import Path

import pytest

from evoalign.figures.order import ORDER

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "figures.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL))


def test_every_figure_is_explained():
    assert set(SECTIONS) == set(ORDER)


@pytest.mark.parametrize("figure", ORDER)
def test_an_explanation_says_something(figure):
    assert len(re.sub(r"!\[.*?\]\(.*?\)", "", SECTIONS[figure]).split()) >= 6


@pytest.mark.parametrize("figure", ORDER)
def test_every_figure_has_its_example(figure):
    pictures = re.findall(r"!\[(.*?)\]\((.*?)\)", SECTIONS[figure])
    ((text, path),) = pictures
    assert path == f"images/figures/{figure}.webp" and (DOCS / path).exists()
    assert len(text) > 30


def test_the_pictures_are_small():
    assert sum(path.stat().st_size for path in (DOCS / "images").rglob("*.*")) < 1_500_000
