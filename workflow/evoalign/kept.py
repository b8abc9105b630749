"""What is kept in the user's cache from one run to the next, each value by a digest of what it was made of.

So nothing of it is ever out of date: of what has changed the digest is another one.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import platformdirs

from evoalign.files import atomic_write


class Kept:
    """Values by key, in one JSON file of the user's cache.

    Parameters
    ----------
    name : str
        Name of the file.
    most : int
        So many values are kept, those that were made last.
    """

    def __init__(self, name: str, most: int) -> None:
        self.name, self.most = name, most
        self.made_new = False

    def get(self, key: str, make: Callable[[], Any]) -> Any:
        """Return the value of a key, made now where none is kept; JSON must be able to hold it."""
        if key not in self._values:
            self._values[key] = make()
            self.made_new = True
        return self._values[key]

    def write(self) -> None:
        """Write what was made new; where the cache cannot be written it is made again next time."""
        if self.made_new:
            with suppress(OSError), atomic_write(self._file) as partial:
                last = dict(list(self._values.items())[-self.most :])
                partial.write_text(json.dumps(last), encoding="utf-8")
            self.made_new = False

    def forget(self) -> None:
        """Read the file again at the next question, as the next process does."""
        self.__dict__.pop("_values", None)

    @functools.cached_property
    def _values(self) -> dict[str, Any]:
        try:
            values = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return values if isinstance(values, dict) else {}

    @property
    def _file(self) -> Path:
        return platformdirs.user_cache_path("evoalign") / self.name


def short_hash(text: str) -> str:
    """Return 32 hexadecimal digits of a text: the first half of its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]
