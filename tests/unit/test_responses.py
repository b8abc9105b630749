"""Counts, rates and the responses folder."""

import numcodecs
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import convolve1d
from scipy.stats import norm

from evoalign import tables
from evoalign.errors import InputError
from evoalign.events.tables import PRESENTATIONS
from evoalign.files import sha256
from evoalign.nwb.contents import SessionContents, SessionMetadata
from evoalign.responses.rates import binned, rates, smoothing_kernel, windowed
from evoalign.responses.session_responses import SessionResponses, count_spikes, responses_from
from evoalign.responses.settings import Responses
from evoalign.responses.store import read_responses, write_responses
from evoalign.sorting.tables import UNITS


def spike_table(trains):
    rows = [(unit, time) for unit, times in trains.items() for time in times]
    return pd.DataFrame(rows, columns=["unit", "time_s"]).astype({"unit": "int64", "time_s": "float64"})


def naive_counts(trains, units, onsets, start_ms, stop_ms):
    """One spike and one onset at a time, in whole nanoseconds."""
    counts = np.zeros((len(units), len(onsets), stop_ms - start_ms), np.uint16)
    for u, unit in enumerate(units):
        for p, onset in enumerate(onsets):
            for time in trains.get(unit, []):
                if np.isnan(onset):
                    continue
                k = round((time - onset) * 1e9) // 1_000_000 - start_ms
                if 0 <= k < stop_ms - start_ms:
                    counts[u, p, k] += 1
    return counts


times = st.floats(0, 1.0, allow_nan=False).map(lambda t: round(t, 6))
onset = st.one_of(times, st.just(float("nan")))


@settings(max_examples=60, deadline=None)
@given(
    trains=st.dictionaries(st.integers(0, 4), st.lists(times, max_size=30), max_size=3),
    onsets=st.lists(onset, max_size=6),
    start_ms=st.integers(-100, 0),
    length=st.integers(1, 200),
)
def test_counts_equal_those_of_a_loop_over_spikes_and_onsets(trains, onsets, start_ms, length):
    units = [0, 1, 2, 3, 9]
    found = count_spikes(spike_table(trains), units, onsets, start_ms, start_ms + length)
    assert found.dtype == np.uint16
    assert np.array_equal(found, naive_counts(trains, units, onsets, start_ms, start_ms + length))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_counts_equal_numpy_histograms(seed):
    rng = np.random.default_rng(seed)
    train, onsets = rng.uniform(0, 5, 200), rng.uniform(0, 5, 10)
    found = count_spikes(spike_table({7: train}), [7], onsets, -20, 80)[0]
    edges = np.arange(-20, 81) / 1000
    wanted = [np.histogram(train, onset + edges)[0] for onset in onsets]
    assert np.array_equal(found, wanted)


@pytest.mark.parametrize("rate_hz", [30_000, 40_000])
def test_a_spike_at_the_edge_of_a_bin_belongs_to_the_bin_that_starts_there(rate_hz):
    onsets = np.arange(1, 200) * 13.37
    onsets = np.round(onsets * rate_hz) / rate_hz
    spikes = spike_table({0: onsets + 0.050})
    found = count_spikes(spikes, [0], onsets, 0, 100)[0]
    assert np.array_equal(np.argwhere(found)[:, 1], np.full(len(onsets), 50))


def test_a_window_without_length_is_an_input_error():
    with pytest.raises(InputError, match="empty"):
        count_spikes(spike_table({}), [0], [1.0], 10, 10)


def test_more_spikes_in_a_ms_than_the_counts_hold_are_an_input_error():
    with pytest.raises(InputError, match="unit 3"):
        count_spikes(spike_table({3: np.full(70_000, 1.0)}), [3], [1.0], 0, 1)


