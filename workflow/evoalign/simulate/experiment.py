"""A demo session's paired evolution, closed in the loop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from evoalign.evolution.loop import EvolutionThread, Generation, evolve
from evoalign.evolution.optimisers import CmaEs
from evoalign.simulate.natural import natural_images
from evoalign.simulate.schedule import LogClock, Rig
from evoalign.simulate.settings import Demo
from evoalign.simulate.subject import ModelSubject, screened_unit, screening_images
from evoalign.spaces.registry import get_space

SPACES = ("texture", "object")  # of thread 0 and 1, as in sessions.tsv
SIGMA = (0.8, 0.7)  # CMA-ES initial step of the two threads, in SDs of the prior


@dataclass(frozen=True)
class Evolved:
    """A finished paired evolution."""

    history: list[Generation]
    subject: ModelSubject
    rig: Rig
    clock: LogClock
    screen: list[np.ndarray]


def run_evolution(area: str, settings: Demo, seed: int) -> Evolved:
    """Run a demo session's closed loop: what was shown, and the preferred unit's spikes.

    Parameters and seed as for `simulate_session`; no file is written.
    """
    spaces = [get_space(name) for name in SPACES]
    torch_seed = int(np.random.default_rng([seed, 0]).integers(2**31))
    generator = torch.Generator().manual_seed(torch_seed)
    screen = screening_images(spaces, generator)
    unit = screened_unit(area, screen)
    threads = []
    for number, space in enumerate(spaces):
        founders = space.sample_initial(settings.images_per_thread, generator).numpy()
        cma_seed = int(np.random.default_rng([seed, 1, number]).integers(2**31))
        threads.append(EvolutionThread(number, space, CmaEs(founders, SIGMA[number], cma_seed)))
    references = {
        number: natural_images(settings.references_per_thread, spaces[0], spaces[1], generator)
        for number in range(len(spaces))
    }
    rng = np.random.default_rng([seed, 2])
    clock = LogClock(offset_s=rng.uniform(5, 60), drift_ppm=rng.uniform(-60, 60))
    rig = Rig(rng, clock)
    subject = ModelSubject(unit, rig, np.random.default_rng([seed, 3]))
    history = evolve(threads, subject, settings.n_blocks, np.random.default_rng([seed, 4]), references)
    subject.finish()
    return Evolved(history, subject, rig, clock, screen)
