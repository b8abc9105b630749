"""Finds the messages of `InputError` in the code, without running it.

A message may stand in the call itself, in a variable or a constant that the call names, or in the
arguments of those who call the function that raises it. Each of these is looked for; what only a run
can tell is a gap.
"""

from __future__ import annotations

import ast
import functools
import itertools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import evoalign

LIBRARY = Path(evoalign.__file__).parent
GAP = "\0"
DEEPEST = 6
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Raised:
    """A message that can be raised.

    Attributes
    ----------
    what, hint : str
        Texts; GAP stands for what is filled in.
    module : str
        Without the package's name: ``formats.plx.read``.
    place : str
        Module and line.

    """

    what: str
    hint: str
    module: str
    place: str

    @property
    def says_something(self) -> bool:
        """Whether at least two words of it stand in the code."""
        return (
            len([word for word in self.what.replace(GAP, " ").split() if word.strip(".,:;'()").isalpha()]) > 1
        )


@dataclass(frozen=True)
class Scope:
    """Where an expression stands: its module, and the functions around it from the inside out."""

    module: str
    functions: tuple[Function, ...]


@functools.cache
def raised_errors() -> tuple[Raised, ...]:
    """Return every message of every call of `InputError` in the library."""
    raised = {}
    for module, call, functions in calls()["InputError"]:
        scope = Scope(module, functions)
        what, hint = _argument(call, 0, "what"), _argument(call, 2, "hint")
        for pair in _pairs(what, hint, scope):
            raised[Raised(*pair, module, f"{module}:{call.lineno}")] = None
    return tuple(raised)


def _pairs(what: ast.expr | None, hint: ast.expr | None, scope: Scope) -> list[tuple[str, str]]:
    """Return messages with their hints: of a function that is called with both, each as it is called."""
    function = scope.functions[0] if scope.functions else None
    if function is None or not (isinstance(what, ast.Name) and what.id in _parameters(function)):
        return list(itertools.product(texts(what, scope), texts(hint, scope)))
    pairs = []
    for outer, call in _callers(function, scope):
        whats = texts(_given(what.id, call, function), outer, 1)
        if isinstance(hint, ast.Name) and hint.id in _parameters(function):
            hints = texts(_given(hint.id, call, function), outer, 1)
        else:
            hints = texts(hint, scope)
        pairs += itertools.product(whats, hints)
    return pairs


@functools.cache
def modules() -> dict[str, ast.Module]:
    """Return the parsed modules of the library by their names."""
    return {
        ".".join(file.relative_to(LIBRARY).with_suffix("").parts).removesuffix(".__init__"): ast.parse(
            file.read_text(encoding="utf-8")
        )
        for file in sorted(LIBRARY.rglob("*.py"))
    }


def texts(node: ast.expr | None, scope: Scope, depth: int = 0) -> list[str]:
    """Return what an expression may say, with gaps; [''] of none."""
    if node is None:
        return [""]
    if isinstance(node, ast.Constant):
        return [node.value if isinstance(node.value, str) else ""]
    if isinstance(node, ast.JoinedStr):
        return ["".join(value.value if isinstance(value, ast.Constant) else GAP for value in node.values)]
    if isinstance(node, ast.BinOp):
        sides = (texts(side, scope, depth) for side in (node.left, node.right))
        return ["".join(pair) for pair in itertools.product(*sides)]
    if isinstance(node, ast.IfExp):
        return [*texts(node.body, scope, depth), *texts(node.orelse, scope, depth)]
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Dict):
        return [text for value in node.value.values for text in texts(value, scope, depth)]
    if isinstance(node, ast.BoolOp):
        return list(dict.fromkeys(text for value in node.values for text in texts(value, scope, depth)))
    if isinstance(node, ast.Name) and depth < DEEPEST:
        return _named(node.id, scope, depth + 1) or [GAP]
    if isinstance(node, ast.Call) and depth < DEEPEST:
        return _returned(node, scope, depth + 1) or [GAP]
    return [GAP]


def _named(name: str, scope: Scope, depth: int) -> list[str]:
    """Return what a name may say: a variable, a parameter as it is called, a constant here or elsewhere."""
    for function in scope.functions:
        values = list(_assigned(name, function.body, scope))
        if values:
            return [text for value, place in values for text in texts(value, place, depth)]
        if name in _parameters(function):
            return _called_with(name, function, scope, depth)
    tree = modules()[scope.module]
    for value, place in _assigned(name, tree.body, Scope(scope.module, ())):
        return texts(value, place, depth)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and any((a.asname or a.name) == name for a in node.names):
            module = (node.module or "").removeprefix("evoalign").lstrip(".")
            if module in modules():
                return _named(name, Scope(module, ()), depth)
    return []


