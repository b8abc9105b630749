"""Each electrode's noise made white, so that distances between waveforms count noise SDs."""

from __future__ import annotations

import numpy as np
from scipy import fft

from evoalign.sorting.parallel import run

FFT_LENGTH = 1024  # samples of a block of the convolution
WINDOW = 256  # samples of a spectrum; the filter has as many taps
QUIET = 4.0  # a window with a larger excursion, in noise SDs, holds a spike
MIN_WINDOWS = 20
FLOOR = 0.02  # of the spectrum's peak: what lies below is left as it is, not blown up


def whitening_kernels(values: np.ndarray, noise_uv: np.ndarray, n_jobs: int = 1) -> np.ndarray:
    """Return the filter of each electrode that makes its noise white with SD 1.

    The noise spectrum is the mean periodogram of windows without spikes
    (Welch 1967); the filter is its inverse square root, zero-phase.

    Parameters
    ----------
    values : ndarray
        Filtered voltages ``[channel, sample]``, µV.
    noise_uv : ndarray
        Noise SD ``[channel]``.
    n_jobs : int
        Threads.

    Returns
    -------
    ndarray
        float32 ``[channel, WINDOW + 1]``, per µV.
    """
    kernels = np.zeros((len(values), WINDOW + 1), dtype=np.float32)
    for row, kernel in enumerate(run(_kernel, (values, noise_uv), range(len(values)), n_jobs, "whitening")):
        kernels[row] = kernel
    return kernels


def _kernel(values: np.ndarray, noise_uv: np.ndarray, row: int) -> np.ndarray:
    trace, noise = values[row], noise_uv[row]
    if not noise > 0:
        return np.zeros(WINDOW + 1)
    taper = np.hanning(WINDOW)
    windows = trace[: len(trace) // WINDOW * WINDOW].reshape(-1, WINDOW).astype(np.float64)
    largest = np.abs(windows).max(axis=1)
    quiet_windows = np.argsort(largest, kind="stable")[: max(MIN_WINDOWS, np.sum(largest < QUIET * noise))]
    power = np.mean(np.abs(np.fft.rfft(windows[quiet_windows] * taper)) ** 2, axis=0) / np.sum(taper**2)
    response = 1 / np.sqrt(np.maximum(power, FLOOR * power.max()))
    kernel = np.fft.fftshift(np.fft.irfft(response, WINDOW))
    return np.asarray(np.append(kernel, kernel[0]) * np.hanning(WINDOW + 1))


def whiten(values: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Whiten voltages; half a kernel at each end is unreliable.

    Parameters
    ----------
    values : ndarray ``[channel, sample]``
        Filtered voltages, µV.
    kernels : ndarray ``[channel, WINDOW + 1]``
        From `whitening_kernels`.

    Returns
    -------
    ndarray, float32 ``[channel, sample]``
        In noise SDs.
    """
    white = np.empty_like(values, dtype=np.float32)
    for row, kernel in enumerate(kernels):
        _convolve(values[row], kernel, white[row])
    return white


def _convolve(trace: np.ndarray, kernel: np.ndarray, convolved: np.ndarray) -> None:
    """Convolve as `numpy.convolve` in mode 'same', by overlap-save: one channel, which stays in the cache."""
    overlap = len(kernel) - 1
    step = FFT_LENGTH - overlap
    n_blocks = -(-len(trace) // step)
    before = overlap - overlap // 2
    padded = np.zeros(n_blocks * step + overlap, np.float32)
    padded[before : before + len(trace)] = trace
    blocks = np.lib.stride_tricks.sliding_window_view(padded, FFT_LENGTH)[::step]
    spectrum = fft.rfft(blocks, axis=1)
    spectrum *= fft.rfft(kernel.astype(np.float32), FFT_LENGTH)
    convolved[:] = fft.irfft(spectrum, FFT_LENGTH, axis=1)[:, overlap:].reshape(-1)[: len(trace)]
