"""Damaged files: one InputError that names the file.

Not tried here: whole pages of zeros. In a heap of HDF5's these make the HDF5 library itself
loop for ever, before it gives us anything; a rule's `runtime` ends that (see docs/nwb.md).
"""

import json
import subprocess
import sys

import h5py
import numpy as np
import pandas as pd
import pytest

from evoalign.nwb import write_nwb
from evoalign.study import Config, Nwb

N_FILES = 15

# HDF5 may abort on damaged bytes, so a process of its own reads: it reports after each file.
READ = """
import dataclasses, json, sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
from evoalign.errors import InputError
from evoalign.nwb import read_nwb
for name in sys.argv[1:]:
    try:
        found = read_nwb(name)
        for image in found.images:
            found.images[image]
        said = "read"
    except InputError as error:
        said = ["InputError", str(error.where), error.mend or ""]
    except Exception as error:
        said = ["defect", type(error).__name__, str(error)]
    print(json.dumps([name, said]), flush=True)
"""


def read_all(files):
    done = subprocess.run(
        [sys.executable, "-c", READ, *map(str, files)], capture_output=True, text=True, timeout=300
    )
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"died on {files[len(said)]}: {done.stderr[-2000:]}"
    return said


def flipped(raw, rng):
    """The bytes of one place replaced."""
    damaged = bytearray(raw)
    length = int(rng.integers(1, 64))
    place = int(rng.integers(0, len(raw) - length))
    damaged[place : place + length] = rng.bytes(length)
    return bytes(damaged)


def truncated(raw, rng):
    return raw[: int(rng.integers(0, len(raw)))]


@pytest.mark.parametrize("damage", [flipped, truncated])
def test_a_damaged_file_is_read_or_is_one_message(packaged, tmp_path, damage):
    raw = packaged[1].read_bytes()
    rng = np.random.default_rng(11)
    files = []
    for k in range(N_FILES):
        files.append(tmp_path / f"damaged{k}.nwb")
        files[-1].write_bytes(damage(raw, rng))
    said = read_all(files)
    for name, outcome in said:
        if outcome != "read":
            assert outcome[0] == "InputError", (name, outcome)
            assert name in outcome[1] and outcome[2], (name, outcome)
    refused = sum(outcome != "read" for _, outcome in said)
    assert refused == N_FILES if damage is truncated else refused > 0


def test_a_packed_array_with_damaged_bytes_is_told_by_its_path(contents, tmp_path):
    rng = np.random.default_rng(1)
    more = pd.DataFrame({"unit": 0, "time_s": np.sort(rng.uniform(0, 40, 20_000))})
    contents.spikes = pd.concat([contents.spikes, more])
    path = tmp_path / "packed.nwb"
    write_nwb(path, contents, Config(device="cpu", nwb=Nwb(compression="gzip")))
    with h5py.File(path) as file:
        chunk = file["units/spike_times"].id.get_chunk_info(0)
    with path.open("r+b") as stream:
        stream.seek(chunk.byte_offset + 10)
        stream.write(bytes(200))
    [(name, outcome)] = read_all([path])
    assert outcome[0] == "InputError" and outcome[1] == f"{name}, /units/spike_times"