def test_the_kernel_is_the_gaussian_density_cut_at_three_sigma_and_not_renormalised():
    assert np.allclose(smoothing_kernel(2.0), norm.pdf(np.arange(-6, 7), scale=2.0), rtol=1e-14)
    assert smoothing_kernel(2.0).sum() < 1
    assert len(smoothing_kernel(0.1 * 3)) == 1  # a third of a ms: nothing within 3 sigma but itself
    assert np.array_equal(smoothing_kernel(0), [1.0])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1.0, 2.0, 5.5]))
def test_rates_are_the_smoothed_whole_train_cut_to_the_window(seed, sigma):
    counts = np.random.default_rng(seed).poisson(0.05, (3, 4, 300)).astype(np.uint16)
    wanted = convolve1d(counts.astype(float), smoothing_kernel(sigma), axis=-1, mode="constant") * 1000
    found = rates(counts, -50, sigma, (0, 200))
    assert found.dtype == torch.float64
    assert np.allclose(found.numpy(), wanted[..., 50:250], rtol=1e-12, atol=1e-9)


def test_a_spike_before_the_window_reaches_into_it():
    counts = np.zeros((1, 300), np.uint16)
    counts[0, 49] = 1  # the ms before onset
    found = rates(counts, -50, 2.0, (0, 200))[0]
    assert found[0] == pytest.approx(1000 * norm.pdf(1, scale=2))
    assert found[5] == pytest.approx(1000 * norm.pdf(6, scale=2))
    assert found[6] == 0


def test_rates_do_not_depend_on_the_number_of_threads():
    counts = np.random.default_rng(0).poisson(0.05, (50, 400, 300)).astype(np.uint16)
    before = torch.get_num_threads()
    try:
        found = []
        for n in (1, 2):
            torch.set_num_threads(n)
            found.append(rates(counts, -50, 2.0, (0, 200)))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*found)


@pytest.mark.parametrize("window", [(-45, 100), (0, 246), (100, 100)])
def test_margins_too_small_for_the_kernel_are_an_input_error(window):
    with pytest.raises(InputError, match="6 ms more"):
        rates(np.zeros((1, 300), np.uint16), -50, 2.0, window)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_rates_agree_between_cpu_and_cuda():
    counts = np.random.default_rng(0).poisson(0.05, (5, 40, 300)).astype(np.uint16)
    pair = [rates(counts, -50, 2.0, (0, 200), device=d).cpu() for d in ("cpu", "cuda")]
    torch.testing.assert_close(*pair, rtol=1e-12, atol=1e-9)


