"""Padded trajectories pooled by area: docs/methods.md sections 3 (Fig. 4C) and 4 (Fig. 5C, Ext. 4C)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from evoalign.analysis.frames import long_table
from evoalign.analysis.population.experiments import SPACES, Study, larger, paired_columns, test_columns
from evoalign.analysis.session.trajectories import pad
from evoalign.analysis.statistics.sites import paired_over_sites
from evoalign.analysis.statistics.tests import benjamini_hochberg, paired_t

Floats = NDArray[np.float64]
WINDOWS = ("evoked", "baseline", "binned")


@dataclass(frozen=True)
class Trajectories:
    """Normalised trajectories of generated images, padded to the longest run.

    Attributes
    ----------
    values, errors : dict of 'texture' and 'object' to numpy.ndarray [experiment, window, block]
        Block means over the normaliser, and their standard errors over
        presentations.
    real : numpy.ndarray, bool [experiment, block]
        False where padded.
    windows : list of (name, start, stop)
        The evoked window first.
    """

    values: dict[str, Floats]
    errors: dict[str, Floats]
    real: NDArray[np.bool_]
    windows: list[tuple[str, int, int]]


def padded_trajectories(study_: Study) -> Trajectories:
    """Stack and pad the trajectories of all valid experiments.

    All areas are padded to the longest run of the study. The padding of an
    experiment is the mean of its last two blocks (docs/methods.md section 3), and the
    error of the padding is that of this mean.
    """
    frame = study_.tables["trajectories"]
    code, kinds = pd.factorize(frame["window"])
    rank = np.array([WINDOWS.index(kind) for kind in kinds])[code]
    start, stop = frame["start_ms"].to_numpy(), frame["stop_ms"].to_numpy()
    # One number a window, in the order of kind, width and start.
    widths, starts = np.ptp(stop) + np.ptp(start) + 1, start.min()
    key = (rank * widths + stop - start) * widths + start - starts
    _, first, at = np.unique(key, return_index=True, return_inverse=True)
    frame = frame.assign(at=at)
    axes = ("kind", "at", "block_index")
    means, _ = study_.arrange(frame, axes, "normalised")
    errors, _ = study_.arrange(frame, axes, "normalised_sem")
    real = np.zeros((len(means), means.shape[-1]), dtype=bool)
    for row, n_blocks in enumerate(study_.experiments["n_blocks"]):
        padded, mask = pad(torch.from_numpy(means[row][..., :n_blocks]), means.shape[-1])
        means[row], real[row] = padded.numpy(), mask.numpy()
        tail = np.sqrt((errors[row][..., n_blocks - 2 : n_blocks] ** 2).sum(-1, keepdims=True)) / 2
        errors[row][..., n_blocks:] = tail
    windows = [(WINDOWS[rank[row]], int(start[row]), int(stop[row])) for row in first]
    return Trajectories(
        {kind: means[:, place] for place, kind in enumerate(SPACES)},
        {kind: errors[:, place] for place, kind in enumerate(SPACES)},
        real,
        windows,
    )


def population_trajectories(study_: Study, trajectories: Trajectories) -> pd.DataFrame:
    """Mean trajectories of each area and selection, with the paired test of each block.

    The test compares texture and object over experiments, block by block; the
    blocks of one window are one family for Benjamini and Hochberg. Ext. 4C
    asks of both threads that they succeed at `success_p`: 'both_strict'.
    """
    names, starts, stops = zip(*trajectories.windows, strict=True)
    parts = []
    for area, selection, rows in study_.selections(strict=True):
        values = {kind: trajectories.values[kind][rows] for kind in SPACES}
        errors = {kind: trajectories.errors[kind][rows] for kind in SPACES}
        columns, n = paired_columns(
            study_, rows, values, errors, ("population trajectories", area, selection), difference=True
        )
        test = paired_t(*(torch.from_numpy(np.moveaxis(values[kind], 0, -1).copy()) for kind in SPACES))
        q = benjamini_hochberg(test.p)
        columns |= {"n": n, "n_real": trajectories.real[rows].sum(0)[None], **test_columns(test)}
        columns |= {"q": q, "larger": larger(test.t, q, study_.settings.fdr)}
        difference = values["texture"] - values["object"]
        columns |= paired_over_sites(difference, study_.sites(rows), family=True)
        frame = long_table({"at": range(len(names)), "block_index": range(q.shape[-1])}, columns)
        at = frame.pop("at").to_numpy()
        parts.append(
            frame.assign(
                area=area,
                selection=selection,
                window=np.asarray(names)[at],
                start_ms=np.asarray(starts)[at],
                stop_ms=np.asarray(stops)[at],
            )
        )
    return pd.concat(parts, ignore_index=True)
