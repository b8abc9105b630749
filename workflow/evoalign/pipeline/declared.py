"""What a rule depends on beside files and code, as parameters whose every change Snakemake sees.

Snakemake 9 compares the values of a rule's parameters as a set, without their
names: two that are swapped rerun nothing. So each parameter is one text that
says what it holds. A job gets what its rule lists and nothing else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter

from evoalign import study
from evoalign.sheet import Session

# Where a run works and writes decides no result. `device` agrees to rounding, not to the byte.
WHERE = ("results", "sessions", "device")
# Snakemake puts this file into each folder that a rule has made.
MADE = ".snakemake_timestamp"

Model = TypeVar("Model", bound=BaseModel)


def text(**values: Any) -> str:
    """Return named values, in their order, as one JSON text: the form in which a rule takes a parameter."""
    return json.dumps(values)


def settings(config: study.Config, names: Iterable[str], without: Collection[str] = ()) -> str:
    """Return the settings that a rule lists, as JSON.

    Parameters
    ----------
    config : study.Config
        The whole configuration.
    names : iterable of str
        Sections, as ``sorting``; single settings, as ``seed`` or ``sorting.envelope``.
    without : collection of str
        Single settings of the named sections to leave out.

    Raises
    ------
    KeyError
        There is no setting of such a name.
    """
    every_setting = config.model_dump(mode="json")
    chosen: dict[str, Any] = {}
    for name in names:
        section, _, key = name.partition(".")
        if key:
            chosen.setdefault(section, {})[key] = every_setting[section][key]
        else:
            chosen[section] = (
                dict(every_setting[section]) if _section(study.Config, section) else every_setting[section]
            )
    for name in without:
        section, _, key = name.partition(".")
        del chosen[section][key]
    return text(**chosen)


def fields(session: Session, names: Iterable[str]) -> dict[str, Any]:
    """Return fields of a session's row of the sample sheet, fit for JSON."""
    every_field = session.model_dump(mode="json")
    return {name: every_field[name] for name in names}


def folders(paths: Iterable[str | PathLike[str]]) -> str:
    """Return a digest of what lies in folders: Snakemake looks at the date of a folder alone.

    Parameters
    ----------
    paths : iterable of path
        Those that are no folders are passed over. Of a folder that a rule has
        made, files count that were changed since: it reads the same before it is made.

    Returns
    -------
    str
        Over names, sizes and times of the files.
    """
    total = hashlib.sha256()
    for folder in filter(Path.is_dir, map(Path, paths)):
        state_file = folder / MADE
        since = state_file.stat().st_mtime_ns if state_file.exists() else -1
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            stat = file.stat()
            if stat.st_mtime_ns > since:
                total.update(f"{file.relative_to(folder)}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return total.hexdigest()[:16]


def part(model: type[Model], values: Mapping[str, Any]) -> Model:
    """Return an object of a model that holds the given values and no others.

    To read a field that was not given raises an AttributeError: a script
    cannot use a setting that its rule does not list.

    Parameters
    ----------
    model : type
        `study.Config`, one of its sections, or `Session`.
    values : mapping
        What `settings` or `fields` has returned.
    """
    stored: dict[str, Any] = {}
    for name, value in values.items():
        section = _section(model, name)
        plain: TypeAdapter[Any] = TypeAdapter(model.model_fields[name].annotation or Any)
        stored[name] = part(section, value) if section else plain.validate_python(value)
    typed_section = model.model_construct(**stored)
    for name in set(model.model_fields) - set(stored):
        typed_section.__dict__.pop(name, None)
    return typed_section


def config_of(snakemake: Any) -> study.Config:
    """Return the configuration that a job may read: the settings of its rule, and where it runs.

    Parameters
    ----------
    snakemake : snakemake.script.Snakemake
        The object that Snakemake gives to a script; its parameter ``settings`` is that of `settings`.

    Raises
    ------
    InputError
        The configuration is wrong; see `study.check_config`.
    """
    checked = study.check_config(snakemake.config)
    return part(
        study.Config,
        json.loads(snakemake.params.settings) | checked.model_dump(mode="json", include=set(WHERE)),
    )


def session_of(snakemake: Any) -> Session:
    """Return the fields of the session's row that a job may read, by the parameter ``session``."""
    return part(Session, json.loads(snakemake.params.session))


def _section(model: type[BaseModel], name: str) -> type[BaseModel] | None:
    """Return the model of a field that is a section; None for a single setting."""
    annotation = model.model_fields[name].annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
