"""Lost packets, fragments and pauses of rigs without a writer of ours: segments at their true times."""

import sys
from pathlib import Path

import numpy as np
import pytest

from evoalign.errors import InputError
from evoalign.formats.opening import open_recording

sys.path.append(str(Path(__file__).parents[2] / "fuzz"))
from tiny_rigs import SAMPLES, tiny_nex, tiny_rec, tiny_smr


def opened(folder, name, content):
    (folder / name).write_bytes(content)
    return open_recording(folder / name)


def test_packets_lost_by_a_spikegadgets_recorder_are_a_gap(tmp_path):
    recording = opened(tmp_path, "a.rec", tiny_rec())
    (start, n), (start_2, n_2) = recording.streams["broadband"].segments
    assert (start, n, n_2) == (0.0, 30, 30) and start_2 == pytest.approx(530 / 30_000)
    # Chips of two channels take turns: bytes hold hardware channels 0, 2, 1, 3.
    assert recording.streams["broadband"].channels == (1, 3, 2, 4)
    np.testing.assert_array_equal(
        recording.streams["broadband"].read(1, 0, 30, [3])[:, 0], np.arange(121, 240, 4)
    )
    np.testing.assert_array_equal(recording.streams["analog"].read(1, 0, 30)[:, 0], np.arange(30, 60))
    assert recording.words["word"].tolist() == [1, 2]
    np.testing.assert_allclose(recording.words["time_s"], [10 / 30_000, 540 / 30_000])
    assert recording.streams["broadband"].gain_uv.tolist() == [0.25] * 4
    assert recording.start.isoformat() == "2026-03-02T10:00:00+00:00"


def test_a_spikegadgets_file_without_scale_says_so(tmp_path):
    recording = opened(tmp_path, "a.rec", tiny_rec(scaled=False))
    assert recording.metadata["scale"].startswith("the file has none")


def test_a_spikegadgets_counter_that_runs_backwards_is_refused(tmp_path):
    with pytest.raises(InputError, match="runs backwards"):
        opened(tmp_path, "a.rec", tiny_rec(lost=-20))


def test_fragments_of_a_neuroexplorer_variable_are_segments(tmp_path):
    recording = opened(tmp_path, "a.nex", tiny_nex())
    (stream,) = recording.streams.values()
    assert stream.name == "field" and stream.segments == ((0.0025, 30), (0.125, 50))
    np.testing.assert_array_equal(stream.read(1, 0, 50)[:, 0], SAMPLES[30:])
    assert stream.gain_uv.tolist() == [1.0]


def test_the_marker_field_of_whole_numbers_is_the_word(tmp_path):
    # neo 0.14.6 gives the first field alone, here a text.
    recording = opened(tmp_path, "a.nex", tiny_nex())
    words = recording.words[recording.words["source"] == "strobed"]
    assert words["word"].tolist() == [101, 201]
    np.testing.assert_allclose(words["time_s"], [50 / 40_000, 60 / 40_000])
    assert recording.online_spikes[["channel", "unit"]].values.tolist() == [[4, 2]] * 3


def test_a_pause_of_a_spike2_channel_is_a_gap_and_what_is_in_it_stays(tmp_path):
    recording = opened(tmp_path, "a.smr", tiny_smr())
    (stream,) = recording.streams.values()
    assert stream.name == "field"
    assert [n for _, n in stream.segments] == [40, 40]
    np.testing.assert_allclose([start for start, _ in stream.segments], [0, 0.05])
    np.testing.assert_array_equal(stream.read(1, 0, 40)[:, 0], SAMPLES[40:])
    assert stream.gain_uv[0] == pytest.approx(1_000 / 6_553.6)
    words = recording.words
    assert words.loc[words["source"] == "strobed", "word"].tolist() == [101, 201]
    np.testing.assert_allclose(words.loc[words["source"] == "bit", "time_s"], [5e-5, 9e-3])
    assert recording.online_spikes[["channel", "unit"]].values.tolist() == [[4, 1], [4, 2]]


def test_a_broken_chain_of_spike2_blocks_is_refused(tmp_path):
    content = bytearray(tiny_smr())
    first = int.from_bytes(content[512 + 6 : 512 + 10], "little")
    content[first + 4 : first + 8] = first.to_bytes(4, "little")  # a block that follows itself
    with pytest.raises(InputError, match="chain of channel 1"):
        opened(tmp_path, "a.smr", bytes(content))
