"""Zero-phase filter of many channels: as `scipy.signal.sosfiltfilt`, sixteen channels at a time."""

from __future__ import annotations

import numpy as np
from scipy import signal

from evoalign.compiling import compiled

LANES = 16  # channels that are filtered together: a recursion alone leaves a core's vector units idle
SECTIONS = 3  # of the filter: their states stay in the core's registers
FORTH = 1  # step from sample to sample; given to compiled code, which a constant there makes twice as slow
TURNED = 64  # samples that are turned from [sample, channel] to [channel, sample] together


def zero_phase(
    raw: np.ndarray, gain: np.ndarray, offset: np.ndarray, sos: np.ndarray, margin: int = 0
) -> np.ndarray:
    """Make voltages of raw values, and filter them forth and back.

    Parameters
    ----------
    raw : ndarray
        ``[sample, channel]``, as a recording holds them. Both ends are
        unreliable until the impulse response has died out, as if each channel
        had its first and last value before and after: scipy's own pads with
        odd reflections.
    gain, offset : ndarray
        Voltages are raw times gain plus offset ``[channel]``.
    sos : ndarray
        Second-order sections of `scipy.signal`, three.
    margin : int
        Samples at each end that are left out of what is returned.

    Returns
    -------
    ndarray
        float32 ``[channel, sample]``.
    """
    assert len(sos) == SECTIONS
    if raw.dtype not in (np.int16, np.float32):
        raw = raw.astype(np.float32)
    filtered = np.empty((raw.shape[1], len(raw) - 2 * margin), np.float32)
    gain, offset = gain.astype(np.float32), offset.astype(np.float32)
    rest = signal.sosfilt_zi(sos)
    _filter_blocks(np.ascontiguousarray(raw), gain, offset, sos, rest, margin, FORTH, filtered)
    return filtered


@compiled()
def _filter_blocks(raw, gain, offset, sos, rest, margin, forth, filtered):  # type: ignore[no-untyped-def]
    """Filter all channels; what is made of a few samples is used while it is in the cache."""
    n, n_channels = raw.shape
    block, states = np.zeros((n, LANES), np.float32), np.empty((2, SECTIONS, LANES))
    for first in range(0, n_channels, LANES):
        last = min(first + LANES, n_channels)
        for begin in range(0, n, TURNED):
            part = block[begin : begin + TURNED]
            _scale(raw[begin : begin + TURNED], first, last, gain, offset, part)
            if begin == 0:
                _start(states, rest, block[0])
            _filter(part, sos, states, forth)
        _start(states, rest, block[n - 1])
        for end in range(n, margin, -TURNED):
            begin = max(end - TURNED, margin)
            _filter(block[begin:end], sos, states, -forth)
            stop = max(min(end, n - margin), begin)
            _turn(block[begin:stop], filtered[first:last, begin - margin : stop - margin])


@compiled()
def _scale(raw, first, last, gain, offset, block):  # type: ignore[no-untyped-def]
    """Make voltages of channels first to last of ``raw [sample, channel]``, ``block [sample, lane]``."""
    gain, offset = gain[first:last], offset[first:last]
    for t in range(len(raw)):
        row, voltages = raw[t][first:last], block[t]
        for lane in range(len(row)):
            voltages[lane] = np.float32(row[lane]) * gain[lane] + offset[lane]


@compiled()
def _turn(block, filtered):  # type: ignore[no-untyped-def]
    """Copy ``block [sample, lane]`` to ``filtered [channel, sample]``."""
    for lane in range(len(filtered)):
        for t in range(len(block)):
            filtered[lane, t] = block[t, lane]


@compiled(fastmath=True)
def _start(states, rest, values):  # type: ignore[no-untyped-def]
    """Put the sections into the steady state of the first ``values [lane]``."""
    for s in range(SECTIONS):
        for lane in range(LANES):
            states[0, s, lane] = rest[s, 0] * values[lane]
            states[1, s, lane] = rest[s, 1] * values[lane]


@compiled(fastmath=True)
def _filter(block, sos, states, step):  # type: ignore[no-untyped-def]
    """Filter ``block [sample, lane]`` in one direction, on from the sections' states."""
    # Arrays of its own, which nothing else can change: they stay in registers.
    state_1, state_2 = np.empty((SECTIONS, LANES)), np.empty((SECTIONS, LANES))
    for s in range(SECTIONS):
        for lane in range(LANES):
            state_1[s, lane], state_2[s, lane] = states[0, s, lane], states[1, s, lane]
    begin = 0 if step > 0 else len(block) - 1
    p0, p1, p2, p3, p4 = sos[0, 0], sos[0, 1], sos[0, 2], sos[0, 4], sos[0, 5]
    q0, q1, q2, q3, q4 = sos[1, 0], sos[1, 1], sos[1, 2], sos[1, 4], sos[1, 5]
    r0, r1, r2, r3, r4 = sos[2, 0], sos[2, 1], sos[2, 2], sos[2, 4], sos[2, 5]
    for i in range(len(block)):
        t = begin + step * i
        for lane in range(LANES):
            x = np.float64(block[t, lane])
            y = p0 * x + state_1[0, lane]
            state_1[0, lane] = p1 * x - p3 * y + state_2[0, lane]
            state_2[0, lane] = p2 * x - p4 * y
            x = q0 * y + state_1[1, lane]
            state_1[1, lane] = q1 * y - q3 * x + state_2[1, lane]
            state_2[1, lane] = q2 * y - q4 * x
            y = r0 * x + state_1[2, lane]
            state_1[2, lane] = r1 * x - r3 * y + state_2[2, lane]
            state_2[2, lane] = r2 * x - r4 * y
            block[t, lane] = np.float32(y)
    for s in range(SECTIONS):
        for lane in range(LANES):
            states[0, s, lane], states[1, s, lane] = state_1[s, lane], state_2[s, lane]
