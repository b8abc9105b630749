"""Plexon files that we write come back bit for bit: .plx of every version, .pl2 with and without footer."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evoalign.errors import InputError
from evoalign.formats.opening import open_recording
from evoalign.formats.pl2.read import spike_waveforms as pl2_waveforms
from evoalign.formats.pl2.write import write_pl2
from evoalign.formats.plx.read import spike_waveforms as plx_waveforms
from evoalign.formats.plx.write import ContinuousGroup, stored_gain_uv, write_plx

NAMES = ["WB001", "WB002", "WB003"]
WRITERS = {".plx": write_plx, ".pl2": write_pl2}


def samples(n, n_channels=3, seed=0):
    return np.random.default_rng(seed).integers(-2_000, 2_000, (n, n_channels)).astype(np.int16)


def table(columns, *rows):
    return pd.DataFrame(rows, columns=columns.split())


SPIKES = table("channel unit time_s", (1, 1, 0.01), (2, 0, 0.02), (1, 2, 0.03), (2, 1, 0.045))
WORDS = table("time_s word source", (0.005, 101, "strobed"), (0.04, 201, "strobed"))


@pytest.fixture(params=WRITERS)
def suffix(request):
    return request.param


def write(suffix, path, **more):
    WRITERS[suffix](path, spike_channels=[1, 2], **more)


def test_samples_words_and_spikes_come_back(suffix, tmp_path):
    data = samples(4_000)
    path = tmp_path / f"a{suffix}"
    write(suffix, path, chunks=[data[:1_500], data[1_500:]], names=NAMES, spikes=SPIKES, words=WORDS)
    recording = open_recording(path)
    stream = recording.streams["broadband"]
    assert stream.segments == ((0.0, 4_000),)
    np.testing.assert_array_equal(stream.read(0, 0, 4_000), data)
    assert stream.sampling_rate_hz == 40_000
    strobed = recording.words[recording.words["source"] == "strobed"]
    assert strobed["word"].tolist() == [101, 201]
    np.testing.assert_allclose(strobed["time_s"], WORDS["time_s"], atol=0.5 / 40_000)
    found = recording.online_spikes.sort_values("time_s")
    assert found[["channel", "unit"]].to_numpy().tolist() == SPIKES[["channel", "unit"]].to_numpy().tolist()


@given(data=st.data())
@settings(max_examples=15, deadline=None)
@pytest.mark.parametrize("suffix", WRITERS)
def test_pauses_stand_at_their_true_times(suffix, tmp_path_factory, data):
    n = data.draw(st.integers(50, 4_000))
    cuts = sorted(data.draw(st.sets(st.integers(1, n - 1), max_size=3)))
    # Blocks within 1 ms of their place are jitter, not a pause.
    pauses = [(cut, data.draw(st.integers(80, 4_000)) / 40_000) for cut in cuts]
    block = data.draw(st.integers(16, 900))
    path = tmp_path_factory.mktemp("pauses") / f"a{suffix}"
    write(suffix, path, chunks=[samples(n)], names=NAMES, pauses=pauses, block_samples=block)
    stream = open_recording(path).streams["broadband"]
    found = [stream.read(i, 0, 10**9) for i in range(len(stream.segments))]
    np.testing.assert_array_equal(np.concatenate(found), samples(n))
    edges = [0, *cuts, n]
    assert [length for _, length in stream.segments] == np.diff(edges).tolist()
    true = np.array(edges[:-1]) / 40_000 + np.cumsum([0, *(s for _, s in pauses)])
    np.testing.assert_allclose([start for start, _ in stream.segments], true, rtol=0, atol=1e-9)


@pytest.mark.parametrize("version", range(100, 108))
def test_every_plx_version_keeps_its_scale(version, tmp_path):
    gain = stored_gain_uv(0.25, version)
    write_plx(tmp_path / "a.plx", [samples(900)], names=NAMES, gain_uv=gain, version=version)
    recording = open_recording(tmp_path / "a.plx")
    np.testing.assert_allclose(recording.streams["broadband"].gain_uv, gain, rtol=1e-9)
    np.testing.assert_array_equal(recording.streams["broadband"].read(0, 0, 900), samples(900))


def test_slower_channels_and_analog_inputs_are_streams_of_their_own(suffix, tmp_path):
    field, light = samples(100, 2, seed=1), samples(100, 1, seed=2)
    more = [
        ContinuousGroup([field], ["FP001", "FP002"], 1.0, 1_000),
        ContinuousGroup([light], ["AI01"], 150.0, 1_000),
    ]
    path = tmp_path / f"a{suffix}"
    write(suffix, path, chunks=[samples(4_000)], names=NAMES, more=more)
    streams = open_recording(path).streams
    np.testing.assert_array_equal(streams["field"].read(0, 0, 100), field)
    np.testing.assert_array_equal(streams["analog"].read(0, 0, 100), light)


@pytest.mark.parametrize(("suffix", "read"), [(".plx", plx_waveforms), (".pl2", pl2_waveforms)])
def test_waveforms_come_back(suffix, read, tmp_path):
    shapes = samples(len(SPIKES), 32)
    path = tmp_path / f"a{suffix}"
    write(suffix, path, spikes=SPIKES, waveforms=shapes)
    found, counts, _ = read(path, 1)
    np.testing.assert_array_equal(counts, shapes[(SPIKES["channel"] == 1).to_numpy()])
    assert found["unit"].tolist() == [1, 2]


def test_a_file_of_spikes_alone_opens(suffix, tmp_path):
    write(suffix, tmp_path / f"a{suffix}", spikes=SPIKES)
    recording = open_recording(tmp_path / f"a{suffix}")
    assert not recording.streams and len(recording.online_spikes) == 4


def test_a_pl2_without_its_footer_is_read_by_its_blocks(tmp_path):
    for name, finished in (("whole", True), ("crashed", False)):
        write_pl2(
            tmp_path / f"{name}.pl2",
            [samples(3_000)],
            names=NAMES,
            spike_channels=[1, 2],
            spikes=SPIKES,
            words=WORDS,
            finished=finished,
        )
    one, two = (open_recording(tmp_path / f"{name}.pl2") for name in ("whole", "crashed"))
    for recording in (one, two):
        np.testing.assert_array_equal(recording.streams["broadband"].read(0, 0, 3_000), samples(3_000))
    pd.testing.assert_frame_equal(one.online_spikes, two.online_spikes)
    strobed = [r.words[r.words["source"] == "strobed"]["word"].tolist() for r in (one, two)]
    assert strobed[0] == strobed[1] == [101, 201]


@pytest.mark.parametrize("share", [0.001, 0.05, 0.5, 0.9])
def test_a_truncated_file_is_refused(suffix, share, tmp_path):
    path = tmp_path / f"a{suffix}"
    write(suffix, path, chunks=[samples(4_000)], names=NAMES, spikes=SPIKES, words=WORDS)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(share * len(raw)) // 2 * 2 + 1])
    with pytest.raises(InputError) as caught:
        open_recording(path)
    assert f"a{suffix}" in caught.value.where


def test_another_file_under_the_name_is_refused(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    for content in (b"", b"hello", bytes(10_000), b"PNG" * 5_000):
        path.write_bytes(content)
        with pytest.raises(InputError):
            open_recording(path)


def test_a_count_that_does_not_add_up_is_refused(tmp_path):
    path = tmp_path / "a.pl2"
    write_pl2(path, spike_channels=[1, 2], spikes=SPIKES)
    raw = bytearray(path.read_bytes())
    # The first channel header's count of unit 1 (2592-byte records from 0x480, counts at +160).
    at = 0x480 + 160 + 8
    assert int.from_bytes(raw[at : at + 8], "little") == 1
    raw[at] = 5
    path.write_bytes(raw)
    with pytest.raises(InputError, match=r"\d"):
        open_recording(path)


def test_a_folder_is_no_recording(suffix, tmp_path):
    (tmp_path / "b.ns6").mkdir()
    with pytest.raises(InputError, match="folder"):
        open_recording(tmp_path / "b.ns6")
