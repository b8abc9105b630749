"""A path of the Python interpreter that Snakemake can put into its commands."""

from __future__ import annotations

import atexit
import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from evoalign.errors import InputError

MOVE = "move the checkout, with its .venv, to a folder whose path has none of them, and make .venv there anew"


def check_library(folder: str) -> None:
    """Raise an InputError where jobs could not be given the path of the library.

    Parameters
    ----------
    folder : str
        Of the workflow: it becomes a part of PYTHONPATH, whose parts are separated by ``:``.
    """
    if os.pathsep in folder:
        problem = f"the path of this checkout holds '{os.pathsep}', which separates the paths of Python"
        raise InputError(problem, folder, MOVE)


def plain_executable(is_local: bool) -> str:
    """Return a path of this interpreter without blanks and other characters of the shell.

    Snakemake (9) writes the interpreter's path unquoted into the command of each job, so that all of
    them die where it holds a blank. Then a link to the environment's folder is made in the
    temporary directory, and removed with this process.

    Parameters
    ----------
    is_local : bool
        Jobs run on this machine, and so see its temporary directory.

    Raises
    ------
    InputError
        Jobs run elsewhere, or the temporary directory's own path is no better.
    """
    if _is_plain(sys.executable):
        return sys.executable
    problem = (
        "the path of Python holds blanks or other characters of the shell, which Snakemake does not quote"
    )
    executable, environment = Path(sys.executable), Path(sys.prefix)
    if not is_local or not executable.is_relative_to(environment):
        raise InputError(problem, sys.executable, MOVE)
    folder = tempfile.mkdtemp(prefix="evoalign-python-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if not _is_plain(folder):
        raise InputError(problem, sys.executable, f"{MOVE}, or set TMPDIR to such a folder")
    link = Path(folder, "env")
    link.symlink_to(environment, target_is_directory=True)
    return str(link / executable.relative_to(environment))


def _is_plain(path: str) -> bool:
    return shlex.quote(path) == path
