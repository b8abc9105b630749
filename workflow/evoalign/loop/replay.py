"""A recorded session in the place of a rig: its presentations, words and online spikes, at any speed.

The images that the loop asks for take the places of those that were shown. What the
neurons answered is what they answered then: a rehearsal of the plumbing, and a test
that a rate computed during a session is that of the finished session.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign.errors import InputError
from evoalign.events.align import align
from evoalign.events.align_session import find_photodiode
from evoalign.events.log import read_log
from evoalign.events.photodiode import Photodiode
from evoalign.events.settings import Events
from evoalign.formats.opening import open_recording
from evoalign.loop.interfaces import Presentation, Recorded, Round
from evoalign.loop.settings import ReplaySettings
from evoalign.nwb.read import read_nwb
from evoalign.recordings.recording import spike_table

AFTER_S = 0.4  # from the last onset of a round to where its recording is cut


@dataclass(frozen=True)
class RecordedSession:
    """A recording and its log.

    Attributes
    ----------
    log : pandas.DataFrame
        `LOG`.
    words, spikes : pandas.DataFrame
        `WORDS` and `ONLINE_SPIKES`.
    photodiode : Photodiode or None
    onset_s : ndarray [presentation]
        On the recording's clock: when the display would have told of each.
    files : tuple of str
    """

    log: pd.DataFrame
    words: pd.DataFrame
    spikes: pd.DataFrame
    photodiode: Photodiode | None
    onset_s: NDArray[np.float64]
    files: tuple[str, ...]


def open_session(settings: ReplaySettings, events: Events) -> RecordedSession:
    """Open what is replayed.

    Raises
    ------
    InputError
        No file is named, one cannot be read, or log and recording do not belong together.
    """
    if not settings.raw or not settings.log:
        raise InputError("a replay needs a recording and its log", "replay.raw, replay.log")
    photodiode = None
    if settings.raw[0].rstrip("/").endswith((".nwb", ".nwb.zarr")):
        contents = read_nwb(settings.raw[0])
        words = contents.words
        online = contents.units[contents.units["kind"] == "online"].set_index("unit")
        of_online = contents.spikes[contents.spikes["unit"].isin(online.index)]
        unit = online.loc[of_online["unit"]]
        spikes = spike_table(
            unit["channel"].to_numpy(), unit["vendor_unit"].to_numpy(), of_online["time_s"].to_numpy()
        )
    else:
        recording = open_recording(settings.raw)
        words, spikes = recording.words, recording.online_spikes
        photodiode = find_photodiode(recording, settings.photodiode, events)
    log = read_log(settings.log, events)
    onset_s = align(log, words, events, photodiode).presentations["onset_s"].to_numpy(np.float64)
    return RecordedSession(log, words, spikes, photodiode, onset_s, settings.raw)


class ReplayDisplay:
    """Gives the images that are asked for the places, in order, of those that were shown.

    Parameters
    ----------
    session : RecordedSession
    """

    def __init__(self, session: RecordedSession) -> None:
        self._rows = session.log.to_dict("records")

    def show(self, request: Round, presentations: Sequence[Presentation]) -> Iterator[Presentation]:
        """Yield what is shown of the round and not journaled yet.

        Raises
        ------
        InputError
            The recording has ended.
        """
        queue = deque(image.name for image in request.images)
        number = request.first
        while queue:
            if number >= len(self._rows):
                raise InputError(
                    f"the recording has {len(self._rows)} presentations, block {request.block} needs more",
                    "replay.log",
                    "ask for fewer blocks or images, or replay a longer session",
                )
            row, name = self._rows[number], queue.popleft()
            is_broken = not np.isfinite(row["offset_s"])
            if is_broken:
                queue.append(name)
            if number >= len(presentations):
                yield Presentation(
                    number,
                    name,
                    request.block,
                    request.round,
                    int(row["trial"]),
                    int(row["onset_word"]),
                    int(row["offset_word"]),
                    float(row["onset_s"]),
                    None if is_broken else float(row["offset_s"]),
                )
            number += 1

    def end(self) -> None:
        """Nothing waits for it."""

    def close(self) -> None:
        """It holds nothing."""


class ReplayRecorder:
    """Gives out words, spikes and changes of light as time goes on.

    Parameters
    ----------
    session : RecordedSession
    speed : float
        Seconds of the recording in a second; 0 = without waiting.
    """

    def __init__(self, session: RecordedSession, speed: float) -> None:
        self._session, self._speed = session, speed
        self._began: tuple[float, float] | None = None  # clocks of this machine and of the recording

    def go_on(self, recorded: Recorded) -> None:
        """Everything follows from the round that is asked for."""

    def close(self) -> None:
        """It holds nothing."""

    def take(self, request: Round, presentations: Sequence[Presentation]) -> Recorded:
        """Return what was recorded since the end of the round before, when it has been."""
        start_s = self._cut_s(request.first - 1)
        stop_s = self._cut_s(len(presentations) - 1)
        self._wait(start_s, stop_s)
        session, light = self._session, self._session.photodiode
        return Recorded(
            _between(session.words, start_s, stop_s),
            _between(session.spikes, start_s, stop_s),
            None if light is None else _light_between(light, start_s, stop_s),
        )

    def finish(self, folder: Path, recorded: Recorded) -> tuple[str, ...]:
        """Return the files that were replayed."""
        del folder, recorded  # they are there already
        return self._session.files

    def _cut_s(self, last: int) -> float:
        """Where the recording is cut after a presentation; the beginning when there is none."""
        return float(np.nanmax(self._session.onset_s[: last + 1])) + AFTER_S if last >= 0 else -np.inf

    def _wait(self, start_s: float, stop_s: float) -> None:
        if self._speed == 0:
            return
        if self._began is None:
            first_s = start_s if np.isfinite(start_s) else float(np.nanmin(self._session.onset_s))
            self._began = time.monotonic(), first_s
        began, first_s = self._began
        time.sleep(max(0.0, began + (stop_s - first_s) / self._speed - time.monotonic()))


def _between(frame: pd.DataFrame, start_s: float, stop_s: float) -> pd.DataFrame:
    inside = (frame["time_s"] >= start_s) & (frame["time_s"] < stop_s)
    return frame[inside].reset_index(drop=True)


def _light_between(light: Photodiode, start_s: float, stop_s: float) -> Photodiode:
    on = (light.on_s >= start_s) & (light.on_s < stop_s)
    off = (light.off_s >= start_s) & (light.off_s < stop_s)
    return Photodiode(light.on_s[on], light.off_s[off])
