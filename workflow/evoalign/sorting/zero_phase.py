"""Zero-phase filter of many channels: as `scipy.signal.sosfiltfilt`, sixteen channels at a time."""

from __future__ import annotations

import numba
import numpy as np
from scipy import signal

LANES = 16  # channels that are filtered together: a recursion alone leaves a core's vector units idle


def zero_phase(values: np.ndarray, sos: np.ndarray) -> None:
    """Filter ``values [channel, sample]`` forth and back, in place.

    Parameters
    ----------
    values : ndarray
        float32, contiguous. Both ends are unreliable until the impulse
        response has died out, as if each channel had its first and last
        value before and after: scipy's own pads with odd reflections.
    sos : ndarray
        Second-order sections of `scipy.signal`.
    """
    _filter_blocks(values, sos, signal.sosfilt_zi(sos))


@numba.njit(cache=True, nogil=True, fastmath=True)
def _filter_blocks(values, sos, rest):  # type: ignore[no-untyped-def]
    n_channels, n = values.shape
    block = np.zeros((n, LANES), np.float32)
    for first in range(0, n_channels, LANES):
        n_lanes = min(LANES, n_channels - first)
        for t in range(n):
            for lane in range(n_lanes):
                block[t, lane] = values[first + lane, t]
        _filter(block, sos, rest, 0, 1)
        _filter(block, sos, rest, n - 1, -1)
        for lane in range(n_lanes):
            for t in range(n):
                values[first + lane, t] = block[t, lane]


@numba.njit(cache=True, nogil=True, fastmath=True)
def _filter(block, sos, rest, begin, step):  # type: ignore[no-untyped-def]
    """Filter ``block [sample, lane]`` in one direction, from the steady state of its first value."""
    n, n_sections = len(block), len(sos)
    state_1, state_2 = np.empty((n_sections, LANES)), np.empty((n_sections, LANES))
    for s in range(n_sections):
        for lane in range(LANES):
            state_1[s, lane] = rest[s, 0] * block[begin, lane]
            state_2[s, lane] = rest[s, 1] * block[begin, lane]
    x = np.empty(LANES)
    for i in range(n):
        t = begin + step * i
        for lane in range(LANES):
            x[lane] = block[t, lane]
        for s in range(n_sections):
            b0, b1, b2, a1, a2 = sos[s, 0], sos[s, 1], sos[s, 2], sos[s, 4], sos[s, 5]
            for lane in range(LANES):
                y = b0 * x[lane] + state_1[s, lane]
                state_1[s, lane] = b1 * x[lane] - a1 * y + state_2[s, lane]
                state_2[s, lane] = b2 * x[lane] - a2 * y
                x[lane] = y
        for lane in range(LANES):
            block[t, lane] = x[lane]
