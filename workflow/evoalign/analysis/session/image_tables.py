"""What single images of a session drove: the best image of each block, and the natural references."""

from __future__ import annotations

import numpy as np
import torch

from evoalign.analysis.labelled import Arrays, as_array
from evoalign.analysis.session.block_statistics import BlockStatistics
from evoalign.analysis.session.trajectories import group_moments


def references(measured: BlockStatistics) -> tuple[list[str], dict[str, Arrays]]:
    """Names of the natural references; evoked rate and PSTH of each, over both threads and all blocks."""
    experiment = measured.experiment
    is_reference = as_array(experiment.reference)
    if experiment.images is None or not is_reference.any():
        return [], {"reference_images": {}, "reference_psth": {}}
    names, image = np.unique(experiment.images[is_reference], return_inverse=True)
    # The evoked rate and the PSTH in one pass over the presentations.
    evoked, psth = (values[experiment.reference] for values in (measured.rates[:, :1], experiment.rates))
    of_images = group_moments(
        torch.cat([evoked, psth], 1), torch.from_numpy(image).to(psth.device), len(names)
    )
    curves = {"mean_hz": of_images.mean, "sem_hz": of_images.sem}
    return names.tolist(), {
        "reference_images": {
            "n": (("image",), of_images.n[:, 0].to(torch.int64)),
            **{name: (("image",), curve[:, 0]) for name, curve in curves.items()},
        },
        "reference_psth": {name: (("image", "time_ms"), curve[:, 1:]) for name, curve in curves.items()},
    }
