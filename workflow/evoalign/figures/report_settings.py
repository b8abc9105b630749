"""Every setting of a study with its meaning, for the report's last table: methods lead to its rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel


@dataclass(frozen=True)
class Setting:
    """A setting, by the name that `config.yaml` has for it.

    Attributes
    ----------
    name : str
        Section and key, as ``analysis.evoked_ms``.
    value : str
        As it would be written in JSON.
    meaning : str
    default : bool
        Whether it is what stands there when nobody says otherwise.
    """

    name: str
    value: str
    meaning: str
    default: bool


def every_setting(config: BaseModel, section: str = "") -> Iterator[Setting]:
    """Yield the settings that a configuration holds, those of its sections below it.

    Parameters
    ----------
    config : pydantic.BaseModel
        `study.Config`, or as much of it as a rule lists.
    section : str
        Put before the names.
    """
    for name, field in type(config).model_fields.items():
        if name not in config.__dict__:
            continue
        value = getattr(config, name)
        if isinstance(value, BaseModel):
            yield from every_setting(value, f"{section}{name}.")
            continue
        usual = field.get_default(call_default_factory=True)
        yield Setting(f"{section}{name}", _written(value), field.description or "", value == usual)


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
