"""Writes Open Ephys recordings in the binary format, file by file as the GUI 0.6 does."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evoalign.files import atomic_write
from evoalign.formats.neo_rawio.pulses import line_edges, word_pulses

STREAM = "Acquisition_Board-100.Rhythm Data"
SPIKES = "Spike_Detector-104.Rhythm Data/spikes"
NO_WORDS = pd.DataFrame({"time_s": [], "word": []})
NO_SPIKES = pd.DataFrame({"channel": [], "unit": [], "time_s": []})


def write_open_ephys(
    path: str | PathLike[str],
    chunks: Iterable[np.ndarray],
    *,
    n_channels: int,
    gain_uv: float = 0.195,
    analog: Sequence[str] = (),
    analog_gain_uv: float = 1.0,
    sampling_rate_hz: int = 30_000,
    words: pd.DataFrame = NO_WORDS,
    spikes: pd.DataFrame = NO_SPIKES,
    first_sample: int = 0,
    pauses: Sequence[tuple[int, int]] = (),
) -> None:
    """Write a Record Node's folder with one recording.

    Parameters
    ----------
    path : path
        The folder; it appears whole or not at all.
    chunks : iterable of int16 array [sample, channel]
        Electrodes, then analog inputs.
    n_channels : int
        Electrodes among them: CH1, CH2, ..
    gain_uv, analog_gain_uv : float
        Microvolts per count.
    analog : sequence of str
        Analog inputs, as ``ADC1``.
    sampling_rate_hz : int
        Of all.
    words : DataFrame
        Columns time_s and word; each is a pulse on TTL lines, kept as edges.
    spikes : DataFrame
        Columns channel, unit, time_s.
    first_sample : int
        Number of the first sample; words and spikes are counted from it.
    pauses : sequence of (int, int)
        Sample before which the numbers jump, and by how many.
    """
    with atomic_write(path) as partial:
        place = partial / "experiment1/recording1"
        stream = place / "continuous" / STREAM
        stream.mkdir(parents=True)
        n = 0
        with (stream / "continuous.dat").open("wb") as file:
            for chunk in chunks:
                file.write(np.ascontiguousarray(chunk, "<i2").tobytes())
                n += len(chunk)
        number = np.arange(n, dtype="<i8")
        number += (
            sum((np.where(number >= at, by, 0) for at, by in pauses), np.zeros(n, np.int64)) + first_sample
        )
        np.save(stream / "sample_numbers.npy", number)
        np.save(stream / "timestamps.npy", number / sampling_rate_hz)
        _write_ttl(place / "events" / STREAM / "TTL", words, sampling_rate_hz, first_sample)
        channels = sorted(set(spikes["channel"].astype(int)))
        if channels:
            _write_spikes(place / "spikes" / SPIKES, spikes, channels, sampling_rate_hz, first_sample)
        structure = _structure(sampling_rate_hz, n_channels, gain_uv, analog, analog_gain_uv, channels)
        (place / "structure.oebin").write_text(json.dumps(structure, indent=4) + "\n", encoding="utf-8")


def _write_ttl(place: Path, words: pd.DataFrame, rate_hz: int, first_sample: int) -> None:
    place.mkdir(parents=True)
    sample, level = word_pulses(words, rate_hz)
    at, line, high = line_edges(sample, level)
    states = np.where(high, line + 1, -(line + 1)).astype("<i2")
    # Beside each edge the levels of all lines after it.
    full = np.cumsum(np.where(high, 1, -1) * (np.int64(1) << line)).astype("<u8")
    np.save(place / "sample_numbers.npy", (at + first_sample).astype("<i8"))
    np.save(place / "timestamps.npy", (at + first_sample) / rate_hz)
    np.save(place / "states.npy", states)
    np.save(place / "full_words.npy", full)


def _write_spikes(
    place: Path, spikes: pd.DataFrame, channels: list[int], rate_hz: int, first_sample: int
) -> None:
    place.mkdir(parents=True)
    ordered = spikes.sort_values("time_s", kind="stable")
    number = np.rint(ordered["time_s"].to_numpy() * rate_hz).astype("<i8") + first_sample
    index = np.searchsorted(channels, ordered["channel"].to_numpy()) + 1
    np.save(place / "sample_numbers.npy", number)
    np.save(place / "timestamps.npy", number / rate_hz)
    np.save(place / "electrode_indices.npy", index.astype("<u2"))
    np.save(place / "clusters.npy", ordered["unit"].to_numpy().astype("<u2"))
    np.save(place / "waveforms.npy", np.zeros((len(ordered), 1, 40), "<i2"))


def _structure(
    rate_hz: int,
    n_channels: int,
    gain_uv: float,
    analog: Sequence[str],
    analog_gain_uv: float,
    spike_channels: list[int],
) -> dict[str, Any]:
    neural = [{"channel_name": f"CH{c + 1}", "bit_volts": gain_uv, "units": "uV"} for c in range(n_channels)]
    # Analog inputs are in volts.
    inputs = [{"channel_name": name, "bit_volts": analog_gain_uv / 1e6, "units": "V"} for name in analog]
    source = {
        "sample_rate": rate_hz,
        "source_processor_name": "Acquisition Board",
        "source_processor_id": 100,
    }
    spikes = {
        "folder_name": f"{SPIKES}/",
        "sample_rate": rate_hz,
        "num_channels": len(spike_channels),
        "channels": [
            {"channel_name": f"Electrode {c}", "source_channel_info": [{"source_processor_channel": c - 1}]}
            for c in spike_channels
        ],
    }
    return {
        "GUI version": "0.6.7",
        "continuous": [
            {"folder_name": f"{STREAM}/", **source, "num_channels": n_channels + len(inputs),
             "channels": [*neural, *inputs]}
        ],
        "events": [{"folder_name": f"{STREAM}/TTL/", **source, "channel_name": "Acquisition Board TTL",
                    "type": "int16"}],
        "spikes": [spikes] if spike_channels else [],
    }  # fmt: skip
