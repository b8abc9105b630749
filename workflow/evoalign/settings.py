"""What every room's settings are made of: typed fields with default, reason and bounds.

A room's section of ``config/config.yaml`` is a `Section` in its own
``settings.py``; `evoalign.study` puts them together. Field descriptions are the
one-line reasons; a unit stands at the end of a key's name (``_ms``, ``_uv``).
"""

from __future__ import annotations

import re
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo
from rapidfuzz import process

from evoalign.errors import InputError

UnitKind = Literal["sorted", "multiunit", "online", "envelope"]


class Section(BaseModel):
    """A section of the settings: frozen, and unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    if not TYPE_CHECKING:  # else mypy would take any name for a setting

        def __getattr__(self, name):
            if name in type(self).model_fields:
                raise AttributeError(f"{type(self).__name__}.{name} is not listed by the job's rule")
            return super().__getattr__(name)


def setting(default: Any, reason: str, **bounds: Any) -> Any:
    """Return a field of a `Section`: its default, why it is there, and its bounds (``ge``, ``lt`` ..)."""
    return Field(default, description=reason, **bounds)


def explain(error: ValidationError, where: str | PathLike[str], model: type[BaseModel]) -> InputError:
    """Return what pydantic found wrong as one message: keys, values, and the nearest valid spelling."""
    problems = []
    hint = ""
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            problems.append(f"unknown key '{key}'")
            hint = hint or nearest(str(item["loc"][-1]), _keys(model, item["loc"][:-1]))
            continue
        about = _description(model, item["loc"])
        found_text = f" (found {item['input']!r})" if key and not isinstance(item["input"], dict) else ""
        message = str(item["msg"])
        if item["type"] == "string_pattern_mismatch":
            message = "not of the right form"
        problems.append(f"{key}: {message}{found_text}" if key else message)
        if item["type"] == "literal_error":
            hint = hint or nearest(str(item["input"]), re.findall("'([^']*)'", item["ctx"]["expected"]))
        elif item["type"] == "string_type" and isinstance(item["input"], int | float):
            hint = hint or (
                f'put it in quotes: "{item["input"]}", as it was written; without them YAML reads a number '
                "(190501_1 as 1905011, 007 as 7)"
            )
        elif about:
            hint = hint or f"{key}: {about}"
    return InputError("; ".join(problems), where, hint)


def _description(model: type[BaseModel], path: tuple[int | str, ...]) -> str:
    """Description of the setting that an error is about; '' of a whole section."""
    setting_at = _at(model, path)[1]
    return setting_at.description or "" if setting_at is not None else ""


def _keys(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    return list(_at(model, path)[0].model_fields)


def _at(model: type[BaseModel], path: tuple[int | str, ...]) -> tuple[type[BaseModel], FieldInfo | None]:
    """Section that an error's path leads to, and its setting where the path goes on to one."""
    for part in path:
        # A number is a place in a list of sections: its field came before.
        field = model.model_fields.get(str(part))
        if field is None:
            continue
        section = _section(field.annotation)
        if section is None:
            return model, field
        model = section
    return model, None


def _section(annotation: Any) -> type[BaseModel] | None:
    """Return the section that a field holds, or holds several of; None of any other field."""
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def nearest(word: str, known: list[str]) -> str:
    """Return a hint: the valid spelling nearest to `word`, or all that are valid."""
    best = process.extractOne(word, known, score_cutoff=50)
    return f"did you mean '{best[0]}'?" if best else f"valid: {', '.join(known)}"
