"""`evoalign inspect` says what a file holds: against what was written, whole and of the beginning alone."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from evoalign.cli import main
from evoalign.commands import text
from evoalign.commands.inspect_spikes import Spiking, psth
from evoalign.events.recorded_images import recorded_images
from evoalign.events.settings import Events
from evoalign.formats.blackrock.write import write_nev, write_nsx
from evoalign.formats.opening import open_recording
from evoalign.formats.pl2.write import write_pl2
from evoalign.formats.plx.write import write_plx
from evoalign.nwb.contents import SessionContents, SessionMetadata
from evoalign.nwb.tables import GENERATORS
from evoalign.nwb.write import write_nwb
from evoalign.study import Config

SECONDS, RATE_HZ = 12, 30_000
ONSETS_S = np.arange(1.0, 11.0, 0.5)
# A spike 85 ms after each image, on channel 3, unit b; and one of channel 1 each 40 ms.
SPIKES = pd.concat([
    pd.DataFrame({"channel": 3, "unit": 2, "time_s": ONSETS_S + 0.085}),
    pd.DataFrame({"channel": 1, "unit": 0, "time_s": np.arange(0.5, 11.5, 0.04)}),
]).sort_values("time_s")  # fmt: skip
WORDS = pd.concat([
    pd.DataFrame({"time_s": ONSETS_S, "word": 101, "source": "digital"}),
    pd.DataFrame({"time_s": ONSETS_S + 0.1, "word": 201, "source": "digital"}),
]).sort_values("time_s")  # fmt: skip
NOISE = np.random.default_rng(0).integers(-99, 99, (RATE_HZ, 3)).astype(np.int16)


def blackrock(folder):
    write_nev(folder / "a.nev", channels=[1, 2, 3], spikes=SPIKES, words=WORDS)
    write_nsx(folder / "a.ns6", [NOISE] * SECONDS, channel_ids=[1, 2, 3], pauses=[(5 * RATE_HZ, 2 * RATE_HZ)])
    return [folder / "a.nev", folder / "a.ns6"]


def plexon(write, name):
    def written(folder):
        write(
            folder / name, [NOISE] * SECONDS, names=["WB001", "WB002", "WB003"], sampling_rate_hz=RATE_HZ,
            clock_hz=30_000, spike_channels=[1, 2, 3], spikes=SPIKES, words=WORDS.assign(source="strobed"),
        )  # fmt: skip
        return [folder / name]

    return written


FORMATS = {"blackrock": blackrock, "plx": plexon(write_plx, "a.plx"), "pl2": plexon(write_pl2, "a.pl2")}


@pytest.fixture(params=FORMATS)
def files(request, tmp_path):
    return FORMATS[request.param](tmp_path)


def inspected(capsys, *arguments):
    status = main(["inspect", *map(str, arguments)])
    output = capsys.readouterr()
    return status, output.out, output.err


def test_channels_words_units_and_images_are_those_of_the_file(files, capsys):
    status, out, _ = inspected(capsys, *files)
    lines = out.splitlines()
    assert status == 0
    assert "Channels: 3 neural (1-3); no analog input" in lines
    assert any(line.split()[:2] == ["broadband", "3"] for line in lines)
    assert any(
        line.split() == ["3b", "20", "1.4/s" if files[0].suffix == ".nev" else "1.7/s"] for line in lines
    )
    assert "Units: 2 online, on 2 channels" in lines
    assert "Images by their words, not by light: 20, shown for 100 ms (median); the first:" in lines
    assert "101 (20x), 201 (20x)" in out
    assert "PSTH: 3b, 20 times image onset, bins of 10 ms" in lines


def test_a_pause_is_told_with_its_place_and_length(tmp_path, capsys):
    _, out, _ = inspected(capsys, *blackrock(tmp_path))
    assert "Gaps: 1" in out.splitlines()
    assert "  broadband: after 5.000 s nothing for 2,000.000 ms" in out.splitlines()


@pytest.mark.parametrize("most_bytes", [30_000, 400_000])
def test_the_beginning_holds_the_first_words_and_spikes_and_tells_the_full_duration(files, most_bytes):
    full, beginning = open_recording(files), open_recording(files, most_bytes=most_bytes)
    for name in ("words", "online_spikes"):
        begun, whole = getattr(beginning, name), getattr(full, name)
        pd.testing.assert_frame_equal(begun, whole[: len(begun)])
    assert len(beginning.online_spikes) < len(full.online_spikes) or most_bytes > 30_000
    if beginning.full_duration_s is not None:
        samples_s = full.streams["broadband"].n_samples / RATE_HZ
        assert beginning.full_duration_s == pytest.approx(samples_s, abs=0.5)
    for name, stream in beginning.streams.items():
        n = min(stream.segments[0][1], 1000)
        np.testing.assert_array_equal(stream.read(0, 0, n), full.streams[name].read(0, 0, n))


def test_more_bytes_than_the_file_has_are_the_whole_recording(files):
    full, beginning = open_recording(files), open_recording(files, most_bytes=10**9)
    assert beginning.full_duration_s is None and beginning.descriptor() == full.descriptor()


def test_stamps_of_single_samples_are_read_up_to_the_limit(tmp_path):
    write_nsx(tmp_path / "p.ns6", [NOISE], channel_ids=[1, 2, 3], version="3.0", ptp=True)
    beginning = open_recording(tmp_path / "p.ns6", most_bytes=100_000)
    assert 4000 < beginning.streams["broadband"].n_samples < 100_000 / 18
    assert beginning.full_duration_s == pytest.approx(1.0, abs=0.01)


def test_what_was_left_out_is_said(files, capsys):
    status, out, _ = inspected(capsys, files[0])
    assert ("Beside it, and not looked at: a.ns6" in out) == (files[0].suffix == ".nev")
    assert status == 0


def test_the_psth_is_the_rate_in_each_bin():
    units = pd.DataFrame({"unit": [0], "channel": [3]})
    spikes = pd.DataFrame({"unit": 0, "time_s": ONSETS_S + 0.085})
    spiking = Spiking("", units, spikes, ONSETS_S, "image onset", 10.0)
    rate_hz = psth(spiking, units.iloc[0], (-100, 400), 10)
    assert rate_hz.shape == (50,) and rate_hz[18] == 100 and rate_hz.sum() == 100


def test_bars_are_as_high_as_the_rates():
    lines = text.psth_lines(np.array([0.0, 4.0, 8.0, 2.0]), (-100, 300))
    filled = ["".join("x" if c.strip() else " " for c in line[-4:]) for line in lines[:-1]]
    assert [sum(line[i] == "x" for line in filled) for i in range(4)] == [0, 3, 5, 2]
    assert lines[0].strip().startswith("8/s")


@pytest.mark.parametrize(
    ("numbers", "joined"), [([], ""), ([4], "4"), ([3, 1, 2], "1-3"), ([1, 2, 5, 7, 8], "1-2, 5, 7-8")]
)
def test_runs_of_channels_are_joined(numbers, joined):
    assert text.ranges(numbers) == joined


def test_images_are_the_onset_words_after_fixation_with_their_offsets():
    words = pd.DataFrame({
        "time_s": np.arange(9.0), "word": [101, 9, 5, 101, 201, 102, 103, 203, 18],
        "source": "digital", "segment": 0,
    })  # fmt: skip
    images = recorded_images(words, Events())
    assert images["word"].tolist() == [101, 102, 103]
    np.testing.assert_array_equal(images["onset_s"], [3, 5, 6])
    np.testing.assert_array_equal(images["offset_s"], [4, np.nan, 7])
    without = recorded_images(words[words["word"] != 5], Events())
    assert without["word"].tolist() == [101, 101, 102, 103]  # a rig without a word of fixation


def test_a_log_tells_blocks_threads_and_first_images(tmp_path, capsys):
    rows = [
        f"{i}\t{i // 4 + 1}\tblock001_thread00{i % 2}_gen_gen000_00000{i}\t{101 + i % 4}\t{201 + i % 4}"
        f"\t{i * 0.2:.1f}\t{i * 0.2 + 0.1:.1f}\t1\t{i % 2}\tfc6"
        for i in range(8)
    ]
    names = ["presentation", "trial", "image", "onset_word", "offset_word", "onset_s", "offset_s", "block"]
    names += ["thread", "space"]
    (tmp_path / "log.tsv").write_text("\n".join(["\t".join(names), *rows]) + "\n")
    status, out, _ = inspected(capsys, tmp_path / "log.tsv")
    assert status == 0
    assert "Presentations: 8 of 8 images in 2 trials, 1.4 s, shown for 100 ms (median)" in out
    assert "Blocks: 1 (1 to 1); thread 0: fc6, thread 1: fc6; 0 presentations of references" in out


def test_an_array_map_is_told_by_array_and_area(tmp_path, capsys):
    rows = [f"{c}\tA\t\t{'V1' if c < 3 else 'IT'}\t\t" for c in range(1, 6)]
    (tmp_path / "map.tsv").write_text("\n".join(["channel\tarray\tconnector\tarea\tx_um\ty_um", *rows]))
    _, out, _ = inspected(capsys, tmp_path / "map.tsv")
    assert [line.split() for line in out.splitlines()[2:]] == [
        ["A", "V1", "2", "1-2"],
        ["A", "IT", "3", "3-5"],
    ]


def test_a_picture_is_written_of_the_unit_that_was_asked_for(tmp_path, capsys):
    status, _, _ = inspected(capsys, *blackrock(tmp_path), "--unit", "3b", "--png", tmp_path / "psth.png")
    assert status == 0 and (tmp_path / "psth.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--unit", "9c"], "there is no unit 9c"),
        (["--unit", "b3"], "'b3' is no unit"),
        (["--png", "psth.pdf"], "'.pdf' is no suffix of a picture"),
        (["--config", "none.yaml"], "cannot read the configuration"),
    ],
)
def test_a_wrong_option_is_one_message(tmp_path, capsys, arguments, message):
    status, _, err = inspected(capsys, *blackrock(tmp_path), *arguments)
    assert status == 1 and err.startswith("InputError: ") and message in err


def test_a_part_of_a_recording_names_the_folder_to_give(tmp_path, capsys):
    (tmp_path / "day").mkdir()
    (tmp_path / "day/info.rhd").write_bytes(b"x")
    (tmp_path / "day/amplifier.dat").write_bytes(b"x")
    status, _, err = inspected(capsys, tmp_path / "day/amplifier.dat")
    assert status == 1 and f"name the folder: {tmp_path / 'day'}" in err


def test_a_sample_sheet_is_sent_to_check(tmp_path, capsys):
    (tmp_path / "sessions.tsv").write_text("session\tsubject\traw\n")
    status, _, err = inspected(capsys, tmp_path / "sessions.tsv")
    assert status == 1 and "evoalign check" in err


def test_of_an_nwb_file_each_thread_s_search_is_told_with_its_settings(tmp_path, capsys):
    rows = [(0, "texture", 24, "", "", "", "", "zoha", "seed: 7"), (1, "fc6", -1, *[""] * 6)]
    contents = SessionContents(
        SessionMetadata("s1", "A"),
        dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        generators=pd.DataFrame(rows, columns=GENERATORS.names),
    )
    write_nwb(tmp_path / "s1.nwb", contents, Config())
    main(["inspect", str(tmp_path / "s1.nwb")])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["0", "texture", "24", "zoha", "seed:", "7"] in lines
    assert ["1", "fc6", "unknown", "unknown"] in lines
