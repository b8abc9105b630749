"""The fast filter, median and convolution are those of scipy and numpy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from evoalign.sorting.medians import (
    median_of_sizes,
    median_over_channels,
    medians_of_rows,
    take_median,
)
from evoalign.sorting.whitening import whiten
from evoalign.sorting.zero_phase import zero_phase


@pytest.mark.parametrize("n_channels", [1, 15, 16, 17, 40])
@pytest.mark.parametrize(
    ("rate_hz", "band_hz"), [(30_000, (300, 6000)), (40_000, (250, 8000)), (20_000, (500, 5000))]
)
def test_zero_phase_filter_is_scipys(n_channels, rate_hz, band_hz):
    rng = np.random.default_rng(n_channels)
    voltages = (rng.normal(0, 50, (n_channels, 6000)) + rng.normal(0, 2000, (n_channels, 1))).astype(
        np.float32
    )
    sos = signal.butter(3, band_hz, "bandpass", fs=rate_hz, output="sos")
    expected = signal.sosfiltfilt(sos, voltages.astype(np.float64), axis=1)
    plain = np.ones(n_channels), np.zeros(n_channels)
    filtered = zero_phase(voltages.T, *plain, sos)
    np.testing.assert_array_equal(zero_phase(voltages.T, *plain, sos, margin=70), filtered[:, 70:-70])
    inner = slice(rate_hz // 50, -rate_hz // 50)
    # What lies beyond the ends has died out here: 1e-4 µV of 50.
    np.testing.assert_allclose(filtered[:, inner], expected[:, inner], atol=5e-4)


@pytest.mark.parametrize("dtype", ["int16", "int32", "uint16", "float64"])
def test_raw_values_become_voltages_by_gain_and_offset(dtype):
    raw = np.random.default_rng(0).integers(100, 900, (4000, 20)).astype(dtype)
    gain, offset = np.linspace(0.1, 2, 20), np.linspace(-50, 50, 20)
    sos = signal.butter(3, (300, 6000), "bandpass", fs=30_000, output="sos")
    voltages = (raw * gain + offset).astype(np.float32)
    expected = zero_phase(voltages, np.ones(20), np.zeros(20), sos)
    np.testing.assert_allclose(zero_phase(raw, gain, offset, sos), expected, atol=1e-3)


@given(st.integers(1, 130), st.integers(1, 700), st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=60, deadline=None)
def test_median_over_channels_is_numpys_to_the_bit(n_channels, n_samples, seed, with_ties):
    rng = np.random.default_rng(seed)
    voltages = rng.normal(0, 30, (n_channels, n_samples)).astype(np.float32)
    if with_ties:
        voltages = np.round(voltages / 20) * 20
    np.testing.assert_array_equal(median_over_channels(voltages), np.median(voltages, axis=0))
    rows = np.flatnonzero(rng.random(n_channels) < 0.7)
    expected = voltages.copy()
    if len(rows):
        expected[rows] -= np.median(voltages[rows], axis=0)
        take_median(voltages, rows)
    np.testing.assert_array_equal(voltages, expected)


@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), max_size=60))
@settings(max_examples=200, deadline=None)
def test_median_of_sizes_is_numpys_to_the_bit(values):
    sizes = np.abs(np.array(values, np.float32))
    expected = np.median(sizes) if len(sizes) else np.nan
    np.testing.assert_array_equal(np.float32(median_of_sizes(np.array(values, np.float32))), expected)


@pytest.mark.parametrize("n", [1, 128, 257, 767, 768, 769, 5000])
def test_whitening_convolves_as_numpy_does(n):
    rng = np.random.default_rng(n)
    voltages = rng.normal(0, 9, (3, n)).astype(np.float32)
    kernels = rng.normal(0, 0.1, (3, 257)).astype(np.float32)
    expected = [
        np.convolve(trace, kernel, "full")[128 : 128 + n]
        for trace, kernel in zip(voltages.astype(np.float64), kernels.astype(np.float64), strict=True)
    ]
    white = [whiten(*of_row) for of_row in zip(voltages, kernels, strict=True)]
    np.testing.assert_allclose(white, expected, atol=2e-4)


@pytest.mark.parametrize("n_jobs", [1, 3])
@pytest.mark.parametrize("n_samples", [1000, 1001])
def test_medians_of_rows_are_numpys_to_the_bit(n_samples, n_jobs):
    values = np.random.default_rng(0).normal(size=(7, n_samples)).astype(np.float32)
    medians = medians_of_rows(values, n_jobs)
    np.testing.assert_array_equal(medians, np.median(values, axis=1))
    assert medians.dtype == np.float32
