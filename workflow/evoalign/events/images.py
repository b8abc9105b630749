"""Where a MonkeyLogic task keeps the names of the images of a trial."""

from __future__ import annotations

from typing import Any

import numpy as np

from evoalign.errors import InputError
from evoalign.events.names import parse_axis_name, parse_image_name
from evoalign.events.settings import Events

# Fields of UserVars that are searched when the configuration names none.
_USER_FIELDS = ("imageName", "imageNames", "image_name", "image_names", "images", "stimuli")
_TASK_OBJECTS = "TaskObject.Attribute"


def image_names(trial: dict[str, Any], n: int, settings: Events, where: str) -> list[str]:
    """Return the names of the first `n` images of a trial.

    Parameters
    ----------
    trial : dict
        A trial of `read_behavior`.
    n : int
        Greatest image number among the trial's words.
    settings : Events
        `image_field` names a field of the trial, with dots, whose k-th text
        names image k: a cell array of texts, a text for one image, or
        ``TaskObject.Attribute``, whose k-th picture is image k. '' looks for
        ``imageName`` and the like in UserVars, then at the pictures of
        TaskObject, where these are taken only if the study's convention, or
        the configured pattern, can read every name: the order of objects is a
        task's own choice.
    where : str
        Place of the trial, for errors.

    Returns
    -------
    list of str
        As the task wrote them, with folders; blank where the file has none.

    Raises
    ------
    InputError
        The configured field is missing, holds no texts, or too few.
    """
    if settings.image_field:
        names = _texts(_field(trial, settings.image_field), settings.image_field)
        if names is None:
            raise InputError(
                f"the trial has no image names in '{settings.image_field}'",
                where,
                "correct events.image_field in the configuration",
            )
        if len(names) < n:
            raise InputError(
                f"{n} images were shown but '{settings.image_field}' names {len(names)}",
                where,
                "correct events.image_field in the configuration",
            )
        return names[:n]
    for field in _USER_FIELDS:
        names = _texts(_field(trial, f"UserVars.{field}"), field)
        if names is not None and len(names) >= n:
            return names[:n]
    names = _texts(_field(trial, _TASK_OBJECTS), _TASK_OBJECTS) or []
    readable = [
        parse_image_name(name, settings.image_pattern) is not None or parse_axis_name(name) is not None
        for name in names
    ]
    if len(names) >= n and all(readable):
        return names[:n]
    return [""] * n


def _field(trial: dict[str, Any], path: str) -> Any:
    value: Any = trial
    for field in path.split("."):
        if not isinstance(value, dict) or field not in value:
            return None
        value = value[field]
    return value


def _texts(value: Any, path: str) -> list[str] | None:
    if value is None:
        return None
    if path == _TASK_OBJECTS:
        return _pictures(value)
    items = [value] if isinstance(value, str) else np.asarray(value, object).ravel(order="F").tolist()
    if not items or not all(isinstance(item, str) and item for item in items):
        return None
    return [item.strip() for item in items]


def _pictures(attributes: Any) -> list[str]:
    """File names of the objects of type 'pic', in order: each attribute is {'pic', file, x, y, ..}."""
    names = []
    for attribute in np.asarray(attributes, object).ravel(order="F"):
        fields = np.asarray(attribute, object).ravel(order="F")
        if len(fields) > 1 and isinstance(fields[0], str) and fields[0].lower() == "pic":
            names.append(fields[1].strip() if isinstance(fields[1], str) else "")
    return names
