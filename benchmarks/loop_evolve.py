"""A block of `evolve()` by itself, in whatever build is on the path: prints wall and processor seconds.

It imports nothing of the loop, so that builds of before the loop can be timed: see `loop_speed.py`.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import torch

from evoalign.evolution.loop import EvolutionThread, evolve
from evoalign.evolution.optimisers import CmaEs
from evoalign.simulate.schedule import LogClock, Rig
from evoalign.simulate.subject import ModelSubject, screened_unit, screening_images
from evoalign.spaces.interface import Space
from evoalign.spaces.procedural import ObjectSpace, TextureSpace

IMAGES = 40


def now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def time_evolve(n_blocks: int) -> np.ndarray:
    """Wall and processor time of a block of `evolve()`, s: two threads of 40 images, a model neuron."""
    generator = torch.Generator().manual_seed(1)
    spaces: list[Space] = [TextureSpace(), ObjectSpace()]
    threads = [
        EvolutionThread(
            number,
            space,
            CmaEs(space.sample_initial(IMAGES, generator).numpy(), space.initial_sigma, number + 1),
        )
        for number, space in enumerate(spaces)
    ]
    screen = screening_images(spaces, torch.Generator().manual_seed(2))
    rng = np.random.default_rng(0)
    subject = ModelSubject(screened_unit("IT", screen), Rig(rng, LogClock(0.0, 0.0)), rng)
    evolve(threads, subject, 1, rng)  # what is made once is made
    begin = np.array(now())
    evolve(threads, subject, n_blocks, rng)
    return (np.array(now()) - begin) / n_blocks


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[2]))
    print(json.dumps(time_evolve(int(sys.argv[1])).tolist()))
