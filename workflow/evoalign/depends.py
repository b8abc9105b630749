"""What the outputs of a rule depend on beside its inputs: code, pinned packages, knobs, cells.

Snakemake compares parameters of a rule with those of its last run. What is
returned here goes in as parameters, so that a changed line of the library, a
new pin or a changed knob reruns the rules whose script it reaches, and no
others. `docs/reruns.md` holds the whole table.
"""

from __future__ import annotations

import functools
import importlib.metadata
import itertools
import re
from collections.abc import Container, Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pydantic import BaseModel, TypeAdapter

import evoalign
from evoalign import study
from evoalign.reach import Library, References

ROOT = Path(evoalign.__file__).parent
# Where a run works and writes: no knob of its results. `device` agrees to rounding, not to the byte.
WHERE = ("results", "sessions", "device")

Model = TypeVar("Model", bound=BaseModel)
Script = str | PathLike[str]


@functools.cache
def library() -> Library:
    """Return the sources of the library that runs."""
    return Library(ROOT)


def scripts_of_jobs(folder: str | PathLike[str], but: Container[str] = ()) -> list[str]:
    """Return the names of the scripts in a folder that Snakemake runs, without suffix, sorted.

    Parameters
    ----------
    folder : path
        ``workflow/scripts``.
    but : container of str
        Scripts to leave out.
    """
    scripts = [script for script in sorted(Path(folder).glob("*.py")) if script.stem not in but]
    return [script.stem for script in scripts if "job(snakemake)" in script.read_text(encoding="utf-8")]


def knobs(scripts: Iterable[Script], config: study.Config) -> dict[str, Any]:
    """Return the knobs that scripts may read, with their values.

    Parameters
    ----------
    scripts : iterable of path
        Python files of the workflow.
    config : study.Config
        The whole configuration.

    Returns
    -------
    dict
        Part of the configuration, nested as it is, fit for JSON.
    """
    values = config.model_dump(mode="json", exclude=set(WHERE))
    found: dict[str, Any] = {}
    for section, read in _read(scripts).items():
        if section == "Config":
            found |= {name: value for name, value in values.items() if name in read}
        elif section in values and read:
            found[section] = {name: value for name, value in values[section].items() if name in read}
    return dict(sorted(found.items()))


def cells(script: Script, row: study.Session) -> dict[str, Any]:
    """Return the cells of a row of the sample sheet that a script may read, fit for JSON."""
    read = _read([script])["Session"]
    return {name: value for name, value in row.model_dump(mode="json").items() if name in read}


def only(model: type[Model], values: Mapping[str, Any]) -> Model:
    """Return an object of a model that holds the given values and no others.

    To read a field that was not given raises an AttributeError: a script
    cannot use a knob that its rule does not depend on.

    Parameters
    ----------
    model : type
        `study.Config`, one of its sections, or `study.Session`.
    values : mapping
        What `knobs` or `cells` has returned.
    """
    fields: dict[str, Any] = {}
    for name, value in values.items():
        section = _section(model, name)
        plain: TypeAdapter[Any] = TypeAdapter(model.model_fields[name].annotation or Any)
        fields[name] = only(section, value) if section else plain.validate_python(value)
    made = model.model_construct(**fields)
    for name in set(model.model_fields) - set(fields):
        made.__dict__.pop(name, None)
    return made


def pins(scripts: Iterable[Script], lock: Mapping[str, str]) -> dict[str, str]:
    """Return the pins of the packages that scripts reach, those that these need among them.

    Parameters
    ----------
    scripts : iterable of path
        Python files of the workflow.
    lock : mapping of str to str
        Canonical name of each pinned package and its version: `read_lock`.
    """
    found = _needed(tuple(scripts))
    return {name: version for name, version in sorted(lock.items()) if name in found}


@functools.cache
def _needed(scripts: tuple[Script, ...]) -> frozenset[str]:
    """Canonical names of the packages that scripts reach: the same for every job of a rule."""
    imported = {name for script in scripts for name in library().reach(script).packages}
    waiting = [name for module in imported for name in _distributions().get(module, [module])]
    found: set[str] = set()
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in found:
            found.add(name)
            waiting += _required(name)
    return frozenset(found)


