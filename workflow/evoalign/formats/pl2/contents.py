"""Convert channels, spikes and events of .pl2 data, from a file or a bundle, to a recording's contents."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evoalign.errors import InputError
from evoalign.formats.pl2 import layout as pl2
from evoalign.formats.plexon.runs import Runs, backward_step, channel_runs
from evoalign.formats.plexon.streams import Continuous, named_role, number_of, role_of
from evoalign.formats.plexon.walk import Blocks

# Events without a value of their own get the number that the same event has in .plx files, or one above it.
BIT_BASE = {pl2.SINGLE_BIT: 0, pl2.KEYBOARD: 100, pl2.OTHER_EVENTS: 200}
OTHER_BASE = 1000  # plus 100 x source, for events of sources unknown to us (12: CinePlex)
NEURAL_ROLE = {pl2.WIDEBAND: "WB", pl2.SPIKE_BAND: "SPKC", pl2.FIELD: "FP"}
UNITS_UV = {"volts": 1e6, "v": 1e6, "millivolts": 1e3, "mv": 1e3, "microvolts": 1.0, "uv": 1.0}


@dataclass(frozen=True)
class Analog:
    """An analog channel as described by its header.

    Attributes
    ----------
    name, source_name, units : str
    source, channel : int
    rate_hz, coefficient : float
        Sampling rate; `units` a count.
    """

    name: str
    source_name: str
    units: str
    source: int
    channel: int
    rate_hz: float
    coefficient: float


def continuous(
    head: Analog,
    blocks: Blocks,
    samples: np.ndarray,
    clock_hz: float,
    place: int,
    where: str,
    hint: str,
    gap_tolerance_s: float,
) -> Continuous:
    """Return an analog channel that has samples.

    Parameters
    ----------
    head : Analog
    blocks : Blocks
        Its blocks in the order of the file.
    samples : int16 array [word]
        The data that `blocks.word` points into.
    clock_hz : float
        Rate of the time stamps.
    place : int
        Place of the channel among the analog channels, from 1.
    where, hint : str
        For the error.
    gap_tolerance_s : float
        A block further off its run starts a new one.

    Raises
    ------
    InputError
        Rate, gain or units are impossible, or time runs backwards.
    """
    rate, unit = head.rate_hz, UNITS_UV.get(head.units.lower(), 0.0)
    if not 0 < rate <= 1e7:
        raise InputError(f"channel {head.name}: the sampling rate is {rate} Hz", where, hint)
    if not (np.isfinite(head.coefficient) and 0 < head.coefficient * unit < 1e9):
        what = f"channel {head.name}: a count is {head.coefficient} '{head.units}'"
        raise InputError(what, where, hint)
    sample_ticks, tolerance = clock_hz / rate, gap_tolerance_s * clock_hz
    runs: Runs = channel_runs(blocks, sample_ticks, tolerance)
    backward_run = backward_step(runs, sample_ticks, tolerance)
    if backward_run >= 0:
        time_s = runs.tick[backward_run] / clock_hz
        raise InputError(f"channel {head.name}: time runs backwards to {time_s:.6f} s", where, hint)
    # Numbers of sources differ by the version of OmniPlex: the source's or channel's own name counts first.
    named = next((name for name in (head.source_name, head.name) if named_role(name)), "")
    neural_name = named or NEURAL_ROLE.get(head.source)
    role = role_of(neural_name or head.source_name or head.name, rate)
    if role == "analog" and not neural_name:
        role = role_of(head.name, rate)
    number = head.channel if role != "analog" else number_of(str(head.channel), role, place)
    return Continuous(role, number, head.name, rate, head.coefficient * unit, runs, samples)


def word_of(name: str, source: int, channel: int, value: np.ndarray) -> tuple[np.ndarray, str]:
    """Return words and source of an event channel.

    Strobed words keep their value. All other events are bits: EVT01 to EVT32
    are 1 to 32, keyboard keys 101 to 108 (as in .plx files), RSTART and RSTOP
    202 and 203, CinePlex and unknown sources 1000 + 100 x source + channel.
    `value` and the returned words are ``[event]``.
    """
    if source == pl2.OTHER_EVENTS and (channel == pl2.STROBED_CHANNEL or name.lower() == "strobed"):
        return value.astype(np.int64), "strobed"
    base = BIT_BASE.get(source, OTHER_BASE + 100 * source)
    return np.full(value.size, base + channel, np.int64), "bit"


@dataclass
class PlexonEvents:
    """Collects the events of all channels."""

    tick: list[np.ndarray]
    word: list[np.ndarray]
    source: list[np.ndarray]

    @classmethod
    def none(cls) -> PlexonEvents:
        """Return an empty collection."""
        return cls([np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, object)])

    def add(self, tick: np.ndarray, word: np.ndarray, source: Any) -> None:
        """Add events, ``[event]``, of one source (a name, or one for each event)."""
        self.tick.append(tick.astype(np.int64))
        self.word.append(word)
        self.source.append(np.broadcast_to(np.array(source, object), tick.shape))

    def add_start_stop(self, tick: np.ndarray, value: np.ndarray, where: str | Path, hint: str) -> None:
        """Add starts (value 1) and stops (value 0) of the recording, ``[event]``."""
        if not np.isin(value, (pl2.START_VALUE, pl2.STOP_VALUE)).all():
            raise InputError(f"start/stop values {sorted(set(value.tolist()))}", where, hint)
        source = np.where(value == pl2.START_VALUE, "start", "stop").astype(object)
        self.add(tick, np.zeros(tick.size, np.int64), source)

    def joined(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return tick, word and source of all events, ``[event]``."""
        return np.concatenate(self.tick), np.concatenate(self.word), np.concatenate(self.source)
