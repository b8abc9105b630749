"""Units, their spikes and waveforms <-> the units table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hdmf.common import DynamicTableRegion, VectorData, VectorIndex
from numpy.typing import NDArray
from pynwb import NWBFile
from pynwb.misc import Units

from evoalign import tables
from evoalign.errors import InputError
from evoalign.nwb.columns import Pack, column_values, columns, frame_of, vector
from evoalign.nwb.contents import SessionContents
from evoalign.nwb.names import HINT
from evoalign.nwb.observed import observation, observed_columns, unobserved
from evoalign.sorting.tables import SPIKES, UNITS, WAVEFORMS

_TABLES = tables.by_name(UNITS, SPIKES, WAVEFORMS)


UV_PER_V = 1e6
DEFAULT_RATE_HZ = 30_000.0  # of spike times where no channel has a sampling rate
PLACE = "/units"


def add_units(nwb: NWBFile, contents: SessionContents, pack: Pack) -> None:
    """Add the units with spike times, electrodes, waveforms, quality and label."""
    units = contents.units
    if units.empty:
        return
    spikes = contents.spikes
    ends = np.cumsum(spikes.groupby("unit").size().reindex(units["unit"], fill_value=0).to_numpy())
    times = VectorData(
        name="spike_times",
        description="times on the recording's clock, s",
        data=pack(spikes["time_s"].to_numpy(np.float64)),
    )
    nwb_columns: list[Any] = [
        times,
        VectorIndex(name="spike_times_index", data=ends.astype(np.uint64), target=times),
        *_electrodes(nwb, units),
        *columns(units, UNITS, pack, leave_out=("unit",)),
        *observed_columns(units, contents.unobserved),
    ]
    waveforms, waveform_fields = _waveforms(contents, pack)
    nwb_columns += waveforms
    names = [c.name for c in nwb_columns if not isinstance(c, VectorIndex)]
    nwb.units = Units(
        name="units",
        description="sorted units, each electrode's multi-unit, and units sorted online; see column kind",
        columns=nwb_columns,
        colnames=names,
        id=units["unit"].to_numpy(),
        resolution=1 / _clock_hz(contents),
        **waveform_fields,
    )


def _clock_hz(contents: SessionContents) -> float:
    channels = contents.channels
    rates = channels.loc[channels["kind"] == "neural", "sampling_rate_hz"]
    fastest = float(rates.max()) if len(rates) else np.nan
    return fastest if np.isfinite(fastest) and fastest > 0 else DEFAULT_RATE_HZ


def _electrodes(nwb: NWBFile, units: pd.DataFrame) -> list[Any]:
    row_of = {int(channel): row for row, channel in enumerate(nwb.electrodes.id[:])}
    rows = DynamicTableRegion(
        name="electrodes",
        description="electrode that recorded the unit",
        data=[row_of[channel] for channel in units["channel"]],
        table=nwb.electrodes,
    )
    ends = np.arange(1, len(units) + 1, dtype=np.uint64)
    return [rows, VectorIndex(name="electrodes_index", data=ends, target=rows)]


def _waveforms(contents: SessionContents, pack: Pack) -> tuple[list[VectorData], dict[str, float]]:
    """Mean and SD in volts, ``[unit, sample]``; NaN for units without, or with fewer samples."""
    shapes = contents.waveforms
    if shapes.empty:
        return [], {}
    groups = shapes.groupby("unit").indices
    longest = max(len(rows) for rows in groups.values())
    stacked = np.full((3, len(contents.units), longest), np.nan)
    values = shapes[["mean_uv", "sd_uv", "time_ms"]].to_numpy(np.float64)
    for row, unit in enumerate(contents.units["unit"]):
        of_unit = values[groups[unit]] if unit in groups else values[:0]
        stacked[:, row, : len(of_unit)] = of_unit.T
    mean, sd, time_ms = stacked
    nwb_columns = [
        VectorData(name="waveform_mean", description="mean over spikes, V", data=pack(mean / UV_PER_V)),
        VectorData(name="waveform_sd", description="SD over spikes, V", data=pack(sd / UV_PER_V)),
        VectorData(name="waveform_time_ms", description="time from the trough, ms", data=pack(time_ms)),
    ]
    first = shapes.loc[shapes["unit"] == shapes["unit"].iloc[0], "time_ms"].to_numpy()
    waveform_fields = {"waveform_time_before_peak_in_ms": float(-first[0])}
    if len(first) > 1:
        waveform_fields["waveform_rate"] = float(np.round(1000 / np.median(np.diff(first)), 6))
    return nwb_columns, waveform_fields


def read_units(nwb: NWBFile, path: str) -> dict[str, Any]:
    """Return units, spikes, waveforms and when units were not observed; empty where the file has no units.

    Raises
    ------
    InputError
        The units have no spike times, or a column is missing or damaged.
    """
    if nwb.units is None or not len(nwb.units.id):
        return {name: tables.empty(contract) for name, contract in _TABLES.items()}
    location = f"{path}, {PLACE}"
    numbers = np.asarray(nwb.units.id[:], np.int64)
    units = frame_of(nwb.units, UNITS, location, known_columns={"unit": numbers})
    return {
        "units": units,
        "spikes": read_spikes(nwb.units, numbers, location),
        "waveforms": _read_waveforms(nwb.units, numbers, location),
        "unobserved": unobserved(units, observation(nwb.units, location)),
    }


def read_spikes(units: Units, numbers: NDArray[np.int64], location: str) -> pd.DataFrame:
    """Return `SPIKES` of a units table, of this pipeline or another.

    Parameters
    ----------
    units : pynwb.misc.Units
    numbers : ndarray, int64 ``[unit]``
        Unit numbers, by row of `units`.
    where : str
        File and path of the table in it, for errors.

    Raises
    ------
    InputError
        Spike times are missing, damaged or do not fit their index.
    """
    if "spike_times" not in units.colnames:
        raise InputError("the units have no spike times", f"{location}/spike_times", HINT)
    index = units["spike_times"]
    try:
        ends = vector(index.data[:]).astype(np.int64)
        times = vector(index.target.data[:]).astype(np.float64)
    except Exception as error:  # HDF5 raises almost anything on damaged bytes
        raise InputError(f"spike times cannot be read: {error}", f"{location}/spike_times", HINT) from error
    counts = np.diff(ends, prepend=0)
    if len(ends) != len(numbers) or (counts < 0).any() or (len(ends) and ends[-1] != len(times)):
        raise InputError("the index does not fit the spike times", f"{location}/spike_times_index", HINT)
    frame = pd.DataFrame({"unit": np.repeat(numbers, counts), "time_s": times})
    return tables.conform(frame, SPIKES)


def _read_waveforms(units: Units, numbers: NDArray[np.int64], location: str) -> pd.DataFrame:
    names = ("waveform_time_ms", "waveform_mean", "waveform_sd")
    if not set(names) <= set(units.colnames):
        return tables.empty(WAVEFORMS)
    time_ms, mean, sd = (np.asarray(column_values(units, name, location), np.float64) for name in names)
    if not time_ms.shape == mean.shape == sd.shape or time_ms.ndim != 2:
        raise InputError(
            "mean, SD and times of the waveforms differ in shape", f"{location}/waveform_mean", HINT
        )
    is_finite = np.isfinite(time_ms)
    rows = np.nonzero(is_finite)[0]
    # Tables hold float32's digits (see `check_contents`), so the way back from volts is exact.
    in_uv = [(volts[is_finite] * UV_PER_V).astype(np.float32).astype(np.float64) for volts in (mean, sd)]
    frame = pd.DataFrame(
        {"unit": numbers[rows], "time_ms": time_ms[is_finite], "mean_uv": in_uv[0], "sd_uv": in_uv[1]}
    )
    return tables.conform(frame, WAVEFORMS)
