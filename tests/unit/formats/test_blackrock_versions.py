"""What is written in every version of Blackrock's files is read back, bit by bit and tick by tick."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evoalign import tables
from evoalign.formats.blackrock.write import write_nev, write_nsx
from evoalign.formats.opening import open_recording
from evoalign.formats.spikeinterface_recording import stream_recording
from evoalign.recordings.tables import WORDS

RATE_HZ = 30_000
START = dt.datetime(2023, 5, 4, 10, 20, 30, 250_000, tzinfo=dt.UTC)
NEV_VERSIONS = ("2.1", "2.2", "2.3", "3.0")
# Version, and whether each sample has a stamp of its own.
NSX_VERSIONS = (("2.1", False), ("2.2", False), ("2.3", False), ("3.0", False), ("3.0", True))
SUFFIXES = ((500, "ns1"), (1_000, "ns2"), (2_000, "ns3"), (10_000, "ns4"), (30_000, "ns5"), (30_000, "ns6"))


def noise(n: int, channels: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-(2**15), 2**15, (n, channels)).astype(np.int16)


@pytest.mark.parametrize("version", NEV_VERSIONS)
@given(
    events=st.lists(
        st.tuples(st.integers(0, 2**31), st.integers(0, 0xFFFF), st.sampled_from(["digital", "serial"])),
        max_size=20,
    ),
    spikes=st.lists(
        st.tuples(st.integers(0, 2**31), st.integers(1, 128), st.sampled_from([0, 1, 5, 255])), max_size=20
    ),
)
@settings(max_examples=25, deadline=None)
def test_words_and_spikes_keep_their_ticks(tmp_path_factory, version, events, spikes):
    path = tmp_path_factory.mktemp("nev") / "a.nev"
    # A clock that starts again is told by a step back, so a file's packets stand in the order of time.
    events, spikes = sorted(events), sorted(spikes)
    frame = pd.DataFrame(events, columns=["tick", "word", "source"])
    shot = pd.DataFrame(spikes, columns=["tick", "channel", "unit"]).sort_values(
        ["tick", "channel"], kind="stable"
    )
    write_nev(
        path,
        channels=range(1, 129),
        words=frame.assign(time_s=frame["tick"] / RATE_HZ),
        spikes=shot.assign(time_s=shot["tick"] / RATE_HZ),
        start=START,
        version=version,
    )
    found = open_recording(path)
    assert np.rint(found.words["time_s"] * RATE_HZ).tolist() == frame["tick"].tolist()
    assert found.words["word"].tolist() == frame["word"].tolist()
    assert found.words["source"].tolist() == frame["source"].tolist()
    spikes = found.online_spikes
    assert np.rint(spikes["time_s"] * RATE_HZ).tolist() == shot["tick"].tolist()
    assert spikes[["channel", "unit"]].to_numpy().tolist() == shot[["channel", "unit"]].to_numpy().tolist()
    assert found.start == START
    tables.conform(found.words, WORDS)


@pytest.mark.parametrize(("version", "ptp"), NSX_VERSIONS)
@pytest.mark.parametrize(("rate_hz", "suffix"), SUFFIXES)
def test_samples_are_the_same_bits(tmp_path, version, ptp, rate_hz, suffix):
    samples = noise(3_000, 3)
    path = tmp_path / f"a.{suffix}"
    chunks = np.array_split(samples, 7)
    write_nsx(path, chunks, channel_ids=[1, 2, 96], sampling_rate_hz=rate_hz, start=START, version=version,
              ptp=ptp)  # fmt: skip
    found = open_recording(path)
    (stream,) = found.streams.values()
    assert stream.name == ("broadband" if rate_hz == 30_000 else "field")
    assert stream.channels == (1, 2, 96)
    assert stream.sampling_rate_hz == pytest.approx(rate_hz, rel=1e-9)
    assert stream.segments == ((0.0, 3_000),)
    np.testing.assert_array_equal(stream.read(0, 0, 3_000), samples)
    np.testing.assert_array_equal(stream.read(0, 17, 923, [96, 1]), samples[17:923, [2, 0]])
    np.testing.assert_allclose(stream.gain_uv, 0.25, rtol=1e-9)
    assert found.start == (None if version == "2.1" else START)


@pytest.mark.parametrize(("version", "ptp"), [("2.3", False), ("3.0", False), ("3.0", True)])
def test_a_pair_shares_its_clock_through_pauses_and_a_reset(tmp_path, version, ptp):
    """The files on which libraries count segments of .nev and .nsx apart."""
    samples = noise(90_000, 2)
    write_nsx(tmp_path / "a.ns6", [samples], channel_ids=[1, 2], pauses=[(20_000, 60_000)], resets=[60_000],
              start=START, version=version, ptp=ptp)  # fmt: skip
    # In seconds of the recording: the first clock ends with sample 60,000 at 4 s.
    times = np.array([0.5, 2.0, 3.5, 4.25, 4.75])
    shot = pd.DataFrame({"channel": 1, "unit": 0, "time_s": times + 0.01})
    write_nev(
        tmp_path / "a.nev",
        channels=[1, 2],
        words=pd.DataFrame({"time_s": times, "word": [1, 2, 3, 4, 5], "source": "digital"}),
        spikes=shot,
        comments=[(2.0, "pause"), (3.6, "on again")],
        resets_s=[4.0],
        resolution_hz=10**9 if ptp else None,
        start=START,
        version=version,
    )
    found = open_recording([tmp_path / "a.nev", tmp_path / "a.ns6"])
    stream = found.streams["broadband"]
    assert [n for _, n in stream.segments] == [20_000, 40_000, 30_000]
    starts = np.array([start for start, _ in stream.segments])
    offset = found.metadata["clock_offsets_s"][1]
    np.testing.assert_allclose(starts, [0, 80_000 / RATE_HZ, offset], atol=1e-6)
    assert offset >= 4.0
    assert found.metadata["clock_resets"] == 1
    expected = np.where(times < 4, times, times - 4 + offset)
    np.testing.assert_allclose(found.words["time_s"], expected, atol=1e-6)
    np.testing.assert_allclose(found.online_spikes["time_s"], expected + 0.01, atol=1e-4)
    assert found.words["word"].tolist() == [1, 2, 3, 4, 5]
    assert found.words["segment"].tolist() == [0, 0, 1, 2, 2]
    assert len(found.online_spikes) == 5
    assert [c["text"] for c in found.metadata["comments"]] == ["pause", "on again"]


def test_neural_field_and_analog_are_streams_of_their_own(tmp_path):
    fast, slow = noise(3_000, 3), noise(100, 2, seed=1)
    write_nsx(tmp_path / "a.ns6", [fast], channel_ids=[1, 2, 129], labels=["a", "b", "ainp1"],
              gain_uv=[0.25, 0.5, 5e6 / 32_767], start=START)  # fmt: skip
    write_nsx(tmp_path / "a.ns2", [slow], channel_ids=[1, 2], sampling_rate_hz=1_000, start=START)
    found = open_recording([tmp_path / "a.ns6", tmp_path / "a.ns2"])
    assert {name: s.channels for name, s in found.streams.items()} == {
        "broadband": (1, 2), "analog": (129,), "field": (1, 2),
    }  # fmt: skip
    np.testing.assert_array_equal(found.streams["analog"].read(0, 0, 3_000)[:, 0], fast[:, 2])
    np.testing.assert_array_equal(found.streams["field"].read(0, 0, 100), slow)
    np.testing.assert_allclose(found.streams["broadband"].gain_uv, [0.25, 0.5], rtol=1e-4)
    np.testing.assert_allclose(found.streams["analog"].gain_uv, 5e6 / 32_767, rtol=1e-3)
    assert found.channels.set_index("channel").loc[129, "kind"] == "analog"


def test_spikeinterface_sees_the_same_samples(tmp_path):
    samples = noise(2_000, 4)
    write_nsx(tmp_path / "a.ns6", [samples], channel_ids=[1, 2, 3, 4], pauses=[(700, 300)], start=START)
    recording = stream_recording(open_recording(tmp_path / "a.ns6").streams["broadband"], [2, 4])
    assert recording.get_num_segments() == 2
    np.testing.assert_array_equal(recording.get_traces(segment_index=1), samples[700:, [1, 3]])
    scaled = recording.get_traces(segment_index=0, return_in_uV=True)
    np.testing.assert_allclose(scaled, samples[:700, [1, 3]] * 0.25, rtol=1e-5)
