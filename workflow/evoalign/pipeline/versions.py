"""The version of what a script runs: one digest over its modules of the library and its packages' pins.

A rule has it among its parameters, so that a change of either reruns the rule.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from evoalign.kept import Kept, short_hash
from evoalign.pipeline import digests, installed
from evoalign.pipeline.digests import source_digest

if TYPE_CHECKING:
    import grimp

LIBRARY = "evoalign"
# A module that imports this one runs all modules of its package.
DISCOVERY = "evoalign.discovery"
ROOT = Path(__file__).parents[1]
# What each of 30 scripts imports, before and after some edits of the library.
REACHED = Kept("imports.json", 300)


@functools.cache
def of(script: str, lock: str) -> str:
    """Return 16 hexadecimal digits over the sources and the pins that a script depends on.

    Comments, docstrings and layout do not count.

    Parameters
    ----------
    script : path
        A Python file outside the library.
    lock : path
        Requirements file with the pins, as ``envs/requirements.lock``.

    Raises
    ------
    SyntaxError
        The script or a module that it imports is no valid Python.
    """
    module_files = modules(script)
    versions = pins(module_files, read_lock(lock))
    parts = [source_digest(Path(script).read_text(encoding="utf-8"))]
    parts += [f"{name}:{_module_digest(name)}" for name in sorted(module_files) if _is_own(name)]
    parts += [f"{name}=={version}" for name, version in sorted(versions.items())]
    for cache in (digests.KEPT, installed.KEPT, REACHED):
        cache.write()
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def modules(script: str) -> set[str]:
    """Return the modules that a script imports, directly or through others of the library.

    Those of the library by their whole names, the packages around them among
    them, since Python runs these too; other packages by their first names.
    """
    text = Path(script).read_text(encoding="utf-8")
    return set(REACHED.get(short_hash(text + _library()), lambda: sorted(_reached(text))))


def _reached(text: str) -> set[str]:
    """Modules that a source imports, directly or through others of the library."""
    graph = _graph()
    waiting = list(_imports(ast.parse(text)))
    reached: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in reached and name in graph.modules:
            reached.add(name)
            imported = graph.find_modules_directly_imported_by(name)
            package = name.rpartition(".")[0]
            waiting += [*imported, package]
            if DISCOVERY in imported:
                waiting += graph.find_children(package)
    return reached


def pins(imported: Iterable[str], lock: Mapping[str, str]) -> dict[str, str]:
    """Return the pins of imported packages, those that these need among them.

    Parameters
    ----------
    imported : iterable of str
        First names of modules.
    lock : mapping of str to str
        Canonical name of each pinned package and its version: `read_lock`.
    """
    packages = installed.packages()
    waiting: list[str] = [
        canonicalize_name(name) for module in imported for name in packages["of_module"].get(module, [])
    ]
    names: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in names:
            names.add(name)
            waiting += packages["needed_by"].get(name, [])
    return {name: version for name, version in lock.items() if name in names}


@functools.cache
def read_lock(path: str) -> dict[str, str]:
    """Return the pins of a requirements file: canonical name and version of each package."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    pinned = re.compile(r"([\w.-]+)(?:\[[\w,-]+\])?==([^\s;]+)")
    return {canonicalize_name(match[1]): match[2] for match in map(pinned.match, lines) if match}


@functools.cache
def _library() -> str:
    """Digest of the names and sources of all modules of the library, on which it depends who imports whom."""
    return short_hash("\0".join(f"{file.relative_to(ROOT)}\0{text}" for file, text in _sources().items()))


@functools.cache
def _sources() -> dict[Path, str]:
    """Text of each file of the library, in the order of their names."""
    return {file: file.read_text(encoding="utf-8") for file in sorted(ROOT.rglob("*.py"))}


@functools.cache
def _graph() -> grimp.ImportGraph:
    # Loaded where there is something new: it is not needed in most runs.
    import grimp

    # Without a cache of its own, which would lie in the user's folder.
    return grimp.build_graph(LIBRARY, include_external_packages=True, cache_dir=None)


def _imports(tree: ast.AST) -> Iterator[str]:
    """Modules of the import statements of a script, and names in them that may be modules too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name if _is_own(name) else name.partition(".")[0] for name in names)


def _is_own(module: str) -> bool:
    return module.partition(".")[0] == LIBRARY


@functools.cache
def _module_digest(name: str) -> str:
    path = ROOT.joinpath(*name.split(".")[1:])
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return source_digest(_sources()[file])
