"""Mean waveforms of units, summed up chunk by chunk."""

from __future__ import annotations

import numpy as np

BEFORE_MS, AFTER_MS = 1.0, 2.0

UnitKey = tuple[str, int, int]  # kind, electrode row, unit


def time_axis_ms(rate_hz: float) -> np.ndarray:
    """Return the times of a waveform's samples from its trough, ms ``[sample]``."""
    before, after = round(BEFORE_MS * 1e-3 * rate_hz), round(AFTER_MS * 1e-3 * rate_hz)
    return np.arange(-before, after) / rate_hz * 1000


class WaveSums:
    """Counts, sums and sums of squares of waveforms by unit.

    Parameters
    ----------
    length : int
        Samples of a waveform.
    """

    def __init__(self, length: int) -> None:
        self._length = length
        self._sums: dict[UnitKey, list[np.ndarray]] = {}

    def add(self, key: UnitKey, trace: np.ndarray, samples: np.ndarray, before: int) -> None:
        """Cut waveforms around ``samples [spike]`` out of ``trace [sample]`` and add them to unit `key`."""
        is_complete = (samples >= before) & (samples + self._length - before <= len(trace))
        waves = trace[samples[is_complete][:, None] + np.arange(-before, self._length - before)].astype(
            np.float64
        )
        self._join(key, [np.array(len(waves)), waves.sum(axis=0), (waves**2).sum(axis=0)])

    def join(self, other: WaveSums) -> None:
        """Add the sums of another chunk."""
        for key, sums in other._sums.items():
            self._join(key, sums)

    def join_units(self, first: UnitKey, second: UnitKey) -> None:
        """Add the sums of unit `second` to those of `first`, and forget them."""
        self._join(first, self._sums.pop(second))

    def _join(self, key: UnitKey, sums: list[np.ndarray]) -> None:
        previous = self._sums.get(key)
        self._sums[key] = sums if previous is None else [a + b for a, b in zip(previous, sums, strict=True)]

    def mean_sd(self, key: UnitKey) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and SD, µV ``[sample]``; empty for a unit without waveforms."""
        count, total, squares = self._sums.get(key, [np.array(0), np.zeros(0), np.zeros(0)])
        if not count:
            return np.zeros(0), np.zeros(0)
        mean = total / count
        return mean, np.sqrt(np.maximum(squares / count - mean**2, 0))
