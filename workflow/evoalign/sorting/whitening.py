"""Each electrode's noise made white, so that distances between waveforms count noise SDs."""

from __future__ import annotations

import numpy as np
from scipy import fft

from evoalign.sorting.parallel import run

FFT_LENGTH = 1024  # samples that a block of the convolution takes
WINDOW = 256  # samples of a spectrum; the filter has as many taps
QUIET = 4.0  # a window with a larger excursion, in noise SDs, holds a spike
MIN_WINDOWS = 20
STEP = FFT_LENGTH - WINDOW  # samples that a block of the convolution gives
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


def whiten(trace: np.ndarray, kernel: np.ndarray, needed: np.ndarray | None = None) -> np.ndarray:
    """Whiten the voltages of a channel; half a kernel at each end is unreliable.

    By overlap-save: as `numpy.convolve` in mode 'same'.

    Parameters
    ----------
    trace : ndarray ``[sample]``
        Filtered voltages, µV.
    kernel : ndarray ``[WINDOW + 1]``
        From `whitening_kernels`.
    needed : ndarray, optional
        bool ``[block]``, of `blocks_of`: others are 0; all are needed where it is not given.

    Returns
    -------
    ndarray, float32 ``[sample]``
        In noise SDs.
    """
    n_blocks = -(-len(trace) // STEP)
    padded = np.zeros(n_blocks * STEP + WINDOW, np.float32)
    padded[WINDOW // 2 : WINDOW // 2 + len(trace)] = trace
    blocks = np.lib.stride_tricks.sliding_window_view(padded, FFT_LENGTH)[::STEP]
    spectrum = fft.rfft(blocks if needed is None else blocks[needed], axis=1)
    spectrum *= fft.rfft(kernel.astype(np.float32), FFT_LENGTH)
    white = np.zeros((n_blocks, STEP), np.float32)
    white[slice(None) if needed is None else needed] = fft.irfft(spectrum, FFT_LENGTH, axis=1)[:, WINDOW:]
    return white.reshape(-1)[: len(trace)]


def blocks_of(samples: np.ndarray, before: int, after: int, n_samples: int) -> np.ndarray:
    """Mark the blocks of a trace of `n_samples` that hold any of these stretches, bool ``[block]``.

    A stretch is, of each of the ``samples [spike]``, what lies from `before` samples earlier until
    `after` samples later, which is less than a block.
    """
    is_needed = np.zeros(-(-n_samples // STEP), dtype=bool)
    for edge in (samples - before, samples + after):
        is_needed[np.clip(edge, 0, n_samples - 1) // STEP] = True
    return is_needed
