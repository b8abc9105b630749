"""Files that may not be read, or whose headers hold impossible numbers, are one message each."""

import os
import struct
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest

from evoalign.errors import InputError
from evoalign.formats.blackrock.write import write_nev, write_nsx
from evoalign.formats.opening import open_recording
from evoalign.formats.pl2 import layout as pl2
from evoalign.formats.pl2.write import write_pl2
from evoalign.formats.plx import layout as plx
from evoalign.formats.plx.write import write_plx

NOBODY = 65_534


@contextmanager
def nobody():
    """Root may read everything: be somebody else meanwhile."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def written(path, seconds=0.1):
    noise = np.random.default_rng(0).integers(-99, 99, (int(40_000 * seconds), 2)).astype(np.int16)
    if path.suffix == ".nev":
        write_nev(path, channels=[1, 2])
    elif path.suffix == ".ns6":
        write_nsx(path, [noise], channel_ids=[1, 2])
    else:
        {".plx": write_plx, ".pl2": write_pl2}[path.suffix](path, [noise], names=["WB01", "WB02"])
    return path


@pytest.mark.parametrize("suffix", [".nev", ".ns6", ".plx", ".pl2"])
@pytest.mark.parametrize("closed", ["file", "folder"])
def test_a_file_without_permission_is_an_input_error(tmp_path, suffix, closed):
    path = written(tmp_path / f"a{suffix}")
    shut = path if closed == "file" else tmp_path
    shut.chmod(0)
    try:
        with nobody(), pytest.raises(InputError, match="cannot be read: Permission denied") as caught:
            open_recording(path)
    finally:
        shut.chmod(0o700)
    assert caught.value.where == str(path) and "permissions" in caught.value.hint


def patched(path, at, content):
    raw = bytearray(path.read_bytes())
    raw[at : at + len(content)] = content
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize("rate", [0.0, float("nan"), float("inf"), -40_000.0])
def test_an_impossible_rate_of_a_pl2_is_refused(tmp_path, rate):
    path = written(tmp_path / "a.pl2")
    content = path.read_bytes()
    first = content.index(b"WB01") - 16  # the channel header's name stands at +16
    patched(path, first + 112, struct.pack("<d", rate))
    with pytest.raises(InputError, match="sampling rate"):
        open_recording(path)
    patched(written(path), pl2.place("TimestampFrequency"), struct.pack("<d", rate))
    with pytest.raises(InputError, match="time stamp rate"):
        open_recording(path)


def test_an_impossible_rate_of_a_plx_is_refused(tmp_path):
    for rate in (0, -1):
        path = patched(written(tmp_path / "a.plx"), plx.place("ADFrequency"), struct.pack("<i", rate))
        with pytest.raises(InputError, match="rate is"):
            open_recording(path)


def test_a_plexon_file_without_channels_is_refused(tmp_path):
    for write, name in ((write_plx, "a.plx"), (write_pl2, "a.pl2")):
        write(tmp_path / name)
        with pytest.raises(InputError, match="no spike and no continuous channels"):
            open_recording(tmp_path / name)


@pytest.mark.parametrize("mark", ["EndOfHeader", "FirstDataBlock", "EndOfDataBlocks", "StartOfFooter"])
def test_a_pl2_header_that_points_past_the_end_is_refused(tmp_path, mark):
    path = patched(written(tmp_path / "a.pl2"), pl2.place(mark), struct.pack("<Q", 1 << 40))
    with pytest.raises(InputError, match=f"{mark} is {1 << 40}") as caught:
        open_recording(path)
    assert "export" in caught.value.hint


@pytest.mark.parametrize("field", ["NumDSPChannels", "NumEventChannels", "NumSlowChannels"])
def test_a_plx_header_that_points_past_the_end_is_refused(tmp_path, field):
    path = patched(written(tmp_path / "a.plx"), plx.place(field), struct.pack("<i", 10**6))
    with pytest.raises(InputError, match=field):
        open_recording(path)


def test_a_damaged_stamp_far_off_the_others_is_refused(tmp_path):
    """In a format whose stamps are 64 bits wide, a single flipped bit makes a recording of years."""
    words = pd.DataFrame({"time_s": [1.0, 2.0, 3.0], "word": 9, "source": "digital"})
    write_nev(tmp_path / "a.nev", channels=[1], words=words, version="3.0")
    raw = bytearray((tmp_path / "a.nev").read_bytes())
    stamp = raw.rindex(struct.pack("<Q", 90_000))
    raw[stamp + 6] |= 1
    (tmp_path / "a.nev").write_bytes(raw)
    with pytest.raises(InputError, match="days: a time stamp is damaged"):
        open_recording(tmp_path / "a.nev")
