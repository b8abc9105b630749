"""Blackrock: analog inputs by unit and range, comments, stimulation, binary .ccf, files of two processors."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from evoalign.errors import InputError
from evoalign.formats.blackrock import layout
from evoalign.formats.blackrock.write import write_nev, write_nsx
from evoalign.formats.opening import open_recording

START = dt.datetime(2026, 3, 2, 10, tzinfo=dt.UTC)
SAMPLES = np.random.default_rng(0).integers(-900, 900, (3_000, 2)).astype(np.int16)


def nsx(path, ids=(1, 65), labels=("chan1", "photodiode"), **fields):
    """Two channels, of which the second has other fields in its header."""
    write_nsx(path, [SAMPLES], channel_ids=ids, labels=labels, start=START)
    content = bytearray(path.read_bytes())
    at = layout.NSX_BASIC.itemsize + layout.NSX_EXTENDED.itemsize
    row = np.frombuffer(bytes(content[at : at + layout.NSX_EXTENDED.itemsize]), layout.NSX_EXTENDED).copy()
    for name, value in fields.items():
        row[name] = value
    content[at : at + layout.NSX_EXTENDED.itemsize] = row.tobytes()
    path.write_bytes(content)
    return path


def scale(units, limit, digital=32_767):
    return {"units": units, "minimum_analog_value": -limit, "maximum_analog_value": limit,
            "minimum_digital_value": -digital, "maximum_digital_value": digital}  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "kind", "gain_uv"),
    [
        (scale(b"mV", 5_000), "analog", 5e6 / 32_767),
        (scale(b"V", 5), "analog", 5e6 / 32_767),
        (scale(b"mV", 1_000), "analog", 1e6 / 32_767),
        (scale(b"uV", 8_191, 32_764), "neural", 8_191 / 32_764),
        (scale(b"mV", 8, 32_000), "neural", 0.25),  # electrodes in millivolts
        (scale(b"nV", 32_000, 32_000), "neural", 0.001),
        (scale(b"", 8_191, 32_764), "neural", 8_191 / 32_764),
    ],
)
def test_a_renamed_input_is_told_by_unit_and_range(tmp_path, fields, kind, gain_uv):
    recording = open_recording(nsx(tmp_path / "a.ns6", **fields))
    row = recording.channels.set_index("channel").loc[65]
    assert (row["name"], row["kind"]) == ("photodiode", kind)
    assert row["gain_uv"] == pytest.approx(gain_uv)
    assert row["stream"] == ("analog" if kind == "analog" else "broadband")


@pytest.mark.parametrize("unit", [b"deg", b"mmHg", b"mA"])
def test_what_is_no_voltage_is_an_input_without_microvolts(tmp_path, unit):
    recording = open_recording(nsx(tmp_path / "a.ns6", **scale(unit, 90)))
    row = recording.channels.set_index("channel").loc[65]
    assert row["kind"] == "analog" and np.isnan(row["gain_uv"])
    assert recording.metadata["scale"] == {"65": f"in {unit.decode()}"}
    # Samples are in the file's own unit.
    assert recording.streams["analog"].gain_uv.tolist() == [pytest.approx(90 / 32_767)]


def test_inputs_of_version_2_1_have_the_scale_of_5_volts(tmp_path):
    write_nsx(tmp_path / "a.ns5", [SAMPLES], channel_ids=[1, 129], version="2.1")
    gain = open_recording(tmp_path / "a.ns5").channels.set_index("channel")["gain_uv"]
    assert gain.to_dict() == {1: 0.25, 129: pytest.approx(152.5925, abs=5e-5)}


def wrapped(path, channels, inputs):
    """A NEV in which `inputs` have the factor 152,588 nV, in 16 bits."""
    write_nev(path, channels=channels, start=START)
    content = bytearray(path.read_bytes())
    for row, channel in enumerate(channels):
        at = layout.NEV_BASIC.itemsize + 32 * row + 8 + 4
        if channel in inputs:
            content[at : at + 2] = (21_516).to_bytes(2, "little")
    path.write_bytes(content)
    return path


def test_inputs_of_a_nev_alone_are_no_electrodes(tmp_path):
    channels = [*range(1, 129), *range(129, 145)]
    recording = open_recording(wrapped(tmp_path / "a.nev", channels, range(129, 145)))
    table = recording.channels.set_index("channel")
    assert (table["kind"] == "neural").sum() == 128
    np.testing.assert_allclose(table.loc[129:144, "gain_uv"], 152.588)
    np.testing.assert_allclose(table.loc[1:128, "gain_uv"], 0.25)


def test_a_nev_tells_which_channels_of_a_2_1_beside_it_are_inputs(tmp_path):
    write_nsx(tmp_path / "a.ns5", [SAMPLES], channel_ids=[1, 65], version="2.1")
    nev = wrapped(tmp_path / "a.nev", [1, 65], [65])
    table = open_recording([nev, tmp_path / "a.ns5"]).channels.set_index("channel")
    assert table["kind"].to_dict() == {1: "neural", 65: "analog"}
    assert table.loc[65, "gain_uv"] == pytest.approx(152.5925, abs=5e-5)


def test_a_comment_is_told_once_on_the_clock_of_the_recording(tmp_path):
    # PTP stamps count from 1970; a comment's second packet comes some milliseconds later.
    write_nsx(tmp_path / "a.ns6", [SAMPLES], channel_ids=[1, 2], version="3.0", ptp=True, start=START)
    comments = [(0.05, "reward"), (0.052, "reward"), (0.09, "reward"), (0.0905, "stop")]
    write_nev(
        tmp_path / "a.nev",
        channels=[1, 2],
        comments=comments,
        version="3.0",
        resolution_hz=10**9,
        start=START,
    )
    found = open_recording([tmp_path / "a.nev", tmp_path / "a.ns6"]).metadata["comments"]
    assert [comment["text"] for comment in found] == ["reward", "reward", "stop"]
    np.testing.assert_allclose([comment["time_s"] for comment in found], [0.05, 0.09, 0.0905], atol=1e-6)


def test_a_comment_after_a_reset_lies_where_its_words_lie(tmp_path):
    words = pd.DataFrame({"time_s": [1.0, 4.0], "word": [1, 2], "source": "digital"})
    write_nev(tmp_path / "a.nev", words=words, comments=[(4.0, "late")], resets_s=[3.0], start=START)
    recording = open_recording(tmp_path / "a.nev")
    assert recording.metadata["comments"][0]["time_s"] == pytest.approx(recording.words["time_s"].iloc[-1])


@pytest.mark.parametrize(
    ("raw", "charset", "text"),
    [
        (b"reward\0\x17J", 0, "reward"),
        (b"reward\x03J", 0, "reward"),
        ("größer".encode("utf-16-le"), 1, "größer"),
        (b"caf\xe9", 0, "café"),
    ],
)
def test_a_comment_ends_where_its_text_does(tmp_path, raw, charset, text):
    write_nev(tmp_path / "a.nev", comments=[(0.5, "x" * 20)], start=START)
    content = bytearray((tmp_path / "a.nev").read_bytes())
    at = content.index(b"x" * 20)
    content[at : at + 20] = raw.ljust(20, b"\0")
    content[at - 6] = charset
    (tmp_path / "a.nev").write_bytes(content)
    assert open_recording(tmp_path / "a.nev").metadata["comments"] == [{"time_s": 0.5, "text": text}]


def test_ripples_stimulation_is_no_electrode(tmp_path):
    spikes = pd.DataFrame({"channel": [3, 5_123, 10_240], "unit": [1, 0, 0], "time_s": [0.1, 0.2, 0.3]})
    write_nev(tmp_path / "a.nev", channels=[3, 5_123], spikes=spikes, start=START)
    recording = open_recording(tmp_path / "a.nev")
    assert recording.channels["channel"].tolist() == [3]
    assert recording.online_spikes["channel"].tolist() == [3]
    assert recording.metadata["stimulation_packets"] == 2
    assert recording.metadata["stimulation"] == [[pytest.approx(0.2), 3], [pytest.approx(0.3), 5_120]]


def test_a_binary_configuration_does_not_stop_a_recording(tmp_path):
    write_nev(tmp_path / "a.nev", channels=[1], start=START)
    (tmp_path / "a.ccf").write_bytes(b"cbCCF 3.7\0" + bytes(range(256)))
    told = open_recording([tmp_path / "a.nev", tmp_path / "a.ccf"]).metadata["configuration"]
    assert told["version"] == "3.7" and told["note"] == "binary: not read"
    (tmp_path / "a.ccf").write_bytes(b"<CCF><broken")
    with pytest.raises(InputError, match="no valid XML"):
        open_recording([tmp_path / "a.nev", tmp_path / "a.ccf"])


@pytest.mark.parametrize(
    ("nev", "ns6", "nev_channels", "labels", "message"),
    [
        ("nsp1", "nsp2", [1, 2], None, "names are of 2 processors"),
        ("day-001", "day-002", [1, 2], None, "names are of 2 parts"),
        ("a", "a", [97, 98], None, "no electrode of one file is in the other"),
        ("a", "a", [1, 2], ["elec201", "elec202"], "2 of 2 electrodes have another label"),
    ],
)
def test_files_of_two_processors_are_refused(tmp_path, nev, ns6, nev_channels, labels, message):
    write_nev(tmp_path / f"{nev}.nev", channels=nev_channels, start=START)
    write_nsx(tmp_path / f"{ns6}.ns6", [SAMPLES], channel_ids=[1, 2], labels=labels or [], start=START)
    with pytest.raises(InputError, match=message) as caught:
        open_recording([tmp_path / f"{nev}.nev", tmp_path / f"{ns6}.ns6"])
    assert "rows of their own" in caught.value.hint


def test_files_of_one_processor_go_together(tmp_path):
    # More electrodes in the .nev than were sampled, one renamed in between, and one name of a processor.
    write_nev(tmp_path / "nsp1-001.nev", channels=list(range(1, 97)), start=START)
    labels = ["chan1", "chan2", "renamed"]
    samples = np.concatenate((SAMPLES, SAMPLES[:, :1]), axis=1)
    write_nsx(tmp_path / "nsp1-001.ns6", [samples], channel_ids=[1, 2, 3], labels=labels, start=START)
    assert len(open_recording([tmp_path / "nsp1-001.nev", tmp_path / "nsp1-001.ns6"]).channels) == 96
