"""Mutated recordings open or end in an InputError: no crash, hang, or memory beyond 1 GB."""

import numpy as np
import pandas as pd
import pytest
from test_fuzz_events import CASES, survive

from evoalign.formats.blackrock.write import write_nev, write_nsx
from evoalign.formats.opening import open_recording
from evoalign.formats.pl2.write import write_pl2
from evoalign.formats.plx.write import write_plx

pytestmark = pytest.mark.fuzz

SAMPLES = np.random.default_rng(0).integers(-2_000, 2_000, (60, 2)).astype(np.int16)
SPIKES = pd.DataFrame({"channel": [1, 2, 1], "unit": [0, 1, 1], "time_s": [0.0001, 0.0005, 0.001]})
WORDS = pd.DataFrame({"time_s": [0.0002, 0.0012], "word": [101, 201]})


def read(path):
    """Open and read everything, as the pipeline does."""
    recording = open_recording(path)
    recording.descriptor()
    for stream in recording.streams.values():
        for segment, (_, n) in enumerate(stream.segments):
            stream.read(segment, 0, min(n, 1_000))


def seeds_of(write, path, variants):
    found = []
    for variant in variants:
        write(path, **variant)
        found.append(path.read_bytes())
    return found


def check(seeds, path, n):
    good = survive(seeds, path, n, read)
    # Neither blind to damage nor refusing everything.
    assert 0.01 * n < good < 0.97 * n


def test_fuzz_nsx(tmp_path):
    shared = {"chunks": [SAMPLES], "channel_ids": [1, 2], "pauses": [(30, 300)]}
    variants = [shared | {"version": v} for v in ("2.2", "2.3", "3.0")]
    variants += [shared | {"version": "3.0", "ptp": True}, shared | {"version": "2.1", "pauses": ()}]
    check(seeds_of(write_nsx, tmp_path / "s.ns6", variants), tmp_path / "a.ns6", CASES // 4)


def test_fuzz_nev(tmp_path):
    shared = {"channels": [1, 2], "spikes": SPIKES, "words": WORDS.assign(source="digital")}
    variants = [shared | {"version": v, "comments": [(0.001, "x")]} for v in ("2.1", "2.3", "3.0")]
    check(seeds_of(write_nev, tmp_path / "s.nev", variants), tmp_path / "a.nev", CASES // 4)


def test_fuzz_plx(tmp_path):
    shared = {"chunks": [SAMPLES], "names": ["WB001", "WB002"], "spike_channels": [1, 2], "spikes": SPIKES}
    shared |= {"words": WORDS.assign(source="strobed"), "block_samples": 20}
    variants = [shared | {"version": v} for v in (100, 103, 107)]
    check(seeds_of(write_plx, tmp_path / "s.plx", variants), tmp_path / "a.plx", CASES // 4)


def test_fuzz_pl2(tmp_path):
    shared = {"chunks": [SAMPLES], "names": ["WB001", "WB002"], "spike_channels": [1, 2], "spikes": SPIKES}
    shared |= {"words": WORDS.assign(source="strobed"), "block_samples": 20}
    variants = [shared, shared | {"finished": False}]
    check(seeds_of(write_pl2, tmp_path / "s.pl2", variants), tmp_path / "a.pl2", CASES // 4)
