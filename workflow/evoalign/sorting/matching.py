"""Template matching on one electrode: spikes are found and subtracted, the best first."""

from __future__ import annotations

import numpy as np

from evoalign.compiling import compiled
from evoalign.sorting.matching_gains import GROUP, find_cores, find_gains
from evoalign.sorting.matching_steps import (
    BLOCKED,
    BURST_LENGTHS,
    BURST_PRECISION,
    BURST_SCALE,
    IN_BURST,
    ODD_REST,
    ODD_SCALE,
    SCALES,
    USUAL,
    best_pair,
    best_scale,
    lowest_scales,
    overlaps,
    project,
    refine,
)  # fmt: skip
from evoalign.sorting.templates import NO_BURST, Templates


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
    gain more than common and constant ones (`Templates.cost`). In bursts spikes
    become smaller: within 10 ms of a unit's spike, its next one may have any
    scale from `BURST_SCALE` on, at the cost of a wider prior. Spikes of the
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
    of_burst = np.full_like(precision, BURST_PRECISION), templates.burst_cost(BURST_SCALE)
    spikes = _peel(
        trace, templates.waves, energy, np.stack([precision, np.minimum(precision, of_burst[0])]),
        np.stack([templates.cost(), of_burst[1]]), np.float32(threshold), templates.before, dead, SCALES[1],
    )  # fmt: skip
    spikes = tuple(column[spikes[1] < templates.n_units] for column in spikes)
    order = np.argsort(spikes[0], kind="stable")
    return tuple(column[order] for column in spikes)


def least_scales(templates: Templates, threshold: float) -> np.ndarray:
    """Return the scale of each template's smallest spike that gains `threshold`, float64 ``[template]``."""
    precision = 1 / np.maximum(templates.scale_sd.astype(np.float64), 1e-3) ** 2
    energy = np.sum(templates.waves[:, 0] ** 2, axis=1, dtype=np.float64)
    least = np.sqrt((threshold + precision + templates.cost()) / (energy + precision))
    return np.asarray(np.maximum(least, SCALES[0]))


@compiled(fastmath=True)
def _start_burst(trace, begin, end, k, waves, energy, precision, cost, least, before, high, state, gains, units):  # type: ignore[no-untyped-def]  # fmt: skip  # noqa: E501
    """Let unit k's spikes be small at samples begin to end, and find where they gain most."""
    if cost[IN_BURST, k] >= NO_BURST:
        return
    low = lowest_scales()[IN_BURST]
    for t in range(begin, end):
        if state[k, t] != USUAL:
            continue
        state[k, t] = IN_BURST
        projection = project(trace, t - before, waves[k, 0])
        if projection >= least[IN_BURST, k]:
            _, value = best_scale(projection, energy[k, 0], precision[IN_BURST, k], low, high)
            value -= cost[IN_BURST, k]
            if value > gains[t]:
                gains[t], units[t] = value, k


@compiled(fastmath=True)
def _choose(trace, t, k, waves, energy, precision, cost, cross, before, lows, high, state, threshold):  # type: ignore[no-untyped-def]
    """Unit, gain, sample, phase and scale of the spike at sample t: unit k's, or one of a better pair's."""
    (n_units, _, length), reach = waves.shape, waves.shape[2] // 2
    value, at, phase, scale = refine(trace, t, k, waves, energy, precision, before, lows[k], high)
    remaining = np.float32(0)
    for i in range(length):
        remaining += (trace[at - before + i] - scale * waves[k, phase, i]) ** 2
    odd = (scale - 1) ** 2 > ODD_SCALE**2 * (1 / precision[k] + 1 / energy[k, phase])
    odd = odd or remaining > length + ODD_REST * np.sqrt(2 * length)
    inside = before + reach < t < len(trace) - (length - before) - reach - 1
    if not odd or n_units < 2 or not inside:
        return k, value, at, phase, scale
    least = value - cost[k] + threshold
    gain, pair, at_1, at_2 = best_pair(
        trace, t, reach, least, waves, energy, precision, cost, cross, before, lows, high, state
    )
    if gain <= least:
        return k, value, at, phase, scale
    # The first is refined with the second, at its usual size, out of the way.
    k, second_unit = pair // n_units, pair % n_units
    start = at_2 - before
    trace[start : start + length] -= waves[second_unit, 0]
    value, at, phase, scale = refine(trace, at_1, k, waves, energy, precision, before, lows[k], high)
    trace[start : start + length] += waves[second_unit, 0]
    return k, value, at, phase, scale