def _assigned(name: str, body: list[ast.stmt], scope: Scope) -> Iterator[tuple[ast.expr, Scope]]:
    """Yield what is put into a variable and where that stands; also one of several, or by a loop."""
    for node in itertools.chain.from_iterable(map(ast.walk, body)):
        if isinstance(node, ast.Assign):
            pairs = [(target, node.value, scope) for target in node.targets]
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value:
            pairs = [(node.target, node.value, scope)]
        elif isinstance(node, ast.For | ast.comprehension) and isinstance(node.iter, ast.Tuple | ast.List):
            pairs = [
                (node.target, row, place) for part in node.iter.elts for row, place in _rows(part, scope)
            ]
        else:
            continue
        for target, value, place in pairs:
            for matched in _matched(name, target, value):
                yield matched, place


def _rows(part: ast.expr, scope: Scope) -> Iterator[tuple[ast.expr, Scope]]:
    """Yield what a loop goes over: an entry of a literal, or what a generator in it yields."""
    if not isinstance(part, ast.Starred):
        yield part, scope
    elif isinstance(part.value, ast.Call) and isinstance(part.value.func, ast.Name):
        for function in _functions(part.value.func.id, scope):
            for node in ast.walk(function):
                if isinstance(node, ast.Yield) and node.value:
                    yield node.value, Scope(scope.module, (function,))


def _functions(name: str, scope: Scope) -> list[Function]:
    tree = modules()[scope.module]
    return [node for node in ast.walk(tree) if isinstance(node, Function) and node.name == name]


def _matched(name: str, target: ast.expr, value: ast.expr) -> Iterator[ast.expr]:
    if isinstance(target, ast.Name) and target.id == name:
        yield value
    elif isinstance(target, ast.Tuple):
        for index, part in enumerate(target.elts):
            if isinstance(value, ast.Tuple) and index < len(value.elts):
                yield from _matched(name, part, value.elts[index])
            elif isinstance(value, ast.IfExp):
                yield from _matched(name, target, value.body)
                yield from _matched(name, target, value.orelse)
                return


def _called_with(name: str, function: Function, scope: Scope, depth: int) -> list[str]:
    """Return what callers give for a parameter: those of the same module, else of any."""
    values = ((outer, _given(name, call, function)) for outer, call in _callers(function, scope))
    return list(dict.fromkeys(text for outer, value in values for text in texts(value, outer, depth)))


def _callers(function: Function, scope: Scope) -> list[tuple[Scope, ast.Call]]:
    """Return the calls of a function, in its own module if there are any, else everywhere."""
    everywhere = [
        (Scope(module, functions), call)
        for module, call, functions in calls()[function.name]
        if function not in functions
    ]
    return [caller for caller in everywhere if caller[0].module == scope.module] or everywhere


def _given(name: str, call: ast.Call, function: Function) -> ast.expr | None:
    """Return what a call gives for a parameter, else its default."""
    parameters = [parameter for parameter in _parameters(function) if parameter not in ("self", "cls")]
    value = _argument(call, parameters.index(name), name)
    return value if value is not None else _default(name, function)


def _returned(call: ast.Call, scope: Scope, depth: int) -> list[str]:
    """Return what a function of the same module gives back, or text is joined from."""
    if isinstance(call.func, ast.Attribute) and call.func.attr == "join":
        return [GAP]
    for function in _functions(getattr(call.func, "id", ""), scope):
        inner = Scope(scope.module, (function,))
        values = [part.value for part in ast.walk(function) if isinstance(part, ast.Return) and part.value]
        return [text for value in values for text in texts(value, inner, depth)]
    return []


@functools.cache
def calls() -> dict[str, list[tuple[str, ast.Call, tuple[Function, ...]]]]:
    """Return all calls by the name of what is called: module, call, and the functions around it."""
    by_name = defaultdict(list)

    def collect(module: str, node: ast.AST, around: tuple[Function, ...]) -> None:
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            by_name[name].append((module, node, around))
        inside = (node, *around) if isinstance(node, Function) else around
        for child in ast.iter_child_nodes(node):
            collect(module, child, inside)

    for module, tree in modules().items():
        collect(module, tree, ())
    return by_name


def _argument(call: ast.Call, place: int, name: str) -> ast.expr | None:
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    if place < len(call.args) and not any(isinstance(value, ast.Starred) for value in call.args[: place + 1]):
        return call.args[place]
    return None


def _parameters(function: Function) -> list[str]:
    arguments = function.args
    return [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]


def _default(name: str, function: Function) -> ast.expr | None:
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = dict(zip([a.arg for a in positional[::-1]], arguments.defaults[::-1], strict=False))
    defaults |= dict(zip([a.arg for a in arguments.kwonlyargs], arguments.kw_defaults, strict=True))
    return defaults.get(name)