def config_of(snakemake: Any) -> study.Config:
    """Return the configuration that a job may read: the knobs of its rule, and where it runs.

    Parameters
    ----------
    snakemake : snakemake.script.Snakemake
        The object that Snakemake gives to a script; without a parameter
        ``knobs``, the job may read all.

    Raises
    ------
    InputError
        The configuration is wrong; see `study.check_config`.
    """
    whole = study.check_config(snakemake.config)
    own = snakemake.params.get("knobs")
    if own is None:
        return whole
    return only(study.Config, dict(own) | whole.model_dump(mode="json", include=set(WHERE)))


def read_lock(path: str | PathLike[str]) -> dict[str, str]:
    """Return the pins of a requirements file: canonical name and version of each package."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    pinned = re.compile(r"([\w.-]+)(?:\[[\w,-]+\])?==([^\s;]+)")
    return {canonicalize_name(match[1]): match[2] for match in map(pinned.match, lines) if match}


def _read(scripts: Iterable[Script]) -> Mapping[str, set[str]]:
    """Return the fields that scripts may read, by section, with 'Config' and 'Session'."""
    found: dict[str, set[str]] = {name: set() for name in _models()}
    for script in scripts:
        for name, fields in _read_by(library(), Path(script)).items():
            found[name] |= fields
    return found


@functools.cache
def _read_by(source: Library, script: Path) -> Mapping[str, set[str]]:
    """Return the same of one script.

    A field counts where its name, or that of a property that reads it, stands
    after a dot. Where several sections in use have a `window_ms`, it is taken
    for that of the sections that the definition has to do with; failing that
    those that annotations in its module name, or in its room; failing that for each.
    """
    seen = [(m, found) for (m, _), found in source.reach(script).definitions.items() if m != study.__name__]
    fields = {name: _aliases(model) for name, model in _models().items()}
    about = [_about(references) for _, references in seen]
    nearby: dict[str, set[str]] = {}
    for module, references in seen:
        named = {name for name, model in _models().items() if model.__name__ in references.words}
        for place in (module, module.rpartition(".")[0]):
            nearby.setdefault(place, set()).update(named)
    used = set().union(*about)
    found: dict[str, set[str]] = {name: set() for name in fields}
    for (module, references), own in zip(seen, about, strict=True):
        for attribute in references.attributes:
            owners = {name for name in used if attribute in fields[name]}
            # The study and its rows have names as common as `log`: only where a definition surely has one.
            loose = owners - {"Config", "Session"}
            room = nearby[module.rpartition(".")[0]]
            for name in (owners & own) or (loose & nearby[module]) or (loose & room) or loose:
                found[name] |= fields[name][attribute]
    return found


@functools.cache
def _about(references: References) -> set[str]:
    """Return the sections that a definition has to do with: by an annotation, or as `config.analysis`."""
    dotted = {pair for chain in references.chains for pair in itertools.pairwise(chain)}
    plain = {name for chain in references.chains for name in chain}
    found = set()
    for name, model in _models().items():
        whole = "Config" in references.words and name in references.attributes
        if model.__name__ in references.words or whole or ("config", name) in dotted:
            found.add(name)
    if "config" in plain:
        found.add("Config")
    return found | ({"Session"} & plain)


@functools.cache
def _models() -> dict[str, type[BaseModel]]:
    sections = {name: _section(study.Config, name) for name in study.Config.model_fields}
    found = {name: model for name, model in sections.items() if model}
    return found | {"Config": study.Config, "Session": study.Session}


def _aliases(model: type[BaseModel]) -> dict[str, set[str]]:
    """Return the fields of a model by what they are read as: a field, or a property over some."""
    plain = {name for name in model.model_fields if not _section(model, name)}
    found = {name: {name} for name in plain}
    for name, used in library().properties(study.__name__, model.__name__).items():
        found[name] = used & plain
    return found


def _section(model: type[BaseModel], name: str) -> type[BaseModel] | None:
    """Return the model of a field that is a section; None for a plain knob."""
    annotation = model.model_fields[name].annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


@functools.cache
def _required(name: str) -> tuple[str, ...]:
    """Return what an installed package needs here; nothing of one that is not installed."""
    try:
        lines = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return ()
    needed = map(Requirement, lines)
    return tuple(r.name for r in needed if r.marker is None or r.marker.evaluate({"extra": ""}))
