"""A small seeded session with everything that an NWB file can hold."""

import datetime as dt
import json
from contextlib import nullcontext

import numpy as np
import pandas as pd
from PIL import Image

from evoalign import tables
from evoalign.events.tables import ALIGNMENT, PRESENTATIONS
from evoalign.nwb.contents import SessionContents, SessionMetadata
from evoalign.nwb.images import ImageFolder
from evoalign.nwb.tables import GENERATORS, RAW_FILES
from evoalign.recordings.stream import Stream
from evoalign.recordings.tables import CHANNELS, SEGMENTS, WORDS
from evoalign.sorting.envelope import Envelope
from evoalign.sorting.tables import ARTEFACTS, BAD_CHANNELS, SPIKES, UNITS, WAVEFORMS
from evoalign.study import Config

START = dt.datetime(2026, 3, 2, 10, 0, 0, 250_000, tzinfo=dt.UTC)
DURATION_S = 40.0
RATE_HZ = 30_000.0
N_CHANNELS = 5
SPACES = ("texture", "object")
CONFIG = Config.model_validate(
    {"institution": "Some University", "lab": "Vision", "experimenter": ["Doe, Jane"], "device": "cpu"}
)


def frame(contract, rows):
    return tables.conform(pd.DataFrame(rows, columns=contract.names), contract)


def channels():
    rows = [
        (c, f"chan{c}", "neural", "broadband", RATE_HZ, 0.25, "V4-array", "A", "V4", 400.0 * c, 0.0)
        for c in range(1, N_CHANNELS + 1)
    ]
    nan = float("nan")
    rows += [(129, "ainp1", "analog", "analog", RATE_HZ, 152.6, "", "", "", nan, nan)]
    return frame(CHANNELS, rows)


def units_and_spikes(rng):
    nan = float("nan")
    kinds = [("sorted", -1)] * 4 + [("multiunit", -1)] * 3 + [("online", 0), ("online", 1)]
    units, spikes, waveforms = [], [], []
    for unit, (kind, vendor) in enumerate(kinds):
        channel = 1 + unit % N_CHANNELS
        times = np.sort(np.round(rng.uniform(0, DURATION_S, 150 + 10 * unit) * RATE_HZ) / RATE_HZ)
        voltage = kind != "online"
        quality = (60.0, 5.5, 0.01, 1.0, 0.02) if voltage else (nan, nan, 0.2, 0.9, nan)
        units.append(
            (unit, kind, channel, vendor, "V4", len(times), len(times) / DURATION_S, *quality,
             "good" if unit < 2 else "mua", unit == 1, 0.93 if unit == 1 else nan, 4.0, -0.1, 0.4)
        )  # fmt: skip
        spikes += [(unit, time) for time in times]
        if voltage:
            time_ms = (np.arange(48) - 16) / 30
            mean = (-60 * np.exp(-((time_ms / 0.2) ** 2))).astype(np.float32) + np.float32(unit / 3)
            waveforms += [(unit, t, m, 9.0) for t, m in zip(time_ms, mean, strict=True)]
    contracts = (UNITS, SPIKES, WAVEFORMS)
    return [frame(c, rows) for c, rows in zip(contracts, (units, spikes, waveforms), strict=True)]


def presentations(n_blocks=3, per_thread=4):
    rows, time = [], 1.0
    shown = {}
    for block in range(1, n_blocks + 1):
        for thread in (0, 1):
            names = [(f"block{block:03d}_thread{thread:03d}_gen_gen{block - 1:03d}_{i:06d}", i)
                     for i in range(per_thread)] + [(f"scene{thread}_nat", -1)]  # fmt: skip
            for image, latent in names:
                rows.append(
                    (len(rows), len(rows) // 3 + 1, image, block, thread, SPACES[thread], latent, latent < 0,
                     shown.get(image, 0), time, time + 0.1, "photodiode",
                     time - 0.03, time + 5, 0.2, True, "")
                )  # fmt: skip
                shown[image] = shown.get(image, 0) + 1
                time = round(time + 0.3, 6)
    found = frame(PRESENTATIONS, rows)
    found.loc[4, ["valid", "reason"]] = [False, "no word"]
    found.loc[7, ["onset_s", "offset_s", "word_s", "residual_ms"]] = float("nan")
    found.loc[7, ["valid", "reason"]] = [False, "recording paused"]
    return found


