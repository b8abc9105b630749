"""A demo session's paired evolution, closed in the loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from evoalign.evolution.loop import EvolutionThread, Generation, evolve
from evoalign.evolution.optimisers import CmaEs
from evoalign.simulate.natural import natural_images
from evoalign.simulate.schedule import LogClock, Rig
from evoalign.simulate.settings import Demo, Insilico
from evoalign.simulate.subject import ModelSubject, screened_unit, screening_images
from evoalign.spaces.interface import Space
from evoalign.spaces.registry import get_space

SPACES = ("texture", "object")  # of thread 0 and 1, as in sessions.tsv
SIGMA = 0.5  # CMA-ES initial step of both threads, in SDs of the prior


@dataclass(frozen=True)
class Evolved:
    """A finished paired evolution."""

    history: list[Generation]
    subject: ModelSubject
    rig: Rig
    clock: LogClock
    screen: list[np.ndarray]


def start_threads(
    spaces: Sequence[Space],
    settings: Demo | Insilico,
    generator: torch.Generator,
    seeds: Sequence[int],
    sigma: float | None = None,
) -> tuple[list[EvolutionThread], dict[int, list[np.ndarray]]]:
    """Draw the founders and reference images of a paired evolution.

    Parameters
    ----------
    spaces : sequence of Space
        Of thread 0, 1, ..; their images are of one size.
    settings : Demo or Insilico
        How many founders and references a thread has.
    generator : torch.Generator
        Source of founders, then of references.
    seeds : sequence of int
        Of each thread's CMA-ES.
    sigma : float, optional
        Its initial step, in SDs of the prior; that of each space when not given.

    Returns
    -------
    threads : list of EvolutionThread
        Each with CMA-ES, from its founders.
    references : dict of int to list of ndarray
        Of each thread, uint8 ``[H, W, 3]``.
    """
    founders = [space.sample_initial(settings.images_per_thread, generator).numpy() for space in spaces]
    threads = [
        EvolutionThread(number, space, CmaEs(founders[number], sigma or space.initial_sigma, seeds[number]))
        for number, space in enumerate(spaces)
    ]
    references = {
        thread.number: natural_images(settings.references_per_thread, generator, spaces[0].image_size)
        for thread in threads
    }
    return threads, references


def run_evolution(area: str, settings: Demo, seed: int, tuned: bool = True) -> Evolved:
    """Run a demo session's closed loop: what was shown, and the preferred unit's spikes.

    Parameters and seed as for `simulate_session`, `tuned` as of `ModelUnit`; no
    file is written.
    """
    spaces = [get_space(name) for name in SPACES]
    torch_seed = int(np.random.default_rng([seed, 0]).integers(2**31))
    generator = torch.Generator().manual_seed(torch_seed)
    screen = screening_images(spaces, generator)
    unit = screened_unit(area, screen, tuned)
    seeds = [int(np.random.default_rng([seed, 1, number]).integers(2**31)) for number in range(len(spaces))]
    threads, references = start_threads(spaces, settings, generator, seeds, SIGMA)
    rng = np.random.default_rng([seed, 2])
    clock = LogClock(offset_s=rng.uniform(5, 60), drift_ppm=rng.uniform(-60, 60))
    rig = Rig(rng, clock)
    subject = ModelSubject(unit, rig, np.random.default_rng([seed, 3]))
    history = evolve(threads, subject, settings.n_blocks, np.random.default_rng([seed, 4]), references)
    subject.finish()
    return Evolved(history, subject, rig, clock, screen)
