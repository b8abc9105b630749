"""The recorder of a rig: takes words and spikes from an acquisition system as they come."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from evoalign.events.settings import Events
from evoalign.formats.blackrock.write import write_nev
from evoalign.loop.acquisition import LIGHT, SOURCES, Floats, Ints, RecordingClock, Source, as_tables
from evoalign.loop.interfaces import Presentation, Recorded, Round
from evoalign.loop.light import changes_of_light
from evoalign.loop.settings import Evolve

AFTER_S = 0.4  # the response to the last image of a round has ended, on the recording's clock
STEP_S = 0.02  # from look to look at what has come
NEV_HZ = 30_000  # clock of a .nev


class LiveRecorder:
    """Gives out what came since the round before, when the round's last response has been recorded.

    A round's end is told by its last onset word: the recording's clock must have
    gone on for 0.4 s since, and then spikes that are late are waited for. Without
    that word, or with a clock that stands still, the round ends after a while, and
    the log says so: its images are then shown again, as far as they have no rate.

    Parameters
    ----------
    source : Source
    settings : Evolve
        Session, preferred channel, and section `recorder`.
    events : Events
        Bits of the digital input that are the event word; the photodiode's `photodiode_bridge_ms`.
    """

    def __init__(self, source: Source, settings: Evolve, events: Events) -> None:
        self._source, self._settings, self._events = source, settings, events
        self._clock = RecordingClock(source.clock_hz)
        self._parts: list[tuple[Ints, Floats, Ints]] = []  # packets, seconds, pieces since the last round
        self._n_lost = 0

    def go_on(self, recorded: Recorded) -> None:
        """Take up the clock of a session that was begun by another process."""
        if recorded.offsets_s:
            times = [*recorded.words["time_s"], *recorded.spikes["time_s"]]
            latest_s = max(times, default=-np.inf)
            self._clock = RecordingClock(self._source.clock_hz, recorded.offsets_s, latest_s)

    def take(self, request: Round, presentations: Sequence[Presentation]) -> Recorded:
        """Return words, spikes and changes of light since the end of the round before.

        Raises
        ------
        InputError
            The connection to the acquisition system is gone.
        """
        self._wait(presentations[request.first :])
        packets, time_s, pieces = (np.concatenate(part) for part in zip(*self._parts, strict=True))
        self._parts = []
        words, spikes = as_tables(packets, time_s, pieces)
        self._tell(request, spikes)
        light = None
        if self._source.light_hz:
            is_light = packets[:, 0] == LIGHT
            samples = time_s[is_light], packets[is_light, 2], pieces[is_light]
            light = changes_of_light(*samples, self._source.light_hz, self._events.photodiode_bridge_ms)
        return Recorded(words, spikes, light, tuple(self._clock.offsets_s))

    def finish(self, folder: Path, recorded: Recorded) -> tuple[str, ...]:
        """Return the files that the acquisition system saved; without any, write what came as ``.nev``."""
        if self._settings.recorder.raw:
            return self._settings.recorder.raw
        path = folder / f"{self._settings.session}.nev"
        words = recorded.words.assign(
            source=recorded.words["source"].where(recorded.words["source"] == "serial", "digital")
        )
        write_nev(
            path,
            channels=sorted({self._settings.channel, *recorded.spikes["channel"].tolist()}),
            spikes=recorded.spikes,
            words=words,
            sampling_rate_hz=NEV_HZ,
            resolution_hz=round(self._source.clock_hz) if self._source.clock_hz < 1e6 else None,
            resets_s=recorded.offsets_s[1:],
        )
        return (str(path),)

    def close(self) -> None:
        """End the connection."""
        self._source.close()

    def _wait(self, of_round: Sequence[Presentation]) -> None:
        settings = self._settings.recorder
        stop = time.monotonic() + settings.timeout_s
        self._collect()
        while not self._is_recorded(of_round):
            if time.monotonic() > stop:
                logging.warning(
                    "the round's last event word, or %g s of recording after it, did not come within %g s",
                    AFTER_S, settings.timeout_s,
                )  # fmt: skip
                break
            time.sleep(STEP_S)
            self._collect()
        time.sleep(settings.late_ms / 1000)
        self._collect()

    def _collect(self) -> None:
        packets = self._source.take()
        self._parts.append((packets, *self._clock.place(packets[:, 1])))

    def _is_recorded(self, of_round: Sequence[Presentation]) -> bool:
        """Whether the clock has gone on for long enough since the round's last onset word."""
        if not of_round:
            return True
        word = of_round[-1].onset_word
        n_awaited = sum(presentation.onset_word == word for presentation in of_round)
        times: list[float] = []
        for packets, time_s, _ in self._parts:
            is_word = np.isin(packets[:, 0], list(SOURCES)) & (
                (packets[:, 2] & self._events.word_mask) == word
            )
            times += time_s[is_word].tolist()
        return len(times) >= n_awaited and self._clock.latest_s >= times[-1] + AFTER_S

    def _tell(self, request: Round, spikes: pd.DataFrame) -> None:
        """Warn of packets that did not come, and of a preferred unit without spikes."""
        n_lost = self._source.n_lost()
        if n_lost > self._n_lost:
            logging.warning(
                "block %d: %d packets of the acquisition system did not come; rates may be too low",
                request.block, n_lost - self._n_lost,
            )  # fmt: skip
        self._n_lost = n_lost
        settings = self._settings
        is_unit = (spikes["channel"] == settings.channel) & (spikes["unit"] == settings.unit)
        if not is_unit.any():
            logging.warning("block %d: the preferred unit %s has no spike", request.block, settings.preferred)
