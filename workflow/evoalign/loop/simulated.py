"""A rig without a rig: a display that keeps its own time, and a model unit that is recorded from.

Both depend only on the seed and on what was shown before, so that an evolution
that was killed and resumed ends as if it had never been.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image

from evoalign import tables
from evoalign.formats.blackrock.write import write_nev
from evoalign.loop.interfaces import Presentation, Recorded, Round
from evoalign.loop.settings import Evolve
from evoalign.loop.subjects import DrivenUnit, VentralUnits, open_subject
from evoalign.recordings.recording import spike_table
from evoalign.recordings.tables import WORDS
from evoalign.simulate.schedule import (
    BLOCK_FOLLOWS,
    FIXATION,
    FIXATION_OFF,
    IMAGE_OFF,
    IMAGE_ON,
    IMAGE_S,
    IMAGES_PER_TRIAL,
    REWARD,
    TRIAL_END,
    TRIAL_FOLLOWS,
    TRIAL_START,
)
from evoalign.simulate.spiketrains import ceiling_hz, driven_rate, spike_train
from evoalign.simulate.subject import random_unit, screened_unit, screening_images
from evoalign.simulate.ventral_stream import ModelUnit
from evoalign.spaces.interface import Space

Floats = NDArray[np.float64]

FIRST_ONSET_S = 2.0  # on the display's clock
CLOCK_OFFSET_S = 12.0  # the recording began so long before the display's clock
BREAKS = 0.04  # share of trials in which fixation is lost
CLOCK_HZ = 30_000  # of the recording's time stamps
NEIGHBOURS = 3  # other units, on the channels after the preferred one's
HEAD_S, WORD_S = 0.06, 1e-3  # a trial's first word before its first image; from word to word
AFTER_S = 0.4  # the response to the last image of a round has ended


def plan_round(request: Round, before: Presentation | None, seed: int) -> list[Presentation]:
    """Return what a simulated display shows of a round: trials of six, of which a few are broken off.

    The images that a broken trial owes are shown at the end of the round.

    Parameters
    ----------
    request : Round
    before : Presentation or None
        The last one of the round before.
    seed : int
    """
    rng = np.random.default_rng([seed, 11, request.block, request.round])
    now = FIRST_ONSET_S if before is None else before.onset_s + 1.0
    trial = 0 if before is None else before.trial
    queue = deque(image.name for image in request.images)
    presentations: list[Presentation] = []
    while queue:
        trial += 1
        names = [queue.popleft() for _ in range(min(IMAGES_PER_TRIAL, len(queue)))]
        broken_at = int(rng.integers(len(names))) if rng.random() < BREAKS else -1
        for k, name in enumerate(names):
            onset_s = round(now + rng.uniform(0, 2e-3), 6)
            presentations.append(
                Presentation(
                    request.first + len(presentations),
                    name,
                    request.block,
                    request.round,
                    trial,
                    IMAGE_ON + 1 + k,
                    IMAGE_OFF + 1 + k,
                    onset_s,
                    None if k == broken_at else round(onset_s + IMAGE_S, 6),
                )
            )
            now = onset_s + 2 * IMAGE_S
            if k == broken_at:
                queue.extend(names[k:])
                break
        now += rng.uniform(0.3, 0.5)
    return presentations


class SimulatedDisplay:
    """Shows images in no time, on a clock of its own.

    Parameters
    ----------
    seed : int
        Of jitter and broken trials.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def show(self, request: Round, presentations: Sequence[Presentation]) -> Iterator[Presentation]:
        """Yield what is shown of the round and not journaled yet."""
        before = presentations[request.first - 1] if request.first else None
        yield from plan_round(request, before, self._seed)[len(presentations) - request.first :]

    def end(self) -> None:
        """Nothing waits for it."""

    def close(self) -> None:
        """It holds nothing."""


