"""Modules that are taken in by being there: a pooled statistic, a figure.

`evoalign.pipeline.versions` knows that a module which imports this one runs all
modules of its own package.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType


def other_modules(name: str) -> list[ModuleType]:
    """Import and return the other modules of a module's package, in the order of their names.

    Parameters
    ----------
    name : str
        Whole name of the module that asks: its ``__name__``.
    """
    package = importlib.import_module(name.rpartition(".")[0])
    module_names = sorted(
        info.name for info in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
    )
    return [importlib.import_module(module_name) for module_name in module_names if module_name != name]
