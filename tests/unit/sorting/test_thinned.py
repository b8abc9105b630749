"""Thinned crossings: what is clustered of a long recording keeps the intervals between spikes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted_spikes import GAIN, RATE, make_channels, make_recording, train, wave

from evoalign.sorting.coincidences import coincidence
from evoalign.sorting.detect_and_match import _crossings_of_row, crossings
from evoalign.sorting.electrode import Crossings, detect, learn_noise
from evoalign.sorting.settings import Sorting
from evoalign.sorting.traces import Chunk, Traces

LARGE_UV, SMALL_UV, RATE_HZ, SECONDS = 160.0, 80.0, 60.0, 60.0


@pytest.fixture(scope="module")
def two_units():
    """One electrode with two units that fire independently, 60 spikes a second each."""
    rng = np.random.default_rng(0)
    voltage = rng.normal(0, 5, (round(SECONDS * RATE), 1))
    for size in (LARGE_UV, SMALL_UV):
        for sample in train(rng, RATE_HZ, SECONDS):
            voltage[sample - 20 : sample + 40, 0] += size * wave(0.08, 0.1)
    recording = make_recording([np.round(voltage / GAIN).astype(np.int16)])
    traces = Traces(recording, make_channels(1), Sorting(reference="none"))
    return learn_noise(traces, np.array([True]), np.array([5.0]))


@pytest.mark.parametrize("share", [1, 2, 3, 8])
def test_two_units_coincide_as_often_in_a_part_of_their_spikes_as_in_all(two_units, share):
    chunks = two_units.traces.chunks()
    n_crossings = sum(len(detect(two_units, 0, chunk).sample) for chunk in chunks)
    found = [detect(two_units, n_crossings // len(chunks) // share, chunk) for chunk in chunks]
    waves, sizes, times, _ = _crossings_of_row(two_units, found, 0)
    assert len(waves) == len(sizes) == pytest.approx(n_crossings / share, rel=0.05)
    large = sizes > (LARGE_UV + SMALL_UV) / 2
    assert coincidence(times[large], times[~large], 1e-3) == pytest.approx(1, abs=0.3)
    assert coincidence(times[large][::2], times[large][1::2], 1e-3) == pytest.approx(0, abs=0.05)


def test_templates_count_the_spikes_of_the_whole_recording(two_units, monkeypatch):
    """A doubtful unit must keep its cluster's spikes in matching, which sees all of them."""
    n_spikes = []
    for max_waves in (12_000, 1500):
        monkeypatch.setattr("evoalign.sorting.detect_and_match.MAX_WAVES", max_waves)
        n_spikes.append(np.sort(crossings(two_units, True, 1)[1][0].n_spikes)[-2:])
    np.testing.assert_allclose(n_spikes[1], n_spikes[0], rtol=0.1)
    assert min(n_spikes[0]) > 2500


@st.composite
def chunked(draw):
    """Crossings of one electrode in chunks, of which each has a run picked."""
    parts, start = [], 0
    for _ in range(draw(st.integers(1, 5))):
        length = draw(st.integers(1, 2000))
        found = draw(st.sets(st.integers(start, start + length - 1), max_size=30))
        sample = np.array(sorted(found), dtype=int)
        first = draw(st.integers(0, len(sample)))
        picked = np.zeros(len(sample), dtype=bool)
        picked[first : draw(st.integers(first, len(sample)))] = True
        waves = sample[picked][:, None].astype(np.float32)
        chunk = Chunk(0, start, start + length)
        rows, signs = np.zeros(len(sample), int), sample % 3 == 0
        parts.append(Crossings(chunk, rows, sample, sample + 0.5, signs, picked, waves))
        start += length
    return parts


@given(parts=chunked())
def test_the_clock_of_picked_crossings_runs_on_and_keeps_the_intervals_of_a_chunk(two_units, parts):
    waves, sizes, times, signs = _crossings_of_row(two_units, parts, 0)
    expected = np.concatenate([part.sample[part.picked] for part in parts])
    np.testing.assert_array_equal(waves[:, 0], expected)
    np.testing.assert_array_equal(sizes, expected + 0.5)
    np.testing.assert_array_equal(signs, expected % 3 == 0)
    assert np.all(np.diff(times) > 0)
    of_chunk = np.repeat(np.arange(len(parts)), [part.picked.sum() for part in parts])
    same = np.diff(of_chunk) == 0
    np.testing.assert_allclose(np.diff(times)[same], np.diff(expected)[same] / RATE, atol=1e-9)
    if all(part.picked.all() for part in parts):
        np.testing.assert_allclose(times, expected / RATE, atol=1e-9)
