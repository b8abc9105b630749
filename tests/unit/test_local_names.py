"""Local names say what they hold: words without content stay rare in the package."""

from __future__ import annotations

import ast
from pathlib import Path

import evoalign

PACKAGE = Path(evoalign.__file__).parent
WITHOUT_CONTENT = frozenset(
    [
        "found",
        "own",
        "shown",
        "given",
        "made",
        "known",
        "one",
        "some",
        "said",
        "told",
        "wanted",
        "there",
        "here",
        "whole",
        "both",
        "others",
        "other",
        "rest",
        "these",
        "those",
        "it",
        "them",
        "thing",
        "things",
        "taken",
        "kept",
        "seen",
        "done",
        "good",
        "bad",
        "stuff",
    ]
)
LARGEST_SHARE = 0.005


def assigned_names(source: str) -> list[tuple[str, int]]:
    """Names that a module's code assigns, with their lines."""
    return [
        (node.id, node.lineno)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]


def test_assignments_loops_and_comprehensions_are_counted() -> None:
    source = "found = 1\nfor own, rate in pairs:\n    x = [one for one in own]\nprint(given)\n"
    names = assigned_names(source)
    assert sorted(names) == [("found", 1), ("one", 3), ("own", 2), ("rate", 2), ("x", 3)]


def test_few_local_names_are_without_content() -> None:
    names = [
        (name, f"{path.relative_to(PACKAGE)}:{line}: {name}")
        for path in sorted(PACKAGE.rglob("*.py"))
        for name, line in assigned_names(path.read_text(encoding="utf-8"))
    ]
    assert len(names) > 1000
    offenders = [place for name, place in names if name in WITHOUT_CONTENT]
    assert len(offenders) <= LARGEST_SHARE * len(names), "say what these hold:\n" + "\n".join(offenders)
