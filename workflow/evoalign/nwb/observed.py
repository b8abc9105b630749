"""Times in which a file of another lab holds nothing: invalid intervals, and units that were not observed."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hdmf.common import VectorData, VectorIndex
from numpy.typing import NDArray
from pynwb import NWBFile
from pynwb.misc import Units

from evoalign.errors import InputError
from evoalign.nwb.columns import column_values
from evoalign.nwb.names import HINT
from evoalign.sorting.recorded import complement, joined

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

INVALID = "in an invalid time of the file"
MARKED = "marked as not valid in the file"
NOT_OBSERVED = "no unit was observed (obs_intervals)"


def observation(units: Units, location: str) -> list[Floats] | None:
    """Return the intervals ``[interval, 2]`` in which each unit was observed, s; None when not told.

    Raises
    ------
    InputError
        The column `obs_intervals` is damaged.
    """
    if "obs_intervals" not in units.colnames:
        return None
    try:
        column = units["obs_intervals"]
        if not isinstance(column, VectorIndex):
            raise ValueError("it has no index")
        spans = np.asarray(column.target.data[:], np.float64).reshape(-1, 2)
        ends = np.asarray(column.data[:], np.int64).ravel()
        if len(ends) != len(units.id) or (np.diff(ends, prepend=0) < 0).any() or ends[-1] != len(spans):
            raise ValueError("the index does not fit the intervals")
        return [joined(unit_spans) for unit_spans in np.split(spans, ends[:-1])]
    except Exception as error:  # HDF5 raises almost anything on damaged bytes
        problem = f"the times of observation cannot be read: {error}"
        raise InputError(problem, f"{location}/obs_intervals", HINT) from error


def unobserved(units: pd.DataFrame, observed: list[Floats] | None) -> dict[int, Floats]:
    """Return when each unit was not observed: unit -> intervals ``[interval, 2]``, s."""
    if observed is None:
        return {}
    return {int(unit): complement(spans) for unit, spans in zip(units["unit"], observed, strict=True)}


def observed_columns(units: pd.DataFrame, unobserved_of: dict[int, Floats]) -> list[VectorData | VectorIndex]:
    """Return the column `obs_intervals` and its index; none where nothing tells of observation.

    Parameters
    ----------
    units : pandas.DataFrame
        `UNITS`.
    unobserved_of : dict of int to ndarray
        Of `unobserved`.
    """
    if not unobserved_of:
        return []
    spans = [complement(unobserved_of.get(int(unit), np.empty((0, 2)))) for unit in units["unit"]]
    spans = [of_unit[of_unit[:, 1] > of_unit[:, 0]] for of_unit in spans]
    intervals = VectorData(
        name="obs_intervals",
        description="times in which the unit was observed, s",
        data=np.concatenate(spans) if spans else np.empty((0, 2)),
    )
    ends = np.cumsum([len(of_unit) for of_unit in spans]).astype(np.uint64)
    return [intervals, VectorIndex(name="obs_intervals_index", data=ends, target=intervals)]


def observed_alone(
    nwb: NWBFile,
    path: str,
    presentations: pd.DataFrame,
    observed: list[Floats] | None,
) -> pd.DataFrame:
    """Mark presentations that the file does not hold as not valid, with the reason.

    Parameters
    ----------
    nwb : NWBFile
    path : str
        The file, for errors.
    presentations : pandas.DataFrame
        `PRESENTATIONS`.
    observed : list of ndarray, optional
        Of `observation`.
    """
    onset_s = presentations["onset_s"].to_numpy(np.float64)
    offset_s = np.fmax(presentations["offset_s"].to_numpy(np.float64), onset_s)
    reason = presentations["reason"].to_numpy(object).copy()
    for start, stop, tag in _invalid(nwb, path):
        hit = (onset_s < stop) & (offset_s > start)
        reason[hit & (reason == "")] = f"{INVALID}: {tag}" if tag else INVALID
    if observed is not None:
        is_observed = np.array([_inside(spans, onset_s, offset_s) for spans in observed])
        reason[~is_observed.any(axis=0) & (reason == "")] = NOT_OBSERVED
    newly = (reason != "") & (presentations["reason"].to_numpy(object) == "")
    # What the file itself calls not valid stays so, also where it gives no reason.
    valid = presentations["valid"].to_numpy(bool) & ~newly
    reason[~valid & (reason == "")] = MARKED
    return presentations.assign(reason=reason, valid=valid)


def _inside(spans: Floats, onset_s: Floats, offset_s: Floats) -> Flags:
    at = np.searchsorted(spans[:, 0], onset_s, side="right") - 1
    place = np.maximum(at, 0)
    return (at >= 0) & (offset_s <= spans[place, 1]) if len(spans) else np.zeros(len(onset_s), bool)


def _invalid(nwb: NWBFile, path: str) -> list[tuple[float, float, str]]:
    table = nwb.invalid_times
    if table is None or not len(table.id):
        return []
    location = f"{path}, /intervals/invalid_times"
    start, stop = (
        np.asarray(column_values(table, name, location), np.float64).ravel()
        for name in ("start_time", "stop_time")
    )
    named = [name for name in ("tags", "reason", "description") if name in table.colnames]
    tags = column_values(table, named[0], location) if named else [""] * len(start)
    return list(zip(start.tolist(), stop.tolist(), [str(tag) for tag in tags], strict=True))
