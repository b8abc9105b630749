"""`evoalign align`, `sort` and `figures` write what these steps of the pipeline make, and replace nothing."""

import sys
from pathlib import Path

import pandas as pd
import pytest

from evoalign import tables
from evoalign.cli import main
from evoalign.commands.figures import session_tables
from evoalign.events.align import align
from evoalign.events.log import read_log
from evoalign.events.settings import Events
from evoalign.events.tables import ALIGNMENT, PRESENTATIONS
from evoalign.formats.opening import open_recording
from evoalign.nwb.read import read_nwb
from evoalign.nwb.write import write_nwb
from evoalign.sheet import Session
from evoalign.sorting.result import SortingResult
from evoalign.sorting.session import sort_recording
from evoalign.study import Config

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "nwb")]
from rig_files import schedule, write_log, write_rig
from session_to_package import CONFIG, full_session


@pytest.fixture
def rig(tmp_path, monkeypatch):
    """Raw files and log in the folder in which the command runs."""
    monkeypatch.chdir(tmp_path)
    write_rig(tmp_path / "a", schedule())
    write_log(tmp_path / "log.tsv", schedule())
    return ["a.nev", "a.ns6"]


def test_presentations_are_those_of_the_alignment(rig, capsys):
    assert main(["align", *rig, "--log", "log.tsv", "--spaces", "fc6", "BigGAN", "--to", "events"]) == 0
    recording = open_recording(rig)
    log = read_log("log.tsv", Events(), ("fc6", "BigGAN"))
    expected = align(log, recording.words, Events(), session="a", segments=recording.segments)
    written = tables.read("events/presentations.parquet", PRESENTATIONS)
    pd.testing.assert_frame_equal(written, expected.presentations)
    pd.testing.assert_frame_equal(tables.read("events/alignment.parquet", ALIGNMENT), expected.report)
    as_text = pd.read_csv("events/presentations.tsv", sep="\t")
    assert as_text["onset_s"].tolist() == written["onset_s"].tolist()
    assert set(written["space"]) == {"fc6", "BigGAN"} and "n_valid              60" in capsys.readouterr().out


def test_units_are_those_of_the_sorting(rig, capsys):
    assert main(["sort", *rig, "--preferred", "2a", "--to", "sorting"]) == 0
    recording = open_recording(rig)
    row = Session(session="a", subject="A", raw=tuple(rig), preferred="2a")
    expected = sort_recording(
        recording, recording.channels, recording.online_spikes, row, Config().sorting, 0
    )
    names = ("units", "spikes", "waveforms", "bad_channels", "artefacts")
    written = SortingResult.read({name: f"sorting/{name}.parquet" for name in names})
    pd.testing.assert_frame_equal(written.units, expected.units)
    pd.testing.assert_frame_equal(written.spikes, expected.spikes)
    out = capsys.readouterr().out
    assert "online: 1 units on 1 channels" in out and "preferred: online unit" in out


@pytest.mark.slow
def test_figures_of_a_session_come_from_its_nwb_file(tmp_path, capsys):
    contents = full_session(tmp_path)
    write_nwb(tmp_path / "s1.nwb", contents, CONFIG)
    target = tmp_path / "figures"
    assert main(["figures", str(tmp_path / "s1.nwb"), "--to", str(target), "--no-encoding"]) == 0
    drawn = {path.stem for path in target.glob("*.png")}
    assert {"alignment", "quality", "raster"} <= drawn and "unit_heatmaps" not in drawn
    assert str(target / "raster.png") in capsys.readouterr().out.splitlines()
    found = session_tables(read_nwb(tmp_path / "s1.nwb"), Config(), with_encoding=False)
    assert found["encoding"].empty


@pytest.mark.parametrize("command", ["align", "sort"])
def test_nothing_that_exists_is_replaced(rig, tmp_path, capsys, command):
    (tmp_path / "mine").mkdir()
    options = ["--log", "log.tsv"] if command == "align" else []
    assert main([command, *rig, *options, "--to", "mine"]) == 1
    assert "exists already" in capsys.readouterr().err and not any((tmp_path / "mine").iterdir())


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["align", "a.nev", "--log", "none.tsv", "--to", "x"], "none.tsv"),
        (["align", "b.nev", "--log", "log.tsv", "--to", "x"], "file does not exist"),
        (["align", "a.nev", "--log", "log.tsv", "--photodiode", "ainp1", "--to", "x"], "no channel 'ainp1'"),
        (["sort", "a.nev", "--preferred", "x2", "--to", "x"], "preferred"),
        (["figures", "none.nwb", "--to", "x"], "file does not exist"),
    ],
)
def test_a_wrong_input_is_one_message_and_leaves_nothing(rig, tmp_path, capsys, command, message):
    assert main(command) == 1
    err = capsys.readouterr().err
    assert err.startswith("InputError: ") and message in err and not (tmp_path / "x").exists()
