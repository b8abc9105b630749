"""A rig with planted faults: log, event words and photodiode of a session, and the truth.

No voltages: what aligning needs, and nothing else. Times are seconds; the
stimulus computer's clock is the true one, the recording's clock runs beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign import tables
from evoalign.events.photodiode import Photodiode
from evoalign.events.tables import LOG
from evoalign.evolution.loop import image_name
from evoalign.recordings.tables import SEGMENTS, WORDS
from evoalign.simulate.rig_faults import Faults
from evoalign.simulate.schedule import (
    BLOCK_FOLLOWS,
    FIXATION,
    FIXATION_OFF,
    IMAGE_OFF,
    IMAGE_ON,
    REWARD,
    TRIAL_END,
    TRIAL_FOLLOWS,
    TRIAL_START,
)

Floats = NDArray[np.float64]

SPACES = ("texture", "object")
IMAGES_A_BLOCK = 60
FIRST_TRIAL_S = 3.0
RESET_GAP_S = 2.0  # nothing is recorded while the recording's clock starts anew


@dataclass(frozen=True)
class RigSession:
    """Data that the rig saved, and the truth.

    Attributes
    ----------
    log, words, segments : pandas.DataFrame
        `LOG`, `WORDS`, `SEGMENTS`.
    photodiode : Photodiode
        Changes of light while recording.
    truth : pandas.DataFrame
        A row a presentation: word_s (NaN when the word is lost), onset_s,
        offset_s (recording's clock), recorded (no pause when light came), late and
        broken.
    """

    log: pd.DataFrame
    words: pd.DataFrame
    segments: pd.DataFrame
    photodiode: Photodiode
    truth: pd.DataFrame


@dataclass(frozen=True)
class _Shown:
    trial: int
    block: int
    number: int
    on_s: float
    off_s: float  # NaN when the trial broke


def simulate_rig(
    seed: int | Sequence[int],
    *,
    n_presentations: int = 1200,
    images_per_trial: int = 6,
    faults: Faults | None = None,
    overlapping: bool = False,
) -> RigSession:
    """Simulate the data that a rig with faults saves of a session.

    Parameters
    ----------
    seed : int or sequence of int
        Of everything random.
    n_presentations, images_per_trial : int
        Size.
    faults : Faults, optional
        Those of the acceptance test by default.
    overlapping : bool
        After a reset the recording's times start at 0 again; by default they
        are laid after those before, as `evoalign.recordings` does.
    """
    faults = faults or Faults()
    rng = np.random.default_rng(seed)
    presentations, sent = _trials(rng, n_presentations, images_per_trial, faults)
    end = max(time for time, _ in sent) + 1.0
    recorder = _Recorder(rng, faults, end, overlapping)
    words, recorded = _words(rng, np.array(sent), faults, recorder)
    log = _log(rng, presentations, faults)
    truth = _truth(rng, presentations, faults, recorder)
    truth["word_s"] = np.where(
        [recorded[round(s.on_s, 9)] for s in presentations], truth.pop("sent_s"), np.nan
    )
    photodiode = _photodiode(rng, truth, faults, recorder)
    truth = truth.drop(columns=["light_s", "dark_s"])
    return RigSession(log, words, recorder.segments(), photodiode, truth)


def _trials(
    rng: np.random.Generator, n: int, per_trial: int, faults: Faults
) -> tuple[list[_Shown], list[tuple[float, int]]]:
    presentations: list[_Shown] = []
    sent: list[tuple[float, int]] = []
    now, trial = FIRST_TRIAL_S, 0

    def send(*words: int) -> None:
        nonlocal now
        for word in words:
            now += rng.uniform(0.6e-3, 1.4e-3)
            sent.append((now, word))

    while len(presentations) < n:
        trial += 1
        block = 1 + len(presentations) // IMAGES_A_BLOCK
        send(*[TRIAL_START] * 3, BLOCK_FOLLOWS, block, TRIAL_FOLLOWS, trial % 256)
        now += rng.uniform(0.2, 0.8)
        breaks = rng.random() < faults.broken
        last_image = rng.integers(0, per_trial) if breaks else per_trial
        if last_image or not breaks:
            send(FIXATION)
            now += 0.05
        for number in range(1, min(last_image, n - len(presentations)) + 1):
            send(IMAGE_ON + number)
            on = now
            is_broken = breaks and number == last_image
            now += rng.uniform(0.02, 0.09) if is_broken else 0.1
            if not is_broken:
                send(IMAGE_OFF + number)
            presentations.append(_Shown(trial, block, number, on, np.nan if is_broken else now))
            now += 0.1
        if not breaks:
            send(FIXATION_OFF, REWARD)
        send(*[TRIAL_END] * 3)
        now += rng.uniform(0.1, 0.6)
    return presentations, sent


class _Recorder:
    """Convert true times to the recording's clock, where it records."""

    def __init__(self, rng: np.random.Generator, faults: Faults, end: float, overlapping: bool) -> None:
        n = faults.pauses + faults.resets
        # One fault in each of n equal parts, away from the part's ends.
        edges = np.linspace(0, end, n + 2)[1:-1] + rng.uniform(-0.2, 0.2, n) * end / (n + 1)
        resets = set(rng.choice(n, faults.resets, replace=False).tolist()) if n else set()
        starts, stops, clocks = [0.0], [], [0]
        for i, edge in enumerate(edges):
            gap = RESET_GAP_S if i in resets else min(rng.uniform(5, 20), 0.2 * end / (n + 1))
            stops.append(float(edge))
            starts.append(float(edge) + gap)
            clocks.append(clocks[-1] + (i in resets))
        stops.append(end)
        self._start, self._stop, self._clock = np.array(starts), np.array(stops), np.array(clocks)
        self._drift, self._residual_drift = faults.drift_ppm * 1e-6, faults.residual_drift_ppm * 1e-6
        self._end = end
        self._offset = [faults.offset_s]
        for clock in range(1, clocks[-1] + 1):
            first = float(self._run(self._start[self._clock == clock][:1])[0])
            last = float(self._run(self._stop[self._clock == clock - 1][-1:])[0]) + self._offset[-1]
            # A new clock starts at 0, or in whole seconds after the end of the one before.
            begin = rng.uniform(0, 0.5)
            self._offset.append(begin - first if overlapping else np.ceil(last + 1) + begin - first)

    def _run(self, true_s: Floats) -> Floats:
        return true_s + self._drift * true_s + self._residual_drift * true_s * (true_s / self._end - 1)

    def segment(self, true_s: Floats) -> NDArray[np.int64]:
        """Segment of each time; -1 in a pause."""
        index = np.searchsorted(self._start, true_s, side="right") - 1
        inside = (index >= 0) & (true_s < self._stop[np.maximum(index, 0)])
        return np.where(inside, index, -1)

    def time(self, true_s: Floats) -> Floats:
        """The recording's time; in a pause, by the clock before."""
        index = np.maximum(np.searchsorted(self._start, true_s, side="right") - 1, 0)
        return self._run(true_s) + np.array(self._offset)[self._clock[index]]

    def segments(self) -> pd.DataFrame:
        start, stop = self.time(self._start), self.time(np.nextafter(self._stop, 0))
        frame = pd.DataFrame(
            {
                "stream": "broadband",
                "segment": np.arange(len(start)),
                "start_s": start,
                "n_samples": np.round((stop - start) * 30_000).astype(np.int64),
                "sampling_rate_hz": 30_000.0,
            }
        )
        return tables.conform(frame, SEGMENTS)


def _words(
    rng: np.random.Generator, sent: Floats, faults: Faults, recorder: _Recorder
) -> tuple[pd.DataFrame, dict[float, bool]]:
    time, word = sent[:, 0], sent[:, 1].astype(np.int64)
    keep = (rng.random(len(time)) >= faults.dropped) & (recorder.segment(time) >= 0)
    recorded = {round(float(t), 9): bool(k) for t, k in zip(time, keep, strict=True)}
    is_doubled = keep & (rng.random(len(time)) < faults.doubled)
    n_spurious = rng.binomial(len(time), faults.spurious)
    image_words = np.concatenate([np.arange(101, 107), np.arange(201, 207), np.arange(1, 256)])
    time = np.concatenate(
        [
            time[keep],
            time[is_doubled] + rng.uniform(0.5e-3, 3e-3, is_doubled.sum()),
            rng.uniform(0, time.max(), n_spurious),
        ]
    )
    word = np.concatenate([word[keep], word[is_doubled], rng.choice(image_words, n_spurious)])
    segment = recorder.segment(time)
    order = np.argsort(time, kind="stable")
    order = order[segment[order] >= 0]
    frame = pd.DataFrame(
        {
            "time_s": recorder.time(time)[order],
            "word": word[order],
            "source": "digital",
            "segment": segment[order],
        }
    )
    return tables.conform(frame, WORDS), recorded


def _log(rng: np.random.Generator, presentations: list[_Shown], faults: Faults) -> pd.DataFrame:
    jitter = rng.normal(0, faults.log_jitter_ms / 1000, (len(presentations), 2))
    thread = rng.integers(0, 2, len(presentations))
    rows = [
        {
            "presentation": i,
            "trial": s.trial,
            "image": image_name(s.block, int(thread[i]), i),
            "onset_word": IMAGE_ON + s.number,
            "offset_word": IMAGE_OFF + s.number,
            "onset_s": s.on_s + jitter[i, 0],
            "offset_s": s.off_s + jitter[i, 1],
            "block": s.block,
            "thread": int(thread[i]),
            "space": SPACES[thread[i]],
            "latent_row": -1,
            "reference": False,
            "reason": "",
        }
        for i, s in enumerate(presentations)
    ]
    return tables.conform(pd.DataFrame(rows), LOG)


def _truth(
    rng: np.random.Generator, presentations: list[_Shown], faults: Faults, recorder: _Recorder
) -> pd.DataFrame:
    on = np.array([s.on_s for s in presentations])
    off = np.array([s.off_s for s in presentations])
    is_late = rng.random(len(on)) < faults.flash_late
    delay = rng.uniform(*faults.delay_ms, (2, len(on))) / 1000 + 0.06 * is_late
    light, dark = on + delay[0], np.where(np.isnan(off), on + 0.05, off) + delay[1]
    return pd.DataFrame(
        {
            "presentation": np.arange(len(on)),
            "sent_s": recorder.time(on),
            "onset_s": recorder.time(light),
            "offset_s": recorder.time(dark),
            "recorded": recorder.segment(light) >= 0,
            "late": is_late,
            "broken": np.isnan(off),
            "light_s": light,
            "dark_s": dark,
        }
    )


def _photodiode(
    rng: np.random.Generator, truth: pd.DataFrame, faults: Faults, recorder: _Recorder
) -> Photodiode:
    with_flash = rng.random(len(truth)) >= faults.flash_missing
    changes = []
    for column in ("light_s", "dark_s"):
        true_s = truth[column].to_numpy()[with_flash]
        segment = recorder.segment(true_s)
        inside = segment >= 0
        # A crossing between two samples of 30 kHz is found to some microseconds.
        crossing_s = recorder.time(true_s[inside]) + rng.normal(0, 5e-6, int(inside.sum()))
        changes.append((crossing_s, segment[inside]))
    return Photodiode(changes[0][0], changes[1][0], changes[0][1], changes[1][1])
