"""Each block of code in the manual is run by a test, or says why it is not."""

import re
from pathlib import Path

import pytest
import yaml

from evoalign.study import Config

ROOT = Path(__file__).parents[3]
PAGES = sorted(
    [*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "config/README.md"]
)
# A mark in the line above a block: `run: TEST` or `not run: REASON`.
BLOCK = re.compile(
    r"(?:<!-- (run|not run): (.*?) -->\n)?^```(bash|python|yaml)\n(.*?)^```", re.MULTILINE | re.DOTALL
)
BLOCKS = [
    (page, *match.groups()) for page in PAGES for match in BLOCK.finditer(page.read_text(encoding="utf-8"))
]


def name(block):
    page, _, _, language, text = block
    return f"{page.stem}-{language}-{text.split()[0]}"


def test_all_blocks_are_seen():
    fences = sum(
        len(re.findall(r"^```(?:bash|python|yaml)$", page.read_text(encoding="utf-8"), re.MULTILINE))
        for page in PAGES
    )
    assert len(BLOCKS) == fences > 25


@pytest.mark.parametrize("block", BLOCKS, ids=name)
def test_a_block_runs_or_says_why_not(block):
    page, mark, said, language, text = block
    if language == "yaml":
        Config.model_validate(yaml.safe_load(text))
    elif mark == "run":
        test = (ROOT / said).read_text(encoding="utf-8")
        assert page.name in test, f"{said} does not read {page.name}"
    else:
        assert mark == "not run" and len(said.split()) > 3, (
            "say <!-- run: TEST --> or <!-- not run: REASON -->"
        )
