"""What a script reaches: definitions of the library, packages beside it, names of attributes.

Read from the sources, without running them, name by name: of a module that a
script imports from, only the definitions that it uses count, and what those
use in turn. Where the sources do not tell (a module handed on as an object, a
module named in a string), the whole module counts: rather too much than too little.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

LIBRARY = "evoalign"
# A script's frame: log, threads, what an output states of its making. It decides no result.
FRAME = frozenset(f"{LIBRARY}.{name}" for name in ("job", "process", "provenance", "depends", "reach"))
# Statements that run when a module is imported and bind no name.
BARE = ""
# In strings: a module of the library to import at run time; the first import of another process's code.
_MODULE_NAME = re.compile(rf"{LIBRARY}(?:\.\w+)+$|(?:from|import) ([\w.]+)")


@dataclass
class Reach:
    """What was found.

    Attributes
    ----------
    definitions : dict of (str, str) to References
        Module and name of every definition, '' for the script's own module,
        and what it refers to.
    packages : set of str
        Top-level names of the imported modules that are not the library's.
    """

    definitions: dict[tuple[str, str], References] = field(default_factory=dict)
    packages: set[str] = field(default_factory=set)


class Library:
    """The sources of the library below a folder, each parsed when it is first reached.

    Parameters
    ----------
    root : path
        The folder ``evoalign``.
    """

    def __init__(self, root: str | PathLike[str]) -> None:
        self.root = Path(root)
        self.module = functools.cache(self._module)
        self._reached = functools.cache(self._reach)
        self._digested = functools.cache(self._digest)

    def reach(self, script: str | PathLike[str]) -> Reach:
        """Return what a Python file outside the library reaches.

        Raises
        ------
        SyntaxError
            The file or a module that it reaches is no valid Python.
        """
        return self._reached(Path(script))

    def digest(self, script: str | PathLike[str]) -> str:
        """Return 16 hexadecimal digits over a script and the definitions that it reaches.

        Comments, docstrings, layout and the order of definitions do not count.
        """
        return self._digested(Path(script))

    def _digest(self, script: Path) -> str:
        total = hashlib.sha256()
        own = Source(script)
        for module, name in sorted(self.reach(script).definitions):
            text = (self._known(module) if module else own).text(name)
            total.update(f"{module}:{name}\0{text}\0".encode())
        return total.hexdigest()[:16]

    def _reach(self, script: Path) -> Reach:
        found = Reach()
        own = Source(script)
        waiting = [("", name) for name in own.statements]
        while waiting:
            key = module, name = waiting.pop()
            if key not in found.definitions:
                source = self._known(module) if module else own
                found.definitions[key] = source.references(name)
                waiting += [
                    new
                    for place, names in self._used(source, module, found.definitions[key])
                    for new in self._resolve(place, names, found)
                ]
        return found

    def properties(self, module: str, name: str) -> dict[str, set[str]]:
        """Return the properties of a class and the names after dots in each of them."""
        found = {}
        for statement in self._known(module).statements[name]:
            for member in statement.body if isinstance(statement, ast.ClassDef) else ():
                if isinstance(member, ast.FunctionDef) and any(
                    isinstance(d, ast.Name) and d.id == "property" for d in member.decorator_list
                ):
                    seen = References()
                    seen.visit(member)
                    found[member.name] = seen.attributes
        return found

    def _module(self, name: str) -> Source | None:
        path = self.root.joinpath(*name.split(".")[1:])
        for file in (path / "__init__.py", path.with_suffix(".py")):
            if file.is_file():
                return Source(file)
        return None

    def _known(self, name: str) -> Source:
        source = self.module(name)
        if source is None:
            raise KeyError(name)
        return source

    def _used(self, source: Source, module: str, seen: References) -> Iterator[tuple[str, list[str]]]:
        """Modules, and the names in them, that a definition refers to."""
        yield from ((named, []) for named in seen.modules)
        for base, *rest in seen.chains:
            if base in source.imports:
                place, attribute = source.imports[base]
                yield place, [attribute, *rest] if attribute else rest
            elif module and base in source.statements:
                yield module, [base]

    def _resolve(self, module: str, names: list[str], found: Reach) -> Iterator[tuple[str, str]]:
        top = module.partition(".")[0]
        if top != LIBRARY:
            if top not in sys.stdlib_module_names:
                found.packages.add(top)
            return
        source = self.module(module)
        if module in FRAME or source is None:
            return
        yield (module, BARE)
        head = names[0] if names else None
        if head in source.statements:
            yield (module, head)
        elif head in source.imports:
            further, attribute = source.imports[head]
            yield from self._resolve(further, [attribute, *names[1:]] if attribute else names[1:], found)
        elif head is not None and self.module(f"{module}.{head}"):
            yield from self._resolve(f"{module}.{head}", names[1:], found)
        else:
            yield from ((module, name) for name in source.statements)


class Source:
    """A parsed file: its top-level statements by the names that they bind, and its imports."""

    def __init__(self, file: Path) -> None:
        self.file = file
        tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
        self.imports = dict(_imports(tree))
        self.statements: dict[str, list[ast.stmt]] = {BARE: []}
        for statement in tree.body:
            if not isinstance(statement, ast.Import | ast.ImportFrom):
                for name in _bound(statement) or [BARE]:
                    self.statements.setdefault(name, []).append(statement)
        self.references = functools.cache(self._references)
        self.text = functools.cache(self._text)

    def _references(self, name: str) -> References:
        seen = References()
        for statement in self.statements[name]:
            seen.visit(statement)
        return seen

    def _text(self, name: str) -> str:
        return "".join(ast.dump(_bare_of_docstrings(statement)) for statement in self.statements[name])


class References(ast.NodeVisitor):
    """What a definition refers to.

    Attributes
    ----------
    chains : set of tuple of str
        Names with the names after their dots; not those of annotations, which do not run.
    attributes : set of str
        Every name that stands after a dot.
    words : set of str
        The names of annotations.
    modules : set of str
        Modules that strings name, for imports at run time.
    """

    def __init__(self) -> None:
        self.chains: set[tuple[str, ...]] = set()
        self.attributes: set[str] = set()
        self.words: set[str] = set()
        self.modules: set[str] = set()

    def visit_Name(self, node: ast.Name) -> None:  # noqa: D102
        self.chains.add((node.id,))

    def visit_Attribute(self, node: ast.Attribute) -> None:  # noqa: D102
        chain, inner = [node.attr], node.value
        while isinstance(inner, ast.Attribute):
            chain.append(inner.attr)
            inner = inner.value
        self.attributes.update(chain)
        if isinstance(inner, ast.Name):
            self.chains.add((inner.id, *reversed(chain)))
        else:
            self.visit(inner)

    def visit_Constant(self, node: ast.Constant) -> None:  # noqa: D102
        if isinstance(node.value, str) and (named := _MODULE_NAME.match(node.value)):
            self.modules.add(named[1] or node.value)

    def visit_Call(self, node: ast.Call) -> None:  # noqa: D102
        if isinstance(node.func, ast.Name) and node.func.id == "getattr":
            self.attributes |= {
                str(given.value) for given in node.args[1:2] if isinstance(given, ast.Constant)
            }
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:  # noqa: D102
        self._annotation(node.annotation)
        for child in (node.target, node.value):
            if child is not None:
                self.visit(child)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:  # noqa: D102
        self._annotation(node.returns)
        self.generic_visit(ast.Module([*node.body], []))
        for child in (*node.decorator_list, node.args):
            self.visit(child)

    def visit_arg(self, node: ast.arg) -> None:  # noqa: D102
        self._annotation(node.annotation)

    def _annotation(self, node: ast.expr | None) -> None:
        for inner in ast.walk(node) if node else ():
            if isinstance(inner, ast.Name):
                self.words.add(inner.id)
            elif isinstance(inner, ast.Attribute):
                self.words.add(inner.attr)


def _imports(tree: ast.AST) -> Iterator[tuple[str, tuple[str, str]]]:
    """Local name -> module and the name in it, '' for the module itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((a.asname or a.name, (node.module, a.name)) for a in node.names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                yield (alias.asname, (alias.name, "")) if alias.asname else (top, (top, ""))


def _bound(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    return sorted(
        {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        | {n.name for n in ast.walk(statement) if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    )


def _bare_of_docstrings(node: ast.AST) -> ast.AST:
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef | ast.ClassDef | ast.Module):
            first = inner.body[0] if inner.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                inner.body = inner.body[1:] or [ast.Pass()]
    return node
