"""Filters, reference, bad electrodes, matching, metrics: each against an independent reference."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_spikes import GAIN, RATE, make_channels, make_recording, train, wave
from scipy import signal
from spikeinterface.metrics.quality.misc_metrics import amplitude_cutoff as spikeinterface_cutoff

from evoalign.errors import InputError
from evoalign.sorting.bad_channels import correlation, find_bad_channels
from evoalign.sorting.clustering import BACKGROUND, split, templates_of
from evoalign.sorting.coincidences import coincidence
from evoalign.sorting.external import check_sorter
from evoalign.sorting.matching import match
from evoalign.sorting.merging import merge
from evoalign.sorting.preferred import agreement, choose_preferred, lag
from evoalign.sorting.quality import amplitude_cutoff, metrics
from evoalign.sorting.recorded import RecordedTime
from evoalign.sorting.result import SortingResult, UnitSpikes
from evoalign.sorting.settings import Sorting
from evoalign.sorting.sort import sort_online_only
from evoalign.sorting.templates import Templates, shifted
from evoalign.sorting.traces import Chunk, Traces
from evoalign.sorting.whitening import whiten, whitening_kernels

UNREFERENCED = Sorting(reference="none")


def noise(n_channels, seconds=3.0, sd_uv=9.0, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(0, sd_uv / GAIN, (round(seconds * RATE), n_channels))


def traces_of(counts, options=UNREFERENCED, **columns):
    channels = make_channels(counts.shape[1]).assign(**columns)
    return Traces(make_recording([counts.astype(np.int16)]), channels, options)


def test_chunks_are_filtered_as_scipy_filters_the_whole():
    counts = noise(2) + 800
    traces = traces_of(counts)
    sos = signal.butter(3, [300, 6000], "bandpass", fs=RATE, output="sos")
    whole = signal.sosfiltfilt(sos, counts.astype(np.int16).T * GAIN, axis=1)
    part = traces.filtered(Chunk(0, 20_000, 50_000), margin=100)
    np.testing.assert_allclose(part, whole[:, 19_900:50_100], atol=0.02)


def test_chunks_cover_every_sample_once():
    traces = Traces(
        make_recording([np.zeros((n, 3), np.int16) for n in (700_000, 1, 40_000)]),
        make_channels(3),
        UNREFERENCED,
    )
    for segment, n in enumerate((700_000, 1, 40_000)):
        chunks = [c for c in traces.chunks() if c.segment == segment]
        assert [c.start for c in chunks] == [0, *[c.stop for c in chunks[:-1]]]
        assert chunks[-1].stop == n


def test_reference_is_the_median_of_its_array_alone():
    common = 40 * np.random.default_rng(1).normal(size=(round(3 * RATE), 2))
    counts = noise(20) + np.repeat(common, [12, 8], axis=1)
    arrays = ["A"] * 12 + ["B"] * 8
    plain = traces_of(counts, array=arrays)
    referenced = traces_of(counts, Sorting(reference="array"), array=arrays)
    chunk = Chunk(0, 0, 30_000)
    expected = plain.filtered(chunk)
    for rows in (slice(0, 12), slice(12, 20)):
        expected[rows] -= np.median(expected[rows], axis=0)
    np.testing.assert_allclose(referenced.filtered(chunk), expected, atol=1e-3)


def test_few_electrodes_are_not_referenced():
    counts = noise(4)
    chunk = Chunk(0, 0, 30_000)
    np.testing.assert_array_equal(
        traces_of(counts, Sorting(reference="array")).filtered(chunk), traces_of(counts).filtered(chunk)
    )


def test_bad_electrodes_are_named_with_their_reasons():
    counts = noise(16)
    time = np.arange(len(counts)) / RATE
    counts[:, 1] = 17
    counts[:, 3] = np.clip(20 * counts[:, 3], -1000, 1000)
    counts[:, 5] += 200 * np.sin(2 * np.pi * 350 * time)
    counts[:, 6] += 200 * np.sin(2 * np.pi * 660 * time)
    counts[:, 8] *= 8
    counts[:, 9] *= 0.1
    counts[:, 12] = counts[:, 11] + np.random.default_rng(2).normal(0, 1, len(counts))
    found = find_bad_channels(traces_of(counts, Sorting())).set_index("channel")["reason"]
    assert found[found != ""].to_dict() == {
        2: "flat",
        4: "saturated",
        6: "line noise",
        7: "line noise",
        9: "noise",
        10: "disconnected",
        13: "duplicate",
    }


@pytest.mark.parametrize(("hum_hz", "uv"), [(50, 60), (50, 150), (60, 150), (50, 5000)])
def test_hum_that_the_band_pass_takes_off_leaves_no_electrode_out(hum_hz, uv, caplog):
    counts = noise(8)
    hum = uv / GAIN * np.sin(2 * np.pi * hum_hz * np.arange(len(counts)) / RATE + 0.3)[:, None]
    for options in (Sorting(), UNREFERENCED):
        with caplog.at_level("WARNING"):
            reasons = find_bad_channels(traces_of(counts + hum, options))["reason"]
        assert (reasons == "").all()
        assert "Mains hum takes over 50 % of the raw power of 8 electrodes" in caplog.text


def test_hum_common_to_an_array_goes_with_the_reference():
    counts = noise(12)
    time = np.arange(len(counts))[:, None] / RATE
    hum = sum(400 / n * np.sin(2 * np.pi * 50 * n * time) for n in range(1, 40, 2))
    assert (find_bad_channels(traces_of(counts + hum, Sorting()))["reason"] == "").all()


@pytest.mark.parametrize("options", [Sorting(), Sorting(reference="connector"), UNREFERENCED])
def test_hum_in_the_band_of_a_whole_bank_is_an_error_and_no_empty_session(options):
    counts = noise(16)
    phase = np.arange(16) * 0.4
    hum = 400 * np.sin(2 * np.pi * 450 * np.arange(len(counts))[:, None] / RATE + phase)
    banks = ["A"] * 8 + ["B"] * 8
    if options.reference == "connector":
        hum[:, :8] = 0
    traces = traces_of(counts + hum, options, connector=banks)
    with pytest.raises(InputError, match="line noise would leave out all (8|16) electrodes") as caught:
        find_bad_channels(traces)
    assert ("connector 'B'" in caught.value.what) == (options.reference == "connector")
    kept = find_bad_channels(
        traces_of(counts + hum, options.model_copy(update={"leave_out_bad": False}), connector=banks)
    )
    assert (kept["reason"] == "").all()


def test_a_copy_of_a_channel_is_told_from_channels_that_share_large_pulses():
    counts = noise(12)
    counts[::900] += 8000 * np.linspace(0.5, 1.0, 12)
    counts[:, 7] = counts[:, 2]
    reasons = find_bad_channels(traces_of(counts, UNREFERENCED)).set_index("channel")["reason"]
    assert reasons[reasons != ""].to_dict() == {8: "duplicate"}


@given(st.integers(2, 6), st.lists(st.integers(1, 50), min_size=1, max_size=4))
def test_correlation_over_stretches_is_numpys(n, lengths):
    rng = np.random.default_rng(n)
    parts = [
        (rng.normal(3, 5, (n, length + 1)) + rng.normal(size=length + 1)).astype("f4") for length in lengths
    ]
    expected = np.corrcoef(np.concatenate(parts, axis=1).astype(np.float64))
    np.testing.assert_allclose(correlation(parts), expected, atol=1e-6)


def test_spikes_and_fields_do_not_make_an_electrode_bad(truth):
    found = find_bad_channels(traces_of(truth[0], Sorting()))
    assert found["reason"].tolist() == ["", "", "", "flat"]


def test_whitened_noise_is_white_with_sd_1():
    rng = np.random.default_rng(0)
    coloured = signal.lfilter([1], [1, -0.5], rng.normal(0, 9, (1, 300_000))).astype(np.float32)
    white = whiten(coloured[0], whitening_kernels(coloured, coloured.std(axis=1))[0])[200:-200]
    assert white.std() == pytest.approx(1, abs=0.03)
    correlation = np.correlate(white[:50_000], white[:50_000], "full")[50_000:50_010] / 50_000
    assert np.abs(correlation).max() < 0.05


@given(st.floats(-0.5, 0.5))
@settings(max_examples=20, deadline=None)
def test_shifting_moves_a_smooth_waveform_by_fractions_of_a_sample(by):
    t = np.arange(60.0)
    bump = lambda centre: np.exp(-0.5 * ((t - centre) / 3) ** 2)
    np.testing.assert_allclose(shifted(bump(30)[None], np.array([by]))[0], bump(30 + by), atol=1e-6)


def test_matching_takes_overlapping_spikes_apart():
    rng = np.random.default_rng(0)
    mean = np.stack([12 * wave(0.09, 0.5), 9 * wave(0.16, 0.2)])
    templates = Templates.of(mean, 20, np.array([0.05, 0.05]))
    trace = rng.normal(0, 1, 6000).astype(np.float32)
    planted = [(500, 0), (512, 1), (2000, 1), (2009, 0), (4000, 0), (4100, 0)]
    for at, unit in planted:
        trace[at - 20 : at + 40] += mean[unit]
    position, unit, scale, _ = match(trace, templates, 30.0, 15)
    assert [(round(p), u) for p, u in zip(position, unit, strict=True)] == sorted(planted)
    np.testing.assert_allclose(scale, 1, atol=0.15)
    assert float(trace @ trace) == pytest.approx(6000, rel=0.05), "what is left is noise"


def test_matching_takes_two_spikes_apart_at_any_lag():
    mean = np.stack([12 * wave(0.09, 0.5), 9 * wave(0.16, 0.2)])
    templates = Templates.of(mean, 20, np.array([0.05, 0.05]))
    right = 0
    for lag_ in range(-20, 21):
        trace = np.random.default_rng(lag_ + 50).normal(0, 1, 400).astype(np.float32)
        trace[180:240] += mean[0]
        trace[180 + lag_ : 240 + lag_] += mean[1]
        position, unit, _, _ = match(trace, templates, 30.0, 15)
        at = dict(zip(unit.tolist(), position.tolist(), strict=True))
        right += len(unit) == 2 and abs(at.get(0, 0) - 200) < 3 and abs(at.get(1, 0) - 200 - lag_) < 3
    assert right >= 40, "a greedy pursuit alone gets 21 of 41"


def test_matching_noise_finds_nothing():
    templates = Templates.of(12 * wave(0.09, 0.5)[None], 20, np.array([0.05]))
    trace = np.random.default_rng(0).normal(0, 1, 300_000).astype(np.float32)
    assert len(match(trace, templates, 30.0, 15)[0]) == 0


def test_splitting_finds_a_rare_unit_close_to_a_common_one_and_leaves_collisions_out():
    rng = np.random.default_rng(0)
    common, rare = 8 * wave(0.12, 0.3), 8 * wave(0.10, 0.4)
    assert 4 < np.linalg.norm(common - rare) < 6, "close, in noise SDs, but not one"
    true = np.repeat([0, 1, 2], [2000, 200, 100])
    waves = np.stack([common, rare, common])[true] + rng.normal(0, 1, (2300, 60))
    late = rng.integers(8, 30, 100)
    waves[true == 2] += np.stack([np.roll(9 * wave(0.16, 0.2), by) for by in late])
    labels = split(np.zeros(2300, dtype=np.int64), waves.astype(np.float32), 30)
    names = [np.bincount(labels[(true == unit) & (labels >= 0)]).argmax() for unit in (0, 1)]
    assert names[0] != names[1]
    assert np.mean(labels[true == 0] == names[0]) > 0.9
    assert np.mean(labels[true == 1] == names[1]) > 0.9
    assert np.mean(labels[true == 2] == names[0]) < 0.1


def test_splitting_leaves_one_unit_whole():
    rng = np.random.default_rng(1)
    waves = rng.normal(1, 0.05, (3000, 1)) * 14 * wave(0.12, 0.3) + rng.normal(0, 1, (3000, 60))
    labels = split(np.zeros(3000, dtype=np.int64), waves.astype(np.float32), 30)
    assert set(labels) <= {0, -1}
    assert np.mean(labels == 0) > 0.99


def test_spikes_of_far_cells_are_explained_and_not_given_to_a_unit():
    rng = np.random.default_rng(0)
    shape = wave(0.12, 0.3)
    near = rng.normal(16, 3, 100)[:, None] * shape + rng.normal(0, 1, (100, 60))
    far = rng.normal(9, 1, 900)[:, None] * shape + rng.normal(0, 1, (900, 60))
    labels = np.repeat([0, BACKGROUND], [100, 900])
    waves = np.concatenate([near, far])
    templates = templates_of(labels, waves, 20)
    trace = rng.normal(0, 1, 6000).astype(np.float32)
    for at, size in ((500, 9), (1500, 16), (2500, 9), (3500, 8)):
        trace[at - 20 : at + 40] += size * shape
    position, unit, _, _ = match(trace.copy(), templates, 30.0, 15)
    assert [round(at) for at in position] == [1500]
    assert unit.tolist() == [0]
    alone = match(trace.copy(), templates.only(np.array([0])), 30.0, 15)[0]
    assert len(alone) > 1, "without the background's template its spikes pass for small ones of the unit"


def test_a_rare_and_variable_unit_must_gain_more():
    mean = np.stack([12 * wave(0.12, 0.3), 12 * wave(0.09, 0.5)])
    energy = np.sum(mean**2, axis=1)
    templates = Templates.of(mean, 20, np.array([0.05, 0.3]), np.array([1000.0, 10.0]))
    evidence = -np.log(1 + energy * np.array([0.05, 0.3]) ** 2) + 2 * np.log([1000.0, 10.0])
    np.testing.assert_allclose(np.diff(templates.cost()), -np.diff(evidence), rtol=1e-5)
    assert templates.cost().min() == 0


def test_coincidences_of_independent_trains_are_as_expected_and_of_one_train_none():
    rng = np.random.default_rng(0)
    independent = [np.sort(rng.uniform(0, 600, 12_000)) for _ in range(2)]
    assert coincidence(*independent, 1e-3) == pytest.approx(1, abs=0.15)
    one = np.cumsum(2e-3 + rng.exponential(0.02, 20_000))
    pick = rng.random(len(one)) < 0.5
    assert coincidence(one[pick], one[~pick], 1e-3) == 0
    assert np.isnan(coincidence(one[:5], one[5:10], 1e-3))


def test_clusters_are_merged_when_they_are_one_cloud_and_not_because_they_seem_to_shun_each_other():
    rng = np.random.default_rng(0)
    shape = wave(0.12, 0.3)
    times = np.cumsum(3e-3 + rng.exponential(0.02, 9000))
    # Two slices of one cloud, and another unit of this shape: none of the three coincide.
    sizes = np.concatenate([rng.normal(14, 1.5, 6000), np.full(3000, 22.0)])
    true = np.repeat([0, 1], [6000, 3000])
    waves = sizes[:, None] * shape + rng.normal(0, 1, (9000, 60))
    labels = np.where(true == 1, 2, waves @ shape / (shape @ shape) > 14)
    order = rng.permutation(9000)
    merged = merge(labels[order], waves[order].astype(np.float32), times, sizes[order] - 4.5, 1e-3)
    assert len(set(merged[true[order] == 0])) == 1
    assert set(merged[true[order] == 1]).isdisjoint(merged[true[order] == 0])


def test_a_rare_large_unit_is_not_the_first_spike_of_a_common_small_ones_bursts():
    rng = np.random.default_rng(1)
    shape = wave(0.12, 0.3)
    sizes = np.concatenate([rng.normal(8, 0.7, 1600), rng.normal(13, 1.6, 100)])
    waves = sizes[:, None] * shape + rng.normal(0, 1, (1700, 60))
    labels = np.repeat([0, 1], [1600, 100])
    times = np.cumsum(3e-3 + rng.exponential(0.03, 1700))
    order = rng.permutation(1700)
    merged = merge(labels[order], waves[order].astype(np.float32), times, sizes[order] - 4.5, 1e-3)
    assert len(set(merged)) == 2


def test_two_neurons_of_one_shape_that_lose_half_of_their_coincidences_stay_apart():
    rng = np.random.default_rng(3)
    trains = [train(rng, rate_hz, 200.0) / RATE for rate_hz in (40.0, 5.0)]
    beside = np.abs(trains[1][:, None] - trains[0]).min(axis=1) < 1.5e-3
    trains[1] = trains[1][~(beside & (rng.random(len(beside)) < 0.5))]
    assert 0.4 < coincidence(*trains, 1e-3) < 0.6
    times, labels = np.concatenate(trains), np.repeat([0, 1], [len(t) for t in trains])
    order = np.argsort(times)
    # Close enough to be one cloud, and far enough for most spikes to be told.
    shapes = np.stack([17 * wave(0.12, 0.3), 17 * wave(0.115, 0.33)])
    assert 2.5 < np.linalg.norm(shapes[0] - shapes[1]) < 4
    waves = shapes[labels] + rng.normal(0, 1, (len(times), 60))
    kept = merge(labels[order], waves[order].astype(np.float32), times[order], np.full(len(times), 8.0), 1e-3)
    np.testing.assert_array_equal(kept, labels[order])


@pytest.mark.parametrize(("factor", "is_right"), [(1, True), (1000, False), (1e-3, False)])
def test_a_gain_that_makes_noise_of_millivolts_is_refused(factor, is_right):
    recording = make_recording([noise(4).astype(np.int16)])
    recording.set_channel_gains(GAIN * factor)
    channels = make_channels(4)
    if is_right:
        assert (find_bad_channels(Traces(recording, channels, UNREFERENCED))["reason"] == "").all()
        return
    with pytest.raises(InputError, match="the noise of the median electrode is") as refused:
        find_bad_channels(Traces(recording, channels, UNREFERENCED))
    assert "sorting.noise_range_uv" in refused.value.hint
    wide = Sorting(reference="none", noise_range_uv=(1e-6, 1e6))
    assert (find_bad_channels(Traces(recording, channels, wide))["reason"] == "").all()


def test_isi_violations_are_hills_in_closed_form():
    # 100 spikes in 50 s of which 7 follow another by 0.5 ms: 7 * 50 / (2 * 107^2 * 1e-3).
    times = np.arange(100) * 0.5 + 0.1
    times = np.sort(np.concatenate([times, times[:7] + 5e-4]))
    nothing = np.zeros(0)
    found = metrics(
        UnitSpikes("sorted", 1, times, nothing, nothing, nothing), np.nan, RecordedTime([(0, 50)]), Sorting()
    )
    assert found["isi_violations_ratio"] == pytest.approx(7 * 50 / (2 * 107**2 * 1e-3))
    assert found["rate_hz"] == 107 / 50
    assert np.isnan(found["snr"])


@pytest.mark.parametrize(
    ("n_spikes", "share", "error"), [(600, 0, 0.02), (3_000, 0.1, 0.04), (30_000, 0.3, 0.04)]
)
def test_amplitude_cutoff_is_the_share_that_was_cut_off(n_spikes, share, error):
    rng = np.random.default_rng(0)
    whole = np.sort(rng.normal(100, 20, (20, n_spikes)), axis=1)
    estimates = [amplitude_cutoff(amplitudes[int(share * n_spikes) :]) for amplitudes in whole]
    assert np.mean(estimates) == pytest.approx(share, abs=error)
    assert np.mean(estimates) > 0  # a thin tail counts, too


def test_amplitude_cutoff_does_not_depend_on_how_often_each_spike_is_counted():
    amplitudes = np.random.default_rng(1).normal(100, 20, 600)[:550]
    once, often = amplitude_cutoff(amplitudes), amplitude_cutoff(np.tile(amplitudes, 1000))
    assert once == pytest.approx(often, rel=1e-9)
    # Of many spikes SpikeInterface's whole numbers do not matter.
    assert often == pytest.approx(spikeinterface_cutoff(np.tile(amplitudes, 1000)), rel=1e-3)


def test_presence_and_rate_do_not_count_a_pause():
    times = np.concatenate([np.arange(0.05, 10, 0.1), np.arange(110.05, 120, 0.1)])
    nothing = np.zeros(0)
    train = UnitSpikes("sorted", 1, times, nothing, nothing, nothing)
    found = metrics(train, 1.0, RecordedTime([(0, 10), (110, 120)]), Sorting())
    assert found["presence_ratio"] == 1
    assert found["rate_hz"] == pytest.approx(10)


@pytest.mark.parametrize(
    ("name", "params", "words"),
    [
        ("tridesclouse2", {}, "did you mean 'tridesclous2'"),
        ("kilosort2", {}, "choose one of"),
        ("tridesclous2", {"detecton": {}}, "detection"),
    ],
)
def test_wrong_sorters_and_parameters_are_named_with_the_nearest(name, params, words):
    with pytest.raises(InputError, match=words):
        check_sorter(name, params)


def test_agreement_is_matches_over_union_after_the_lag():
    first = np.arange(1, 101) * 0.1
    second = np.concatenate([first[:60] + 3e-4, first[60:90] + 0.05])
    assert lag(first, second) == pytest.approx(3e-4, abs=1e-6)
    assert agreement(first, second) == pytest.approx(60 / (100 + 90 - 60))
    assert np.isnan(agreement(first, np.zeros(0)))


def candidates(online):
    made = sort_online_only(online, make_channels(3), Sorting(), RecordedTime([(0.0, 100.0)]))
    units, spikes = made.units.copy(), made.spikes
    units["kind"] = ["sorted", "sorted", "multiunit"]
    return SortingResult(units, spikes, made.waveforms, made.bad_channels)


def test_preferred_is_the_sorted_unit_that_agrees_or_else_the_multiunit():
    online = pd.DataFrame(
        {
            "channel": 1,
            "unit": np.repeat([1, 2, 3], 100),
            "time_s": np.concatenate([np.arange(100) * 0.9 + k * 0.3 for k in range(3)]),
        }
    )
    marked = choose_preferred(candidates(online), online, 1, 2).units
    assert marked["preferred"].tolist() == [False, True, True]
    assert marked["preferred_agreement"].tolist() == [0, 1, 0]
    strange = online.assign(time_s=online["time_s"] + np.where(online["unit"] == 2, 0.11, 0))
    poor = choose_preferred(candidates(online), strange, 1, 2).units
    assert poor["preferred"].tolist() == [False, False, True]
    assert not choose_preferred(candidates(online), online, 2, 0).units["preferred"].any()


@pytest.mark.parametrize(
    ("channel", "unit", "name", "there"), [(1, 4, "1d", "1a, 1b, 1c"), (2, 1, "2a", "none")]
)
def test_a_letter_that_the_rig_did_not_give_is_refused_with_those_it_gave(channel, unit, name, there):
    online = pd.DataFrame({"channel": 1, "unit": [1, 2, 3], "time_s": [0.1, 0.2, 0.3]})
    with pytest.raises(InputError, match=f"no online unit {name}") as caught:
        choose_preferred(candidates(online), online, channel, unit)
    assert f"units of that channel: {there};" in caught.value.hint
