"""What an NWB file of a session holds, as tables and arrays."""

from __future__ import annotations

import datetime as dt
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evoalign import tables
from evoalign.errors import InputError
from evoalign.events.tables import ALIGNMENT, PRESENTATIONS
from evoalign.nwb.tables import GENERATORS, RAW_FILES
from evoalign.recordings.tables import CHANNELS, SEGMENTS, WORDS
from evoalign.sorting.tables import ARTEFACTS, BAD_CHANNELS, SPIKES, UNITS, WAVEFORMS

if TYPE_CHECKING:
    from evoalign.events.latent_codes import Codes
    from evoalign.recordings.stream import Stream
    from evoalign.sorting.envelope import Envelope

# Contents of a session that are tables, each with the contract of its name.
TABLES = tables.by_name(
    CHANNELS,
    SEGMENTS,
    WORDS,
    UNITS,
    SPIKES,
    WAVEFORMS,
    BAD_CHANNELS,
    ARTEFACTS,
    PRESENTATIONS,
    ALIGNMENT,
    GENERATORS,
    RAW_FILES,
)

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class SessionMetadata:
    """What the sample sheet says of a session beside its files.

    Attributes
    ----------
    session, subject : str
        Names of the session and of the animal.
    preferred : str
        Channel and online unit letter that drove the evolution, as ``12a``.
    site : str
        Recording site; '' when it follows from array, channel and unit.
    spaces : tuple of str
        Space of thread 0 and of thread 1.
    photodiode : str
        Name or number of the photodiode's channel; '' without one.
    unstable_baseline : str
        Reason to exclude the session; '' when stable.
    recorder : str
        Format of the raw files, as `Recording.format`; '' when unknown.
    identifier : str
        Derived from the content of the raw files; unique to the session.
    """

    session: str
    subject: str
    preferred: str = ""
    spaces: tuple[str, ...] = ()
    photodiode: str = ""
    unstable_baseline: str = ""
    recorder: str = ""
    identifier: str = ""
    site: str = ""


