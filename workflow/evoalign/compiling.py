"""Compiled functions, kept on disk by the content of the sources that they came from.

numba (0.68) takes a compiled function from its cache as long as the function's own file is as it was,
whatever became of the functions and constants that it takes from other files: after an update a job
would have counted with the code of before. Here compiled code lies in a folder named by a digest of
all files beside the function's own, from which alone compiled functions may take something.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import platformdirs

UNUSED_S = 30 * 86_400.0  # compiled code of earlier sources is removed so long after it was made


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function when it is called first, without the interpreter's lock.

    Parameters
    ----------
    **options
        Of `numba.njit`, as `fastmath`.

    Returns
    -------
    callable
        Decorator. What it compiles is kept in ``__pycache__`` beside the function's file, in the folder that
        ``NUMBA_CACHE_DIR`` names, or in the user's cache where neither can be written.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        settings: Any = numba.config  # its names are those of environment variables, made as it is loaded
        given = settings.CACHE_DIR
        settings.CACHE_DIR = str(_folder_of(Path(inspect.getfile(function)).parent, given))
        try:
            return numba.njit(cache=True, nogil=True, **options)(function)
        finally:
            settings.CACHE_DIR = given

    return decorate


@functools.cache
def _folder_of(sources: Path, given: str) -> Path:
    """Return where compiled functions of a folder of sources are kept."""
    digest = hashlib.sha256()
    for file in sorted(sources.glob("*.py")):
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode() + file.read_bytes())
    beside = (
        sources / "__pycache__" if os.access(sources, os.W_OK) else platformdirs.user_cache_path("evoalign")
    )
    base = Path(given) if given else beside
    _remove_unused(base)
    return base / f"compiled-{digest.hexdigest()[:16]}"


def _remove_unused(base: Path) -> None:
    for folder in base.glob("compiled-*"):
        try:
            if time.time() - folder.stat().st_mtime > UNUSED_S:
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # another process has removed it
            continue
