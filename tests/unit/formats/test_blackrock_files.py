"""Blackrock files that we write come back bit for bit, in every version, with pauses, resets and PTP."""

import datetime as dt
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from neo.rawio import BlackrockRawIO

from evoalign.errors import InputError
from evoalign.formats.blackrock.write import write_nev, write_nsx
from evoalign.formats.opening import open_recording

START = dt.datetime(2026, 3, 2, 10, 0, 0, 250_000, tzinfo=dt.UTC)
IDS, LABELS = [1, 2, 7, 129], ["chan1", "chan2", "elec7", "ainp1"]
GAINS = [0.25, 0.25, 0.25, 5e6 / 32_767]
VERSIONS = [("2.2", False), ("2.3", False), ("3.0", False), ("3.0", True)]


def samples(n, seed=0):
    return np.random.default_rng(seed).integers(-32_000, 32_000, (n, len(IDS))).astype(np.int16)


def spikes(*rows):
    return pd.DataFrame(rows, columns=["channel", "unit", "time_s"])


def words(*rows):
    return pd.DataFrame(rows, columns=["time_s", "word", "source"])


def written(folder, data, version="2.3", ptp=False, step=7_001, **more):
    chunks = [data[i : i + step] for i in range(0, len(data), step)]
    parts = {"channel_ids": IDS, "labels": LABELS, "gain_uv": GAINS, "start": START}
    write_nsx(folder / "a.ns6", chunks, version=version, ptp=ptp, **parts, **more)
    return folder / "a.ns6"


def counts(recording):
    """Samples of all segments, columns in the order of IDS."""
    parts = [recording.streams[name] for name in ("broadband", "analog")]
    n = len(parts[0].segments)
    return [np.concatenate([part.read(i, 0, 10**9) for part in parts], axis=1) for i in range(n)]


@pytest.mark.parametrize(("version", "ptp"), VERSIONS)
def test_samples_gains_and_labels_come_back_in_every_version(tmp_path, version, ptp):
    data = samples(40_000)
    recording = open_recording(written(tmp_path, data, version, ptp))
    np.testing.assert_array_equal(counts(recording)[0], data)
    channels = recording.channels.set_index("channel")
    assert channels.loc[IDS, "name"].tolist() == LABELS
    np.testing.assert_allclose(channels.loc[IDS, "gain_uv"], GAINS, rtol=1e-6)
    assert channels.loc[IDS, "kind"].tolist() == ["neural"] * 3 + ["analog"]
    assert recording.start == START


def test_version_2_1_holds_samples_without_scale(tmp_path):
    data = samples(1_000)[:, :2]
    write_nsx(tmp_path / "a.ns5", [data], channel_ids=[3, 4], version="2.1")
    stream = open_recording(tmp_path / "a.ns5").streams["broadband"]
    assert stream.channels == (3, 4)
    np.testing.assert_array_equal(stream.read(0, 0, 1_000), data)


@pytest.mark.parametrize(("version", "ptp"), VERSIONS)
@given(data=st.data())
@settings(max_examples=12, deadline=None)
def test_pauses_stand_at_their_true_times(tmp_path_factory, version, ptp, data):
    n = data.draw(st.integers(40, 3_000))
    cuts = sorted(data.draw(st.sets(st.integers(1, n - 1), max_size=5)))
    pauses = [(cut, data.draw(st.integers(3, 90_000))) for cut in cuts]
    folder = tmp_path_factory.mktemp("pauses")
    step = data.draw(st.integers(1, n))
    recording = open_recording(written(folder, samples(n), version, ptp, step, pauses=pauses))
    np.testing.assert_array_equal(np.concatenate(counts(recording)), samples(n))
    found = recording.streams["broadband"].segments
    edges = [0, *cuts, n]
    assert [length for _, length in found] == np.diff(edges).tolist()
    shift = np.cumsum([0, *(length for _, length in pauses)])
    true = (np.array(edges[:-1]) + shift) / 30_000
    np.testing.assert_allclose([start for start, _ in found], true, rtol=0, atol=1e-6)


def test_hundreds_of_blocks_are_hundreds_of_segments(tmp_path):
    pauses = [(10 * i, 60) for i in range(1, 400)]
    recording = open_recording(written(tmp_path, samples(4_000), pauses=pauses))
    assert len(recording.streams["broadband"].segments) == 400
    np.testing.assert_array_equal(np.concatenate(counts(recording)), samples(4_000))


