"""Where an output comes from: versions, commit, config, inputs, library code."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Iterable
from os import PathLike
from pathlib import Path

import grimp

import evoalign
from evoalign.study import Config

ROOT = Path(evoalign.__file__).parent
DEPENDENCIES = (
    "numpy",
    "scipy",
    "pandas",
    "torch",
    "spikeinterface",
    "neo",
    "pynwb",
    "snakemake",
    "matplotlib",
)


def provenance(config: Config, inputs: dict[str, str]) -> dict[str, str]:
    """Return what every output states about its making.

    Parameters
    ----------
    config : Config
        The whole configuration; its hash is kept.
    inputs : dict of str to str
        Name of each input file and its SHA-256.

    Returns
    -------
    dict of str to str
        ``version``, ``commit``, ``python``, ``config`` (SHA-256), one entry a
        dependency and one ``input:<name>`` an input. No clock times: equal
        inputs give equal bytes.
    """
    facts = {"version": evoalign.__version__, "commit": git_commit(), "python": platform.python_version()}
    facts["config"] = config_hash(config)
    facts |= {name: importlib.metadata.version(name) for name in DEPENDENCIES}
    facts |= {f"input:{name}": digest for name, digest in sorted(inputs.items())}
    return facts


def config_hash(config: Config) -> str:
    """Return the SHA-256 of what decides the results: all but where it runs and is written."""
    content = config.model_dump(mode="json", exclude={"results", "sessions", "device"})
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@functools.cache
def git_commit() -> str:
    """Return the commit of the checkout, with ``+`` when it was changed; '' outside git."""
    git = ["git", "-C", str(ROOT)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        state = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head.stdout.strip() + ("+" if state.stdout.strip() else "")


@functools.cache
def _graph() -> grimp.ImportGraph:
    return grimp.build_graph("evoalign", cache_dir=None)


@functools.cache
def library_hash(script: str | PathLike[str]) -> str:
    """Return the hash of all library code that a script can reach.

    Snakemake sees a change of the script but not of the modules that it
    calls; this hash, given as a parameter of the rule, makes them inputs.

    Parameters
    ----------
    script : path
        A Python file that imports from ``evoalign``.

    Returns
    -------
    str
        16 hexadecimal digits over the sources of the imported modules and of
        everything in the library that they import.
    """
    graph = _graph()
    modules: set[str] = set()
    for name in _imported(ast.parse(Path(script).read_text(encoding="utf-8"))):
        package = name if name in graph.modules else name.rpartition(".")[0]
        modules |= {package} | graph.find_upstream_modules(package)
    return _hash(_source(m) for m in sorted(modules - {"evoalign"}))


def _imported(tree: ast.AST) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("evoalign"):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("evoalign"))


def _source(module: str) -> Path:
    path = ROOT.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _hash(files: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for file in files:
        total.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes())
    return total.hexdigest()[:16]
