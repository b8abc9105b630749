"""Spike times x presentations -> counts per ms (docs/methods.md section 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from evoalign.errors import InputError
from evoalign.events.lags import NS_PER_MS, lags_around
from evoalign.responses.settings import Responses
from evoalign.sorting.recorded import is_recorded, joined, missing_times

# What reads responses needs no NWB library: loading it takes a second of each job.
if TYPE_CHECKING:
    from evoalign.events.latent_codes import Codes
    from evoalign.nwb.contents import SessionContents


def no_envelope() -> NDArray[np.float32]:
    """Return the envelope of a session without one, ``[0, 0, 0]``."""
    return np.zeros((0, 0, 0), np.float32)


@dataclass
class SessionResponses:
    """A session's responses: all that the analysis needs to know of it.

    Attributes
    ----------
    counts : ndarray, uint16 [unit, presentation, ms]
        Spikes in 1 ms bins.
    start_ms : int
        Left edge of the first bin, from image onset.
    units, presentations : pandas.DataFrame
        `UNITS` and `PRESENTATIONS`, in the order of the axes of
        `counts`. Presentations that are not valid are there, and marked.
    session, subject : str
        Names of the session and of the animal.
    area : str
        Of the preferred unit; '' when unknown.
    codes : dict of (int, int) to (ndarray, list of str)
        (block, thread) -> float64 ``[image, latent]`` and image names.
    envelope : ndarray, float32 [electrode, presentation, ms]
        Multi-unit envelope in µV, of the last rows of `units`; NaN where
        nothing was recorded.
    site : str
        Recording site of the preferred unit; '' when unknown.
    spaces : tuple of str
        Of a session without threads: the space of each table of features.
    recorded : ndarray, bool [unit, presentation], optional
        Where the unit was recorded: elsewhere its counts are unknown, not 0. Rows as of
        `units`; all were where it is left out.
    """

    counts: NDArray[np.uint16]
    start_ms: int
    units: pd.DataFrame
    presentations: pd.DataFrame
    session: str
    subject: str
    area: str
    codes: Codes
    envelope: NDArray[np.float32] = field(default_factory=no_envelope)
    site: str = ""
    spaces: tuple[str, ...] = ()
    recorded: NDArray[np.bool_] | None = None

    def is_recorded(self, rows: ArrayLike) -> NDArray[np.bool_]:
        """Tell in which presentations units were recorded, by row of `units`, ``[row, presentation]``."""
        rows = np.atleast_1d(np.asarray(rows, np.int64))
        if self.recorded is None:
            return np.ones((len(rows), len(self.presentations)), bool)
        return self.recorded[rows]

    def values(self, rows: ArrayLike) -> NDArray[Any]:
        """Return what happened in each ms, by row of `units`, ``[row, presentation, ms]``.

        Spikes; or of an envelope its mean in the ms, in mV: what is a rate in
        spikes/s of other units is then the envelope in µV.
        """
        rows, n = np.atleast_1d(np.asarray(rows, np.int64)), len(self.counts)
        if (rows < n).all():
            return self.counts[rows]
        traces = [self.counts[row] if row < n else self.envelope[row - n] / 1000.0 for row in rows]
        return np.stack([trace.astype(np.float64) for trace in traces])


def responses_from(contents: SessionContents, settings: Responses) -> SessionResponses:
    """Count the spikes of a session around its image onsets.

    Parameters
    ----------
    contents : SessionContents
        Read from NWB.
    settings : Responses
        Window and kinds of units.

    Returns
    -------
    SessionResponses
        All presentations, in the order of their table.

    Raises
    ------
    InputError
        The window is empty.
    """
    from evoalign.nwb.envelope import KIND, envelope_units

    units = contents.units[contents.units["kind"].isin(settings.kinds)].reset_index(drop=True)
    onsets = contents.presentations["onset_s"].to_numpy(np.float64)
    envelope = {}
    if KIND in settings.kinds and contents.envelope is not None and contents.envelope.channels:
        cut = contents.envelope.around(onsets, settings.start_ms, settings.stop_ms)
        envelope = {"envelope": cut}
    counts = count_spikes(
        contents.spikes,
        units["unit"].tolist(),
        onsets,
        settings.start_ms,
        settings.stop_ms,
    )
    units = pd.concat([units, envelope_units(contents)], ignore_index=True) if envelope else units
    return SessionResponses(
        counts=counts,
        start_ms=settings.start_ms,
        units=units,
        presentations=contents.presentations.reset_index(drop=True),
        session=contents.session,
        subject=contents.subject,
        area=contents.area,
        codes=dict(sorted(contents.latents.items())),
        site=contents.site,
        spaces=contents.metadata.spaces,
        recorded=recorded_presentations(contents, units, settings),
        **envelope,
    )


def recorded_presentations(
    contents: SessionContents, units: pd.DataFrame, settings: Responses
) -> NDArray[np.bool_]:
    """Tell in which presentations each unit was recorded, bool ``[unit, presentation]``.

    Parameters
    ----------
    contents : SessionContents
    units : pandas.DataFrame
        `UNITS`, in the order of the result.
    settings : Responses
        The window, and how much of it may be missing.
    """
    missing = missing_times(
        units, contents.channels, contents.segments, contents.artefacts, contents.spikes, contents.words
    )
    onset_s = contents.presentations["onset_s"].to_numpy(np.float64)
    starts, stops = onset_s + settings.start_ms / 1000, onset_s + settings.stop_ms / 1000
    recorded = np.zeros((len(units), len(onset_s)), bool)
    for row, unit in enumerate(units["unit"]):
        unobserved = contents.unobserved.get(int(unit), np.empty((0, 2)))
        spans = joined(np.concatenate([missing[int(unit)], unobserved]))
        recorded[row] = is_recorded(spans, starts, stops, settings.max_missing)
    return recorded


def shared_presentations(
    responses: SessionResponses, rows: NDArray[np.int64], valid: NDArray[np.bool_], max_unrecorded: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Choose units and presentations for what needs every unit in every presentation.

    Presentations that fewer than half of the units have are left out first;
    then units that were not recorded in more than a share of what is left;
    then presentations that one of the others lacks.

    Parameters
    ----------
    responses : SessionResponses
    rows : ndarray, int64 [unit]
        Rows of `units` that are wanted.
    valid : ndarray, bool [presentation]
        Presentations that are wanted.
    max_unrecorded : float
        Share of presentations that a unit may lack.

    Returns
    -------
    rows : ndarray, int64 [unit]
        Those that are kept.
    valid : ndarray, bool [presentation]
        Recorded for all of them.
    """
    recorded = responses.is_recorded(rows)
    usual = valid & (recorded.mean(axis=0) >= 0.5) if len(rows) else valid
    lacking = (~recorded[:, usual]).mean(axis=1) if usual.any() else np.zeros(len(rows))
    kept = lacking <= max_unrecorded
    return rows[kept], usual & recorded[kept].all(axis=0)


