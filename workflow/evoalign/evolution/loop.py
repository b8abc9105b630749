"""The closed loop: propose, show, score, update, for each thread of a paired evolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch

from evoalign.errors import InputError
from evoalign.evolution.optimisers import Optimiser
from evoalign.spaces.interface import Space, to_bytes


@dataclass(frozen=True)
class EvolutionThread:
    """One of the evolutions that a session interleaves.

    Attributes
    ----------
    number : int
        From 0.
    space : Space
    optimiser : Optimiser
    search : mapping of str to str
        `name` of the optimiser, and its settings; empty where nobody is told.
    """

    number: int
    space: Space
    optimiser: Optimiser
    search: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ShownImage:
    """One image of a block.

    Attributes
    ----------
    name : str
        Image name without suffix.
    pixels : ndarray
        uint8 ``[H, W, 3]``, exactly what is shown.
    block, thread : int
        Block from 1; thread from 0.
    space : str
        Name of the thread's space.
    latent_row : int
        Row in the thread's codes of the block; -1 for references.
    reference : bool
        A natural reference image.
    """

    name: str
    pixels: np.ndarray
    block: int
    thread: int
    space: str
    latent_row: int
    reference: bool


@dataclass(frozen=True)
class Generation:
    """What one thread proposed in one block, and how it was answered.

    Attributes
    ----------
    block, thread : int
        Block from 1; thread from 0.
    codes : ndarray
        float64 ``[image, latent]``.
    names : tuple of str
        Image names, in the order of the rows of `codes`.
    fitness : ndarray
        Evoked rate to each image, spikes/s ``[image]``.
    """

    block: int
    thread: int
    codes: np.ndarray
    names: tuple[str, ...]
    fitness: np.ndarray


class Subject(Protocol):
    """Whoever looks at the images: a model neuron, a unit of a network, a live rig."""

    def show(self, images: Sequence[ShownImage]) -> np.ndarray:
        """Show the images of a block in the given order.

        Returns
        -------
        ndarray
            Fitness of each image in that order: evoked rate, spikes/s ``[image]``.
        """
        ...


def image_name(block: int, thread: int, index: int, reference: bool = False) -> str:
    """Return an image's name as the study's rig gives it (docs/methods.md section 1).

    Examples
    --------
    >>> image_name(3, 1, 24)
    'block003_thread001_gen_gen002_000024'
    """
    generation = max(block - 1, 0)
    suffix = "_nat" if reference else ""
    return f"block{block:03d}_thread{thread:03d}_gen_gen{generation:03d}_{index:06d}{suffix}"


def evolve(
    threads: Sequence[EvolutionThread],
    subject: Subject,
    n_blocks: int,
    rng: np.random.Generator,
    references: Mapping[int, Sequence[np.ndarray]] | None = None,
) -> list[Generation]:
    """Run a paired evolution (docs/methods.md sections 1 and 9).

    Each block shows every image of every thread, and the threads' reference
    images, in one random order; each thread's optimiser then learns from the
    fitness of its own images. References teach nothing; their names are the
    same in every block, so that they count as repeats.

    Parameters
    ----------
    threads : sequence of EvolutionThread
        Their numbers are unique.
    subject : Subject
        Answers each block.
    n_blocks : int
        Blocks (= generations).
    rng : numpy.random.Generator
        Draws the orders of showing.
    references : mapping of int to images, optional
        Thread number -> reference images, uint8 ``[H, W, 3]`` each.

    Returns
    -------
    list of Generation
        By block, then thread.

    Raises
    ------
    InputError
        Thread numbers repeat, or the subject's answer does not fit the block.
    """
    if len({thread.number for thread in threads}) != len(threads):
        raise InputError(f"thread numbers repeat: {[thread.number for thread in threads]}")
    history: list[Generation] = []
    counts = {thread.number: 0 for thread in threads}
    for block in range(1, n_blocks + 1):
        codes = {thread.number: thread.optimiser.ask() for thread in threads}
        images = []
        for thread in threads:
            images += propose_images(thread, codes[thread.number], block, counts[thread.number])
            images += reference_images(thread, block, (references or {}).get(thread.number, ()))
            counts[thread.number] += len(codes[thread.number])
        order = rng.permutation(len(images))
        images_in_order = [images[i] for i in order]
        fitness = np.asarray(subject.show(images_in_order), dtype=np.float64)
        if fitness.shape != (len(images_in_order),):
            raise InputError(
                f"the subject answered {list(fitness.shape)} values to {len(images_in_order)} images"
            )
        for thread in threads:
            history.append(learn(thread, codes[thread.number], block, images_in_order, fitness))
    return history


def propose_images(thread: EvolutionThread, codes: np.ndarray, block: int, first: int) -> list[ShownImage]:
    """Render a thread's latents ``[image, latent]`` of a block; the first image has the number `first`."""
    with torch.no_grad():
        pixels = to_bytes(thread.space.render(torch.from_numpy(codes)))
    return [
        ShownImage(
            image_name(block, thread.number, first + row),
            image,
            block,
            thread.number,
            thread.space.name,
            row,
            False,
        )
        for row, image in enumerate(pixels)
    ]


def reference_images(thread: EvolutionThread, block: int, images: Sequence[np.ndarray]) -> list[ShownImage]:
    """Return a thread's natural reference images, uint8 ``[H, W, 3]`` each, as they are shown in a block."""
    return [
        ShownImage(
            image_name(0, thread.number, index, True),
            image,
            block,
            thread.number,
            thread.space.name,
            -1,
            True,
        )
        for index, image in enumerate(images)
    ]


def learn(
    thread: EvolutionThread, codes: np.ndarray, block: int, images: Sequence[ShownImage], fitness: np.ndarray
) -> Generation:
    """Hand a thread's optimiser the fitness of its images, in the order of their codes."""
    scores = np.full(len(codes), np.nan)
    names = [""] * len(codes)
    for image, value in zip(images, fitness, strict=True):
        if image.thread == thread.number and not image.reference:
            scores[image.latent_row] = value
            names[image.latent_row] = image.name
    thread.optimiser.tell(codes, scores)
    return Generation(block, thread.number, codes, tuple(names), scores)
