"""Mutated recordings of other rigs open or end in an InputError: no crash, hang, or memory beyond 1 GB."""

import shutil

import numpy as np
import pandas as pd
import pytest
from test_fuzz_events import CASES, memory_limit, mutate, overwrite, survive
from test_fuzz_recordings import read
from tiny_rigs import tiny_edf, tiny_nex, tiny_rec, tiny_smr

from evoalign.errors import InputError
from evoalign.formats.neo_rawio.write_intan import write_intan
from evoalign.formats.neo_rawio.write_neuralynx import write_neuralynx
from evoalign.formats.neo_rawio.write_open_ephys import write_open_ephys

pytestmark = pytest.mark.fuzz

N = CASES // 4
SAMPLES = np.random.default_rng(0).integers(-2_000, 2_000, (384, 3)).astype(np.int16)
SPIKES = pd.DataFrame({"channel": [1, 2, 1], "unit": [0, 1, 1], "time_s": [0.0001, 0.0005, 0.001]})
WORDS = pd.DataFrame({"time_s": [0.0012, 0.0062], "word": [101, 201]})


def check(good, n):
    # Neither blind to damage nor refusing everything.
    assert 0.01 * n < good < 0.99 * n


@pytest.mark.parametrize(
    ("suffix", "seeds"),
    [
        (".nex", [tiny_nex(), tiny_nex(fragments=((0, 0),))]),
        (".smr", [tiny_smr(), tiny_smr(pause_ticks=0)]),
        (".rec", [tiny_rec(), tiny_rec(lost=0, scaled=False)]),
        (".edf", [tiny_edf(), tiny_edf(plus="", annotations=False), tiny_edf(pause_s=0.0, plus="EDF+C")]),
    ],
)
def test_fuzz_single_files(tmp_path, suffix, seeds):
    check(survive(seeds, tmp_path / f"a{suffix}", N, read), N)


def test_fuzz_rhd(tmp_path):
    seeds = []
    for version in ((1, 2), (1, 5), (3, 3)):
        write_intan(tmp_path / "s.rhd", [SAMPLES], n_channels=2, analog=["x"], words=WORDS, version=version)
        seeds.append((tmp_path / "s.rhd").read_bytes())
    check(survive(seeds, tmp_path / "a.rhd", N, read), N)


def folder_of(place, kind):
    if kind == "intan":
        write_intan(place, [SAMPLES], n_channels=2, analog=["x"], words=WORDS)
    elif kind == "open_ephys":
        write_open_ephys(place, [SAMPLES], n_channels=2, analog=["ADC1"], words=WORDS, spikes=SPIKES)
    else:
        write_neuralynx(place, [SAMPLES], names=["CSC1", "CSC2", "Photodiode"], gain_uv=[1, 1, 1],
                        words=WORDS, spikes=SPIKES)  # fmt: skip
    return place


@pytest.mark.parametrize("kind", ["intan", "open_ephys", "neuralynx"])
def test_fuzz_folders(tmp_path, kind):
    """One file of the folder is mutated, in turn."""
    whole = folder_of(tmp_path / "whole", kind)
    place = tmp_path / "mutant"
    shutil.copytree(whole, place)
    files = sorted(f.relative_to(whole) for f in whole.rglob("*") if f.is_file())
    seeds = {name: (whole / name).read_bytes() for name in files}
    rng = np.random.default_rng(1)
    good = 0
    with memory_limit():
        for case in range(N):
            name = files[case % len(files)]
            overwrite(place / name, mutate(seeds[name], rng))
            try:
                read(place)
                good += 1
            except InputError as error:
                assert error.what, (case, name)
            overwrite(place / name, seeds[name])
    check(good, N)
