"""What our writers write in the bytes of other rigs is what the pipeline, and neo where it is right, read."""

import datetime as dt

import neo.rawio
import numpy as np
import pandas as pd
import pytest

from evoalign.errors import InputError
from evoalign.formats.neo_rawio.write_intan import write_intan
from evoalign.formats.neo_rawio.write_neuralynx import write_neuralynx
from evoalign.formats.neo_rawio.write_open_ephys import write_open_ephys
from evoalign.formats.opening import open_recording

RATE = 30_000
N = 128 * 60
SAMPLES = np.random.default_rng(3).integers(-3_000, 3_000, (N, 4)).astype(np.int16)
CHUNKS = [SAMPLES[:3_001], SAMPLES[3_001:5_000], SAMPLES[5_000:]]
WORD_SAMPLES = np.array([31, 62, 95, 700, 4_000, 7_000])
WORDS = pd.DataFrame({"time_s": WORD_SAMPLES / RATE, "word": [9, 9, 9, 101, 65_535, 201]})
SPIKES = pd.DataFrame(
    {"channel": [1, 2, 1, 3], "unit": [0, 1, 2, 1], "time_s": np.array([10, 50, 3_000, 7_200]) / RATE}
)
PAUSE = (128 * 20, 45_000)
LAYOUTS = ("intan.rhd", "intan_folder", "open_ephys", "neuralynx")


def written(folder, layout, **more):
    """Three electrodes and an analog input, in the bytes of a rig."""
    path = folder / layout
    if layout.startswith("intan"):
        write_intan(path, CHUNKS, n_channels=3, analog=["photodiode"], words=WORDS, **more)
    elif layout == "open_ephys":
        write_open_ephys(path, CHUNKS, n_channels=3, analog=["ADC1"], analog_gain_uv=152.6, words=WORDS,
                         spikes=SPIKES, first_sample=123_456, **more)  # fmt: skip
    else:
        write_neuralynx(path, CHUNKS, names=["CSC1", "CSC2", "CSC3", "Photodiode1"],
                        gain_uv=[0.195, 0.195, 0.195, 152.6], words=WORDS, spikes=SPIKES,
                        start=dt.datetime(2026, 3, 2, 10, 0), first_stamp=987_654_321, **more)  # fmt: skip
    return path


@pytest.mark.parametrize("layout", LAYOUTS)
def test_samples_words_and_spikes_come_back(tmp_path, layout):
    recording = open_recording(written(tmp_path, layout))
    broadband, analog = recording.streams["broadband"], recording.streams["analog"]
    assert broadband.segments == analog.segments == ((0.0, N),)
    np.testing.assert_array_equal(broadband.read(0, 0, N), SAMPLES[:, :3])
    np.testing.assert_array_equal(broadband.read(0, 2_999, 5_003, [3, 1]), SAMPLES[2_999:5_003, [2, 0]])
    np.testing.assert_array_equal(analog.read(0, 0, N)[:, 0], SAMPLES[:, 3])
    np.testing.assert_allclose(broadband.gain_uv, 0.195)
    words = recording.words[recording.words["source"] == "digital"]
    assert words["word"].tolist() == WORDS["word"].tolist()
    np.testing.assert_allclose(words["time_s"], WORDS["time_s"], rtol=0, atol=1e-6)
    if not layout.startswith("intan"):
        np.testing.assert_allclose(recording.online_spikes["time_s"], SPIKES["time_s"], rtol=0, atol=1e-6)
        assert recording.online_spikes[["channel", "unit"]].values.tolist() == [
            [1, 0],
            [2, 1],
            [1, 2],
            [3, 1],
        ]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_pause_starts_a_segment_at_its_true_time_and_words_keep_theirs(tmp_path, layout):
    at, by = PAUSE
    recording = open_recording(written(tmp_path, layout, pauses=[PAUSE]))
    (start, n), (start_2, n_2) = recording.streams["broadband"].segments
    assert (start, n, n_2) == (0.0, at, N - at)
    assert start_2 == pytest.approx((at + by) / RATE, abs=1e-6)
    stream = recording.streams["broadband"]
    np.testing.assert_array_equal(stream.read(1, 0, n_2), SAMPLES[at:, :3])
    early = WORDS[WORDS["time_s"] < at / RATE]
    found = recording.words[recording.words["source"] == "digital"]
    np.testing.assert_allclose(found["time_s"][: len(early)], early["time_s"], rtol=0, atol=1e-6)


def neo_reader(path, layout):
    if layout.startswith("intan"):
        reader = neo.rawio.IntanRawIO(path if layout.endswith("rhd") else path / "info.rhd")
    elif layout == "open_ephys":
        reader = neo.rawio.OpenEphysBinaryRawIO(path)
    else:
        reader = neo.rawio.NeuralynxRawIO(path)
    reader.parse_header()
    return reader


