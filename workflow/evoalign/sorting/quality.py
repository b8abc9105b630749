"""Units and their spikes -> tables: unit numbers, quality metrics and labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d

from evoalign import tables
from evoalign.sorting.recorded import RecordedTime
from evoalign.sorting.result import UnitSpikes, ordered
from evoalign.sorting.settings import Sorting
from evoalign.sorting.tables import SPIKES, UNITS, WAVEFORMS

PRESENCE_BINS = 100  # of the recorded time, as SpikeInterface's presence ratio
CUTOFF_BINS, CUTOFF_SMOOTHING, CUTOFF_MIN_PER_BIN = 100, 3.0, 5  # of `amplitude_cutoff`, as SpikeInterface's
BASELINE_SHARE = 0.1  # of a waveform's samples, from its start: before the spike


def size_uv(mean_uv: np.ndarray) -> float:
    """Return how far, µV, ``mean_uv [sample]`` goes from the mean of its first tenth; NaN when empty."""
    if len(mean_uv) == 0:
        return float("nan")
    baseline = mean_uv[: max(1, round(BASELINE_SHARE * len(mean_uv)))].mean()
    return float(np.abs(mean_uv - baseline).max())


def amplitude_cutoff(amplitudes_uv: np.ndarray) -> float:
    """Estimate the share of a unit's spikes that are smaller than the threshold and so are missing.

    Amplitudes are taken as symmetric: what lies above the amplitude that is as frequent as the smallest
    would lie, mirrored, below it. SpikeInterface's function of the name, but for its histogram, which
    that smooths in whole numbers: each bin loses its fraction, and a thin tail all of itself.

    Parameters
    ----------
    amplitudes_uv : ndarray ``[spike]``
        Sizes of the larger extremes.

    Returns
    -------
    float
        From 0 to 0.5; NaN for fewer than 500 spikes or where all are of one size.
    """
    if len(amplitudes_uv) < CUTOFF_BINS * CUTOFF_MIN_PER_BIN or np.ptp(amplitudes_uv) == 0:
        return float("nan")
    counts = np.histogram(amplitudes_uv, CUTOFF_BINS)[0].astype(np.float64)
    density = gaussian_filter1d(counts, CUTOFF_SMOOTHING, mode="nearest")
    mirror = np.flatnonzero(density >= density[0])[-1]
    n_missing = density[mirror + 1 :].sum()
    return float(min(n_missing / (len(amplitudes_uv) + n_missing), 0.5))


def metrics(
    train: UnitSpikes, noise_uv: float, recorded: RecordedTime, settings: Sorting
) -> dict[str, float]:
    """Return a unit's quality metrics, as SpikeInterface defines them.

    Parameters
    ----------
    train : UnitSpikes
        The unit.
    noise_uv : float
        Noise SD of its electrode; NaN when unknown.
    recorded : RecordedTime
        What was recorded.
    settings : Sorting
        The refractory period.

    Returns
    -------
    dict of str to float
        Columns n_spikes to amplitude_cutoff of `UNITS`. ISI violations
        are Hill et al. 2011's (J. Neurosci. 31:8699) as SpikeInterface has them:
        violations x duration / (2 x spikes^2 x refractory period).
    """
    # Figures take the recorded time from this module: they have no need of SpikeInterface.
    from spikeinterface.metrics.quality.misc_metrics import isi_violations

    times = recorded.without_pauses(train.times_s)
    duration = recorded.duration_s
    violations = (
        isi_violations([times], duration, settings.refractory_ms * 1e-3)[0]
        if len(times) and duration
        else np.nan
    )
    bins = np.histogram(times, bins=PRESENCE_BINS, range=(0, max(duration, 1e-9)))[0]
    amplitude = size_uv(train.mean_uv)
    return {
        "n_spikes": len(train.times_s),
        "rate_hz": len(times) / duration if duration else 0.0,
        "amplitude_uv": amplitude,
        "snr": amplitude / noise_uv if noise_uv > 0 else np.nan,
        "isi_violations_ratio": float(violations),
        "presence_ratio": float(np.mean(bins > 0)),
        "amplitude_cutoff": amplitude_cutoff(train.amplitudes_uv),
    }


def label(kind: str, vendor_unit: int, metrics_of_unit: dict[str, float], settings: Sorting) -> str:
    """Return 'good', 'mua' or 'noise' by the thresholds in config; a metric that is NaN does not count."""
    if metrics_of_unit["snr"] < settings.noise_snr:
        return "noise"
    if kind == "multiunit" or vendor_unit == 0:
        return "mua"
    doubtful = (
        metrics_of_unit["snr"] < settings.good_snr
        or metrics_of_unit["isi_violations_ratio"] > settings.good_isi_violations
        or metrics_of_unit["presence_ratio"] < settings.good_presence
    )
    return "mua" if doubtful else "good"


def describe(
    trains: list[UnitSpikes],
    channels: pd.DataFrame,
    noise_uv: dict[int, float],
    recorded: RecordedTime,
    time_ms: np.ndarray,
    settings: Sorting,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Number the units and make their tables.

    Parameters
    ----------
    trains : list of UnitSpikes
        In any order.
    channels : DataFrame
        `CHANNELS`, for the area.
    noise_uv : dict of int to float
        Noise SD of each channel.
    recorded : RecordedTime
        What was recorded.
    time_ms : ndarray
        Time axis of the mean waveforms.
    settings : Sorting
        Refractory period and label thresholds.

    Returns
    -------
    units, spikes, waveforms : DataFrame
        `UNITS`, `SPIKES`, `WAVEFORMS`.
    """
    area = dict(zip(channels["channel"], channels["area"], strict=True))
    units, spikes, waveforms = [], [], []
    for number, train in enumerate(ordered(trains)):
        unit_metrics = metrics(train, noise_uv.get(train.channel, np.nan), recorded, settings)
        units.append(
            {
                "unit": number,
                "kind": train.kind,
                "channel": train.channel,
                "vendor_unit": train.vendor_unit,
                "area": area.get(train.channel, ""),
                **unit_metrics,
                "label": label(train.kind, train.vendor_unit, unit_metrics, settings),
                "preferred": False,
                "preferred_agreement": np.nan,
                "baseline_hz": np.nan,
                "baseline_drift": np.nan,
                "baseline_p": np.nan,
            }
        )
        spikes.append(pd.DataFrame({"unit": number, "time_s": train.times_s}))
        if len(train.mean_uv):
            waveforms.append(
                pd.DataFrame(
                    {"unit": number, "time_ms": time_ms, "mean_uv": train.mean_uv, "sd_uv": train.sd_uv}
                )
            )
    return (
        _table([pd.DataFrame(units)] if units else [], UNITS),
        _table(spikes, SPIKES),
        _table(waveforms, WAVEFORMS),
    )


def _table(frames: list[pd.DataFrame], contract: object) -> pd.DataFrame:
    if not frames:
        return tables.empty(contract)
    return tables.conform(pd.concat(frames, ignore_index=True), contract)
