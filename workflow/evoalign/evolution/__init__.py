"""Closed-loop image evolution: optimisers, the loop, subjects."""

from evoalign.evolution.loop import EvolutionThread, Generation, ShownImage, Subject, evolve, image_name
from evoalign.evolution.optimisers import CmaEs, Optimiser, default_population

__all__ = [
    "CmaEs",
    "EvolutionThread",
    "Generation",
    "Optimiser",
    "ShownImage",
    "Subject",
    "default_population",
    "evolve",
    "image_name",
]
