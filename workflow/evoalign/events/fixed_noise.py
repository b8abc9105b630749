"""The noise that an evolution of BigGAN's class embeddings keeps fixed, as the rig writes it down."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoalign.errors import InputError
from evoalign.formats.monkeylogic.hdf5 import is_hdf5, read_hdf5
from evoalign.formats.monkeylogic.mat5 import read_mat5

FILE = "space_opts.mat"  # beside the codes, in the task's backup
STRUCTS, FIELD = "space_opts", "fix_noise_vec"


def session_noise(folder: str | PathLike[str], thread: int) -> NDArray[np.float64] | None:
    """Fixed noise of a thread, float64 ``[latent]``; None where the folder of latents tells none.

    Parameters
    ----------
    folder : path
        With the task's ``space_opts.mat``: a struct for each thread.
    thread : int
        From 0.

    Raises
    ------
    InputError
        The file is damaged, or holds something else.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        return None
    structs = _structs(path)
    return _vector(structs[thread], path) if thread < len(structs) else None


def read_noise(path: str | PathLike[str]) -> NDArray[np.float64]:
    """Read fixed noise from a file, float64 ``[latent]``.

    Parameters
    ----------
    path : path
        ``.npy``, text, or the task's ``space_opts.mat``, of which the first
        thread with fixed noise counts.

    Raises
    ------
    InputError
        The file is missing, damaged, or holds no such numbers.
    """
    path = Path(path)
    if path.suffix == ".mat":
        for struct in _structs(path):
            vector = _vector(struct, path)
            if vector is not None:
                return vector
        raise _no_noise(f"no thread has {FIELD}", path)
    try:
        values = np.load(path, allow_pickle=False) if path.suffix == ".npy" else np.loadtxt(path)
        return np.asarray(values, dtype=np.float64).ravel()
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise _no_noise(f"{error!s:.200}", path) from error


def _structs(path: Path) -> list[dict[str, Any]]:
    """The options of each thread."""
    if not path.is_file():
        raise _no_noise("the file does not exist", path)
    content = read_hdf5(path) if is_hdf5(path) else read_mat5(path, (STRUCTS,))
    value = content.get(STRUCTS)
    structs = [value] if isinstance(value, dict) else list(np.ravel(np.asarray(value, object), order="F"))
    if not all(isinstance(struct, dict) for struct in structs):
        raise _no_noise(f"no variable {STRUCTS} with a struct for each thread", path)
    return structs


def _vector(struct: dict[str, Any], path: Path) -> NDArray[np.float64] | None:
    if np.size(struct.get(FIELD, ())) == 0:
        return None
    values = np.asarray(struct[FIELD])
    if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        raise _no_noise(f"{FIELD} are no finite numbers", path)
    return values.astype(np.float64).ravel()


def _no_noise(problem: str, path: Path) -> InputError:
    return InputError(
        f"no fixed noise of BigGAN: {problem}", path, f"give .npy, text, or the task's {FILE} with {FIELD}"
    )
