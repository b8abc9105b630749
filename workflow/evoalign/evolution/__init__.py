"""Closed-loop image evolution: optimisers, the loop, subjects."""

from evoalign.evolution.loop import Generation, Shown, Subject, Thread, evolve, image_name
from evoalign.evolution.optimisers import CmaEs, Optimiser, default_population

__all__ = [
    "CmaEs",
    "Generation",
    "Optimiser",
    "Shown",
    "Subject",
    "Thread",
    "default_population",
    "evolve",
    "image_name",
]
