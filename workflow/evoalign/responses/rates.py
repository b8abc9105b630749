"""Smoothed rates from counts (docs/methods.md section 2)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from evoalign.errors import InputError

ROWS_AT_A_TIME = 128  # 0.2 MB of 200 ms
CUT_SIGMAS = 3  # the study's kernel: sigma 2 ms, cut at +-6 ms


def smoothing_kernel(sigma_ms: float) -> NDArray[np.float64]:
    """Return the Gaussian of the study on the 1 ms grid: cut at 3 sigma, not renormalised.

    Parameters
    ----------
    sigma_ms : float
        Standard deviation; 0 = no smoothing.

    Returns
    -------
    ndarray, float64 [2 r + 1]
        Values of the density at -r .. r ms, r the whole ms within 3 sigma.
    """
    if sigma_ms == 0:
        return np.ones(1)
    reach = int(np.floor(CUT_SIGMAS * sigma_ms + 1e-9))
    lag = np.arange(-reach, reach + 1)
    return np.exp(-0.5 * (lag / sigma_ms) ** 2) / (sigma_ms * np.sqrt(2 * np.pi))


def rates(
    counts: ArrayLike | Tensor,
    start_ms: int,
    sigma_ms: float,
    window_ms: tuple[int, int],
    device: str | torch.device = "cpu",
) -> Tensor:
    """Return smoothed rates in a window.

    The kernel runs over the whole counts, whose margins hold the spikes around
    the window, and then the window is cut: values at its edges are right.

    Parameters
    ----------
    counts : array_like or tensor, integer [..., ms]
        Spikes in 1 ms bins.
    start_ms : int
        Left edge of the first bin, from image onset.
    sigma_ms : float
        Of the Gaussian; 0 = raw counts.
    window_ms : (int, int)
        First and end ms of the result, from image onset.
    device : str or torch.device
        Where to compute.

    Returns
    -------
    torch.Tensor, float64 [..., ms]
        Spikes/s.

    Raises
    ------
    InputError
        The counts do not reach around the window by the kernel.
    """
    kernel = smoothing_kernel(sigma_ms)
    reach = len(kernel) // 2
    count_tensor = counts if isinstance(counts, Tensor) else torch.from_numpy(np.ascontiguousarray(counts))
    n = count_tensor.shape[-1]
    begin, end = window_ms[0] - start_ms, window_ms[1] - start_ms
    if begin - reach < 0 or end + reach > n or begin >= end:
        raise InputError(
            f"counts reach from {start_ms} to {start_ms + n} ms; rates from {window_ms[0]} to "
            f"{window_ms[1]} ms need {reach} ms more on either side",
            "responses.start_ms, stop_ms",
            "widen the count window, or smooth less",
        )
    # uint16 has few operations in torch: cut first, so that float64 is small.
    wide = count_tensor[..., begin - reach : end + reach].to(device)
    smooth = torch.zeros((*wide.shape[:-1], end - begin), dtype=torch.float64, device=device)
    rows, sums = wide.reshape(-1, wide.shape[-1]), smooth.view(-1, end - begin)
    # A sum over lags has one order of additions on every device and number of threads;
    # some rows at a time stay in the processor's cache.
    for batch, batch_sums in zip(rows.split(ROWS_AT_A_TIME), sums.split(ROWS_AT_A_TIME), strict=True):
        exact_counts = batch.to(torch.float64)
        for lag, weight in enumerate(kernel):
            batch_sums.add_(exact_counts[:, lag : lag + end - begin], alpha=float(weight * 1000))
    return smooth


def windowed(rates: Tensor, start_ms: int, window_ms: tuple[int, int]) -> Tensor:
    """Return the mean rate over a window (docs/methods.md section 2: the windowed response).

    Parameters
    ----------
    rates : torch.Tensor, float64 [..., ms]
        Spikes/s.
    start_ms : int
        Left edge of the first ms of `rates`.
    window_ms : (int, int)
        ``[first, end)``.

    Returns
    -------
    torch.Tensor, float64 [...]

    Raises
    ------
    InputError
        The rates do not cover the window.
    """
    begin, end = window_ms[0] - start_ms, window_ms[1] - start_ms
    if begin < 0 or end > rates.shape[-1] or begin >= end:
        raise InputError(
            f"rates reach from {start_ms} to {start_ms + rates.shape[-1]} ms, "
            f"the window is {window_ms[0]} to {window_ms[1]} ms",
            "analysis.window_ms",
        )
    return rates[..., begin:end].mean(-1)


def binned(rates: Tensor, width_ms: int) -> Tensor:
    """Return mean rates of consecutive windows, float64 ``[..., bin]``.

    Raises
    ------
    InputError
        The width does not tile the rates.
    """
    n = rates.shape[-1]
    if width_ms < 1 or n % width_ms:
        raise InputError(f"bins of {width_ms} ms do not tile {n} ms", "analysis.bins_ms")
    return rates.unflatten(-1, (n // width_ms, width_ms)).mean(-1)
