"""Digests of what Python sources do: without comments, docstrings and layout.

To read the library's sources takes two seconds at the start of each run, so digests are kept by the
content of the source.
"""

from __future__ import annotations

import ast
import functools
import sys
from pathlib import Path

from evoalign.kept import Kept, short_hash

# A library of 400 modules, edited ten times over.
KEPT = Kept("sources.json", 4000)


def source_digest(source: str) -> str:
    """Return 32 hexadecimal digits that are equal for sources that do the same by the same statements.

    Parameters
    ----------
    source : str
        Text of a Python file.

    Raises
    ------
    SyntaxError
        It is no valid Python.
    """
    return str(KEPT.get(short_hash(_maker() + source), lambda: short_hash(_bare(source))))


@functools.cache
def _maker() -> str:
    """Say what makes digests: of this module and this Python."""
    return sys.version + Path(__file__).read_text(encoding="utf-8")


def _bare(source: str) -> str:
    """A source without comments, docstrings and layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return ast.dump(tree)