@pytest.mark.parametrize("version", ["2.1", "2.2", "2.3", "3.0"])
def test_words_spikes_and_comments_come_back(tmp_path, version):
    sent = words((0.1, 101, "digital"), (3.0, 65_535, "serial"), (0.2, 201, "digital"))
    online = spikes((1, 1, 0.5), (2, 0, 1.0), (96, 3, 2.5))
    write_nev(
        tmp_path / "a.nev",
        channels=[1, 2, 96],
        spikes=online,
        words=sent,
        comments=[(1.25, "reward")],
        start=START,
        version=version,
        waveforms=np.arange(3 * 48, dtype=np.int16).reshape(3, 48),
    )
    recording = open_recording(tmp_path / "a.nev")
    assert recording.words["word"].tolist() == [101, 201, 65_535]
    assert recording.words["source"].tolist() == ["digital", "digital", "serial"]
    np.testing.assert_allclose(recording.words["time_s"], [0.1, 0.2, 3.0], atol=0.5 / 30_000)
    assert recording.online_spikes[["channel", "unit"]].to_numpy().tolist() == [[1, 1], [2, 0], [96, 3]]
    assert recording.metadata["comments"] == [{"time_s": 1.25, "text": "reward"}]


@pytest.mark.parametrize("version", ["2.3", "3.0"])
def test_neo_reads_every_point_of_a_waveform_as_it_was_given(tmp_path, version):
    given_counts = np.arange(1, 3 * 48 + 1, dtype=np.int16).reshape(3, 48)
    write_nev(
        tmp_path / "a.nev",
        channels=[1],
        spikes=spikes((1, 1, 1.5), (1, 1, 0.5), (1, 1, 2.5)),
        words=words((0.1, 101, "digital")),
        start=START,
        version=version,
        waveforms=given_counts,
    )
    reader = BlackrockRawIO(filename=str(tmp_path / "a.nev"), nsx_to_load=[])
    reader.parse_header()
    read_counts = reader.get_spike_raw_waveforms(0, 0, 0, None, None)
    np.testing.assert_array_equal(np.squeeze(read_counts), given_counts[[1, 0, 2]])


@given(
    ticks=st.lists(st.integers(0, 2**31), min_size=1, max_size=50),
    values=st.lists(st.integers(0, 65_535), min_size=50, max_size=50),
)
@settings(max_examples=40, deadline=None)
def test_word_times_are_exact_to_the_tick(tmp_path_factory, ticks, values):
    ticks = sorted(ticks)
    sent = pd.DataFrame(
        {"time_s": np.array(ticks) / 30_000, "word": values[: len(ticks)], "source": "digital"}
    )
    path = tmp_path_factory.mktemp("nev") / "a.nev"
    write_nev(path, words=sent, version="3.0")
    found = open_recording(path).words
    assert np.rint(found["time_s"] * 30_000).astype(int).tolist() == ticks
    assert found["word"].tolist() == sent["word"].tolist()


@pytest.mark.parametrize("version", ["2.3", "3.0"])
def test_a_clock_reset_keeps_order_and_distance(tmp_path, version):
    data = samples(90_000)
    written(tmp_path, data, version, resets=[60_000])
    sent = words((1.9, 101, "digital"), (2.5, 102, "digital"))
    write_nev(tmp_path / "a.nev", words=sent, resets_s=[2.0], version=version, start=START)
    recording = open_recording([tmp_path / "a.nev", tmp_path / "a.ns6"])
    assert recording.metadata["clock_resets"] == 1
    (first, n), (second, _) = recording.streams["broadband"].segments
    assert n == 60_000 and second >= first + 2.0
    # A word half a second after the reset lies half a second into the second segment.
    assert recording.words["time_s"].tolist() == pytest.approx([1.9, second + 0.5], abs=1e-4)
    assert recording.words["segment"].tolist() == [0, 1]


def test_ptp_words_lie_on_the_samples_clock(tmp_path):
    written(tmp_path, samples(60_000), "3.0", ptp=True)
    write_nev(
        tmp_path / "a.nev", words=words((1.5, 7, "digital")), version="3.0", resolution_hz=10**9, start=START
    )
    recording = open_recording([tmp_path / "a.nev", tmp_path / "a.ns6"])
    assert recording.streams["broadband"].segments[0][0] == pytest.approx(0, abs=1e-6)
    assert recording.words["time_s"].tolist() == pytest.approx([1.5], abs=1e-6)