@dataclass
class SessionContents:
    """Everything of a session that is packaged, and all that is read back.

    Tables that a session does not have are empty.

    Attributes
    ----------
    metadata : SessionMetadata
        Names, preferred unit, spaces.
    start : datetime.datetime
        Time 0 of the recording's clock, with time zone.
    channels, segments, words, units, spikes, waveforms, bad_channels, artefacts, presentations, \
    alignment, generators, raw_files : pandas.DataFrame
        As in `evoalign.tables`. Spikes are ordered by the rows of `units`, then
        by time; waveforms hold as many digits as float32.
    latents : dict of (int, int) to (ndarray, list of str)
        (block, thread) -> float64 ``[image, latent]`` and image names.
    images : mapping of str to ndarray
        Image name -> uint8 ``[row, column]``, ``[.., 3]`` or ``[.., 4]``,
        loaded when asked for.
    settings : dict of str to str
        Configuration of the run: dotted key -> value in JSON.
    provenance : dict of str to str
        See `evoalign.pipeline.provenance`.
    streams : dict of str to Stream
        Continuous data to embed; empty after reading.
    envelope : Envelope, optional
        Multi-unit envelope of each electrode, where it was computed.
    unobserved : dict of int to ndarray, float64 [interval, 2]
        Unit -> when it was not observed, s, as the file of another tool says of which the session comes.
    """

    metadata: SessionMetadata
    start: dt.datetime
    channels: pd.DataFrame = field(default_factory=partial(tables.empty, CHANNELS))
    segments: pd.DataFrame = field(default_factory=partial(tables.empty, SEGMENTS))
    words: pd.DataFrame = field(default_factory=partial(tables.empty, WORDS))
    units: pd.DataFrame = field(default_factory=partial(tables.empty, UNITS))
    spikes: pd.DataFrame = field(default_factory=partial(tables.empty, SPIKES))
    waveforms: pd.DataFrame = field(default_factory=partial(tables.empty, WAVEFORMS))
    bad_channels: pd.DataFrame = field(default_factory=partial(tables.empty, BAD_CHANNELS))
    artefacts: pd.DataFrame = field(default_factory=partial(tables.empty, ARTEFACTS))
    presentations: pd.DataFrame = field(default_factory=partial(tables.empty, PRESENTATIONS))
    alignment: pd.DataFrame = field(default_factory=partial(tables.empty, ALIGNMENT))
    generators: pd.DataFrame = field(default_factory=partial(tables.empty, GENERATORS))
    raw_files: pd.DataFrame = field(default_factory=partial(tables.empty, RAW_FILES))
    latents: Codes = field(default_factory=dict)
    images: Mapping[str, Pixels] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    provenance: dict[str, str] = field(default_factory=dict)
    streams: dict[str, Stream] = field(default_factory=dict)
    envelope: Envelope | None = None
    unobserved: dict[int, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def session(self) -> str:
        """Name of the session."""
        return self.metadata.session

    @property
    def subject(self) -> str:
        """Name of the animal."""
        return self.metadata.subject

    def fixed_noise(self, thread: int) -> NDArray[np.float64] | None:
        """Noise that a thread kept fixed beside its latents, float64 ``[latent]``; None when unknown."""
        fixed_noise = self.generators.loc[self.generators["thread"] == thread, "fixed_noise"]
        text = str(fixed_noise.iloc[0]) if len(fixed_noise) else ""
        return np.array(text.split(), dtype=np.float64) if text else None

    @property
    def area(self) -> str:
        """Area of the preferred unit; '' when there is none or its area is unknown."""
        preferred = self.units[self.units["preferred"].astype(bool)]
        return str(preferred["area"].iloc[0]) if len(preferred) else ""

    @property
    def site(self) -> str:
        """Recording site of the preferred unit; '' when neither it nor its unit is named."""
        unit = self.metadata.preferred or _preferred_unit(self.units)
        if self.metadata.site or not unit:
            return self.metadata.site
        channel = int(unit.rstrip(string.ascii_lowercase))
        channel_rows = self.channels[
            (self.channels["channel"] == channel) & (self.channels["kind"] == "neural")
        ]
        array = str(channel_rows["array"].iloc[0]) if len(channel_rows) else ""
        return site_name(self.subject, array, channel, unit.lstrip(string.digits))


def site_name(subject: str, array: str, channel: int, letter: str) -> str:
    """Return the name of a recording site: animal, array, channel and online unit.

    Sites of one animal have one name only if array, channel and unit are the
    same (docs/methods.md section 3).

    Examples
    --------
    >>> site_name("A", "IT array", 12, "a")
    'A/IT array/12a'
    >>> site_name("A", "", 12, "")
    'A/12'
    """
    return "/".join([subject, *([array] if array else []), f"{channel}{letter}"])


def _preferred_unit(units: pd.DataFrame) -> str:
    """Channel and online letter of the unit that is marked as preferred, as ``12a``; '' without one."""
    preferred = units[units["preferred"].astype(bool)]
    if preferred.empty:
        return ""
    online = preferred[preferred["vendor_unit"].between(1, len(string.ascii_lowercase))]
    row = (online if len(online) else preferred).iloc[0]
    letter = string.ascii_lowercase[int(row["vendor_unit"]) - 1] if len(online) else ""
    return f"{int(row['channel'])}{letter}"


UNKNOWN = -1  # channel of a unit that no file tells


def check_contents(contents: SessionContents) -> SessionContents:
    """Return the contents in canonical form, or raise an InputError.

    Tables get the dtypes of their contracts; neural channels come first,
    spikes have the order of units and time, waveforms the digits of float32.

    Raises
    ------
    InputError
        A table breaks its contract; unit numbers or threads repeat; an optimiser's settings
        are none; spikes or waveforms belong to no unit; a unit's channel is none of the file's
        (-1: not known); the start has no time zone.
    """
    location = f"session {contents.session}"
    if contents.start.tzinfo is None:
        raise InputError("the start of the recording has no time zone", location)
    for name, contract in TABLES.items():
        setattr(contents, name, tables.conform(getattr(contents, name), contract))
    numbers = contents.units["unit"]
    if numbers.duplicated().any():
        raise InputError(
            f"unit {numbers[numbers.duplicated()].iloc[0]} stands twice", f"{location}, table units"
        )
    for name in ("spikes", "waveforms"):
        orphaned = ~getattr(contents, name)["unit"].isin(numbers)
        if orphaned.any():
            first = getattr(contents, name).loc[orphaned, "unit"].iloc[0]
            raise InputError(f"unit {first} is not in the table of units", f"{location}, table {name}")
    neural = contents.channels.loc[contents.channels["kind"] == "neural", "channel"]
    _check_unique(neural, location)
    unknown = contents.units.loc[~contents.units["channel"].isin({*neural, UNKNOWN}), "channel"]
    if len(unknown):
        raise InputError(f"channel {unknown.iloc[0]} is no neural channel", f"{location}, table units")
    unknown_channels = set(contents.envelope.channels if contents.envelope else ()) - set(neural)
    if unknown_channels:
        raise InputError(f"channel {min(unknown_channels)} is no neural channel", f"{location}, envelope")
    _check_searches(contents.generators, f"{location}, table generators")
    if not np.isfinite(contents.spikes["time_s"].to_numpy()).all():
        raise InputError("a spike time is not finite", f"{location}, table spikes")
    contents.channels = contents.channels.sort_values(
        "kind", key=lambda kind: kind != "neural", kind="stable", ignore_index=True
    )
    contents.spikes = _by_unit_and_time(contents.spikes, numbers)
    contents.waveforms = _float32_digits(contents.waveforms)
    return contents


def _check_searches(generators: pd.DataFrame, location: str) -> None:
    threads = generators["thread"]
    if threads.duplicated().any():
        raise InputError(f"thread {threads[threads.duplicated()].iloc[0]} stands twice", location)
    for row in generators[generators["optimiser_settings"] != ""].itertuples():
        names = [part.partition(": ")[0] for part in str(row.optimiser_settings).split("; ") if ": " in part]
        is_listed = len(set(names)) == str(row.optimiser_settings).count("; ") + 1
        if not is_listed or not row.optimiser:
            raise InputError(
                f"the optimiser's settings of thread {row.thread} are not 'name: text; ..' with the "
                "optimiser's name beside them",
                location,
            )


def _check_unique(channels: pd.Series, location: str) -> None:
    if channels.duplicated().any():
        raise InputError(
            f"channel {channels[channels.duplicated()].iloc[0]} stands twice", f"{location}, table channels"
        )


def _by_unit_and_time(spikes: pd.DataFrame, numbers: pd.Series) -> pd.DataFrame:
    row_of = pd.Series(np.arange(len(numbers)), index=numbers.to_numpy())
    rows = row_of.reindex(spikes["unit"]).to_numpy()
    order = np.lexsort((spikes["time_s"].to_numpy(), rows))
    return spikes.iloc[order].reset_index(drop=True)


def _float32_digits(waveforms: pd.DataFrame) -> pd.DataFrame:
    # Files hold volts and tables microvolts: at float32's digits the way back is exact.
    as_float32 = {c: waveforms[c].astype(np.float32).astype(np.float64) for c in ("mean_uv", "sd_uv")}
    return waveforms.assign(**as_float32)
