"""What single images of a session drove: the best image of each block, and the natural references."""

from __future__ import annotations

import numpy as np
import torch

from evoalign.analysis.labelled import Arrays, as_array
from evoalign.analysis.session.block_statistics import BlockStatistics
from evoalign.analysis.statistics.tests import moments


def references(measured: BlockStatistics) -> tuple[list[str], dict[str, Arrays]]:
    """Names of the natural references; evoked rate and PSTH of each, over both threads and all blocks."""
    experiment = measured.experiment
    is_reference = as_array(experiment.reference)
    if experiment.images is None or not is_reference.any():
        return [], {"reference_images": {}, "reference_psth": {}}
    names, at = np.unique(experiment.images[is_reference], return_inverse=True)
    keep = torch.from_numpy(is_reference)
    evoked, rates = measured.rates[:, 0].cpu()[keep], experiment.rates.cpu()[keep]
    rows = [torch.from_numpy(at == image) for image in range(len(names))]
    each = [moments(evoked[of_image]) for of_image in rows]
    psths = [moments(rates[of_image].T) for of_image in rows]
    image, time = ("image",), ("image", "time_ms")
    return names.tolist(), {
        "reference_images": {
            "n": (image, [int(part.n) for part in each]),
            "mean_hz": (image, [float(part.mean) for part in each]),
            "sem_hz": (image, [float(part.sem) for part in each]),
        },
        "reference_psth": {
            "mean_hz": (time, torch.stack([part.mean for part in psths])),
            "sem_hz": (time, torch.stack([part.sem for part in psths])),
        },
    }
