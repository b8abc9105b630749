"""Timing of a simulated session: trials, event words, screen, clocks.

Times are seconds on the recording's clock unless a name says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evoalign import tables
from evoalign.events.tables import LOG
from evoalign.evolution.loop import ShownImage
from evoalign.recordings.tables import WORDS

# Event words of the study's rig.
TRIAL_START, BLOCK_FOLLOWS, TRIAL_FOLLOWS, FIXATION = 9, 201, 202, 5
IMAGE_ON, IMAGE_OFF = 100, 200  # plus the image's number in the trial, from 1
FIXATION_OFF, REWARD, TRIAL_END = 22, 50, 18

IMAGES_PER_TRIAL = 6
IMAGE_S = 0.1  # on, and the same off
REFRESH_HZ = 60.0
LEAD_S, TAIL_S = 1.5, 1.0  # recording before the first and after the last trial
BROKEN_FRACTION = 0.03  # trials without fixation: no image is shown


@dataclass(frozen=True)
class LogClock:
    """The stimulus computer's clock: recording time = offset + (1 + drift) x log time."""

    offset_s: float
    drift_ppm: float

    def log_time(self, recording_s: np.ndarray) -> np.ndarray:
        """Return the log clock's reading at times of the recording's clock, s, both ``[time]``."""
        return (recording_s - self.offset_s) / (1 + self.drift_ppm * 1e-6)


class Rig:
    """Runs trials one after the other, and keeps what a rig would keep.

    Parameters
    ----------
    rng : numpy.random.Generator
        Of every jitter.
    clock : LogClock
        Of the stimulus log.

    Attributes
    ----------
    now : float
        Time reached so far.
    onsets, offsets : list of float
        When light really changed on the screen, one a presentation.
    """

    def __init__(self, rng: np.random.Generator, clock: LogClock) -> None:
        self._rng = rng
        self._clock = clock
        self._phase = rng.uniform(0, 1 / REFRESH_HZ)
        self._words: list[tuple[float, int]] = []
        self._rows: list[dict[str, object]] = []
        self._trial = 0
        self.now = LEAD_S
        self.onsets: list[float] = []
        self.offsets: list[float] = []

    def run_block(self, images: Sequence[ShownImage]) -> np.ndarray:
        """Show the images in trials of six; return the true onsets, ``[image]``."""
        first = len(self.onsets)
        for start in range(0, len(images), IMAGES_PER_TRIAL):
            while self._rng.random() < BROKEN_FRACTION:
                self._trial_of((), images[start].block)
            self._trial_of(images[start : start + IMAGES_PER_TRIAL], images[start].block)
        return np.array(self.onsets[first:])

    def _trial_of(self, images: Sequence[ShownImage], block: int) -> None:
        self._trial += 1
        self._send(*[TRIAL_START] * 3, BLOCK_FOLLOWS, block, TRIAL_FOLLOWS, self._trial)
        self.now += self._rng.uniform(0.08, 0.14)
        if images:
            self._send(FIXATION)
            self.now += 0.05
            for number, image in enumerate(images, 1):
                self._present(image, number)
            self._send(FIXATION_OFF)
            self.now += 0.02
            self._send(REWARD)
        self._send(*[TRIAL_END] * 3)
        # Long enough for the last image's response to end within its own block.
        self.now += self._rng.uniform(0.1, 0.16)

    def _present(self, image: ShownImage, number: int) -> None:
        on_word = self.now + self._rng.uniform(0, 2e-3)
        off_word = on_word + IMAGE_S
        times = np.array([on_word, off_word])
        # What is asked for between two refreshes is seen at the next one.
        frames = np.ceil((times - self._phase) * REFRESH_HZ) / REFRESH_HZ + self._phase
        logged = self._clock.log_time(times + self._rng.normal(0, 2e-4, 2))
        self._words += [(on_word, IMAGE_ON + number), (off_word, IMAGE_OFF + number)]
        self._rows.append(
            {
                "presentation": len(self._rows),
                "trial": self._trial,
                "image": image.name,
                "onset_word": IMAGE_ON + number,
                "offset_word": IMAGE_OFF + number,
                "onset_s": round(float(logged[0]), 6),
                "offset_s": round(float(logged[1]), 6),
                "block": image.block,
                "thread": image.thread,
                "space": image.space,
                "latent_row": image.latent_row,
                "reference": image.reference,
                "reason": "",
            }
        )
        self.onsets.append(float(frames[0]))
        self.offsets.append(float(frames[1]))
        self.now = on_word + 2 * IMAGE_S

    def _send(self, *words: int) -> None:
        for word in words:
            self.now += self._rng.uniform(0.6e-3, 1.4e-3)
            self._words.append((self.now, word))

    @property
    def duration_s(self) -> float:
        """Length of the recording, in whole seconds."""
        return float(np.ceil(self.now + TAIL_S))

    def words(self, source: str) -> pd.DataFrame:
        """Return the event words, `WORDS`; `source` as the vendor's reader names it."""
        times, words = zip(*self._words, strict=True)
        frame = pd.DataFrame({"time_s": times, "word": words, "source": source, "segment": 0})
        return tables.conform(frame, WORDS)

    def log(self) -> pd.DataFrame:
        """Return the stimulus log, `LOG`."""
        return tables.conform(pd.DataFrame(self._rows), LOG)
