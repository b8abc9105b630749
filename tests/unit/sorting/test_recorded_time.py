"""Time that was not recorded is unknown, not silence: pauses, blanked voltage, files that end early."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evoalign import tables
from evoalign.recordings.tables import CHANNELS, SEGMENTS, WORDS
from evoalign.sorting.recorded import complement, is_recorded, joined, missing_times
from evoalign.sorting.stability import with_stability
from evoalign.sorting.tables import ARTEFACTS, SPIKES, UNITS


def frame(contract, rows):
    """Rows of a contract; columns that are not given are unknown."""
    blank = {tables.TEXT: "", tables.INT: -1, tables.FLOAT: np.nan, tables.FLAG: False}
    full = [{field.name: row.get(field.name, blank[field.type]) for field in contract} for row in rows]
    return tables.conform(pd.DataFrame(full, columns=contract.names), contract)


UNITS_OF = frame(
    UNITS,
    [{"unit": 0, "kind": "sorted", "channel": 1}, {"unit": 1, "kind": "multiunit", "channel": 2},
     {"unit": 2, "kind": "online", "channel": 1}, {"unit": 3, "kind": "sorted", "channel": 3}],
)  # fmt: skip
CHANNELS_OF = frame(
    CHANNELS,
    [{"channel": k, "kind": "neural", "stream": "broadband", "array": "A" if k < 3 else "B", "connector": "1"}
     for k in (1, 2, 3)],
)  # fmt: skip
SEGMENTS_OF = frame(
    SEGMENTS,
    [{"stream": "broadband", "segment": k, "start_s": start, "n_samples": n, "sampling_rate_hz": 1000.0}
     for k, (start, n) in enumerate([(0.0, 10_000), (12.0, 8000)])],
)  # fmt: skip
SPIKES_OF = frame(SPIKES, [{"unit": 2, "time_s": 0.1 * k} for k in range(1, 160)])
WORDS_OF = frame(WORDS, [{"time_s": t, "word": 1, "source": "digital"} for t in (0.0, 15.95)])


def missing(artefacts=(), **changed):
    parts = {"segments": SEGMENTS_OF, "spikes": SPIKES_OF, "words": WORDS_OF} | changed
    return missing_times(
        UNITS_OF, CHANNELS_OF, parts["segments"], frame(ARTEFACTS, artefacts), parts["spikes"], parts["words"]
    )


def recorded_at(spans, times_s, width_s=0.3):
    return is_recorded(spans, np.array(times_s), np.array(times_s) + width_s, 0.02).tolist()


INTERVAL = st.tuples(st.integers(0, 60), st.integers(1, 20)).map(lambda p: (p[0], p[0] + p[1]))


@given(st.lists(INTERVAL, max_size=6), INTERVAL, st.sampled_from([0.0, 0.1, 0.5]))
def test_the_missing_share_is_that_of_counted_seconds(intervals, window, most):
    seconds = np.zeros(100, bool)
    for start, stop in intervals:
        seconds[start:stop] = True
    share = seconds[window[0] : window[1]].mean()
    spans = joined(np.array(intervals, float).reshape(-1, 2))
    assert (spans[1:, 0] > spans[:-1, 1]).all()
    assert is_recorded(spans, [window[0]], [window[1]], most)[0] == (share <= most)
    # What is not missing in a window is missing in the complement of it.
    opposite = is_recorded(complement(spans), [window[0]], [window[1]], most)[0]
    assert opposite == (1 - share <= most + 1e-12)


def test_a_pause_is_missing_from_voltage_and_not_from_online_units():
    times = [1.0, 9.8, 10.5, 11.8, 12.1, 19.8]
    spans = missing()
    assert recorded_at(spans[0], times) == [True, False, False, False, True, False]
    assert recorded_at(spans[1], times) == recorded_at(spans[0], times)
    assert recorded_at(spans[2], times) == [True, True, True, True, True, False]


def test_blanked_voltage_is_missing_where_it_was_blanked():
    saturated = {"reason": "saturated", "channel": 1, "start_s": 2.0, "stop_s": 4.0}
    common = {"reason": "common", "group": "A", "start_s": 5.0, "stop_s": 5.2}
    everywhere = {"reason": "common", "start_s": 7.0, "stop_s": 7.2}
    times = [1.0, 2.5, 5.0, 7.0, 8.0]
    spans = missing([saturated, common, everywhere])
    assert recorded_at(spans[0], times) == [True, False, False, False, True]
    assert recorded_at(spans[1], times) == [True, True, False, False, True]
    assert recorded_at(spans[3], times) == [True, True, True, False, True]
    assert recorded_at(spans[2], times) == [True] * 5  # the rig's own filter and threshold


def test_a_few_blanked_ms_leave_a_presentation_recorded():
    brief = {"reason": "common", "start_s": 5.0, "stop_s": 5.005}
    assert recorded_at(missing([brief])[0], [4.9]) == [True]
    assert recorded_at(missing([brief | {"stop_s": 5.007}])[0], [4.9]) == [False]


@pytest.mark.parametrize("cut_s", [5.0, 10.0])
def test_online_units_end_with_the_last_event_of_their_file(cut_s):
    """A NEV that was cut while the voltage goes on."""
    kept = SPIKES_OF[SPIKES_OF["time_s"] <= cut_s], WORDS_OF[WORDS_OF["time_s"] <= cut_s]
    spans = missing(spikes=kept[0], words=kept[1])
    assert recorded_at(spans[2], [1.0, cut_s - 0.31, cut_s + 0.1, cut_s + 3]) == [True, True, False, False]
    assert recorded_at(spans[0], [1.0, 5.5]) == [True, True]


def test_a_rig_that_is_often_silent_may_be_so_at_its_end():
    rare = frame(SPIKES, [{"unit": 2, "time_s": t} for t in np.arange(0.5, 60, 1.7)])
    spans = missing(spikes=rare, words=frame(WORDS, []))
    last = rare["time_s"].max()
    assert recorded_at(spans[2], [last + 0.5, last + 5.0]) == [True, False]


def test_a_file_without_segments_and_words_misses_nothing():
    spans = missing_times(
        UNITS_OF.query("kind != 'online'"), CHANNELS_OF.assign(stream=""), frame(SEGMENTS, []),
        frame(ARTEFACTS, []), SPIKES_OF, frame(WORDS, []),
    )  # fmt: skip
    assert all(len(part) == 0 for part in spans.values())


def test_unknown_onsets_are_not_recorded():
    assert is_recorded(np.empty((0, 2)), [np.nan, 1.0], [np.nan, 1.3], 0).tolist() == [False, True]


def test_a_baseline_that_was_blanked_is_no_drift():
    rng = np.random.default_rng(0)
    times = np.sort(rng.uniform(0, 200, 4000))
    times = times[(times < 100) | (times > 180)]
    spikes = frame(SPIKES, [{"unit": 0, "time_s": t} for t in times])
    onset = np.arange(0.5, 199, 0.5)
    presentations = pd.DataFrame({"onset_s": onset, "valid": True, "block": (onset // 20).astype(int)})
    spans = {0: np.array([[100.0, 180.0]])}
    unit = UNITS_OF.iloc[:1]
    told = with_stability(unit, spikes, presentations, (0, 45), spans)
    untold = with_stability(unit, spikes, presentations, (0, 45))
    assert told["baseline_p"].iloc[0] > 0.01 and untold["baseline_p"].iloc[0] < 0.001
    assert told["baseline_hz"].iloc[0] == pytest.approx(20, rel=0.25)
