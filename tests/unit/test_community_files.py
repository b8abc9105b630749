"""Citation, licence and package say the same of the project."""

import re
import tomllib
from pathlib import Path

import yaml

import evoalign

ROOT = Path(__file__).parents[2]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def test_the_citation_is_complete_and_of_this_version():
    assert {"cff-version", "message", "title", "authors"} <= set(CITATION)
    assert CITATION["version"] == evoalign.__version__
    doi = CITATION["references"][0]["doi"]
    assert doi in (ROOT / "docs/methods.md").read_text(encoding="utf-8")
    assert CITATION["references"][0]["title"] in " ".join((ROOT / "docs/methods.md").read_text().split())


def test_licence_and_package_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == CITATION["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")


def test_contributing_names_targets_and_files_that_are_there():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert set(re.findall(r"^make ([\w-]+)", text, re.M)) <= set(targets)
    assert all((ROOT / path).exists() for path in re.findall(r"\]\(([^)#]+)\)", text))
