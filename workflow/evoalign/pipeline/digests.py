"""Digests of what Python sources do: without comments, docstrings and layout.

To read the library's sources takes two seconds at the start of each run, so digests are kept by the
content of the source, in the user's cache: nothing of it is ever out of date.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import sys
from contextlib import suppress
from pathlib import Path

import platformdirs

from evoalign.files import atomic_write

# A library of 400 modules, edited ten times over.
MOST_KEPT = 4000


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
    key = _hash(_maker() + source)
    digests = _kept_digests()
    if key not in digests:
        digests[key] = _hash(_bare(source))
        _new_keys.add(key)
    return digests[key]


def keep() -> None:
    """Write new digests into the user's cache; where that cannot be written they are made again next time."""
    if _new_keys:
        with suppress(OSError), atomic_write(_file()) as partial:
            partial.write_text(json.dumps(dict(list(_kept_digests().items())[-MOST_KEPT:])), encoding="utf-8")
        _new_keys.clear()


_new_keys: set[str] = set()


@functools.cache
def _kept_digests() -> dict[str, str]:
    try:
        digests = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return digests if isinstance(digests, dict) else {}


def _file() -> Path:
    return platformdirs.user_cache_path("evoalign") / "sources.json"


@functools.cache
def _maker() -> str:
    """Say what makes digests: of this module and this Python."""
    return sys.version + Path(__file__).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _bare(source: str) -> str:
    """A source without comments, docstrings and layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return ast.dump(tree)