def write_images(folder, names, rng):
    folder.mkdir(parents=True, exist_ok=True)
    for k, name in enumerate(names):
        shape = (12, 10) if k % 7 == 6 else (12, 10, 3)
        Image.fromarray(rng.integers(0, 256, shape).astype(np.uint8)).save(folder / f"{name}.png")


def stream(n=90_000, segments=1):
    """Counts that tell their channel and sample: sample + 1000 x channel, in int16."""

    def read(segment, start, stop, columns):
        sample = np.arange(start, stop)[:, None] + 7 * segment
        return ((sample + 1000 * np.asarray([*columns])) % 30_000).astype(np.int16)

    ids = tuple(range(1, N_CHANNELS + 1))
    parts = tuple((0.5 + 10.0 * s, n) for s in range(segments))
    return Stream("broadband", RATE_HZ, ids, np.full(N_CHANNELS, 0.25), np.zeros(N_CHANNELS), parts, read)


def envelope():
    """Two seconds of three electrodes in each of two segments."""
    values = np.random.default_rng(9).gamma(9, 1, (2, 2000, 3)).astype(np.float32)
    opened = lambda: nullcontext(lambda segment, first, end: values[segment, first:end])
    return Envelope((1, 2, 4), ((0.5, 2000), (10.25, 2000)), opened)


def full_session(folder, seed=0):
    """Contents with every table, images in `folder`, and both raw streams."""
    rng = np.random.default_rng(seed)
    units, spikes, waveforms = units_and_spikes(rng)
    shown = presentations()
    names = sorted(shown["image"].unique())
    write_images(folder, names, rng)
    latents = {
        (block, thread): (
            rng.standard_normal((4, (6, 9)[thread])),
            shown.query("block == @block and thread == @thread and not reference")["image"].tolist(),
        )
        for block in (1, 2, 3)
        for thread in (0, 1)
    }
    report = ("s1", len(shown), int(shown["valid"].sum()), 29, 1, 0, -5.0, 12.0, 0.1, 0.4, 0.9, 30.0, 31.0)
    words = [(1.0 + 0.1 * k, 101 + k % 3, "digital", 0) for k in range(50)]
    return SessionContents(
        metadata=SessionMetadata("s1", "Demo-B", "2a", SPACES, "ainp1", "", "blackrock"),
        start=START,
        channels=channels(),
        segments=frame(
            SEGMENTS,
            [("broadband", 0, 0.0, 1_200_000, RATE_HZ), ("analog", 0, 0.0, 1_200_000, RATE_HZ)],
        ),
        words=frame(WORDS, words),
        units=units,
        spikes=spikes,
        waveforms=waveforms,
        bad_channels=frame(
            BAD_CHANNELS,
            [
                (c, "flat" if c == 5 else "", 9.0 + c, 80.0, 12.0, 10.0, 9.0, 0.01)
                for c in range(1, N_CHANNELS + 1)
            ],
        ),
        artefacts=frame(
            ARTEFACTS, [("common", "V4-array", -1, 0.5, 0.51), ("saturated", "", 3, 12.0, 12.25)]
        ),
        envelope=envelope(),
        presentations=shown,
        alignment=frame(ALIGNMENT, [report]),
        generators=frame(
            GENERATORS,
            [
                (0, "texture", 6, "", "", "", "space: texture", "cma", "first_step: 0.8; seed: 7"),
                (1, "object", 9, "ab" * 32, "LPIPS", "0.25 -1.5e-07", "", "", ""),
            ],
        ),
        raw_files=frame(RAW_FILES, [("s1.nev", "0" * 64), ("s1.ns6", "1" * 64)]),
        latents=latents,
        images=ImageFolder(folder, names),
        settings={"seed": "0", "nwb.raw": json.dumps("none")},
        provenance={"version": "0.1.0", "commit": "abc", "input:log.tsv": "2" * 64},
    )
