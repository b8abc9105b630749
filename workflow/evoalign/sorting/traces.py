"""Voltages in the spike band, referenced, chunk by chunk: memory does not grow with the recording."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import spikeinterface as si
from scipy import signal
from spikeinterface.core import get_chunk_with_margin

from evoalign.errors import InputError
from evoalign.sorting.medians import take_median
from evoalign.sorting.settings import Sorting
from evoalign.sorting.zero_phase import zero_phase

CHUNK_VALUES = 2**22  # samples x channels of a chunk: 16 MB as float32
CHUNK_S = (1.0, 10.0)  # and not shorter or longer than this
FILTER_ORDER = 3
FILTER_MARGIN_S = 0.02  # the impulse response of the band-pass has died out


@dataclass(frozen=True)
class Chunk:
    """A stretch of a segment: samples start <= t < stop."""

    segment: int
    start: int
    stop: int


class Traces:
    """Band-passed and referenced voltages of a recording.

    Parameters
    ----------
    recording : BaseRecording
        Raw voltages of neural channels, with gains; one or several segments.
    channels : DataFrame
        `CHANNELS`; gives array and connector of the recording's channels.
    settings : Sorting
        Pass band and reference.

    Attributes
    ----------
    channel_ids : ndarray
        The vendor's channel numbers ``[channel]``, as in the recording.
    rate_hz : float
        Sampling rate.
    gain_uv : ndarray
        µV a raw count ``[channel]``.
    groups : dict of str to ndarray
        Array or connector -> rows of the channels that share its reference; {}
        without one.
    """

    def __init__(self, recording: si.BaseRecording, channels: pd.DataFrame, settings: Sorting) -> None:
        self.recording = recording
        self.channel_ids = np.array([int(channel) for channel in recording.channel_ids], dtype=np.int64)
        self.rate_hz = float(recording.get_sampling_frequency())
        self.settings = settings
        gain, offset = recording.get_channel_gains(), recording.get_channel_offsets()
        missing = gain is None or not np.all(np.isfinite(np.asarray(gain, dtype=float)))
        self.gain_uv = np.ones(len(self.channel_ids)) if missing else np.asarray(gain, dtype=float)
        self._offset = np.zeros(len(self.channel_ids)) if offset is None else np.asarray(offset, dtype=float)
        self._sos = _band_pass(settings, self.rate_hz)
        self.margin = round(FILTER_MARGIN_S * self.rate_hz)
        self.groups = _reference_groups(self.channel_ids, channels, settings)
        self._bad = np.zeros(len(self.channel_ids), dtype=bool)
        self._blanked: list[tuple[Chunk, np.ndarray]] = []

    @property
    def artefact_groups(self) -> dict[str, np.ndarray]:
        """Rows of the channels that have artefacts in common, as `groups`; without these all, named ''."""
        return self.groups or {"": np.arange(len(self.channel_ids))}

    @property
    def blanked(self) -> Sequence[tuple[Chunk, np.ndarray]]:
        """What `blank` was given."""
        return self._blanked

    @property
    def good(self) -> np.ndarray:
        """Channels that are not left out, bool ``[channel]``."""
        return ~self._bad

    def leave_out(self, bad: np.ndarray) -> None:
        """Keep channels ``bad [channel]`` out of the median reference, and it off them, from now on."""
        self._bad = bad.astype(bool)

    def blank(self, periods: Sequence[tuple[Chunk, np.ndarray]]) -> None:
        """Make filtered voltages zero in these stretches, each of the channels ``rows [n]``, from now on."""
        self._blanked = list(periods)

    @property
    def spans(self) -> list[tuple[float, float]]:
        """First and last time of each segment on the recording's clock, s."""
        starts = [float(self.recording.get_start_time(s)) for s in range(self.recording.get_num_segments())]
        lengths = [self.recording.get_num_samples(s) / self.rate_hz for s in range(len(starts))]
        return [(start, start + length) for start, length in zip(starts, lengths, strict=True)]

    def chunks(self) -> list[Chunk]:
        """Return all stretches of the recording in order; their length depends on the channels alone."""
        target = CHUNK_VALUES / max(len(self.channel_ids), 1)
        step = round(float(np.clip(target, CHUNK_S[0] * self.rate_hz, CHUNK_S[1] * self.rate_hz)))
        return [
            Chunk(segment, start, min(start + step, n))
            for segment in range(self.recording.get_num_segments())
            for n in [self.recording.get_num_samples(segment)]
            for start in range(0, n, step)
        ]

    def samples(self, n: int, length_s: float = 1.0) -> list[Chunk]:
        """Return up to `n` short stretches spread evenly over the recording."""
        step = round(length_s * self.rate_hz)
        stretches = [
            Chunk(c.segment, start, min(start + step, c.stop))
            for c in self.chunks()
            for start in range(c.start, c.stop, step)
        ]
        picked = {int(i) for i in np.linspace(0, len(stretches) - 1, n).round()} if stretches else set()
        return [stretches[i] for i in sorted(picked)]

    def raw(self, chunk: Chunk, margin: int = 0) -> np.ndarray:
        """Return raw values as the recording holds them, ``[sample, channel]``; zeros beyond its ends."""
        # A segment knows its recording by a weak reference alone: the name keeps it.
        recording = self.recording.select_segments([chunk.segment])
        values, _, _ = get_chunk_with_margin(
            recording.segments[0], chunk.start, chunk.stop, None, margin, add_reflect_padding=True
        )
        return values

    def microvolts(self, chunk: Chunk, margin: int = 0) -> np.ndarray:
        """Return raw voltages, float32 µV ``[sample, channel]``."""
        values = self.raw(chunk, margin).astype(np.float32)
        values *= self.gain_uv.astype(np.float32)
        values += self._offset.astype(np.float32)
        return values

    def filtered(self, chunk: Chunk, margin: int = 0, referenced: bool = True) -> np.ndarray:
        """Return band-passed, referenced and blanked voltages with `margin` samples on both sides.

        Parameters
        ----------
        chunk : Chunk
            The stretch.
        margin : int
            Samples on both sides.
        referenced : bool
            False: band-passed alone.

        Returns
        -------
        ndarray
            float32 µV ``[channel, stop - start + 2 margin]``.
        """
        wide, gain, offset = margin + self.margin, self.gain_uv, self._offset
        if referenced and any(True for _ in self.blanked_in(chunk, wide)):
            raw, gain, offset = self.microvolts(chunk, wide), np.ones_like(gain), np.zeros_like(offset)
            self._bridge(raw.T, chunk, wide)
        else:
            raw = self.raw(chunk, wide)
        values = zero_phase(raw, gain, offset, self._sos, self.margin)
        if referenced:
            self.reference(values)
            self.silence(values, chunk, margin)
        return values

    def reference(self, values: np.ndarray) -> None:
        """Take the median of each group's good channels off these, in place; ``values [channel, sample]``."""
        for group in self.groups.values():
            good = group[~self._bad[group]]
            if len(good) >= self.settings.reference_min_channels:
                take_median(values, good)

    def silence(self, values: np.ndarray, chunk: Chunk, margin: int = 0) -> None:
        """Set ``values [channel, stop - start + 2 margin]`` to zero where they are blanked, in place."""
        for rows, start, stop in self.blanked_in(chunk, margin):
            values[rows, start:stop] = 0

    def _bridge(self, values: np.ndarray, chunk: Chunk, margin: int) -> None:
        """Draw a line over blanked stretches, in place: the filter would ring beyond them."""
        for rows, start, stop in self.blanked_in(chunk, margin):
            before, after = values[rows, max(start - 1, 0)], values[rows, min(stop, values.shape[1] - 1)]
            # What has no neighbour inside takes that of the other side.
            before, after = (after if start == 0 else before), (before if stop == values.shape[1] else after)
            fraction = np.linspace(0, 1, stop - start, dtype=np.float32)
            values[rows, start:stop] = before[:, None] + (after - before)[:, None] * fraction

    def blanked_in(self, chunk: Chunk, margin: int) -> Iterator[tuple[np.ndarray, int, int]]:
        """Yield rows, first and end sample of the blanked stretches in a chunk and its margins."""
        begin, length = chunk.start - margin, chunk.stop - chunk.start + 2 * margin
        for period, rows in self._blanked:
            start, stop = max(period.start - begin, 0), min(period.stop - begin, length)
            if period.segment == chunk.segment and stop > start:
                yield rows, start, stop


def _band_pass(settings: Sorting, rate_hz: float) -> np.ndarray:
    nyquist = rate_hz / 2
    if settings.highpass_hz >= 0.9 * nyquist:
        raise InputError(
            f"the spike band starts at {settings.highpass_hz:g} Hz, but the voltages are sampled at "
            f"{rate_hz:g} Hz",
            "config, sorting.highpass_hz",
            "sort a broadband stream, or set sorting.sorter: none",
        )
    band = (settings.highpass_hz, min(settings.lowpass_hz, 0.95 * nyquist))
    return signal.butter(FILTER_ORDER, band, "bandpass", fs=rate_hz, output="sos")


def _reference_groups(
    channel_ids: np.ndarray, channels: pd.DataFrame, settings: Sorting
) -> dict[str, np.ndarray]:
    """Rows of the channels that share a median; {} without a reference."""
    if settings.reference == "none":
        return {}
    group = channels.set_index("channel")[settings.reference].reindex(channel_ids).fillna("").to_numpy()
    return {str(name): np.flatnonzero(group == name) for name in sorted(set(group))}