def test_windows_and_bins_are_means_of_the_rates():
    rate = torch.from_numpy(np.random.default_rng(0).random((2, 3, 200)))
    assert np.allclose(windowed(rate, 0, (50, 200)), rate.numpy()[..., 50:].mean(-1))
    for width in (5, 10, 20, 25, 50):
        bins = binned(rate, width)
        assert bins.shape == (2, 3, 200 // width)
        assert np.allclose(bins[..., 1], windowed(rate, 0, (width, 2 * width)))
    with pytest.raises(InputError, match="tile"):
        binned(rate, 30)
    with pytest.raises(InputError, match="window"):
        windowed(rate, 0, (50, 201))


def filled(contract, n, **columns):
    """A table of `n` rows with plain values where `columns` says nothing."""
    plain = {"int64": 0, "double": 0.5, "string": "x", "bool": False}
    frame = pd.DataFrame({f.name: [plain[str(f.type)]] * n for f in contract})
    return tables.conform(frame.assign(**columns), contract) if n else tables.empty(contract)


def session_contents():
    units = filled(
        UNITS,
        3,
        unit=[4, 5, 9],
        kind=["sorted", "multiunit", "online"],
        area=["V4", "IT", "V4"],
        preferred=[False, True, False],
    )
    presentations = filled(
        PRESENTATIONS, 3, presentation=[0, 1, 2], onset_s=[1.0, np.nan, 3.0], valid=[True, False, True]
    )
    return SessionContents(
        metadata=SessionMetadata("s1", "A"),
        start=None,
        units=units,
        presentations=presentations,
        spikes=spike_table({4: [1.01, 3.02], 5: [1.1], 9: [3.2]}),
        latents={(2, 0): (np.ones((2, 3)), ["a", "b"]), (1, 1): (np.zeros((1, 2)), ["c"])},
    )


def test_responses_keep_invalid_presentations_and_take_the_wanted_kinds():
    found = responses_from(session_contents(), Responses(kinds=("sorted", "online")))
    assert found.units["unit"].tolist() == [4, 9]
    assert found.counts.shape == (2, 3, 300)
    assert found.counts.sum((1, 2)).tolist() == [2, 1]
    assert found.presentations["valid"].tolist() == [True, False, True]
    assert (found.counts[:, 1] == 0).all()
    assert found.area == "IT"  # of the preferred unit, whatever kinds are carried on
    assert list(found.codes) == [(1, 1), (2, 0)]


def assert_same(a, b):
    assert np.array_equal(a.counts, b.counts) and a.counts.dtype == b.counts.dtype
    for name in ("start_ms", "session", "subject", "area"):
        assert getattr(a, name) == getattr(b, name)
    pd.testing.assert_frame_equal(a.units, b.units)
    pd.testing.assert_frame_equal(a.presentations, b.presentations)
    assert list(a.codes) == list(b.codes)
    for key, (codes, ids) in a.codes.items():
        assert np.array_equal(codes, b.codes[key][0]) and ids == b.codes[key][1]


@settings(max_examples=15, deadline=None)
@given(
    shape=st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(1, 9)),
    texts=st.tuples(*[st.text(st.characters(exclude_categories=["Cs"]), max_size=6)] * 3),
    keys=st.sets(st.tuples(st.integers(1, 1200), st.integers(0, 1)), max_size=3),
    seed=st.integers(0, 99),
)
def test_responses_come_back_as_they_were_written(tmp_path_factory, shape, texts, keys, seed):
    rng = np.random.default_rng(seed)
    codes = {key: (rng.standard_normal((2, 3)), ["a", "ü"]) for key in keys}
    written = SessionResponses(
        rng.integers(0, 2**16, shape).astype(np.uint16),
        -5,
        filled(UNITS, shape[0]),
        filled(PRESENTATIONS, shape[1]),
        *texts,
        dict(sorted(codes.items())),
    )
    folder = tmp_path_factory.mktemp("responses") / "r.zarr"
    write_responses(written, folder)
    assert_same(read_responses(folder), written)


def test_the_bytes_do_not_depend_on_the_number_of_threads(tmp_path):
    responses = responses_from(session_contents(), Responses())
    responses.counts = np.random.default_rng(0).poisson(0.1, (3, 3000, 300)).astype(np.uint16)
    responses.presentations = filled(PRESENTATIONS, 3000)
    before = numcodecs.blosc.set_nthreads(1)
    try:
        write_responses(responses, tmp_path / "one.zarr")
        numcodecs.blosc.set_nthreads(4)
        write_responses(responses, tmp_path / "four.zarr")
    finally:
        numcodecs.blosc.set_nthreads(before)
    assert sha256(tmp_path / "one.zarr") == sha256(tmp_path / "four.zarr")


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / ".zattrs").unlink(),
        lambda folder: (folder / ".zgroup").unlink(),
        lambda folder: (folder / "counts" / "1.0.0").unlink(),
        lambda folder: (folder / "counts" / "1.0.0").write_bytes(b"x" * 40),
        lambda folder: (folder / "latents" / "block002_thread000" / ".zattrs").unlink(),
        lambda folder: (folder / "units.parquet").unlink(),
    ],
)
def test_a_damaged_folder_is_one_input_error(tmp_path, damage):
    folder = tmp_path / "r.zarr"
    write_responses(responses_from(session_contents(), Responses()), folder)
    damage(folder)
    with pytest.raises(InputError) as error:
        read_responses(folder)
    assert str(folder) in error.value.where


def test_a_missing_folder_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_responses(tmp_path / "none.zarr")
