"""A session as a `neo.Block`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import neo
import numpy as np
import pandas as pd
from neo.io.proxyobjects import AnalogSignalProxy
from numpy.typing import NDArray

from evoalign.export.observed import observed_intervals, stretch_of
from evoalign.export.stream_rawio import StreamRawIO
from evoalign.nwb.contents import SessionContents
from evoalign.recordings.stream import Stream

UNIT_TEXT = ("kind", "label", "area")  # annotations of a unit's spike trains
UNIT_NUMBERS = ("unit", "channel", "vendor_unit", "snr", "rate_hz")
OF_PRESENTATION = ("presentation", "trial", "block", "thread", "latent_row", "repeat")


def to_neo(contents: SessionContents, streams: Mapping[str, Stream] | None = None) -> neo.Block:
    """Return a session as a block of neo.

    Parameters
    ----------
    contents : SessionContents
        Read from NWB.
    streams : mapping of str to Stream, optional
        Continuous streams, as `evoalign.nwb.linked.open_linked` opens them;
        each becomes a lazy AnalogSignal a stretch (``.load()`` reads it).

    Returns
    -------
    neo.Block
        A segment for each stretch of the recording, at its true times. In it:
        a SpikeTrain a unit (annotated with unit, kind, channel, area, label,
        preferred); an Epoch 'presentations' (labels are image names;
        block, thread, space, trial, valid as array annotations); an Event a
        source of words. A Group a unit holds its trains of all segments. What
        lies in a pause belongs to the segment before it. The spaces of threads
        and the preferred unit are annotations of the block.
    """
    metadata = contents.metadata
    block = neo.Block(
        name=contents.session,
        rec_datetime=contents.start.replace(tzinfo=None),
        subject=metadata.subject,
        preferred=metadata.preferred,
        site=contents.site,
        space_of_thread_0=metadata.spaces[0] if metadata.spaces else "",
        space_of_thread_1=metadata.spaces[1] if len(metadata.spaces) > 1 else "",
        # neo keeps no time zone.
        start_utc=contents.start.isoformat(),
    )
    intervals = observed_intervals(contents)
    limits = _limits(contents, intervals)
    block.segments = [neo.Segment(name=f"segment {k}", index=k) for k in range(len(intervals))]
    _add_spike_trains(block, contents, intervals, limits)
    for place, segment in enumerate(block.segments):
        _add_presentations(segment, contents.presentations, intervals, place)
        _add_words(segment, contents.words, intervals, place)
    for stream in (streams or {}).values():
        _add_signals(block, stream, intervals)
    block.check_relationships()
    return block


def _limits(contents: SessionContents, intervals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ends of spike trains: those of the stretches, or the spikes beyond them."""
    limits = intervals.copy()
    times = contents.spikes["time_s"].to_numpy(np.float64)
    place = stretch_of(intervals, times)
    np.minimum.at(limits[:, 0], place, times)
    np.maximum.at(limits[:, 1], place, times)
    return limits


def _add_spike_trains(
    block: neo.Block,
    contents: SessionContents,
    intervals: NDArray[np.float64],
    limits: NDArray[np.float64],
) -> None:
    rows_of = contents.spikes.groupby("unit").indices
    all_times = contents.spikes["time_s"].to_numpy(np.float64)
    for unit in contents.units.to_dict("records"):
        annotations: dict[str, Any] = {name: str(unit[name]) for name in UNIT_TEXT}
        # Unknown numbers are left out: file formats below neo keep no NaN.
        annotations |= {name: unit[name] for name in UNIT_NUMBERS if np.isfinite(unit[name])}
        annotations["preferred"] = bool(unit["preferred"])
        name = f"unit {unit['unit']} ({unit['kind']}, channel {unit['channel']})"
        group = neo.Group(name=name, **annotations)
        times = np.sort(all_times[rows_of[unit["unit"]]]) if unit["unit"] in rows_of else all_times[:0]
        place = stretch_of(intervals, times)
        for number, segment in enumerate(block.segments):
            start, stop = limits[number]
            train = neo.SpikeTrain(
                times[place == number], units="s", t_start=start, t_stop=stop, name=name, **annotations
            )
            segment.spiketrains.append(train)
            group.spiketrains.append(train)
        block.groups.append(group)


def _add_presentations(
    segment: neo.Segment, presentations: pd.DataFrame, intervals: NDArray[np.float64], place: int
) -> None:
    with_onset = presentations[presentations["onset_s"].notna()]
    with_onset = with_onset[stretch_of(intervals, with_onset["onset_s"].to_numpy()) == place].sort_values(
        "onset_s"
    )
    if with_onset.empty:
        return
    more: dict[str, Any] = {name: with_onset[name].to_numpy() for name in OF_PRESENTATION}
    more |= {name: with_onset[name].astype(str).to_numpy(str) for name in ("space", "reason")}
    more |= {name: with_onset[name].to_numpy(bool) for name in ("reference", "valid")}
    durations = (with_onset["offset_s"] - with_onset["onset_s"]).fillna(0.0).to_numpy()
    segment.epochs.append(
        neo.Epoch(
            times=with_onset["onset_s"].to_numpy(),
            durations=durations,
            labels=with_onset["image"].astype(str).to_numpy(str),
            units="s",
            name="presentations",
            array_annotations=more,
        )
    )


def _add_words(segment: neo.Segment, words: pd.DataFrame, intervals: NDArray[np.float64], place: int) -> None:
    in_segment = words[stretch_of(intervals, words["time_s"].to_numpy()) == place]
    for source, sent in in_segment.groupby("source"):
        segment.events.append(
            neo.Event(
                times=sent["time_s"].to_numpy(),
                labels=sent["word"].astype(str).to_numpy(str),
                units="s",
                name=str(source),
                array_annotations={"word": sent["word"].to_numpy(np.int64)},
            )
        )


def _add_signals(block: neo.Block, stream: Stream, intervals: NDArray[np.float64]) -> None:
    """Add the stretches of a stream, each in the segment in which it starts."""
    reader = StreamRawIO(stream)
    for number, (start, _) in enumerate(stream.segments):
        segment = block.segments[int(stretch_of(intervals, np.array([start + 1e-9]))[0])]
        signal = AnalogSignalProxy(rawio=reader, stream_index=0, block_index=0, seg_index=number)
        signal.name = stream.name
        signal.segment = segment
        segment.analogsignals.append(signal)
