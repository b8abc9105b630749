"""`evoalign new` writes a study that a run takes, and guesses nothing that it cannot tell."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from evoalign.cli import main
from evoalign.commands import new, study_files
from evoalign.formats.blackrock.write import write_nev, write_nsx
from evoalign.formats.plx.write import write_plx
from evoalign.recordings.array_map import read_array_map
from evoalign.sheet import load_sessions
from evoalign.study import load_config

NOISE = np.random.default_rng(0).integers(-99, 99, (30_000, 3)).astype(np.int16)
LOG = "presentation\ttrial\timage\tonset_word\toffset_word\tonset_s\toffset_s\n0\t1\ta\t101\t201\t1.0\t1.1\n"


@pytest.fixture
def data(tmp_path):
    """Two days of one animal, each in its folder: Blackrock with all that belongs to it, Plexon without."""
    day = tmp_path / "data/day1"
    (day / "latents").mkdir(parents=True)
    (day / "images").mkdir()
    write_nev(day / "Beto-22012021-003.nev", channels=[1, 2])
    write_nsx(
        day / "Beto-22012021-003.ns6", [NOISE], channel_ids=[1, 2, 129], labels=["chan1", "chan2", "ainp1"]
    )
    (day / "log.tsv").write_text(LOG)
    (day / "latents/block001_thread000_code.mat").write_bytes(b"x")
    for name in "ab":
        (day / f"images/{name}.png").write_bytes(b"x")
    (tmp_path / "data/day2").mkdir()
    write_plx(tmp_path / "data/day2/other day.plx", [NOISE], names=["WB001", "WB002", "WB003"])
    return tmp_path / "data"


def made(capsys, *arguments):
    status = main(["new", *map(str, arguments)])
    output = capsys.readouterr()
    return status, output.out, output.err


def test_the_sheet_holds_what_lies_together(tmp_path, data, capsys, monkeypatch):
    status, out, _ = made(capsys, tmp_path / "study", "--data", data)
    monkeypatch.chdir(tmp_path / "study")
    assert status == 0 and load_config("config/config.yaml").study == "study"
    blackrock, plexon = load_sessions("config/sessions.tsv", exists=lambda file: Path(file).exists())
    assert [Path(file).name for file in blackrock.raw] == ["Beto-22012021-003.nev", "Beto-22012021-003.ns6"]
    assert (blackrock.subject, blackrock.photodiode) == ("Beto", "ainp1")
    assert blackrock.log == str(data / "day1/log.tsv")
    assert blackrock.latents == str(data / "day1/latents") and blackrock.images == str(data / "day1/images")
    assert (plexon.session, plexon.subject, plexon.log, plexon.latents) == ("other_day", "unknown", "", "")
    assert "to fill in: log, latents, images, subject, preferred, spaces" in out
    assert Path("resources/style/evoalign.mplstyle").exists()


def test_recordings_of_other_channels_get_maps_of_their_own(tmp_path, data, capsys, monkeypatch):
    made(capsys, tmp_path / "study", "--data", data)
    monkeypatch.chdir(tmp_path / "study")
    maps = {
        row.session: read_array_map(row.arrays)["channel"].tolist()
        for row in load_sessions("config/sessions.tsv")
    }
    assert maps == {"Beto-22012021-003": [1, 2], "other_day": [1, 2, 3]}


def test_animals_of_equal_channels_get_maps_of_their_own_and_days_of_one_share_its(tmp_path, capsys):
    (tmp_path / "data").mkdir()
    for name in ("Beto-22012021-003", "Beto-23012021-001", "Alfa-22012021-001"):
        write_nev(tmp_path / f"data/{name}.nev", channels=[1, 2])
        write_nsx(tmp_path / f"data/{name}.ns6", [NOISE], channel_ids=[1, 2, 3])
    made(capsys, tmp_path / "study", "--data", tmp_path / "data")
    lines = (tmp_path / "study/config/sessions.tsv").read_text().splitlines()
    column = lines[0].split("\t").index("arrays")
    alfa, beto, beto_later = (line.split("\t")[column] for line in lines[1:])
    assert beto == beto_later != alfa


def test_paths_inside_the_study_are_told_from_its_folder(tmp_path, data, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study").mkdir()
    made(capsys, "study", "--data", "data/day1")
    assert load_sessions("study/config/sessions.tsv")[0].log == str(tmp_path / "data/day1/log.tsv")
    assert new._path(Path("study/raw/a.plx"), Path("study")) == "raw/a.plx"


def test_a_recording_that_cannot_be_read_stays_in_the_sheet_as_a_comment(tmp_path, data, capsys):
    (data / "day2/cut.plx").write_bytes((data / "day2/other day.plx").read_bytes()[:-7])
    _, out, _ = made(capsys, tmp_path / "study", "--data", data)
    text = (tmp_path / "study/config/sessions.tsv").read_text()
    assert "left out, a comment in the sheet: the last block is cut" in out
    assert "# the last block is cut" in text and "# cut\t" in text
    assert len(load_sessions(tmp_path / "study/config/sessions.tsv")) == 2


def test_without_data_the_sheet_holds_its_columns(tmp_path, capsys):
    status, _, _ = made(capsys, tmp_path / "study")
    assert status == 0
    assert (tmp_path / "study/config/sessions.tsv").read_text().startswith("session\tsubject\tdate\t")


def test_nothing_is_replaced(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    for folder in (tmp_path, tmp_path / "notes.txt"):
        status, _, err = made(capsys, folder)
        assert status == 1 and err.startswith("InputError: the folder is not empty")
    status, _, err = made(capsys, tmp_path / "study", "--data", tmp_path / "none")
    assert status == 1 and "there is no such folder of data" in err and not (tmp_path / "study").exists()


def log_of(folder, recording, logs, recordings=None):
    match = study_files.matching(
        folder / recording, [folder / log for log in logs], [folder / r for r in recordings or [recording]]
    )
    return None if match is None else str(match.relative_to(folder))


@pytest.mark.parametrize(
    ("recording", "logs", "recordings", "match"),
    [
        ("a.plx", ["log.bhv2"], None, "log.bhv2"),
        ("a.plx", ["log.bhv2"], ["a.plx", "b.plx"], None),
        ("a.plx", ["log.bhv2", "log2.bhv2"], None, None),
        (
            "Beto-210122.plx",
            ["210122_x.bhv2", "210123_x.bhv2"],
            ["Beto-210122.plx", "Beto-210123.plx"],
            "210122_x.bhv2",
        ),
        ("a.plx", ["a.bhv2", "b.bhv2"], ["a.plx", "b.plx"], "a.bhv2"),
        ("raw/a-20210122.plx", ["logs/20210122.bhv2", "logs/20210123.bhv2"], None, "logs/20210122.bhv2"),
        ("raw/a-20210122.plx", ["logs/20210122a.bhv2", "logs/20210122b.bhv2"], None, None),
        ("raw/a.plx", ["logs/only.bhv2"], None, None),
        ("day1/a.plx", ["x/y/z/a.bhv2"], None, None),
    ],
)
def test_a_log_is_taken_only_where_place_or_name_tell(tmp_path, recording, logs, recordings, match):
    assert log_of(tmp_path, recording, logs, recordings) == match


@pytest.mark.parametrize(
    ("name", "animal"),
    [("Beto-22012021-003.nev", "Beto"), ("Alfa210122.plx", "Alfa"), ("datafile20210122001.nev", ""),
     ("File_plexon_1.plx", ""), ("IT_plexon.plx", ""), ("210122_Beto.plx", "")],
)  # fmt: skip
def test_an_animal_is_told_by_a_name_before_a_date_alone(name, animal):
    assert study_files.animal(Path(name)) == animal


def test_blackrocks_folder_is_not_taken_for_neuralynx(tmp_path, data):
    files = study_files.study_files([data])
    assert sorted(len(recording) for recording in files.recordings) == [1, 2]
    assert [log.name for log in files.logs] == ["log.tsv"]
    shutil.rmtree(data / "day1/images")
    assert study_files.study_files([data]).images == []
