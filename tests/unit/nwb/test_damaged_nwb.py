"""Damaged files: one InputError that names the file."""

import json
import re
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pandas as pd
import pytest

from evoalign.errors import InputError
from evoalign.nwb import integrity
from evoalign.nwb.dandi import dandi_path
from evoalign.nwb.integrity import check_integrity
from evoalign.nwb.read import read_nwb
from evoalign.nwb.settings import Nwb
from evoalign.nwb.validate import validate
from evoalign.nwb.write import write_nwb
from evoalign.study import Config

N_FILES = 15

# HDF5 may abort on damaged bytes, so a process of its own reads: it reports after each file.
READ = """
import dataclasses, json, sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
from evoalign.errors import InputError
from evoalign.nwb.read import read_nwb
for name in sys.argv[1:]:
    try:
        found = read_nwb(name)
        for image in found.images:
            found.images[image]
        said = "read"
    except InputError as error:
        said = ["InputError", str(error.where), error.hint or ""]
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


def heaps(raw):
    """Where the global heaps of an HDF5 file begin: they hold its text and references."""
    return [match.start() for match in re.finditer(b"GCOL", raw)]


def test_a_heap_of_zeros_is_one_message_that_names_the_object(packaged, tmp_path):
    """The HDF5 library runs in circles on these for ever."""
    raw = packaged[1].read_bytes()
    places = heaps(raw)
    assert len(places) > 10
    objects = set()
    for k in (0, len(places) // 2, len(places) - 1):
        damaged = bytearray(raw)
        damaged[places[k] + 16 : places[k] + 4096] = bytes(4080)
        file = tmp_path / f"zeros{k}.nwb"
        file.write_bytes(damaged)
        with pytest.raises(InputError, match="did not come to an end in 0.5 s") as caught:
            check_integrity(file, object_cpu_s=0.5)
        name, _, inside = caught.value.where.partition(", ")
        assert name == str(file) and caught.value.hint
        with h5py.File(packaged[1]) as whole:
            assert inside in whole
        objects.add(inside)
    assert len(objects) == 3


def test_reading_and_validating_check_the_integrity_of_the_file(packaged, tmp_path, monkeypatch):
    raw = bytearray(packaged[1].read_bytes())
    place = heaps(raw)[3]
    raw[place + 16 : place + 4096] = bytes(4080)
    (tmp_path / "zeros.nwb").write_bytes(raw)
    for ask in (read_nwb, validate, dandi_path):
        monkeypatch.setattr(integrity.check_integrity, "__defaults__", (0.3,))
        with pytest.raises(InputError, match="did not come to an end") as caught:
            ask(tmp_path / "zeros.nwb")
        assert caught.value.where.startswith(f"{tmp_path}/zeros.nwb, /")


def test_pages_of_zeros_anywhere_are_read_or_are_one_message(packaged, tmp_path):
    raw = packaged[1].read_bytes()
    rng = np.random.default_rng(12)
    passed = []
    for k in range(N_FILES):
        damaged = bytearray(raw)
        place = int(rng.integers(0, len(raw) - 4096))
        damaged[place : place + 4096] = bytes(4096)
        file = tmp_path / f"page{k}.nwb"
        file.write_bytes(damaged)
        try:
            check_integrity(file, object_cpu_s=0.5)
            passed.append(file)
        except InputError as error:
            assert error.where.startswith(f"{file}, /") and error.hint
    assert len(passed) < N_FILES
    for name, outcome in read_all(passed):
        assert outcome == "read" or (outcome[0] == "InputError" and name in outcome[1]), outcome


def test_an_undamaged_file_passes(packaged):
    check_integrity(packaged[1])


@pytest.mark.parametrize("name", ["units/spike_times", "intervals/presentations/start_time"])
def test_a_chunk_that_was_never_written_is_not_taken_for_zeros(packaged, tmp_path, name):
    path = tmp_path / "sparse.nwb"
    shutil.copy(packaged[1], path)
    with h5py.File(path, "r+") as file:
        whole, attributes = file[name][:], dict(file[name].attrs)
        del file[name]
        chunk = max(len(whole) // 2, 1)
        node = file.create_dataset(name, whole.shape, whole.dtype, chunks=(chunk,))
        node[:chunk] = whole[:chunk]
        node.attrs.update(attributes)
    with pytest.raises(InputError, match=r"of \d chunks are missing"):
        read_nwb(path)
