"""The manual as HTML, by Sphinx: `make manual` builds it, `tests/unit/manual` holds it to the code."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))
sys.path.insert(0, str(Path(__file__).parent))

from pages import write

import evoalign

DOCS = Path(__file__).parent
ROOT = DOCS.parent

project = "evoalign"
author = "the evoalign contributors"
release = evoalign.__version__
copyright = "MIT licence"

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
exclude_patterns = ["pages"]
nitpicky = True
smartquotes = False  # messages are searched for as they are written

html_theme = "furo"
html_title = "evoalign"
html_static_path = ["style"]
html_css_files = ["manual.css"]
html_copy_source = False
html_show_sphinx = False
# Nothing is fetched from elsewhere: the pages open from a USB stick.
html_theme_options = {"footer_icons": []}

# Files beside docs/ that are pages of the manual, and where links to them lead.
BESIDE = {"config/README.md": "study", "CHANGELOG.md": "changelog", "CONTRIBUTING.md": "contributing"}
LINKS = {
    "../config/README.md": "generated/study.md",
    "../config/config.yaml": "generated/settings.md",
    "../CHANGELOG.md": "generated/changelog.md",
    "../CONTRIBUTING.md": "generated/contributing.md",
}


def _write_pages(_):
    generated = DOCS / "generated"
    write(generated)
    for source, name in BESIDE.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        text = re.sub(r"\]\((?:\.\./)?docs/", "](../", text)
        text = re.sub(r"\]\(LICENSE\)", "](../../LICENSE)", text)
        text = re.sub(r"\]\(CHANGELOG\.md\)", "](changelog.md)", text)
        target = generated / f"{name}.md"
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.write_text(text, encoding="utf-8")


def _lead_to_pages(_, name, content):
    """Links that are right in the repository lead to the page that holds the file."""
    if not name.startswith("generated/"):
        for link, page in LINKS.items():
            content[0] = content[0].replace(f"]({link}", f"]({page}")


def setup(app):
    """Called by Sphinx."""
    app.connect("builder-inited", _write_pages)
    app.connect("source-read", _lead_to_pages)
