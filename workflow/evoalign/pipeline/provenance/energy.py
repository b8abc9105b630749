"""How much energy jobs took, estimated as Green Algorithms does.

Lannelongue, Grealey & Inouye, Advanced Science 2021, 8:2100707
(doi 10.1002/advs.202100707): ``E = t (n_c P_c u_c + n_m P_m) PUE``. Of a
measured job, ``t n_c u_c`` is its processor time, and its memory is the one
that it has used at most.
"""

from __future__ import annotations

from evoalign.pipeline.provenance.measure import Usage
from evoalign.study import Provenance

# P_m of the same paper: draw of memory, W a GB.
MEMORY_W_PER_GB = 0.3725


def gpu_s(usage: Usage) -> float:
    """Return the time for which a job held GPUs, s: as long as it ran, each."""
    return usage.wall_s * len(usage.gpus)


def energy_wh(usage: Usage, settings: Provenance) -> float:
    """Return the estimate of what a job took, Wh.

    Parameters
    ----------
    usage : Usage
        What was measured; a GPU's own counter of energy is taken where it was read.
    settings : Provenance
        Watts of a busy core and of a GPU, and the building's PUE.
    """
    joule = usage.cpu_s * settings.core_w
    joule += usage.wall_s * usage.memory_mb / 1000 * MEMORY_W_PER_GB
    for gpu in usage.gpus:
        joule += usage.wall_s * settings.gpu_w if gpu.energy_j is None else gpu.energy_j
    return joule * settings.pue / 3600
