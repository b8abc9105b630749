"""Compiled steps of template matching: projections, gains, the best pair of spikes."""

from __future__ import annotations

import numpy as np

from evoalign.compiling import compiled

BLOCK = 1024  # samples
USUAL, IN_BURST, BLOCKED = 0, 1, 2  # states of a unit at a sample
BOUND_SLACK = 1e-3  # of a bound, relative to projections: float32 rounds
TAPS = 6  # of a template, that a sample is multiplied with at once
# A pair of spikes is tried where one has an odd scale or leaves much, in SDs of what is usual.
ODD_SCALE, ODD_REST = 2.5, 5.0
SCALES = (0.5, 1.6)  # a spike is not smaller or larger than this, relative to its template
# Soon after a spike of its unit, one may be smaller, and any scale is as likely.
BURST_SCALE, BURST_PRECISION = 0.25, 0.01
BURST_LENGTHS = 5.5  # of a template: 10 ms


@compiled(fastmath=True)
def best_scale(projection, energy, precision, low, high):  # type: ignore[no-untyped-def]
    """Scale of the spike that a projection speaks for, between bounds, and its gain."""
    scale = min(max((projection + precision) / (energy + precision), low), high)
    return scale, 2 * scale * projection - scale * scale * energy - precision * (scale - 1) ** 2


@compiled(fastmath=True)
def project(trace, start, wave):  # type: ignore[no-untyped-def]
    """Inner product of a waveform with a trace from sample `start` on."""
    total = np.float32(0)
    for i in range(len(wave)):
        total += trace[start + i] * wave[i]
    return total


@compiled(fastmath=True)
def lowest_scales():  # type: ignore[no-untyped-def]
    """Smallest scales of usual spikes and of those in bursts."""
    return np.array([SCALES[0], BURST_SCALE], np.float32)


@compiled(fastmath=True)
def correlate(trace, start, wave, projection, n, length):  # type: ignore[no-untyped-def]
    """Projections of `trace` from sample `start` on, `n` of them; several taps at once, to load less."""
    projection[:n] = 0
    whole = length - length % TAPS
    for i in range(0, whole, TAPS):
        w0, w1, w2, w3, w4, w5 = wave[i], wave[i + 1], wave[i + 2], wave[i + 3], wave[i + 4], wave[i + 5]
        part = trace[start + i : start + i + n + TAPS - 1]
        for j in range(n):
            low = w0 * part[j] + w1 * part[j + 1] + w2 * part[j + 2]
            projection[j] += low + w3 * part[j + 3] + w4 * part[j + 4] + w5 * part[j + 5]
    for i in range(whole, length):
        part = trace[start + i : start + i + n]
        for j in range(n):
            projection[j] += wave[i] * part[j]


@compiled(fastmath=True)
def refine(trace, t, k, waves, energy, precision, before, low, high):  # type: ignore[no-untyped-def]
    """Best sub-sample position and scale of unit k around sample t."""
    gain, at, phase, scale = np.float32(-1e30), t, 0, np.float32(1)
    for d in range(-1, 2):
        for p in range(waves.shape[1]):
            projection = project(trace, t + d - before, waves[k, p])
            a, value = best_scale(projection, energy[k, p], precision[k], low, high)
            if value > gain:
                gain, at, phase, scale = value, t + d, p, a
    return gain, at, phase, scale


@compiled(fastmath=True)
def overlaps(waves):  # type: ignore[no-untyped-def]
    """Inner products ``[unit, unit, lag + length]``: of a template with another `lag` samples later."""
    n_units, _, length = waves.shape
    cross = np.zeros((n_units, n_units, 2 * length + 1), np.float32)
    for a in range(n_units):
        for b in range(n_units):
            for lag in range(-length + 1, length):
                for i in range(max(0, lag), min(length, length + lag)):
                    cross[a, b, lag + length] += waves[a, 0, i] * waves[b, 0, i - lag]
    return cross


@compiled(fastmath=True)
def best_pair(trace, t, reach, least, waves, energy, precision, cost, cross, before, lows, high, state):  # type: ignore[no-untyped-def]
    """Two spikes of different units near sample t that explain most together, scales solved jointly.

    Returns the gain, both units as ``first * n_units + second``, and their samples; a gain of `least`
    when no pair gains more.
    """
    n_units, _, length = waves.shape
    width = 2 * reach + 1
    c = np.empty((n_units, width), np.float32)
    for k in range(n_units):
        for j in range(width):
            c[k, j] = project(trace, t - reach + j - before, waves[k, 0])
    gain, pair, at_1, at_2 = least, 0, t, t
    for a in range(n_units):
        for b in range(a):
            pa, pb = precision[a], precision[b]
            ea, eb = energy[a, 0] + pa, energy[b, 0] + pb
            for j in range(width):
                if c[a, j] <= 0 or state[a, t - reach + j] == BLOCKED:
                    continue
                for m in range(width):
                    if c[b, m] <= 0 or state[b, t - reach + m] == BLOCKED:
                        continue
                    x, ca, cb = cross[a, b, m - j + length], c[a, j] + pa, c[b, m] + pb
                    determinant = ea * eb - x * x
                    if determinant <= 0.02 * ea * eb:
                        continue
                    # Scales within bounds gain no more than the best of all: one division, seldom two more.
                    most = (ca * ca * eb - 2 * ca * cb * x + cb * cb * ea) / determinant - pa - pb
                    if most + BOUND_SLACK * (ca + cb) < gain + cost[a] + cost[b]:
                        continue
                    sa = min(max((ca * eb - cb * x) / determinant, lows[a]), high)
                    sb = min(max((cb * ea - ca * x) / determinant, lows[b]), high)
                    value = 2 * (sa * ca + sb * cb) - sa * sa * ea - sb * sb * eb - 2 * sa * sb * x - pa - pb
                    value -= cost[a] + cost[b]
                    if value > gain:
                        gain, pair, at_1, at_2 = value, a * n_units + b, t - reach + j, t - reach + m
    return gain, pair, at_1, at_2
