"""Stretches that were blanked or are saturated <-> the file's invalid times."""

from __future__ import annotations

import pandas as pd
from pynwb import NWBFile
from pynwb.epoch import TimeIntervals

from evoalign import tables
from evoalign.nwb.columns import Pack, columns, dynamic_table, frame_of
from evoalign.nwb.contents import SessionContents
from evoalign.sorting.tables import ARTEFACTS

NAME = "invalid_times"
_RENAME = {"start_s": "start_time", "stop_s": "stop_time"}


def add_artefacts(nwb: NWBFile, contents: SessionContents, pack: Pack) -> None:
    """Add artefacts as the standard's own table of times that should not be analysed."""
    if len(contents.artefacts):
        interval_columns = columns(contents.artefacts, ARTEFACTS, pack, rename=_RENAME)
        text = "times in which a group of electrodes or one of them cannot be read; column reason tells why"
        nwb.invalid_times = dynamic_table(NAME, text, interval_columns, TimeIntervals)


def read_artefacts(nwb: NWBFile, path: str) -> dict[str, pd.DataFrame]:
    """Return the artefacts of a file written by `add_artefacts`; without rows where it has none."""
    if nwb.invalid_times is None:
        return {"artefacts": tables.empty(ARTEFACTS)}
    location = f"{path}, /intervals/{NAME}"
    return {"artefacts": frame_of(nwb.invalid_times, ARTEFACTS, location, rename=_RENAME)}
