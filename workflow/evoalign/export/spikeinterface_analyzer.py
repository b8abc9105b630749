"""A session as a SortingAnalyzer of SpikeInterface."""

from __future__ import annotations

import json
from os import PathLike

import spikeinterface as si

from evoalign.errors import InputError
from evoalign.nwb.contents import SessionContents
from evoalign.recordings.recording import Recording
from evoalign.sorting.export import TABLES, write_analyzer
from evoalign.sorting.settings import Sorting


def to_spikeinterface(
    contents: SessionContents, recording: Recording, folder: str | PathLike[str], seed: int = 0
) -> si.SortingAnalyzer:
    """Write a session's sorted units as a SortingAnalyzer over its voltages, and open it.

    The steps of preprocessing are those of the settings that the NWB file holds.

    Parameters
    ----------
    contents : SessionContents
        Read from NWB.
    recording : Recording
        Its raw files, as `evoalign.nwb.linked.open_linked` opens them.
    folder : path
        A binary folder of SpikeInterface; it appears whole or not at all.
    seed : int
        Of the spikes whose waveforms are kept.

    Returns
    -------
    spikeinterface.SortingAnalyzer

    Raises
    ------
    InputError
        The session has no sorted units, or the recording no voltages.
    """
    tables_of = {name: getattr(contents, name) for name in TABLES}
    write_analyzer(recording, tables_of, _settings(contents), seed, folder)
    return si.load_sorting_analyzer(folder)


def _settings(contents: SessionContents) -> Sorting:
    """Return the settings of sorting that the session was made with."""
    stored = {
        key.removeprefix("sorting."): json.loads(value)
        for key, value in contents.settings.items()
        if key.startswith("sorting.")
    }
    still_settings = {key: value for key, value in stored.items() if key in Sorting.model_fields}
    try:
        return Sorting.model_validate(still_settings)
    except ValueError as error:
        raise InputError(f"its settings of sorting cannot be used: {error}", contents.session) from error
