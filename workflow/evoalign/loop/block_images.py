"""The images of blocks: rendered from latents, or recalled of blocks that were finished before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd

from evoalign.evolution.loop import EvolutionThread, ShownImage, propose_images, reference_images


class BlockImages:
    """What is known of every image so far.

    Parameters
    ----------
    threads : sequence of EvolutionThread
    references : mapping of int to sequence of ndarray
        Of each thread, uint8 ``[H, W, 3]``.
    """

    def __init__(
        self, threads: Sequence[EvolutionThread], references: Mapping[int, Sequence[np.ndarray]]
    ) -> None:
        self._threads, self._references = threads, references
        self._rows: dict[str, dict[str, Any]] = {}

    def render(
        self, block: int, codes: Mapping[int, np.ndarray]
    ) -> tuple[list[ShownImage], dict[int, list[str]]]:
        """Render the images of a block, references too; names by thread, a row of its codes each."""

        def rendered(thread: EvolutionThread) -> list[ShownImage]:
            first = (block - 1) * len(codes[thread.number])
            return propose_images(thread, codes[thread.number], block, first)

        images: list[ShownImage] = []
        names = {}
        # Beside each other: torch computes without the interpreter's lock.
        with ThreadPoolExecutor(len(self._threads)) as renderers:
            by_thread = list(renderers.map(rendered, self._threads))
        for thread, proposed in zip(self._threads, by_thread, strict=True):
            names[thread.number] = [image.name for image in proposed]
            images += proposed + self._references_of(thread, block)
        for image in images:
            self._remember(image.name, image.thread, image.space, image.latent_row)
        return images, names

    def recall(self, block: int, names: Mapping[str, Sequence[str]]) -> None:
        """Take in the names of a block that was finished before, by thread, without rendering it again."""
        for number, names_of_thread in names.items():
            space = self._threads[int(number)].space.name
            for row, name in enumerate(names_of_thread):
                self._remember(name, int(number), space, row)
        for thread in self._threads:
            for image in self._references_of(thread, block):
                self._remember(image.name, image.thread, image.space, image.latent_row)

    def table(self, names: Iterable[str]) -> pd.DataFrame:
        """Return thread, space, latent_row and reference of images, indexed by name, once each."""
        rows = {name: self._rows[name] for name in names}
        return pd.DataFrame(list(rows.values()), index=list(rows))

    def _references_of(self, thread: EvolutionThread, block: int) -> list[ShownImage]:
        return reference_images(thread, block, self._references.get(thread.number, ()))

    def _remember(self, name: str, thread: int, space: str, latent_row: int) -> None:
        self._rows[name] = {
            "thread": thread,
            "space": space,
            "latent_row": latent_row,
            "reference": latent_row < 0,
        }
