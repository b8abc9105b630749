"""A simulated session's raw files, as a rig of each vendor saves them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from evoalign.formats.blackrock.write import write_nev, write_nsx
from evoalign.formats.neo_rawio import write_intan as intan
from evoalign.formats.neo_rawio.write_neuralynx import write_neuralynx as write_neuralynx_files
from evoalign.formats.neo_rawio.write_open_ephys import write_open_ephys as write_open_ephys_files
from evoalign.formats.plx.write import ContinuousGroup, stored_gain_uv, write_plx
from evoalign.simulate.population import Population
from evoalign.simulate.schedule import Rig
from evoalign.simulate.settings import Demo
from evoalign.simulate.voltages import SimulatedElectrodes, photodiode_chunks

BLACKROCK_HZ, PLEXON_HZ, PLEXON_ANALOG_HZ = 30_000, 40_000, 1_000
OTHER_HZ = 30_000  # of Intan's, Open Ephys' and Neuralynx' files
GAIN_UV = 0.25  # of the electrodes, microvolts per count
ANALOG_GAIN_UV = 5e6 / 32_767  # +-5 V over 16 bits
FIRST_ANALOG = 129  # Blackrock's number of analog input 1


def write_blackrock(
    stem: Path, rig: Rig, people: Population, settings: Demo, start: dt.datetime, seed: int
) -> None:
    """Write ``{stem}.nev`` (words, online spikes) and ``{stem}.ns6`` (electrodes, photodiode)."""
    channels = list(range(1, settings.n_electrodes + 1))
    write_nev(
        stem.with_name(f"{stem.name}.nev"),
        channels=channels,
        spikes=people.online,
        words=rig.words("digital"),
        start=start,
        sampling_rate_hz=BLACKROCK_HZ,
    )
    photodiode = photodiode_chunks(
        np.array(rig.onsets), np.array(rig.offsets), rig.duration_s, BLACKROCK_HZ, [seed, 8]
    )
    neural = _electrodes(rig, people, settings, BLACKROCK_HZ, seed).chunks(GAIN_UV)
    write_nsx(
        stem.with_name(f"{stem.name}.ns6"),
        _beside(neural, photodiode),
        channel_ids=[*channels, FIRST_ANALOG],
        labels=[*(f"chan{channel}" for channel in channels), "ainp1"],
        gain_uv=[*[GAIN_UV] * len(channels), ANALOG_GAIN_UV],
        sampling_rate_hz=BLACKROCK_HZ,
        start=start,
    )


def write_plexon(
    stem: Path, rig: Rig, people: Population, settings: Demo, start: dt.datetime, seed: int
) -> None:
    """Write ``{stem}.plx``: electrodes at 40 kHz, photodiode at 1 kHz, spikes, strobed words."""
    channels = list(range(1, settings.n_electrodes + 1))
    gain_uv = stored_gain_uv(GAIN_UV)
    analog_gain_uv = stored_gain_uv(ANALOG_GAIN_UV)
    photodiode = photodiode_chunks(
        np.array(rig.onsets), np.array(rig.offsets), rig.duration_s, PLEXON_ANALOG_HZ, [seed, 8]
    )
    write_plx(
        stem.with_name(f"{stem.name}.plx"),
        _electrodes(rig, people, settings, PLEXON_HZ, seed).chunks(gain_uv),
        names=[f"WB{channel:03d}" for channel in channels],
        gain_uv=gain_uv,
        sampling_rate_hz=PLEXON_HZ,
        start=start,
        spike_channels=channels,
        spikes=people.online,
        words=rig.words("strobed"),
        more=[ContinuousGroup(photodiode, ["AI01"], analog_gain_uv, PLEXON_ANALOG_HZ)],
        clock_hz=PLEXON_HZ,
    )


def write_intan(
    stem: Path, rig: Rig, people: Population, settings: Demo, start: dt.datetime, seed: int
) -> None:
    """Write ``{stem}.rhd``: electrodes, photodiode, words on digital inputs; such a file has no spikes."""
    del start  # it has no date either
    intan.write_intan(
        stem.with_name(f"{stem.name}.rhd"),
        _at_30_khz(rig, people, settings, seed, intan.GAIN_UV),
        n_channels=settings.n_electrodes,
        analog=["photodiode"],
        sampling_rate_hz=OTHER_HZ,
        words=rig.words("digital"),
    )


def write_open_ephys(
    stem: Path, rig: Rig, people: Population, settings: Demo, start: dt.datetime, seed: int
) -> None:
    """Write the folder ``{stem}_open_ephys`` of a Record Node: samples, TTL edges, spikes."""
    del start  # it is in settings.xml, which nothing is read from
    write_open_ephys_files(
        stem.with_name(f"{stem.name}_open_ephys"),
        _at_30_khz(rig, people, settings, seed, GAIN_UV),
        n_channels=settings.n_electrodes,
        gain_uv=GAIN_UV,
        analog=["ADC1"],
        analog_gain_uv=ANALOG_GAIN_UV,
        sampling_rate_hz=OTHER_HZ,
        words=rig.words("digital"),
        spikes=people.online,
        first_sample=1_234_567,
    )


def write_neuralynx(
    stem: Path, rig: Rig, people: Population, settings: Demo, start: dt.datetime, seed: int
) -> None:
    """Write the folder ``{stem}_neuralynx``: a .ncs a channel, Events.nev, a .nse a channel with spikes."""
    write_neuralynx_files(
        stem.with_name(f"{stem.name}_neuralynx"),
        _at_30_khz(rig, people, settings, seed, GAIN_UV),
        names=[*(f"CSC{c + 1}" for c in range(settings.n_electrodes)), "Photodiode1"],
        gain_uv=[*[GAIN_UV] * settings.n_electrodes, ANALOG_GAIN_UV],
        sampling_rate_hz=OTHER_HZ,
        words=rig.words("digital"),
        spikes=people.online,
        start=start,
        first_stamp=345_678_901,
    )


def _at_30_khz(
    rig: Rig, people: Population, settings: Demo, seed: int, gain_uv: float
) -> Iterator[np.ndarray]:
    """Yield electrodes and photodiode side by side."""
    photodiode = photodiode_chunks(
        np.array(rig.onsets), np.array(rig.offsets), rig.duration_s, OTHER_HZ, [seed, 8]
    )
    return _beside(_electrodes(rig, people, settings, OTHER_HZ, seed).chunks(gain_uv), photodiode)


def _electrodes(rig: Rig, people: Population, settings: Demo, rate_hz: int, seed: int) -> SimulatedElectrodes:
    return SimulatedElectrodes(
        people.spikes,
        people.units,
        people.shapes,
        n_electrodes=settings.n_electrodes,
        duration_s=rig.duration_s,
        sampling_rate_hz=rate_hz,
        noise_uv=settings.noise_uv,
        seed=[seed, 7],
    )


def _beside(*streams: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the streams' chunks side by side."""
    for chunks in zip(*streams, strict=True):
        yield np.concatenate(chunks, axis=1)


# Vendor -> what writes its files.
WRITERS: Mapping[str, Callable[[Path, Rig, Population, Demo, dt.datetime, int], None]] = {
    "blackrock": write_blackrock,
    "plexon": write_plexon,
    "intan": write_intan,
    "open_ephys": write_open_ephys,
    "neuralynx": write_neuralynx,
}
