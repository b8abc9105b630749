"""Lags of spikes around events are exact: half-open windows, whatever the rounding of seconds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evoalign.events.lags import lags_around


def of_all_pairs(times_ns, onsets_ns, start_ns, stop_ns):
    """The same in whole numbers, which round nothing."""
    lag = times_ns[None, :] - onsets_ns[:, None]
    onset, spike = np.nonzero((lag >= start_ns) & (lag < stop_ns))
    return onset, lag[onset, spike]


@given(
    st.lists(st.integers(0, 4000), max_size=40),
    st.lists(st.integers(0, 4000), max_size=8),
    st.sampled_from([0, 3414, 56_243]),
    st.tuples(st.integers(-300, 0), st.integers(1, 300)),
)
def test_lags_are_those_of_all_pairs_in_whole_nanoseconds(times_ms, onsets_ms, start_s, window):
    times = np.sort(np.array(times_ms, np.int64)) * 10**6 + start_s * 10**9
    onsets = np.array(onsets_ms, np.int64) * 10**6 + start_s * 10**9
    onset, lag = lags_around(times / 1e9, onsets / 1e9, window)
    wanted_onset, wanted_lag = of_all_pairs(times, onsets, *(10**6 * np.array(window)))
    np.testing.assert_array_equal(onset, wanted_onset)
    np.testing.assert_array_equal(lag, wanted_lag)


@pytest.mark.parametrize("onset_s", [0.3, 1000.1, 56_243.7])
def test_a_spike_on_an_edge_belongs_to_the_window_that_starts_there(onset_s):
    for edge_ms in range(-50, 250):
        spike = [onset_s + edge_ms / 1000]
        assert len(lags_around(spike, [onset_s], (edge_ms, edge_ms + 1))[0]) == 1
        assert len(lags_around(spike, [onset_s], (edge_ms - 1, edge_ms))[0]) == 0


def test_an_unknown_onset_has_no_spikes():
    onset, lag = lags_around([1.0, 2.0], [np.nan, 2.0], (-10, 10))
    assert onset.tolist() == [1] and lag.tolist() == [0]
