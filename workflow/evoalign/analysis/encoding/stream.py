"""Running a large job in pieces: sizes by memory, progress, and pieces kept on disk."""

from __future__ import annotations

import hashlib
import logging
import sys
import zipfile
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from time import monotonic

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from evoalign.analysis.encoding.nested import Plan
from evoalign.files import atomic_write

CACHE_BYTES = 16e6  # of a processor: larger batches were measured to run up to half as fast
ROWS_CPU = (256, 4096)  # permuted targets at a time: enough for products of full speed
ROWS_CUDA = 65_536
ROWS_A_PIECE = 2_000_000  # rows after which a checkpoint is worth its file


def row_bytes(plan: Plan) -> int:
    """Working memory of one permuted target, in bytes."""
    losses = plan.losses
    common = 0 if plan.common.vectors is None else plan.n_folds * plan.common.vectors.shape[1]
    numbers = (
        4 * plan.frame.raw_bounds[-1]
        + 3 * plan.frame.bounds[-1]
        + common
        + 2 * losses.widest
        + losses.n_slots * (3 * losses.size**2 + 2 * len(plan.alphas))
    )
    return numbers * torch.finfo(plan.dtype).bits // 8


def batch_rows(plan: Plan, memory_gb: float) -> int:
    """Permuted targets that fit the memory, at most as many as help the speed."""
    cached = min(max(CACHE_BYTES / row_bytes(plan), ROWS_CPU[0]), ROWS_CPU[1])
    most = ROWS_CUDA if plan.order.is_cuda else cached
    return int(max(min(memory_gb * 1e9 / row_bytes(plan), most), 1))


def pieces(n_units: int, n_windows: int, n_permutations: int, memory_gb: float) -> list[slice]:
    """Runs of units that are computed and kept together.

    They depend on the sizes and the configuration alone, so that a resumed
    job cuts as the first one did. A piece holds whole units, for the maximum
    over windows, and half of the memory holds its null distribution.
    """
    rows = max(n_windows * (1 + n_permutations), 1)
    fit = int(memory_gb * 0.5e9 / (rows * 40))  # float32 once and float64 a few times over
    units = max(min(ROWS_A_PIECE // rows, fit), 1)
    return [slice(first, min(first + units, n_units)) for first in range(0, n_units, units)]


class Checkpoint:
    """Finished pieces in a folder, each a file that appears whole.

    Parameters
    ----------
    folder : path or None
        None keeps nothing.
    """

    def __init__(self, folder: str | PathLike[str] | None) -> None:
        self.folder = None if folder is None else Path(folder)

    def get(self, key: str, compute: Callable[[], Mapping[str, NDArray]]) -> tuple[dict[str, NDArray], bool]:
        """Return a piece's arrays, and whether they had to be computed."""
        if self.folder is None:
            return dict(compute()), True
        path = self.folder / f"{key}.npz"
        if path.exists():
            try:
                with np.load(path, allow_pickle=False) as stored:
                    return {name: stored[name] for name in stored.files}, False
            except (OSError, ValueError, zipfile.BadZipFile):
                logging.warning("%s cannot be read and is computed anew", path)
        arrays = dict(compute())
        with atomic_write(path) as partial:
            np.savez(partial, **arrays)  # type: ignore[arg-type]
        return arrays, True


def digest(*parts: object) -> str:
    """Hash of arrays, tensors and plain values: the name under which their results are kept."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, torch.Tensor):
            part = part.detach().cpu().numpy()
        if isinstance(part, np.ndarray):
            total.update(f"{part.dtype.str}{part.shape}".encode())
            total.update(np.ascontiguousarray(part).tobytes())
        else:
            total.update(repr(part).encode())
    return total.hexdigest()[:20]


class Progress:
    """A bar on a terminal, and in any case one line with an estimate after the first piece.

    Parameters
    ----------
    what : str
        Name of the job.
    n_rows : int
        Permuted targets in the whole job.
    """

    def __init__(self, what: str, n_rows: int) -> None:
        self.what, self.n_rows = what, n_rows
        self._bar = tqdm(
            total=n_rows, desc=what, unit="fit", unit_scale=True, disable=not sys.stderr.isatty()
        )
        self._start, self._fitted, self._of_piece, self._told = monotonic(), 0, 0, False

    def add(self, rows: int) -> None:
        """Count rows that were computed."""
        self._bar.update(rows)
        self._fitted += rows
        self._of_piece += rows

    def piece(self, rows: int) -> None:
        """Leave out what was not computed of a piece; say after the first how long the rest will take.

        Of `rows`, those were found on disk, or are of units that get no more permutations.
        """
        left_out, self._of_piece = rows - self._of_piece, 0
        self._bar.update(left_out)
        self.n_rows -= left_out
        if self._told or not self._fitted:
            return
        self._told = True
        spent = monotonic() - self._start
        remaining_s = spent / self._fitted * (self.n_rows - self._fitted)
        logging.info("%s: %.3g fits/s, about %.0f s to go", self.what, self._fitted / spent, remaining_s)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
