"""The default sorter against planted spikes, and what must hold whatever is recorded."""

import numpy as np
import pandas as pd
import pytest
import spikeinterface as si
from planted_spikes import GAIN, RATE, make_channels, make_recording
from spikeinterface.comparison import compare_sorter_to_ground_truth

from evoalign import tables
from evoalign.errors import InputError
from evoalign.sorting.recorded import RecordedTime
from evoalign.sorting.settings import Sorting
from evoalign.sorting.sort import sort, sort_online_only
from evoalign.sorting.tables import UNITS

SETTINGS = Sorting()


@pytest.fixture(scope="module")
def sorted_units(truth):
    return sort(make_recording([truth[0]]), make_channels(4), SETTINGS, seed=0)


def trains_of(result, kind="sorted"):
    units = result.units[result.units["kind"] == kind]["unit"]
    return [result.spikes.loc[result.spikes["unit"] == unit, "time_s"].to_numpy() for unit in units]


def accuracy(trains, found_s):
    def as_sorting(samples):
        labels = np.repeat(np.arange(len(samples)), [len(s) for s in samples])
        return si.NumpySorting.from_samples_and_labels([np.concatenate(samples)], [labels], RATE)

    found = as_sorting([np.rint(times * RATE).astype(int) for times in found_s])
    return (
        compare_sorter_to_ground_truth(as_sorting(trains), found).get_performance()["accuracy"].astype(float)
    )


def test_finds_the_planted_units_and_no_others(truth, sorted_units):
    assert (sorted_units.units["kind"] == "sorted").sum() == 3
    assert accuracy(truth[1], trains_of(sorted_units)).min() > 0.97


def test_300_uv_of_mains_hum_change_no_unit(truth, sorted_units):
    time = np.arange(len(truth[0]))[:, None] / RATE
    hum = 300 / GAIN * np.sin(2 * np.pi * 50 * time + np.arange(4))
    hum[:, 3] = 0
    humming = sort(make_recording([truth[0] + np.rint(hum).astype(np.int16)]), make_channels(4), SETTINGS, 0)
    for clean, noisy in zip(trains_of(sorted_units), trains_of(humming), strict=True):
        assert len(clean) == pytest.approx(len(noisy), abs=2)
    assert (accuracy(truth[1], trains_of(humming)) > 0.95).all()


def test_resolves_spikes_that_overlap(truth, sorted_units):
    first, second = truth[1][:2]
    close = first[np.abs(first[:, None] - second).min(axis=1) < 15]
    assert len(close) >= 3
    found = np.sort(np.concatenate(trains_of(sorted_units)[:2])) * RATE
    # Within five samples of each of both troughs lies a spike.
    assert np.mean(np.abs(close[:, None] - found).min(axis=1) < 5) > 0.8


def test_amplitude_and_snr_are_those_planted(sorted_units):
    units = sorted_units.units[sorted_units.units["kind"] == "sorted"]
    # The band-pass takes some of the trough of a 120 and a 90 µV unit, never adds to it by a fifth.
    assert 80 < units["amplitude_uv"].max() < 140
    assert (units["snr"] > 8).all()
    assert (units["label"] == "good").all()


def test_multiunit_holds_the_spikes_of_all_units(truth, sorted_units):
    units = sorted_units.units[sorted_units.units["kind"] == "multiunit"]
    assert units["channel"].tolist()[:2] == [1, 2]
    crossings = trains_of(sorted_units, "multiunit")[0] * RATE
    everything = np.concatenate(truth[1][:2])
    assert np.mean(np.abs(everything[:, None] - crossings).min(axis=1) < 8) > 0.93


def test_tables_keep_their_contracts(sorted_units):
    for name in ("units", "spikes", "waveforms", "bad_channels"):
        frame = getattr(sorted_units, name)
        pd.testing.assert_frame_equal(tables.conform(frame, tables.contract_of(name)), frame)


def test_does_not_depend_on_threads_or_repetition(truth, sorted_units):
    again = sort(make_recording([truth[0]]), make_channels(4), SETTINGS, seed=0, n_jobs=3)
    for name in ("units", "spikes", "waveforms", "bad_channels"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(sorted_units, name), check_exact=True)


