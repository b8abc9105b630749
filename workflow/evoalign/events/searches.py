"""What proposed and what made the images of an evolution, as the closed loop writes it down."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from evoalign.errors import InputError
from evoalign.files import atomic_write

FILE = "searches.json"  # beside the codes
NAME = "name"  # the key under which an optimiser's settings hold its name

Facts = Mapping[str, str]
_CONTENT = TypeAdapter(dict[int, dict[str, dict[str, str]]])


@dataclass(frozen=True)
class Search:
    """One thread's search.

    Attributes
    ----------
    optimiser : mapping of str to str
        `name`, and its settings.
    space : mapping of str to str
        What made the images: `Space.describe`.
    """

    optimiser: Facts
    space: Facts


def write_searches(folder: str | PathLike[str], searches: Mapping[int, Search]) -> None:
    """Write ``searches.json``, by thread, into the folder of latents; it is made when missing."""
    content = {
        str(thread): {part: dict(facts) for part, facts in vars(search).items()}
        for thread, search in searches.items()
    }
    with atomic_write(Path(folder) / FILE) as partial:
        partial.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_searches(folder: str | PathLike[str]) -> dict[int, Search]:
    """Return the searches by thread; none where the folder of latents has no such file.

    Raises
    ------
    InputError
        The file is damaged, or holds something else.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        return {}
    try:
        content = _CONTENT.validate_json(path.read_bytes())
        searches = {thread: Search(parts["optimiser"], parts["space"]) for thread, parts in content.items()}
        if not all(search.optimiser.get(NAME) for search in searches.values()):
            raise KeyError(NAME)
    except (OSError, ValidationError, KeyError) as error:
        raise InputError(
            f"what searched is not told as the closed loop tells it: {_first_line(error)}",
            path,
            "copy the file of the session's folder again, or remove it: then the sample sheet's names count",
        ) from None
    return searches


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        item = error.errors()[0]
        return f"{'.'.join(map(str, item['loc'])) or 'the file'}: {item['msg']}"
    return str(error)
