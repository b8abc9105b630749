"""The definitions name the modules that follow them and the tests that hold them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "workflow/evoalign"
METHODS = (ROOT / "docs/methods.md").read_text(encoding="utf-8")


def found(path: str) -> Path | None:
    """The file or folder of a path, from the root or from the library."""
    return next((base / path for base in (ROOT, LIBRARY) if (base / path).exists()), None)


SECTIONS = {int(part[0]): part for part in re.split(r"^## (?=\d)", METHODS, flags=re.M)[1:]}


def modules_of(text: str) -> set[str]:
    """Modules of the library that a section names: by path, by name in the last room, or as `module.name`."""
    named = set()
    for span in re.findall(r"`([^`\n]+)`", text):
        if re.fullmatch(r"[\w/]+\.py", span) and not span.startswith(("tests/", "test_", "benchmarks/")):
            named.add(span)
        if match := re.fullmatch(r"([a-z_]+)\.([a-z_]+)", span):
            named |= {f"{match[1]}.py"} if list(LIBRARY.rglob(f"{match[1]}.py")) else set()
    return named


@pytest.mark.parametrize("number", range(1, 8))
def test_each_definition_names_the_modules_that_follow_it_and_the_tests_that_hold_it(number):
    section = SECTIONS[number]
    modules = modules_of(section)
    tests = set(re.findall(r"\btests/[\w/*]+\.py|(?<=`)test_\w+\.py", section))
    assert modules
    assert tests
    for module in modules:
        assert found(module) or list(LIBRARY.rglob(module)), module
    for test in tests:
        assert list(ROOT.glob(test)) or list(ROOT.glob(f"tests/**/{test}")), test


def test_cited_sections_are_there():
    """Docstrings cite sections of the definitions by their numbers."""
    cited = {
        int(number)
        for file in LIBRARY.rglob("*.py")
        for match in re.findall(
            r"(?:METHODS|methods\.md) sections? (\d(?:(?:, | and | to )\d)*)",
            file.read_text(encoding="utf-8"),
        )
        for number in re.findall(r"\d", match)
    }
    assert cited <= set(SECTIONS)
