"""Reads Neuralynx recordings: .ncs, .nse, .nst, .ntt and .nev files of Cheetah and Pegasus.

Layout: "Neuralynx Data File Formats". All stamps are microseconds of one clock.
Neo 0.14.6 gives Cheetah 4 files the rate of their header, 2.7% off their own
stamps, and no event words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from evoalign.formats.neo_rawio.checked import items, refuse
from evoalign.formats.neo_rawio.contents import FIRST_ANALOG, Channel, Group, RecordingContents, neural_role
from evoalign.formats.neo_rawio.lines import SETTLE_S, rising_bits, settled_words
from evoalign.formats.neo_rawio.neuralynx_layout import (
    HEADER,
    MICROSECONDS,
    NCS,
    NEV,
    RECORD,
    SUFFIXES,
    SYSTEM,
    WIRES,
    NlxHeader,
    program,
    read_header,
    sign,
    spike_record,
)
from evoalign.formats.plexon.contents import BlockReader
from evoalign.formats.plexon.runs import backward_step, channel_runs, group_channels
from evoalign.formats.plexon.streams import NOT_NEURAL, Continuous
from evoalign.formats.plexon.walk import Blocks

RATE_OFF = 0.002  # the header's rate and that of the stamps may differ by this share; more is told


def neuralynx_contents(files: Sequence[Path], gap_tolerance_s: float) -> RecordingContents:
    """Read a Neuralynx recording; samples stay in the files.

    Parameters
    ----------
    files : sequence of path
        A folder, or files of one recording.
    gap_tolerance_s : float
        A record further off its run starts a new segment.

    Raises
    ------
    InputError
        A file is cut, a record is damaged, or nothing of Neuralynx is there.
    """
    if len(files) == 1 and files[0].is_dir():
        folder = files[0]
        files = sorted(f for f in folder.iterdir() if f.suffix.lower() in SUFFIXES and f.stat().st_size)
        if not files:
            raise refuse(SYSTEM, f"no {', '.join(SUFFIXES)} is in the folder", folder)
    headers = {path: read_header(path) for path in files}
    ncs = {p: items(SYSTEM, p, NCS, HEADER) for p in files if p.suffix.lower() == ".ncs"}
    spikes = {
        p: items(SYSTEM, p, spike_record(headers[p], p), HEADER) for p in files if p.suffix.lower() in WIRES
    }
    events = {p: items(SYSTEM, p, NEV, HEADER) for p in files if p.suffix.lower() == ".nev"}
    stamps = [r["qwTimeStamp"] for part in (ncs, spikes, events) for r in part.values() if len(r)]
    origin = min((int(s.min()) for s in stamps), default=0)
    contents = RecordingContents(start=min((h.opened for h in headers.values() if h.opened), default=None))
    contents.metadata = {"first_stamp_us": origin, "cheetah": sorted({program(h) for h in headers.values()})}
    _continuous(contents, ncs, headers, origin, gap_tolerance_s)
    for path, records in spikes.items():
        _spikes(contents, path, headers[path], records, origin)
    for path, records in events.items():
        _events(contents, path, records, origin)
    return contents


def _number_and_role(name: str, header: NlxHeader, rate_hz: float) -> tuple[int, str]:
    """Return channel number and role by the entity's name, as `CSC12`, `LFP3` or `Photodiode`."""
    entity = header.values.get("AcqEntName") or header.values.get("NLX_Base_Class_Name") or name
    hardware = header.numbers("ADChannel")
    digits = re.search(r"(\d+)\D*$", entity)
    number = (
        int(digits[1])
        if digits and 0 < int(digits[1]) < FIRST_ANALOG
        else int(hardware[0]) + 1
        if hardware
        else 1
    )
    if NOT_NEURAL.search(entity) or re.match(r"(AI|ANALOG|AUX|BNC)", entity, re.IGNORECASE):
        return FIRST_ANALOG + number, "analog"
    return number, neural_role(rate_hz)


