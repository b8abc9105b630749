"""A session as objects of pynapple."""

from __future__ import annotations

from typing import Any

import numpy as np
import pynapple as nap

from evoalign.errors import InputError
from evoalign.export.observed import observed_intervals
from evoalign.nwb.contents import SessionContents

OF_UNIT = ("kind", "channel", "area", "label", "preferred", "snr")
OF_PRESENTATION = ("image", "block", "thread", "space", "trial", "latent_row", "reference", "valid")


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
        presentations with an offset, with image, block, thread, space and so on as metadata;
        ``words``: Tsd of event words by source.

    Raises
    ------
    InputError
        Nothing was recorded.
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
    return nap.IntervalSet(
        presentations["onset_s"].to_numpy(), presentations["offset_s"].to_numpy(), metadata=metadata
    )
