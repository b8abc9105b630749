"""`evoalign evolve`: from settings to a running loop."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from evoalign.analysis.experiment import space_kind
from evoalign.evolution.choice import OPTIMISERS, Start, described
from evoalign.evolution.loop import EvolutionThread
from evoalign.evolution.optimisers import default_population
from evoalign.loop.interfaces import Display, Recorder
from evoalign.loop.journal import Journal
from evoalign.loop.live import LiveEvolution
from evoalign.loop.live_recorder import LiveRecorder
from evoalign.loop.monitor import Monitor
from evoalign.loop.page import OperatorPage, PageSource
from evoalign.loop.plexon import PlexonSource
from evoalign.loop.replay import ReplayDisplay, ReplayRecorder, open_session
from evoalign.loop.scoring import Scorer
from evoalign.loop.settings import Evolve, load_evolve
from evoalign.loop.simulated import ModelRecorder, SimulatedDisplay
from evoalign.loop.study_files import IMAGES, read_references
from evoalign.loop.subjects import gradient_response
from evoalign.simulate.natural import natural_images
from evoalign.spaces.hessian import load_eigenframe
from evoalign.spaces.registry import get_space
from evoalign.study import Config, load_config

JOURNAL = "journal.jsonl"
ROUNDS = "rounds"  # the folder that a display of lines watches


def run_command(parsed: argparse.Namespace) -> None:
    """Run an evolution, or go on with one that was begun, and say where it lies."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    sheet = run_evolution(load_evolve(parsed.config))
    if sheet is None:
        print("ended as the operator asked; the same command goes on with the next block")
    else:
        print(f"{sheet}: the finished session, a row for the study's sample sheet")


def run_evolution(settings: Evolve) -> Path | None:
    """Run what is missing of an evolution; return the sample sheet of the finished session.

    None when the operator has ended it before: the same call goes on.

    Parameters
    ----------
    settings : Evolve

    Raises
    ------
    InputError
        See `LiveEvolution`; a space or a file of the settings is missing.
    """
    study = load_config(settings.study) if settings.study else Config()
    threads, references = start(settings, study)
    scorer = Scorer(study.events, study.responses, study.analysis, settings.channel, settings.unit)
    display, recorder = open_rig(settings, study, threads)
    monitor = Monitor(settings.session, settings.n_blocks)
    try:
        with (
            Journal(Path(settings.folder) / JOURNAL) as journal,
            operator_page(settings, study, threads, monitor),
        ):
            evolution = LiveEvolution(
                settings, threads, references, display, recorder, scorer, journal, monitor
            )
            return evolution.run()
    finally:
        display.close()
        recorder.close()


@contextmanager
def operator_page(
    settings: Evolve, study: Config, threads: Sequence[EvolutionThread], monitor: Monitor
) -> Iterator[None]:
    """Serve the operator's page while the evolution runs, when the settings ask for one.

    Raises
    ------
    InputError
        See `OperatorPage`.
    """
    if not settings.page.address:
        yield
        return
    described = {
        str(thread.number): {
            "space": thread.space.name,
            "optimiser": settings.threads[thread.number].optimiser,
            "kind": space_kind(thread.space.name, study.analysis),
        }
        for thread in threads
    }
    page = OperatorPage(settings.page, PageSource(monitor, Path(settings.folder) / IMAGES, described))
    try:
        yield
    finally:
        page.close()


def start(settings: Evolve, study: Config) -> tuple[list[EvolutionThread], dict[int, list[np.ndarray]]]:
    """Return the threads at their founders, and each thread's reference images.

    Raises
    ------
    InputError
        A space is unknown or has no weights; an optimiser lacks what it needs.
    """
    spaces = [get_space(thread.space, study.spaces, device=study.device) for thread in settings.threads]
    if len({space.image_size for space in spaces}) > 1:
        sizes = ", ".join(f"{space.name} {space.image_size} px" for space in spaces)
        logging.info("the images of the two threads differ in size: %s", sizes)
    generator = torch.Generator().manual_seed(settings.seed)
    threads = []
    for number, (space, thread) in enumerate(zip(spaces, settings.threads, strict=True)):
        n_images = thread.images or default_population(space.latent_dim)
        founders = space.sample_initial(n_images, generator).numpy()
        seed = int(np.random.default_rng([settings.seed, 1, number]).integers(2**31))
        begin = Start(
            founders,
            thread.sigma or space.initial_sigma,
            seed,
            blocks=space.blocks,
            frame=load_eigenframe(thread.eigenframe, space.name) if thread.eigenframe else None,
            response=gradient_response(settings.model, space) if thread.optimiser == "gradient" else None,
        )
        search_settings = described(thread.optimiser, begin)
        threads.append(EvolutionThread(number, space, OPTIMISERS[thread.optimiser](begin), search_settings))
    references = {
        thread.number: read_references(
            settings.reference_folder, settings.references, thread.space.image_size
        )
        if settings.reference_folder
        else natural_images(settings.references, generator, thread.space.image_size)
        for thread in threads
    }
    return threads, references


def open_rig(settings: Evolve, study: Config, threads: Sequence[EvolutionThread]) -> tuple[Display, Recorder]:
    """Return the display and the recorder that the settings name.

    Raises
    ------
    InputError
        The display's address cannot be used, or what is replayed cannot be read.
    """
    if settings.replay.raw or settings.replay.log:
        session = open_session(settings.replay, study.events)
        return ReplayDisplay(session), ReplayRecorder(session, settings.replay.speed)
    recorder = open_recorder(settings, study, threads)
    if settings.display.transport == "lines":
        from evoalign.loop.line_display import LineDisplay

        folder = Path(settings.folder) / ROUNDS
        return LineDisplay(settings.display.address, folder, settings.display.loopback_only), recorder
    if settings.display.transport == "zeromq":
        from evoalign.loop.zeromq_display import ZeromqDisplay

        return ZeromqDisplay(settings.display.address, settings.display.loopback_only), recorder
    return SimulatedDisplay(settings.seed), recorder


def open_recorder(settings: Evolve, study: Config, threads: Sequence[EvolutionThread]) -> Recorder:
    """Return the recorder that the settings name.

    Raises
    ------
    InputError
        The acquisition system cannot be reached.
    """
    source = settings.recorder.source
    if source == "model":
        return ModelRecorder(settings, [thread.space for thread in threads])
    if source == "cerebus":
        from evoalign.loop.cerebus import CerebusSource

        return LiveRecorder(CerebusSource(settings.recorder), settings, study.events)
    recorder = settings.recorder
    return LiveRecorder(PlexonSource(recorder.address, bool(recorder.photodiode)), settings, study.events)
