"""Electrodes that cannot be sorted, each with its reason."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy import fft

from evoalign import tables
from evoalign.compiling import compiled
from evoalign.errors import InputError
from evoalign.sorting.medians import median_of_sizes
from evoalign.sorting.parallel import run
from evoalign.sorting.tables import BAD_CHANNELS
from evoalign.sorting.traces import Chunk, Traces

N_STRETCHES = 20  # seconds looked at, spread over the recording
FLAT_SHARE = 0.95  # of successive samples that are equal
HUM_HZ = (50.0, 60.0)
HUM_HARMONICS = 20  # of the mains: beyond 1 kHz there is little of it
HUM_RAW = 4  # of the stretches, one in so many tells of hum that is filtered off
ROWS = 64  # samples of which numpy takes the extremes together
MAD_TO_SD = 1.4826
QUIET = 4.0  # noise SDs, at which voltages are cut off before they are compared with another channel's
STEPS = ("noise_uv", "raw_sd_uv", "filtered_sd_uv", "referenced_sd_uv", "blanked_sd_uv")
LINE_NOISE = "line noise"
PASS = "noise"  # name of the passes over these seconds

log = logging.getLogger(__name__)


def noise_level(stretches: list[np.ndarray], n_jobs: int = 1) -> np.ndarray:
    """Return the noise SD of each channel, µV ``[channel]``: 1.4826 times the median of absolute values.

    Parameters
    ----------
    stretches : list of ndarray
        Filtered voltages ``[channel, sample]`` of stretches, µV.
    n_jobs : int
        Threads.
    """
    return MAD_TO_SD * _of_rows(median_of_sizes, stretches, n_jobs)


def find_bad_channels(traces: Traces, n_jobs: int = 1) -> pd.DataFrame:
    """Name the electrodes that cannot be sorted, and leave them out of the reference.

    Looked at are up to 20 seconds spread over the recording. In this order:
    'flat' (the values hardly change), 'saturated' (a share of samples at the
    channel's own two extremes), 'line noise' (a share of the power within 1 Hz
    of 50 or 60 Hz and their harmonics, in the voltages that are sorted: what
    the band-pass and the reference take off does no harm), 'disconnected' and
    'noise' (filtered noise far below or above the array's median), 'duplicate'
    (the same voltages as a channel before, noise and all). The shares and ratios are config
    keys. What each step of preprocessing does to each channel is kept beside.

    Parameters
    ----------
    traces : Traces
        The recording; its `leave_out` is called with what was found.
    n_jobs : int
        Threads.

    Returns
    -------
    DataFrame
        `BAD_CHANNELS`, one row a channel in the recording's order.

    Raises
    ------
    InputError
        Line noise would leave out all electrodes that share a reference; or the noise of
        the median electrode is none that an electrode can have: the gain is wrong.
    """
    settings = traces.settings
    stretches = traces.samples(N_STRETCHES)
    n = len(traces.channel_ids)
    reason = np.full(n, "", dtype=object)
    if not stretches:
        return _table(traces, np.full(n, "flat", dtype=object), {})
    raw = list(run(traces.raw, (), stretches, n_jobs, PASS))
    equal_share = list(run(_equal_share, (), raw, n_jobs, PASS))
    _mark(reason, np.median(equal_share, axis=0) > FLAT_SHARE, "flat")
    _mark(reason, _extreme_share(raw, n_jobs) > settings.bad_saturated, "saturated")
    traces.leave_out(reason != "")
    sd_of_step = {"raw_sd_uv": _sd([block.T for block in raw], n_jobs) * np.abs(traces.gain_uv)}
    voltages = list(run(_band_passed, (traces,), stretches, n_jobs, PASS))
    sd_of_step["filtered_sd_uv"] = _sd(voltages, n_jobs)
    # The reference would lend an open input the noise of the others.
    unreferenced_noise = noise_level(voltages, n_jobs)
    list(run(traces.reference, (), voltages, n_jobs, PASS))
    _mark_line_noise(reason, raw, voltages, traces, n_jobs)
    sd_of_step["referenced_sd_uv"] = sd_of_step["blanked_sd_uv"] = _sd(voltages, n_jobs)
    if traces.blanked:
        for voltage, stretch in zip(voltages, stretches, strict=True):
            traces.silence(voltage, stretch)
        sd_of_step["blanked_sd_uv"] = _sd(voltages, n_jobs)
    noise = sd_of_step["noise_uv"] = noise_level(voltages, n_jobs)
    typical_noise = np.median(noise[reason == ""]) if np.any(reason == "") else np.nan
    _check_gain(float(typical_noise), settings.noise_range_uv)
    _mark(
        reason,
        np.minimum(noise, unreferenced_noise) * settings.bad_noise_ratio < typical_noise,
        "disconnected",
    )
    _mark(reason, noise > settings.bad_noise_ratio * typical_noise, "noise")
    # What hits all electrodes alike, as stimulation, would make them repeat one another.
    list(run(_clip, (QUIET * noise,), voltages, n_jobs, PASS))
    _mark(
        reason, _duplicates(correlation(voltages, n_jobs), reason == "", settings.bad_duplicate), "duplicate"
    )
    if not settings.leave_out_bad:
        reason[reason != "flat"] = ""
    traces.leave_out(reason != "")
    return _table(traces, reason, sd_of_step)


def _check_gain(noise_uv: float, range_uv: tuple[float, float]) -> None:
    """Refuse noise, µV, that no electrode has; NaN, of no electrode at all, passes."""
    if noise_uv < range_uv[0] or noise_uv > range_uv[1]:
        raise InputError(
            f"the noise of the median electrode is {noise_uv:.3g} µV in the band that is sorted, and not "
            f"between {range_uv[0]:g} and {range_uv[1]:g}",
            "gain of the recording's neural channels",
            "give a file whose header has the right gain (µV for mV is a factor of 1,000); where the noise "
            "is right, widen sorting.noise_range_uv",
        )


def _table(traces: Traces, reason: np.ndarray, sd_of_step: dict[str, np.ndarray]) -> pd.DataFrame:
    frame = pd.DataFrame({"channel": traces.channel_ids, "reason": reason.astype(str)})
    for name in STEPS:
        frame[name] = sd_of_step[name].astype(float) if name in sd_of_step else np.nan
    return tables.conform(frame.assign(blanked_share=0.0), BAD_CHANNELS)


def _band_passed(traces: Traces, stretch: Chunk) -> np.ndarray:
    return traces.filtered(stretch, referenced=False)


def _of_rows(function: Callable[[np.ndarray], float], stretches: list[np.ndarray], n_jobs: int) -> np.ndarray:
    """Return the function of each channel's samples of all stretches ``[channel, sample]``."""
    return np.array(list(run(_of_row, (function, stretches), range(len(stretches[0])), n_jobs, PASS)))


def _of_row(function: Callable[[np.ndarray], float], stretches: list[np.ndarray], row: int) -> float:
    # One channel at a time, for a copy of all takes much memory.
    return function(np.concatenate([stretch[row] for stretch in stretches]))


def _sd(stretches: list[np.ndarray], n_jobs: int) -> np.ndarray:
    """SD of each channel over stretches ``[channel, sample]``."""
    return _of_rows(_sd_of, stretches, n_jobs)


@compiled(fastmath={"reassoc", "contract"})
def _sd_of(values):  # type: ignore[no-untyped-def]
    total = squares = 0.0
    for i in range(len(values)):
        total += values[i]
    mean = total / len(values)
    for i in range(len(values)):
        squares += (values[i] - mean) ** 2
    return np.sqrt(squares / len(values))


def _mark(reason: np.ndarray, mask: np.ndarray, name: str) -> None:
    reason[mask & (reason == "")] = name


def _equal_share(block: np.ndarray) -> np.ndarray:
    return np.mean(np.diff(block, axis=0) == 0, axis=0) if len(block) > 1 else np.ones(block.shape[1])


def _clip(limit: np.ndarray, voltages: np.ndarray) -> None:
    np.clip(voltages, -limit[:, None], limit[:, None], out=voltages)


def _extreme_share(blocks: list[np.ndarray], n_jobs: int) -> np.ndarray:
    """Share of samples at the largest or smallest value that the channel ever takes."""
    extremes = list(run(extremes_of, (), blocks, n_jobs, PASS))
    low = np.min([lows for lows, _ in extremes], axis=0)
    high = np.max([highs for _, highs in extremes], axis=0)
    count = sum(run(_count_extremes, (low, high), blocks, n_jobs, PASS))
    return np.where(high > low, count / sum(map(len, blocks)), 0.0)


def _count_extremes(low: np.ndarray, high: np.ndarray, block: np.ndarray) -> np.ndarray:
    return np.sum((block == low) | (block == high), axis=0)


def extremes_of(block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the smallest and the largest value of each channel of ``block [sample, channel]``, C-contiguous.

    numpy goes row by row, and a row of a few channels is too short: so many samples make one.
    """
    n_whole, n_channels = len(block) // ROWS * ROWS, block.shape[1]
    together = block[:n_whole].reshape(-1, ROWS * n_channels)
    low, high = (
        extreme.reduce(together, axis=0).reshape(ROWS, n_channels) if n_whole else block[:0]
        for extreme in (np.minimum, np.maximum)
    )
    rest = block[n_whole:]
    return np.concatenate([low, rest]).min(axis=0), np.concatenate([high, rest]).max(axis=0)


def _mark_line_noise(
    reason: np.ndarray, raw: list[np.ndarray], voltages: list[np.ndarray], traces: Traces, n_jobs: int
) -> None:
    """Mark channels by the hum in their band-passed, referenced ``voltages [channel, sample]``.

    Hum that stands in the ``raw [sample, channel]`` values alone is told in the log.
    """
    limit, rate_hz = traces.settings.bad_line_noise, traces.rate_hz
    _mark(reason, _hum_share([block.T for block in voltages], rate_hz, n_jobs) > limit, LINE_NOISE)
    is_filtered_off = (_hum_share(raw[::HUM_RAW], rate_hz, n_jobs) > limit) & (reason == "")
    if is_filtered_off.any():
        log.warning(
            "Mains hum takes over %.0f %% of the raw power of %d electrodes; little of it is in the band "
            "that is sorted, so they are kept.",
            100 * limit,
            is_filtered_off.sum(),
        )
    if not traces.settings.leave_out_bad:
        return
    for name, rows in traces.artefact_groups.items():
        sound = rows[np.isin(reason[rows], ["", LINE_NOISE])]
        if len(sound) and np.all(reason[sound] == LINE_NOISE):
            group = f"{traces.settings.reference} '{name}'" if name else "the recording"
            raise InputError(
                f"line noise would leave out all {len(sound)} electrodes of {group}: more than {limit:.0%} "
                f"of the power between {traces.settings.highpass_hz:g} and {traces.settings.lowpass_hz:g} Hz "
                "lies at 50 or 60 Hz and harmonics",
                "sorting.bad_line_noise",
                "raise it to sort them with the hum, raise sorting.highpass_hz, or exclude the session",
            )


def _hum_share(blocks: list[np.ndarray], rate_hz: float, n_jobs: int) -> np.ndarray:
    """Share of the power of ``blocks [sample, channel]`` at a mains frequency and its harmonics.

    The median over blocks, of the frequency that has more of it.
    """
    shares = list(run(_hum_of_block, (rate_hz,), blocks, n_jobs, PASS))
    return np.max(np.median(shares, axis=0), axis=0)


def _hum_of_block(rate_hz: float, block: np.ndarray) -> list[np.ndarray]:
    """Share of the power of each channel for each frequency of the mains ``[frequency][channel]``."""
    centred = np.ascontiguousarray(block.T, np.float32)
    centred = centred - centred.mean(axis=1, keepdims=True)
    centred *= np.hanning(len(block) + 1)[:-1].astype(np.float32)
    spectrum = fft.rfft(centred, axis=1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    of_mains = power @ _is_hum(len(block), rate_hz).T
    total = power.sum(axis=1)
    return list((of_mains / np.where(total > 0, total, 1.0)[:, None]).T)


@lru_cache(maxsize=4)
def _is_hum(n_samples: int, rate_hz: float) -> np.ndarray:
    """Mark frequencies of a spectrum near those of the mains by 1, float32 ``[mains, frequency]``."""
    frequency, near_hz = fft.rfftfreq(n_samples, 1 / rate_hz), max(1.0, 1.5 * rate_hz / n_samples)
    harmonics = np.array(HUM_HZ)[:, None, None] * np.arange(1, HUM_HARMONICS + 1)
    return (np.abs(frequency[:, None] - harmonics).min(axis=2) <= near_hz).astype(np.float32)


def _duplicates(correlations: np.ndarray, good: np.ndarray, limit: float) -> np.ndarray:
    """Mark good channels whose voltages follow those of a good channel before them."""
    is_repeat = np.zeros(len(good), dtype=bool)
    rows = np.flatnonzero(good)
    if len(rows) < 2:
        return is_repeat
    correlated = np.triu(correlations[np.ix_(rows, rows)] > limit, k=1)
    for column in range(len(rows)):
        is_repeat[rows[column]] = any(
            correlated[row, column] and not is_repeat[rows[row]] for row in range(column)
        )
    return is_repeat


def correlation(stretches: list[np.ndarray], n_jobs: int = 1) -> np.ndarray:
    """Return the correlation of channels over stretches.

    Parameters
    ----------
    stretches : list of ndarray ``[channel, sample]``
        Filtered voltages.
    n_jobs : int
        Threads.

    Returns
    -------
    ndarray, float64 ``[channel, channel]``
        NaN with a flat channel.
    """
    n, sums, products = 0, np.zeros(len(stretches[0])), np.zeros((len(stretches[0]),) * 2)
    # Added in the order of the stretches, so that the last bits do not depend on the threads.
    for n_samples, total, product in run(_moments, (), stretches, n_jobs, PASS):
        n += n_samples
        sums += total
        products += product
    covariance = products / n - np.outer(sums, sums) / n**2
    sd = np.sqrt(np.clip(np.diag(covariance), 0, None))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(covariance / np.outer(sd, sd))


def _moments(stretch: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
    """Samples, sum and products of channels of a stretch ``[channel, sample]``."""
    voltages = stretch.astype(np.float64)
    return voltages.shape[1], voltages.sum(axis=1), voltages @ voltages.T