def _continuous(
    contents: RecordingContents,
    ncs: dict[Path, np.ndarray],
    headers: dict[Path, NlxHeader],
    origin: int,
    gap_tolerance_s: float,
) -> None:
    ncs = {path: records for path, records in ncs.items() if len(records)}
    for path, records in ncs.items():
        _check_records(path, records)
    rates = _rates(contents, ncs, headers)
    by_rate: dict[tuple[str, float], list[Continuous]] = {}
    for path, records in ncs.items():
        channel = _channel(path, records, headers[path], rates[path], origin, gap_tolerance_s)
        by_rate.setdefault((channel.role, channel.rate_hz), []).append(channel)
    for (role, rate), named in by_rate.items():
        channels = sorted(_distinct(named, headers), key=lambda c: c.number)
        for group in group_channels([c.runs for c in channels], MICROSECONDS / rate):
            members = [channels[place] for place in group.members]
            starts = (group.tick / MICROSECONDS).tolist()
            contents.groups.append(
                Group(
                    role,
                    rate,
                    tuple(Channel(c.number, c.name, c.gain_uv) for c in members),
                    tuple(zip(starts, group.length.tolist(), strict=True)),
                    BlockReader(members, group.sample),
                )
            )
            if group.lost:
                contents.metadata.setdefault("samples_outside_shared_segments", {})[f"{role}_{rate:g}"] = (
                    group.lost
                )


def _distinct(channels: list[Continuous], headers: dict[Path, NlxHeader]) -> list[Continuous]:
    """Give channels whose names hold one number twice (A1, B1) the hardware's, or else their places."""
    if len({c.number for c in channels}) == len(channels):
        return channels
    wires = {path.stem: header.numbers("ADChannel") for path, header in headers.items()}
    hardware = [int(wires[c.name][0]) + 1 if wires[c.name] else 0 for c in channels]
    if len(set(hardware)) < len(hardware) or min(hardware) < 1:
        hardware = list(range(1, len(channels) + 1))
    first = FIRST_ANALOG if channels[0].role == "analog" else 0
    return [replace(c, number=first + number) for c, number in zip(channels, hardware, strict=True)]


