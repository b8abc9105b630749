"""A photodiode's trace, made when it is read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evoalign.recordings.stream import Stream

Floats = NDArray[np.float64]

NOISE_BLOCK = 4096  # samples that share a seed, so that the noise does not depend on how a trace is cut


def photodiode_stream(
    on_s: Floats,
    off_s: Floats,
    duration_s: float,
    sampling_rate_hz: float = 30_000.0,
    *,
    channel: int = 129,
    dark: float = 800.0,
    light: float = 12_000.0,
    noise: float = 60.0,
    rise_s: float = 1e-3,
    seed: int = 0,
) -> Stream:
    """Return the photodiode's trace as a stream that is made when it is read.

    Parameters
    ----------
    on_s, off_s : ndarray
        Starts of the changes to light and to dark, s ``[flash]``; each change
        takes `rise_s`.
    duration_s, sampling_rate_hz : float
        Length and rate.
    channel : int
        Number of the channel.
    dark, light, noise : float
        Levels and noise, counts.
    seed : int
        Of the noise, which is the same however the trace is cut.
    """
    corners = np.stack([on_s, on_s + rise_s, off_s, off_s + rise_s], axis=1).ravel()
    levels = np.tile([dark, light, light, dark], len(on_s))
    n_samples = round(duration_s * sampling_rate_hz)

    def read(_: int, start: int, stop: int, columns: Sequence[int]) -> NDArray[np.int16]:
        time = np.arange(start, stop) / sampling_rate_hz
        block = NOISE_BLOCK
        first, last = start // block, -(-stop // block)
        white = [np.random.default_rng([seed, b]).standard_normal(block) for b in range(first, last)]
        white_noise = np.concatenate([*white, np.empty(0)])[start - first * block : stop - first * block]
        level = (
            np.interp(time, corners, levels, left=dark, right=dark)
            if len(corners)
            else np.full(len(time), dark)
        )
        return np.rint(level + noise * white_noise).astype(np.int16)[:, None][:, list(columns)]

    return Stream(
        name="analog",
        sampling_rate_hz=sampling_rate_hz,
        channels=(channel,),
        gain_uv=np.ones(1),
        offset_uv=np.zeros(1),
        segments=((0.0, n_samples),),
        reader=read,
    )
