"""The fast filter, median and convolution are those of scipy and numpy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from evoalign.sorting.medians import median_over_channels
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
    zero_phase(voltages, sos)
    inner = slice(rate_hz // 50, -rate_hz // 50)
    # What lies beyond the ends has died out here: 1e-4 µV of 50.
    np.testing.assert_allclose(voltages[:, inner], expected[:, inner], atol=5e-4)


@given(st.integers(1, 130), st.integers(1, 700), st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=60, deadline=None)
def test_median_over_channels_is_numpys_to_the_bit(n_channels, n_samples, seed, with_ties):
    rng = np.random.default_rng(seed)
    voltages = rng.normal(0, 30, (n_channels, n_samples)).astype(np.float32)
    if with_ties:
        voltages = np.round(voltages / 20) * 20
    np.testing.assert_array_equal(median_over_channels(voltages), np.median(voltages, axis=0))


@pytest.mark.parametrize("n", [1, 128, 257, 767, 768, 769, 5000])
def test_whitening_convolves_as_numpy_does(n):
    rng = np.random.default_rng(n)
    voltages = rng.normal(0, 9, (3, n)).astype(np.float32)
    kernels = rng.normal(0, 0.1, (3, 257)).astype(np.float32)
    expected = [
        np.convolve(trace, kernel, "full")[128 : 128 + n]
        for trace, kernel in zip(voltages.astype(np.float64), kernels.astype(np.float64), strict=True)
    ]
    np.testing.assert_allclose(whiten(voltages, kernels), expected, atol=2e-4)
