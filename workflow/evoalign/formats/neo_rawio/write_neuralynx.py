"""Writes Neuralynx recordings: a .ncs a channel, Events.nev, a .nse a channel with spikes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from os import PathLike

import numpy as np
import pandas as pd

from evoalign.files import atomic_write
from evoalign.formats.neo_rawio.neuralynx_layout import HEADER, MICROSECONDS, NCS, NEV, RECORD
from evoalign.formats.neo_rawio.pulses import word_pulses

NO_WORDS = pd.DataFrame({"time_s": [], "word": []})
NO_SPIKES = pd.DataFrame({"channel": [], "unit": [], "time_s": []})
NSE = np.dtype(
    [("qwTimeStamp", "<u8"), ("dwScNumber", "<u4"), ("dwCellNumber", "<u4"), ("dnParams", "<u4", (8,)),
     ("snData", "<i2", (32, 1))]
)  # fmt: skip


def write_neuralynx(
    path: str | PathLike[str],
    chunks: Iterable[np.ndarray],
    *,
    names: Sequence[str],
    gain_uv: Sequence[float],
    sampling_rate_hz: int = 30_000,
    words: pd.DataFrame = NO_WORDS,
    spikes: pd.DataFrame = NO_SPIKES,
    start: dt.datetime | None = None,
    first_stamp: int = 0,
    pauses: Sequence[tuple[int, int]] = (),
) -> None:
    """Write a folder.

    Parameters
    ----------
    path : path
        The folder; it appears whole or not at all.
    chunks : iterable of int16 array [sample, channel]
        The recording, piece by piece.
    names : sequence of str
        Of the channels, as ``CSC1`` and ``Photodiode1``.
    gain_uv : sequence of float
        Microvolts per count, one a channel.
    sampling_rate_hz : int
        Of all.
    words : DataFrame
        Columns time_s and word, 16 bits; each is a pulse on a digital port, kept as records of its level.
    spikes : DataFrame
        Columns channel, unit, time_s.
    start : datetime, optional
        Date in the headers, without its zone; 2000-01-01 by default.
    first_stamp : int
        Microseconds of the first sample; words and spikes are counted from it.
    pauses : sequence of (int, int)
        Sample before which time jumps, and by how many samples; records end there.
    """
    opened = (start or dt.datetime(2000, 1, 1)).replace(tzinfo=None)
    with atomic_write(path) as partial, ExitStack() as stack:
        partial.mkdir()
        files = []
        for place, (name, gain) in enumerate(zip(names, gain_uv, strict=True)):
            file = stack.enter_context((partial / f"{name}.ncs").open("wb"))
            file.write(_header("CSC", name, NCS.itemsize, opened, sampling_rate_hz, place, gain))
            files.append(file)
        at = 0
        for samples, begin in _records(chunks, pauses):
            n = len(samples)
            jumped = sum(by for where, by in pauses if begin >= where)
            records = np.zeros(-(-n // RECORD), NCS)
            first = np.arange(len(records)) * RECORD + begin + jumped
            records["qwTimeStamp"] = first_stamp + np.rint(first * MICROSECONDS / sampling_rate_hz).astype(
                "<u8"
            )
            records["dwSampleFreq"] = sampling_rate_hz
            records["dwNumValidSamples"] = np.minimum(RECORD, n - np.arange(len(records)) * RECORD)
            padded = np.zeros((len(records) * RECORD, samples.shape[1]), "<i2")
            padded[:n] = samples
            for place, file in enumerate(files):
                records["dwChannelNumber"] = place
                records["snSamples"] = padded[:, place].reshape(-1, RECORD)
                file.write(records.tobytes())
            at = begin + n + jumped
        events = _events(words, sampling_rate_hz, first_stamp, at)
        header = _header("Event", "Events", NEV.itemsize, opened)
        (partial / "Events.nev").write_bytes(header + events.tobytes())
        for channel in sorted(set(spikes["channel"].astype(int))):
            of_channel = spikes[spikes["channel"] == channel]
            records = np.zeros(len(of_channel), NSE)
            of_channel = of_channel.sort_values("time_s", kind="stable")
            sample = np.rint(of_channel["time_s"].to_numpy() * sampling_rate_hz)
            records["qwTimeStamp"] = first_stamp + np.rint(sample * MICROSECONDS / sampling_rate_hz).astype(
                "<u8"
            )
            records["dwCellNumber"] = of_channel["unit"].to_numpy()
            header = _header("Spike", f"SE{channel}", NSE.itemsize, opened, sampling_rate_hz, channel - 1, 1)
            (partial / f"SE{channel}.nse").write_bytes(header + records.tobytes())


def _header(
    kind: str,
    name: str,
    record: int,
    opened: dt.datetime,
    rate_hz: int = 0,
    place: int = 0,
    gain_uv: float = 0.0,
) -> bytes:
    lines = [
        "######## Neuralynx Data File Header",
        f"-FileType {kind}",
        "-FileVersion 3.4",
        f"-RecordSize {record}",
        f"-TimeCreated {opened:%Y/%m/%d %H:%M:%S}",
        '-ApplicationName Cheetah "6.4.1"',
        "-AcquisitionSystem AcqSystem1 DigitalLynxSX",
        f"-AcqEntName {name}",
    ]
    if rate_hz:
        lines += [
            f"-SamplingFrequency {rate_hz}",
            "-ADMaxValue 32767",
            f"-ADBitVolts {gain_uv / 1e6:.24f}",
            "-NumADChannels 1",
            f"-ADChannel {place}",
            "-InputInverted False",
        ]
    if kind == "Spike":
        lines.append("-WaveformLength 32")
    return ("\r\n".join(lines) + "\r\n").encode("latin-1").ljust(HEADER, b"\0")


def _records(
    chunks: Iterable[np.ndarray], pauses: Sequence[tuple[int, int]]
) -> Iterable[tuple[np.ndarray, int]]:
    """Yield (samples, number of the first) in whole records, and a part of one at pauses and at the end."""
    stops = [where for where, _ in pauses]
    incomplete: np.ndarray | None = None
    begin = 0
    for chunk in chunks:
        samples = chunk if incomplete is None else np.concatenate((incomplete, chunk))
        while stops and begin + len(samples) >= stops[0]:
            n = stops.pop(0) - begin
            yield samples[:n], begin
            samples, begin = samples[n:], begin + n
        n = len(samples) // RECORD * RECORD
        if n:
            yield samples[:n], begin
        incomplete, begin = samples[n:], begin + n
    if incomplete is not None and len(incomplete):
        yield incomplete, begin


def _events(words: pd.DataFrame, rate_hz: int, first_stamp: int, n: int) -> np.ndarray:
    sample, level = word_pulses(words, rate_hz)
    stamp = np.concatenate(([0], sample, [n])) * MICROSECONDS / rate_hz
    texts = [f"TTL Input on AcqSystem1_0 board 0 port 0 value (0x{value:04X})." for value in level.tolist()]
    events = np.zeros(len(stamp), NEV)
    events["npkt_id"], events["npkt_data_size"] = 4098, 2
    events["qwTimeStamp"] = first_stamp + np.rint(stamp).astype("<u8")
    events["nevent_id"] = [19, *[11] * len(texts), 19]
    events["nttl"] = np.concatenate(([0], level, [0])).astype(np.uint16).view(np.int16)
    events["EventString"] = [b"Starting Recording", *(t.encode() for t in texts), b"Stopping Recording"]
    return events