def test_an_electrode_is_sorted_as_if_alone(truth, sorted_units):
    alone = sort(make_recording([truth[0][:, :1]]), make_channels(1), SETTINGS, seed=0)
    # Other electrodes change the length of chunks, and a chunk's border may move a spike by its phase.
    assert (
        accuracy([np.rint(t * RATE).astype(int) for t in trains_of(sorted_units)[:2]], trains_of(alone)).min()
        > 0.99
    )


def test_times_are_on_the_recordings_clock_across_a_pause(truth):
    counts, trains = truth
    half = len(counts) // 2
    recording = make_recording([counts[:half], counts[half:]], [1.5, 100.0])
    result = sort(recording, make_channels(4), SETTINGS, seed=0)
    late = [t - half + round(100.0 * RATE) for t in (train[train >= half] for train in trains)]
    early = [t + round(1.5 * RATE) for t in (train[train < half] for train in trains)]
    both = [np.concatenate(pair) for pair in zip(early, late, strict=True)]
    assert accuracy(both, trains_of(result)).min() > 0.95
    rates = result.units.loc[result.units["kind"] == "sorted", "rate_hz"]
    assert rates.between(15, 25).all(), "the pause does not count as recorded time"


def test_no_spikes_give_empty_tables_with_their_columns():
    silent = make_recording([np.zeros((30_000, 3), np.int16)])
    result = sort(silent, make_channels(3), SETTINGS, seed=0)
    assert len(result.units) == len(result.spikes) == len(result.waveforms) == 0
    assert list(result.units.columns) == UNITS.names
    assert result.bad_channels["reason"].tolist() == ["flat"] * 3


@pytest.mark.parametrize("n_samples", [0, 1, 40, 3000])
def test_a_recording_may_be_as_short_as_it_likes(n_samples):
    noise = np.random.default_rng(0).normal(0, 40, (n_samples, 2)).astype(np.int16)
    result = sort(make_recording([noise]), make_channels(2), SETTINGS, seed=0)
    assert (result.units["kind"] != "sorted").all()


def test_online_units_get_waveforms_and_noise_units_are_left_out(truth):
    counts, trains = truth
    online = pd.DataFrame(
        {
            "channel": 1,
            "unit": np.repeat([1, 0, 255, 2], [len(trains[0]), 10, 30, 11]),
            "time_s": np.concatenate(
                [trains[0] / RATE, np.linspace(1, 2, 10), np.linspace(1, 2, 30), np.linspace(3, 4, 11)]
            ),
        }
    )
    result = sort(make_recording([counts]), make_channels(4), SETTINGS, 0, online)
    units = result.units[result.units["kind"] == "online"].set_index("vendor_unit")
    assert units.index.tolist() == [1, 2], "unit 0 has only ten spikes, 255 is the rig's noise"
    assert units.loc[1, "amplitude_uv"] > 60
    assert units.loc[1, "n_spikes"] == len(trains[0])


def test_online_only_takes_units_over_and_counts_unit_0_above_ten_spikes():
    online = pd.DataFrame(
        {
            "channel": [3] * 11 + [1] * 10 + [1] * 2,
            "unit": [0] * 21 + [2] * 2,
            "time_s": np.linspace(0.5, 9.5, 23),
        }
    )
    result = sort_online_only(online, make_channels(3), SETTINGS, RecordedTime([(0.0, 10.0)]))
    assert list(zip(result.units["channel"], result.units["vendor_unit"], strict=True)) == [(1, 2), (3, 0)]
    assert result.units["rate_hz"].tolist() == [0.2, 1.1]
    assert result.units["snr"].isna().all()
    assert len(result.waveforms) == 0
    all_of_them = sort_online_only(
        online, make_channels(3), Sorting(min_unsorted_spikes=9), RecordedTime([(0.0, 10.0)])
    )
    assert all_of_them.units["vendor_unit"].tolist() == [0, 2, 0]


def test_a_slow_stream_is_refused_with_a_mend():
    slow = si.NumpyRecording([np.zeros((1000, 2), np.int16)], 500.0, channel_ids=[1, 2])
    with pytest.raises(InputError, match="500 Hz"):
        sort(slow, make_channels(2), SETTINGS, seed=0)


def test_gain_unknown_still_sorts(truth):
    counts, _ = truth
    recording = si.NumpyRecording([(counts * GAIN).astype(np.int16)[:90_000]], RATE, channel_ids=[1, 2, 3, 4])
    assert (sort(recording, make_channels(4), SETTINGS, seed=0).units["kind"] == "sorted").any()
