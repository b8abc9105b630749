"""Alignment of one session: its recording, log, photodiode and stimuli (rule `presentations`)."""

from __future__ import annotations

import re

import pandas as pd

from evoalign.errors import InputError
from evoalign.events.align import Alignment, align
from evoalign.events.latent_codes import attach_latents, check_images, read_codes
from evoalign.events.photodiode import Photodiode, photodiode_crossings
from evoalign.events.settings import Events
from evoalign.recordings.recording import Recording
from evoalign.sheet import Session


def align_session(
    log: pd.DataFrame,
    words: pd.DataFrame,
    *,
    recording: Recording,
    session: Session,
    settings: Events,
) -> Alignment:
    """Check a session's stimuli against its log and align the log to its recording.

    Parameters
    ----------
    log, words : pandas.DataFrame
        `LOG` and `WORDS`.
    recording : Recording
        Holds the photodiode's channel and the recorded segments.
    session : Session
        Row of the sample sheet: photodiode, folders of latents and images.
    settings : Events

    Returns
    -------
    Alignment
        `latent_row` is the row in the latents' files, where the session has such files.

    Raises
    ------
    InputError
        As for `align`, `read_codes`, `attach_latents`, `check_images` and
        `photodiode_crossings`; or the photodiode's channel is not there.
    """
    if session.latents:
        log = attach_latents(log, read_codes(session.latents))
    if session.images:
        check_images(log, session.images)
    return align(
        log,
        words,
        settings,
        find_photodiode(recording, session.photodiode, settings),
        session=session.session,
        segments=recording.segments,
    )


def find_photodiode(recording: Recording, name: str, settings: Events) -> Photodiode | None:
    """Return the changes of light on the named channel; None when no channel is named.

    Parameters
    ----------
    recording : Recording
    name : str
        Name or number of a channel; the analog ones come first.
    settings : Events
        `photodiode_bridge_ms`.

    Raises
    ------
    InputError
        No such channel with continuous data.
    """
    if not name:
        return None
    analog_first = recording.channels.sort_values("kind", kind="stable")
    number = int(name) if re.fullmatch(r"\d{1,9}", name) else -1
    for channel in analog_first.to_dict("records"):
        if channel["stream"] and (channel["name"].strip() == name or channel["channel"] == number):
            stream = recording.streams[channel["stream"]]
            return photodiode_crossings(stream, int(channel["channel"]), settings.photodiode_bridge_ms)
    analog_channels = [
        f"{c['name']} ({c['channel']})" for c in analog_first.to_dict("records") if c["kind"] == "analog"
    ]
    raise InputError(
        f"the recording has no channel '{name}' for the photodiode; analog channels: "
        f"{', '.join(analog_channels[:20]) or 'none'}",
        recording.files[0] if recording.files else "",
        "correct the column photodiode in sessions.tsv",
    )
