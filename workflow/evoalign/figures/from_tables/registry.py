"""All figures of this package, by group."""

from __future__ import annotations

from collections.abc import Mapping

from evoalign.discovery import other_modules
from evoalign.figures.captions import Caption, Draw
from evoalign.figures.from_tables.entry import Group


def figures_of(group: Group) -> Mapping[str, tuple[Draw, Caption]]:
    """Return drawing and caption of each figure of a group, in the order in which they are shown."""
    entries = [entry for module in other_modules(__name__) for entry in getattr(module, "FIGURES", ())]
    chosen = sorted((entry for entry in entries if entry.group == group), key=lambda entry: entry.place)
    return {entry.name: (entry.draw, entry.caption) for entry in chosen}
