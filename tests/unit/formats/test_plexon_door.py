"""Plexon: repeated event headers, names of streams, analog inputs with a source of their own."""

import numpy as np
import pandas as pd
import pytest

from evoalign.errors import InputError
from evoalign.formats.opening import open_recording
from evoalign.formats.pl2.contents import Analog, continuous
from evoalign.formats.plexon.walk import Blocks
from evoalign.formats.plx import layout as plx
from evoalign.formats.plx.write import ContinuousGroup, write_plx

SAMPLES = np.random.default_rng(0).integers(-900, 900, (4_000, 2)).astype(np.int16)
WORDS = pd.DataFrame({"time_s": [0.01, 0.02, 0.03], "word": [7, 1, 2], "source": ["strobed", "bit", "bit"]})


def patched(path, table, row, **fields):
    """Set fields of a row of one of the file's tables of channel headers."""
    content = bytearray(path.read_bytes())
    head = np.frombuffer(bytes(content[: plx.FILE_HEADER.itemsize]), plx.FILE_HEADER)[0]
    sizes = (
        int(head["NumDSPChannels"]) * plx.CHAN_HEADER.itemsize,
        int(head["NumEventChannels"]) * plx.EVENT_HEADER.itemsize,
    )
    dtype = (plx.CHAN_HEADER, plx.EVENT_HEADER, plx.SLOW_HEADER)[table]
    at = plx.FILE_HEADER.itemsize + sum(sizes[:table]) + row * dtype.itemsize
    one = np.frombuffer(bytes(content[at : at + dtype.itemsize]), dtype).copy()
    for name, value in fields.items():
        one[name] = value
    content[at : at + dtype.itemsize] = one.tobytes()
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("row", [0, 1, 2])
def test_headers_of_events_may_repeat_a_channel(tmp_path, row):
    write_plx(tmp_path / "a.plx", [SAMPLES], names=["WB001", "WB002"], words=WORDS)
    before = open_recording(tmp_path / "a.plx").words
    n = int(np.fromfile(tmp_path / "a.plx", plx.FILE_HEADER, 1)[0]["NumEventChannels"])
    table = np.fromfile(tmp_path / "a.plx", plx.EVENT_HEADER, n, offset=plx.FILE_HEADER.itemsize)
    patched(tmp_path / "a.plx", 1, row, Channel=int(table["Channel"][(row + 1) % n]))
    pd.testing.assert_frame_equal(open_recording(tmp_path / "a.plx").words, before)


def test_a_repeated_header_of_events_is_no_damage(tmp_path):
    write_plx(tmp_path / "a.plx", [SAMPLES], names=["WB001", "WB002"], words=WORDS)
    before = open_recording(tmp_path / "a.plx").words
    content = (tmp_path / "a.plx").read_bytes()
    head = np.frombuffer(content[: plx.FILE_HEADER.itemsize], plx.FILE_HEADER).copy()
    first = plx.FILE_HEADER.itemsize
    size = plx.EVENT_HEADER.itemsize
    head["NumEventChannels"] += 1  # the first header of events stands twice
    (tmp_path / "a.plx").write_bytes(head.tobytes() + content[first : first + size] + content[first:])
    pd.testing.assert_frame_equal(open_recording(tmp_path / "a.plx").words, before)


def test_a_repeated_continuous_channel_is_refused(tmp_path):
    write_plx(tmp_path / "a.plx", [SAMPLES], names=["WB001", "WB002"])
    with pytest.raises(InputError, match="two headers of one kind"):
        open_recording(patched(tmp_path / "a.plx", 2, 1, Channel=0))


@pytest.mark.parametrize("names", [("WB001", "WB002"), ("WB001", "wideband two")])
def test_wideband_and_spike_band_of_one_gain_keep_their_names(tmp_path, names):
    spike_band = ContinuousGroup([SAMPLES], ["SPKC001", "SPKC002"], 1.0, 40_000)
    write_plx(tmp_path / "a.plx", [SAMPLES], names=names, more=[spike_band])
    recording = open_recording(tmp_path / "a.plx")
    assert set(recording.streams) == {"broadband", "highpass"}
    table = recording.channels.set_index("channel")
    assert table.loc[[1, 2], "name"].tolist() == list(names)
    assert table.loc[[1, 2], "stream"].tolist() == ["broadband"] * 2


@pytest.mark.parametrize(("source", "role"), [(9, "analog"), (3, "field")])
def test_inputs_of_a_source_of_their_own_are_no_field_potentials(tmp_path, source, role):
    more = [ContinuousGroup([SAMPLES[:100]], ["AD01", "AD02"], 1.0, 1_000)]
    write_plx(tmp_path / "a.plx", [SAMPLES], names=["WB001", "WB002"], more=more)
    for row in (0, 1):
        patched(tmp_path / "a.plx", 2, row, SrcId=3)
        patched(tmp_path / "a.plx", 2, 2 + row, SrcId=source)
    assert set(open_recording(tmp_path / "a.plx").streams) == {"broadband", role}


def test_a_map_system_without_other_channels_keeps_its_field_potentials(tmp_path):
    write_plx(tmp_path / "a.plx", [SAMPLES[:100]], names=["AD01", "AD02"], sampling_rate_hz=1_000)
    assert set(open_recording(tmp_path / "a.plx").streams) == {"field"}


@pytest.mark.parametrize(
    ("source", "source_name", "name", "role"),
    [
        (7, "AI", "AI01", "analog"),  # the number that later versions give field potentials
        (7, "AI", "photodiode", "analog"),
        (7, "FP", "FP01", "field"),
        (7, "", "AI01", "analog"),
        (7, "", "renamed", "field"),
        (12, "", "eye_x", "analog"),
        (5, "FP", "FP01", "field"),
    ],
)
def test_names_of_a_pl2_count_before_numbers_of_sources(source, source_name, name, role):
    none = np.zeros(1, np.int32)
    blocks = Blocks(np.zeros(1, np.int64), np.zeros(1, np.int64), none, none, np.array([50]))
    head = Analog(name, source_name, "volts", source, 1, 1_000.0, 1e-6)
    found = continuous(head, blocks, SAMPLES[:, 0], 40_000.0, 1, "a.pl2", "", 0.001)
    assert found.role == role