@pytest.mark.parametrize("version", ["2.2", "2.3", "3.0"])
def test_neo_reads_what_we_write(tmp_path, version):
    data = samples(20_000)
    written(tmp_path, data, version)
    sent = words((0.1, 101, "digital"), (0.4, 102, "digital"))
    write_nev(
        tmp_path / "a.nev",
        channels=[1, 2, 7],
        spikes=spikes((1, 1, 0.3), (7, 2, 0.35)),
        words=sent,
        version=version,
        start=START,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = BlackrockRawIO(str(tmp_path / "a"), nsx_to_load=6)
        peer.parse_header()
        streams = {stream["name"]: i for i, stream in enumerate(peer.header["signal_streams"])}
        found = [peer.get_analogsignal_chunk(0, 0, stream_index=i) for i in streams.values()]
        times, _, labels = peer.get_event_timestamps(0, 0, 0)
    np.testing.assert_array_equal(np.concatenate(found, axis=1), data)
    assert [int(label) for label in labels] == [101, 102]
    np.testing.assert_allclose(peer.rescale_event_timestamp(times, "float64", 0), [0.1, 0.4], atol=1e-4)


def test_a_read_takes_only_what_is_asked(tmp_path):
    data = samples(5_000)
    stream = open_recording(written(tmp_path, data)).streams["broadband"]
    np.testing.assert_array_equal(stream.read(0, 4_000, 99_999, [7, 1]), data[4_000:][:, [2, 0]])
    assert stream.read(0, 9_000, 9_100).shape == (0, 3)
    with pytest.raises(KeyError):
        stream.read(0, 0, 1, [5])


@pytest.mark.parametrize(
    ("position", "value", "said"),
    [
        (0, b"XEURALCD", "no NSx file"),
        (8, b"\x09", "version 9"),
        (10, (10**6).to_bytes(4, "little"), "bytes of headers"),
        (286, bytes(4), "sampling period is 0"),
        (290, bytes(4), "0 Hz"),
        (310, bytes(4), "0 channels"),
    ],
)
def test_a_damaged_header_is_one_message_with_its_byte(tmp_path, position, value, said):
    path = written(tmp_path, samples(100))
    raw = bytearray(path.read_bytes())
    raw[position : position + len(value)] = value
    path.write_bytes(raw)
    with pytest.raises(InputError, match=said) as caught:
        open_recording(path)
    assert "a.ns6" in caught.value.where and "byte" in caught.value.where and caught.value.hint


@pytest.mark.parametrize("cut", [5, 200, 700, 3_001])
def test_a_truncated_file_is_refused(tmp_path, cut):
    path = written(tmp_path, samples(1_000))
    path.write_bytes(path.read_bytes()[:-cut] if cut < 3_000 else path.read_bytes()[: cut - 2_800])
    with pytest.raises(InputError):
        open_recording(path)


def test_a_cut_nev_is_refused(tmp_path):
    write_nev(tmp_path / "a.nev", spikes=spikes((1, 1, 0.5), (1, 1, 0.6)))
    raw = (tmp_path / "a.nev").read_bytes()
    for n, said in ((len(raw) - 3, "cut"), (100, "ends in its header")):
        (tmp_path / "a.nev").write_bytes(raw[:n])
        with pytest.raises(InputError, match=said):
            open_recording(tmp_path / "a.nev")


def test_files_of_two_recordings_are_refused(tmp_path):
    written(tmp_path, samples(1_000))
    write_nev(tmp_path / "a.nev", start=START + dt.timedelta(hours=1))
    with pytest.raises(InputError, match="started 3600"):
        open_recording([tmp_path / "a.nev", tmp_path / "a.ns6"])


def test_missing_files_and_unknown_formats_are_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        open_recording(tmp_path / "none.ns6")
    (tmp_path / "a.xyz").write_bytes(b"abc")
    with pytest.raises(InputError, match="no reader"):
        open_recording(tmp_path / "a.xyz")
    with pytest.raises(InputError, match="no raw files"):
        open_recording([])


def test_a_version_that_is_not_written_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"2\.9"):
        write_nev(tmp_path / "a.nev", version="2.9")
    with pytest.raises(InputError, match="no such time stamps"):
        write_nsx(tmp_path / "a.ns6", [], channel_ids=[1], version="2.3", ptp=True)
    assert not list(tmp_path.iterdir())
