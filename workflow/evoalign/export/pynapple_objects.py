"""A session as objects of pynapple."""

from __future__ import annotations

from typing import Any

import numpy as np
import pynapple as nap

from evoalign.errors import InputError
from evoalign.export.observed import observed_intervals
from evoalign.nwb.contents import SessionContents

OF_UNIT = ("kind", "channel", "area", "label", "preferred", "snr")
OF_PRESENTATION = (
    "image",
    "block",
    "thread",
    "space",
    "trial",
    "latent_row",
    "reference",
    "valid",
    "offset_s",
)
# pynapple 0.11.4 joins intervals of which one ends after the next begins, and drops the metadata of all.
APART_S = 1e-6


def to_pynapple(contents: SessionContents) -> dict[str, Any]:
    """Return a session as objects of pynapple.

    Parameters
    ----------
    contents : SessionContents
        Read from NWB.

    Returns
    -------
    dict
        ``units``: TsGroup by unit number, with kind, channel, area, label, snr
        and preferred (0 or 1) as metadata, on the time that was recorded, so
        that its rates are by observed time; ``observed``: IntervalSet of the
        recorded stretches; ``presentations``: IntervalSet of the valid
        presentations with an offset, with image, block, thread, space and so on as metadata,
        ``offset_s`` among them: where the next image comes before the offset, the interval
        ends one microsecond before it, for pynapple joins intervals that overlap;
        ``words``: Tsd of event words by source.

    Raises
    ------
    InputError
        Nothing was recorded, or two valid presentations have one onset.
    """
    intervals = observed_intervals(contents)
    if not (intervals[:, 1] > intervals[:, 0]).any():
        raise InputError("nothing was recorded in the session", contents.session)
    observed = nap.IntervalSet(intervals[:, 0], intervals[:, 1])
    return {
        "units": _units(contents, observed),
        "observed": observed,
        "presentations": _presentations(contents),
        "words": {
            str(source): nap.Tsd(t=of_source["time_s"].to_numpy(), d=of_source["word"].to_numpy())
            for source, of_source in contents.words.groupby("source")
        },
    }


def _units(contents: SessionContents, observed: nap.IntervalSet) -> nap.TsGroup:
    rows_of = contents.spikes.groupby("unit").indices
    times = contents.spikes["time_s"].to_numpy(np.float64)
    trains = {
        int(unit): nap.Ts(np.sort(times[rows_of[unit]]) if unit in rows_of else times[:0])
        for unit in contents.units["unit"]
    }
    # Booleans get lost in files of pynapple 0.11.4: 0 and 1 do not.
    metadata = contents.units.set_index("unit")[list(OF_UNIT)].astype({"preferred": int})
    return nap.TsGroup(trains, time_support=observed, metadata=metadata)


def _presentations(contents: SessionContents) -> nap.IntervalSet:
    presentations = contents.presentations
    presentations = presentations[
        presentations["valid"] & presentations["offset_s"].notna() & presentations["onset_s"].notna()
    ].sort_values("onset_s")
    metadata = (
        presentations[list(OF_PRESENTATION)].astype({"reference": int, "valid": int}).reset_index(drop=True)
    )
    onset_s, offset_s = presentations["onset_s"].to_numpy(), presentations["offset_s"].to_numpy()
    at_once = np.flatnonzero(np.diff(onset_s) < 2 * APART_S)
    if at_once.size:
        raise InputError(
            "two presentations begin at the same time, which pynapple cannot hold",
            f"session {contents.session}, at {onset_s[at_once[0]]:.6f} s",
            "mark one of them invalid",
        )
    end_s = np.minimum(offset_s, np.append(onset_s[1:] - APART_S, np.inf))
    return nap.IntervalSet(onset_s, end_s, metadata=metadata)
