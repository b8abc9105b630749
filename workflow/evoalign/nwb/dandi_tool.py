"""The archive's own tool, loaded and run away from the web and the user's folders.

As it is loaded it decides where it keeps what it has found, and makes a folder there. It is a module of its
own for the starter of a run's jobs (`evoalign.pipeline.starter`), which loads it once.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def surroundings(scratch: str | os.PathLike[str]) -> Iterator[None]:
    """Keep the tool from the web and the user's folders, and afterwards log as before.

    Parameters
    ----------
    scratch : path
        A folder that may hold what the tool would write at the user's home.
    """
    root, tool = logging.getLogger(), logging.getLogger("dandi")
    levels, handlers = (root.level, tool.level), list(root.handlers)
    # DANDI_NO_ET: no look for newer versions; the XDG folders: no logs at the user's home.
    changed = {"DANDI_NO_ET": "1", "DANDI_CACHE": "ignore"} | {
        name: os.path.join(scratch, name)  # noqa: PTH118 - text for the environment
        for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")
    }
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
        for handler in set(root.handlers).difference(handlers):
            root.removeHandler(handler)
            handler.close()
        for logger, level in zip((root, tool), levels, strict=True):
            logger.setLevel(level)


with tempfile.TemporaryDirectory() as _folder, surroundings(_folder):
    from dandi.cli.command import main
    from dandi.metadata.core import prepare_metadata
    from dandi.metadata.nwb import get_metadata

__all__ = ["get_metadata", "main", "prepare_metadata", "surroundings"]