def _channel(
    path: Path, records: np.ndarray, header: NlxHeader, rate: float, origin: int, gap_tolerance_s: float
) -> Continuous:
    """Join the records of a file to runs."""
    used = np.flatnonzero(records["dwNumValidSamples"])
    blocks = Blocks(
        used * (NCS.itemsize // 2) + (NCS.itemsize // 2 - RECORD),
        (records["qwTimeStamp"][used] - np.uint64(origin)).astype(np.int64),
        np.zeros(len(used), np.int32),
        np.zeros(len(used), np.int32),
        records["dwNumValidSamples"][used].astype(np.int64),
    )
    per_sample = MICROSECONDS / rate
    # Stamps are whole microseconds: a tolerance below two is none.
    tolerance = max(gap_tolerance_s * MICROSECONDS, 2.0)
    runs = channel_runs(blocks, per_sample, tolerance)
    wrong = backward_step(runs, per_sample, tolerance)
    if wrong >= 0:
        block = int(used[int(np.searchsorted(runs.first, runs.sample[wrong], side="right")) - 1])
        raise refuse(SYSTEM, "time runs backwards", path, HEADER + block * NCS.itemsize)
    number, role = _number_and_role(path.stem, header, rate)
    bits = header.numbers("ADBitVolts")
    gain = 1e6 * sign(header) * bits[0] if bits else float("nan")
    return Continuous(role, number, path.stem, rate, gain, runs, items(SYSTEM, path, "<i2", HEADER))


def _check_records(path: Path, records: np.ndarray) -> None:
    checks = {
        "valid samples": records["dwNumValidSamples"] > RECORD,
        "sampling frequency": records["dwSampleFreq"] != records["dwSampleFreq"][0],
        "channel number": records["dwChannelNumber"] != records["dwChannelNumber"][0],
        "time stamp": records["qwTimeStamp"] >> np.uint64(62) > 0,
    }
    for name, wrong in checks.items():
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise refuse(SYSTEM, f"{name} of record {row} cannot be", path, HEADER + row * NCS.itemsize)


def _rates(
    contents: RecordingContents, ncs: dict[Path, np.ndarray], headers: dict[Path, NlxHeader]
) -> dict[Path, float]:
    """Return each file's sampling rate by its stamps, which are the clock of spikes and events too.

    The header's rate is the one wanted. It is taken where the stamps agree with
    it to their microsecond; else the rate of the stamps, the same for all files
    of one header rate that agree. Cheetah before version 5 stamps by a whole
    number of microseconds a sample, some per cent off.
    """
    header_rates = {
        p: (headers[p].numbers("SamplingFrequency") or [float(r["dwSampleFreq"][0])])[0]
        for p, r in ncs.items()
    }
    rates = {}
    for wanted in set(header_rates.values()):
        files = [path for path in ncs if header_rates[path] == wanted]
        if not 0 < wanted < MICROSECONDS:
            raise refuse(SYSTEM, f"a sampling rate of {wanted:g} Hz", files[0], 0)
        measured = {path: _measured_rate(ncs[path], wanted) for path in files}
        common = float(np.median(list(measured.values())))
        for path, rate in measured.items():
            rates[path] = common if abs(rate / common - 1) < RATE_OFF / 100 else rate
            if abs(rates[path] / wanted - 1) > RATE_OFF:
                contents.metadata.setdefault("header_rate_hz_but_stamps_differ", {})[path.name] = wanted
    return rates


def _measured_rate(records: np.ndarray, wanted: float) -> float:
    step = np.diff(records["qwTimeStamp"].astype(np.int64))[records["dwNumValidSamples"][:-1] == RECORD]
    usual = float(np.median(step)) if step.size else 0.0
    if not 0.5 < usual * wanted / (RECORD * MICROSECONDS) < 2:
        return wanted
    step = step[np.abs(step - usual) < 1_000]
    expected, seen = len(step) * RECORD * MICROSECONDS / wanted, float(step.sum())
    return wanted if abs(expected - seen) <= 2 else RECORD * MICROSECONDS * len(step) / seen


def _spikes(
    contents: RecordingContents, path: Path, header: NlxHeader, records: np.ndarray, origin: int
) -> None:
    """Add the spikes of an electrode; its channel is that of its first wire."""
    wires = header.numbers("ADChannel")
    number = int(wires[0]) + 1 if wires else 1
    while number in contents.spike_channels:
        number += 1
    if len(records) and int(records["dwCellNumber"].max()) > 10_000:
        row = int(records["dwCellNumber"].argmax())
        raise refuse(
            SYSTEM, f"cell number of spike {row} cannot be", path, HEADER + row * records.dtype.itemsize
        )
    rate, gain = header.numbers("SamplingFrequency"), header.numbers("ADBitVolts")
    scale = 1e6 * sign(header) * gain[0] if gain else float("nan")
    contents.spike_channels[number] = (path.stem, scale, rate[0] if rate else float("nan"))
    time_s = (records["qwTimeStamp"].astype(np.int64) - origin) / MICROSECONDS
    contents.add_spikes(number, records["dwCellNumber"].astype(np.int64), time_s)


def _events(contents: RecordingContents, path: Path, records: np.ndarray, origin: int) -> None:
    """Add words of the port with the most records, single lines of others, and start and stop."""
    wrong = np.flatnonzero((records["npkt_id"] != 0) & (records["npkt_data_size"] < 0))
    if wrong.size:
        raise refuse(SYSTEM, "a record of events is damaged", path, HEADER + int(wrong[0]) * NEV.itemsize)
    tick = records["qwTimeStamp"].astype(np.int64) - origin
    texts = [text.decode("latin-1") for text in records["EventString"].tolist()]
    ports = [_port(text) for text in texts]
    used = Counter(port for port in ports if port).most_common()
    short = 0
    for rank, (name, _) in enumerate(used):
        rows = np.array([row for row, port in enumerate(ports) if port == name])
        rows = rows[np.argsort(tick[rows], kind="stable")]
        level = np.concatenate(([0], records["nttl"][rows].astype(np.int64) & 0xFFFF))
        at = np.concatenate((tick[rows][:1], tick[rows]))
        if rank == 0:
            at, word, lost = settled_words(at, level, SETTLE_S * MICROSECONDS)
            contents.add_words(at / MICROSECONDS, word, "digital")
            short += lost
        else:
            at, bit = rising_bits(at, level)
            contents.add_words(at / MICROSECONDS, bit, "bit")
    for start, source in (("Starting Recording", "start"), ("Stopping Recording", "stop")):
        marks = np.array([row for row, text in enumerate(texts) if text.startswith(start)], np.int64)
        contents.add_words(tick[marks] / MICROSECONDS, np.zeros(len(marks), np.int64), source)
    other = [
        [float(tick[row] / MICROSECONDS), text]
        for row, text in enumerate(texts)
        if not ports[row] and not text.startswith(("Starting Recording", "Stopping Recording"))
    ]
    contents.metadata |= {"short_pulses": short, "messages": other[:100], "n_messages": len(other)}


def _port(text: str) -> str:
    """Return the digital port that an event names; '' for other events."""
    if "TTL" not in text.upper():
        return ""
    match = re.search(r"(?:board\s*\d+\s*)?port\s*:?\s*\d+", text, re.IGNORECASE)
    return match[0].lower() if match else "port"
