"""What single images of a session drove: the best image of each block, and the natural references."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from evoalign import tables
from evoalign.analysis.frames import Axis, as_array, long_columns, table_of
from evoalign.analysis.session.block_statistics import BlockStatistics, experiment_columns, thread_axis
from evoalign.analysis.session.trajectories import best_images
from evoalign.analysis.settings import Analysis
from evoalign.analysis.statistics.tests import moments
from evoalign.analysis.tables import BLOCK_IMAGES, REFERENCE_IMAGES, REFERENCE_PSTH

TABLES = tables.by_name(BLOCK_IMAGES, REFERENCE_IMAGES, REFERENCE_PSTH)


def image_tables(measured: BlockStatistics, settings: Analysis) -> dict[str, pd.DataFrame]:
    """Tables `block_images`, `reference_images` and `reference_psth` of an experiment.

    Without rows where the names of the images are unknown.
    """
    image_rows = {"block_images": _block_images(measured, settings), **_references(measured)}
    return {
        name: tables.empty(TABLES[name]) if frame is None else frame for name, frame in image_rows.items()
    }


def _block_images(measured: BlockStatistics, settings: Analysis) -> pd.DataFrame | None:
    experiment = measured.experiment
    if experiment.images is None:
        return None
    names, mean, n = best_images(experiment, measured.rates[:, 0])
    axes: list[Axis] = [
        thread_axis(experiment, settings),
        {"block": experiment.block_numbers, "block_index": range(experiment.n_blocks)},
    ]
    columns = long_columns(axes, {"mean_hz": mean, "n": n})
    return table_of(
        BLOCK_IMAGES, columns | {"image": names.ravel().tolist()} | experiment_columns(experiment)
    )


def _references(measured: BlockStatistics) -> dict[str, pd.DataFrame | None]:
    """Evoked rate and PSTH of every natural reference, over all its presentations in both threads."""
    experiment = measured.experiment
    is_reference = as_array(experiment.reference)
    if experiment.images is None or not is_reference.any():
        return {"reference_images": None, "reference_psth": None}
    names, at = np.unique(experiment.images[is_reference], return_inverse=True)
    keep = torch.from_numpy(is_reference)
    evoked, rates = measured.rates[:, 0].cpu()[keep], experiment.rates.cpu()[keep]
    each = [moments(evoked[torch.from_numpy(at == k)]) for k in range(len(names))]
    psths = [moments(rates[torch.from_numpy(at == k)].T) for k in range(len(names))]
    image_columns = {"image": names.tolist(), "n": [int(image_moments.n) for image_moments in each]}
    image_columns |= {
        "mean_hz": [float(image_moments.mean) for image_moments in each],
        "sem_hz": [float(image_moments.sem) for image_moments in each],
    }
    times = np.arange(rates.shape[1]) + experiment.start_ms
    values = {
        "mean_hz": torch.stack([image_moments.mean for image_moments in psths]),
        "sem_hz": torch.stack([image_moments.sem for image_moments in psths]),
    }
    columns = long_columns([{"image": names}, {"time_ms": times}], values)
    return {
        "reference_images": table_of(REFERENCE_IMAGES, image_columns | experiment_columns(experiment)),
        "reference_psth": table_of(REFERENCE_PSTH, columns | experiment_columns(experiment)),
    }
