"""The photodiode while a rig records: changes of light by the function that reads them from a file."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evoalign.errors import InputError
from evoalign.events.photodiode import Photodiode, photodiode_crossings
from evoalign.loop.acquisition import Floats, Ints
from evoalign.recordings.stream import Stream

CHANNEL = 1  # of the stream, which holds no other
LARGEST_STEP = 1.5  # samples; a longer one is a gap


def changes_of_light(
    time_s: Floats, counts: Ints, pieces: Ints, sampling_rate_hz: float, bridge_ms: float
) -> Photodiode:
    """Return the changes of light of a round.

    Dark and light are those of the round, as a file's are those of the whole recording: see
    `photodiode_crossings`. Samples that did not come, and resets of the clock, begin a new
    segment, of which the first state is no change.

    Parameters
    ----------
    time_s : ndarray [sample]
        Seconds on the recording's clock, in any order.
    counts : ndarray [sample]
    pieces : ndarray [sample]
        Piece of the clock.
    sampling_rate_hz : float
    bridge_ms : float
        As `photodiode_crossings` takes it.

    Returns
    -------
    Photodiode
        Without a change, and with a warning, when there are not two levels of light.
    """
    order = np.lexsort((time_s, pieces))
    time_s, counts, pieces = time_s[order], counts[order], pieces[order]
    step = np.diff(time_s) * sampling_rate_hz
    is_next_piece = np.diff(pieces) > 0
    is_new = np.concatenate([[True], (step > 0.5) | is_next_piece])[: len(time_s)]  # doubled ones are not
    begins = np.flatnonzero(np.concatenate([[True], (step > LARGEST_STEP) | is_next_piece])[: len(time_s)])
    parts = [part for part in np.split(np.arange(len(time_s)), begins) if len(part)]
    samples = [counts[part][is_new[part]].astype(np.int16) for part in parts]

    def read(segment: int, start: int, stop: int, columns: Sequence[int]) -> NDArray[np.int16]:
        return samples[segment][start:stop, None][:, list(columns)]

    segments = tuple(
        (float(time_s[part[0]]), len(values)) for part, values in zip(parts, samples, strict=True)
    )
    stream = Stream("analog", sampling_rate_hz, (CHANNEL,), np.ones(1), np.zeros(1), segments, read)
    try:
        changes = photodiode_crossings(stream, CHANNEL, bridge_ms)
    except InputError as error:
        logging.warning("%s: look at it; a round has no changes of light", error.what)
        return Photodiode(np.empty(0), np.empty(0))
    return Photodiode(np.sort(changes.on_s), np.sort(changes.off_s))