class ModelRecorder:
    """Records a model unit and its neighbours, as online units a of their channels.

    Parameters
    ----------
    settings : Evolve
        Area, clock, seed, and the preferred unit's channel and letter.
    spaces : sequence of Space
        In which the unit's preferences lie.
    """

    def __init__(self, settings: Evolve, spaces: Sequence[Space]) -> None:
        self._settings = settings
        generator = torch.Generator().manual_seed(settings.seed + 1)
        screen = screening_images(spaces, generator)
        rng = np.random.default_rng([settings.seed, 12])
        self._preferred = open_subject(settings.model, screen)
        ventral = [screened_unit(settings.model.area, screen)] if self._preferred is None else []
        ventral += [random_unit(settings.model.area, screen, rng) for _ in range(NEIGHBOURS)]
        self._ventral = VentralUnits(ventral)

    def go_on(self, recorded: Recorded) -> None:
        """Everything follows from the round that is asked for."""

    def close(self) -> None:
        """It holds nothing."""

    def take(self, request: Round, presentations: Sequence[Presentation]) -> Recorded:
        """Return words and spikes from the end of the round before to the end of this one."""
        of_round = presentations[request.first :]
        onset_s = self.recording_s([presentation.onset_s for presentation in of_round])
        start_s = 0.0
        if request.first:
            start_s = float(self.recording_s([presentations[request.first - 1].onset_s])[0]) + AFTER_S
        stop_s = float(onset_s[-1]) + AFTER_S if len(onset_s) else start_s
        files = {image.name: image.file for image in request.images}
        shown_files = [files[presentation.name] for presentation in of_round]
        spikes = self._spikes(request, shown_files, onset_s, (start_s, stop_s))
        return Recorded(words_of(of_round, self.recording_s), spikes)

    def finish(self, folder: Path, recorded: Recorded) -> tuple[str, ...]:
        """Write the recording as Blackrock's ``.nev``."""
        path = folder / f"{self._settings.session}.nev"
        channel = self._settings.channel
        write_nev(
            path,
            channels=range(channel, channel + 1 + NEIGHBOURS),
            spikes=recorded.spikes,
            words=recorded.words,
            sampling_rate_hz=CLOCK_HZ,
        )
        return (str(path),)

    def recording_s(self, display_s: Sequence[float]) -> Floats:
        """Return times on the recording's clock, in whole ticks of it."""
        rate = 1 + self._settings.model.drift_ppm * 1e-6
        return _ticks(CLOCK_OFFSET_S + rate * np.asarray(display_s, np.float64))

    def _spikes(
        self, request: Round, files: Sequence[Path], onset_s: Floats, span_s: tuple[float, float]
    ) -> pd.DataFrame:
        pixels = np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])
        of_ventral = self._ventral.matches(pixels)
        drives: list[tuple[ModelUnit | DrivenUnit, Floats]] = [
            *zip(self._ventral.units, of_ventral, strict=True)
        ]
        if self._preferred is not None:
            names = [file.stem for file in files]
            drives.insert(0, (self._preferred, self._preferred.matches(names, pixels)))
        channels, units, times = [], [], []
        for row, (model, matches) in enumerate(drives):
            kernels = np.stack(model.kernels())
            rng = np.random.default_rng([self._settings.seed, 13, request.block, request.round, row])
            rate = partial(
                driven_rate, onsets=onset_s, matches=matches, kernels=kernels, base_hz=model.base_hz
            )
            spike_s = spike_train(rate, ceiling_hz(kernels, model.base_hz), *span_s, rng)
            times.append(_ticks(spike_s))
            channels.append(np.full(len(spike_s), self._settings.channel + row))
            units.append(np.full(len(spike_s), self._settings.unit if row == 0 else 1))
        return spike_table(np.concatenate(channels), np.concatenate(units), np.concatenate(times))


def words_of(
    presentations: Sequence[Presentation], recording_s: Callable[[Sequence[float]], Floats]
) -> pd.DataFrame:
    """Return event words of trials as the study's task sends them, `WORDS`.

    Parameters
    ----------
    presentations : sequence of Presentation
    recording_s : callable
        Times on the display's clock to the recording's.
    """
    sent: list[tuple[float, int]] = []
    for trial in dict.fromkeys(presentation.trial for presentation in presentations):
        of_trial = [presentation for presentation in presentations if presentation.trial == trial]
        head = [*[TRIAL_START] * 3, BLOCK_FOLLOWS, of_trial[0].block, TRIAL_FOLLOWS, trial, FIXATION]
        start_s = of_trial[0].onset_s - HEAD_S
        sent += [(start_s + WORD_S * place, word) for place, word in enumerate(head)]
        last_s = 0.0
        for presentation in of_trial:
            sent.append((presentation.onset_s, presentation.onset_word))
            last_s = presentation.onset_s + IMAGE_S / 2
            if presentation.offset_s is not None:
                sent.append((presentation.offset_s, presentation.offset_word))
                last_s = presentation.offset_s
        tail = [FIXATION_OFF, REWARD] if of_trial[-1].offset_s is not None else [FIXATION_OFF]
        tail += [TRIAL_END] * 3
        sent += [(last_s + 0.02 + WORD_S * place, word) for place, word in enumerate(tail)]
    if not sent:
        return tables.empty(WORDS)
    times, words = zip(*sent, strict=True)
    frame = pd.DataFrame({"time_s": recording_s(times), "word": words, "source": "digital", "segment": 0})
    return tables.conform(frame, WORDS)


def _ticks(times_s: Floats) -> Floats:
    return np.round(times_s * CLOCK_HZ) / CLOCK_HZ