@pytest.mark.parametrize("layout", LAYOUTS)
def test_neo_reads_the_same_samples_from_what_we_write(tmp_path, layout):
    # An independent reader of the formats: what our own reader and writer share is not their mistake.
    reader = neo_reader(written(tmp_path, layout), layout)
    streams = reader.header["signal_streams"]["id"].tolist()
    electrodes = next(
        place for place, one in enumerate(streams)
        if np.count_nonzero(reader.header["signal_channels"]["stream_id"] == one) in (3, 4)
    )  # fmt: skip
    read = reader.get_analogsignal_chunk(stream_index=electrodes)
    volts = reader.rescale_signal_raw_to_float(read, "float64", stream_index=electrodes)[:, :3]
    np.testing.assert_allclose(volts, SAMPLES[: len(volts), :3] * 0.195, rtol=0, atol=1e-3)
    assert len(volts) == N


def test_a_skew_of_counters_between_files_of_one_recording_is_a_gap_or_none(tmp_path):
    for part, (a, b) in enumerate([(0, 1_280), (1_280, 2_560)]):
        write_intan(tmp_path / f"{part}.rhd", [SAMPLES[a:b]], n_channels=3, analog=["x"])
    # The second file counts from 0 again: time would run backwards.
    with pytest.raises(InputError, match="runs backwards"):
        open_recording([tmp_path / "0.rhd", tmp_path / "1.rhd"])
    write_intan(tmp_path / "1.rhd", [SAMPLES[1_280:2_560]], n_channels=3, analog=["x"], pauses=[(0, 1_280)])
    recording = open_recording([tmp_path / "1.rhd", tmp_path / "0.rhd"])
    assert recording.streams["broadband"].segments == ((0.0, 2_560),)
    np.testing.assert_array_equal(
        recording.streams["broadband"].read(0, 1_200, 1_400), SAMPLES[1_200:1_400, :3]
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_cut_file_is_refused_with_its_name(tmp_path, layout):
    path = written(tmp_path, layout)
    files = (
        [path]
        if path.is_file()
        else sorted(f for f in path.rglob("*") if f.suffix in (".dat", ".ncs", ".npy", ".nev"))
    )
    for file in files:
        content = file.read_bytes()
        file.write_bytes(content[:-1])
        with pytest.raises(InputError):
            open_recording(path)
        file.write_bytes(content)
    open_recording(path)


def test_open_ephys_words_beside_the_edges_are_held_against_them(tmp_path):
    path = written(tmp_path, "open_ephys")
    full = next(path.rglob("full_words.npy"))
    kept = np.load(full)
    kept[-1] ^= 1  # after the last edge of the last word
    np.save(full, kept)
    with pytest.raises(InputError, match="full words differ"):
        open_recording(path)


def test_a_npy_file_of_no_known_version_is_one_message(tmp_path):
    path = written(tmp_path, "open_ephys")
    full = next(path.rglob("full_words.npy"))
    content = bytearray(full.read_bytes())
    content[7] = 55  # the second number of the version
    full.write_bytes(content)
    with pytest.raises(InputError, match="version 1.55"):
        open_recording(path)


def test_two_record_nodes_are_refused(tmp_path):
    write_open_ephys(tmp_path / "day/Record Node 101", CHUNKS, n_channels=4)
    write_open_ephys(tmp_path / "day/Record Node 102", CHUNKS, n_channels=4)
    with pytest.raises(InputError, match="clocks of their own"):
        open_recording(tmp_path / "day")
    assert open_recording(tmp_path / "day/Record Node 101").streams["broadband"].n_samples == N


def test_a_neuralynx_event_file_is_not_taken_for_blackrocks(tmp_path):
    path = written(tmp_path, "neuralynx")
    assert open_recording(path / "Events.nev").format == "neuralynx"
    (tmp_path / "b.nev").write_bytes(b"NEURALEV" + bytes(400))
    with pytest.raises(InputError) as caught:
        open_recording(tmp_path / "b.nev")
    assert "Neuralynx" not in str(caught.value)


def test_neuralynx_stamps_that_drift_from_the_nominal_rate_make_no_gaps(tmp_path):
    path = tmp_path / "drift"
    long = np.zeros((512 * 400, 1), np.int16)
    write_neuralynx(path, [long], names=["CSC1"], gain_uv=[1.0], sampling_rate_hz=RATE)
    content = bytearray((path / "CSC1.ncs").read_bytes())
    for record in range(400):
        at = 16_384 + 1_044 * record
        stamp = round(record * 512 * 1e6 / (RATE * 0.9995))
        content[at : at + 8] = stamp.to_bytes(8, "little")
    (path / "CSC1.ncs").write_bytes(content)
    (stream,) = open_recording(path).streams.values()
    assert stream.segments == ((0.0, 512 * 400),)
    assert stream.sampling_rate_hz == pytest.approx(RATE * 0.9995, rel=1e-7)