def count_spikes(
    spikes: pd.DataFrame, units: Sequence[int], onsets_s: ArrayLike, start_ms: int, stop_ms: int
) -> NDArray[np.uint16]:
    """Count spikes in 1 ms bins around onsets.

    Parameters
    ----------
    spikes : pandas.DataFrame
        `SPIKES`, in any order.
    units : sequence of int
        Unit numbers, in the order of the result.
    onsets_s : array_like, float [presentation]
        Seconds on the recording's clock; a NaN has no spikes.
    start_ms, stop_ms : int
        Window from the onset: bin k is ``[start_ms + k, start_ms + k + 1)`` ms.

    Returns
    -------
    ndarray, uint16 [unit, presentation, ms]

    Raises
    ------
    InputError
        The window is empty, or a bin holds more spikes than 65535.
    """
    n_bins = stop_ms - start_ms
    if n_bins <= 0:
        raise InputError(
            f"the window from {start_ms} to {stop_ms} ms is empty", "responses.start_ms, stop_ms"
        )
    onsets = np.asarray(onsets_s, np.float64)
    counts = np.zeros((len(units), len(onsets), n_bins), np.uint16)
    times = spikes["time_s"].to_numpy(np.float64)
    rows_of = spikes.groupby("unit").indices
    for row, unit in enumerate(units):
        unit_times = np.sort(times[rows_of[unit]]) if unit in rows_of else times[:0]
        counts[row] = _count_unit(unit_times, onsets, start_ms, n_bins, unit)
    return counts


def _count_unit(
    times_s: NDArray[np.float64], onsets_s: NDArray[np.float64], start_ms: int, n_bins: int, unit: int
) -> NDArray[np.uint16]:
    onset, lag_ns = lags_around(times_s, onsets_s, (start_ms, start_ms + n_bins))
    flat = onset * n_bins + lag_ns // NS_PER_MS - start_ms
    counts = np.bincount(flat, minlength=len(onsets_s) * n_bins)
    if counts.size and counts.max() > np.iinfo(np.uint16).max:
        raise InputError(f"unit {unit} has {counts.max()} spikes within one ms", "table spikes")
    return counts.astype(np.uint16).reshape(len(onsets_s), n_bins)
