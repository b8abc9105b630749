"""The packages that are installed here: which of them has a module, and what each needs.

To list them takes half a second at the start of each run, so the lists are kept by the folders that
pip writes for each package and their times.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict, cast

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from evoalign.kept import Kept, short_hash

# An environment for each of a few checkouts, and each before a package was changed.
KEPT = Kept("packages.json", 8)


class Packages(TypedDict):
    """Packages that hold a module, by its first name; and what each package needs, by canonical name."""

    of_module: dict[str, list[str]]
    needed_by: dict[str, list[str]]


@functools.cache
def packages() -> Packages:
    """Return the packages that are installed here."""
    return cast(Packages, KEPT.get(short_hash(_made_of()), _listed))


def _made_of() -> str:
    """Say what the lists depend on: Python, this module, and what pip wrote, with times."""
    entries = [
        (str(entry), entry.stat().st_mtime_ns)
        for folder in map(Path, sys.path)
        if folder.is_dir()
        for entry in sorted(folder.iterdir())
        if entry.suffix in (".dist-info", ".egg-info", ".egg-link")
    ]
    own = Path(__file__).read_text(encoding="utf-8")
    return json.dumps([sys.version, own, cast(Mapping[str, str], default_environment()), entries])


def _listed() -> Packages:
    needed: dict[str, list[str]] = {}
    for package in importlib.metadata.distributions():
        # The first of a name is the one that Python loads.
        needed.setdefault(canonicalize_name(package.name), _needed(package))
    return {"of_module": dict(importlib.metadata.packages_distributions()), "needed_by": needed}


def _needed(package: importlib.metadata.Distribution) -> list[str]:
    """Canonical names of what a package needs here, without its extras."""
    requirements = map(Requirement, package.requires or [])
    return [
        canonicalize_name(needed.name)
        for needed in requirements
        if needed.marker is None or needed.marker.evaluate({"extra": ""})
    ]
