"""What other sorters see: lines over artefacts, all else as it was recorded."""

import json

import numpy as np
import pytest
import spikeinterface as si
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_spikes import GAIN, RATE, make_channels, make_recording

from evoalign.formats.blackrock.write import write_nsx
from evoalign.formats.opening import open_recording
from evoalign.formats.spikeinterface_recording import stream_recording
from evoalign.sorting.interpolated import without_artefacts
from evoalign.sorting.settings import Sorting
from evoalign.sorting.sort import sort
from evoalign.sorting.traces import Chunk, Traces

N, CHANNELS = 900, 5


def traces_of(counts, periods, starts=None):
    traces = Traces(make_recording(counts, starts), make_channels(counts[0].shape[1]), Sorting())
    traces.blank([(period, np.array(rows)) for period, rows in periods])
    return traces


def counts(seed=0, n=N):
    return np.random.default_rng(seed).integers(-9000, 9000, (n, CHANNELS)).astype(np.int16)


def plain(values, periods):
    """Each channel by itself, by numpy's interpolation."""
    values = values.astype(np.float64)
    for period, rows in periods:
        for row in rows:
            ends = [at for at in (period.start - 1, period.stop) if 0 <= at < len(values)]
            known = np.array([values[at, row] for at in ends])
            at = np.linspace(0, 1, period.stop - period.start)
            values[period.start : period.stop, row] = np.rint(np.interp(at, [0, 1], known[[0, -1]]))
    return values


apart = st.lists(st.integers(0, N), min_size=2, max_size=8, unique=True).map(sorted)
some_rows = st.lists(st.integers(0, CHANNELS - 1), min_size=1, unique=True)


@settings(max_examples=40, deadline=None)
@given(apart, some_rows, st.integers(0, N - 1), st.integers(1, N), st.permutations(range(CHANNELS)))
def test_any_stretch_of_any_channels_is_numpys_line(edges, rows, start, length, order):
    # Every second stretch, so that none touches another; not the whole recording.
    pairs = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=False) if b - a < N]
    periods = [(Chunk(0, a, b), rows) for a, b in pairs]
    values, stop = counts(), min(start + length, N)
    seen = without_artefacts(traces_of([values], periods))
    channels = [order[k] + 1 for k in range(3)]
    got = seen.select_channels(channels).get_traces(start_frame=start, end_frame=stop)
    expected = plain(values, periods)[start:stop, np.array(channels) - 1]
    assert got.dtype == np.int16
    np.testing.assert_allclose(got, expected, atol=1)


def test_segments_are_told_apart_and_a_clean_recording_is_itself():
    parts = [counts(1), counts(2)]
    seen = without_artefacts(traces_of(parts, [(Chunk(1, 100, 200), [0, 3])], [0.0, 9.0]))
    np.testing.assert_array_equal(seen.get_traces(segment_index=0), parts[0])
    changed = (seen.get_traces(segment_index=1) != parts[1]).any(axis=0)
    assert changed.tolist() == [True, False, False, True, False]
    traces = traces_of(parts, [])
    assert without_artefacts(traces) is traces.recording


def test_sorters_that_open_it_from_a_file_see_the_same(tmp_path):
    made = traces_of([counts()], [(Chunk(0, 100, 200), [0, 3])])
    made.recording = made.recording.save(folder=tmp_path / "raw", verbose=False)
    seen = without_artefacts(made)
    seen.dump(tmp_path / "seen.json")
    assert json.loads((tmp_path / "seen.json").read_text())["class"].endswith("InterpolatedRecording")
    np.testing.assert_array_equal(si.load(tmp_path / "seen.json").get_traces(), seen.get_traces())


@pytest.mark.parametrize("blanked", [True, False])
def test_another_sorter_finds_no_units_in_stimulation_that_is_blanked(truth, blanked, tmp_path):
    values = truth[0][: round(5 * RATE), :3].astype(np.float64)
    pulse = np.concatenate([-np.ones(9), np.ones(9), np.zeros(12)])
    times = np.round(np.arange(0.1, 4.9, 0.06) * RATE).astype(int)
    for at in times:
        values[at : at + len(pulse)] += 4000 * pulse[:, None] * np.linspace(0.5, 1, 3)
    plain = {"multiunit": False, "online": False, "reference": "none", "reference_min_channels": 3}
    options = Sorting(sorter="simple", blank_artefacts=blanked, **plain)
    write_nsx(tmp_path / "a.ns6", [values.round().astype(np.int16)], channel_ids=range(1, 4), gain_uv=GAIN)
    recording = stream_recording(open_recording([tmp_path / "a.ns6"]).streams["broadband"])
    found = sort(recording, make_channels(3), options, seed=0)
    at_pulse = np.abs(found.spikes["time_s"].to_numpy()[:, None] * RATE - times).min(axis=1) < 60
    assert at_pulse.sum() < 0.05 * len(times) if blanked else at_pulse.sum() > 0.5 * len(times)
    assert len(found.artefacts) == len(times)
    if blanked:
        early = np.concatenate(truth[1]) < len(values)
        assert len(found.spikes) > 0.5 * early.sum(), "the neurons are still there"
