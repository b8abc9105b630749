"""A session's recording -> its sorted tables."""

from __future__ import annotations

import pandas as pd

from evoalign.formats.spikeinterface_recording import stream_recording
from evoalign.recordings.recording import Recording
from evoalign.sheet import Session
from evoalign.sorting.curation import curate
from evoalign.sorting.preferred import choose_preferred
from evoalign.sorting.recorded import RecordedTime
from evoalign.sorting.result import SortingResult
from evoalign.sorting.settings import Sorting
from evoalign.sorting.sort import sort, sort_online_only

BROADBAND = "broadband"


def sort_recording(
    recording: Recording,
    channels: pd.DataFrame,
    online_spikes: pd.DataFrame,
    session: Session,
    settings: Sorting,
    seed: int,
    n_jobs: int = 1,
) -> SortingResult:
    """Sort a session: its broadband voltages, or else what the rig sorted online.

    Parameters
    ----------
    recording : Recording
        The opened raw files.
    channels : DataFrame
        `CHANNELS`, with the array map applied.
    online_spikes : DataFrame
        `ONLINE_SPIKES`.
    session : Session
        Its row of the sample sheet; names the preferred unit.
    settings : Sorting
        The config's section.
    seed : int
        Of sorters that draw at random.
    n_jobs : int
        Threads.

    Returns
    -------
    SortingResult
        With the preferred units marked, when the sheet names one.
    """
    if BROADBAND in recording.streams:
        voltages = stream_recording(recording.streams[BROADBAND])
        result = sort(voltages, channels, settings, seed, online_spikes, n_jobs)
    else:
        recorded = RecordedTime.of_segments(
            recording.segments, recording.words["time_s"], online_spikes["time_s"]
        )
        result = sort_online_only(online_spikes, channels, settings, recorded)
    return _with_preferred(result, online_spikes, session, settings)


def curate_session(
    automatic: SortingResult,
    channels: pd.DataFrame,
    segments: pd.DataFrame,
    online_spikes: pd.DataFrame,
    session: Session,
    settings: Sorting,
) -> SortingResult:
    """Apply the curation that a session's row names, and choose the preferred units anew.

    Parameters
    ----------
    automatic : SortingResult
        From `sort_recording`.
    channels, segments, online_spikes : DataFrame
        Tables of the recording.
    session : Session
        Its row of the sample sheet; names the curation and the preferred unit.
    settings : Sorting
        The config's section.

    Raises
    ------
    InputError
        See `curate`.
    """
    by_hand = curate(automatic, session.curation, channels, segments, settings)
    return _with_preferred(by_hand, online_spikes, session, settings)


def _with_preferred(
    result: SortingResult, online_spikes: pd.DataFrame, session: Session, settings: Sorting
) -> SortingResult:
    if session.preferred_channel < 0:
        return result
    return choose_preferred(
        result,
        online_spikes,
        session.preferred_channel,
        session.preferred_unit,
        settings.preferred_min_agreement,
    )
