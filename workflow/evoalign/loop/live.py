"""The loop: propose, render, show, record, score, learn; each step is journaled before the next."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evoalign.errors import InputError
from evoalign.evolution.loop import (
    EvolutionThread,
    ShownImage,
    propose_images,
    reference_images,
)
from evoalign.files import remove_partials_in
from evoalign.loop import study_files
from evoalign.loop.history import History, merge_recorded, recorded_fields
from evoalign.loop.interfaces import Display, Recorded, Recorder, Round, ToShow
from evoalign.loop.journal import Journal, Record
from evoalign.loop.scoring import Scorer, log_of
from evoalign.loop.settings import Evolve

ALIGNED_BLOCKS = 3  # that place a block's presentations on the recording's clock
FREE_TO_CHANGE = ("n_blocks", "display", "recorder", "min_free_mb", "arrays")  # of a run that was begun


class LiveEvolution:
    """A paired evolution that a display and a recorder take part in.

    Parameters
    ----------
    settings : Evolve
    threads : sequence of EvolutionThread
        As they are before the first block.
    references : mapping of int to sequence of ndarray
        Of each thread, uint8 ``[H, W, 3]``.
    display : Display
    recorder : Recorder
    scorer : Scorer
    journal : Journal
        What it holds is taken as done; the evolution goes on from there.

    Raises
    ------
    InputError
        The journal is of other settings, or a file that it needs is gone.
    """

    def __init__(
        self,
        settings: Evolve,
        threads: Sequence[EvolutionThread],
        references: dict[int, list[np.ndarray]],
        display: Display,
        recorder: Recorder,
        scorer: Scorer,
        journal: Journal,
    ) -> None:
        self._settings, self._threads, self._references = settings, threads, references
        self._display, self._recorder, self._scorer, self._journal = display, recorder, scorer, journal
        self._folder = Path(settings.folder)
        self._history = History()
        self._images: dict[str, dict[str, Any]] = {}
        self._begin()

    def run(self) -> Path:
        """Run the blocks that are missing; return a sample sheet of the finished session.

        Raises
        ------
        InputError
            The disk is full, or display or recording cannot be followed. All that was
            journaled stays, and the same command goes on from there.
        """
        for block in range(1, self._settings.n_blocks + 1):
            self._block(block)
        self._display.end()
        log = log_of(self._history.presentations, self._image_table())
        raw = self._recorder.finish(self._folder, merge_recorded(self._history.recorded))
        return study_files.write_session(self._folder, self._settings, log, raw)

    def _begin(self) -> None:
        remove_partials_in(self._folder)  # of a killed process: the journal is locked by this one
        described = json.loads(self._settings.model_dump_json(exclude=set(FREE_TO_CHANGE)))
        if not self._journal.records:
            study_files.write_settings(self._folder, self._settings, self._threads)
            self._journal.append({"kind": "begun", "version": 1, "settings": described})
        begun, *records = self._journal.records
        if begun["settings"] != described:
            changed = [name for name in described if begun["settings"].get(name) != described[name]]
            raise InputError(
                f"the evolution was begun with another {', '.join(changed)}",
                self._journal.path,
                "restore the settings, or give another folder",
            )
        for record in records:
            self._history.take(record)
        if self._history.recorded:
            self._recorder.go_on(merge_recorded(self._history.recorded))
        if self._history.last_scored:
            states = study_files.read_states(self._folder, self._history.last_scored)
            for thread in self._threads:
                thread.optimiser.restore(states[thread.number])

    def _note(self, record: Record) -> None:
        self._journal.append(record)
        self._history.take(record)

    def _block(self, block: int) -> None:
        if block <= self._history.last_scored:
            self._remember_images(block)
            return
        self._check_room(block)
        codes = {thread.number: thread.optimiser.ask() for thread in self._threads}
        images, names = self._images_of(block, codes)
        files = {image.name: study_files.write_image(self._folder, image) for image in images}
        digests = {
            str(number): study_files.write_latents(self._folder, block, number, codes[number], names[number])
            for number in codes
        }
        self._check_proposal(block, digests, names)
        order = np.random.default_rng([self._settings.seed, 4, block]).permutation(len(images))
        rates = self._rounds(block, [files[images[i].name] for i in order])
        fitness = {number: _with_median([rates[name] for name in names[number]]) for number in codes}
        for thread in self._threads:
            thread.optimiser.tell(codes[thread.number], fitness[thread.number])
        states = {thread.number: thread.optimiser.state() for thread in self._threads}
        study_files.write_states(self._folder, block, states)
        known_rates = {name: rate for name, rate in rates.items() if not np.isnan(rate)}
        self._note({"kind": "scored", "block": block, "rates": known_rates})
        _report(block, fitness)

    def _check_room(self, block: int) -> None:
        free_mb = shutil.disk_usage(self._folder).free / 1e6
        if free_mb < self._settings.min_free_mb:
            raise InputError(
                f"{free_mb:.0f} MB are free, and block {block} is begun with "
                f"{self._settings.min_free_mb:g} MB or more: nothing is lost",
                self._folder,
                "make room and start the same command again",
            )

    def _images_of(
        self, block: int, codes: dict[int, np.ndarray]
    ) -> tuple[list[ShownImage], dict[int, list[str]]]:
        """Render the images of a block, references too; names by thread, a row of its codes each."""
        images: list[ShownImage] = []
        names = {}
        for thread in self._threads:
            first = (block - 1) * len(codes[thread.number])
            proposed = propose_images(thread, codes[thread.number], block, first)
            names[thread.number] = [image.name for image in proposed]
            images += proposed + reference_images(thread, block, self._references.get(thread.number, ()))
        for image in images:
            self._remember(image)
        return images, names

    def _remember(self, image: ShownImage) -> None:
        self._images[image.name] = {
            "thread": image.thread,
            "space": image.space,
            "latent_row": image.latent_row,
            "reference": image.reference,
        }

    def _remember_images(self, block: int) -> None:
        """Take in the names of a block that was finished before, without rendering it again."""
        for number, names in self._history.names[block].items():
            space = self._threads[int(number)].space.name
            for row, name in enumerate(names):
                self._images[name] = {
                    "thread": int(number),
                    "space": space,
                    "latent_row": row,
                    "reference": False,
                }
        for thread in self._threads:
            for image in reference_images(thread, block, self._references.get(thread.number, ())):
                self._remember(image)

    def _check_proposal(self, block: int, digests: dict[str, str], names: dict[int, list[str]]) -> None:
        """Journal what a block proposes; of one that was begun, see that it is the same again."""
        if block not in self._history.digests:
            self._note(
                {
                    "kind": "proposed",
                    "block": block,
                    "latents": digests,
                    "names": {str(k): v for k, v in names.items()},
                }
            )
        elif self._history.digests[block] != digests:
            raise InputError(
                f"block {block} was begun with other latents than are proposed now",
                self._journal.path,
                "resume with the versions of numpy, scipy and cmaes with which it was begun",
            )

    def _rounds(self, block: int, images: Sequence[ToShow]) -> dict[str, float]:
        """Show a block until each image has a rate, or often enough; return rates by image."""
        rates: dict[str, float] = {}
        for number in range(self._settings.max_rounds):
            owed = [image for image in images if image.name not in rates]
            if not owed:
                break
            self._round(block, number, owed)
            try:
                rates = self._score(block)
            except InputError as error:
                if number + 1 == self._settings.max_rounds:
                    raise
                logging.warning("block %d is shown again: %s", block, error)
        if missing := [image.name for image in images if image.name not in rates]:
            logging.warning("block %d: no valid presentation of %s", block, ", ".join(missing))
        return rates | dict.fromkeys(missing, float("nan")) if missing else rates

    def _round(self, block: int, number: int, images: Sequence[ToShow]) -> None:
        first = self._history.first_of(block, number)
        request = Round(block, number, images, first)
        if (block, number) in self._history.recorded:
            return
        for presentation in self._display.show(request, self._history.presentations):
            self._note({"kind": "shown", **presentation.as_record()})
        recorded = self._recorder.take(request, self._history.presentations)
        fields = recorded_fields(recorded)
        self._note({"kind": "recorded", "block": block, "round": number, **fields})

    def _score(self, block: int) -> dict[str, float]:
        """Mean evoked rate of each image of a block over its valid presentations."""
        near = [p for p in self._history.presentations if p.block > block - ALIGNED_BLOCKS]
        recorded: Recorded = merge_recorded(
            {key: value for key, value in self._history.recorded.items() if key[0] > block - ALIGNED_BLOCKS}
        )
        log = log_of(near, self._image_table())
        rates = self._scorer.score(log, recorded.words, recorded.spikes, recorded.photodiode)
        frame = pd.DataFrame({"image": log["image"], "rate": rates})[log["block"] == block]
        means = frame.dropna().groupby("image", sort=True)["rate"].mean()
        return {str(name): float(rate) for name, rate in means.items()}

    def _image_table(self) -> pd.DataFrame:
        return pd.DataFrame(list(self._images.values()), index=list(self._images))


def _with_median(rates: Sequence[float]) -> np.ndarray:
    """Fitness of a thread's images; one without a rate gets the thread's median, which favours nothing."""
    fitness = np.array(rates, np.float64)
    if np.isnan(fitness).all():
        raise InputError(
            "no image of a thread has a rate", hint="look at the event words and at the preferred unit"
        )
    return np.where(np.isnan(fitness), np.nanmedian(fitness), fitness)


def _report(block: int, fitness: dict[int, np.ndarray]) -> None:
    by_thread = ", ".join(
        f"thread {number} {rates.mean():.1f} ± {rates.std(ddof=1) / np.sqrt(len(rates)):.1f}"
        for number, rates in sorted(fitness.items())
    )
    logging.info("block %d: %s spikes/s", block, by_thread)
