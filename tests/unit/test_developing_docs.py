"""The map of the code names what is there: rooms, files, names, tables, settings; so do the definitions."""

import ast
import functools
import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from evoalign import tables
from evoalign.study import Config

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "workflow/evoalign"
PAGE = (ROOT / "docs/developing.md").read_text(encoding="utf-8")
METHODS = (ROOT / "docs/methods.md").read_text(encoding="utf-8")
# What a recipe adds has no file yet.
TO_BE_WRITTEN = re.compile(r"NAME|VENDOR|ROOM|MODULE")
# Results are made by a run.
MADE = ("results/",)
CONTRACTS = {name.upper(): contract for name, contract in tables.contracts().items()}

SPANS = [span for span in re.findall(r"`([^`\n]+)`", PAGE) if not TO_BE_WRITTEN.search(span)]
NAMES = sorted({span for span in SPANS if re.fullmatch(r"[\w/.-]+\.py: [\w.]+", span)})
# "`file.py: one` and `two`" names both.
SECOND = re.findall(r"`([\w/.-]+\.py): ([\w.]+)`(?: \([^)]*\))?(?: and|,) `(\w+)`", PAGE)
COLUMNS = sorted({span for span in SPANS if re.fullmatch(r"tables\.[A-Z_]+(\.\w+)?", span)})
DOTTED = sorted({span for span in SPANS if re.fullmatch(r"[a-z]+\.[a-z]\w+", span)})
SETTINGS = [span for span in DOTTED if not span.endswith((".py", ".md", ".toml", ".yaml"))]
PATHS = sorted(
    {
        word
        for text in (*SPANS, *re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL))
        for word in re.split(r"[\s:]+", text)
        if re.fullmatch(r"\.?[\w.-]+(/[\w.-]*)+|\w+\.(py|md|toml)", word)
        and not TO_BE_WRITTEN.search(word)
        and not word.startswith(MADE)
    }
)


def found(path: str) -> Path | None:
    """The file or folder of a path, from the root or from the library."""
    return next((base / path for base in (ROOT, LIBRARY) if (base / path).exists()), None)


@functools.cache
def names_in(file: Path) -> set[str]:
    """Names that a module defines, and those of its classes after a dot."""
    names = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        own = _bound(node)
        names |= own
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{name}" for inner in node.body for name in _bound(inner)}
    return names


def _bound(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def settings() -> set[str]:
    sections = {name: getattr(Config(), name) for name in Config.model_fields}
    return {
        f"{section}.{key}"
        for section, value in sections.items()
        if isinstance(value, BaseModel)
        for key in type(value).model_fields
    }


def layers() -> list[str]:
    """Rooms and modules of the import contract, from the first that all stand on to the last."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract, *_ = project["tool"]["importlinter"]["contracts"]
    return [layer.removeprefix("evoalign.") for layer in reversed(contract["layers"])]


def test_the_page_names_enough_to_find_the_way():
    """A pattern above that finds nothing any more would let every test here pass."""
    least = {"names": (NAMES, 40), "columns": (COLUMNS, 12), "settings": (SETTINGS, 10), "paths": (PATHS, 80)}
    assert [name for name, (spans, n) in least.items() if len(spans) < n] == []


def test_every_make_target_is_there():
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert set(re.findall(r"`make ([\w-]+)`", PAGE)) <= set(targets)


@pytest.mark.parametrize("path", PATHS)
def test_every_path_exists(path):
    assert found(path)


@pytest.mark.parametrize("span", NAMES)
def test_every_name_is_in_its_file(span):
    file, name = span.split(": ")
    assert name in names_in(found(file))


@pytest.mark.parametrize(("file", "first", "second"), SECOND)
def test_a_name_that_follows_another_is_in_the_same_file(file, first, second):
    owner, dot, _ = first.rpartition(".")
    assert f"{owner}{dot}{second}" in names_in(found(file))


@pytest.mark.parametrize("span", COLUMNS)
def test_every_table_and_column_has_a_contract(span):
    _, contract, *column = span.split(".")
    assert set(column) <= set(CONTRACTS[contract].names)


@pytest.mark.parametrize("span", SETTINGS)
def test_every_setting_exists(span):
    assert span in settings()


def test_the_map_holds_every_room_in_the_order_of_imports():
    section = PAGE.split("\n## The map\n")[1].split("\n## ")[0]
    mapped = [
        name.rstrip("/").removesuffix(".py")
        for name in re.findall(r"^\| `(\w+(?:\.py|/))` \|", section, re.M)
    ]
    there = {
        path.stem for path in LIBRARY.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert set(mapped) == there - {"__init__"}
    assert mapped == layers()


@pytest.mark.parametrize(
    "what", ["a raw format", "a sorter", "a setting", "a table", "a figure", "a pooled statistic"]
)
def test_a_recipe_fits_a_screen_and_ends_in_a_command(what):
    recipe = PAGE.split(f"\n## To add {what}\n")[1].split("\n## ")[0]
    assert len(recipe.splitlines()) <= 30
    assert re.search(r"```bash\n(pytest|snakemake)", recipe)


def test_each_question_is_one_hop_from_its_answer():
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", PAGE.split("\n## Where to change\n")[1], re.M)[1:]
    asked = [question for question, _ in rows]
    assert len(rows) >= 13
    assert all("`" in answer for _, answer in rows)
    for words in ("evoked window", "`.plx` gap", "Fig. 4C"):
        assert sum(words in question for question in asked) == 1


SECTIONS = {int(part[0]): part for part in re.split(r"^## (?=\d)", METHODS, flags=re.M)[1:]}


def modules_of(text: str) -> set[str]:
    """Modules of the library that a section names: by path, by name in the last room, or as `module.name`."""
    named = set()
    for span in re.findall(r"`([^`\n]+)`", text):
        if re.fullmatch(r"[\w/]+\.py", span) and not span.startswith(("tests/", "test_", "benchmarks/")):
            named.add(span)
        if match := re.fullmatch(r"([a-z_]+)\.([a-z_]+)", span):
            modules = [*LIBRARY.rglob(f"{match[1]}/{match[2]}.py")]
            modules += [file for file in LIBRARY.rglob(f"{match[1]}.py") if match[2] in names_in(file)]
            named |= {str(module.relative_to(LIBRARY)) for module in modules}
    return named


@functools.cache
def all_tests() -> str:
    return "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py"))


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
    for test in re.findall(r"`(test_\w+)`", section):
        assert list(ROOT.glob(f"tests/**/{test}.py")) or f"def {test}(" in all_tests(), test


def test_cited_sections_are_there():
    """Docstrings cite sections of the definitions by page and number."""
    texts = [file.read_text(encoding="utf-8") for file in LIBRARY.rglob("*.py")]
    cited = [
        int(number)
        for text in texts
        for match in re.findall(r"docs/methods\.md sections? (\d(?:(?:, | and | to )\d)*)", text)
        for number in re.findall(r"\d", match)
    ]
    assert len(cited) > 50
    assert set(cited) <= set(SECTIONS)
    assert not any("METHODS section" in text for text in texts)
