"""EDF files: what is read is what the bytes say, by the formulas of the format."""

import datetime as dt
import sys
from pathlib import Path

import numpy as np
import pytest

from evoalign.errors import InputError
from evoalign.formats.opening import open_recording

sys.path.append(str(Path(__file__).parents[2] / "fuzz"))
from tiny_rigs import edf_samples, tiny_edf

RATE = 30_000


def opened(folder, **more):
    path = folder / "a.edf"
    path.write_bytes(tiny_edf(**more))
    return open_recording(path)


def counts(stream):
    return [stream.read(k, 0, n) for k, (_, n) in enumerate(stream.segments)]


def test_samples_rates_and_gains_are_those_of_the_bytes(tmp_path):
    recording = opened(tmp_path)
    records = [edf_samples(record) for record in range(6)]
    broadband, analog = recording.streams["broadband"], recording.streams["analog"]
    assert (broadband.sampling_rate_hz, analog.sampling_rate_hz) == (RATE, 1_000)
    assert broadband.channels == (1, 2) and recording.start == dt.datetime(2026, 3, 2, 10)
    for column in range(2):
        wanted = np.concatenate([record[300 * column : 300 * (column + 1)] for record in records])
        np.testing.assert_array_equal(np.concatenate([part[:, column] for part in counts(broadband)]), wanted)
        np.testing.assert_array_equal(broadband.read(0, 250, 650, [column + 1])[:, 0], wanted[250:650])
    light = np.concatenate([record[600:] for record in records])
    np.testing.assert_array_equal(np.concatenate(counts(analog))[:, 0], light)
    # Physical = low + (digital - first) (high - low) / (last - first); volts are 10^6 µV.
    np.testing.assert_allclose(broadband.gain_uv, [1000 / 65_535, 500 / 4_095], rtol=1e-12)
    np.testing.assert_allclose(broadband.gain_uv[1] * -2048 + broadband.offset_uv[1], -250, rtol=1e-9)
    np.testing.assert_allclose(analog.gain_uv * 32_767 + analog.offset_uv, 5e6, rtol=1e-9)


def test_a_pause_and_words_stand_at_their_times(tmp_path):
    recording = opened(tmp_path)
    assert recording.streams["broadband"].segments == ((0.0, 900), (pytest.approx(5.03), 900))
    words = recording.words.set_index("source")
    assert words.loc["strobed", "word"].tolist() == [101, 104]
    np.testing.assert_allclose(words.loc["strobed", "time_s"], [0.012, 5.042], atol=1e-9)
    assert words.loc["bit", "word"] == recording.metadata["event_channels"]["reward"] == 1
    assert words.loc["bit", "time_s"] == pytest.approx(0.02)


def test_a_plain_edf_is_one_stretch(tmp_path):
    for told in (6, -1):  # -1: never closed
        recording = opened(tmp_path, plus="", annotations=False, records_told=told)
        assert recording.streams["broadband"].segments == ((0.0, 1_800),) and recording.words.empty


def test_a_jitter_of_records_within_the_tolerance_is_no_pause(tmp_path):
    assert len(opened(tmp_path, pause_s=0.0005).streams["broadband"].segments) == 1
    assert len(opened(tmp_path, pause_s=0.002).streams["broadband"].segments) == 2


def test_a_status_channel_keeps_its_size(tmp_path):
    # neo 0.14.6 divides by one step more: 0 and 1 would be 0 and 0.5.
    status = ("Status", "Boolean", (0, 1), (0, 1))
    electrodes = [(f"El {k}", "uV", (-500, 500), (-2048, 2047)) for k in (1, 2)]
    recording = opened(tmp_path, signals=[*electrodes, status])
    np.testing.assert_allclose(recording.streams["analog"].gain_uv, [1.0])
    assert recording.metadata["scale"] == {"Status": "in Boolean"}


def test_labels_with_one_number_keep_apart(tmp_path):
    labels = ("EEG F3", "EEG C3")
    electrodes = [(label, "mV", (-1, 1), (-2048, 2047)) for label in labels]
    recording = opened(tmp_path, signals=[*electrodes, ("Status", "", (0, 1), (0, 1))])
    table = recording.channels.set_index("channel")
    assert table.loc[[1, 2], "name"].tolist() == list(labels)
    np.testing.assert_allclose(table.loc[[1, 2], "gain_uv"], 2000 / 4_095)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda b: b[:-1], "tells of 6 records"),
        (lambda b: b[:236] + b"7       " + b[244:], "tells of 7 records"),
        (lambda b: b[:184] + b"512     " + b[192:], "a header of 512 bytes for 4 signals"),
        (lambda b: b[:252] + b"zwei" + b[256:], "number of signals is 'zwei'"),
        (lambda b: b[:244] + b"0       " + b[252:], "records of 0 s"),
        (lambda b: b.replace(b"+5.0300\x14\x14", b"+0.0100\x14\x14"), "starts before the one ahead"),
        (lambda b: b.replace(b"+5.0300\x14\x14", b"x5.0300\x14\x14"), "record 4 has no annotation"),
        (lambda b: b"BIOSEMI " + b[8:], "not with version 0"),
    ],
)
def test_what_does_not_add_up_is_refused(tmp_path, damage, message):
    path = tmp_path / "a.edf"
    path.write_bytes(damage(tiny_edf()))
    with pytest.raises(InputError, match=message):
        open_recording(path)