@compiled(fastmath=True)
def _at_sample(t, state, precision, cost):  # type: ignore[no-untyped-def]
    """Precisions, costs and smallest scales of all units at sample t."""
    n_units = len(state)
    precision_t, cost_t = np.empty(n_units, np.float32), np.empty(n_units, np.float32)
    low_t, lows = np.empty(n_units, np.float32), lowest_scales()
    for k in range(n_units):
        s = IN_BURST if state[k, t] == IN_BURST else USUAL
        precision_t[k], cost_t[k], low_t[k] = precision[s, k], cost[s, k], lows[s]
    return precision_t, cost_t, low_t


@compiled(fastmath=True)
def _next_peak(gains, t, first, last, reach, threshold):  # type: ignore[no-untyped-def]
    """Return the next sample, from t on, of enough gain and none larger within reach; or else `last`."""
    while t < last:
        if gains[t] < threshold:
            t += 1
            # Most of a recording holds no spike: a sum, in which many samples are looked at together.
            while t + GROUP <= last and not _any_reaches(gains[t : t + GROUP], threshold):
                t += GROUP
        elif _is_largest(gains, t, max(t - reach, first), min(t + reach + 1, last)):
            return t
        else:
            t += 1
    return last


@compiled(fastmath=True)
def _is_largest(gains, t, begin, end):  # type: ignore[no-untyped-def]
    """Say whether no gain from begin to end is larger than that at sample t."""
    # A loop that ends early: numba's max of a slice looks for NaN, one value after the other.
    for sample in range(begin, end):  # noqa: SIM110
        if gains[sample] > gains[t]:
            return False
    return True


@compiled(fastmath=True)
def _any_reaches(gains, threshold):  # type: ignore[no-untyped-def]
    """Say whether any gain is at least the threshold."""
    total = zero = np.float32(0)
    for j in range(len(gains)):
        total += gains[j] if gains[j] >= threshold else zero
    return total > zero


@compiled(fastmath=True)
def _peel(trace, waves, energy, precision, cost, threshold, before, dead, high):  # type: ignore[no-untyped-def]
    high = np.float32(high)
    n, (n_units, n_phases, length) = len(trace), waves.shape
    first, last = before + 1, n - (length - before) - 1
    gains, units = np.full(n, np.float32(-1)), np.zeros(n, np.int16)
    state = np.zeros((n_units, n), np.uint8)
    cross = overlaps(waves)
    position, unit = [0.0 for _ in range(0)], [0 for _ in range(0)]
    scales, values = [np.float32(0) for _ in range(0)], [np.float32(0) for _ in range(0)]
    # A smaller projection gains less than the threshold, whatever the scale.
    least = np.sqrt((energy[:, 0] + precision) * (threshold + precision + cost)) - precision
    least = np.maximum(least * np.float32(0.999), np.float32(0))
    cores = find_cores(waves, least)
    # Near a spike there is hardly anything to leave out.
    whole = np.zeros(n_units, np.int64), np.full(n_units, length), np.zeros(n_units, np.float32)
    find_gains(
        trace, first, last, waves, cores, energy, precision, cost, least, before, high, state, gains, units
    )
    t, reach, burst = first, length // 2, int(BURST_LENGTHS * length)
    while True:
        # A spike is taken where no gain within half a template is larger.
        t = _next_peak(gains, t, first, last, reach, threshold)
        if t >= last:
            break
        precision_t, cost_t, low_t = _at_sample(t, state, precision, cost)
        k, value, at, phase, scale = _choose(
            trace,
            t,
            units[t],
            waves,
            energy,
            precision_t,
            cost_t,
            cross,
            before,
            low_t,
            high,
            state,
            threshold,
        )
        for i in range(length):
            trace[at - before + i] -= scale * waves[k, phase, i]
        position.append(at + phase / n_phases)
        unit.append(k)
        scales.append(scale)
        values.append(value)
        state[k, max(at - dead, 0) : at + dead + 1] = BLOCKED
        begin, end = max(at - length, first), min(at + length + 1, last)
        find_gains(
            trace, begin, end, waves, whole, energy, precision, cost, least, before, high, state, gains, units
        )
        _start_burst(
            trace, min(at + dead + 1, last), min(at + burst, last), k, waves, energy, precision, cost, least,
            before, high, state, gains, units,
        )  # fmt: skip
        t = max(at - length - reach, first)
    return np.array(position), np.array(unit), np.array(scales), np.array(values)
