"""Spikes of both signs are detected, each at its larger extreme, and a unit has one sign."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_spikes import GAIN, RATE, make_channels, make_recording, train, wave
from scipy import signal

from evoalign.sorting.detection import extreme_uv, extremes, one_sign
from evoalign.sorting.settings import Sorting
from evoalign.sorting.sort import sort


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_troughs_are_those_of_scipy_where_no_peak_is_larger(seed, dead):
    trace = np.random.default_rng(seed).normal(size=4000)
    trace = np.convolve(np.minimum(trace, 0.3), np.ones(3), "same").astype(np.float32)
    sample, is_positive = extremes(trace, 2.5, dead, 30)
    np.testing.assert_array_equal(sample, signal.find_peaks(-trace, height=2.5, distance=dead)[0])
    assert not is_positive.any()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_an_inverted_trace_has_the_same_spikes_of_the_other_sign(seed):
    trace = np.zeros(6000)
    for at in range(100, 5900, 150):
        trace[at - 20 : at + 40] += 10 * wave(0.12, 0.35)
    trace += np.random.default_rng(seed).normal(0, 1, len(trace))
    sample, is_positive = extremes(trace, 5.0, 15, 33)
    inverted = extremes(-trace, 5.0, 15, 33)
    assert len(sample) == len(range(100, 5900, 150))
    np.testing.assert_array_equal(sample, inverted[0])
    assert inverted[1].all() and not is_positive.any()


def test_a_unit_aligned_to_either_extreme_keeps_the_commoner_sign():
    shape = wave(0.12, 0.35)
    other = -wave(0.3, 0.0)
    waves = np.concatenate(
        [np.tile(shape, (50, 1)), np.tile(np.roll(shape, -12), (30, 1)), np.tile(other, (40, 1))]
    )
    labels, is_positive = np.repeat([0, 1, 2], [50, 30, 40]), np.repeat([False, True, True], [50, 30, 40])
    kept = one_sign(labels, waves, is_positive)
    np.testing.assert_array_equal(kept, np.repeat([0, -1, 2], [50, 30, 40]))


def test_the_larger_extreme_has_its_sign():
    assert extreme_uv(wave(0.1, 0.3)) == wave(0.1, 0.3).min()
    assert extreme_uv(-wave(0.1, 0.3)) == -wave(0.1, 0.3).min()
    assert extreme_uv(np.zeros(0)) == 0.0


@pytest.mark.parametrize("signs", [(1, 1), (1, -1), (-1, -1)])
def test_positive_units_are_found_as_negative_ones_are(signs):
    rng = np.random.default_rng(0)
    counts = rng.normal(0, 9.0, (round(20 * RATE), 1))
    trains = [train(rng, 15.0, 20.0) for _ in signs]
    shapes = [signs[0] * 120 * wave(0.09, 0.5), signs[1] * 80 * wave(0.13, 0.2)]
    for at, shape in zip(trains, shapes, strict=True):
        for sample in at:
            counts[sample - 20 : sample + 40, 0] += shape
    recording = make_recording([np.round(counts / GAIN).astype(np.int16)])
    result = sort(recording, make_channels(1), Sorting(online=False), seed=0)
    units = result.units.query("kind == 'sorted'")
    assert len(units) == 2 and (units["snr"] > 6).all() and (units["label"] == "good").all()
    for at in trains:
        accuracies = []
        for unit in units["unit"]:
            found = np.rint(result.spikes.loc[result.spikes["unit"] == unit, "time_s"] * RATE)
            matched = np.sum(np.abs(at[:, None] - found.to_numpy()).min(axis=1) <= 6)
            accuracies.append(matched / (len(at) + len(found) - matched))
        assert max(accuracies) > 0.9
    multiunit = result.units.query("kind == 'multiunit'").iloc[0]
    assert multiunit["n_spikes"] > 0.85 * sum(map(len, trains)) and multiunit["snr"] > 3
