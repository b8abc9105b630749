"""The loop: propose, render, show, record, score, learn; each step is journaled before the next."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from evoalign.errors import InputError
from evoalign.evolution.loop import EvolutionThread, ShownImage
from evoalign.files import flush_files, remove_partials_in
from evoalign.loop import study_files
from evoalign.loop.block_images import BlockImages
from evoalign.loop.electrode import BlockRates, block_rates, teaches, warn_of_electrode
from evoalign.loop.history import History, begun_record, check_begun, merge_recorded, recorded_fields
from evoalign.loop.interfaces import Display, Presentation, Recorder, Round, ToShow
from evoalign.loop.journal import Journal, Record
from evoalign.loop.monitor import Monitor
from evoalign.loop.scoring import Scorer, Scores, log_of
from evoalign.loop.settings import Evolve

FREE_TO_CHANGE = ("n_blocks", "display", "recorder", "min_free_mb", "arrays", "page")  # of a begun run


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
    monitor : Monitor, optional
        Is told what happens, and may ask for an end after the current block.

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
        monitor: Monitor | None = None,
    ) -> None:
        self._monitor = monitor or Monitor(settings.session, settings.n_blocks)
        self._settings, self._threads = settings, threads
        self._display, self._recorder, self._scorer, self._journal = display, recorder, scorer, journal
        self._folder = Path(settings.folder)
        self._history = History()
        self._images = BlockImages(threads, references)
        self._begin()

    def run(self) -> Path | None:
        """Run the blocks that are missing; return a sample sheet of the finished session.

        None when an end was asked for before all blocks were shown: the display is not told that
        the session has ended, and the same command goes on.

        Raises
        ------
        InputError
            The disk is full, or display or recording cannot be followed. All that was
            journaled stays, and the same command goes on from there.
        """
        for block in range(1, self._settings.n_blocks + 1):
            if self._monitor.is_stopping:
                self._monitor.set(phase="stopped")
                return None
            self._block(block)
        self._monitor.set(phase="ending")
        self._display.end()
        log = self._log(self._history.presentations)
        raw = self._recorder.finish(self._folder, merge_recorded(self._history.recorded))
        return study_files.write_session(self._folder, self._settings, log, raw)

    def _begin(self) -> None:
        remove_partials_in(self._folder)  # of a killed process: the journal is locked by this one
        described = json.loads(self._settings.model_dump_json(exclude=set(FREE_TO_CHANGE)))
        if not self._journal.records:
            study_files.write_settings(self._folder, self._settings, self._threads)
            self._journal.append(begun_record(described))
        else:
            check_begun(self._journal.records[0], described, self._journal.path)
        for record in self._journal.records[1:]:
            self._history.take(record)
        self._journal.records.clear()  # the history has them
        if self._history.recorded:
            self._recorder.go_on(merge_recorded(self._history.recorded))
        if self._history.last_scored:
            states = study_files.read_states(self._folder, self._history.last_scored)
            for thread in self._threads:
                thread.optimiser.restore(states[thread.number])
        self._show_finished_blocks()

    def _show_finished_blocks(self) -> None:
        """Tell the monitor of blocks that a process before has finished."""
        for block, rates in sorted(self._history.rates.items()):
            fitness = {
                int(number): [rates.get(name, np.nan) for name in names]
                for number, names in self._history.names[block].items()
            }
            baseline_hz = self._history.baselines_hz.get(block)
            answered = None if baseline_hz is None else BlockRates(rates, baseline_hz, 0.0, 0, 0)
            self._monitor.end_block(block, fitness, answered)

    def _note(self, record: Record) -> None:
        self._journal.append(record)
        self._history.take(record)

    def _block(self, block: int) -> None:
        if block <= self._history.last_scored:
            self._images.recall(block, self._history.names[block])
            return
        self._check_room(block)
        step = self._monitor.step
        self._monitor.begin_block(block)
        with step("propose"):
            codes = {thread.number: thread.optimiser.ask() for thread in self._threads}
        with step("render"):
            images, names = self._images.render(block, codes)
        with step("write"):
            files = self._write_block(block, images, codes, names)
        order = np.random.default_rng([self._settings.seed, 4, block]).permutation(len(images))
        with ThreadPoolExecutor(1) as flusher:  # the disk is not waited for before the display begins
            flushed = flusher.submit(flush_files, [file.file for file in files.values()])
            answered = self._rounds(block, [files[images[i].name] for i in order])
            flushed.result()
        self._learn(block, codes, names, answered)

    def _write_block(
        self,
        block: int,
        images: Sequence[ShownImage],
        codes: dict[int, np.ndarray],
        names: dict[int, list[str]],
    ) -> dict[str, ToShow]:
        """Write images and latents of a block and journal what it proposes; return files by image."""
        files = study_files.write_images(self._folder, images)
        digests = {
            str(number): study_files.write_latents(self._folder, block, number, codes[number], names[number])
            for number in codes
        }
        self._check_proposal(block, digests, names)
        self._monitor.set(images=names, due=len(images))
        return files

    def _learn(
        self, block: int, codes: dict[int, np.ndarray], names: dict[int, list[str]], answered: BlockRates
    ) -> None:
        """Tell the optimisers, and journal the block as scored."""
        missing = [name for row in names.values() for name in row if name not in answered.rates]
        fitness = {
            number: _with_median([answered.rates.get(name, np.nan) for name in names[number]])
            for number in codes
        }
        with self._monitor.step("learn"):
            for thread in self._threads:
                if teaches(fitness[thread.number]):
                    thread.optimiser.tell(codes[thread.number], fitness[thread.number])
            states = {thread.number: thread.optimiser.state() for thread in self._threads}
            study_files.write_states(self._folder, block, states)
        low_ms, high_ms = self._scorer.analysis.baseline_ms
        earlier_hz = list(self._history.baselines_hz.values())
        warnings = warn_of_electrode(block, answered, earlier_hz, (high_ms - low_ms) / 1000)
        scored = {"rates": answered.rates, "baseline_hz": answered.baseline_hz}
        self._note({"kind": "scored", "block": block, **scored})
        self._monitor.end_block(block, fitness, answered, missing, warnings)
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

    def _rounds(self, block: int, images: Sequence[ToShow]) -> BlockRates:
        """Show a block until each image has a rate, or often enough; return what was answered."""
        answered = BlockRates({}, 0.0, 0.0, 0, 0)
        for number in range(self._settings.max_rounds):
            owed = [image for image in images if image.name not in answered.rates]
            if not owed:
                break
            self._round(block, number, owed)
            try:
                with self._monitor.step("score"):
                    answered = self._score(block)
            except InputError as error:
                if number + 1 == self._settings.max_rounds:
                    raise
                logging.warning("block %d is shown again: %s", block, error)
        if missing := [image.name for image in images if image.name not in answered.rates]:
            logging.warning("block %d: no valid presentation of %s", block, ", ".join(missing))
        return answered

    def _round(self, block: int, number: int, images: Sequence[ToShow]) -> None:
        first = self._history.first_of(block, number)
        request = Round(block, number, images, first)
        if (block, number) in self._history.recorded:
            return
        with self._monitor.step("show"):
            for presentation in self._display.show(request, self._history.presentations):
                self._note({"kind": "shown", **presentation.as_record()})
                self._monitor.set(presentations=len(self._history.presentations) - first)
        with self._monitor.step("record"):
            recorded = self._recorder.take(request, self._history.presentations)
        fields = recorded_fields(recorded)
        self._journal.append({"kind": "recorded", "block": block, "round": number, **fields})
        self._history.take_recorded(block, number, recorded)

    def _score(self, block: int) -> BlockRates:
        """Rates of a block's images over their presentations that count."""
        presentations, recorded = self._history.recent(block, self._settings.channel)
        log = self._log(presentations)
        scores = self._scorer.windows(log, recorded.words, recorded.spikes, recorded.photodiode)
        is_block = (log["block"] == block).to_numpy(bool)
        of_block = Scores(*(rate[is_block] for rate in scores))
        return block_rates(log.loc[is_block, "image"].tolist(), of_block, self._settings.artefact_hz)

    def _log(self, presentations: Sequence[Presentation]) -> pd.DataFrame:
        return log_of(presentations, self._images.table(p.name for p in presentations))


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
