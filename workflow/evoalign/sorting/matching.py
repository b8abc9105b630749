"""Template matching on one electrode: spikes are found and subtracted, the best first."""

from __future__ import annotations

import numba
import numpy as np

from evoalign.sorting.templates import Templates

BLOCK = 1024  # samples
BOUND_SLACK = 1e-3  # of a bound, relative to projections: float32 rounds
TAPS = 6  # of a template, that a sample is multiplied with at once
# A pair of spikes is tried where one has an odd scale or leaves much, in SDs of what is usual.
ODD_SCALE, ODD_REST = 2.5, 5.0
SCALES = (0.5, 1.6)  # a spike is not smaller or larger than this, relative to its template


def match(
    trace: np.ndarray, templates: Templates, threshold: float, dead: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Explain a whitened trace by templates, greedily.

    A spike of unit k at sample t with scale a raises the log-likelihood of
    the trace by half of ``2 a c - a^2 E - (a - 1)^2 / sd^2``, with c the
    trace's projection on the template and E its energy. The best spike is
    subtracted, the gains around it computed again, until no gain exceeds
    `threshold`. This is matching pursuit with a prior on the scale, as in
    Pachitariu et al. 2016 (bioRxiv 061481). Rare and variable units must
    gain more than common and constant ones (`Templates.cost`); spikes of the
    background are explained like all others, and left out of the answer.

    Parameters
    ----------
    trace : ndarray
        float32 ``[sample]``, noise SD 1. Overwritten by the residual.
    templates : Templates
        Of this electrode.
    threshold : float
        Smallest gain.
    dead : int
        Samples around a spike in which its unit cannot fire again.

    Returns
    -------
    position : ndarray
        Trough of each spike in samples, float64, rising.
    unit : ndarray
        int64, its template.
    scale : ndarray
        float32, its size relative to the template.
    gain : ndarray
        float32, by how much it explains the trace.
    """
    energy = np.sum(templates.waves**2, axis=2, dtype=np.float32)
    precision = (1 / np.maximum(templates.scale_sd, 1e-3) ** 2).astype(np.float32)
    spikes = _peel(
        trace, templates.waves, energy, precision, templates.cost(), np.float32(threshold), templates.before,
        dead, *SCALES,
    )  # fmt: skip
    spikes = tuple(column[spikes[1] < templates.n_units] for column in spikes)
    order = np.argsort(spikes[0], kind="stable")
    return tuple(column[order] for column in spikes)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _gain(projection, energy, precision, low, high):  # type: ignore[no-untyped-def]
    scale = min(max((projection + precision) / (energy + precision), low), high)
    return scale, 2 * scale * projection - scale * scale * energy - precision * (scale - 1) ** 2


@numba.njit(cache=True, nogil=True, fastmath=True)
def _project(trace, start, wave):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    for i in range(len(wave)):
        total += trace[start + i] * wave[i]
    return total


@numba.njit(cache=True, nogil=True, fastmath=True)
def _find_gains(trace, begin, end, waves, energy, precision, cost, least, before, low, high, blocked, gains, units):  # type: ignore[no-untyped-def]  # fmt: skip  # noqa: E501
    """Best unit at samples begin to end, gain -1 where none gains enough: a correlation, block by block."""
    length = waves.shape[2]
    projection = np.zeros(BLOCK, np.float32)
    for start in range(begin, end, BLOCK):
        n = min(BLOCK, end - start)
        gains[start : start + n] = -1
        for k in range(len(waves)):
            _correlate(trace, start - before, waves[k, 0], projection, n, length)
            for j in range(n):
                if projection[j] >= least[k] and not blocked[k, start + j]:
                    _, value = _gain(projection[j], energy[k, 0], precision[k], low, high)
                    value -= cost[k]
                    if value > gains[start + j]:
                        gains[start + j], units[start + j] = value, k


@numba.njit(cache=True, nogil=True, fastmath=True)
def _correlate(trace, start, wave, projection, n, length):  # type: ignore[no-untyped-def]
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


@numba.njit(cache=True, nogil=True, fastmath=True)
def _refine(trace, t, k, waves, energy, precision, before, low, high):  # type: ignore[no-untyped-def]
    """Best sub-sample position and scale of unit k around sample t."""
    gain, at, phase, scale = np.float32(-1e30), t, 0, np.float32(1)
    for d in range(-1, 2):
        for p in range(waves.shape[1]):
            projection = _project(trace, t + d - before, waves[k, p])
            a, value = _gain(projection, energy[k, p], precision[k], low, high)
            if value > gain:
                gain, at, phase, scale = value, t + d, p, a
    return gain, at, phase, scale


@numba.njit(cache=True, nogil=True, fastmath=True)
def _overlaps(waves):  # type: ignore[no-untyped-def]
    """Inner products ``[unit, unit, lag + length]``: of a template with another `lag` samples later."""
    n_units, _, length = waves.shape
    cross = np.zeros((n_units, n_units, 2 * length + 1), np.float32)
    for a in range(n_units):
        for b in range(n_units):
            for lag in range(-length + 1, length):
                for i in range(max(0, lag), min(length, length + lag)):
                    cross[a, b, lag + length] += waves[a, 0, i] * waves[b, 0, i - lag]
    return cross


@numba.njit(cache=True, nogil=True, fastmath=True)
def _best_pair(trace, t, reach, least, waves, energy, precision, cost, cross, before, low, high, blocked):  # type: ignore[no-untyped-def]
    """Two spikes of different units near sample t that explain most together, scales solved jointly.

    Returns the gain, both units as ``first * n_units + second``, and their samples; a gain of `least`
    when no pair gains more.
    """
    n_units, _, length = waves.shape
    width = 2 * reach + 1
    c = np.empty((n_units, width), np.float32)
    for k in range(n_units):
        for j in range(width):
            c[k, j] = _project(trace, t - reach + j - before, waves[k, 0])
    gain, pair, at_1, at_2 = least, 0, t, t
    for a in range(n_units):
        for b in range(a):
            pa, pb = precision[a], precision[b]
            ea, eb = energy[a, 0] + pa, energy[b, 0] + pb
            for j in range(width):
                if c[a, j] <= 0 or blocked[a, t - reach + j]:
                    continue
                for m in range(width):
                    if c[b, m] <= 0 or blocked[b, t - reach + m]:
                        continue
                    x, ca, cb = cross[a, b, m - j + length], c[a, j] + pa, c[b, m] + pb
                    determinant = ea * eb - x * x
                    if determinant <= 0.02 * ea * eb:
                        continue
                    # Scales within bounds gain no more than the best of all: one division, seldom two more.
                    most = (ca * ca * eb - 2 * ca * cb * x + cb * cb * ea) / determinant - pa - pb
                    if most + BOUND_SLACK * (ca + cb) < gain + cost[a] + cost[b]:
                        continue
                    sa = min(max((ca * eb - cb * x) / determinant, low), high)
                    sb = min(max((cb * ea - ca * x) / determinant, low), high)
                    value = 2 * (sa * ca + sb * cb) - sa * sa * ea - sb * sb * eb - 2 * sa * sb * x - pa - pb
                    value -= cost[a] + cost[b]
                    if value > gain:
                        gain, pair, at_1, at_2 = value, a * n_units + b, t - reach + j, t - reach + m
    return gain, pair, at_1, at_2


@numba.njit(cache=True, nogil=True, fastmath=True)
def _choose(trace, t, k, waves, energy, precision, cost, cross, before, low, high, blocked, threshold):  # type: ignore[no-untyped-def]
    """Unit, gain, sample, phase and scale of the spike at sample t: unit k's, or one of a better pair's."""
    (n_units, _, length), reach = waves.shape, waves.shape[2] // 2
    value, at, phase, scale = _refine(trace, t, k, waves, energy, precision, before, low, high)
    remaining = np.float32(0)
    for i in range(length):
        remaining += (trace[at - before + i] - scale * waves[k, phase, i]) ** 2
    odd = (scale - 1) ** 2 > ODD_SCALE**2 * (1 / precision[k] + 1 / energy[k, phase])
    odd = odd or remaining > length + ODD_REST * np.sqrt(2 * length)
    inside = before + reach < t < len(trace) - (length - before) - reach - 1
    if not odd or n_units < 2 or not inside:
        return k, value, at, phase, scale
    least = value - cost[k] + threshold
    gain, pair, at_1, at_2 = _best_pair(
        trace, t, reach, least, waves, energy, precision, cost, cross, before, low, high, blocked
    )
    if gain <= least:
        return k, value, at, phase, scale
    # The first is refined with the second, at its usual size, out of the way.
    k, second_unit = pair // n_units, pair % n_units
    start = at_2 - before
    trace[start : start + length] -= waves[second_unit, 0]
    value, at, phase, scale = _refine(trace, at_1, k, waves, energy, precision, before, low, high)
    trace[start : start + length] += waves[second_unit, 0]
    return k, value, at, phase, scale


@numba.njit(cache=True, nogil=True, fastmath=True)
def _peel(trace, waves, energy, precision, cost, threshold, before, dead, low, high):  # type: ignore[no-untyped-def]
    low, high = np.float32(low), np.float32(high)
    n, (n_units, n_phases, length) = len(trace), waves.shape
    first, last = before + 1, n - (length - before) - 1
    gains, units = np.full(n, np.float32(-1)), np.zeros(n, np.int64)
    blocked = np.zeros((n_units, n), np.bool_)
    cross = _overlaps(waves)
    position, unit = [0.0 for _ in range(0)], [0 for _ in range(0)]
    scales, values = [np.float32(0) for _ in range(0)], [np.float32(0) for _ in range(0)]
    # A smaller projection gains less than the threshold, whatever the scale.
    least = np.sqrt((energy[:, 0] + precision) * (threshold + precision + cost)) - precision
    least = np.maximum(least * np.float32(0.999), np.float32(0))
    _find_gains(
        trace, first, last, waves, energy, precision, cost, least, before, low, high, blocked, gains, units
    )
    t = first
    while t < last:
        # A spike is taken where no gain within half a template is larger.
        reach = length // 2
        is_peak = gains[t] >= threshold
        if is_peak:
            for u in range(max(t - reach, first), min(t + reach + 1, last)):
                if gains[u] > gains[t]:
                    is_peak = False
                    break
        if not is_peak:
            t += 1
            continue
        k = units[t]
        k, value, at, phase, scale = _choose(
            trace, t, k, waves, energy, precision, cost, cross, before, low, high, blocked, threshold
        )
        for i in range(length):
            trace[at - before + i] -= scale * waves[k, phase, i]
        position.append(at + phase / n_phases)
        unit.append(k)
        scales.append(scale)
        values.append(value)
        blocked[k, max(at - dead, 0) : at + dead + 1] = True
        begin, end = max(at - length, first), min(at + length + 1, last)
        _find_gains(
            trace, begin, end, waves, energy, precision, cost, least, before, low, high, blocked, gains, units
        )
        t = max(at - length - reach, first)
    return np.array(position), np.array(unit), np.array(scales), np.array(values)
